"""The way back over a filtered track: every hit's residual from the smoothed track, and its chi2 from the
track of the others.

The smoother carries r and N backwards instead of states and covariances: the smoothed state is x + P r, its
covariance P - P N P, with the predicted x and P (P. de Jong, JASA 84 (1989) 1085), so that no large matrix is
inverted. A hit's residuals y against its prediction, of covariance S, give b = S^-1 y - K^T r with the
covariance D = S^-1 + K^T N K, with the gain K. Then b D^-1 b is what the track's chi2 loses if the hit is
left out, which is the hit's chi2 against the track of the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from tracking.fit.curvilinear import dot5, on_module, times
from tracking.fit.helix import axis

__all__ = ["N_KEPT", "OUTLIER", "UNUSABLE", "USED", "keep_pair", "keep_place", "keep_step", "smooth"]

USED, OUTLIER, UNUSABLE = 0, 1, 2
"""Status of a hit: in the fit; taken out by its chi2; no finite numbers, or its module cannot be reached."""
DETERMINED = 1e-7
"""A smaller share of a hit's variance left to its residual is none: the fit could not do without the hit."""
STEP, PAIR, SECOND, PLACE, N_KEPT = 0, 15, 44, 73, 89
"""Columns of what the filter keeps of a hit: rows (3, 5) of the derivatives of the step to it; of its
position and, with slopes, of its second pair of numbers, each 29 numbers (see :func:`keep_pair`); its
prediction (see :func:`keep_place`).
"""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def keep_step(kept: Any, i: int, rows: Any) -> None:
    """Keep the derivatives of the step to a hit."""
    for a in range(3):
        for j in range(5):
            kept[i, STEP + 5 * a + j] = rows[a][j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def keep_pair(
    kept: Any, i: int, pair: int, rows: Any, gain: Any, residual: Any, inverse: Any, factor: Any
) -> None:
    """Keep an update with two numbers: their derivatives, gain, S^-1 y, S^-1, and the Cholesky factor of the
    noise.
    """
    at = PAIR + 29 * pair
    for a in range(2):
        for j in range(5):
            kept[i, at + 5 * a + j], kept[i, at + 10 + 5 * a + j] = rows[a][j], gain[a][j]
        kept[i, at + 20 + a] = residual[a]
    for j in range(3):
        kept[i, at + 22 + j] = inverse[j]
    for j in range(4):
        kept[i, at + 25 + j] = factor[j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def keep_place(kept: Any, i: int, x: Any, p: Any, measured: Any, seen: Any) -> None:
    """Keep what is predicted at a hit: two rows of the covariance, measured less predicted along N and V, and
    the way from these to x and y.
    """
    (nx, vx), (ny, vy) = on_module(seen)
    numbers = (
        p[0], p[1], p[2], p[3], p[4], p[1], p[5], p[6], p[7], p[8], measured[0] - x[0], measured[1] - x[1], nx, vx,
        ny, vy,
    )  # fmt: skip
    for j in range(16):
        kept[i, PLACE + j] = numbers[j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _five(kept: Any, i: int, j: int) -> Any:
    return kept[i, j], kept[i, j + 1], kept[i, j + 2], kept[i, j + 3], kept[i, j + 4]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _over_hit(r: Any, n: Any, g: Any, h: Any, gains: Any, residual: Any, inverse: Any) -> Any:
    """r and N before two numbers of a hit, with derivatives g and h, from those after them; b and D."""
    u, v = residual[0] - dot5(gains[0], r), residual[1] - dot5(gains[1], r)
    y, z = times(gains[0], n), times(gains[1], n)
    d00, d01, d11 = (
        inverse[0] + dot5(y, gains[0]), inverse[1] + dot5(y, gains[1]), inverse[2] + dot5(z, gains[1])
    )  # fmt: skip
    s0, s1, s2, s3, s4 = (
        d00 * g[0] + d01 * h[0] - y[0], d00 * g[1] + d01 * h[1] - y[1], d00 * g[2] + d01 * h[2] - y[2],
        d00 * g[3] + d01 * h[3] - y[3], d00 * g[4] + d01 * h[4] - y[4],
    )  # fmt: skip
    t0, t1, t2, t3, t4 = (
        d01 * g[0] + d11 * h[0] - z[0], d01 * g[1] + d11 * h[1] - z[1], d01 * g[2] + d11 * h[2] - z[2],
        d01 * g[3] + d11 * h[3] - z[3], d01 * g[4] + d11 * h[4] - z[4],
    )  # fmt: skip
    after = (
        n[0] + g[0] * s0 + h[0] * t0 - y[0] * g[0] - z[0] * h[0],
        n[1] + g[0] * s1 + h[0] * t1 - y[0] * g[1] - z[0] * h[1],
        n[2] + g[0] * s2 + h[0] * t2 - y[0] * g[2] - z[0] * h[2],
        n[3] + g[0] * s3 + h[0] * t3 - y[0] * g[3] - z[0] * h[3],
        n[4] + g[0] * s4 + h[0] * t4 - y[0] * g[4] - z[0] * h[4],
        n[5] + g[1] * s1 + h[1] * t1 - y[1] * g[1] - z[1] * h[1],
        n[6] + g[1] * s2 + h[1] * t2 - y[1] * g[2] - z[1] * h[2],
        n[7] + g[1] * s3 + h[1] * t3 - y[1] * g[3] - z[1] * h[3],
        n[8] + g[1] * s4 + h[1] * t4 - y[1] * g[4] - z[1] * h[4],
        n[9] + g[2] * s2 + h[2] * t2 - y[2] * g[2] - z[2] * h[2],
        n[10] + g[2] * s3 + h[2] * t3 - y[2] * g[3] - z[2] * h[3],
        n[11] + g[2] * s4 + h[2] * t4 - y[2] * g[4] - z[2] * h[4],
        n[12] + g[3] * s3 + h[3] * t3 - y[3] * g[3] - z[3] * h[3],
        n[13] + g[3] * s4 + h[3] * t4 - y[3] * g[4] - z[3] * h[4],
        n[14] + g[4] * s4 + h[4] * t4 - y[4] * g[4] - z[4] * h[4],
    )
    back = (
        r[0] + g[0] * u + h[0] * v, r[1] + g[1] * u + h[1] * v, r[2] + g[2] * u + h[2] * v,
        r[3] + g[3] * u + h[3] * v, r[4] + g[4] * u + h[4] * v,
    )  # fmt: skip
    return back, after, (u, v), (d00, d01, d11)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _over_place(r: Any, n: Any, gains: Any, residual: Any, inverse: Any, factor: Any) -> Any:
    """:func:`_over_hit` of a position along N and V, whose noise has this Cholesky factor (00, 01, 10, 11).

    Where the covariance is wide, the gain is nearly one. What it leaves is noise times S^-1: as a difference
    it would have no digits.
    """
    g, h = gains
    a, b, c, d = factor
    r00, r01, r11 = a * a + b * b, a * c + b * d, c * c + d * d
    i00, i01, i11 = inverse
    left = (-r00 * i00 - r01 * i01, -r01 * i00 - r11 * i01, g[2], g[3], g[4])
    right = (-r00 * i01 - r01 * i11, -r01 * i01 - r11 * i11, h[2], h[3], h[4])
    y, z = times(left, n), times(right, n)
    of_gain, of_other = times(g, n), times(h, n)
    two = residual[0] - dot5(g, r), residual[1] - dot5(h, r)
    of_two = i00 + dot5(of_gain, g), i01 + dot5(of_gain, h), i11 + dot5(of_other, h)
    back = (residual[0] - dot5(left, r), residual[1] - dot5(right, r), r[2], r[3], r[4])
    after = (
        i00 + dot5(y, left), i01 + dot5(y, right), -y[2], -y[3], -y[4],
        i11 + dot5(z, right), -z[2], -z[3], -z[4],
        n[9], n[10], n[11], n[12], n[13], n[14],
    )  # fmt: skip
    return back, after, two, of_two


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _step_out(a: Any, b: Any, c: Any, r: Any, n: Any) -> Any:
    """r and N at the hit before, with the rows a, b, c of the step from there."""
    f0, f1, f2 = (a[0], b[0], c[0], 0.0, 0.0), (a[1], b[1], c[1], 0.0, 0.0), (a[2], b[2], c[2], 0.0, 0.0)
    f3, f4 = (a[3], b[3], c[3], 1.0, 0.0), (a[4], b[4], c[4], 0.0, 1.0)
    n0, n1, n2, n3, n4 = times(f0, n), times(f1, n), times(f2, n), times(f3, n), times(f4, n)
    after = (
        dot5(n0, f0), dot5(n0, f1), dot5(n0, f2), dot5(n0, f3), dot5(n0, f4),
        dot5(n1, f1), dot5(n1, f2), dot5(n1, f3), dot5(n1, f4),
        dot5(n2, f2), dot5(n2, f3), dot5(n2, f4),
        dot5(n3, f3), dot5(n3, f4), dot5(n4, f4),
    )  # fmt: skip
    return (dot5(f0, r), dot5(f1, r), dot5(f2, r), dot5(f3, r), dot5(f4, r)), after


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _numbers(kept: Any, i: int, size: int, r: Any, n: Any, b: Any, d: Any) -> None:
    """b and D of all of a hit's numbers, in units where their noise is one, from r and N behind it."""
    d[:] = 0.0
    for j in range(size):
        at, one = PAIR + 29 * (j // 2), j % 2
        # Columns of the Cholesky factor of the noise.
        left, right = kept[i, at + 25 + one], kept[i, at + 27 + one]
        first, second = _five(kept, i, at + 10), _five(kept, i, at + 15)
        gain = (
            left * first[0] + right * second[0], left * first[1] + right * second[1],
            left * first[2] + right * second[2], left * first[3] + right * second[3],
            left * first[4] + right * second[4],
        )  # fmt: skip
        b[j] = left * kept[i, at + 20] + right * kept[i, at + 21] - dot5(gain, r)
        v = times(gain, n)
        for m in range(size):
            to = PAIR + 29 * (m // 2)
            a, c = kept[i, to + 25 + m % 2], kept[i, to + 27 + m % 2]
            d[j, m] = a * dot5(v, _five(kept, i, to + 10)) + c * dot5(v, _five(kept, i, to + 15))
            if to == at:
                x, xy, y = kept[i, at + 22], kept[i, at + 23], kept[i, at + 24]
                d[j, m] += a * (x * left + xy * right) + c * (xy * left + y * right)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _chi2(b: Any, d: Any, size: int) -> float:
    """chi2 of the numbers b with their covariance d, both used up; without what the fit could not know
    without the hit.
    """
    chi2 = 0.0
    # Elimination with the largest variance first, which is stable without square roots.
    for _ in range(size):
        i = 0
        for j in range(1, size):
            if d[j, j] > d[i, i]:
                i = j
        variance = d[i, i]
        if not variance > DETERMINED:
            break
        chi2 += b[i] * b[i] / variance
        for j in range(size):
            share = d[j, i] / variance
            if j != i:
                b[j] -= share * b[i]
                for m in range(size):
                    d[j, m] -= share * d[i, m]
        d[i, i] = 0.0
    return chi2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def smooth(
    n_hits: int, order: Any, status: Any, hits: Any, size: int, kept: Any, residual: Any, pull: Any
) -> Any:
    """Go back over a track.

    Args:
        order, status, hits: as of :func:`tracking.fit.kalman.filtered`; size: 2, or 4 with slopes.
        kept: (M, N_KEPT) of the filter.
        residual, pull: (K, 2) filled at the track's hits; (0, 2) to fill none.

    Returns:
        The largest chi2 of a used hit, with its slopes, and the hit.
    """
    # Beyond the last hit nothing is known that the filter did not know.
    r = (0.0, 0.0, 0.0, 0.0, 0.0)
    n = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    b, d = np.empty(4), np.empty((4, 4))
    worst, which = -1.0, -1
    for back in range(n_hits):
        i = n_hits - 1 - back
        k = order[i]
        two, of_two = (0.0, 0.0), (0.0, 0.0, 0.0)
        if status[k] == USED:
            _numbers(kept, i, size, r, n, b, d)
            chi2 = _chi2(b, d, size)
            if chi2 > worst:
                worst, which = chi2, k
            if size > 2:
                r, n, _, _ = _over_hit(
                    r, n, _five(kept, i, SECOND), _five(kept, i, SECOND + 5),
                    (_five(kept, i, SECOND + 10), _five(kept, i, SECOND + 15)),
                    (kept[i, SECOND + 20], kept[i, SECOND + 21]), axis(kept, i, SECOND + 22),
                )  # fmt: skip
            factor = (kept[i, PAIR + 25], kept[i, PAIR + 26], kept[i, PAIR + 27], kept[i, PAIR + 28])
            r, n, two, of_two = _over_place(
                r, n, (_five(kept, i, PAIR + 10), _five(kept, i, PAIR + 15)),
                (kept[i, PAIR + 20], kept[i, PAIR + 21]), axis(kept, i, PAIR + 22), factor,
            )  # fmt: skip
        if len(residual) > 0:
            x, xy, y = hits[k, 12], hits[k, 13], hits[k, 14]
            vx, vy = x * x, xy * xy + y * y
            if status[k] == USED:
                ex, ey, cx, cy = _of_used(kept, i, (x, xy, y), two, of_two)
            else:
                ex, ey, cx, cy = _of_other(kept, i, r, n)
                cx += vx
                cy += vy
            residual[k, 0], residual[k, 1] = ex, ey
            pull[k, 0] = ex / math.sqrt(cx) if cx > DETERMINED * vx else 0.0
            pull[k, 1] = ey / math.sqrt(cy) if cy > DETERMINED * vy else 0.0
        if i > 0:
            r, n = _step_out(_five(kept, i, STEP), _five(kept, i, STEP + 5), _five(kept, i, STEP + 10), r, n)
    return worst, which


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _of_used(kept: Any, i: int, cholesky: Any, b: Any, d: Any) -> Any:
    """Residuals of x and y of a used hit and their variances: the noise's covariance times b."""
    x, xy, y = cholesky
    f00, f01, f10, f11 = kept[i, PAIR + 25], kept[i, PAIR + 26], kept[i, PAIR + 27], kept[i, PAIR + 28]
    u, v = f00 * b[0] + f10 * b[1], f01 * b[0] + f11 * b[1]
    c00 = f00 * f00 * d[0] + 2 * f00 * f10 * d[1] + f10 * f10 * d[2]
    c01 = f00 * f01 * d[0] + (f00 * f11 + f01 * f10) * d[1] + f10 * f11 * d[2]
    c11 = f01 * f01 * d[0] + 2 * f01 * f11 * d[1] + f11 * f11 * d[2]
    return x * u, xy * u + y * v, x * x * c00, xy * xy * c00 + 2 * xy * y * c01 + y * y * c11


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _of_other(kept: Any, i: int, r: Any, n: Any) -> Any:
    """Residuals of x and y of a hit that the fit is without, and the track's variances there: prediction and
    smoothing are of the others already.
    """
    g, h = _five(kept, i, PLACE), _five(kept, i, PLACE + 5)
    v, w = times(g, n), times(h, n)
    a, b = kept[i, PLACE + 10] - dot5(g, r), kept[i, PLACE + 11] - dot5(h, r)
    p00, p01, p11 = g[0] - dot5(v, g), g[1] - dot5(v, h), h[1] - dot5(w, h)
    nx, vx, ny, vy = kept[i, PLACE + 12], kept[i, PLACE + 13], kept[i, PLACE + 14], kept[i, PLACE + 15]
    return (
        nx * a + vx * b, ny * a + vy * b, nx * nx * p00 + 2 * nx * vx * p01 + vx * vx * p11,
        ny * ny * p00 + 2 * ny * vy * p01 + vy * vy * p11,
    )  # fmt: skip
