"""Hits and edges to the graph network's input: the only maker of PyG ``Data``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from numba import njit

from seeding.cones import ConeOptions
from seeding.edges import Edges, find_edges
from seeding.hits import Hits
from seeding.references import WindowOptions, window
from seeding.table import max_curvature
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = ["EDGE_FEATURES", "GRAPHS", "NODE_FEATURES", "WIDE", "Features", "candidate_edges", "make_features", "make_graph"]

GRAPHS = ("cone", "window")
WIDE = ConeOptions(quantile=0.9999)
"""Cones of the graphs: wider than those of the seeds, since the network's screen drops most of what comes in with them."""

HALF, TEN = np.float32(0.5), np.float32(10.0)

NODE_FEATURES = (
    "r / 100 mm", "z / 1000 mm", "barrel", "asinh cot alpha", "asinh cot beta", "log10 sigma cot alpha", "log10 sigma cot beta",
    "log1p edges in", "log1p edges out",
)  # fmt: skip
EDGE_FEATURES = (
    "chi2 / 10", "pull cot alpha, source", "pull cot beta, source", "pull cot alpha, target", "pull cot beta, target",
    "curvature * 1 GeV", "asinh cot theta", "z0 / 50 mm", "dr / 50 mm", "dz / 200 mm",
    "log1p kink chi2 before", "log1p kink chi2 after",
)  # fmt: skip


def candidate_edges(
    hits: Hits, detector: Detector, pairs: LayerPairs, field: float, graph: str, cone: ConeOptions, window_: WindowOptions,
    threads: int = 1,
) -> Edges:  # fmt: skip
    """Edges of one event that the network scores: ``graph`` is ``"cone"`` or ``"window"``.

    Those of the window come without what the clusters tell of the direction: their pulls are 0.
    """
    if graph == "cone":
        return find_edges(hits, detector, pairs, field, cone, threads)
    return window(hits, detector, pairs, field, window_, threads)


@dataclass(frozen=True)
class Features:
    """What the network knows of N hits and E edges, single precision.

    Attributes:
        node: (9, N) as in NODE_FEATURES; edge: (12, E) as in EDGE_FEATURES. Everything is finite.
    """

    node: npt.NDArray[np.float32]
    edge: npt.NDArray[np.float32]


def make_features(hits: Hits, edges: Edges, support: npt.NDArray[np.float32], detector: Detector, field: float) -> Features:
    """Features of one event.

    Args:
        support: (E, 2) of :class:`seeding.seeds.Seeds`.
        field: along z in T.
    """
    node = np.empty((len(NODE_FEATURES), len(hits)), dtype=np.float32)
    edge = np.empty((len(EDGE_FEATURES), len(edges)), dtype=np.float32)
    _nodes(hits.position, detector.barrel[hits.module], hits.cot, hits.cot_covariance, edges.source, edges.target, node)
    _edges(
        node, edges.source, edges.target, edges.chi2, edges.pulls, edges.curvature, edges.cot_theta, edges.z0, support,
        np.float32(1 / max_curvature(field, 1.0)), edge,
    )  # fmt: skip
    return Features(node, edge)


def make_graph(features: Features, edges: Edges, labels: npt.NDArray[np.bool_] | None = None) -> Data:
    """Graph of one event.

    Args:
        labels: (E,) true edges, for training.

    Returns:
        ``x`` (N, 9) and ``edge_attr`` (E, 12), ``edge_index`` (2, E), and ``y`` (E,) if labelled.
    """
    from torch_geometric.data import Data  # takes seconds, and the chain makes no graphs

    data = Data(
        x=torch.from_numpy(np.ascontiguousarray(features.node.T)),
        edge_index=torch.from_numpy(np.stack([edges.source, edges.target]).astype(np.int64)),
        edge_attr=torch.from_numpy(np.ascontiguousarray(features.edge.T)),
    )
    if labels is not None:
        data.y = torch.from_numpy(labels.astype(np.float32))
    return data


@njit(cache=True, nogil=True, error_model="numpy")
def _nodes(position: Any, barrel: Any, cot: Any, covariance: Any, source: Any, target: Any, out: Any) -> None:
    n = len(position)
    edges_in, edges_out = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    for e in range(len(source)):
        edges_out[source[e]] += 1
        edges_in[target[e]] += 1
    for h in range(n):
        out[0, h] = math.sqrt(position[h, 0] ** 2 + position[h, 1] ** 2) / 100
        out[1, h] = position[h, 2] / 1000
        out[2, h] = 1.0 if barrel[h] else 0.0
        for k in range(2):
            out[3 + k, h] = math.asinh(np.float32(cot[h, k]))
            out[5 + k, h] = HALF * np.log10(np.float32(covariance[h, 2 * k]))
        out[7, h] = np.log1p(np.float32(edges_in[h]))
        out[8, h] = np.log1p(np.float32(edges_out[h]))


@njit(cache=True, nogil=True, error_model="numpy")
def _edges(
    node: Any, source: Any, target: Any, chi2: Any, pulls: Any, curvature: Any, cot_theta: Any, z0: Any, support: Any,
    inverse_unit: float, out: Any,
) -> None:  # fmt: skip
    for e in range(len(source)):
        s, t = source[e], target[e]
        out[0, e] = chi2[e] / TEN
        for k in range(4):
            out[1 + k, e] = pulls[e, k]
        out[5, e] = curvature[e] * inverse_unit
        out[6, e] = math.asinh(cot_theta[e])
        out[7, e] = z0[e] / 50
        out[8, e] = (node[0, t] - node[0, s]) * 2
        out[9, e] = (node[1, t] - node[1, s]) * 5
        for k in range(2):
            out[10 + k, e] = np.log1p(support[e, k])
