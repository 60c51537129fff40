"""Scored edges to tracks: best paths, no hit on two tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from seeding.edges import Edges
from seeding.hits import Hits

__all__ = ["BuildOptions", "Tracks", "build_tracks", "layer_ranks"]


@dataclass(frozen=True)
class BuildOptions:
    """Track building.

    Attributes:
        min_score: edges below are dropped.
        min_hits: shortest track, in clusters on distinct layers.
        overlap_distance: a further cluster of a layer the track has is taken along if it lies this near (mm) to the track's and
            its edges to the track's neighbours pass ``overlap_score``.
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

    In every connected component of the edges above ``min_score`` the path with the largest sum of log-odds is taken, its hits
    are removed, and so on until no path has ``min_hits``. The result depends on the scores alone.

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
    path, start, score = _extract(len(hits), source[by_target], target[by_target], weight, kept, options.min_hits)
    owner = np.full(len(hits), -1, dtype=np.int64)
    owner[order[path]] = np.repeat(np.arange(len(score)), np.diff(start))
    _add_overlaps(hits, edges, scores, owner, options)
    rows = np.flatnonzero(owner >= 0)
    distance = np.linalg.norm(hits.position[rows], axis=1)
    rows = rows[np.lexsort((distance, rank[rows], owner[rows]))]
    sizes = np.bincount(owner[rows], minlength=len(score))
    return Tracks(hits=rows, start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), score=score)


@njit(cache=True, nogil=True)
def _extract(n_hits: int, source: Any, target: Any, weight: Any, score: Any, min_hits: int) -> Any:
    """Best paths, component by component. Edges are sorted by target, and source < target."""
    parent = np.arange(n_hits)
    for e in range(len(source)):
        a, b = source[e], target[e]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b:
            parent[max(a, b)] = min(a, b)
    root = np.empty(n_hits, dtype=np.int64)
    size = np.zeros(n_hits, dtype=np.int64)
    for h in range(n_hits):
        r = h
        while parent[r] != r:
            r = parent[r]
        root[h] = r
        size[r] += 1
    first = np.zeros(n_hits + 1, dtype=np.int64)
    for h in range(n_hits):
        first[h + 1] = first[h] + size[h]
    member = np.empty(n_hits, dtype=np.int64)
    place = first[:-1].copy()
    for h in range(n_hits):
        member[place[root[h]]] = h
        place[root[h]] += 1
    begin = np.zeros(n_hits + 1, dtype=np.int64)
    for e in range(len(target)):
        begin[target[e] + 1] += 1
    for h in range(n_hits):
        begin[h + 1] += begin[h]

    used = np.zeros(n_hits, dtype=np.bool_)
    best = np.zeros(n_hits)
    length = np.zeros(n_hits, dtype=np.int64)
    back = np.full(n_hits, -1, dtype=np.int64)
    path = np.empty(n_hits, dtype=np.int64)
    starts = [0]
    scores = [0.0]
    n_path = 0
    for r in range(n_hits):
        if size[r] < min_hits:
            continue
        while True:
            winner = -1
            for m in range(first[r], first[r + 1]):
                h = member[m]
                best[h], length[h], back[h] = 0.0, 1, -1
                if used[h]:
                    continue
                for e in range(begin[h], begin[h + 1]):
                    s = source[e]
                    if not used[s] and best[s] + weight[e] > best[h]:
                        best[h], length[h], back[h] = best[s] + weight[e], length[s] + 1, e
                if length[h] >= min_hits and (winner < 0 or best[h] > best[winner]):
                    winner = h
            if winner < 0:
                break
            n = length[winner]
            h = winner
            total = 0.0
            for k in range(n):
                path[n_path + n - 1 - k] = h
                used[h] = True
                if back[h] >= 0:
                    total += score[back[h]]
                    h = source[back[h]]
            n_path += n
            starts.append(n_path)
            scores.append(total / (n - 1))
    return path[:n_path].copy(), np.array(starts), np.array(scores[1:], dtype=np.float32)


def _add_overlaps(
    hits: Hits, edges: Edges, scores: npt.NDArray[np.float32], owner: npt.NDArray[np.int64], options: BuildOptions
) -> None:
    """Give the second cluster, where modules of a layer overlap, to the track; changes ``owner`` (N,) in place."""
    good = scores > options.overlap_score
    a, b, s = edges.source[good], edges.target[good], scores[good]
    free, taken = np.concatenate([a, b]), np.concatenate([b, a])
    s = np.concatenate([s, s])
    which = (owner[free] < 0) & (owner[taken] >= 0)
    free, track, s = free[which], owner[taken[which]], s[which]
    best_first = np.lexsort((track, free, -s))
    by_track = np.argsort(owner, kind="stable")
    n_tracks = int(owner.max(initial=-1)) + 1
    start = np.searchsorted(owner[by_track], np.arange(n_tracks + 1))
    _attach(
        free[best_first], track[best_first], owner, by_track, start, hits.layer, hits.module, hits.position,
        options.overlap_distance,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _attach(
    free: Any, track: Any, owner: Any, by_track: Any, start: Any, layer: Any, module: Any, position: Any, distance: float
) -> None:
    for k in range(len(free)):
        h, t = free[k], track[k]
        if owner[h] >= 0:
            continue
        near, same_module = False, False
        for m in range(start[t], start[t + 1]):
            g = by_track[m]
            if layer[g] != layer[h]:
                continue
            if module[g] == module[h]:
                same_module = True
            gap = 0.0
            for axis in range(3):
                gap += (position[g, axis] - position[h, axis]) ** 2
            near |= gap < distance * distance
        if near and not same_module:
            owner[h] = t
