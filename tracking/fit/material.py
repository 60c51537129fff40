"""Multiple scattering in thin surfaces: compiled, for :mod:`tracking.fit.kalman`."""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit
from smartpix.physics import HIGHLAND
from tracking.fit.helix import dot

__all__ = ["scatter", "scatter_between", "theta2_behind"]

FLATTEST = 50.0
"""Largest path through a surface, in its thicknesses. Along a surface the path would have no end."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def theta2_behind(thickness: float, momentum2: float, beta2: float) -> float:
    """Variance of the projected scattering angle behind ``thickness`` radiation lengths; momentum2 is 1 /
    (beta p)^2.

    Highland's formula with the logarithm (PDG, Passage of Particles Through Matter, eq. 34.16).
    """
    if thickness <= 0:
        return 0.0
    # The logarithm turns negative in layers thinner than the formula holds for.
    factor = max(1 + 0.038 * math.log(thickness / beta2), 0.0)
    return HIGHLAND * HIGHLAND * momentum2 * thickness * factor * factor


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def scatter(x: Any, p: Any, w0: float, w1: float, w2: float) -> None:
    """Add scattering to a covariance: sums of theta^2 times 1, h and h^2, h the scatterer's height above the
    plane.

    Two independent angles across the track become slopes, as in E. J. Wolin and L. L. Ho, NIM A 329 (1993)
    493.
    """
    a, b = x[2], x[3]
    c = 1 + a * a + b * b
    aa, ab, bb = c * (1 + a * a), c * a * b, c * (1 + b * b)
    p[2, 2] += w0 * aa
    p[3, 3] += w0 * bb
    p[2, 3] += w0 * ab
    p[3, 2] = p[2, 3]
    if w2 == 0:
        return
    p[0, 0] += w2 * aa
    p[1, 1] += w2 * bb
    p[0, 1] += w2 * ab
    p[1, 0] = p[0, 1]
    p[0, 2] -= w1 * aa
    p[1, 3] -= w1 * bb
    p[0, 3] -= w1 * ab
    p[1, 2] -= w1 * ab
    p[2, 0], p[3, 1], p[3, 0], p[2, 1] = p[0, 2], p[1, 3], p[0, 3], p[1, 2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def scatter_between(
    x: Any, p: Any, near: Any, far: Any, normal: Any, surfaces: Any, momentum2: float, beta2: float
) -> None:
    """Scattering in all surfaces between a plane at ``near``, where x and p are, and the point ``far``.

    Surfaces (S, 5): 1 for a cylinder and 0 for a disk, its radius or z, the range of the other one, radiation
    lengths. The path is taken as a chord.
    """
    ra, rb = math.hypot(near[0], near[1]), math.hypot(far[0], far[1])
    za, zb = near[2], far[2]
    chord = (far[0] - near[0], far[1] - near[1], far[2] - near[2])
    distance, height = math.sqrt(dot(chord, chord)), dot(normal, chord)
    w0 = w1 = w2 = 0.0
    for i in range(len(surfaces)):
        at = surfaces[i, 1]
        if surfaces[i, 0] > 0:
            a, b, c, d = ra, rb, za, zb
        else:
            a, b, c, d = za, zb, ra, rb
        # Crossed if its ends lie on either side. A track that turns within a gap is not followed.
        if (a < at) == (b < at):
            continue
        part = (at - a) / (b - a)
        other = c + part * (d - c)
        if other < surfaces[i, 2] or other > surfaces[i, 3]:
            continue
        theta2 = theta2_behind(surfaces[i, 4] * min(distance / abs(b - a), FLATTEST), momentum2, beta2)
        h = part * height
        w0 += theta2
        w1 += theta2 * h
        w2 += theta2 * h * h
    if w0 > 0:
        scatter(x, p, w0, w1, w2)
