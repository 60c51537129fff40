"""The whole chain, event by event: clusters to estimates, cones, edges, scores, tracks, helices; and its summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt
import torch

from seeding.edges import Edges
from seeding.hits import Hits, make_hits
from seeding.references import window
from seeding.seeds import Seeds, find_seeds
from smartpix.estimate import TARGETS, Estimator, choose_estimator, estimate, truth_targets
from smartpix.io import EventFile, Header, iterate, open_events
from smartpix.layers import LayerPairs, layer_pairs
from smartpix.schema import InputError
from tracking import metrics
from tracking.build import Tracks, build_tracks, layer_ranks
from tracking.fit import Helices, fit_tracks
from tracking.graph import EDGE_FEATURES, NODE_FEATURES, candidate_edges, make_features
from tracking.inference import FusedInteractionNetwork, fuse_network
from tracking.model import load_network
from tracking.options import RunOptions
from tracking.resolution import RESOLUTIONS, TrackResiduals, joined, pull_histogram, pull_width, resolution, track_residuals
from tracking.vertices import MIN_FINDABLE, Vertices, find_vertices, score_vertices

__all__ = ["STAGES", "Chain", "EventResult", "Totals", "open_inputs", "run_events"]

MAX_RESIDUALS = 200_000
MOST_FINDABLE = 20
"""Vertices with more findable particles count as of that many."""
STAGES = ("estimate", "hits", "cone", "seed", "graph", "build", "fit", "vertex")


@dataclass(frozen=True)
class EventResult:
    """Everything the chain made of one event.

    Attributes:
        outside: (21,) of each feature, how many values are beyond the range that the graph network was trained in.
        ms: by stage, in milliseconds of wall time.
    """

    event: int
    hits: Hits
    edges: Edges
    seeds: Seeds
    scores: npt.NDArray[np.float32]
    tracks: Tracks
    helices: Helices
    vertices: Vertices
    outside: npt.NDArray[np.int64]
    ms: dict[str, float]


@dataclass(frozen=True)
class Chain:
    """The chain, set up for files of one detector: estimator, network, layer pairs, options."""

    header: Header
    options: RunOptions
    estimator: Estimator
    network: FusedInteractionNetwork
    pairs: LayerPairs
    ranks: npt.NDArray[np.int32]

    @classmethod
    def for_header(cls, header: Header, options: RunOptions) -> Chain:
        """Load what the detector and the options ask for.

        Raises:
            InputError: no estimates for this sensor, or weights that cannot be used.
        """
        torch.set_num_threads(options.threads)
        pairs = layer_pairs(header.detector, skips=options.cone.skips)
        return cls(
            header=header,
            options=options,
            estimator=choose_estimator(header, options.estimates, **options.weights()),
            network=fuse_network(load_network(options.gnn, options.graph)),
            pairs=pairs,
            ranks=layer_ranks(len(header.detector.layers), pairs),
        )

    def event(self, event: int, clusters: ak.Array) -> EventResult:
        """Reconstruct one event from its cluster records."""
        detector, field_, options = self.header.detector, self.header.field, self.options
        clock = _Clock()
        estimates = estimate(clusters, self.header, self.estimator)
        clock.lap("estimate")
        hits = make_hits(clusters, estimates, detector)
        clock.lap("hits")
        edges = candidate_edges(hits, detector, self.pairs, field_, options.graph, options.cone, options.window, options.threads)
        clock.lap("cone")
        seeds = find_seeds(hits, edges, field_, options.cone, options.seed, options.threads)
        clock.lap("seed")
        features = make_features(hits, edges, seeds.support, detector, field_)
        scores, outside = self.network.scores(features, edges), self.network.outside(features)
        clock.lap("graph")
        tracks = build_tracks(hits, edges, scores, self.ranks, options.build)
        clock.lap("build")
        helices = fit_tracks(hits, tracks, detector, field_, options.fit)
        clock.lap("fit")
        vertices = find_vertices(helices.z0, helices.sigma()[:, 1], options.vertex)
        clock.lap("vertex")
        return EventResult(event, hits, edges, seeds, scores, tracks, helices, vertices, outside, clock.ms)

    def warm_up(self, clusters: ak.Array) -> None:
        """Run once on some clusters so that compilation is not timed."""
        self.event(0, clusters)


class _Clock:
    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.ms[name] = 1e3 * (now - self._last)
        self._last = now


@dataclass
class Totals:
    """Sums over events, from which summary and figures are made; its size does not grow with the number of events.

    Attributes:
        efficiency, tracks: histograms of :func:`tracking.metrics.efficiency_counts` and :func:`tracking.metrics.track_counts`.
        vertex_efficiency: true vertices by number of findable particles, and whether found.
        pulls: of the track parameters, :func:`tracking.resolution.pull_histogram`.
        residuals: estimates of the first ``MAX_RESIDUALS`` clusters against truth.
        track_residuals: the first ``MAX_RESIDUALS`` matched tracks of findable particles; vertex_residuals: (F, 2) residual and
            sigma of as many found vertices, mm.
    """

    n_events: int = 0
    n_hits: int = 0
    n_edges: int = 0
    n_tested: int = 0
    n_seeds: int = 0
    n_tracks: int = 0
    n_window: int = 0
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

    def summary(self) -> dict[str, Any]:
        """The numbers of the run; truth-based keys only with truth, None where the denominator is 0."""
        per_event = max(self.n_events, 1)
        out: dict[str, Any] = {
            "n_events": self.n_events,
            "n_hits": self.n_hits,
            "n_window_edges": self.n_window,
            "n_edges": self.n_edges,
            "n_tested": self.n_tested,
            "reduction": _ratio(self.n_window, self.n_edges),
            "n_seeds": self.n_seeds,
            "n_tracks": self.n_tracks,
            "n_vertices": self.n_vertices,
            "features_outside": self._outside(),
        }
        if self.truth:
            n_true, n_wanted, n_kept, n_soft, n_kept_soft = self.edge_counts[1:]
            out |= {
                "edge_efficiency": _ratio(n_kept, n_wanted),
                "edge_efficiency_0p5": _ratio(n_kept_soft, n_soft),
                "edge_purity": _ratio(n_true, self.n_edges),
                "window_edge_efficiency": _ratio(self.window_counts[3], self.window_counts[2]),
                "window_edge_purity": _ratio(self.window_counts[1], self.n_window),
                "n_findable": self.n_findable,
                "seed_efficiency": _ratio(self.n_seeded, self.n_findable),
                "track_efficiency": _ratio(self.n_found, self.n_findable),
                "fake_rate": _ratio(self.n_fake, self.n_tracks),
                "duplicate_rate": _ratio(self.n_duplicate, self.n_tracks),
                "physics_efficiency": _ratio(self.n_found_accepted, self.n_accepted),
                **self._resolutions(),
                "vertex_efficiency": _ratio(self.vertex_efficiency[:, True].sum(), self.vertex_efficiency.sum()),
                "vertex_false_rate": _ratio(self.n_false_vertices, self.n_vertices),
                "vertex_split_rate": _ratio(self.n_split_vertices, self.n_vertices),
            }
        stages = {name: value / per_event for name, value in self.ms.items()}
        out["ms_per_event"] = {**stages, "total": sum(stages.values())}
        return out

    def _outside(self) -> float:
        """Largest share, over the features, of values beyond the range of the graph network's training."""
        n = len(NODE_FEATURES)
        shares = self.outside[:n] / max(self.n_hits, 1), self.outside[n:] / max(self.n_edges, 1)
        return float(np.concatenate(shares).max())

    def _resolutions(self) -> dict[str, Any]:
        tracks = joined(self.track_residuals) if self.track_residuals else None
        out: dict[str, Any] = {}
        for k, (name, _) in enumerate(RESOLUTIONS.values()):
            out[f"resolution_{name}"] = resolution(tracks.residual[:, k]) if tracks else None
        widths = {name: pull_width(tracks.pull[:, k]) if tracks else None for k, name in enumerate(RESOLUTIONS)}
        out["pull_mean"] = {name: found[0] if found else None for name, found in widths.items()}
        out["pull_sigma"] = {name: found[1] if found else None for name, found in widths.items()}
        out["pull_half_width"] = {name: resolution(tracks.pull[:, k]) if tracks else None for k, name in enumerate(RESOLUTIONS)}
        return out


def _vertex_histogram() -> hist.Hist:
    return hist.Hist(
        hist.axis.Integer(MIN_FINDABLE, MOST_FINDABLE + 1, name="n_findable"), hist.axis.Boolean(name="found"),
        storage=hist.storage.Int64(),
    )  # fmt: skip


def _ratio(part: int, whole: int) -> float | None:
    return float(part) / float(whole) if whole else None


def open_inputs(files: Sequence[str | Path]) -> list[EventFile]:
    """Open and check all files of a run.

    Raises:
        InputError: a file cannot be used, or the files are of different detectors or fields.
    """
    opened = [open_events(path) for path in files]
    first = opened[0].header
    for other in opened[1:]:
        same = other.header.field == first.field and all(
            np.array_equal(other.header.detector.columns[n], first.detector.columns[n]) for n in first.detector.columns
        )
        if not same:
            raise InputError(f"{other.path}: has another detector or field than {opened[0].path}; run them one by one")
        if other.has_truth != opened[0].has_truth:
            raise InputError(f"{other.path} and {opened[0].path}: one has truth and the other none; run them one by one")
        if other.header.slices != first.slices:
            raise InputError(
                f"{other.path}: has slices {other.header.slices} and {opened[0].path} {first.slices}; run them one by one"
            )
    return opened


def run_events(
    files: Sequence[EventFile],
    chain: Chain,
    totals: Totals,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[tuple[EventResult, ak.Array, metrics.EventTruth | None, metrics.TrackScore | None]]:
    """Run the chain over all events and add them up.

    Yields:
        For every event the result, its record, its truth and the tracks' score (None without truth).
    """
    totals.truth = all(f.has_truth for f in files)
    warm = False
    for file, events in iterate([f.path for f in files], step=1):
        record = events[0]
        if not warm and len(record["clusters"]):
            chain.warm_up(record["clusters"])
            warm = True
        result = chain.event(int(record["event"]), record["clusters"])
        truth = tracks = None
        if totals.truth:
            pileup = metrics.pileup_of(file.header.made_by)
            truth = metrics.event_truth(record["clusters"], record["particles"], result.hits.layer, pileup)
            tracks = metrics.score_tracks(truth, result.tracks.rows())
        _add(totals, chain, result, record, truth, tracks)
        progress()
        yield result, record, truth, tracks


def _add(
    totals: Totals, chain: Chain, result: EventResult, record: ak.Record,
    truth: metrics.EventTruth | None, tracks: metrics.TrackScore | None,
) -> None:  # fmt: skip
    header, options = chain.header, chain.options
    reference = window(result.hits, header.detector, chain.pairs, header.field, options.window)
    totals.n_events += 1
    totals.n_hits += len(result.hits)
    totals.n_edges += len(result.edges)
    totals.n_tested += result.edges.n_tested
    totals.n_seeds += len(result.seeds)
    totals.n_tracks += len(result.tracks)
    totals.n_window += len(reference)
    totals.outside += result.outside
    for name, value in result.ms.items():
        totals.ms[name] = totals.ms.get(name, 0.0) + value
    helices = result.helices
    totals.n_vertices += len(result.vertices)
    if truth is None or tracks is None:
        return
    kept = metrics.score_edges(truth, result.edges.source, result.edges.target)
    searched = metrics.score_edges(truth, reference.source, reference.target)
    for sums, counts in ((totals.edge_counts, kept), (totals.window_counts, searched)):
        sums += [counts.n_edges, counts.n_true, counts.n_wanted, counts.n_found, counts.n_wanted_0p5, counts.n_found_0p5]
    seeded = metrics.seed_efficiency(truth, result.seeds.hits)
    totals.n_findable += int(truth.findable.sum())
    totals.n_found += int(np.sum(tracks.found & truth.findable))
    totals.n_seeded += int(np.sum(seeded & truth.findable))
    totals.n_fake += int(np.sum(tracks.particle < 0))
    totals.n_duplicate += int(np.sum(tracks.duplicate))
    totals.n_accepted += int(truth.accepted.sum())
    totals.n_found_accepted += int(np.sum(tracks.found & truth.accepted))
    for sum_, histograms in (
        (totals.efficiency, metrics.efficiency_counts(truth, tracks.found)),
        (totals.tracks, metrics.track_counts(helices.theta, helices.qop, tracks)),
    ):
        for name, histogram in histograms.items():
            sum_[name] = sum_[name] + histogram if name in sum_ else histogram
    of_tracks = track_residuals(helices, tracks, truth, header.field)
    pulls = pull_histogram(of_tracks)
    totals.pulls = pulls if totals.pulls is None else totals.pulls + pulls
    if sum(map(len, totals.track_residuals)) < MAX_RESIDUALS:
        totals.track_residuals.append(of_tracks)
    found = score_vertices(result.vertices, tracks.particle, truth)
    totals.vertex_efficiency.fill(np.minimum(found.n_findable, MOST_FINDABLE), found.found)
    totals.n_false_vertices += found.n_false
    totals.n_split_vertices += found.n_split
    if sum(map(len, totals.vertex_residuals)) < MAX_RESIDUALS:
        totals.vertex_residuals.append(np.stack([found.residual, found.sigma], axis=1))
    if sum(len(r["barrel"]) for r in totals.residuals) >= MAX_RESIDUALS:
        return
    target, has = truth_targets(record["clusters"], 0.95)
    sigma = result.hits.estimate.sigma()
    residual = result.hits.estimate.mean - target
    barrel = header.detector.barrel[result.hits.module]
    totals.residuals.append(
        {"barrel": barrel[has]}
        | {name: residual[has, k].astype(np.float32) for k, name in enumerate(TARGETS)}
        | {f"sigma_{name}": sigma[has, k].astype(np.float32) for k, name in enumerate(TARGETS)}
    )
