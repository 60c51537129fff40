"""All that is exported of one event, and what each field means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from tracking.chain import Chain
from tracking.finders.gnn.columns import (
    PYG_EDGE_FEATURES,
    PYG_NODE_FEATURES,
    Columns,
    graph_columns,
    narrowed,
)
from tracking.finders.gnn.options import NAMINGS
from tracking.metrics import EventTruth, edge_rows, event_truth

__all__ = ["CONE_FEATURES", "FIELDS", "OF_TRUTH", "event_columns", "truth_of"]

CONE_FEATURES = (
    "chi2", "pull_cot_alpha_source", "pull_cot_beta_source", "pull_cot_alpha_target", "pull_cot_beta_target",
    "curvature", "cot_theta", "z0",
)  # fmt: skip
"""What the search knows of an edge; of the window's edges the pulls are 0."""

UNITS = {
    "r": "mm", "phi": "rad", "z": "mm", "eta_rz": "", "u": "1/mm", "v": "1/mm", "cot_alpha": "", "cot_beta": "",
    "sigma_cot_alpha": "", "sigma_cot_beta": "", "charge": "e", "dr": "mm", "dphi": "rad", "dz": "mm", "dR": "",
    "curvature": "1/mm", "z0": "mm",
}  # fmt: skip


def _listed(names: tuple[str, ...]) -> str:
    """Columns with their units."""
    return ", ".join(f"{name} ({UNITS[name]})" if UNITS.get(name) else name for name in names)


_BOTH: dict[str, str] = {
    "edge_index": "(2, E) rows of the hits, inner first",
    "hit_id": "(N,) of the clusters, as in the event file; a merged cluster may give several hits",
    "next_hit": "(N,) row of the next hit of its particle, -1: none",
    "edge_particle_id": "(E,) particle of a true edge, 0: not true",
    "edge_pt": "(E,) its pT at production in GeV, 0: not true",
    "edge_findable": "(E,) a findable particle made it",
}
FIELDS: Mapping[str, Mapping[str, str]] = {
    NAMINGS[0]: _BOTH | {
        "x": f"(N, {len(PYG_NODE_FEATURES)}) {_listed(PYG_NODE_FEATURES)}",
        "edge_attr": f"(E, {len(PYG_EDGE_FEATURES)}) {_listed(PYG_EDGE_FEATURES)}",
        "edge_cone": f"(E, {len(CONE_FEATURES)}) {_listed(CONE_FEATURES)}",
        "layer": "(N,) number of the detector's layer", "sector": "(N,) 0, since events are whole",
        "evtid": "(1,) number of the event", "y": "(E,) 1: a true edge",
        "particle_id": "(N,) of the largest share of a hit, 0: none", "pt": "(N,) its pT in GeV",
        "eta": "(N,) its pseudorapidity", "n_hits": "(N,) its clusters",
        "n_layers_hit": "(N,) its layers with clusters", "reconstructable": "(N,) it has at least 3 layers",
        "findable": "(N,) it is findable",
        "true_edge_index": "(2, T) all true edges, found or not",
    },
    NAMINGS[1]: _BOTH | {
        "hit_x": "(N,) mm", "hit_y": "(N,) mm",
        **{f"hit_{n.removesuffix('_rz')}": f"(N,) {UNITS[n]}".strip() for n in PYG_NODE_FEATURES if n not in "uv"},
        **{f"edge_{n}": f"(E,) {UNITS.get(n, '')}".strip() for n in (*PYG_EDGE_FEATURES, *CONE_FEATURES)},
        **{f"hit_{n}_id": f"(N,) {n} number in ACTS's geometry" for n in ("volume", "layer", "module")},
        "event_id": "(1,) number of the event", "edge_y": "(E,) 1: a true edge",
        "hit_particle_id": "(N,) particle of the largest share, 0: none",
        "hit_particle_pt": "(N,) its pT in GeV", "hit_particle_findable": "(N,) it is findable",
        "track_edges": "(2, T) all true edges, found or not",
        "track_particle_id": "(T,) particle of a true edge", "track_particle_pt": "(T,) its pT in GeV",
        "track_particle_eta": "(T,) its pseudorapidity", "track_particle_nhits": "(T,) its clusters",
        "track_to_edge_map": "(T,) row of a true edge among the edges, -1: not found",
    },
}  # fmt: skip
"""What each field of a graph means, by naming."""
OF_TRUTH = frozenset(
    name for named in FIELDS.values() for name in named
    if name.startswith(("track_", "hit_particle_")) or name in (
        "next_hit", "edge_particle_id", "edge_pt", "edge_findable", "y", "edge_y", "particle_id", "pt", "eta",
        "n_hits", "n_layers_hit", "reconstructable", "findable", "true_edge_index",
    )
)  # fmt: skip
"""Fields that files without truth do not have."""


def event_columns(
    chain: Chain, record: ak.Record, has_truth: bool, naming: str = NAMINGS[0]
) -> tuple[Columns, Hits, Edges]:
    """The graph of one event before any network: estimates, hits and the edges of the cones or the window.

    Args:
        chain: whose estimates and search are taken; neither its network nor its fit run.
        record: of the event file.
        has_truth: whether the file has truth; without it there are no labels.

    Returns:
        The fields of :data:`FIELDS`, whole numbers as int64 and all else in single precision; hits and edges.

    Raises:
        InputError: as :func:`seeding.edges.find_edges`, or an unknown naming.
    """
    clusters = record["clusters"]
    hits, _ = chain.pixel_hits(clusters)
    edges = chain.finder.search.edges(hits)
    truth = truth_of(chain, record, hits) if has_truth else None
    columns = graph_columns(int(record["event"]), hits, edges, clusters, chain.header.detector, truth, naming)
    more: dict[str, Any] = {}
    pulls = np.asarray(edges.pulls).reshape(len(edges), 4)
    cone = np.column_stack([edges.chi2, pulls, edges.curvature, edges.cot_theta, edges.z0])
    if naming == NAMINGS[0]:
        more["edge_cone"] = cone
    else:
        more |= {f"edge_{name}": cone[:, k] for k, name in enumerate(CONE_FEATURES)}
    if truth is not None:
        more |= _labels(truth, edges, naming)
    return columns | narrowed(more), hits, edges


def truth_of(chain: Chain, record: ak.Record, hits: Hits) -> EventTruth:
    """Truth of an event in the frame of the chain, findable as its options say."""
    return event_truth(
        record["clusters"],
        record["particles"],
        hits.layer,
        min_layers=chain.options.findable_layers,
        frame=chain.header.detector.frame,
        cluster=hits.cluster,
        estimate=hits.estimate,
        min_pt=chain.options.findable_pt,
    )


def _labels(truth: EventTruth, edges: Edges, naming: str) -> dict[str, npt.NDArray[Any]]:
    """Truth of edges and of what follows a hit."""
    rows = edge_rows(truth, edges.source, edges.target)
    true = rows >= 0
    found = rows[true]
    labels: dict[str, npt.NDArray[Any]] = {
        "edge_particle_id": np.zeros(len(edges), dtype=np.int64),
        "edge_pt": np.zeros(len(edges), dtype=np.float32),
        "edge_findable": np.zeros(len(edges), dtype=bool),
        "next_hit": np.full(len(truth.main), -1, dtype=np.int64),
    }
    labels["edge_particle_id"][true] = truth.particle_id[truth.edge_particle[found]]
    labels["edge_pt"][true] = truth.edge_pt[found]
    labels["edge_findable"][true] = truth.edge_findable[found]
    source, target = truth.edges.T
    # Of two clusters where modules overlap the first one is the next.
    own = np.flatnonzero(
        (truth.main[source] == truth.edge_particle) & (truth.main[target] == truth.edge_particle)
    )
    labels["next_hit"][source[own[::-1]]] = target[own[::-1]]
    if naming == NAMINGS[0]:
        return labels | {"true_edge_index": truth.edges.T}
    main = np.where(truth.main >= 0, truth.main, len(truth.particle_id))
    return labels | {
        "hit_particle_pt": np.append(truth.pt, 0.0)[main],
        "hit_particle_findable": np.append(truth.findable, False)[main],
    }
