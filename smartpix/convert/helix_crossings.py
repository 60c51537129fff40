"""Directions of crossings that a format does not tell, from the helix of the particle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.helix import curvatures, half_turns

__all__ = ["momenta_at"]

Floats = npt.NDArray[np.float64]


def momenta_at(start: Floats, momentum: Floats, charge: Floats, field: float, point: Floats) -> Floats:
    """Momenta (T, 3) where particles pass points, without scattering and energy loss.

    The direction turns by twice the angle whose sine is half of the chord over the radius, in the first half
    of the turn.

    Args:
        start, point: (T, 3) mm; momentum: (T, 3) at the start, GeV; charge: (T,) e.
        field: along z in T.
    """
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    chord = np.hypot(point[:, 0] - start[:, 0], point[:, 1] - start[:, 1])
    turn = 2 * half_turns(np.where(pt > 0, curvatures(charge, field, pt), 0.0), chord)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack(
        [
            cos * momentum[:, 0] - sin * momentum[:, 1],
            sin * momentum[:, 0] + cos * momentum[:, 1],
            momentum[:, 2],
        ],
        axis=1,
    )
