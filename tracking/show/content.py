"""The content of an event display's page: hits, pixels, cones, edges, tracks and vertices of one event, as
packed columns.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.cones import Prediction, make_cones, to_cylinder, to_plane
from seeding.edges import Edges
from seeding.hits import Hits
from seeding.table import max_curvature
from smartpix.clusters import flatten
from smartpix.geometry import Detector, Layers
from smartpix.schema import PARAMETERS, TARGETS
from tracking import metrics
from tracking.chain import Chain, EventResult
from tracking.metrics.split_clusters import makers_of_parts
from tracking.show.helices import helix_lines

__all__ = ["CONE_STEPS", "MOST_WINDOW", "cone_rings", "event_content", "pack"]

CONE_STEPS = 4
"""Surfaces between a hit and the next layer, that one among them, on which its cone is drawn."""
MARGIN = 10.0
"""How far beyond a layer's end the middle of a cone may pass and still count as meeting it, mm."""
MOST_WINDOW = 1_000_000
"""Edges of the reference window that a page holds; of an event with more it holds the number only."""

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[Any]]


def event_content(chain: Chain, result: EventResult, record: ak.Record, has_truth: bool) -> dict[str, Any]:
    """Everything the page shows of one event; arrays are NumPy's, mm, GeV, rad, e.

    Args:
        record: of the event file, with ``clusters`` and, where there is truth, ``particles``.

    Returns:
        By section (``layers``, ``modules``, ``hits``, ``pixels``, ``cones``, ``edges``, ``window``,
        ``tracks``, ``vertices``, with truth ``truth`` and ``missed``) columns of equal length; and the
        numbers ``counts``, ``field``, ``distance`` (of a beam of particles, mm), ``slices``, ``quantile``,
        ``gate``, ``min_score``, ``graph``.
    """
    header, options = chain.header, chain.options
    detector, hits, edges, tracks = header.detector, result.hits, result.edges, result.tracks
    truth = score = None
    if has_truth:
        truth = chain.truth(record, result)
        score = metrics.score_tracks(truth, tracks)
    searched = chain.reference_edges(result)
    of_track = np.full(len(hits), -1, dtype=np.int32)
    # Of a hit that tracks share, the best of them.
    for t in np.argsort(tracks.score, kind="stable"):
        of_track[tracks.hits[tracks.start[t] : tracks.start[t + 1]]] = t
    # A browser would take minutes for more.
    none = searched.take(np.zeros(0, dtype=np.int64))
    drawn = searched if len(searched) <= MOST_WINDOW else none
    vertices = result.vertices
    content: dict[str, Any] = {
        "event": result.event,
        "field": header.field,
        "slices": list(header.slices),
        "quantile": options.cone.quantile,
        "gate": options.cone.gate(),
        "min_score": options.build.min_score,
        "graph": options.graph,
        "counts": {
            "n_hits": len(hits),
            "n_window_edges": len(searched),
            "n_edges": len(edges),
            "n_kept_edges": int(np.sum(result.scores >= options.build.min_score)),
            "n_tracks": len(tracks),
            "n_vertices": len(vertices),
        },
        "distance": detector.frame.distance,
        "layers": _layers(detector),
        "modules": _modules(detector, hits),
        "hits": _hits(detector, hits, record, of_track),
        "pixels": _pixels(record["clusters"], hits, header.slices),
        "cones": cone_rings(chain, hits),
        "edges": _edges(edges, header.field) | {"chi2": edges.chi2, "score": result.scores},
        "window": _edges(drawn, header.field),
        "tracks": _tracks(result, header.field, bool(detector.frame.distance))
        | {"vertex": vertices.label.astype(np.int32)},
        "vertices": {
            "z": vertices.z,
            "sigma": vertices.sigma,
            "n_tracks": vertices.n_tracks.astype(np.int32),
        },
    }
    if truth is not None and score is not None:
        content["counts"] |= {
            "n_findable": int(truth.findable.sum()),
            "n_found": int(np.sum(score.found & truth.findable)),
            "n_fake": int(np.sum(score.particle < 0)),
        }
        content["truth"] = _truth(record["clusters"], hits)
        content["missed"] = _missed(truth, score, content["truth"]["particle_id"], hits)
        for name, graph in (("edges", edges), ("window", searched)):
            if len(content[name]["source"]):
                labels = metrics.edge_labels(truth, graph.source, graph.target)
                content[name]["true"] = labels.astype(np.uint8)
        content["tracks"] |= {
            "particle_id": np.append(truth.particle_id, 0)[score.particle],
            "hit_fraction": score.hit_fraction,
            "true_pt": np.append(truth.pt, np.nan)[score.particle],
        }
    return content


def pack(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same for JSON: each array as its type, shape and little-endian bytes in base64; floats in single
    precision.
    """
    return {name: _packed(value) for name, value in content.items()}


def _packed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return pack(value)
    if not isinstance(value, np.ndarray):
        return value
    kind = {"f8": "f4", "b1": "u1"}.get(value.dtype.str[1:], value.dtype.str[1:])
    data = np.ascontiguousarray(value, dtype=f"<{kind}")
    return {"type": kind, "shape": list(data.shape), "base64": base64.b64encode(data.tobytes()).decode()}


def _layers(detector: Detector) -> dict[str, Any]:
    layers = detector.layers
    names = ("barrel", "r_min", "r_max", "z_min", "z_max", "radius", "z")
    columns = {n: getattr(layers, n) for n in names}
    if detector.frame.distance:
        # Planes across a beam of particles: their extent along y and z, in which tracks spread.
        corners = [
            detector.outline[detector.layer_index == k].reshape(-1, 3)[:, 1:] for k in range(len(layers))
        ]
        columns |= {
            "low": np.array([c.min(axis=0) for c in corners]),
            "high": np.array([c.max(axis=0) for c in corners]),
        }
    return {"name": [layers.name(k) for k in range(len(layers))], **columns}


def _modules(detector: Detector, hits: Hits) -> Columns:
    """The modules that were hit: ids, centre, axes x and y, half lengths, pitch and thickness."""
    m = np.unique(hits.module)
    ids = {
        n: np.asarray(detector.columns[n]).astype(np.int32)[m] for n in ("volume_id", "layer_id", "module_id")
    }
    lengths = {n: getattr(detector, n)[m] for n in ("half_x", "half_y", "pitch_x", "pitch_y", "thickness")}
    return ids | lengths | {"center": detector.center[m], "axes": np.swapaxes(detector.axes[m], 1, 2)}


def _hits(detector: Detector, hits: Hits, record: ak.Record, of_track: npt.NDArray[np.int32]) -> Columns:
    sigma = hits.estimate.sigma()
    rows, columns = np.triu_indices(4, 1)
    # Not the covariance of all hits: that is more than the page needs and than fits the cache.
    factor = hits.estimate.cholesky / np.where(sigma > 0, sigma, 1.0)[:, :, None]
    clusters = record["clusters"]
    return {
        "hit_id": hits.hit_id,
        "module": np.unique(hits.module, return_inverse=True)[1].astype(np.int32).reshape(-1),
        "layer": hits.layer,
        "track": of_track,
        "position": hits.position,
        "mean": hits.estimate.mean,
        "sigma": sigma,
        "correlation": np.einsum("npk,npk->np", factor[:, rows], factor[:, columns]),
        "flagged": hits.estimate.flagged,
        "charge": ak.to_numpy(clusters["charge"])[hits.cluster],
        "part": hits.part.astype(np.int32),
        "n_parts": hits.n_parts.astype(np.int32),
        "shared": hits.shared,
    }


def _pixels(clusters: ak.Array, hits: Hits, slices: Sequence[int]) -> Columns:
    """Of each hit the pixels of its cluster."""
    flat = flatten(clusters, slices).take(hits.cluster)
    first = np.concatenate([flat.first, [len(flat.row)]]).astype(np.int32)
    return {
        "first": first,
        "row": flat.row.astype(np.int16),
        "column": flat.column.astype(np.int16),
        "charge": flat.charge,
    }


def _edges(edges: Edges, field: float) -> Columns:
    """Hits at both ends and pT of the circle through them and the beam line, GeV."""
    with np.errstate(divide="ignore"):
        return {
            "source": edges.source,
            "target": edges.target,
            "pt": max_curvature(field, 1.0) / np.abs(edges.curvature),
        }


def _truth(clusters: ak.Array, hits: Hits) -> Columns:
    """Of each hit's particle: id (0: none), share, pT, x, y, cot alpha, cot beta, and how many made the
    cluster. It is the cluster's main particle; of a cluster that gives several hits, each has its own.
    """
    counts = ak.to_numpy(ak.num(clusters["truth"]))
    flat = ak.flatten(clusters["truth"])
    share = ak.to_numpy(flat["share"])
    target = np.stack([ak.to_numpy(flat[name]) for name in TARGETS], axis=1).astype(np.float64)
    row = np.where(counts > 0, np.cumsum(counts) - counts, -1)[hits.cluster]
    if np.any(hits.n_parts > 1):
        keep = np.flatnonzero(share >= metrics.MIN_SHARE)
        made = np.repeat(np.arange(len(counts)), counts)[keep]
        part, crossing = makers_of_parts(made, target[keep], hits.cluster, hits.estimate)
        row[hits.n_parts > 1] = -1
        # The first of several comes last.
        row[part[::-1]] = np.where(hits.n_parts[part] > 1, keep[crossing], row[part])[::-1]
    # Row -1, of no particle, is the one that is put behind.
    share, pt = (np.append(ak.to_numpy(flat[n]).astype(np.float64), np.nan)[row] for n in ("share", "pt"))
    return {
        "particle_id": np.append(ak.to_numpy(flat["particle_id"]), 0)[row],
        "share": share,
        "pt": pt,
        "target": np.concatenate([target, np.full((1, 4), np.nan)])[row],
        "n_particles": counts.astype(np.int32)[hits.cluster],
    }


def _missed(
    truth: metrics.EventTruth, score: metrics.TrackScore, particle_of_hit: npt.NDArray[np.int64], hits: Hits
) -> Columns:
    """Findable particles without a track: id, pT (GeV), and their hits from the beam outwards, ``hits`` of
    which those of particle k begin at ``start[k]``.
    """
    lost = np.flatnonzero(truth.findable & ~score.found)
    order = np.argsort(np.sum(hits.position**2, axis=1), kind="stable")
    rows = [order[particle_of_hit[order] == truth.particle_id[p]] for p in lost]
    return {
        "particle_id": truth.particle_id[lost], "pt": truth.pt[lost],
        "start": np.cumsum([0, *map(len, rows)]).astype(np.int32),
        "hits": np.concatenate([*rows, np.zeros(0, dtype=np.int64)]).astype(np.int32),
    }  # fmt: skip


def _tracks(result: EventResult, field: float, from_hit: bool) -> Columns:
    """Parameters with sigmas, hits, and helices of HELIX_POINTS points from the closest approach to the
    outermost hit.
    """
    tracks, helices = result.tracks, result.helices
    transverse = np.sin(helices.theta)
    with np.errstate(divide="ignore", invalid="ignore"):
        pt = transverse / np.abs(helices.qop)
        slope = np.stack([pt / np.tan(helices.theta), -pt / helices.qop], axis=1)
        pt_sigma = np.sqrt(np.einsum("ti,tij,tj->t", slope, helices.covariance[:, 3:, 3:], slope))
    return {
        **{name: getattr(helices, name) for name in PARAMETERS},
        "sigma": helices.sigma(),
        "pt": pt,
        "pt_sigma": pt_sigma,
        "chi2": helices.chi2,
        "ndf": helices.ndf.astype(np.int32),
        "score": tracks.score,
        "start": tracks.start.astype(np.int32),
        "hits": tracks.hits.astype(np.int32),
        "outlier": helices.outlier,
        "line": helix_lines(result, field, from_hit),
    }


def cone_rings(chain: Chain, hits: Hits) -> Columns:
    """Each hit's cone on its way to the next layer: of those that may come next, what the middle of the cone
    meets.

    Returns:
        hit, layer: (C,) rows; surface: (C, CONE_STEPS) radii of cylinders where the layer is one, else z of
        planes, mm; local: (C, CONE_STEPS, 2) middle there, (radius * azimuth, z) or (x, y), mm; covariance:
        (C, CONE_STEPS, 3) xx, xy, yy, mm2.
    """
    search = chain.finder.search
    layers, pairs, field, options = search.detector.layers, search.pairs, search.field, search.cone
    parts: list[Columns] = []
    direct = pairs.skipped == -1
    for inner, outer in zip(pairs.inner[direct], pairs.outer[direct], strict=True):
        rows = np.flatnonzero(hits.layer == inner)
        cones = make_cones(hits.take(rows), field, options)
        barrel = bool(layers.barrel[outer])
        begin = np.hypot(hits.position[rows, 0], hits.position[rows, 1]) if barrel else hits.position[rows, 2]
        end = layers.radius[outer] if barrel else layers.z[outer]
        surface = begin[:, None] + (end - begin)[:, None] * np.linspace(0, 1, CONE_STEPS + 1)[1:]
        at = [to_cylinder(cones, s) if barrel else to_plane(cones, *_plane(s)) for s in surface.T]
        met = np.all([p.reached for p in at], axis=0) & _meets(at[-1], layers, outer)
        covariance = np.stack([p.covariance for p in at], axis=1)[met]
        parts.append(
            {
                "hit": rows[met].astype(np.int32),
                "layer": np.full(met.sum(), outer, dtype=np.int32),
                "surface": surface[met],
                "local": np.stack([p.local for p in at], axis=1)[met],
                "covariance": covariance[:, :, [0, 0, 1], [0, 1, 1]],
            }
        )
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    order = np.argsort(joined["hit"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def _plane(z: Floats) -> tuple[Floats, Floats]:
    """Centres (N, 3) and axes (N, 3, 3) of planes across the beam; their coordinates are x and y."""
    return np.stack([np.zeros_like(z), np.zeros_like(z), z], axis=1), np.tile(np.eye(3), (len(z), 1, 1))


def _meets(crossing: Prediction, layers: Layers, layer: int) -> npt.NDArray[np.bool_]:
    """(N,) whether the helix meets the layer: within its length, or between a disk's radii."""
    if layers.barrel[layer]:
        at, low, high = crossing.point[:, 2], layers.z_min[layer], layers.z_max[layer]
    else:
        at, low, high = (
            np.hypot(crossing.point[:, 0], crossing.point[:, 1]),
            layers.r_min[layer],
            layers.r_max[layer],
        )
    return np.asarray((at > low - MARGIN) & (at < high + MARGIN))
