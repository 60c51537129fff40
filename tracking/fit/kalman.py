"""Kalman filter and smoother of tracks with multiple scattering: compiled loops, arrays in, arrays out.
Callers validate.

The state at a hit is that of :mod:`tracking.fit.helix` on its module, counted from the measured position.

The filter (R. Fruehwirth, NIM A 262 (1987) 444) goes from the outermost hit inwards, and ends where the
parameters are wanted. A hit's coordinates are made independent by their Cholesky factor and enter one after
the other, so that no matrix is inverted.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.physics import PION_MASS
from tracking.fit.helix import (
    advance,
    at_axis,
    axis,
    closest_approach,
    direction,
    dot,
    dot5,
    path_on_circle,
    reach,
    rows_of,
    start_circle,
    start_line,
    times,
    to_plane,
)
from tracking.fit.material import scatter, scatter_between, theta2_behind
from tracking.fit.smoother import OUTLIER, UNUSABLE, USED, row, smooth, worst_of_four

__all__ = ["OUTLIER", "UNUSABLE", "USED", "fit_all"]

MAX_Q, MAX_SLOPE, FAR = 100.0, 1e4, 1e5
"""1/GeV, 1, mm: states beyond have left all that can be fitted."""
POSITION_PRIOR, SLOPE_PRIOR, Q_PRIOR = 1e4, 0.3, 10.0
"""Widths of the first state: in sigmas of its hit, in rad, in 1/GeV. Wider ones cost digits."""
LOST = (1e3, 1e3, math.pi, math.pi, Q_PRIOR)
"""Widths of the parameters of a track that could not be fitted."""
MIN_SIGMA = 1e-9

Work = namedtuple(
    "Work", "state off covariance jacobian gain innovation weight whitening predicted rows r n order path"
)
"""Memory for one track of up to M hits: of the filter state and off (5,), covariance (5, 5); kept for the
smoother jacobian (M + 1, 4, 5), gain (M, 4, 5), innovation and weight (M, 4), whitening (M, 4, 5), predicted
(M, 2), rows (M, 2, 5); its r (5,) and n (5, 5); hits along the track: order, path (M,). The state is that of
the start's helix, off what the hits say beyond it: all is linear about one smooth helix, so that two hits
near one another may turn the track far off for a while.
"""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _whiten(cholesky: Any, h: int, size: int, out: Any, at: int) -> None:
    """Inverse (size, size) of a hit's Cholesky factor, lower triangular, into row ``at`` of out."""
    for i in range(size):
        d = 1 / max(abs(cholesky[h, i, i]), MIN_SIGMA)
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total -= cholesky[h, i, k] * out[at, k, j]
            out[at, i, j] = total * d
        out[at, i, i] = d


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _update(
    x: Any,
    off: Any,
    p: Any,
    whitening: Any,
    gain: Any,
    innovation: Any,
    weights: Any,
    k: int,
    size: int,
    slopes: Any,
    h: int,
) -> float:
    """Take in the hit of place k: ``size`` 2 (position) or 4 (and slopes); gives its share of chi2."""
    chi2 = 0.0
    for i in range(size):
        white = row(whitening, k, i)
        v = times(white, rows_of(p))
        variance = 1 + dot5(v, white)
        measured = 0.0 if size == 2 else white[2] * slopes[h, 0] + white[3] * slopes[h, 1]
        seen = white[0] * (x[0] + off[0]) + white[1] * (x[1] + off[1])
        if size > 2:
            seen += white[2] * (x[2] + off[2]) + white[3] * (x[3] + off[3])
        residual, weight = measured - seen, 1 / variance
        innovation[k, i], weights[k, i] = residual * weight, weight
        chi2 += residual * residual * weight
        # The short form of the update; Joseph's costs twice as much, and doubles have digits to spare.
        for j in range(5):
            g = v[j] * weight
            gain[k, i, j] = g
            off[j] += g * residual
            for m in range(5):
                p[j, m] -= g * v[m]
    return chi2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _sort(work: Any, position: Any, rows: Any, first: int, last: int, status: Any, start: Any) -> int:
    """Places of a track's usable hits along the start's path, outermost first, into ``work.order``; gives
    their number.
    """
    point, t, curvature = start
    across_beam = math.hypot(t[0], t[1])
    n = 0
    for k in range(first, last):
        if status[k] == UNUSABLE:
            continue
        h = rows[k]
        if across_beam > 1e-3:
            cos, sin = t[0] / across_beam, t[1] / across_beam
            s = path_on_circle(point, cos, sin, curvature, position[h, 0], position[h, 1]) / across_beam
        else:
            s = (position[h, 2] - point[2]) * t[2]
        # Insertion: there are few hits, and most come in their order.
        i = n
        while i > 0 and work.path[i - 1] < s:
            work.path[i], work.order[i] = work.path[i - 1], work.order[i - 1]
            i -= 1
        work.path[i], work.order[i] = s, k
        n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _begin(work: Any, position: Any, axes: Any, cholesky: Any, h: int, start: Any, strength: float) -> Any:
    """First state and covariance, on the outermost hit's plane; gives position, direction, its sign, and if
    it is reached.
    """
    point, t, curvature = start
    x, p = work.state, work.covariance
    across_beam = math.hypot(t[0], t[1])
    w = curvature * across_beam if strength != 0 else 0.0
    ex, ey, n = axis(axes, h, 0), axis(axes, h, 1), axis(axes, h, 2)
    center = (position[h, 0], position[h, 1], position[h, 2])
    s, reached = reach(point, t, w, work.path[0], center, n)
    if not reached:
        return point, t, 1.0, False
    r, out = advance(point, t, w, s)
    speed = dot(n, out)
    delta = (r[0] - center[0], r[1] - center[1], r[2] - center[2])
    x[0], x[1], x[2], x[3] = dot(ex, delta), dot(ey, delta), dot(ex, out) / speed, dot(ey, out) / speed
    x[4] = -w / strength if strength != 0 else 0.0
    work.off[:] = 0.0
    p[:] = 0.0
    # The hits made the start. Its covariance is a prior that says nothing, or they would count twice.
    slopes = SLOPE_PRIOR * SLOPE_PRIOR * (1 + x[2] * x[2] + x[3] * x[3])
    p[0, 0] = POSITION_PRIOR**2 * (cholesky[h, 0, 0] ** 2 + MIN_SIGMA**2)
    p[1, 1] = POSITION_PRIOR**2 * (cholesky[h, 1, 0] ** 2 + cholesky[h, 1, 1] ** 2 + MIN_SIGMA**2)
    p[2, 2], p[3, 3] = slopes * (1 + x[2] * x[2]), slopes * (1 + x[3] * x[3])
    p[4, 4] = Q_PRIOR * Q_PRIOR if strength != 0 else 0.0
    return r, out, 1.0 if speed > 0 else -1.0, abs(x[4]) < MAX_Q


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _lost(x: Any) -> bool:
    """Whether a state has left all that can be fitted."""
    return not (
        abs(x[0]) < FAR
        and abs(x[1]) < FAR
        and abs(x[2]) < MAX_SLOPE
        and abs(x[3]) < MAX_SLOPE
        and abs(x[4]) < MAX_Q
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _filter(
    work: Any, n: int, position: Any, axes: Any, cholesky: Any, cot: Any, rows: Any, status: Any, start: Any,
    surfaces: Any,
    sensor: float, strength: float, momentum: float, size: int, parameters: Any, covariance: Any,
) -> Any:  # fmt: skip
    """Filter a track from its outermost hit to the z axis, with parameters (5,) and covariance (5, 5) filled
    there.

    Returns:
        chi2, and the place at which it failed: -1 if it did not, n at the z axis.
    """
    x, off, p, jacobian, whitening = work.state, work.off, work.covariance, work.jacobian, work.whitening
    gain, innovation, weight, predicted = work.gain, work.innovation, work.weight, work.predicted
    kept, order = work.rows, work.order
    h = rows[order[0]]
    r, t, sign, reached = _begin(work, position, axes, cholesky, h, start, strength)
    if not reached:
        return 0.0, 0
    # 1 / (beta p)^2 and beta^2, of the start's momentum: a pion.
    # Not of the state on its way: after two or three hits that may be anything, since its prior is wide.
    q = abs(x[4]) if strength != 0 else 1 / momentum
    inverse = 1 + (q * PION_MASS) ** 2
    momentum2, beta2 = q * q * inverse, 1 / inverse
    chi2 = 0.0
    for k in range(n):
        h = rows[order[k]]
        for i in range(2):
            predicted[k, i] = -x[i] - off[i]
            for j in range(5):
                kept[k, i, j] = p[i, j]
        if status[order[k]] == USED:
            _whiten(cholesky, h, size, whitening, k)
            chi2 += _update(x, off, p, whitening, gain, innovation, weight, k, size, cot, h)
        ex, ey, normal = axis(axes, h, 0), axis(axes, h, 1), axis(axes, h, 2)
        if k + 1 == n:
            # All hits are in: what follows is carried along the fitted helix, not along the start.
            for i in range(5):
                x[i] += off[i]
                off[i] = 0.0
            if _lost(x):
                return 0.0, k
        t, length = direction(ex, ey, normal, x[2], x[3], sign)
        # Behind the hit, on the way in: the angle that the module's own material gave comes after its
        # position. A module is thin, so that its kick moves no point in it.
        theta2 = theta2_behind(sensor * length, momentum2, beta2)
        if theta2 > 0:
            scatter(x, p, theta2, 0.0, 0.0)
        r = (
            position[h, 0] + x[0] * ex[0] + x[1] * ey[0],
            position[h, 1] + x[0] * ex[1] + x[1] * ey[1],
            position[h, 2] + x[0] * ex[2] + x[1] * ey[2],
        )
        w = -strength * x[4]
        if k + 1 < n:
            g = rows[order[k + 1]]
            center = (position[g, 0], position[g, 1], position[g, 2])
            fx, fy, fn = axis(axes, g, 0), axis(axes, g, 1), axis(axes, g, 2)
            # The hit is near the track: as far as the chord.
            delta = (center[0] - r[0], center[1] - r[1], center[2] - r[2])
            s = math.copysign(math.sqrt(dot(delta, delta)), dot(t, delta))
        else:
            if not math.hypot(t[0], t[1]) > 1e-6:
                return 0.0, n
            s, phi = closest_approach(r, t, w)
            center = (0.0, 0.0, 0.0)
            fn = (math.cos(phi), math.sin(phi), 0.0)
            fx, fy = (-fn[1], fn[0], 0.0), (0.0, 0.0, 1.0)
        s, reached = reach(r, t, w, s, center, fn)
        if not reached:
            return 0.0, k + 1
        point, t, sign = to_plane(
            x, off, p, jacobian, k + 1, r, t, ex, ey, sign, length, strength, s, center, fx, fy, fn
        )
        scatter_between(x, p, point, r, fn, surfaces, momentum2, beta2)
    return chi2, -1 if at_axis(x, p, phi, strength, parameters, covariance) else n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _usable(position: Any, axes: Any, cholesky: Any, cot: Any, h: int, size: int) -> bool:
    """Whether a hit's numbers are finite and of reasonable size."""
    good = True
    for i in range(3):
        good &= abs(position[h, i]) < FAR
    for i in range(9):
        good &= abs(axes[h, i]) < 2
    for i in range(size):
        for j in range(i + 1):
            good &= abs(cholesky[h, i, j]) < FAR
    if size > 2:
        good &= abs(cot[h, 0]) < FAR and abs(cot[h, 1]) < FAR
    return good


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def fit_all(
    position: Any, axes: Any, cholesky: Any, cot: Any, rows: Any, start: Any, surfaces: Any, sensor: float,
    strength: float,
    momentum: float, cut: float, size: int, parameters: Any, covariance: Any, chi2: Any, n_used: Any,
    residual: Any, pull: Any,
    status: Any,
) -> None:  # fmt: skip
    """Fit all tracks; the arrays from ``parameters`` on are filled.

    Args:
        position, axes, cholesky, cot: of the hits, (N, 3), (N, 9), (N, 4, 4), (N, 2).
        rows, start: of the tracks, (K,) and (T + 1,).
        surfaces: (S, 5), see :func:`tracking.fit.material.scatter_between`; sensor: radiation lengths of a
            module.
        strength: curvature of 1 GeV, signed, 1/mm; 0 without field, where momentum (GeV) is what scatters.
        cut: largest chi2 of a hit; size: 2 to use positions, 4 to use slopes too.
        status: (K,) all ``USED`` to begin with.
    """
    longest = 1
    for t in range(len(start) - 1):
        longest = max(longest, start[t + 1] - start[t])
    work = Work(
        np.empty(5), np.empty(5), np.empty((5, 5)), np.empty((longest + 1, 4, 5)), np.empty((longest, 4, 5)),
        np.empty((longest, 4)), np.empty((longest, 4)), np.zeros((longest, 4, 5)), np.empty((longest, 2)),
        np.empty((longest, 2, 5)), np.empty(5), np.empty((5, 5)), np.empty(longest, dtype=np.int64),
        np.empty(longest),
    )  # fmt: skip
    for k in range(len(rows)):
        if not _usable(position, axes, cholesky, cot, rows[k], size):
            status[k] = UNUSABLE
    least = max(5 if strength != 0 else 4, 1)
    for t in range(len(start) - 1):
        first, last = start[t], start[t + 1]
        straight = False
        while True:
            used = 0
            for k in range(first, last):
                used += status[k] == USED
            if used == 0:
                parameters[t] = 0.0
                parameters[t, 3] = math.pi / 2
                covariance[t] = 0.0
                # Finite and wide: whoever weights with it leaves the track out by itself.
                for i in range(5):
                    covariance[t, i, i] = LOST[i] ** 2 if i < 4 or strength != 0 else 0.0
                chi2[t], n_used[t] = 0.0, 0
                break
            begin, along, curvature, good = start_circle(position, cholesky, rows, first, last, status)
            if straight or not good:
                begin, along, curvature = start_line(position, axes, rows, first, last, status)
            n = _sort(work, position, rows, first, last, status, (begin, along, curvature))
            total, failed = _filter(
                work, n, position, axes, cholesky, cot, rows, status, (begin, along, curvature), surfaces,
                sensor, strength,
                momentum, size, parameters[t], covariance[t],
            )  # fmt: skip
            if failed >= 0:
                # Once more along a line, then without the hit that cannot be reached.
                if straight or not good:
                    status[work.order[min(failed, n - 1)]] = UNUSABLE
                straight = True
                continue
            worst, which = smooth(work, n, cholesky, rows, status, size, residual, pull)
            if size > 2:
                worst, which = worst_of_four(work, n, status)
            # One at a time: a hit far off pulls the track away from the good ones.
            # The hits that stay must still fix more numbers than there are parameters.
            if worst > cut and used > 3 and size * (used - 1) > least:
                status[which] = OUTLIER
                continue
            chi2[t], n_used[t] = total, used
            break
    for k in range(len(rows)):
        if status[k] == UNUSABLE:
            residual[k] = 0.0
            pull[k] = 0.0
