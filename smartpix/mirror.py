"""Clusters in a field of the opposite sign, as mirror images of those that estimates were trained on.

The drift in a magnetic field is the one thing in a sensor that tells its left from its right. A mirror that
turns y of the sensor's frame round changes the sign of positions and directions along y, and of a field along
x or z, which is an axial vector. The mirror image of a cluster at -B is therefore one at +B.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.geometry import Detector

__all__ = ["SIGNS", "is_opposite", "mirrored"]

Floats = npt.NDArray[np.float64]

SIGNS = np.array([1.0, -1.0, 1.0, -1.0])
"""Of x, y, cot alpha and cot beta in the mirror."""


def is_opposite(field: float | None, trained: Mapping[str, float]) -> bool:
    """Whether clusters in a field along z (T; None: that of the training) are mirror images of those in the
    field of a sensor that something was trained for.
    """
    return field is not None and field * float(trained["field"]) < 0


def mirrored(clusters: FlatClusters, detector: Detector) -> tuple[FlatClusters, Floats]:
    """Clusters with rows counted from the other end of their module.

    Returns:
        The clusters; (C,) mm, what is to be taken off -y of an estimate, since the last row need not end
        where the module does.
    """
    module = np.repeat(clusters.module, clusters.counts)
    shift = (detector.n_rows * detector.pitch_y - 2 * detector.half_y)[clusters.module]
    return replace(
        clusters,
        row=(detector.n_rows[module] - 1 - clusters.row).astype(clusters.row.dtype),
        local=clusters.local * SIGNS[:2] + np.stack([np.zeros_like(shift), shift], axis=1),
    ), shift
