"""The layers of a detector as a table, with their envelopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Layers"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Layers:
    """Layers of a detector, one row per (volume, layer), sorted by those two.

    Attributes:
        volume_id, layer_id: (L,) ids.
        barrel: (L,) bool, True for cylinders, False for disks.
        r_min, r_max, z_min, z_max: (L,) envelope of the modules in mm.
        radius, z: (L,) mean radius of a cylinder's and mean z of a disk's module centres in mm.
        gap_low, gap_high: (L,) radii in mm between which a disk has no silicon, between two of its rings;
            both 0 where its rings overlap, and for cylinders.
    """

    volume_id: Ints
    layer_id: Ints
    barrel: npt.NDArray[np.bool_]
    r_min: Floats
    r_max: Floats
    z_min: Floats
    z_max: Floats
    radius: Floats
    z: Floats
    gap_low: Floats
    gap_high: Floats

    def __len__(self) -> int:
        return len(self.volume_id)

    def name(self, index: int) -> str:
        """Short name for tables and plots, e.g. ``B1`` (innermost cylinder), ``E+2``, ``E-1``."""
        same = self.barrel == self.barrel[index]
        if self.barrel[index]:
            return f"B{1 + int(np.sum(same & (self.radius < self.radius[index])))}"
        side = np.sign(self.z) == np.sign(self.z[index])
        nearer = np.abs(self.z) < abs(self.z[index])
        return f"E{'+' if self.z[index] > 0 else '-'}{1 + int(np.sum(same & side & nearer))}"
