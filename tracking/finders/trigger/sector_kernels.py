"""Kernels of :mod:`tracking.finders.trigger.sectors` (Numba): who is in which sector, and what fits in."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["cut_sectors", "members"]


@njit(cache=True, nogil=True, error_model="numpy")
def members(order: Any, cells: Any, others: Any, n_phi: int, n_eta: int) -> Any:
    """Edges of each sector, in the given order.

    Args:
        order: (E,) numbers of the edges, those to keep first first.
        cells: (E, 4) of one end: first and last cell in azimuth, unwrapped and at most n_phi, and first and
            last in pseudorapidity; others: of the other end. An edge is in the cells that both have.

    Returns:
        Where each sector starts (n_phi n_eta + 1,), and its edges. The sector of cells (i, j) is i n_eta + j.
    """
    start = np.zeros(n_phi * n_eta + 1, dtype=np.int64)
    for e in order:
        low, high = max(cells[e, 2], others[e, 2], 0), min(cells[e, 3], others[e, 3], n_eta - 1)
        for i in range(cells[e, 0], cells[e, 1] + 1):
            if (i - others[e, 0]) % n_phi > others[e, 1] - others[e, 0]:
                continue
            for j in range(low, high + 1):
                start[(i % n_phi) * n_eta + j + 1] += 1
    start = np.cumsum(start)
    at, out = start[:-1].copy(), np.empty(start[-1], dtype=np.int64)
    for e in order:
        low, high = max(cells[e, 2], others[e, 2], 0), min(cells[e, 3], others[e, 3], n_eta - 1)
        for i in range(cells[e, 0], cells[e, 1] + 1):
            if (i - others[e, 0]) % n_phi > others[e, 1] - others[e, 0]:
                continue
            for j in range(low, high + 1):
                sector = (i % n_phi) * n_eta + j
                out[at[sector]] = e
                at[sector] += 1
    return start, out


@njit(cache=True, nogil=True, error_model="numpy")
def cut_sectors(
    start: Any, member: Any, source: Any, target: Any, n_hits: int, n_nodes: int, n_edges: int
) -> Any:
    """Sectors with edges, padded and cut.

    Edges are taken in their order, each with those of its hits that are not there yet. One that would need
    more than ``n_nodes`` hits is left out, and those after it may still come in.

    Returns:
        For S sectors: number among all (S,); hits (S, n_nodes) and edges (S, n_edges), -1 where there are
        none; places of the edges' sources and targets among the hits (S, n_edges); edges and hits that there
        were before (S, 2).
    """
    size = start[1:] - start[:-1]
    sector = np.flatnonzero(size)
    n = len(sector)
    node = np.full((n, n_nodes), -1, dtype=np.int32)
    edge = np.full((n, n_edges), -1, dtype=np.int32)
    sender, receiver = np.zeros((n, n_edges), dtype=np.int64), np.zeros((n, n_edges), dtype=np.int64)
    wanted = np.zeros((n, 2), dtype=np.int64)
    # Which sector a hit was last seen in, and taken into, and where it is there.
    seen, taken = np.full(n_hits, -1, dtype=np.int64), np.full(n_hits, -1, dtype=np.int64)
    place = np.zeros(n_hits, dtype=np.int64)
    for k in range(n):
        n_in, e_in = 0, 0
        for m in range(start[sector[k]], start[sector[k] + 1]):
            e = member[m]
            s, t = source[e], target[e]
            wanted[k, 0] += 1
            for h in (s, t):
                if seen[h] != k:
                    seen[h] = k
                    wanted[k, 1] += 1
            if e_in == n_edges or n_in + (taken[s] != k) + (taken[t] != k) > n_nodes:
                continue
            for h in (s, t):
                if taken[h] != k:
                    taken[h], place[h], node[k, n_in] = k, n_in, h
                    n_in += 1
            edge[k, e_in], sender[k, e_in], receiver[k, e_in] = e, place[s], place[t]
            e_in += 1
    return sector, node, edge, sender, receiver, wanted
