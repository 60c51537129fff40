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
    position: Any, module: Any, barrel: Any, cot: Any, covariance: Any, source: Any, target: Any, out: Any
) -> None:
    """Fills (9, N) with the features of all hits.

    Args:
        barrel: (M,) by module; source, target: of all edges, in the graph or not.
    """
    n = len(position)
    edges_in, edges_out = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    for e in range(len(source)):
        edges_out[source[e]] += 1
        edges_in[target[e]] += 1
    for h in range(n):
        x, y = np.float32(position[h, 0]), np.float32(position[h, 1])
        out[0, h] = np.sqrt(x * x + y * y) / np.float32(100)
        out[1, h] = np.float32(position[h, 2]) / np.float32(1000)
        out[2, h] = ONE if barrel[module[h]] else ZERO
    # One loop a column: only loops without gathers and with few arrays are vectorised.
    for k in range(2):
        for h in range(n):
            out[3 + k, h] = asinh(np.float32(cot[h, k]))
        for h in range(n):
            out[5 + k, h] = HALF * TO_TENS * log(np.float32(covariance[h, 2 * k]))
    for h in range(n):
        out[7, h] = log(ONE + np.float32(edges_in[h]))
    for h in range(n):
        out[8, h] = log(ONE + np.float32(edges_out[h]))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def edge_features(
    node: Any, source: Any, target: Any, chi2: Any, pulls: Any, curvature: Any, cot_theta: Any, z0: Any,
    support: Any, inverse_unit: Any, rows: Any, out: Any,
) -> None:  # fmt: skip
    """Fills (16, len(rows)) with the features of some edges.

    Args:
        node: of :func:`node_features`; support: as of :func:`continued`.
        inverse_unit: what makes the curvature one in units of that of 1 GeV.
    """
    n = len(rows)
    for k in range(n):
        e = rows[k]
        s, t = source[e], target[e]
        out[0, k] = chi2[e] / TEN
        for m in range(4):
            out[1 + m, k] = pulls[e, m]
        out[5, k] = curvature[e] * inverse_unit
        out[6, k] = cot_theta[e]
        out[7, k] = z0[e] / np.float32(50)
        out[8, k] = (node[0, t] - node[0, s]) * np.float32(2)
        out[9, k] = (node[1, t] - node[1, s]) * np.float32(5)
        for m in range(6):
            out[10 + m, k] = support[m, e]
    _asinh_all(out[6], ONE)
    for m in range(10, 14):
        _log_all(out[m])
    for m in range(14, 16):
        _asinh_all(out[m], TEN)


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
