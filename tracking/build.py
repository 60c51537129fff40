"""Scored edges to tracks: best paths, no hit on two tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.kernels import group_by

__all__ = ["BuildOptions", "Tracks", "build_tracks", "layer_ranks"]


@dataclass(frozen=True)
class BuildOptions:
    """Track building.

    Attributes:
        min_score: edges below are dropped.
        min_hits: shortest track, in clusters on distinct layers.
        overlap_distance: where modules of a layer overlap, a second cluster is taken along if it lies this near (mm) to the
            track's and an edge above ``overlap_score`` ties it to another of the track's.
    """

    min_score: float = 0.1
    min_hits: int = 4
    overlap_distance: float = 10.0
    overlap_score: float = 0.5


@dataclass(frozen=True)
class Tracks:
    """Tracks of one event.

    Attributes:
        hits: (K,) cluster rows, track after track, inner first; start: (T + 1,) where each begins.
        score: (T,) mean edge score.
    """

    hits: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    score: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.score)

    def rows(self) -> list[npt.NDArray[np.int64]]:
        """The tracks' cluster rows, one array each."""
        return [self.hits[a:b] for a, b in zip(self.start[:-1], self.start[1:], strict=True)]


def layer_ranks(n_layers: int, pairs: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """(L,) rank of each layer such that every pair goes to a higher rank (longest path from the inside)."""
    rank = np.zeros(n_layers, dtype=np.int32)
    for _ in range(n_layers):
        for inner, outer in pairs:
            rank[outer] = max(rank[outer], rank[inner] + 1)
    return rank


def build_tracks(
    hits: Hits, edges: Edges, scores: npt.NDArray[np.float32], ranks: npt.NDArray[np.int32], options: BuildOptions
) -> Tracks:
    """Tracks of one event.

    In every connected component of the edges above ``min_score`` the path with the largest sum of log-odds is taken, with the
    second clusters where modules overlap; its hits are removed, and so on until no path has ``min_hits``. The result depends
    on the scores alone, not on the order of the edges.

    Args:
        scores: (E,) between 0 and 1; ranks: of :func:`layer_ranks`.
    """
    keep = np.flatnonzero(scores > options.min_score)
    rank = ranks[hits.layer]
    # Hits in the order of their layers' ranks: every edge then goes forward.
    order = np.argsort(rank, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    source, target = place[edges.source[keep]], place[edges.target[keep]]
    by_target = np.lexsort((source, target))
    kept = scores[keep][by_target].astype(np.float64)
    clipped = np.clip(kept, 1e-6, 1 - 1e-6)
    # The offset makes every kept edge add to a path, so that a weak true edge does not cut it.
    weight = np.log(clipped / (1 - clipped)) - np.log(options.min_score / (1 - options.min_score)) + 0.1
    owner_in_order, score = _extract(
        len(hits), source[by_target], target[by_target], weight, kept, hits.layer[order], hits.module[order],
        hits.position[order], options.min_hits, options.overlap_score, options.overlap_distance,
    )  # fmt: skip
    owner = owner_in_order[place]
    rows = np.flatnonzero(owner >= 0)
    distance = np.linalg.norm(hits.position[rows], axis=1)
    rows = rows[np.lexsort((distance, rank[rows], owner[rows]))]
    sizes = np.bincount(owner[rows], minlength=len(score))
    return Tracks(hits=rows, start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), score=score)


@njit(cache=True, nogil=True)
def _root(parent: Any, h: int) -> int:
    while parent[h] != h:
        parent[h] = parent[parent[h]]
        h = parent[h]
    return h


@njit(cache=True, nogil=True)
def _components(n_hits: int, source: Any, target: Any) -> Any:
    """Hits grouped by connected component: first (N + 1,) and member (N,); components are named by their first hit."""
    parent = np.arange(n_hits)
    for e in range(len(source)):
        a, b = _root(parent, source[e]), _root(parent, target[e])
        if a != b:
            parent[max(a, b)] = min(a, b)
    root = np.empty(n_hits, dtype=np.int64)
    for h in range(n_hits):
        root[h] = _root(parent, h)
    member, first = group_by(root, n_hits)
    return first, member


@njit(cache=True, nogil=True)
def _extract(
    n_hits: int,
    source: Any,
    target: Any,
    weight: Any,
    score: Any,
    layer: Any,
    module: Any,
    position: Any,
    min_hits: int,
    overlap_score: float,
    overlap_distance: float,
) -> Any:
    """Best paths, component by component, each with its overlaps. Edges are sorted by target, and source < target.

    Returns:
        Track of each hit (N,), -1 for none; mean edge score of each track's path.
    """
    first, member = _components(n_hits, source, target)
    begin = np.zeros(n_hits + 1, dtype=np.int64)
    for e in range(len(target)):
        begin[target[e] + 1] += 1
    for h in range(n_hits):
        begin[h + 1] += begin[h]
    owner = np.full(n_hits, -1, dtype=np.int64)
    best = np.zeros(n_hits)
    length = np.zeros(n_hits, dtype=np.int64)
    back = np.full(n_hits, -1, dtype=np.int64)
    path = np.empty(n_hits, dtype=np.int64)
    scores = [0.0]
    for r in range(n_hits):
        if first[r + 1] - first[r] < min_hits:
            continue
        while True:
            winner = -1
            for m in range(first[r], first[r + 1]):
                h = member[m]
                best[h], length[h], back[h] = 0.0, 1, -1
                if owner[h] >= 0:
                    continue
                for e in range(begin[h], begin[h + 1]):
                    s = source[e]
                    if owner[s] < 0 and best[s] + weight[e] > best[h]:
                        best[h], length[h], back[h] = best[s] + weight[e], length[s] + 1, e
                if length[h] >= min_hits and (winner < 0 or best[h] > best[winner]):
                    winner = h
            if winner < 0:
                break
            track = len(scores) - 1
            n = length[winner]
            h = winner
            total = 0.0
            for k in range(n):
                path[k] = h
                owner[h] = track
                if back[h] >= 0:
                    total += score[back[h]]
                    h = source[back[h]]
            scores.append(total / (n - 1))
            for m in range(first[r], first[r + 1]):
                for e in range(begin[member[m]], begin[member[m] + 1]):
                    a, b = source[e], target[e]
                    if score[e] < overlap_score or (owner[a] < 0) == (owner[b] < 0):
                        continue
                    free, taken = (a, b) if owner[a] < 0 else (b, a)
                    if owner[taken] == track and _overlaps(free, path[:n], layer, module, position, overlap_distance):
                        owner[free] = track
    return owner, np.array(scores[1:], dtype=np.float32)


@njit(cache=True, nogil=True)
def _overlaps(h: int, path: Any, layer: Any, module: Any, position: Any, distance: float) -> bool:
    """Whether hit h lies beside a hit of the path, on another module of the same layer."""
    for g in path:
        if layer[g] == layer[h] and module[g] != module[h]:
            gap = 0.0
            for axis in range(3):
                gap += (position[g, axis] - position[h, axis]) ** 2
            if gap < distance * distance:
                return True
    return False
