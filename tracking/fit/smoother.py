"""The way back over a filtered track: every hit's residual from the smoothed track, and its chi2 from the
track of the others.

The smoother carries r and N backwards instead of states and covariances: the smoothed state is x + P r, its
covariance P - P N P, with the predicted x and P (P. de Jong, JASA 84 (1989) 1085; one coordinate at a time:
S. J. Koopman and J. Durbin, J. Time Ser. Anal. 21 (2000) 281), so that no matrix is inverted. A hit's
whitened residuals u with their covariance D give u D^-1 u: what the track's chi2 loses if the hit is left
out, which is the hit's chi2 against the track of the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from tracking.fit.helix import dot5, mirror, rows_of, times

__all__ = ["OUTLIER", "UNUSABLE", "USED", "row", "smooth", "worst_of_four"]

USED, OUTLIER, UNUSABLE = 0, 1, 2
"""Status of a hit: in the fit; taken out by its chi2; no finite numbers, or its module cannot be reached."""
DETERMINED = 1e-7
"""A smaller share of a hit's variance left to its residual is none: the fit could not do without the hit."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def row(a: Any, k: int, i: int) -> Any:
    """Row i of the matrix of place k of a (M, .., 5)."""
    return a[k, i, 0], a[k, i, 1], a[k, i, 2], a[k, i, 3], a[k, i, 4]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _back_update(
    r: Any, n: Any, whitening: Any, gains: Any, innovation: Any, weight: Any, k: int, size: int
) -> Any:
    """The smoother's step over the hit of place k: r and N before it from those after it.

    Returns:
        Residuals of the position's two whitened coordinates, and their covariance: 00, 01, 11.
    """
    later = after = (0.0, 0.0, 0.0, 0.0, 0.0)
    first = second = c00 = c01 = c11 = 0.0
    # Last in, first out: the coordinates in the reverse of the filter's order.
    for back in range(size):
        i = size - 1 - back
        gain = row(gains, k, i)
        white = row(whitening, k, i)
        v = times(gain, rows_of(n))
        second, c11 = first, c00
        first = innovation[k, i] - dot5(gain, (r[0], r[1], r[2], r[3], r[4]))
        c00 = weight[k, i] + dot5(gain, v)
        c01 = dot5(gain, after) - dot5(gain, later) * c11
        later, after = white, v
        for j in range(5):
            r[j] += white[j] * first
            for m in range(5):
                n[j, m] += white[j] * white[m] * c00 - white[j] * v[m] - v[j] * white[m]
    return first, second, c00, c01, c11


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _back_step(r: Any, n: Any, f: Any, k: int) -> None:
    """The smoother's way from the hit of place k out to the one before."""
    c0 = (f[k, 0, 0], f[k, 1, 0], f[k, 2, 0], f[k, 3, 0], 0.0)
    c1 = (f[k, 0, 1], f[k, 1, 1], f[k, 2, 1], f[k, 3, 1], 0.0)
    c2 = (f[k, 0, 2], f[k, 1, 2], f[k, 2, 2], f[k, 3, 2], 0.0)
    c3 = (f[k, 0, 3], f[k, 1, 3], f[k, 2, 3], f[k, 3, 3], 0.0)
    c4 = (f[k, 0, 4], f[k, 1, 4], f[k, 2, 4], f[k, 3, 4], 1.0)
    old = (r[0], r[1], r[2], r[3], r[4])
    r[0], r[1], r[2], r[3], r[4] = dot5(c0, old), dot5(c1, old), dot5(c2, old), dot5(c3, old), dot5(c4, old)
    m = rows_of(n)
    t0, t1, t2, t3, t4 = times(c0, m), times(c1, m), times(c2, m), times(c3, m), times(c4, m)
    n[0, 0], n[0, 1], n[0, 2], n[0, 3], n[0, 4] = (
        dot5(t0, c0),
        dot5(t0, c1),
        dot5(t0, c2),
        dot5(t0, c3),
        dot5(t0, c4),
    )
    n[1, 1], n[1, 2], n[1, 3], n[1, 4] = dot5(t1, c1), dot5(t1, c2), dot5(t1, c3), dot5(t1, c4)
    n[2, 2], n[2, 3], n[2, 4] = dot5(t2, c2), dot5(t2, c3), dot5(t2, c4)
    n[3, 3], n[3, 4], n[4, 4] = dot5(t3, c3), dot5(t3, c4), dot5(t4, c4)
    mirror(n)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def smooth(
    work: Any, n_hits: int, cholesky: Any, rows: Any, status: Any, size: int, residual: Any, pull: Any
) -> Any:
    """Residuals and pulls of a track's hits against the smoothed track; gives the largest chi2 of a used hit,
    and the hit.
    """
    r, n, kept, predicted = work.r, work.n, work.rows, work.predicted
    # Beyond the last hit nothing is known that the filter did not know.
    r[:] = 0.0
    n[:] = 0.0
    worst, which = -1.0, -1
    for back in range(n_hits):
        k = n_hits - 1 - back
        place = work.order[k]
        h = rows[place]
        m00, m10, m11 = cholesky[h, 0, 0], cholesky[h, 1, 0], cholesky[h, 1, 1]
        vx, vy = m00 * m00, m10 * m10 + m11 * m11
        if status[place] == USED:
            a, b, c00, c01, c11 = _back_update(
                r, n, work.whitening, work.gain, work.innovation, work.weight, k, size
            )
            ex, ey = m00 * a, m10 * a + m11 * b
            cx, cy = m00 * m00 * c00, m10 * m10 * c00 + 2 * m10 * m11 * c01 + m11 * m11 * c11
            chi2 = _of_two(a, b, c00, c01, c11)
            if chi2 > worst:
                worst, which = chi2, place
        else:
            # An outlier is not in the track: prediction and smoothing are of the others already.
            x, y, rest = row(kept, k, 0), row(kept, k, 1), rows_of(n)
            state = (r[0], r[1], r[2], r[3], r[4])
            ex, ey = predicted[k, 0] - dot5(x, state), predicted[k, 1] - dot5(y, state)
            cx, cy = vx + x[0] - dot5(times(x, rest), x), vy + y[1] - dot5(times(y, rest), y)
        residual[place, 0], residual[place, 1] = ex, ey
        pull[place, 0] = ex / math.sqrt(cx) if cx > DETERMINED * vx else 0.0
        pull[place, 1] = ey / math.sqrt(cy) if cy > DETERMINED * vy else 0.0
        if k > 0:
            _back_step(r, n, work.jacobian, k)
    return worst, which


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _of_two(a: float, b: float, c00: float, c01: float, c11: float) -> float:
    """chi2 of two numbers with their covariance; of one, where the other says nothing more or the fit could
    not do without it.
    """
    first = a * a / c00 if c00 > DETERMINED else 0.0
    second = b * b / c11 if c11 > DETERMINED else 0.0
    free = c00 * c11 - c01 * c01
    if c00 > DETERMINED and c11 > DETERMINED and free > DETERMINED * c00 * c11:
        return (a * a * c11 - 2 * a * b * c01 + b * b * c00) / free
    return max(first, second)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def worst_of_four(work: Any, n_hits: int, status: Any) -> Any:
    """Largest chi2 of a used hit with slopes against the track of the others, and the hit.

    A hit's innovations less what the hits after it say, b = innovation - K r, have the covariance C = weight
    + K N K^T, with all its gains K and the r and N behind it. They are its residuals up to an invertible
    matrix, so that b C^-1 b is the chi2 of all
    four coordinates: what the track's chi2 loses without the hit.
    """
    r, n = work.r, work.n
    r[:] = 0.0
    n[:] = 0.0
    b, c = np.empty(4), np.empty((4, 4))
    worst, which = -1.0, -1
    for back in range(n_hits):
        k = n_hits - 1 - back
        place = work.order[k]
        if status[place] == USED:
            behind = rows_of(n)
            for i in range(4):
                gain = row(work.gain, k, i)
                b[i] = work.innovation[k, i] - dot5(gain, (r[0], r[1], r[2], r[3], r[4]))
                v = times(gain, behind)
                for j in range(4):
                    c[i, j] = dot5(v, row(work.gain, k, j))
                c[i, i] += work.weight[k, i]
            chi2 = _of_four(b, c)
            if chi2 > worst:
                worst, which = chi2, place
            _back_update(r, n, work.whitening, work.gain, work.innovation, work.weight, k, 4)
        if k > 0:
            _back_step(r, n, work.jacobian, k)
    return worst, which


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _of_four(b: Any, c: Any) -> float:
    """chi2 of the four numbers b with their covariance c, both used up; without what the fit could not know
    without the hit.
    """
    chi2 = 0.0
    # Elimination with the largest variance first, which is stable without square roots.
    for _ in range(4):
        i = 0
        for j in range(1, 4):
            if c[j, j] > c[i, i]:
                i = j
        variance = c[i, i]
        if not variance > DETERMINED:
            break
        chi2 += b[i] * b[i] / variance
        for j in range(4):
            share = c[j, i] / variance
            if j != i:
                b[j] -= share * b[i]
                for m in range(4):
                    c[j, m] -= share * c[i, m]
        c[i, i] = 0.0
    return chi2
