"""Hits gather about those that stand for a particle, and edges within a gathering get scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from tracking.finders.components import join, root

__all__ = ["condense", "gathered_scores", "groups"]

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def groups(n: int, source: Any, target: Any) -> Any:
    """(n,) of each hit the first hit that edges join it to, which names its group."""
    parent = np.arange(n)
    for e in range(len(source)):
        join(parent, source[e], target[e])
    for h in range(n):
        parent[h] = root(parent, h)
    return parent


def condense(
    beta: npt.NDArray[np.float32], place: npt.NDArray[np.float32], group: Ints, min_beta: float, radius: float
) -> Ints:
    """(N,) of each hit the one that gathers it, -1: none does (arXiv 2002.03605, section 4).

    In the order of falling beta, each hit that nobody gathered yet gathers itself and all such hits of its
    group within the radius, until beta falls below ``min_beta``. Of equal betas the first hit comes first.

    Args:
        beta: (N,) between 0 and 1; place: (N, C); group: (N,) whole numbers.
    """
    order = np.lexsort((-beta, group))
    first = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
    point = np.full(len(beta), -1, dtype=np.int64)
    _gather(order, first, beta, place, np.float32(min_beta), np.float32(radius) ** 2, point)
    return point


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(
    order: Any, first: Any, beta: Any, place: Any, min_beta: float, square: float, point: Any
) -> None:
    """``order``: hits group by group, by falling beta; ``first``: where each group begins, and the end."""
    for g in range(len(first) - 1):
        for a in range(first[g], first[g + 1]):
            h = order[a]
            if beta[h] < min_beta:
                break
            if point[h] >= 0:
                continue
            for b in range(a, first[g + 1]):
                other = order[b]
                if point[other] < 0:
                    distance = np.float32(0)
                    for c in range(place.shape[1]):
                        distance += (place[other, c] - place[h, c]) ** 2
                    if distance <= square:
                        point[other] = h


def gathered_scores(
    place: npt.NDArray[np.float32],
    point: Ints,
    source: npt.NDArray[Any],
    target: npt.NDArray[Any],
    radius: float,
) -> npt.NDArray[np.float32]:
    """Scores (E,) of edges: 0 where the two hits were not gathered by the same one, else from 1, at its
    place, down to one half where both are at the radius. So the near one is taken where two hits of a layer
    are gathered.
    """
    away = np.square(place - place[point]).sum(1)
    scores = 1 - (away[source] + away[target]) / (4 * max(radius**2, 1e-30))
    same = (point[source] >= 0) & (point[source] == point[target])
    return np.where(same, scores, 0).astype(np.float32)
