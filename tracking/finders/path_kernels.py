"""Compiled: the strongest paths through scored edges (:mod:`tracking.finders.paths`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from seeding.kernels import group_by
from smartpix.compiled import njit

__all__ = ["extract_paths"]

FREE, TRIED = -1, -2
"""Owners of a hit that is on no track: free to be taken, and the end of a path that found no cluster to
share.
"""
SAME_TRACK = 0.9
"""An overlapping cluster joins a track if an edge to it scores at least this share of the cluster's best
edge. A cluster that has a much better edge elsewhere belongs to another track.
"""


@njit(cache=True, nogil=True)
def _root(parent: Any, h: int) -> int:
    while parent[h] != h:
        # Halving the path on the way up keeps later walks short.
        parent[h] = parent[parent[h]]
        h = parent[h]
    return h


@njit(cache=True, nogil=True)
def _components(n_hits: int, source: Any, target: Any) -> Any:
    """Hits grouped by connected component: first (N + 1,) and member (N,); components are named by their
    first hit.
    """
    parent = np.arange(n_hits)
    for e in range(len(source)):
        a, b = _root(parent, source[e]), _root(parent, target[e])
        if a != b:
            # The first hit names its component, whatever the order of the edges.
            parent[max(a, b)] = min(a, b)
    root = np.empty(n_hits, dtype=np.int64)
    for h in range(n_hits):
        root[h] = _root(parent, h)
    member, first = group_by(root, n_hits)
    return first, member


@njit(cache=True, nogil=True)
def extract_paths(
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
    share_score: float,
) -> Any:
    """Best paths, component by component, each with its overlaps. Edges are sorted by target, and source <
    target.

    Returns:
        Track of each hit (N,), -1 for none; mean edge score of each track's path; (S, 2) tracks and clusters
        they share.
    """
    first, member = _components(n_hits, source, target)
    begin = np.zeros(n_hits + 1, dtype=np.int64)
    strongest = np.zeros(n_hits)
    for e in range(len(target)):
        begin[target[e] + 1] += 1
        strongest[source[e]] = max(strongest[source[e]], score[e])
        strongest[target[e]] = max(strongest[target[e]], score[e])
    for h in range(n_hits):
        begin[h + 1] += begin[h]
    owner = np.full(n_hits, -1, dtype=np.int64)
    on_path = np.zeros(n_hits, dtype=np.bool_)
    best = np.empty((n_hits, min_hits))
    back_edge = np.empty((n_hits, min_hits), dtype=np.int64)
    back_class = np.empty((n_hits, min_hits), dtype=np.int64)
    scores = [0.0]
    # Clusters that belong to a second track: the track, the cluster.
    shared = [(-1, -1)]
    has_second = np.zeros(n_hits, dtype=np.bool_)
    for r in range(n_hits):
        if first[r + 1] - first[r] < min_hits:
            continue
        members = member[first[r] : first[r + 1]]
        # Paths of free clusters; then those that lack one, which another track has.
        for lacking in range(2 if share_score < 1.0 else 1):
            last = min_hits - 1 - lacking
            while last > 0:
                winner = _best_path(members, begin, source, weight, owner, last, best, back_edge, back_class)
                if winner < 0:
                    break
                edge, other = -1, -1
                track, n_edges, total = len(scores) - 1, 0, 0.0
                if lacking:
                    # Walk to the path's other end before anything is marked: without the shared cluster it is
                    # no track.
                    h, k = winner, last
                    while k > 0:
                        h, k = source[back_edge[h, k]], back_class[h, k]
                    edge, other = _to_owned(
                        members, begin, source, score, owner, has_second, h, winner, share_score
                    )
                    if edge < 0:
                        # Other paths may have what its outer end lacks.
                        owner[winner] = TRIED
                        continue
                    shared.append((track, other))
                    has_second[other] = True
                    total, n_edges = score[edge], 1
                h, k = winner, last
                while True:
                    owner[h] = track
                    on_path[h] = True
                    if k == 0:
                        break
                    e = back_edge[h, k]
                    total += score[e]
                    n_edges += 1
                    h, k = source[e], back_class[h, k]
                scores.append(total / n_edges)
                _take_overlaps(
                    track, members, begin, source, score, strongest, owner, on_path, layer, module, position,
                    overlap_score, overlap_distance,
                )  # fmt: skip
    for h in range(n_hits):
        owner[h] = max(owner[h], -1)
    return owner, np.array(scores[1:], dtype=np.float32), np.array(shared, dtype=np.int64)[1:]


@njit(cache=True, nogil=True)
def _best_path(
    members: Any,
    begin: Any,
    source: Any,
    weight: Any,
    owner: Any,
    last: int,
    best: Any,
    back_edge: Any,
    back_class: Any,
) -> int:
    """End of the strongest path of free clusters with more than ``last`` of them, -1 if there is none; fills
    the three tables.

    For every hit the best path that ends there is kept for each length up to ``last + 1`` (the last class:
    that or longer), so that a short strong path does not hide a long one.
    """
    winner = -1
    for h in members:
        best[h, :] = -1.0
        if owner[h] != FREE:
            continue
        best[h, 0] = 0.0
        for e in range(begin[h], begin[h + 1]):
            s = source[e]
            if owner[s] != FREE:
                continue
            for k in range(last + 1):
                into = min(k + 1, last)
                if best[s, k] >= 0.0 and best[s, k] + weight[e] > best[h, into]:
                    best[h, into] = best[s, k] + weight[e]
                    back_edge[h, into], back_class[h, into] = e, k
        if best[h, last] > 0.0 and (winner < 0 or best[h, last] > best[winner, last]):
            winner = h
    return winner


@njit(cache=True, nogil=True)
def _to_owned(
    members: Any,
    begin: Any,
    source: Any,
    score: Any,
    owner: Any,
    has_second: Any,
    inner: int,
    outer: int,
    share_score: float,
) -> tuple[int, int]:
    """Strongest edge above ``share_score`` that ties an end of a path to a cluster of one other track, and
    that; or -1, -1.
    """
    edge, other, strongest = -1, -1, share_score
    for h in members:
        for e in range(begin[h], begin[h + 1]):
            if score[e] <= strongest:
                continue
            if h == inner and owner[source[e]] >= 0 and not has_second[source[e]]:
                edge, other, strongest = e, source[e], score[e]
            elif source[e] == outer and owner[h] >= 0 and not has_second[h]:
                edge, other, strongest = e, h, score[e]
    return edge, other


@njit(cache=True, nogil=True)
def _take_overlaps(
    track: int,
    members: Any,
    begin: Any,
    source: Any,
    score: Any,
    strongest: Any,
    owner: Any,
    on_path: Any,
    layer: Any,
    module: Any,
    position: Any,
    overlap_score: float,
    overlap_distance: float,
) -> None:
    """Second clusters where modules overlap, best first, one a module.

    A cluster must lie near the path's own on its layer, and an edge must tie it to the path: overlaps do not
    lead to overlaps. That edge must be among its own best, or it belongs to another track.
    """
    while True:
        chosen, best = -1, overlap_score
        for b in members:
            for e in range(begin[b], begin[b + 1]):
                a = source[e]
                if score[e] <= best or (owner[a] < 0) == (owner[b] < 0):
                    continue
                free, taken = (a, b) if owner[a] < 0 else (b, a)
                if owner[taken] != track or not on_path[taken] or score[e] < SAME_TRACK * strongest[free]:
                    continue
                near, same_module = False, False
                for g in members:
                    if owner[g] != track or layer[g] != layer[free]:
                        continue
                    same_module |= module[g] == module[free]
                    if on_path[g]:
                        gap = 0.0
                        for axis in range(3):
                            gap += (position[g, axis] - position[free, axis]) ** 2
                        near |= gap < overlap_distance * overlap_distance
                if near and not same_module:
                    chosen, best = free, score[e]
        if chosen < 0:
            return
        owner[chosen] = track
