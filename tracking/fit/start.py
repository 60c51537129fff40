"""The helix that a track's fit starts from, and is linear about: compiled.

Hits are rows of (N, 15): position, the axes x, y and normal of the module, and the Cholesky factor of x and
y.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit
from tracking.fit.helix import axis, dot, path_on_circle

__all__ = ["start_circle", "start_line"]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _half_angle(sin: float, cos: float) -> Any:
    """Sine and cosine (not negative) of half the angle whose sine and cosine are these times a number."""
    size = math.sqrt(sin * sin + cos * cos)
    if not size > 0:
        return 0.0, 1.0
    if cos > 0:
        half = math.sqrt((size + cos) / (2 * size))
        return sin / (2 * size * half), half
    half = math.copysign(math.sqrt((size - cos) / (2 * size)), sin)
    return half, sin / (2 * size * half)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def start_circle(hits: Any, first: int, last: int, status: Any, weight: Any, path: Any) -> Any:
    """Circle and line through a track's hits, without scattering: V. Karimaki, NIM A 305 (1991) 187, eqs. 21
    to 24 and 6.

    Args:
        hits: (N, 15); status: (N,) of hits ``first`` to ``last`` those with 0 are used.
        weight, path: (M,) memory; ``path`` is filled with the path to each hit in space.

    Returns:
        Helix from the closest approach to the z axis on; and whether there are three different positions,
        without which the rest is meaningless.
    """
    w = mx = my = mr = 0.0
    inner = outer = -1
    low = high = 0.0
    for k in range(first, last):
        if status[k]:
            continue
        x, y, z = axis(hits, k, 0)
        # y of a module runs along r-phi: its error is the one across the track.
        of_hit = 1 / (hits[k, 13] * hits[k, 13] + hits[k, 14] * hits[k, 14] + 1e-12)
        weight[k - first] = of_hit
        across2 = x * x + y * y
        far = across2 + z * z
        w += of_hit
        mx += of_hit * x
        my += of_hit * y
        mr += of_hit * across2
        if inner < 0 or far < low:
            inner, low = k, far
        if outer < 0 or far > high:
            outer, high = k, far
    share = 1 / w
    mx, my, mr = mx * share, my * share, mr * share
    cxx = cxy = cyy = cxr = cyr = crr = 0.0
    different = False
    for k in range(first, last):
        if status[k]:
            continue
        x, y, of_hit = hits[k, 0], hits[k, 1], weight[k - first] * share
        r2 = x * x + y * y - mr
        from_inner = abs(x - hits[inner, 0]) + abs(y - hits[inner, 1])
        from_outer = abs(x - hits[outer, 0]) + abs(y - hits[outer, 1])
        different |= from_inner > 1e-3 and from_outer > 1e-3
        x -= mx
        y -= my
        cxx += of_hit * x * x
        cxy += of_hit * x * y
        cyy += of_hit * y * y
        cxr += of_hit * x * r2
        cyr += of_hit * y * r2
        crr += of_hit * r2 * r2
    sin, cos = _half_angle(2 * (crr * cxy - cxr * cyr), crr * (cxx - cyy) - cxr * cxr + cyr * cyr)
    kappa = (sin * cxr - cos * cyr) / crr if crr > 0 else 0.0
    delta = -kappa * mr + sin * mx - cos * my
    dx, dy = hits[outer, 0] - hits[inner, 0], hits[outer, 1] - hits[inner, 1]
    # Outwards, from the hit nearest to the origin to the farthest.
    if dx * cos + dy * sin < 0:
        sin, cos, kappa, delta = -sin, -cos, -kappa, -delta
    root = math.sqrt(max(1 - 4 * delta * kappa, 1e-9))
    # Karimaki's curvature turns clockwise, his distance is x sin(phi) - y cos(phi).
    curvature, d0 = -2 * kappa / root, -2 * delta / (1 + root)
    point = (-d0 * sin, d0 * cos, 0.0)
    sw = ss = sz = sss = ssz = 0.0
    for k in range(first, last):
        s, z = path_on_circle(point, cos, sin, curvature, hits[k, 0], hits[k, 1]), hits[k, 2]
        path[k - first] = s
        if status[k]:
            continue
        # Unweighted: x measures z on the barrel and r on the disks, and this is a start only.
        sw += 1
        ss += s
        sz += z
        sss += s * s
        ssz += s * z
    spread = sw * sss - ss * ss
    cot = (sw * ssz - ss * sz) / spread if spread > 1e-6 else 0.0
    length = math.sqrt(1 + cot * cot)
    for k in range(last - first):
        path[k] *= length
    start = (point[0], point[1], (sz - cot * ss) / sw)
    helix = (start, (cos, sin), 1 / length, cot / length, curvature / length)
    return helix, different and spread > 1e-6


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def start_line(hits: Any, first: int, last: int, status: Any, path: Any) -> Any:
    """Line from the used hit nearest to the origin to the farthest; if they are one, from the origin, or
    along its normal. Arguments and helix are those of :func:`start_circle`.
    """
    inner = outer = -1
    low = high = 0.0
    for k in range(first, last):
        if status[k]:
            continue
        place = axis(hits, k, 0)
        far = dot(place, place)
        if inner < 0 or far < low:
            inner, low = k, far
        if outer < 0 or far > high:
            outer, high = k, far
    point, there = axis(hits, inner, 0), axis(hits, outer, 0)
    t = (there[0] - point[0], there[1] - point[1], there[2] - point[2])
    if dot(t, t) < 1e-6:
        t = point if dot(point, point) > 1e-6 else axis(hits, inner, 9)
    length, across = math.sqrt(dot(t, t)), math.sqrt(t[0] * t[0] + t[1] * t[1])
    sine, cosine = across / length, t[2] / length
    heading = (t[0] / across, t[1] / across) if across > 0 else (1.0, 0.0)
    for k in range(first, last):
        if sine > 1e-3:
            path[k - first] = (
                path_on_circle(point, heading[0], heading[1], 0.0, hits[k, 0], hits[k, 1]) / sine
            )
        else:
            path[k - first] = (hits[k, 2] - point[2]) * cosine
    return (point, heading, sine, cosine, 0.0)
