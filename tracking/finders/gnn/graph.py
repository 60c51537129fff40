"""Hits and edges to the graph network's input: the only maker of PyG ``Data``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
import numpy.typing as npt
import torch

from seeding.cones import ConeOptions
from seeding.edges import Edges, check_same_event, find_edges
from seeding.hits import Hits, check_modules
from seeding.mixtures import find_mixture_edges, possibilities
from seeding.references import WindowOptions, window
from seeding.table import is_straight, max_curvature
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from smartpix.schema import InputError
from tracking.finders.components import chunks
from tracking.finders.gnn.columns import PYG_EDGE_FEATURES, PYG_NODE_FEATURES, graph_columns
from tracking.finders.gnn.feature_kernels import continued, edge_features, node_features
from tracking.finders.gnn.fused_kernels import BLOCK
from tracking.metrics import EventTruth

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = [
    "EDGE_FEATURES",
    "NODE_FEATURES",
    "PYG_EDGE_FEATURES",
    "PYG_NODE_FEATURES",
    "Features",
    "candidate_edges",
    "make_features",
    "make_graph",
    "to_pyg",
]

# No azimuth and no module: physics is the same all round the beam. asinh is linear for small slopes and a
# logarithm for steep ones; log1p does the same for what has no upper bound.
NODE_FEATURES = (
    "r / 100 mm", "z / 1000 mm", "barrel", "asinh cot alpha", "asinh cot beta", "log10 sigma cot alpha",
    "log10 sigma cot beta",
    "log1p edges in", "log1p edges out",
)  # fmt: skip
EDGE_FEATURES = (
    "chi2 / 10", "pull cot alpha, source", "pull cot beta, source", "pull cot alpha, target",
    "pull cot beta, target",
    "curvature * 1 GeV", "asinh cot theta", "z0 / 50 mm", "dr / 50 mm", "dz / 200 mm",
    "log1p kink chi2 before", "log1p kink chi2 after", "log1p wide chi2 before", "log1p wide chi2 after",
    "asinh d0 before", "asinh d0 after",
)  # fmt: skip


def candidate_edges(
    hits: Hits, detector: Detector, pairs: LayerPairs, field: float, graph: str, cone: ConeOptions,
    window_: WindowOptions, threads: int = 1, field_map: FieldMap | None = None,
) -> Edges:  # fmt: skip
    """Edges of one event that the network scores: ``graph`` is ``"cone"`` or ``"window"``.

    Cones of hits with several possibilities (``hits.mixed``) are searched from each. Edges of the window
    come without what the clusters tell of the direction: their pulls are 0.

    Raises:
        InputError: the window without field, where it is empty, or as :func:`seeding.edges.find_edges`.
    """
    if graph != "cone" and is_straight(field):
        raise InputError(
            f"graph: the field is {field:g} T and the window is the bend of a track; take cones (graph = "
            f"cone)"
        )
    if graph == "cone" and hits.mixed is not None:
        mixed = hits.mixed
        copies = possibilities(hits, mixed.rows, mixed.components, cone, mixed.quantile)
        return find_mixture_edges(copies, detector, pairs, field, cone, threads, field_map)
    if graph == "cone":
        return find_edges(hits, detector, pairs, field, cone, threads, field_map)
    return window(hits, detector, pairs, field, window_, threads)


@dataclass(frozen=True)
class Features:
    """Input of the network, in single precision: n of an event's hits, and K of its edges.

    Attributes:
        node: (9, n) as in NODE_FEATURES; edge: (16, K) as in EDGE_FEATURES. Everything is finite.
        hits: (n,) rows of the hits; rows: (K,) of the edges; both in the order of connected components.
        source, target: (K,) of the edges, among these n hits.
        edge_start, hit_start: (C + 1,) where chunks of whole components start: as many as fill a block of
            the network, or a larger one.
        position: (N, 3) of all hits of the event, in mm.
    """

    node: npt.NDArray[np.float32]
    edge: npt.NDArray[np.float32]
    hits: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    edge_start: npt.NDArray[np.int64]
    hit_start: npt.NDArray[np.int64]
    position: npt.NDArray[np.float64]


def make_features(
    hits: Hits, edges: Edges, support: npt.NDArray[np.float32], detector: Detector, field: float
) -> Features:
    """Features of one event.

    An edge that no other edge continues makes no track of three hits, and most edges are such. The graph has
    the edges with a kink that fits at either end, before or after, from the beam line or displaced. At a
    hit where these end it also has those that lead on, since a cluster of two particles spoils a kink.

    Args:
        support: (E, 6) of :class:`seeding.seeds.Seeds`.
        field: along z in T.

    Raises:
        InputError: the edges are not of these hits, or the support not of these edges.
    """
    check_modules(hits, detector, "features")
    check_same_event(hits, edges, "features")
    if support.shape != (len(edges), 6):
        raise InputError(
            f"features: there are {len(edges)} edges and support has the shape {support.shape}; give six for "
            f"each edge"
        )
    by_kind = np.ascontiguousarray(support.T)
    chosen = continued(edges.source, edges.target, by_kind, len(hits))
    edge_place, place, source, target, edge_start, hit_start = chunks(
        len(hits), edges.source[chosen], edges.target[chosen], BLOCK
    )
    node = np.empty((len(NODE_FEATURES), hit_start[-1]), dtype=np.float32)
    node_features(
        hits.position, hits.module, detector.barrel, hits.cot, hits.cot_covariance, edges.source,
        edges.target, place, node,
    )  # fmt: skip
    edge = np.empty((len(EDGE_FEATURES), len(chosen)), dtype=np.float32)
    # In units of the curvature of 1 GeV, so that weights do not depend on the field.
    inverse_unit = np.float32(0 if is_straight(field) else 1 / max_curvature(field, 1.0))
    edge_features(
        node, source, target, edges.chi2, edges.pulls, edges.curvature, edges.cot_theta, edges.z0, by_kind,
        inverse_unit, chosen, edge_place, edge,
    )  # fmt: skip
    rows, of_hits = np.empty_like(chosen), np.empty(hit_start[-1], dtype=np.int32)
    rows[edge_place] = chosen
    has_edge = np.flatnonzero(place >= 0)
    of_hits[place[has_edge]] = has_edge
    return Features(node, edge, of_hits, rows, source, target, edge_start, hit_start, hits.position)


def make_graph(
    features: Features,
    labels: npt.NDArray[np.bool_] | None = None,
    particle: npt.NDArray[np.int64] | None = None,
) -> Data:
    """Graph of one event.

    Args:
        labels: (E,) true ones of all edges, for training.
        particle: (N,) number of the particle of each of the event's hits, -1 for none, for training.

    Returns:
        ``x`` (n, 9) and ``edge_attr`` (K, 16), ``edge_index`` (2, K), ``hits`` (n,) rows of the event's hits,
        ``azimuth`` (n, 2) their cosine and sine about the beam, and ``y`` (K,) and ``particle`` (n,) if
        given.
    """
    from torch_geometric.data import Data  # takes seconds, and the chain makes no graphs

    x, y = features.position[features.hits, :2].T
    azimuth = np.stack([x, y], axis=1) / np.hypot(x, y)[:, None]
    data = Data(
        x=torch.from_numpy(np.ascontiguousarray(features.node.T)),
        edge_index=torch.from_numpy(np.stack([features.source, features.target]).astype(np.int64)),
        edge_attr=torch.from_numpy(np.ascontiguousarray(features.edge.T)),
        hits=torch.from_numpy(features.hits.astype(np.int64)),
        azimuth=torch.from_numpy(azimuth.astype(np.float32)),
    )
    if labels is not None:
        data.y = torch.from_numpy(labels[features.rows].astype(np.float32))
    if particle is not None:
        data.particle = torch.from_numpy(particle[features.hits].astype(np.int64))
    return data


def to_pyg(
    event: int, hits: Hits, edges: Edges, clusters: ak.Array, detector: Detector,
    truth: EventTruth | None = None,
    naming: str = "gnn_tracking",
) -> Data:  # fmt: skip
    """One event as a graph for networks of others, with the field names of their data sets and no scaling.

    Args:
        clusters: the event's cluster records, for the charge.
        truth: None gives the fields of hits and edges alone.
        naming: ``gnn_tracking`` or ``acorn``.

    Returns:
        With ``gnn_tracking``'s names: ``x`` (N, 11, :data:`PYG_NODE_FEATURES`), ``edge_index`` (2, E, inner
        first), ``edge_attr`` (E, 4, :data:`PYG_EDGE_FEATURES`), ``hit_id``, ``layer``, ``sector`` (0),
        ``evtid``; with truth ``y`` (E, the true edges of docs/numbers.md), and of each hit's particle (of the
        largest share) ``particle_id`` (0: none), ``pt`` (GeV), ``eta``, ``n_hits``, ``n_layers_hit``,
        ``reconstructable`` (at least 3 layers), ``findable``. With ``acorn``'s: ``hit_id``, ``hit_x``,
        ``hit_y``, ``hit_z``, ``hit_r``, ``hit_phi``, ``hit_eta`` (mm, rad), ``hit_volume_id``,
        ``hit_layer_id``, ``hit_module_id``, the cluster's columns as ``hit_cot_alpha`` and so on,
        ``edge_index``, ``edge_dr`` and so on, ``event_id``; with truth ``edge_y``, ``hit_particle_id``,
        ``track_edges``
        (2, T: the true edges), ``track_particle_id``, ``track_particle_pt`` (GeV), ``track_particle_eta``,
        ``track_particle_nhits``, and ``track_to_edge_map`` (T: rows of the edges, -1: not among them).

    Raises:
        InputError: unknown naming, clusters that are not the hits', or edges or truth of another number of
            hits.
    """
    from torch_geometric.data import Data

    columns = graph_columns(event, hits, edges, clusters, detector, truth, naming)
    return Data(**{n: torch.from_numpy(v) for n, v in columns.items()}, num_nodes=len(hits))
