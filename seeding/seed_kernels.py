"""The compiled loops over pairs of edges that share a hit: kinks, support, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit

__all__ = ["connect", "edge_terms", "hit_terms", "spread_out"]

NOTHING = np.float32(1e-14)
"""Variance of a curvature (1/mm^2) that keeps a division by 0 away where nothing scatters."""


@njit(cache=True, nogil=True, error_model="numpy")
def hit_terms(
    first: int, last: int, position: Any, cholesky: Any, upright: Any, radius: Any, along: Any
) -> None:
    """Radius (N,), at least 1 mm, of some hits, and the uncertainty (N, 2) of their x: as it enters z, and
    per |cot theta|.

    x runs along the beam in the barrel and along the radius on the disks, where it counts |cot theta| times
    in z.
    """
    for h in range(first, last):
        # Nearer to the axis, inside every beam pipe, the impact parameter's 1 / r would have no bound.
        radius[h] = max(np.sqrt(position[h, 0] ** 2 + position[h, 1] ** 2), 1.0)
        along[h, 0] = cholesky[h, 0, 0] if upright[h] else 0.0
        along[h, 1] = 0.0 if upright[h] else cholesky[h, 0, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def edge_terms(
    first: int, last: int, source: Any, target: Any, radius: Any, along: Any, cot_theta: Any, out: Any
) -> None:
    """Fills (E, 2), of some edges: the standard deviations of its slope from its first and from its last hit
    alone.
    """
    for e in range(first, last):
        i, j = source[e], target[e]
        # Two hits of one layer may have nearly the same radius.
        inverse = 1 / max(radius[j] - radius[i], 1.0)
        c = abs(cot_theta[e])
        out[e, 0] = (along[i, 0] + along[i, 1] * c) * inverse
        out[e, 1] = (along[j, 0] + along[j, 1] * c) * inverse


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def connect(
    first_hit: int, last_hit: int, source: Any, target: Any, arriving: Any, arriving_start: Any,
    leaving: Any, leaving_start: Any,
    terms: Any, radius: Any, curvature: Any, cot_theta: Any, chi2: Any, sigma_d0: float, scattering: float,
    cut: float,
    softest: float, per_middle: int, wide_d0: float, before: Any, after: Any, wide: Any,
) -> Any:  # fmt: skip
    """Pairs of edges that share one of some hits and agree: at most ``per_middle`` a hit, best first.

    The kink's chi2 has 2 degrees of freedom. Each edge's circle goes through the beam line. With hits at
    r1 < r2 < r3, a kick by theta at the first moves the curvatures apart by 2 theta (1 - r1 / r3) / r2, and
    one at the second by 2 theta / r3. An impact parameter does so by 2 d0 / r2 (1 / r1 - 1 / r3). The slopes
    differ by the kick at the middle hit and by the three hits' uncertainty along the beam. The middle hit's
    enters both slopes.

    Args:
        arriving, arriving_start, leaving, leaving_start: edges by the hit they end and begin at.
        terms: of :func:`edge_terms`; scattering: as in :func:`seeding.table.scattering_constant`.
        softest: curvature at which scattering is counted where curvatures say nothing of the momentum; else
            0.
        before, after: (E,) smallest kink chi2 with an edge before and after, lowered in place.
        wide_d0: impact parameter in mm that a displaced kink allows, in place of ``sigma_d0``.
        wide: (4, E) smallest displaced kink chi2 with an edge before and after, and the impact parameters of
            these two kinks in mm, in place.

    Returns:
        (S, 2) edge numbers and (S,) chi2: the edges' own plus that of their kink.
    """
    size, n_seeds = 1024, 0
    pairs, quality = np.empty((size, 2), np.int32), np.empty(size, np.float32)
    best_pair, best = np.empty((per_middle, 2), np.int32), np.empty(per_middle, np.float32)
    for h in range(first_hit, last_hit):
        if arriving_start[h] == arriving_start[h + 1] or leaving_start[h] == leaving_start[h + 1]:
            continue
        n_best = 0
        r2 = radius[h]
        for p in range(arriving_start[h], arriving_start[h + 1]):
            e = arriving[p]
            r1, k_e, c_e = radius[source[e]], curvature[e], cot_theta[e]
            from_first, from_middle = terms[e, 0], terms[e, 1]
            for q in range(leaving_start[h], leaving_start[h + 1]):
                f = leaving[q]
                dc = c_e - cot_theta[f]
                # Both edges measure the momentum, which sets the scattering; a kink changes the mean least.
                k = np.float32(0.5) * (k_e + curvature[f])
                c2 = c_e * c_e
                # theta0^2 (1 + cot^2)
                kick = scattering * (softest * softest if softest > 0 else k * k)
                from_middle_too, from_last = terms[f, 0], terms[f, 1]
                # Added, not in quadrature: a shift of the middle hit raises one slope and lowers the other.
                along = from_middle + from_middle_too
                vc = kick * (1 + c2) + from_first * from_first + along * along + from_last * from_last
                slope = dc * dc / vc
                # Most pairs end here.
                if slope > cut and slope > max(before[f], after[e], wide[0, f], wide[1, e]):
                    continue
                r3 = radius[target[f]]
                lever = (1 - r1 / r3) / r2
                # What an impact parameter of 1 mm adds.
                unit = 2 / r2 * (1 / r1 - 1 / r3)
                squared = unit * unit
                scattered = 4 * kick * (1 / (r3 * r3) + lever * lever) + NOTHING
                dk = k_e - curvature[f]
                displaced = slope + dk * dk / (scattered + wide_d0 * wide_d0 * squared)
                # Two hits of one radius tell nothing of it.
                impact = dk * unit / (squared + NOTHING)
                if displaced < wide[0, f]:
                    wide[0, f], wide[2, f] = displaced, impact
                if displaced < wide[1, e]:
                    wide[1, e], wide[3, e] = displaced, impact
                kink = slope + dk * dk / (scattered + sigma_d0 * sigma_d0 * squared)
                before[f] = min(before[f], kink)
                after[e] = min(after[e], kink)
                if not kink <= cut:
                    continue
                total = kink + chi2[e] + chi2[f]
                at = n_best
                while at > 0 and best[at - 1] > total:
                    at -= 1
                if at >= per_middle:
                    continue
                for m in range(min(n_best, per_middle - 1), at, -1):
                    best[m] = best[m - 1]
                    best_pair[m, 0], best_pair[m, 1] = best_pair[m - 1, 0], best_pair[m - 1, 1]
                best[at] = total
                best_pair[at, 0], best_pair[at, 1] = e, f
                n_best = min(n_best + 1, per_middle)
        for m in range(n_best):
            if n_seeds == size:
                size *= 2
                longer, more = np.empty((size, 2), np.int32), np.empty(size, np.float32)
                longer[:n_seeds], more[:n_seeds] = pairs[:n_seeds], quality[:n_seeds]
                pairs, quality = longer, more
            pairs[n_seeds, 0], pairs[n_seeds, 1] = best_pair[m, 0], best_pair[m, 1]
            quality[n_seeds] = best[m]
            n_seeds += 1
    return pairs[:n_seeds], quality[:n_seeds]


@njit(cache=True, nogil=True)
def spread_out(hits: Any, n_hits: int, shared: int) -> Any:
    """Numbers of the seeds that share at most ``shared`` hits with those kept before, of seeds (S, 3), best
    first.
    """
    used = np.zeros(n_hits, np.bool_)
    kept = np.empty(len(hits), np.int64)
    n = 0
    for s in range(len(hits)):
        if int(used[hits[s, 0]]) + int(used[hits[s, 1]]) + int(used[hits[s, 2]]) <= shared:
            used[hits[s, 0]] = used[hits[s, 1]] = used[hits[s, 2]] = True
            kept[n] = s
            n += 1
    return kept[:n]
