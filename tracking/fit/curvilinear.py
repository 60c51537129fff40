"""Deviations from a helix in a field along z, in the curvilinear frame: compiled, all of scalars.

A deviation is (along N, along V, of the direction along N, along V, of q): in mm, rad and 1/GeV. N and V are
across the helix, N level and V = t x N, and they turn with its direction t: on the way from one point of it
to another, the direction along V and q stay as they are. All is exact to first order.

A covariance is a tuple of its upper triangle, row after row. Numba keeps tuples in registers, where loops
over arrays would read and write memory.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit
from tracking.fit.helix import turned

__all__ = [
    "at_axis", "carried", "derivatives", "dot5", "from_module", "kicked", "moved", "on_module", "other_helix", "sight",
    "slopes", "times", "updated", "updated_by_pair",
]  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def dot5(a: Any, b: Any) -> Any:
    """Product of two vectors of 5."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def times(a: Any, p: Any) -> Any:
    """A vector times a covariance."""
    a0, a1, a2, a3, a4 = a
    return (
        a0 * p[0] + a1 * p[1] + a2 * p[2] + a3 * p[3] + a4 * p[4],
        a0 * p[1] + a1 * p[5] + a2 * p[6] + a3 * p[7] + a4 * p[8],
        a0 * p[2] + a1 * p[6] + a2 * p[9] + a3 * p[10] + a4 * p[11],
        a0 * p[3] + a1 * p[7] + a2 * p[10] + a3 * p[12] + a4 * p[13],
        a0 * p[4] + a1 * p[8] + a2 * p[11] + a3 * p[13] + a4 * p[14],
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def derivatives(helix: Any, step: float, strength: float) -> Any:
    """First three rows of the (5, 5) derivatives of a deviation after a step by that before it; the others
    are those of a unit matrix.
    """
    _, _, sine, cosine, w = helix
    x = w * step
    a, b = turned(x)
    lag, sin, versine = x * x * a, x * (1 - x * x * a), x * x * b
    f, g = step * (1 - lag), step * x * b
    # By q, through w.
    bent = -strength * sine * step * step
    level = (1 - versine, cosine * sin, f, cosine * g, bent * b)
    upright = (
        -cosine * sin, 1 - cosine * cosine * versine, -cosine * g, step * (1 - cosine * cosine * lag),
        -cosine * bent * x * a,
    )  # fmt: skip
    # The plane across the helix stops a point somewhat before or after, and the direction turns on that way.
    turn = w * sine * sine
    angle = (
        -turn * sin, -turn * cosine * versine, 1 - sine * sine * versine, -turn * cosine * step * lag,
        -strength * sine * step * (1 - sine * sine * lag),
    )  # fmt: skip
    return level, upright, angle


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def moved(rows: Any, x: Any) -> Any:
    """A deviation after the step of :func:`derivatives`."""
    return dot5(rows[0], x), dot5(rows[1], x), dot5(rows[2], x), x[3], x[4]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def carried(rows: Any, p: Any) -> Any:
    """A covariance after the step of :func:`derivatives`."""
    a, b, c = times(rows[0], p), times(rows[1], p), times(rows[2], p)
    return (
        dot5(a, rows[0]), dot5(a, rows[1]), dot5(a, rows[2]), a[3], a[4],
        dot5(b, rows[1]), dot5(b, rows[2]), b[3], b[4],
        dot5(c, rows[2]), c[3], c[4],
        p[12], p[13], p[14],
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def kicked(p: Any, sums: Any, height: float, along: Any, turn: float) -> Any:
    """A covariance with scattering above the module where it is.

    Args:
        sums: of the variance of the angle, and of it times the share of ``height`` and its square.
        height: above the module, mm; along: its normal along N, V and t; turn: of the direction, 1/mm.
    """
    n, v, t = along
    far = height / t
    w0, w1, w2 = sums[0], sums[1] * far, sums[2] * far * far
    # What a kick moves the track by on the module, it is off along the track as well.
    n, v = turn * n / t, turn * v / t
    return (
        p[0] + w2, p[1], p[2] - w1 + n * w2, p[3], p[4],
        p[5] + w2, p[6] + v * w2, p[7] - w1, p[8],
        p[9] + w0 - 2 * n * w1 + (n * n + v * v) * w2, p[10] - v * w1, p[11],
        p[12] + w0, p[13], p[14],
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def sight(ex: Any, ey: Any, normal: Any, heading: Any, sine: float, cosine: float) -> Any:
    """Axes of a module seen along a track: x and y along N, along V, along t, and the normal along N, V,
    t.
    """
    tx, ty = heading
    xa, ya, na = ex[0] * tx + ex[1] * ty, ey[0] * tx + ey[1] * ty, normal[0] * tx + normal[1] * ty
    return (
        ex[1] * tx - ex[0] * ty, ey[1] * tx - ey[0] * ty,
        ex[2] * sine - xa * cosine, ey[2] * sine - ya * cosine,
        ex[2] * cosine + xa * sine, ey[2] * cosine + ya * sine,
        normal[1] * tx - normal[0] * ty, normal[2] * sine - na * cosine, normal[2] * cosine + na * sine,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def from_module(variances: Any, q: float, seen: Any, turn: float) -> Any:
    """Covariance of independent x, y and slopes on a module, with their variances, and that of q."""
    xn, yn, xv, yv, xt, yt, _, _, nt = seen
    a, b, c, d = variances
    c, d = c * nt * nt, d * nt * nt
    return (
        xn * xn * a + yn * yn * b, xn * xv * a + yn * yv * b, -turn * (xn * xt * a + yn * yt * b), 0.0, 0.0,
        xv * xv * a + yv * yv * b, -turn * (xv * xt * a + yv * yt * b), 0.0, 0.0,
        xn * xn * c + yn * yn * d + turn * turn * (xt * xt * a + yt * yt * b), xn * xv * c + yn * yv * d, 0.0,
        xv * xv * c + yv * yv * d, 0.0, q,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def on_module(seen: Any) -> Any:
    """Rows (2) of the derivatives of x and y on a module by the first two of a deviation."""
    xn, yn, xv, yv = seen[0], seen[1], seen[2], seen[3]
    share = 1 / (xn * yv - yn * xv)
    return (yv * share, -yn * share), (-xv * share, xn * share)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def slopes(seen: Any, turn: float) -> Any:
    """Rows (5) of the derivatives of the slopes on a module by a deviation."""
    x, y = on_module(seen)
    xt, yt, nt = seen[4], seen[5], seen[8]
    # The way on to the module turns the direction.
    n, v = turn * (xt * x[0] + yt * y[0]), turn * (xt * x[1] + yt * y[1])
    return (
        (x[0] * n / nt, x[0] * v / nt, x[0] / nt, x[1] / nt, 0.0),
        (y[0] * n / nt, y[0] * v / nt, y[0] / nt, y[1] / nt, 0.0),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _gained(x: Any, a: Any, b: Any, s: Any, y: Any) -> Any:
    """How two numbers change a deviation, whose covariances with it are a and b, and with one another s (00,
    01, 11), and which are y off.

    The second number enters less what the first one says of it: where the covariance is wide, the two hardly
    differ, and the elements of s^-1 are large and cancel.

    Returns:
        Deviation; b of the second number alone; the gain's columns for both numbers alone; the gain's
        columns, s^-1 y, s^-1 and chi2.
    """
    i, share = 1 / s[0], s[1] / s[0]
    b = (
        b[0] - share * a[0], b[1] - share * a[1], b[2] - share * a[2], b[3] - share * a[3], b[4] - share * a[4]
    )  # fmt: skip
    j = 1 / (s[2] - share * s[1])
    k = (a[0] * i, a[1] * i, a[2] * i, a[3] * i, a[4] * i)
    m = (b[0] * j, b[1] * j, b[2] * j, b[3] * j, b[4] * j)
    u, v = y[0], y[1] - share * y[0]
    x = (
        x[0] + k[0] * u + m[0] * v, x[1] + k[1] * u + m[1] * v, x[2] + k[2] * u + m[2] * v,
        x[3] + k[3] * u + m[3] * v, x[4] + k[4] * u + m[4] * v,
    )  # fmt: skip
    gain = (
        k[0] - share * m[0], k[1] - share * m[1], k[2] - share * m[2], k[3] - share * m[3], k[4] - share * m[4]
    )  # fmt: skip
    chi2 = u * u * i + v * v * j
    return x, b, k, (gain, m), (u * i - share * v * j, v * j), (i + share * share * j, -share * j, j), chi2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def updated(x: Any, p: Any, measured: Any, noise: Any) -> Any:
    """Take in a measured position along N and V with its covariance ``noise`` (00, 01, 11).

    Returns:
        Deviation, covariance, the gain's two columns (5), the residual times its inverse covariance (2), that
        inverse (00, 01, 11), and chi2.
    """
    r00, r01, r11 = noise
    a = (p[0], p[1], p[2], p[3], p[4])
    x, b, k, (g, m), u, inverse, chi2 = _gained(
        x, a, (p[1], p[5], p[6], p[7], p[8]), (p[0] + r00, p[1] + r01, p[5] + r11),
        (measured[0] - x[0], measured[1] - x[1]),
    )  # fmt: skip
    # Of the position it is gain times noise: no difference of two numbers that are alike, as they are at the
    # first hits.
    after = (
        g[0] * r00 + m[0] * r01, g[0] * r01 + m[0] * r11, g[2] * r00 + m[2] * r01, g[3] * r00 + m[3] * r01,
        g[4] * r00 + m[4] * r01,
        g[1] * r01 + m[1] * r11, g[2] * r01 + m[2] * r11, g[3] * r01 + m[3] * r11, g[4] * r01 + m[4] * r11,
        p[9] - k[2] * a[2] - m[2] * b[2], p[10] - k[2] * a[3] - m[2] * b[3], p[11] - k[2] * a[4] - m[2] * b[4],
        p[12] - k[3] * a[3] - m[3] * b[3], p[13] - k[3] * a[4] - m[3] * b[4],
        p[14] - k[4] * a[4] - m[4] * b[4],
    )  # fmt: skip
    return x, after, (g, m), u, inverse, chi2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def updated_by_pair(x: Any, p: Any, rows: Any, measured: Any, noise: Any) -> Any:
    """:func:`updated` by two measured numbers with any derivatives ``rows`` (2) by a deviation."""
    a, by_second = times(rows[0], p), times(rows[1], p)
    s = (dot5(a, rows[0]) + noise[0], dot5(a, rows[1]) + noise[1], dot5(by_second, rows[1]) + noise[2])
    x, b, k, (g, m), u, inverse, chi2 = _gained(
        x, a, by_second, s, (measured[0] - dot5(rows[0], x), measured[1] - dot5(rows[1], x))
    )
    after = (
        p[0] - k[0] * a[0] - m[0] * b[0], p[1] - k[0] * a[1] - m[0] * b[1], p[2] - k[0] * a[2] - m[0] * b[2],
        p[3] - k[0] * a[3] - m[0] * b[3], p[4] - k[0] * a[4] - m[0] * b[4],
        p[5] - k[1] * a[1] - m[1] * b[1], p[6] - k[1] * a[2] - m[1] * b[2], p[7] - k[1] * a[3] - m[1] * b[3],
        p[8] - k[1] * a[4] - m[1] * b[4],
        p[9] - k[2] * a[2] - m[2] * b[2], p[10] - k[2] * a[3] - m[2] * b[3], p[11] - k[2] * a[4] - m[2] * b[4],
        p[12] - k[3] * a[3] - m[3] * b[3], p[13] - k[3] * a[4] - m[3] * b[4],
        p[14] - k[4] * a[4] - m[4] * b[4],
    )  # fmt: skip
    return x, after, (g, m), u, inverse, chi2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _of_rows(a: Any, b: Any, c: Any, d: Any, p: Any) -> Any:
    """Covariance after four rows of derivatives and a fifth of a unit matrix."""
    va, vb, vc, vd = times(a, p), times(b, p), times(c, p), times(d, p)
    return (
        dot5(va, a), dot5(va, b), dot5(va, c), dot5(va, d), va[4],
        dot5(vb, b), dot5(vb, c), dot5(vb, d), vb[4],
        dot5(vc, c), dot5(vc, d), vc[4],
        dot5(vd, d), vd[4], p[14],
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def other_helix(p: Any, seen: Any, turn: float, then: Any, turn_then: float) -> Any:
    """Covariance about another helix through a module, which is seen differently along it: x, y and slopes
    stay.
    """
    x, y = on_module(seen)
    along_x, along_y = slopes(seen, turn)
    xn, yn, xv, yv, xt, yt, _, _, nt = then
    n = (xn * x[0] + yn * y[0], xn * x[1] + yn * y[1], 0.0, 0.0, 0.0)
    v = (xv * x[0] + yv * y[0], xv * x[1] + yv * y[1], 0.0, 0.0, 0.0)
    by_n, by_v = turn_then * (xt * x[0] + yt * y[0]), turn_then * (xt * x[1] + yt * y[1])
    tn = (
        nt * (xn * along_x[0] + yn * along_y[0]) - by_n, nt * (xn * along_x[1] + yn * along_y[1]) - by_v,
        nt * (xn * along_x[2] + yn * along_y[2]), nt * (xn * along_x[3] + yn * along_y[3]), 0.0,
    )  # fmt: skip
    tv = (
        nt * (xv * along_x[0] + yv * along_y[0]), nt * (xv * along_x[1] + yv * along_y[1]),
        nt * (xv * along_x[2] + yv * along_y[2]), nt * (xv * along_x[3] + yv * along_y[3]), 0.0,
    )  # fmt: skip
    return _of_rows(n, v, tn, tv, p)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def at_axis(p: Any, helix: Any, strength: float) -> Any:
    """Parameters (5) of a helix that starts where it comes closest to the z axis, their covariance (15), and
    whether they make sense.
    """
    r, (tx, ty), sine, cosine, w = helix
    d0 = r[1] * tx - r[0] * ty
    phi, theta = math.atan2(ty, tx), math.atan2(sine, cosine)
    # The way up to the axis turns the direction, and a track that is turned comes closest d0 times its turn
    # before or, since that way bends it, somewhat less.
    turn = w * cosine / sine
    close = 1 / (1 + d0 * w / sine)
    before = -d0 * cosine / sine * close
    c = _of_rows(
        (1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1 / sine + before * turn, before / sine, 0.0, 0.0),
        (0.0, close * turn, close / sine, 0.0, 0.0), (0.0, 0.0, 0.0, -1.0, 0.0), p,
    )  # fmt: skip
    total = d0 + r[2] + phi + theta + w
    for k in range(15):
        total += c[k]
    # Rounding may leave no positive variance where hits hardly fix anything.
    positive = c[0] > 0 and c[5] > 0 and c[9] > 0 and c[12] > 0 and (c[14] > 0 or strength == 0)
    q = -w / strength if strength != 0 else 0.0
    return (d0, r[2], phi, theta, q), c, positive and math.isfinite(total)
