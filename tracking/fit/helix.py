"""Helices in a field along z between planes, with analytic Jacobians: compiled, all of scalars and small
arrays.

Along the helix s is the path in space, and w = -q * field is the turn for each mm of it, whatever the
direction. A state on a plane is (u, v, a, b, q). u and v are the position in the plane in mm, a and b the
slopes along its two axes against its normal, and q is the charge over the momentum in 1/GeV.

Small matrices are tuples or are written out: Numba keeps their elements in registers, where loops over arrays
would read and write memory.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit

__all__ = [
    "advance", "at_axis", "axis", "closest_approach", "direction", "dot", "dot5", "mirror",
    "path_on_circle", "reach",
    "rows_of", "start_circle", "start_line", "times", "to_plane",
]  # fmt: skip

STEPS = 10
"""Newton steps to a plane; two or three do, unless the helix hardly reaches it."""
# The first term left out of the series is 4e-14 there; above, the closed forms' differences lose a digit.
FLAT = 0.5
"""Turns (rad) below which sine and cosine are series."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def dot(a: Any, b: Any) -> Any:
    """Product of two vectors of 3."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def dot5(a: Any, b: Any) -> Any:
    """Product of two vectors of 5."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def rows_of(m: Any) -> Any:
    """A matrix (5, 5) as tuples, which compile to scalars."""
    return (
        (m[0, 0], m[0, 1], m[0, 2], m[0, 3], m[0, 4]),
        (m[1, 0], m[1, 1], m[1, 2], m[1, 3], m[1, 4]),
        (m[2, 0], m[2, 1], m[2, 2], m[2, 3], m[2, 4]),
        (m[3, 0], m[3, 1], m[3, 2], m[3, 3], m[3, 4]),
        (m[4, 0], m[4, 1], m[4, 2], m[4, 3], m[4, 4]),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def times(a: Any, m: Any) -> Any:
    """A vector times the symmetric matrix m of :func:`rows_of`."""
    return dot5(a, m[0]), dot5(a, m[1]), dot5(a, m[2]), dot5(a, m[3]), dot5(a, m[4])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def mirror(m: Any) -> None:
    """Copy the upper triangle of a matrix (5, 5) to the lower one."""
    for i in range(1, 5):
        for j in range(i):
            m[i, j] = m[j, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _by_slope(e: Any, slope: float, t: Any, sign: float, length: float) -> Any:
    """Derivative of a direction by its slope along e, see :func:`direction`."""
    c = slope / length
    return (
        (sign * e[0] - c * t[0]) / length,
        (sign * e[1] - c * t[1]) / length,
        (sign * e[2] - c * t[2]) / length,
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def axis(axes: Any, h: int, k: int) -> Any:
    """Sensor axis k of hit h of axes (N, 9)."""
    return axes[h, 3 * k], axes[h, 3 * k + 1], axes[h, 3 * k + 2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _turn(x: float) -> Any:
    """f = sin x / x, g = (1 - cos x) / x and their derivatives."""
    if abs(x) < FLAT:
        y = x * x
        f = 1 - y / 6 * (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110))))
        g = 0.5 * x * (1 - y / 12 * (1 - y / 30 * (1 - y / 56 * (1 - y / 90 * (1 - y / 132)))))
        df = -x / 3 * (1 - y / 10 * (1 - y / 28 * (1 - y / 54 * (1 - y / 88))))
        dg = 0.5 - y / 8 * (1 - y / 18 * (1 - y / 40 * (1 - y / 70 * (1 - y / 108))))
        return f, g, df, dg
    sin, cos = math.sin(x), math.cos(x)
    f, g = sin / x, (1 - cos) / x
    return f, g, (cos - f) / x, (sin - g) / x


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def advance(r: Any, t: Any, w: float, s: float) -> Any:
    """Position and direction after the path s."""
    x = w * s
    f, g, _, _ = _turn(x)
    sin, cos = x * f, 1 - x * g
    point = (r[0] + s * (f * t[0] - g * t[1]), r[1] + s * (f * t[1] + g * t[0]), r[2] + s * t[2])
    return point, (cos * t[0] - sin * t[1], sin * t[0] + cos * t[1], t[2])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def reach(r: Any, t: Any, w: float, s: float, center: Any, normal: Any) -> Any:
    """Path to a plane by Newton's method from s, and whether it is reached."""
    for _ in range(STEPS):
        point, tangent = advance(r, t, w, s)
        speed = dot(normal, tangent)
        # Along the plane there is no crossing. "not >" also holds for what is no number.
        if not abs(speed) > 1e-6:
            return s, False
        step = (
            normal[0] * (center[0] - point[0])
            + normal[1] * (center[1] - point[1])
            + normal[2] * (center[2] - point[2])
        ) / speed
        s += step
        # The next step would be the square of this one by the radius of curvature.
        if abs(step) < 1e-3:
            # After half a turn the track comes back: that crossing is another one.
            return s, abs(w * s) < math.pi
        if not abs(s) < 1e5:
            return s, False
    return s, False


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def direction(ex: Any, ey: Any, n: Any, a: float, b: float, sign: float) -> Any:
    """Direction of the slopes a and b on a plane, forwards (sign 1) or backwards along its normal, and sqrt(1
    + a^2 + b^2).
    """
    length = math.sqrt(1 + a * a + b * b)
    c = sign / length
    return (
        c * (a * ex[0] + b * ey[0] + n[0]),
        c * (a * ex[1] + b * ey[1] + n[1]),
        c * (a * ex[2] + b * ey[2] + n[2]),
    ), length


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _pull_back(row: Any, s: float, f: float, g: float) -> Any:
    """Derivatives of row . (position after s) by the direction at the start."""
    return s * (f * row[0] + g * row[1]), s * (f * row[1] - g * row[0]), s * row[2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def to_plane(
    x: Any, off: Any, p: Any, jacobian: Any, at: int, r: Any, t: Any, ex: Any, ey: Any, sign: float,
    length: float,
    strength: float, s: float, center: Any, fx: Any, fy: Any, fn: Any,
) -> Any:  # fmt: skip
    """Carry a state, deviations from it and their covariance from a plane to another (center, fx, fy, fn),
    the path s away.

    Args:
        x, off, p: state, deviations (5,), covariance (5, 5); replaced.
        jacobian: (M, 4, 5), of which the row ``at`` is filled.
        r, t, sign, length: position and direction that x stands for, as of :func:`direction`; ex, ey: axes of
            its plane.

    Returns:
        Position and direction there, and its sign.
    """
    w = -strength * x[4]
    f, g, df, dg = _turn(w * s)
    point, out = advance(r, t, w, s)
    speed = dot(fn, out)
    a, b = dot(fx, out) / speed, dot(fy, out) / speed
    # Displacements along the track do not count, since the plane stops it.
    cu = (fx[0] - a * fn[0], fx[1] - a * fn[1], fx[2] - a * fn[2])
    cv = (fy[0] - b * fn[0], fy[1] - b * fn[1], fy[2] - b * fn[2])
    bend_a = -w * (cu[1] * out[0] - cu[0] * out[1]) / (speed * speed)
    bend_b = -w * (cv[1] * out[0] - cv[0] * out[1]) / (speed * speed)
    # By the start's direction: of the position, through cu and cv and along the normal, and of the direction.
    ru, rv, rn = _pull_back(cu, s, f, g), _pull_back(cv, s, f, g), _pull_back(fn, s, f, g)
    sin, cos = w * s * f, 1 - w * s * g
    ta = ((cos * cu[0] + sin * cu[1]) / speed, (cos * cu[1] - sin * cu[0]) / speed, cu[2] / speed)
    tb = ((cos * cv[0] + sin * cv[1]) / speed, (cos * cv[1] - sin * cv[0]) / speed, cv[2] / speed)
    # By q, through w.
    dw = -strength
    moved = (dw * s * s * (df * t[0] - dg * t[1]), dw * s * s * (df * t[1] + dg * t[0]), 0.0)
    turned = (-dw * s * out[1], dw * s * out[0], 0.0)
    normal = dot(fn, moved)
    last = (
        dot(cu, moved), dot(cv, moved),
        dot(cu, turned) / speed + bend_a * normal, dot(cv, turned) / speed + bend_b * normal,
    )  # fmt: skip
    dx, dy = _by_slope(ex, x[2], t, sign, length), _by_slope(ey, x[3], t, sign, length)
    nx, ny, mx, my = dot(fn, ex), dot(fn, ey), dot(rn, dx), dot(rn, dy)
    f0 = (dot(cu, ex), dot(cu, ey), dot(ru, dx), dot(ru, dy), last[0])
    f1 = (dot(cv, ex), dot(cv, ey), dot(rv, dx), dot(rv, dy), last[1])
    f2 = (bend_a * nx, bend_a * ny, dot(ta, dx) + bend_a * mx, dot(ta, dy) + bend_a * my, last[2])
    f3 = (bend_b * nx, bend_b * ny, dot(tb, dx) + bend_b * mx, dot(tb, dy) + bend_b * my, last[3])
    for k in range(5):
        jacobian[at, 0, k], jacobian[at, 1, k], jacobian[at, 2, k], jacobian[at, 3, k] = (
            f0[k],
            f1[k],
            f2[k],
            f3[k],
        )
    delta = (point[0] - center[0], point[1] - center[1], point[2] - center[2])
    x[0], x[1], x[2], x[3] = dot(fx, delta), dot(fy, delta), a, b
    # The deviations go by the same Jacobian as their covariance: all is linear about one helix.
    old = (off[0], off[1], off[2], off[3], off[4])
    off[0], off[1], off[2], off[3] = dot5(f0, old), dot5(f1, old), dot5(f2, old), dot5(f3, old)
    m = rows_of(p)
    t0, t1, t2, t3 = times(f0, m), times(f1, m), times(f2, m), times(f3, m)
    p[0, 0], p[0, 1], p[0, 2], p[0, 3], p[0, 4] = (
        dot5(t0, f0),
        dot5(t0, f1),
        dot5(t0, f2),
        dot5(t0, f3),
        t0[4],
    )
    p[1, 1], p[1, 2], p[1, 3], p[1, 4] = dot5(t1, f1), dot5(t1, f2), dot5(t1, f3), t1[4]
    p[2, 2], p[2, 3], p[2, 4] = dot5(t2, f2), dot5(t2, f3), t2[4]
    p[3, 3], p[3, 4] = dot5(t3, f3), t3[4]
    mirror(p)
    return point, out, 1.0 if speed > 0 else -1.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def closest_approach(r: Any, t: Any, w: float) -> Any:
    """Path from a point of a helix to where it comes closest to the z axis, and the azimuth of the direction
    there.
    """
    across_beam = math.hypot(t[0], t[1])
    cos, sin, k = t[0] / across_beam, t[1] / across_beam, w / across_beam
    along, across = r[0] * cos + r[1] * sin, r[1] * cos - r[0] * sin
    # Seen from the centre of the circle: the angle between this point and the one closest to the axis.
    turn = math.atan2(k * along, 1 + k * across)
    path = turn / k if abs(turn) > 1e-9 else along / (1 + k * across)
    return -path / across_beam, math.atan2(t[1], t[0]) - turn


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def start_circle(position: Any, cholesky: Any, rows: Any, first: int, last: int, unused: Any) -> Any:
    """Circle and line through a track's hits, without scattering: V. Karimaki, NIM A 305 (1991) 187, eqs. 21
    to 24 and 6.

    Args:
        unused: (K,) hits of ``rows`` to leave out.

    Returns:
        Point of closest approach to the z axis, direction there, curvature in the transverse plane
        (counter-clockwise positive, 1/mm); and whether there are three different positions, without which the
        rest is meaningless.
    """
    w = mx = my = mr = 0.0
    inner = outer = -1
    low = high = 0.0
    for k in range(first, last):
        if unused[k]:
            continue
        h = rows[k]
        x, y, z = position[h, 0], position[h, 1], position[h, 2]
        # y of a module runs along r-phi: its error is the one across the track.
        weight = 1 / (cholesky[h, 1, 0] ** 2 + cholesky[h, 1, 1] ** 2 + 1e-12)
        w += weight
        mx += weight * x
        my += weight * y
        mr += weight * (x * x + y * y)
        far = x * x + y * y + z * z
        if inner < 0 or far < low:
            inner, low = h, far
        if outer < 0 or far > high:
            outer, high = h, far
    mx, my, mr = mx / w, my / w, mr / w
    cxx = cxy = cyy = cxr = cyr = crr = 0.0
    different = False
    for k in range(first, last):
        if unused[k]:
            continue
        h = rows[k]
        weight = 1 / (cholesky[h, 1, 0] ** 2 + cholesky[h, 1, 1] ** 2 + 1e-12) / w
        x, y = position[h, 0] - mx, position[h, 1] - my
        r2 = position[h, 0] ** 2 + position[h, 1] ** 2 - mr
        cxx += weight * x * x
        cxy += weight * x * y
        cyy += weight * y * y
        cxr += weight * x * r2
        cyr += weight * y * r2
        crr += weight * r2 * r2
        from_inner = abs(position[h, 0] - position[inner, 0]) + abs(position[h, 1] - position[inner, 1])
        from_outer = abs(position[h, 0] - position[outer, 0]) + abs(position[h, 1] - position[outer, 1])
        different |= from_inner > 1e-3 and from_outer > 1e-3
    phi = 0.5 * math.atan2(2 * (crr * cxy - cxr * cyr), crr * (cxx - cyy) - cxr * cxr + cyr * cyr)
    sin, cos = math.sin(phi), math.cos(phi)
    kappa = (sin * cxr - cos * cyr) / crr if crr > 0 else 0.0
    delta = -kappa * mr + sin * mx - cos * my
    dx, dy = position[outer, 0] - position[inner, 0], position[outer, 1] - position[inner, 1]
    # Outwards, from the hit nearest to the origin to the farthest.
    if dx * cos + dy * sin < 0:
        sin, cos, kappa, delta = -sin, -cos, -kappa, -delta
    root = math.sqrt(max(1 - 4 * delta * kappa, 1e-9))
    # Karimaki's curvature turns clockwise, his distance is x sin(phi) - y cos(phi).
    curvature, d0 = -2 * kappa / root, -2 * delta / (1 + root)
    point = (-d0 * sin, d0 * cos, 0.0)
    sw = ss = sz = sss = ssz = 0.0
    for k in range(first, last):
        if unused[k]:
            continue
        h = rows[k]
        s, z = path_on_circle(point, cos, sin, curvature, position[h, 0], position[h, 1]), position[h, 2]
        # Unweighted: x measures z on the barrel and r on the disks, and this is a start only.
        sw += 1
        ss += s
        sz += z
        sss += s * s
        ssz += s * z
    spread = sw * sss - ss * ss
    cot = (sw * ssz - ss * sz) / spread if spread > 1e-6 else 0.0
    length = math.sqrt(1 + cot * cot)
    start = (point[0], point[1], (sz - cot * ss) / sw)
    return start, (cos / length, sin / length, cot / length), curvature, different and spread > 1e-6


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def path_on_circle(point: Any, cos: float, sin: float, curvature: float, x: float, y: float) -> float:
    """Transverse path from a point, with the direction (cos, sin) there, to near (x, y): at most half a turn,
    either way.
    """
    dx, dy = x - point[0], y - point[1]
    chord = math.hypot(dx, dy)
    half = min(max(0.5 * curvature * chord, -1.0), 1.0)
    path = chord * (math.asin(half) / half if abs(half) > 1e-6 else 1.0)
    return -path if dx * cos + dy * sin < 0 else path


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def start_line(position: Any, axes: Any, rows: Any, first: int, last: int, unused: Any) -> Any:
    """Line from the used hit nearest to the origin to the farthest; if they are one, from the origin, or
    along its normal.

    Returns:
        As :func:`start_circle`, without the last.
    """
    inner = outer = -1
    low = high = 0.0
    for k in range(first, last):
        if unused[k]:
            continue
        h = rows[k]
        far = position[h, 0] ** 2 + position[h, 1] ** 2 + position[h, 2] ** 2
        if inner < 0 or far < low:
            inner, low = h, far
        if outer < 0 or far > high:
            outer, high = h, far
    point = (position[inner, 0], position[inner, 1], position[inner, 2])
    t = (position[outer, 0] - point[0], position[outer, 1] - point[1], position[outer, 2] - point[2])
    if dot(t, t) < 1e-6:
        t = point if dot(point, point) > 1e-6 else axis(axes, inner, 2)
    length = math.sqrt(dot(t, t))
    return point, (t[0] / length, t[1] / length, t[2] / length), 0.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def at_axis(x: Any, p: Any, phi: float, strength: float, parameters: Any, covariance: Any) -> bool:
    """Parameters from the state on the plane through the z axis and across the track; whether they make
    sense.

    There u is d0 and v is z0. A track turned by a comes closest to the axis d0 * a before.
    """
    d0, z0, b = x[0], x[1], x[3]
    curvature = -strength * x[4] * math.sqrt(1 + b * b)
    parameters[0], parameters[1], parameters[2], parameters[3], parameters[4] = (
        d0,
        z0,
        phi,
        math.atan2(1.0, b),
        x[4],
    )
    tilt = -d0 * b
    scale = (1.0, 1.0, 1 - curvature * d0, -1 / (1 + b * b), 1.0)
    total, positive = d0 + z0 + phi, True
    for i in range(5):
        for j in range(5):
            c = p[i, j]
            if i == 1:
                c += tilt * p[2, j]
            if j == 1:
                c += tilt * (p[i, 2] + (tilt * p[2, 2] if i == 1 else 0.0))
            covariance[i, j] = scale[i] * scale[j] * c
            total += covariance[i, j]
        # Rounding may leave no positive variance where hits hardly fix anything.
        positive &= covariance[i, i] > 0 or (i == 4 and strength == 0)
    return positive and math.isfinite(total)
