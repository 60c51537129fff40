"""One event as columns for graph networks of others, with the field names of gnn_tracking or acorn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.edges import Edges, check_same_event
from seeding.hits import Hits
from smartpix.geometry import Detector
from smartpix.schema import InputError, check
from tracking.finders.gnn.options import NAMINGS
from tracking.metrics import EventTruth, edge_rows

__all__ = [
    "PYG_EDGE_FEATURES",
    "PYG_NODE_FEATURES",
    "Columns",
    "graph_columns",
    "narrowed",
]

Columns = dict[str, npt.NDArray[Any]]
PYG_NODE_FEATURES = (
    "r", "phi", "z", "eta_rz", "u", "v", "cot_alpha", "cot_beta", "sigma_cot_alpha", "sigma_cot_beta",
    "charge",
)  # fmt: skip
"""Columns of ``x`` of :func:`to_pyg`: the six of gnn_tracking (mm, rad, 1/mm), then what the cluster says."""
PYG_EDGE_FEATURES = ("dr", "dphi", "dz", "dR")
"""Columns of its ``edge_attr``: as in gnn_tracking, mm and rad; dR in (eta, phi)."""
MIN_LAYERS_RECONSTRUCTABLE = 3
"""Of gnn_tracking's ``reconstructable``; ours, findable, is stricter."""


def graph_columns(
    event: int, hits: Hits, edges: Edges, clusters: ak.Array, detector: Detector,
    truth: EventTruth | None = None,
    naming: str = NAMINGS[0],
) -> Columns:  # fmt: skip
    """What :func:`tracking.finders.gnn.graph.to_pyg` makes a graph of, as plain arrays.

    Raises:
        InputError: as that.
    """
    if len(clusters) <= hits.cluster.max(initial=-1) or not np.array_equal(
        ak.to_numpy(clusters["hit_id"])[hits.cluster], hits.hit_id
    ):
        raise InputError(
            "to_pyg: clusters and hits are not those of the same event; give both as the chain had them"
        )
    if truth is not None and len(truth.main) != len(hits):
        raise InputError(
            f"to_pyg: truth is of {len(truth.main)} clusters and there are {len(hits)} hits; give the same "
            f"event's"
        )
    check_same_event(hits, edges, "to_pyg")
    check("to_pyg", "naming", naming, naming in NAMINGS, " or ".join(NAMINGS))
    x, y, z = hits.position.T
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    eta = np.arcsinh(z / r)
    sigma = np.sqrt(hits.cot_covariance[:, [0, 2]])
    of_hits = dict(
        zip(
            PYG_NODE_FEATURES,
            (
                r,
                phi,
                z,
                eta,
                x / r**2,
                y / r**2,
                *hits.cot.T,
                *sigma.T,
                ak.to_numpy(clusters["charge"])[hits.cluster],
            ),
            strict=True,
        )
    )
    s, t = edges.source, edges.target
    dphi = (phi[t] - phi[s] + np.pi) % (2 * np.pi) - np.pi
    of_edges = {"dr": r[t] - r[s], "dphi": dphi, "dz": z[t] - z[s], "dR": np.hypot(eta[t] - eta[s], dphi)}
    if naming == "gnn_tracking":
        columns: dict[str, Any] = {
            "x": np.stack(list(of_hits.values()), axis=1), "edge_index": np.stack([s, t]),
            "edge_attr": np.stack([of_edges[n] for n in PYG_EDGE_FEATURES], axis=1),
            "hit_id": hits.hit_id, "layer": hits.layer, "sector": np.zeros(len(hits), dtype=int),
            "evtid": np.array([event]),
        }  # fmt: skip
    else:
        ids = {
            f"hit_{n}": np.asarray(detector.columns[n])[hits.module]
            for n in ("volume_id", "layer_id", "module_id")
        }
        columns = {
            "hit_id": hits.hit_id, "hit_x": x, "hit_y": y, "hit_z": z, **ids,
            **{f"hit_{n.removesuffix('_rz')}": v for n, v in of_hits.items() if n not in ("z", "u", "v")},
            "edge_index": np.stack([s, t]), **{f"edge_{n}": v for n, v in of_edges.items()},
            "event_id": np.array([event]),
        }  # fmt: skip
    if truth is not None:
        columns |= _truth_columns(hits, edges, truth, naming)
    return narrowed(columns)


def narrowed(columns: Mapping[str, Any]) -> Columns:
    """Arrays as the data sets of others have them: whole numbers as int64, all else in single precision."""
    return {
        n: np.ascontiguousarray(v, np.int64 if np.asarray(v).dtype.kind in "iub" else np.float32)
        for n, v in columns.items()
    }


def _truth_columns(hits: Hits, edges: Edges, truth: EventTruth, naming: str) -> dict[str, Any]:
    rows = edge_rows(truth, edges.source, edges.target)
    # One row more stands for no particle.
    particle = np.where(truth.main >= 0, truth.main, len(truth.particle_id))
    by_particle = {
        "particle_id": truth.particle_id, "pt": truth.pt, "eta": truth.eta,
        "n_hits": truth.n_hits, "n_layers_hit": truth.n_layers,
        "reconstructable": truth.n_layers >= MIN_LAYERS_RECONSTRUCTABLE, "findable": truth.findable,
    }  # fmt: skip
    by_particle = {n: np.append(v, v.dtype.type(0)) for n, v in by_particle.items()}
    if naming == "gnn_tracking":
        return {"y": (rows >= 0).astype(np.float32), **{n: v[particle] for n, v in by_particle.items()}}
    made_by, back = truth.edge_particle, np.full(len(truth.edges), -1, dtype=np.int64)
    back[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    return {
        "edge_y": rows >= 0, "hit_particle_id": by_particle["particle_id"][particle],
        "track_edges": truth.edges.T,
        "track_particle_id": truth.particle_id[made_by], "track_particle_pt": truth.pt[made_by],
        "track_particle_eta": truth.eta[made_by], "track_particle_nhits": truth.n_hits[made_by],
        "track_to_edge_map": back,
    }  # fmt: skip
