"""What thin surfaces do to a track, scattering above all: compiled, for :mod:`tracking.fit.kalman`."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.scattering import theta2_behind

__all__ = ["below", "scattering", "thickness"]

FLATTEST = 50.0
"""Largest path through a surface, in its thicknesses. Along a surface the path would have no end."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def below(surfaces: Any, at: float, near: int) -> int:
    """How many of the sorted surfaces are at or below a radius or z: the search starts from ``near``."""
    while near < len(surfaces) and surfaces[near, 0] <= at:
        near += 1
    while near > 0 and surfaces[near - 1, 0] > at:
        near -= 1
    return near


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def scattering(
    sums: Any, surfaces: Any, first: int, last: int, ends: Any, others: Any, chord: float, momentum2: float,
    beta2: float,
) -> Any:  # fmt: skip
    """Add the scattering in surfaces ``first`` to ``last``, or back, between two points: sums of theta^2
    times 1, h and h^2, with h the share of the way from the first point on.

    A track that turns within a gap is not followed.

    Args:
        surfaces: (S, 4) radius or z of cylinders or disks in their order, the range of the other one,
            radiation lengths.
        ends: radius or z of the points; others: the other one; chord: their distance.
    """
    w0, w1, w2 = sums
    (a, b), (c, d) = ends, others
    for i in range(min(first, last), max(first, last)):
        h = (surfaces[i, 0] - a) / (b - a)
        other = c + h * (d - c)
        if surfaces[i, 1] <= other <= surfaces[i, 2]:
            theta2 = theta2_behind(surfaces[i, 3] * min(chord / abs(b - a), FLATTEST), momentum2, beta2)
            w0 += theta2
            w1 += theta2 * h
            w2 += theta2 * h * h
    return w0, w1, w2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def thickness(sums: Any, surfaces: Any, first: int, last: int, ends: Any, others: Any, chord: float) -> Any:
    """Add the radiation lengths of silicon and of beryllium on the way, see :func:`scattering`.

    The beam pipe, without ends, is of beryllium.
    """
    silicon, beryllium = sums
    (a, b), (c, d) = ends, others
    for i in range(min(first, last), max(first, last)):
        other = c + (surfaces[i, 0] - a) / (b - a) * (d - c)
        if surfaces[i, 1] <= other <= surfaces[i, 2]:
            crossed = surfaces[i, 3] * min(chord / abs(b - a), FLATTEST)
            if surfaces[i, 2] == np.inf:
                beryllium += crossed
            else:
                silicon += crossed
    return silicon, beryllium
