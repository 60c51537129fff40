"""The whole chain, event by event: clusters to estimates, cones, edges, scores, tracks, helices."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt
import torch

from seeding.edges import Edges
from seeding.hits import Hits, make_hits
from seeding.kernels import search
from seeding.seeds import Seeds, find_seeds
from smartpix.compiled import is_cold
from smartpix.estimate.base import Estimator, estimate
from smartpix.estimate.choose import choose_estimator, readout_untold, trained_on_others, training_differs
from smartpix.io.events import Header
from smartpix.layers import LayerPairs, layer_pairs
from smartpix.notebook import one_line_and_table
from smartpix.schema import InputError
from tracking.finders.gnn.fused import FusedInteractionNetwork, fuse_network
from tracking.finders.gnn.graph import candidate_edges, make_features
from tracking.finders.gnn.network import load_network
from tracking.finders.paths import Tracks, build_tracks, layer_ranks
from tracking.fit.tracks import Helices, fit_tracks
from tracking.fit.vertices import Vertices, find_vertices
from tracking.options import RunOptions

__all__ = ["STAGES", "Chain", "EventResult"]

log = logging.getLogger(__name__)

STAGES = ("estimate", "hits", "cone", "seed", "graph", "build", "fit", "vertex")


@one_line_and_table
@dataclass(frozen=True)
class EventResult:
    """Everything the chain made of one event.

    Attributes:
        outside: (21,) of each feature, how many values are beyond the range that the graph network was
            trained in.
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


@one_line_and_table
@dataclass(frozen=True)
class Chain:
    """The chain, set up for files of one detector: estimator, network, layer pairs, options; warnings of what
    does not fit.
    """

    header: Header
    options: RunOptions
    estimator: Estimator
    network: FusedInteractionNetwork
    pairs: LayerPairs
    ranks: npt.NDArray[np.int32]
    warnings: tuple[str, ...] = ()

    @classmethod
    def for_header(
        cls, header: Header, options: RunOptions, report: Callable[[str], object] = log.warning
    ) -> Chain:
        """Load what the detector and the options ask for; ``report`` is called with warnings.

        Raises:
            InputError: no header, no estimates for this sensor, or weights that cannot be used.
        """
        if not isinstance(header, Header):
            raise InputError(
                f"Chain.for_header: expected the header of a file, open_events(path).header, and got "
                f"{header!r:.80}"
            )
        torch.set_num_threads(options.threads)
        estimator = choose_estimator(header, options.estimates, **options.weights())
        warnings = readout_untold(header)
        if options.graph == "cone" and trained_on_others(header, estimator):
            warnings.append(
                "these are clusters of ACTS's own digitisation and the estimates were trained on others, so "
                "that cones "
                "are off; train estimates on events of yours that have truth (smartpix train shape), or do "
                "without "
                "(--set graph=window --set gnn=gnn-window)"
            )
        warnings += [
            f"{line}. Estimates are off by that; train others on such events (smartpix train), or simulate "
            f"alike"
            for line in training_differs(header, estimator)
        ]
        for line in warnings:
            report(line)
        if is_cold(search):
            log.info("compiling the kernels, which is done once and takes a minute or more")
        pairs = layer_pairs(header.detector, skips=options.cone.skips)
        return cls(
            header=header,
            options=options,
            estimator=estimator,
            network=fuse_network(load_network(options.gnn, options.graph)),
            pairs=pairs,
            ranks=layer_ranks(len(header.detector.layers), pairs),
            warnings=tuple(warnings),
        )

    def event(self, event: int, clusters: ak.Array) -> EventResult:
        """Reconstruct one event from its cluster records."""
        detector, field_, options = self.header.detector, self.header.field, self.options
        clock = _Clock()
        estimates = estimate(clusters, self.header, self.estimator)
        clock.lap("estimate")
        hits = make_hits(clusters, estimates, detector)
        clock.lap("hits")
        edges = candidate_edges(
            hits, detector, self.pairs, field_, options.graph, options.cone, options.window, options.threads
        )
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
