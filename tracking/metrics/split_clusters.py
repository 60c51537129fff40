"""Which particle each hit of a split cluster is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from smartpix.merged.split import numbers_of_alike

if TYPE_CHECKING:
    from smartpix.estimate.base import Estimate

__all__ = ["makers_of_parts"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def makers_of_parts(crossed: Ints, target: Floats, cluster: Ints, estimate: Estimate) -> tuple[Ints, Ints]:
    """Hits and the crossings that they are of, as rows of both, sorted by hit.

    The hit of a cluster that gives one is of all crossings of that cluster. Otherwise hits and crossings are
    paired so that the sum of their chi2 is least. Of more hits than crossings the others are of none; of more
    crossings than hits each of the others is of the hit that fits it best. Hits that share an estimate are
    each of all crossings that any of them is of, since nothing tells them apart.

    Args:
        crossed: (T,) cluster row of each crossing, rising; target: (T, 4) its x, y, cot alpha and cot beta.
        cluster: (N,) cluster row of each hit; estimate: of the hits.
    """
    n_clusters = int(max(crossed.max(initial=-1), cluster.max(initial=-1))) + 1
    n_crossings, n_hits = (np.bincount(rows, minlength=n_clusters) for rows in (crossed, cluster))
    by_cluster = np.argsort(cluster, kind="stable")
    first_crossing, first_hit = (np.cumsum(n) - n for n in (n_crossings, n_hits))
    alone = np.flatnonzero(n_hits[crossed] == 1)
    hits, crossings = [by_cluster[first_hit[crossed[alone]]]], [alone]
    for k in np.flatnonzero((n_hits > 1) & (n_crossings > 0)):
        h = by_cluster[first_hit[k] + np.arange(n_hits[k])]
        c = first_crossing[k] + np.arange(n_crossings[k])
        away = np.linalg.solve(
            estimate.cholesky[h], (target[c][None] - estimate.mean[h][:, None]).swapaxes(1, 2)
        )
        chi2 = np.sum(away**2, axis=1)
        of_hits, of_crossings = linear_sum_assignment(chi2)
        others = np.setdiff1d(np.arange(len(c)), of_crossings)
        paired = np.concatenate([of_hits, np.argmin(chi2[:, others], axis=0)])
        numbers = numbers_of_alike(np.zeros(len(h), dtype=np.int64), estimate.mean[h])
        of_hit, pair = np.nonzero(numbers[:, None] == numbers[paired])
        hits.append(h[of_hit])
        crossings.append(c[np.concatenate([of_crossings, others])[pair]])
    hit, crossing = np.concatenate(hits), np.concatenate(crossings)
    order = np.lexsort((crossing, hit))
    return hit[order], crossing[order]
