"""Helices in a field along z: compiled, all of scalars.

Along the helix s is the path in space, and w = -q * field is the turn for each mm of it, whatever the
direction. A helix is (point, heading, sine, cosine, w): a point on it, the unit vector of the direction there
across the beam, sine and cosine of its polar angle, and w.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit

__all__ = ["advance", "axis", "closest_approach", "crossing", "dot", "path_on_circle", "turned"]

STEPS = 10
"""Newton steps to a plane; one or two do, unless the helix hardly reaches it."""
NEAR = 1e-3
"""mm: the way left after a step as short is a parabola, to less than rounding."""
# The first term left out of the series is 1e-14 there; above, the closed forms' differences lose a digit.
FLAT = 0.5
"""Turns (rad) below which sine and cosine are series."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def dot(a: Any, b: Any) -> Any:
    """Product of two vectors of 3."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def axis(hits: Any, k: int, i: int) -> Any:
    """Three numbers of row k of an array, from column i on."""
    return hits[k, i], hits[k, i + 1], hits[k, i + 2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def turned(x: float) -> Any:
    """(1 - sin x / x) / x^2 and (1 - cos x) / x^2."""
    y = x * x
    if y < FLAT * FLAT:
        a = (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110 * (1 - y / 156))))) / 6
        return a, (1 - y / 12 * (1 - y / 30 * (1 - y / 56 * (1 - y / 90 * (1 - y / 132))))) / 2
    return (1 - math.sin(x) / x) / y, (1 - math.cos(x)) / y


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def advance(helix: Any, s: float) -> Any:
    """Position and heading after the path s."""
    r, (tx, ty), sine, cosine, w = helix
    x = w * s
    a, b = turned(x)
    f, g = 1 - x * x * a, x * b
    sin, cos = x * f, 1 - x * g
    point = (r[0] + s * sine * (f * tx - g * ty), r[1] + s * sine * (f * ty + g * tx), r[2] + s * cosine)
    return point, (cos * tx - sin * ty, sin * tx + cos * ty)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def crossing(helix: Any, s: float, center: Any, normal: Any) -> Any:
    """Crossing of a plane by Newton's method from the path s: path, position and heading there, and whether
    it is reached.
    """
    _, _, sine, cosine, w = helix
    for _ in range(STEPS):
        r, t = advance(helix, s)
        speed = sine * (normal[0] * t[0] + normal[1] * t[1]) + cosine * normal[2]
        # Along the plane there is no crossing. "not >" also holds for what is no number.
        if not abs(speed) > 1e-6:
            return s, r, t, False
        step = dot(normal, (center[0] - r[0], center[1] - r[1], center[2] - r[2])) / speed
        s += step
        if abs(step) < NEAR:
            rest, turn = step * sine, w * step
            bend = 0.5 * turn * rest
            r = (
                r[0] + rest * t[0] - bend * t[1], r[1] + rest * t[1] + bend * t[0], r[2] + step * cosine
            )  # fmt: skip
            return s, r, (t[0] - turn * t[1], t[1] + turn * t[0]), True
        if not abs(s) < 1e5:
            return s, r, t, False
    return s, helix[0], helix[1], False


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def closest_approach(helix: Any) -> Any:
    """Path to where a helix comes closest to the z axis."""
    r, t, sine, _, w = helix
    k = w / sine
    along, across = r[0] * t[0] + r[1] * t[1], r[1] * t[0] - r[0] * t[1]
    # Seen from the centre of the circle: the angle between this point and the one closest to the axis.
    turn = math.atan2(k * along, 1 + k * across)
    return -(turn / k if abs(turn) > 1e-9 else along / (1 + k * across)) / sine


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def path_on_circle(point: Any, cos: float, sin: float, curvature: float, x: float, y: float) -> float:
    """Transverse path from a point, with the direction (cos, sin) there, to near (x, y): at most half a turn,
    either way.
    """
    dx, dy = x - point[0], y - point[1]
    chord = math.sqrt(dx * dx + dy * dy)
    half = min(max(0.5 * curvature * chord, -1.0), 1.0)
    y = half * half
    if y < 0.04:
        # Of the arc sine over its argument; the first term left out is 1e-16.
        path = 1 + y / 6 * (1 + y * 9 / 20 * (1 + y * 25 / 42 * (1 + y * 49 / 72 * (1 + y * 81 / 110 * (
            1 + y * 121 / 156 * (1 + y * 169 / 210 * (1 + y * 225 / 272 * (1 + y * 289 / 342))))))))  # fmt: skip
    else:
        path = math.asin(half) / half
    return math.copysign(chord * path, dx * cos + dy * sin)
