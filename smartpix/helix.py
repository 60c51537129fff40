"""Circles of charged particles in a field along z: their curvature, and how far they turn along a
chord.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.physics import CURVATURE_PER_TESLA

__all__ = ["curvatures", "half_turns"]

Floats = npt.NDArray[np.float64]


def curvatures(charge: Floats, field: float, pt: Floats) -> Floats:
    """(N,) curvature in 1/mm, counter-clockwise positive: a positive charge turns clockwise in a field
    along z.

    Args:
        charge: (N,) e; field: T; pt: (N,) GeV. Where that is 0, the result is not finite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-charge * field * CURVATURE_PER_TESLA / pt)


def half_turns(curvature: Floats, chord: Floats) -> Floats:
    """(N,) half of the angle, in rad, by which a circle turns between the ends of a chord (mm), in the
    first half of its turn: its sine is half of the chord times the curvature. A chord beyond the circle
    gets a right angle.
    """
    return np.asarray(np.arcsin(np.clip(0.5 * curvature * chord, -1.0, 1.0)))
