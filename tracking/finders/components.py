"""Compiled: connected components of an event's edges, for their scores and for its tracks."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["chunks", "join", "root", "scored_components"]


@njit(cache=True, nogil=True, error_model="numpy")
def root(parent: Any, h: int) -> int:
    """First hit of the component of a hit, as far as its edges are joined."""
    while parent[h] != h:
        # Halving the path on the way up keeps later walks short.
        parent[h] = parent[parent[h]]
        h = parent[h]
    return h


@njit(cache=True, nogil=True, error_model="numpy")
def join(parent: Any, a: int, b: int) -> None:
    """One component of those of two hits."""
    a, b = root(parent, a), root(parent, b)
    # The first hit names its component, whatever the order of the edges.
    parent[max(a, b)] = min(a, b)


@njit(cache=True, nogil=True, error_model="numpy")
def scored_components(
    rank: Any, source: Any, target: Any, score: Any, min_score: float, min_hits: int
) -> Any:
    """Components of the edges above ``min_score`` that have at least ``min_hits`` hits.

    Args:
        rank: (N,) of the hits; every edge goes to a higher one, or to a later hit of the same.

    Returns:
        Where each component starts (C + 1,); its hits (M,), by rank; where each hit's arriving edges start
        (M + 1,); and of these, by their source, the source's place among the M and the score.
    """
    kept, place = _edges_and_places(rank, source, target, score, min_score)
    n = place[-1]
    parent = np.arange(n)
    for e in kept:
        join(parent, place[source[e]], place[target[e]])
    size = np.zeros(n + 1, dtype=np.int64)
    for p in range(n):
        parent[p] = root(parent, p)
        size[parent[p]] += 1
    # Components in the order of their first hits, and small ones nowhere.
    first, begins = [0], np.full(n, -1, dtype=np.int64)
    for p in range(n):
        if parent[p] == p and size[p] >= min_hits:
            begins[p] = first[-1]
            first.append(first[-1] + size[p])
    final, hit = np.full(n, -1, dtype=np.int64), np.empty(first[-1], dtype=np.int64)
    for p in range(n):
        if begins[parent[p]] >= 0:
            final[p] = begins[parent[p]]
            begins[parent[p]] += 1
    for h in range(len(rank)):
        if place[h] >= 0:
            p = place[h]
            place[h] = final[p]
            if final[p] >= 0:
                hit[final[p]] = h
    return np.array(first), hit, *_arriving(kept, source, target, score, place, len(hit))


@njit(cache=True, nogil=True, error_model="numpy")
def _edges_and_places(rank: Any, source: Any, target: Any, score: Any, min_score: float) -> Any:
    """Edges above ``min_score``; and by hit its place among all with such an edge, by rank, -1 for none.
    Behind the last hit stands their number.
    """
    n_hits, n_ranks = len(rank), 0
    kept, n = np.empty(len(score), dtype=np.int64), 0
    place = np.full(n_hits + 1, -1, dtype=np.int64)
    for e in range(len(score)):
        if score[e] > min_score:
            kept[n] = e
            n += 1
            place[source[e]] = place[target[e]] = 0
    for h in range(n_hits):
        n_ranks = max(n_ranks, rank[h] + 1)
    start = np.zeros(n_ranks + 1, dtype=np.int64)
    for h in range(n_hits):
        start[rank[h] + 1] += place[h] + 1
    for r in range(n_ranks):
        start[r + 1] += start[r]
    place[n_hits] = start[n_ranks]
    for h in range(n_hits):
        if place[h] == 0:
            place[h] = start[rank[h]]
            start[rank[h]] += 1
    return kept[:n], place


@njit(cache=True, nogil=True, error_model="numpy")
def _arriving(kept: Any, source: Any, target: Any, score: Any, place: Any, n: int) -> Any:
    """Edges of n hits by the place of their target and then of their source: bounds (n + 1,), sources,
    scores. Hits with a negative place are left out.
    """
    begin = np.zeros(n + 1, dtype=np.int64)
    for e in kept:
        if place[target[e]] >= 0:
            begin[place[target[e]] + 1] += 1
    for p in range(n):
        begin[p + 1] += begin[p]
    end = begin[:-1].copy()
    before, of_edge = np.empty(begin[n], dtype=np.int64), np.empty(begin[n], dtype=np.float32)
    for e in kept:
        s, t = place[source[e]], place[target[e]]
        if t < 0:
            continue
        # A hit has few edges: each is put in its place among them.
        k = end[t]
        end[t] += 1
        while k > begin[t] and before[k - 1] > s:
            before[k], of_edge[k] = before[k - 1], of_edge[k - 1]
            k -= 1
        before[k], of_edge[k] = s, score[e]
    return begin, before, of_edge


@njit(cache=True, nogil=True, error_model="numpy")
def chunks(n_hits: int, source: Any, target: Any, size: int) -> Any:
    """Edges and their hits in the order of connected components, and where to cut both: a chunk is as many
    whole components as have up to ``size`` edges together, or one that is larger.

    Returns:
        Places (E,) of the edges in that order, and (N,) of the hits, -1 for those without an edge; of the
        edges in that order source and target, as places; and where the edges and the hits of each chunk start
        (C + 1,).
    """
    n_edges = len(source)
    parent = np.arange(n_hits).astype(np.int32)
    has_edge = np.zeros(n_hits, dtype=np.bool_)
    for e in range(n_edges):
        has_edge[source[e]] = has_edge[target[e]] = True
        join(parent, source[e], target[e])
    edge_end, hit_end = np.zeros(n_hits + 1, dtype=np.int32), np.zeros(n_hits + 1, dtype=np.int32)
    for h in range(n_hits):
        parent[h] = root(parent, h)
        hit_end[parent[h] + 1] += has_edge[h]
    for e in range(n_edges):
        edge_end[parent[source[e]] + 1] += 1
    edge_start, hit_start, n = np.zeros(n_edges + 2, np.int64), np.zeros(n_edges + 2, np.int64), 1
    for h in range(n_hits):
        # A hit that names no component has no edges, and begins and ends nowhere.
        begun = edge_end[h] - edge_start[n - 1]
        if begun > 0 and edge_end[h + 1] > 0 and begun + edge_end[h + 1] > size:
            edge_start[n], hit_start[n] = edge_end[h], hit_end[h]
            n += 1
        edge_end[h + 1] += edge_end[h]
        hit_end[h + 1] += hit_end[h]
    edge_start[n], hit_start[n] = n_edges, hit_end[n_hits]
    place = np.full(n_hits, -1, dtype=np.int32)
    for h in range(n_hits):
        if has_edge[h]:
            place[h] = hit_end[parent[h]]
            hit_end[parent[h]] += 1
    edge_place, ends = np.empty(n_edges, dtype=np.int32), np.empty((2, n_edges), dtype=np.int32)
    for e in range(n_edges):
        c = parent[source[e]]
        k = edge_end[c]
        edge_end[c] += 1
        edge_place[e], ends[0, k], ends[1, k] = k, place[source[e]], place[target[e]]
    return edge_place, place, ends[0], ends[1], edge_start[: n + 1], hit_start[: n + 1]
