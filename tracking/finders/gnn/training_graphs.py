"""Labelled graphs of events, to train the graph network on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from torch_geometric.data import Data

from seeding.hits import estimated_hits
from seeding.options import ConeOptions, SeedOptions, WindowOptions
from smartpix.dead_modules import without_modules
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.conditions import readout_untold, training_differs
from smartpix.estimate.options import EstimateWeights
from smartpix.io.events import Header, iterate, open_events
from smartpix.merged.splitter import choose_splitter
from smartpix.schema import InputError
from tracking.finders.gnn.degrade import dead_mask, degraded
from tracking.finders.gnn.finder import GraphFinder, GraphSearch
from tracking.finders.gnn.graph import make_graph
from tracking.finders.gnn.options import WIDE, TrainGnnOptions
from tracking.finders.options import BuildOptions
from tracking.metrics import edge_labels, event_truth

log = logging.getLogger(__name__)

__all__ = ["Graphs", "graphs_of_files", "load_graphs", "n_edges"]

KNOWN = 1
"""Stream of the random numbers of dead modules that are known."""


@dataclass(frozen=True)
class Graphs:
    """Labelled graphs of events: to train on, to stop by and calibrate with, and to report."""

    train: list[Data] = field(default_factory=list)
    validation: list[Data] = field(default_factory=list)
    test: list[Data] = field(default_factory=list)


def load_graphs(
    path: str | Path, options: TrainGnnOptions, report: Callable[[str], None] = log.info
) -> Graphs:
    """Labelled graphs of a file's events; ``report`` is called with warnings.

    Raises:
        InputError: the file has no truth, or no estimates fit its sensor.
    """
    opened = open_events(path)
    if not opened.has_truth:
        raise InputError(f"{path}: has no truth to train on; give simulated files")
    header = opened.header.at_beam(options.cone.beam(opened.header.beam_spot))
    detector = header.detector
    weights = EstimateWeights(options.mdn_barrel, options.mdn_endcap, options.shape)
    estimator = choose_estimator(opened.header, options.estimates, weights, conditions=options.conditions)
    for line in readout_untold(opened.header):
        report(f"warning: {path}: {line}")
    for line in training_differs(opened.header, estimator):
        report(f"warning: {path}: {line}; the graphs are of estimates that are off by that")
    splitter = choose_splitter(opened.header, estimator, options.split)
    search = GraphSearch.for_detector(
        detector, opened.header.field, options, SeedOptions(), field_map=opened.header.field_map
    )
    first = _first_pass(header, options)
    n_held = max(int(options.validation_share * opened.n_events), 1)
    graphs = Graphs()
    for k, (_, events) in enumerate(iterate(path, step=1)):
        record, faults = events[0], options.degrade
        from_end = opened.n_events - 1 - k
        part = (
            # The last events of each file, always the same: no event of the report is ever trained on.
            graphs.test if from_end < n_held else graphs.validation if from_end < 2 * n_held else graphs.train
        )
        # Strips are no part of the search.
        clusters = without_modules(record["clusters"], np.flatnonzero(detector.strips))
        dead = np.zeros(0, dtype=np.int64)
        if options.holes and part is graphs.train:
            # Where they are known, they are dead before anything is made of the clusters.
            rng = np.random.default_rng([options.seed, k, len(clusters), KNOWN])
            dead, faults = np.flatnonzero(dead_mask(detector, faults, rng)), replace(faults, dead_modules=0.0)
            clusters = without_modules(clusters, dead)
        hits = estimated_hits(clusters, header, estimator, splitter=splitter)
        truth = event_truth(
            clusters, record["particles"], hits.layer, frame=detector.frame, cluster=hits.cluster,
            estimate=hits.estimate, over_missing=options.holes,
        )  # fmt: skip
        rows = np.arange(len(hits))
        if part is graphs.train:
            hits, rows = degraded(hits, detector, faults, np.random.default_rng([options.seed, k, len(hits)]))
        if first is not None:
            left = np.setdiff1d(np.arange(len(hits)), first.find(hits).tracks.hits)
            hits, rows = hits.take(left), rows[left]
        edges = search.with_dead(dead).edges(hits)
        if len(edges) == 0:
            continue
        features = search.features(hits, edges, search.seeds(hits, edges))
        source, target = rows[edges.source], rows[edges.target]
        labels = (source >= 0) & (target >= 0)
        labels[labels] = edge_labels(truth, source[labels].astype(np.int32), target[labels].astype(np.int32))
        # Hits that the degrading added are nobody's.
        particle = np.where(rows >= 0, truth.main[rows], -1)
        part.append(make_graph(features, labels, particle))
    return graphs


@dataclass(frozen=True)
class _FirstPass:
    """Options of the finder whose tracks' hits are left out: those of a run by default, with some weights."""

    gnn: str
    graph: str = "cone"
    cone: ConeOptions = WIDE
    window: WindowOptions = field(default_factory=WindowOptions)
    seed: SeedOptions = field(default_factory=SeedOptions)
    build: BuildOptions = field(default_factory=BuildOptions)
    threads: int = 1

    def second_pass(self) -> None:
        """There is none."""


def _first_pass(header: Header, options: TrainGnnOptions) -> GraphFinder | None:
    if not options.after:
        return None
    return GraphFinder.for_detector(
        header.detector, header.field, _FirstPass(options.after), field_map=header.field_map
    )


def graphs_of_files(
    files: Sequence[Path], options: TrainGnnOptions, report: Callable[[str], None] = log.info
) -> Graphs:
    """Labelled graphs of all events of some files; ``report`` is called with warnings and a line per file.

    Raises:
        InputError: as :func:`load_graphs`; too few events, or edges of one kind only.
    """
    loaded = []
    for path in files:
        loaded.append(load_graphs(path, options, report))
        parts = [getattr(loaded[-1], f.name) for f in fields(Graphs)]
        report(
            f"{path}: {' + '.join(str(len(p)) for p in parts)} graphs, {sum(n_edges(p) for p in parts)} edges"
        )
    graphs = Graphs(*([g for part in loaded for g in getattr(part, f.name)] for f in fields(Graphs)))
    names = ", ".join(map(str, files))
    if not graphs.train or not graphs.validation or not graphs.test:
        raise InputError(
            f"{names}: too few events to train on; one of the files needs at least 3 with tracks"
        )
    for purpose, part in (("train", graphs.train), ("stop", graphs.validation)):
        true = int(sum(float(g.y.sum()) for g in part))
        if not 0 < true < n_edges(part):
            raise InputError(
                f"{names}: {true} of the {n_edges(part)} edges to {purpose} by are true, and edges of both "
                f"kinds are needed; give more events, or wider cones"
            )
    return graphs


def n_edges(graphs: Sequence[Data]) -> int:
    """Edges of graphs together."""
    return sum(int(g.num_edges or 0) for g in graphs)
