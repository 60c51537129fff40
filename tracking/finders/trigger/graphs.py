"""The trigger's graphs: cone or geometric edges of an event, and what the network is told of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.options import ConeOptions, SeedOptions, WindowOptions
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from tracking.finders.gnn.finder import GraphSearch
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES, Features
from tracking.finders.trigger.options import SectorOptions, TriggerGraphOptions
from tracking.finders.trigger.sectors import SectorGraph, Sectors

__all__ = [
    "PAPER_EDGE", "PAPER_NODE", "EventGraph", "SectorBatch", "cone_graph", "event_edges", "feature_counts",
    "geometric_edges", "geometric_graph", "sector_batch", "trigger_search",
]  # fmt: skip

Single = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

PAPER_NODE = ("r / 1000 mm", "phi / (pi / n_phi)", "z / 1000 mm")
PAPER_EDGE = ("dr / 1000 mm", "dphi / (pi / n_phi)", "dz / 1000 mm", "dR")
"""Of the paper: azimuths are those from the sector's middle, in half widths of it."""
PHI, D_PHI = 1, 1
"""Columns of azimuths among the two."""
ESTIMATE_NODE, ESTIMATE_EDGE, KINKS = NODE_FEATURES[2:7], EDGE_FEATURES[:8], EDGE_FEATURES[10:14]
MORE_NODE = {"paper": (), "estimates": ESTIMATE_NODE, "kinks": (), "all": ESTIMATE_NODE}
MORE_EDGE = {
    "paper": (),
    "estimates": ESTIMATE_EDGE,
    "kinks": (EDGE_FEATURES[0], *KINKS),
    "all": ESTIMATE_EDGE + KINKS,
}
"""What comes after the paper's, by :attr:`TriggerGraphOptions.features`; defined in
:mod:`tracking.finders.gnn.graph`.
"""
LARGEST = 8.0
"""Features are cut off here, to either side, so that whole numbers hold them."""


@dataclass(frozen=True)
class EventGraph:
    """One event's graph with features, before it is cut.

    Attributes:
        graph: of its n hits and E edges.
        hits: (n,) rows of the event's hits; rows: (E,) of the event's edges.
        node: (n, Fn) and edge: (E, Fe) features; azimuths are in rad yet.
    """

    graph: SectorGraph
    hits: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    node: Single
    edge: Single


@dataclass(frozen=True)
class SectorBatch:
    """Sectors as a network reads them.

    Attributes:
        node: (S, N, Fn), edge: (S, M, Fe): features, 0 where padded.
        sender, receiver: (S, M) places among the N; valid: (S, M) which edges are there.
    """

    node: Single
    edge: Single
    sender: npt.NDArray[np.int64]
    receiver: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]


def feature_counts(features: str) -> tuple[int, int]:
    """Features of a node and of an edge, by :attr:`TriggerGraphOptions.features`."""
    return len(PAPER_NODE) + len(MORE_NODE[features]), len(PAPER_EDGE) + len(MORE_EDGE[features])


def trigger_search(
    detector: Detector, field: float, options: TriggerGraphOptions, threads: int = 1
) -> GraphSearch:
    """The search for the cone's edges that the options ask for, about the beam of the detector's frame."""
    return GraphSearch.for_detector(detector, field, _Search(options), SeedOptions(), threads)


@dataclass(frozen=True)
class _Search:
    """Of the trigger's options what the search reads."""

    options: TriggerGraphOptions

    @property
    def graph(self) -> str:
        return "cone"

    @property
    def cone(self) -> ConeOptions:
        return self.options.cone

    @property
    def window(self) -> WindowOptions:
        return WindowOptions()


def event_edges(search: GraphSearch, hits: Hits) -> tuple[Edges, Features]:
    """The cone's edges of an event, and the features of those that another edge continues."""
    edges = search.edges(hits)
    return edges, search.features(hits, edges, search.seeds(hits, edges))


def cone_graph(hits: Hits, edges: Edges, found: Features, features: str) -> EventGraph:
    """The graph of the cone's edges that another one continues.

    Args:
        found: of :func:`tracking.finders.gnn.graph.make_features`.
        features: of :attr:`TriggerGraphOptions.features`.
    """
    rows = found.rows
    graph = SectorGraph(
        hits.position[found.hits], found.source, found.target, edges.curvature[rows], edges.cot_theta[rows],
        edges.chi2[rows],
    )  # fmt: skip
    node, edge = _paper_features(graph)
    node += [found.node[NODE_FEATURES.index(name)] for name in MORE_NODE[features]]
    edge += [found.edge[EDGE_FEATURES.index(name)] for name in MORE_EDGE[features]]
    return EventGraph(graph, found.hits, rows, _columns(node), _columns(edge))


def geometric_graph(hits: Hits, edges: Edges) -> EventGraph:
    """The graph of :func:`geometric_edges`, with the paper's features."""
    rows, place = np.unique(np.concatenate([edges.source, edges.target]), return_inverse=True)
    source, target = place.astype(np.int32).reshape(2, -1)
    graph = SectorGraph(hits.position[rows], source, target, edges.curvature, edges.cot_theta, edges.chi2)
    node, edge = _paper_features(graph)
    return EventGraph(
        graph, rows.astype(np.int32), np.arange(len(edges), dtype=np.int32), _columns(node), _columns(edge)
    )


def geometric_edges(
    hits: Hits, pairs: LayerPairs, options: TriggerGraphOptions, chosen: npt.NDArray[np.int64] | None = None
) -> Edges:
    """The paper's edges: pairs of hits on layers that follow one another, of abs(dphi / dr) up to
    ``phi_slope`` and with abs(z0) of the straight line in r and z up to ``max_z0``.

    Args:
        chosen: rows of the hits that there are; None: all.

    Returns:
        Edges without chi2 and pulls, which are 0.
    """
    chosen = np.arange(len(hits)) if chosen is None else chosen
    x, y, z = hits.position.T
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    found = []
    for p, (inner, outer) in enumerate(zip(pairs.inner, pairs.outer, strict=True)):
        a, b = (chosen[hits.layer[chosen] == layer] for layer in (inner, outer))
        if len(a) == 0 or len(b) == 0:
            continue
        reach = min(options.phi_slope * max(float(r[b].max() - r[a].min()), 0.0), np.pi)
        b = b[np.argsort(phi[b])]
        # Once around further, so that one range holds all neighbours.
        around, rows = np.concatenate([phi[b] + k * 2 * np.pi for k in (-1, 0, 1)]), np.tile(b, 3)
        first, last = (np.searchsorted(around, phi[a] + side * reach) for side in (-1, 1))
        n = last - first
        i = np.repeat(a, n)
        j = rows[np.repeat(first, n) + np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)]
        dr, dphi = r[j] - r[i], _turn(phi[j] - phi[i])
        ahead = dr > 0
        safe = np.where(ahead, dr, 1.0)
        good = ahead & (np.abs(dphi) <= options.phi_slope * safe)
        good &= np.abs(z[i] - r[i] * (z[j] - z[i]) / safe) <= options.max_z0
        keep = np.unique(np.stack([i[good], j[good]], axis=1), axis=0)
        found.append(np.column_stack([keep, np.full(len(keep), p)]))
    rows = np.concatenate(found) if found else np.zeros((0, 3), dtype=np.int64)
    s, t, p = rows.T
    dr, dz = r[t] - r[s], z[t] - z[s]
    chord = np.hypot(x[t] - x[s], y[t] - y[s])
    curvature = 2 * (x[s] * y[t] - y[s] * x[t]) / (r[s] * r[t] * chord)
    columns = (curvature, dz / dr, z[s] - r[s] * dz / dr)
    nothing = np.zeros(len(s), dtype=np.float32)
    bend, slope, start = (column.astype(np.float32) for column in columns)
    return Edges(
        s.astype(np.int32), t.astype(np.int32), p.astype(np.int32), nothing, bend, slope, start,
        np.zeros((len(s), 4), dtype=np.float32), len(s), len(s), len(hits),
    )  # fmt: skip


def _turn(phi: Floats) -> Floats:
    """Angles between -pi and pi."""
    return np.asarray((phi + np.pi) % (2 * np.pi) - np.pi)


def _paper_features(graph: SectorGraph) -> tuple[list[Floats], list[Floats]]:
    r, phi, z = graph.radius, graph.phi, graph.position[:, 2]
    eta = np.arcsinh(z / r)
    s, t = graph.source, graph.target
    dphi = _turn(phi[t] - phi[s])
    node = [r / 1000, phi, z / 1000]
    return node, [(r[t] - r[s]) / 1000, dphi, (z[t] - z[s]) / 1000, np.hypot(eta[t] - eta[s], dphi)]


def _columns(values: list[Floats]) -> Single:
    return np.stack(values, axis=1).astype(np.float32)


def sector_batch(event: EventGraph, sectors: Sectors, options: SectorOptions) -> SectorBatch:
    """Features of an event's sectors; azimuths are from the middle of each, in half widths of a sector."""
    valid, there = sectors.valid, sectors.node >= 0
    node, edge = event.node[sectors.node], event.edge[sectors.edge]
    per_half_width = options.n_phi / np.pi
    node[..., PHI] = _turn(node[..., PHI].astype(np.float64) - sectors.phi[:, None]) * per_half_width
    edge[..., D_PHI] *= per_half_width
    np.clip(node, -LARGEST, LARGEST, out=node)
    np.clip(edge, -LARGEST, LARGEST, out=edge)
    node[~there], edge[~valid] = 0, 0
    return SectorBatch(node, edge, sectors.sender, sectors.receiver, valid)
