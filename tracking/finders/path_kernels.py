"""Compiled: the strongest paths through scored edges (:mod:`tracking.finders.paths`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["extract_paths", "track_rows"]

FREE, TRIED = -1, -2
"""Owners of a hit that is on no track: free to be taken, and the end of a path that found no cluster to
share.
"""
SAME_TRACK = 0.9
"""An overlapping cluster joins a track if an edge to it scores at least this share of the cluster's best
edge. A cluster that has a much better edge elsewhere belongs to another track.
"""


@njit(cache=True, nogil=True, error_model="numpy")
def extract_paths(
    first: Any, begin: Any, source: Any, weight: Any, score: Any, layer: Any, module: Any, position: Any,
    min_hits: int, overlap_score: float, overlap_distance: float, share_score: float,
) -> Any:  # fmt: skip
    """Best paths, component by component, each with its overlaps.

    Args:
        first, begin, source, score: of :func:`tracking.finders.components.scored_components`; weight: of each
            edge, above 0.
        layer, module, position: of the components' hits.

    Returns:
        Track of each hit (M,), negative for none; mean edge score of each track's path; (S, 2) tracks and
        hits they share.
    """
    n_hits, largest = len(layer), 0
    for c in range(len(first) - 1):
        largest = max(largest, first[c + 1] - first[c])
    strongest = np.zeros(n_hits, dtype=np.float32)
    for h in range(n_hits):
        for e in range(begin[h], begin[h + 1]):
            strongest[source[e]] = max(strongest[source[e]], score[e])
            strongest[h] = max(strongest[h], score[e])
    owner = np.full(n_hits, FREE, dtype=np.int64)
    on_path, has_second = np.zeros(n_hits, dtype=np.bool_), np.zeros(n_hits, dtype=np.bool_)
    best = np.empty((largest, min_hits))
    back_edge = np.empty((largest, min_hits), dtype=np.int64)
    back_class = np.empty((largest, min_hits), dtype=np.int64)
    scores = [0.0]
    # Clusters that belong to a second track: the track, the cluster.
    shared = [(-1, -1)]
    for c in range(len(first) - 1):
        low, high = first[c], first[c + 1]
        # Paths of free clusters; then those that lack one, which another track has.
        for lacking in range(2 if share_score < 1.0 else 1):
            last = min_hits - 1 - lacking
            while last > 0:
                winner = _best_path(
                    low, high, begin, source, weight, owner, last, best, back_edge, back_class
                )
                if winner < 0:
                    break
                track, n_edges, total = len(scores) - 1, 0, 0.0
                if lacking:
                    # Walk to the path's other end before anything is marked: without the shared cluster it is
                    # no track.
                    h, k = winner, last
                    while k > 0:
                        h, k = source[back_edge[h - low, k]], back_class[h - low, k]
                    edge, other = _to_owned(
                        low, high, begin, source, score, owner, has_second, h, winner, share_score
                    )
                    if edge < 0:
                        # Other paths may have what its outer end lacks.
                        owner[winner] = TRIED
                        continue
                    shared.append((track, other))
                    has_second[other] = True
                    total, n_edges = float(score[edge]), 1
                h, k = winner, last
                while True:
                    owner[h] = track
                    on_path[h] = True
                    if k == 0:
                        break
                    e = back_edge[h - low, k]
                    total += score[e]
                    n_edges += 1
                    h, k = source[e], back_class[h - low, k]
                scores.append(total / n_edges)
                _take_overlaps(
                    track, low, high, begin, source, score, strongest, owner, on_path, layer, module,
                    position, overlap_score, overlap_distance,
                )  # fmt: skip
    return owner, np.array(scores[1:], dtype=np.float32), np.array(shared, dtype=np.int64)[1:]


@njit(cache=True, nogil=True, error_model="numpy")
def _best_path(
    low: int, high: int, begin: Any, source: Any, weight: Any, owner: Any, last: int, best: Any,
    back_edge: Any, back_class: Any,
) -> int:  # fmt: skip
    """End of the strongest path of free clusters with more than ``last`` of them, among the hits from ``low``
    to ``high``, -1 if there is none; fills the three tables.

    For every hit the best path that ends there is kept for each length up to ``last + 1`` (the last class:
    that or longer), so that a short strong path does not hide a long one.
    """
    winner = -1
    for h in range(low, high):
        row = h - low
        best[row, :] = -1.0
        if owner[h] != FREE:
            continue
        best[row, 0] = 0.0
        for e in range(begin[h], begin[h + 1]):
            before = source[e] - low
            # What is not free has no paths.
            for k in range(last + 1):
                into = min(k + 1, last)
                if best[before, k] >= 0.0 and best[before, k] + weight[e] > best[row, into]:
                    best[row, into] = best[before, k] + weight[e]
                    back_edge[row, into], back_class[row, into] = e, k
        if best[row, last] > 0.0 and (winner < 0 or best[row, last] > best[winner - low, last]):
            winner = h
    return winner


@njit(cache=True, nogil=True, error_model="numpy")
def _to_owned(
    low: int, high: int, begin: Any, source: Any, score: Any, owner: Any, has_second: Any, inner: int,
    outer: int, share_score: float,
) -> tuple[int, int]:  # fmt: skip
    """Strongest edge above ``share_score`` that ties an end of a path to a cluster of one other track, and
    that; or -1, -1.
    """
    edge, other, strongest = -1, -1, share_score
    for h in range(low, high):
        for e in range(begin[h], begin[h + 1]):
            if score[e] <= strongest:
                continue
            if h == inner and owner[source[e]] >= 0 and not has_second[source[e]]:
                edge, other, strongest = e, source[e], score[e]
            elif source[e] == outer and owner[h] >= 0 and not has_second[h]:
                edge, other, strongest = e, h, score[e]
    return edge, other


@njit(cache=True, nogil=True, error_model="numpy")
def _take_overlaps(
    track: int, low: int, high: int, begin: Any, source: Any, score: Any, strongest: Any, owner: Any,
    on_path: Any, layer: Any, module: Any, position: Any, overlap_score: float, overlap_distance: float,
) -> None:  # fmt: skip
    """Second clusters where modules overlap, best first, one a module.

    A cluster must lie near the path's own on its layer, and an edge must tie it to the path: overlaps do not
    lead to overlaps. That edge must be among its own best, or it belongs to another track.
    """
    while True:
        chosen, best = -1, overlap_score
        for b in range(low, high):
            for e in range(begin[b], begin[b + 1]):
                a = source[e]
                if score[e] <= best or (owner[a] < 0) == (owner[b] < 0):
                    continue
                free, taken = (a, b) if owner[a] < 0 else (b, a)
                if owner[taken] != track or not on_path[taken] or score[e] < SAME_TRACK * strongest[free]:
                    continue
                near, same_module = False, False
                for g in range(low, high):
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


@njit(cache=True, nogil=True, error_model="numpy")
def track_rows(owner: Any, shared: Any, rank: Any, position: Any, good: Any) -> Any:
    """Hits of the tracks that are ``good``, inner first: by rank, then by distance from the origin.

    Returns:
        Numbers of the hits, and where each of these tracks starts.
    """
    number = np.cumsum(good) - 1
    start = np.zeros(np.count_nonzero(good) + 1, dtype=np.int64)
    for track in owner:
        if track >= 0 and good[track]:
            start[number[track] + 1] += 1
    for track, _ in shared:
        if good[track]:
            start[number[track] + 1] += 1
    for k in range(len(start) - 1):
        start[k + 1] += start[k]
    end, rows = start[:-1].copy(), np.empty(start[-1], dtype=np.int64)
    distance = np.empty(start[-1])
    for i in range(len(owner) + len(shared)):
        track, h = (owner[i], i) if i < len(owner) else (shared[i - len(owner), 0], shared[i - len(owner), 1])
        if track < 0 or not good[track]:
            continue
        x, y, z = position[h]
        far, k, to = np.sqrt(x * x + y * y + z * z), end[number[track]], start[number[track]]
        end[number[track]] += 1
        while k > to and (
            rank[rows[k - 1]] > rank[h] or (rank[rows[k - 1]] == rank[h] and distance[k - 1] > far)
        ):
            rows[k], distance[k] = rows[k - 1], distance[k - 1]
            k -= 1
        rows[k], distance[k] = h, far
    return rows, start
