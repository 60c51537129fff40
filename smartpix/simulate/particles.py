"""What is transported: the particles of an event at production."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Particles", "together"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Particles:
    """Particles of one event at production.

    Attributes:
        vertex_id, pdg_id, charge: (N,).
        vertex: (N, 3) mm; momentum: (N, 3) GeV.
        time: (N,) ns, from the mean of the collisions' times.
    """

    vertex_id: npt.NDArray[np.int32]
    pdg_id: npt.NDArray[np.int32]
    charge: Floats
    vertex: Floats
    momentum: Floats
    time: Floats

    def take(self, rows: npt.NDArray[Any]) -> Particles:
        """Some of the particles."""
        return Particles(*(getattr(self, f.name)[rows] for f in fields(Particles)))


def together(*parts: Particles) -> Particles:
    """Particles of all parts, one part after the other."""
    return Particles(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Particles)))
