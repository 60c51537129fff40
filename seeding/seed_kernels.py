"""Compiled loops over pairs of edges that share a hit: kinks, support, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from seeding.kernels import group_by, grow_rows

__all__ = ["connect_seeds", "edge_support", "kink_test"]


@njit(cache=True, nogil=True)
def kink_test(
    e: int,
    f: int,
    source: Any,
    target: Any,
    radius: Any,
    curvature: Any,
    cot_theta: Any,
    sigma_d0: float,
    sigma_along: Any,
    barrel: Any,
    scattering: float,
) -> float:
    """chi2 (2 degrees of freedom) of two edges that share a hit being one particle's.

    Each edge's circle goes through the beam line, so with hits at r1 < r2 < r3 a kick at the first moves the curvatures
    apart by (1 - r1 / r3) / r2 and at the second by 1 / r3 (times 2 theta), and an impact parameter by
    2 d0 / r2 (1 / r1 - 1 / r3). The slopes differ by the kick at the middle hit and by the three hits' uncertainty along
    the beam, of which the middle one enters both.

    Args:
        radius: (N,) of the hits, mm; sigma_along: (N,) their uncertainty along z in the barrel, along r on the disks, where it
            counts as |cot theta| times itself in z; barrel: (N,) which of the two.
    """
    r1, r2, r3 = radius[source[e]], radius[target[e]], radius[target[f]]
    k = 0.5 * (curvature[e] + curvature[f])
    c = 0.5 * (cot_theta[e] + cot_theta[f])
    theta2 = scattering * k * k / (1 + c * c)
    lever2 = 1 / r3**2 + ((1 - r1 / r3) / r2) ** 2
    vk = 4 * theta2 * (1 + c * c) * lever2 + (2 * sigma_d0 / r2 * (1 / r1 - 1 / r3)) ** 2 + 1e-14
    arm1, arm2 = max(r2 - r1, 1.0), max(r3 - r2, 1.0)
    vc = theta2 * (1 + c * c) ** 2
    for h, lever in ((source[e], 1 / arm1), (target[e], 1 / arm1 + 1 / arm2), (target[f], 1 / arm2)):
        vc += (sigma_along[h] * lever) ** 2 * (1.0 if barrel[h] else c * c)
    dk, dc = curvature[e] - curvature[f], cot_theta[e] - cot_theta[f]
    return float(dk * dk / vk + dc * dc / vc)


@njit(cache=True, nogil=True)
def edge_support(
    source: Any,
    target: Any,
    radius: Any,
    curvature: Any,
    cot_theta: Any,
    sigma_d0: float,
    sigma_along: Any,
    barrel: Any,
    scattering: float,
    missing: float,
) -> Any:
    """Smallest kink chi2 of every edge with an edge before and one after it, (E, 2); ``missing`` where there is none."""
    out = np.full((len(source), 2), missing, dtype=np.float32)
    n_hits = len(radius)
    leaving, start = group_by(source, n_hits)
    for e in range(len(source)):
        h = target[e]
        for q in range(start[h], start[h + 1]):
            f = leaving[q]
            test = kink_test(e, f, source, target, radius, curvature, cot_theta, sigma_d0, sigma_along, barrel, scattering)
            out[e, 1] = min(out[e, 1], test)
            out[f, 0] = min(out[f, 0], test)
    return out


@njit(cache=True, nogil=True)
def connect_seeds(
    source: Any,
    target: Any,
    radius: Any,
    curvature: Any,
    cot_theta: Any,
    chi2: Any,
    sigma_d0: float,
    sigma_along: Any,
    barrel: Any,
    scattering: float,
    cut: float,
    per_middle: int,
) -> Any:
    """Pairs of edges that share a hit and agree: at most ``per_middle`` a middle hit, best first.

    Returns:
        (S, 2) edge numbers and (S,) chi2: the edges' own plus that of their kink.
    """
    n_hits = len(radius)
    leaving, start = group_by(source, n_hits)
    arriving, arriving_start = group_by(target, n_hits)
    pairs = np.empty((1024, 2), dtype=np.int32)
    quality = np.empty((1024, 1), dtype=np.float32)
    n_seeds = 0
    best_pair = np.empty((per_middle, 2), dtype=np.int64)
    best = np.empty(per_middle)
    for h in range(n_hits):
        n_best = 0
        for p in range(arriving_start[h], arriving_start[h + 1]):
            e = arriving[p]
            for q in range(start[h], start[h + 1]):
                f = leaving[q]
                test = kink_test(e, f, source, target, radius, curvature, cot_theta, sigma_d0, sigma_along, barrel, scattering)
                if test > cut:
                    continue
                total = test + chi2[e] + chi2[f]
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
            if n_seeds == len(pairs):
                pairs = grow_rows(pairs, 2 * n_seeds)
                quality = grow_rows(quality, 2 * n_seeds)
            pairs[n_seeds, 0], pairs[n_seeds, 1] = best_pair[m, 0], best_pair[m, 1]
            quality[n_seeds, 0] = best[m]
            n_seeds += 1
    return pairs[:n_seeds].copy(), quality[:n_seeds, 0].copy()
