"""Sums over events, from which the summary and the figures of a run are made; sums of parts add up
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.table import is_straight
from smartpix.estimate.base import truth_targets
from smartpix.schema import TARGETS
from tracking import metrics
from tracking.chain import Chain, EventResult
from tracking.finders.gnn import finder as graph_finder
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.fit.resolution import (
    RESOLUTIONS,
    TrackResiduals,
    joined,
    pull_histogram,
    pull_sigma_interval,
    pull_width,
    resolution,
    resolution_interval,
    track_residuals,
    true_parameters,
)
from tracking.fit.vertices import MIN_FINDABLE, score_vertices
from tracking.runs.counts import intervals, rates

__all__ = ["Totals"]

MAX_RESIDUALS = 200_000
MOST_FINDABLE = 20
"""Vertices with more findable particles count as of that many."""


@dataclass
class Totals:
    """Sums over events, from which summary and figures are made; its size does not grow with the number of
    events.

    Attributes:
        n_split, n_shared: clusters that gave several hits, with estimates of their own or with one for all.
        efficiency, tracks: histograms of :func:`tracking.metrics.efficiency_counts` and
            :func:`tracking.metrics.track_counts`.
        vertex_efficiency: true vertices by number of findable particles, and whether found.
        pulls: of the track parameters, :func:`tracking.fit.resolution.pull_histogram`.
        residuals: estimates of the first ``MAX_RESIDUALS`` clusters against truth.
        track_residuals: the first ``MAX_RESIDUALS`` matched tracks of findable particles; vertex_residuals:
            (F, 2) residual and sigma of as many found vertices, mm.
    """

    n_events: int = 0
    n_hits: int = 0
    n_split: int = 0
    n_shared: int = 0
    n_edges: int = 0
    n_tested: int = 0
    n_seeds: int = 0
    n_tracks: int = 0
    n_window: int = 0
    scored: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    outside: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(NODE_FEATURES) + len(EDGE_FEATURES), dtype=np.int64)
    )
    truth: bool = True
    edge_counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(6, dtype=np.int64))
    window_counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(6, dtype=np.int64))
    n_findable: int = 0
    n_found: int = 0
    n_accepted: int = 0
    n_found_accepted: int = 0
    n_seeded: int = 0
    n_fake: int = 0
    n_duplicate: int = 0
    n_later: int = 0
    n_fake_later: int = 0
    ms: dict[str, float] = field(default_factory=dict)
    n_vertices: int = 0
    n_false_vertices: int = 0
    n_split_vertices: int = 0
    efficiency: dict[str, hist.Hist] = field(default_factory=dict)
    tracks: dict[str, hist.Hist] = field(default_factory=dict)
    vertex_efficiency: hist.Hist = field(default_factory=lambda: _vertex_histogram())
    pulls: hist.Hist | None = None
    residuals: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    track_residuals: list[TrackResiduals] = field(default_factory=list)
    vertex_residuals: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(
        self,
        chain: Chain,
        result: EventResult,
        record: ak.Record,
        reference: Edges,
        truth: metrics.EventTruth | None,
        tracks: metrics.TrackScore | None,
    ) -> None:
        """Add one event: its result, its record, the edges of the reference window and, where there is truth,
        its truth and the tracks' score.
        """
        header = chain.header
        self.n_events += 1
        hits = result.hits
        self.n_hits += len(hits)
        second = hits.part == 1
        self.n_split += int(np.sum(second & ~hits.shared))
        self.n_shared += int(np.sum(second & hits.shared))
        self.n_edges += len(result.edges)
        self.n_tested += result.edges.n_tested
        self.n_seeds += len(result.seeds)
        self.n_tracks += len(result.tracks)
        self.n_window += len(reference)
        self.outside += result.outside
        graph = result.tracks.graph
        self.scored += [graph.n_hits, graph.n_scored] if graph else [0, 0]
        for name, value in result.ms.items():
            self.ms[name] = self.ms.get(name, 0.0) + value
        helices = result.helices
        self.n_vertices += len(result.vertices)
        if truth is None or tracks is None:
            return
        kept = metrics.score_edges(truth, result.edges)
        searched = metrics.score_edges(truth, reference)
        sums_of = [(self.edge_counts, kept)]
        if not is_straight(header.field):
            sums_of.append((self.window_counts, searched))
        for sums, counts in sums_of:
            sums += [
                counts.n_edges,
                counts.n_true,
                counts.n_wanted,
                counts.n_found,
                counts.n_wanted_0p5,
                counts.n_found_0p5,
            ]
        seeded = metrics.seed_efficiency(truth, result.seeds.hits)
        self.n_findable += int(truth.findable.sum())
        self.n_found += int(np.sum(tracks.found & truth.findable))
        self.n_seeded += int(np.sum(seeded & truth.findable))
        self.n_fake += int(np.sum(tracks.particle < 0))
        self.n_duplicate += int(np.sum(tracks.duplicate))
        self.n_accepted += int(truth.accepted.sum())
        self.n_found_accepted += int(np.sum(tracks.found & truth.accepted))
        later = result.tracks.later
        if later is not None:
            self.n_later += int(later.sum())
            self.n_fake_later += int(np.sum(later & (tracks.particle < 0)))
        d0 = true_parameters(truth.vertex, truth.momentum, truth.charge, header.field)[:, 0]
        for sum_, histograms in (
            (self.efficiency, metrics.efficiency_counts(truth, tracks.found, d0)),
            (self.tracks, metrics.track_counts(helices.theta, helices.qop, tracks)),
        ):
            for name, histogram in histograms.items():
                sum_[name] = sum_[name] + histogram if name in sum_ else histogram
        of_tracks = track_residuals(helices, tracks, truth, header.field)
        pulls = pull_histogram(of_tracks)
        self.pulls = pulls if self.pulls is None else self.pulls + pulls
        if _entries(self.track_residuals) < MAX_RESIDUALS:
            self.track_residuals.append(of_tracks)
        found = score_vertices(result.vertices, tracks.particle, truth)
        self.vertex_efficiency.fill(np.minimum(found.n_findable, MOST_FINDABLE), found.found)
        self.n_false_vertices += found.n_false
        self.n_split_vertices += found.n_split
        if _entries(self.vertex_residuals) < MAX_RESIDUALS:
            self.vertex_residuals.append(np.stack([found.residual, found.sigma], axis=1))
        if _entries(self.residuals) >= MAX_RESIDUALS:
            return
        target, has = (values[hits.cluster] for values in truth_targets(record["clusters"], 0.95))
        # A cluster of one particle that is split has no estimate of its own.
        has &= hits.n_parts == 1
        sigma = hits.estimate.sigma()
        residual = hits.estimate.mean - target
        barrel = header.detector.barrel[hits.module]
        self.residuals.append(
            {"barrel": barrel[has]}
            | {name: residual[has, k].astype(np.float32) for k, name in enumerate(TARGETS)}
            | {f"sigma_{name}": sigma[has, k].astype(np.float32) for k, name in enumerate(TARGETS)}
        )

    def merge(self, other: Totals) -> None:
        """Add the sums of the events that come next: all but the times are then those of one run over
        both.
        """
        for name in (f.name for f in fields(self)):
            setattr(self, name, _sum(getattr(self, name), getattr(other, name)))

    def counts(self) -> dict[str, int]:
        """The counts by the names of :data:`tracking.runs.counts.COUNTS`; without truth only those that need
        none.
        """
        counts = {
            "events": self.n_events, "hits": self.n_hits, "window_edges": self.n_window,
            "edges": self.n_edges, "seeds": self.n_seeds, "tracks": self.n_tracks,
            "vertices": self.n_vertices,
        }  # fmt: skip
        if not self.truth:
            return counts
        edges, window = self.edge_counts, self.window_counts
        vertices = self.vertex_efficiency.values()
        return counts | {
            "true_edges": int(edges[1]), "wanted_edges": int(edges[2]), "kept_edges": int(edges[3]),
            "wanted_edges_0p5": int(edges[4]), "kept_edges_0p5": int(edges[5]),
            "window_true_edges": int(window[1]), "window_wanted_edges": int(window[2]),
            "window_kept_edges": int(window[3]),
            "findable": self.n_findable, "seeded": self.n_seeded, "found": self.n_found,
            "accepted": self.n_accepted, "found_accepted": self.n_found_accepted,
            "fakes": self.n_fake, "duplicates": self.n_duplicate,
            "true_vertices": int(vertices.sum()), "found_vertices": int(vertices[:, 1].sum()),
            "false_vertices": self.n_false_vertices, "split_vertices": self.n_split_vertices,
        }  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """The numbers of the run; truth-based keys only with truth, None where the denominator is 0."""
        per_event = max(self.n_events, 1)
        counts = self.counts()
        out: dict[str, Any] = {
            "n_events": self.n_events,
            "n_hits": self.n_hits,
            "n_window_edges": self.n_window,
            "n_edges": self.n_edges,
            "n_tested": self.n_tested,
            # Without field the window is empty, and there is nothing to reduce.
            "reduction": _ratio(self.n_window, self.n_edges) if self.n_window else None,
            "n_split_clusters": self.n_split,
            "n_shared_clusters": self.n_shared,
            "n_seeds": self.n_seeds,
            "n_tracks": self.n_tracks,
            "n_vertices": self.n_vertices,
            "features_outside": self._outside(),
            "counts": counts,
        }
        if self.truth:
            tracks = joined(self.track_residuals) if self.track_residuals else None
            out |= {
                "n_findable": self.n_findable,
                **rates(counts),
                "interval": intervals(counts) | _fit_intervals(tracks),
                "track_efficiency_by_d0": self._by_d0(),
                "binned": self._binned(),
                **_resolutions(tracks),
            }
        if graph_finder.SECOND_PASS in self.ms:
            out["n_tracks_displaced"] = self.n_later
            if self.truth:
                out["fake_rate_displaced"] = _ratio(self.n_fake_later, self.n_later)
                out["interval"]["fake_rate_displaced"] = metrics.share_interval(
                    self.n_fake_later, self.n_later
                )
        stages = {name: value / per_event for name, value in self.ms.items()}
        out["ms_per_event"] = {**stages, "total": sum(stages.values())}
        return out

    def _by_d0(self) -> list[dict[str, float | None]]:
        """Of findable particles, in the bins of :data:`tracking.metrics.BINS`: from, to (mm), their number,
        the share found.
        """
        if "d0" not in self.efficiency:
            return []
        edges = metrics.BINS["d0"]
        counts = self.efficiency["d0"][:, "technical", :].values()
        return [
            {"from": float(low), "to": float(high), "n": int(n.sum()), "efficiency": _ratio(n[1], n.sum())}
            for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
        ]

    def _binned(self) -> dict[str, Any]:
        """What the figures of efficiency and fakes show: ``efficiency`` and ``tracks`` by variable, with the
        bins' ``edges`` and, in each, all and found of the technical and of the physics efficiency, or tracks,
        fakes and duplicates.
        """
        efficiency: dict[str, Any] = {}
        for name, histogram in self.efficiency.items():
            efficiency[name] = {"edges": histogram.axes[0].edges.tolist()}
            for of in ("technical", "physics"):
                both = histogram[:, of, :].values().astype(int)
                efficiency[name][of] = {"all": both.sum(axis=1).tolist(), "found": both[:, 1].tolist()}
        tracks: dict[str, Any] = {}
        for name, histogram in self.tracks.items():
            counts = {
                kind: histogram[:, kind].values().astype(int).tolist() for kind in ("fake", "duplicate")
            }
            whole = histogram.project(name).values().astype(int).tolist()
            tracks[name] = {"edges": histogram.axes[0].edges.tolist(), "all": whole, **counts}
        return {"efficiency": efficiency, "tracks": tracks}

    def _outside(self) -> float:
        """Largest share, over the features, of values beyond the range of the graph network's training."""
        n = len(NODE_FEATURES)
        hits, edges = np.maximum(self.scored, 1)
        shares = self.outside[:n] / hits, self.outside[n:] / edges
        return float(np.concatenate(shares).max())


def _resolutions(tracks: TrackResiduals | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for k, (name, _) in enumerate(RESOLUTIONS.values()):
        out[f"resolution_{name}"] = resolution(tracks.residual[:, k]) if tracks else None
    widths = {name: pull_width(tracks.pull[:, k]) if tracks else None for k, name in enumerate(RESOLUTIONS)}
    out["pull_mean"] = {name: found[0] if found else None for name, found in widths.items()}
    out["pull_sigma"] = {name: found[1] if found else None for name, found in widths.items()}
    out["pull_half_width"] = {
        name: resolution(tracks.pull[:, k]) if tracks else None for k, name in enumerate(RESOLUTIONS)
    }
    return out


def _fit_intervals(tracks: TrackResiduals | None) -> dict[str, tuple[float, float] | None]:
    """The 68 % intervals of the resolutions and of the pulls' standard deviations, as ``pull_sigma.d0``."""
    out: dict[str, tuple[float, float] | None] = {}
    for k, (parameter, (name, _)) in enumerate(RESOLUTIONS.items()):
        out[f"resolution_{name}"] = resolution_interval(tracks.residual[:, k]) if tracks else None
        out[f"pull_sigma.{parameter}"] = pull_sigma_interval(tracks.pull[:, k]) if tracks else None
    return out


def _vertex_histogram() -> hist.Hist:
    return hist.Hist(
        hist.axis.Integer(MIN_FINDABLE, MOST_FINDABLE + 1, name="n_findable"),
        hist.axis.Boolean(name="found"),
        storage=hist.storage.Int64(),
    )


def _ratio(part: int, whole: int) -> float | None:
    return float(part) / float(whole) if whole else None


def _sum(mine: Any, other: Any) -> Any:
    """Of counts, arrays or histograms, by name of dictionaries of them; of lists the first ``MAX_RESIDUALS``,
    by event.
    """
    if mine is None or other is None:
        return other if mine is None else mine
    if isinstance(mine, bool):
        return mine and other
    if isinstance(mine, dict):
        return {name: _sum(mine.get(name), other.get(name)) for name in {**mine, **other}}
    if isinstance(mine, list):
        kept = list(mine)
        n = _entries(kept)
        for event in other:
            if n >= MAX_RESIDUALS:
                break
            kept.append(event)
            n += _entries([event])
        return kept
    return mine + other


def _entries(events: list[Any]) -> int:
    return sum(len(event["barrel"]) if isinstance(event, dict) else len(event) for event in events)
