"""Kernels of :mod:`tracking.finders.gnn.graph` (Numba): which edges are in the graph, and the features."""

from __future__ import annotations

from typing import Any

import numpy as np

from seeding.seeds import MISSING
from smartpix.compiled import FAST, njit
from tracking.finders.logarithms import asinh, log

__all__ = ["continued", "edge_features", "node_features"]

ZERO, HALF, ONE, TEN = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(10.0)
TO_TENS = np.float32(1 / np.log(10.0))
ALONE = np.float32(MISSING)
N_KINKS = 4
"""Columns of the support that are chi2 of kinks: before and after, from the beam line and displaced."""


@njit(cache=True, nogil=True, error_model="numpy")
def continued(source: Any, target: Any, support: Any, n_hits: int) -> Any:
    """Numbers of the edges that another edge continues, or that lie at the end of such edges.

    Args:
        support: (6, E), the transpose of that of :class:`seeding.seeds.Seeds`.
    """
    n_edges = len(source)
    fits = np.empty(n_edges, dtype=np.bool_)
    for e in range(n_edges):
        least = support[0, e]
        for k in range(1, N_KINKS):
            least = min(least, support[k, e])
        fits[e] = least < ALONE
    arriving, leaving = np.zeros(n_hits, dtype=np.bool_), np.zeros(n_hits, dtype=np.bool_)
    for e in range(n_edges):
        if fits[e]:
            arriving[target[e]] = True
            leaving[source[e]] = True
    rows, n = np.empty(n_edges, dtype=np.int32), 0
    for e in range(n_edges):
        s, t = source[e], target[e]
        rows[n] = e
        n += fits[e] | (arriving[s] & ~leaving[s]) | (leaving[t] & ~arriving[t])
    return rows[:n].copy()


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def node_features(
    position: Any, module: Any, barrel: Any, cot: Any, covariance: Any, source: Any, target: Any, place: Any,
    out: Any,
) -> None:  # fmt: skip
    """Fills (9, n) with the features of n hits.

    Args:
        barrel: (M,) by module; source, target: of all edges, in the graph or not.
        place: (N,) of the hits among the n, -1 for those that are not.
    """
    n = len(position)
    edges_in, edges_out = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    for e in range(len(source)):
        edges_out[source[e]] += 1
        edges_in[target[e]] += 1
    # First a row for each, and columns from these: what is read in order and written in none is one line of
    # the cache.
    rows = np.empty((out.shape[1], out.shape[0]), dtype=np.float32)
    for h in range(n):
        if place[h] < 0:
            continue
        row = rows[place[h]]
        x, y = np.float32(position[h, 0]), np.float32(position[h, 1])
        row[0] = np.sqrt(x * x + y * y) / np.float32(100)
        row[1] = np.float32(position[h, 2]) / np.float32(1000)
        row[2] = ONE if barrel[module[h]] else ZERO
        row[3], row[4] = cot[h, 0], cot[h, 1]
        row[5], row[6] = covariance[h, 0], covariance[h, 2]
        row[7], row[8] = edges_in[h], edges_out[h]
    _turn(rows, out)
    for m in (3, 4):
        _asinh_all(out[m], ONE)
    for m in (5, 6):
        _half_log10_all(out[m])
    for m in (7, 8):
        _log_all(out[m])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def edge_features(
    node: Any, source: Any, target: Any, chi2: Any, pulls: Any, curvature: Any, cot_theta: Any, z0: Any,
    support: Any, inverse_unit: Any, chosen: Any, place: Any, out: Any,
) -> None:  # fmt: skip
    """Fills (16, K) with the features of K edges.

    Args:
        node: of :func:`node_features`; source, target: of these edges, its columns.
        support: as of :func:`continued`, and chi2 to z0 as of :class:`seeding.edges.Edges`: of all edges.
        inverse_unit: what makes the curvature one in units of that of 1 GeV.
        chosen: numbers of the K edges; place: where each stands in ``out``.
    """
    rows = np.empty((out.shape[1], out.shape[0]), dtype=np.float32)
    for k in range(len(chosen)):
        e, row = chosen[k], rows[place[k]]
        s, t = source[place[k]], target[place[k]]
        row[0] = chi2[e] / TEN
        for m in range(4):
            row[1 + m] = pulls[e, m]
        row[5] = curvature[e] * inverse_unit
        row[6] = cot_theta[e]
        row[7] = z0[e] / np.float32(50)
        row[8] = (node[0, t] - node[0, s]) * np.float32(2)
        row[9] = (node[1, t] - node[1, s]) * np.float32(5)
        for m in range(6):
            row[10 + m] = support[m, e]
    _turn(rows, out)
    _asinh_all(out[6], ONE)
    for m in range(10, 14):
        _log_all(out[m])
    for m in range(14, 16):
        _asinh_all(out[m], TEN)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _turn(rows: Any, out: Any) -> None:
    """(n, features) to (features, n)."""
    for k in range(rows.shape[0]):
        for m in range(rows.shape[1]):
            out[m, k] = rows[k, m]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _log_all(values: Any) -> None:
    """log(1 + x) in place."""
    for k in range(len(values)):
        values[k] = log(ONE + values[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _asinh_all(values: Any, factor: Any) -> None:
    """asinh(factor x) in place."""
    for k in range(len(values)):
        values[k] = asinh(factor * values[k])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _half_log10_all(values: Any) -> None:
    """log10 of the square root in place."""
    for k in range(len(values)):
        values[k] = HALF * TO_TENS * log(values[k])
