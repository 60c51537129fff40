"""The fit of all tracks: compiled loops over tracks, arrays in, arrays out. Callers validate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from tracking.fit.kalman import FAR, Q_PRIOR, filtered
from tracking.fit.losses import LIGHT, TAILS
from tracking.fit.mixture import N_SUMS, add, joined
from tracking.fit.smoother import N_KEPT, OUTLIER, UNUSABLE, USED, smooth
from tracking.fit.start import start_circle, start_line

__all__ = ["LOST", "OUTLIER", "UNUSABLE", "USED", "fit_each", "fit_part", "gathered"]

LOST = (1e3, 1e3, math.pi, math.pi, Q_PRIOR)
"""Widths of the parameters of a track that could not be fitted."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def gathered(
    position: Any, axes: Any, cholesky: Any, cot: Any, rows: Any, hits: Any, angles: Any, status: Any
) -> None:
    """Copy hits to where the fit reads them, and find which have finite numbers of reasonable size.

    Args:
        position, axes, cholesky, cot: of the hits, (N, 3), (N, 9), (N, 4, 4), (N, 2); rows: (K,) of them.
        hits: (K, 15) filled with position, axes, and the Cholesky factor of x and y.
        angles: (K, 9) filled with slopes and the last two rows of the Cholesky factor; (0, 9) without slopes.
        status: (K,) filled.
    """
    for k in range(len(rows)):
        h = rows[k]
        good = True
        for i in range(3):
            hits[k, i] = position[h, i]
            good &= abs(hits[k, i]) < FAR
        for i in range(9):
            hits[k, 3 + i] = axes[h, i]
            good &= abs(hits[k, 3 + i]) < 2
        hits[k, 12], hits[k, 13], hits[k, 14] = cholesky[h, 0, 0], cholesky[h, 1, 0], cholesky[h, 1, 1]
        for i in range(12, 15):
            good &= abs(hits[k, i]) < FAR
        if len(angles) > 0:
            angles[k, 0], angles[k, 1] = cot[h, 0], cot[h, 1]
            for i in range(3):
                angles[k, 2 + i] = cholesky[h, 2, i]
            for i in range(4):
                angles[k, 5 + i] = cholesky[h, 3, i]
            for i in range(9):
                good &= abs(angles[k, i]) < FAR
        status[k] = USED if good else UNUSABLE


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _sorted(order: Any, path: Any, first: int, last: int, status: Any) -> int:
    """Usable hits of a track along the start's path, outermost first, into ``order``; gives their number."""
    n = 0
    # Insertion, from the last hit back: there are few, and most come inner first.
    for k in range(last - 1, first - 1, -1):
        if status[k] == UNUSABLE:
            continue
        s, i = path[k - first], n
        while i > 0 and path[order[i - 1] - first] <= s:
            order[i] = order[i - 1]
            i -= 1
        order[i] = k
        n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _longest(first_track: int, last_track: int, start: Any) -> int:
    longest = 1
    for t in range(first_track, last_track):
        longest = max(longest, start[t + 1] - start[t])
    return longest


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def fit_part(
    first_track: int, last_track: int, start: Any, hits: Any, angles: Any, cylinders: Any, disks: Any,
    sensor: float, strength: float, momentum: float, mass: float, losing: bool, cut: float,
    parameters: Any, covariance: Any, chi2: Any, n_used: Any, straight: Any, status: Any, residual: Any, pull: Any,
) -> None:  # fmt: skip
    """Fit some of the tracks; the arrays from ``parameters`` on are filled.

    Args:
        start: (T + 1,) of the tracks; hits, angles, status: of :func:`gathered`.
        cylinders, disks, sensor, strength, momentum, mass, losing: see :func:`tracking.fit.kalman.filtered`.
        cut: largest chi2 of a hit.
        straight: (T,) tracks whose start is a line.
        residual, pull: (K, 2); (0, 2) to go over no more tracks again than may have an outlier.
    """
    longest = _longest(first_track, last_track, start)
    order, path, weight = np.empty(longest, dtype=np.int64), np.empty(longest), np.empty(longest)
    kept = np.empty((longest, N_KEPT))
    size = 4 if len(angles) > 0 else 2
    least = max(5 if strength != 0 else 4, 1)
    radiates, sums = losing and mass < LIGHT and strength != 0, np.zeros(N_SUMS)
    for t in range(first_track, last_track):
        first, last = start[t], start[t + 1]
        to_keep = len(residual) > 0
        while True:
            used = 0
            for k in range(first, last):
                used += status[k] == USED
            if used == 0:
                for i in range(5):
                    parameters[t, i] = math.pi / 2 if i == 3 else 0.0
                    for j in range(5):
                        covariance[t, i, j] = 0.0
                    # Finite and wide: whoever weights with it leaves the track out by itself.
                    covariance[t, i, i] = LOST[i] ** 2 if i < 4 or strength != 0 else 0.0
                chi2[t], n_used[t] = 0.0, 0
                break
            helix, good = start_circle(hits, first, last, status, weight, path)
            if straight[t] or not good:
                helix = start_line(hits, first, last, status, path)
            if strength == 0:
                helix = (helix[0], helix[1], helix[2], helix[3], 0.0)
            n = _sorted(order, path, first, last, status)
            total, values, c, failed, none = 0.0, LOST, (0.0,) * 15, -1, 0.0
            # The first way is without radiation. One call for all ways: each is compiled into its place.
            for way in range(1 + len(TAILS) * (n - 1) if radiates else 1):
                place, tail = (1 + (way - 1) // len(TAILS), (way - 1) % len(TAILS)) if way else (-1, 0)
                of_way, parameters_of, covariance_of, stopped, probability = filtered(
                    n, order, path, first, hits, angles, status, helix, cylinders, disks, sensor, strength, momentum,
                    mass, losing, place, tail if radiates else -1, kept, to_keep and way == 0,
                )  # fmt: skip
                if way == 0:
                    total, values, c, failed, none = (
                        of_way,
                        parameters_of,
                        covariance_of,
                        stopped,
                        probability,
                    )
                    sums[:] = 0.0
                    if failed >= 0:
                        break
                if radiates and stopped < 0:
                    add(sums, values, parameters_of, covariance_of, of_way, probability - none)
            if radiates and failed < 0:
                total, values, c = joined(sums, values)
            if failed >= 0:
                # Once more along a line, then without the hit that cannot be reached.
                if straight[t] or not good:
                    status[order[min(failed, n - 1)]] = UNUSABLE
                straight[t] = True
                continue
            # One at a time: a hit far off pulls the track away from the good ones.
            # The hits that stay must still fix more numbers than there are parameters.
            # What a track's chi2 loses without a hit is no more than it has.
            if total > cut and used > 3 and size * (used - 1) > least:
                if not to_keep:
                    to_keep = True
                    continue
                worst, which = smooth(n, order, status, hits, size, kept, residual, pull)
                if worst > cut:
                    status[which] = OUTLIER
                    continue
            elif len(residual) > 0:
                smooth(n, order, status, hits, size, kept, residual, pull)
            chi2[t], n_used[t] = total, used
            m = 0
            for i in range(5):
                parameters[t, i] = values[i]
                for j in range(i, 5):
                    covariance[t, i, j] = covariance[t, j, i] = c[m]
                    m += 1
            break


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def fit_each(
    first_track: int, last_track: int, start: Any, hits: Any, angles: Any, cylinders: Any, disks: Any,
    sensor: float, strengths: Any, momentum: float, mass: float, losing: bool, cut: float,
    parameters: Any, covariance: Any, chi2: Any, n_used: Any, straight: Any, status: Any, residual: Any, pull: Any,
) -> None:  # fmt: skip
    """:func:`fit_part` of tracks that have each a field of its own: ``strengths`` (T,)."""
    for t in range(first_track, last_track):
        fit_part(
            t, t + 1, start, hits, angles, cylinders, disks, sensor, strengths[t], momentum, mass, losing, cut,
            parameters, covariance, chi2, n_used, straight, status, residual, pull,
        )  # fmt: skip
