"""The finder of the graph network: hits to candidate edges, features, scores and tracks. Nobody else strings
these steps together: the chain, the plug-in for ACTS, the training and the benchmarks take them from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from dataclasses import field as dataclass_field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.holes import Holes, find_holes, with_hole_edges
from seeding.options import ConeOptions, SeedOptions, WindowOptions
from seeding.seeds import Seeds, find_seeds
from seeding.table import is_straight
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs, layer_pairs
from smartpix.networks.weights import describe_weights
from smartpix.schema import InputError
from tracking.finders.clock import StageClock
from tracking.finders.finder import FinderInput
from tracking.finders.gnn.fused import fuse_network
from tracking.finders.gnn.graph import Features, candidate_edges, make_features
from tracking.finders.gnn.network import load_network, network_name
from tracking.finders.gnn.options import WIDE
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks, layer_ranks
from tracking.finders.radiation import with_radiating_tracks
from tracking.finders.short_tracks import with_short_tracks
from tracking.finders.tracks import GraphSize, Tracks

__all__ = [
    "STAGES",
    "EdgeScorer",
    "FinderOptions",
    "GraphFinder",
    "GraphSearch",
    "GraphTracks",
    "SearchOptions",
]

STAGES = ("cone", "seed", "graph", "build")
"""The finder's steps: edges, seeds, features and scores, tracks."""
SECOND_PASS = "displaced"
"""The stage in which the time of a second pass is told, all its steps together."""


class SearchOptions(Protocol):
    """Options of the edges; :class:`tracking.finders.gnn.options.TrainGnnOptions` has them."""

    @property
    def graph(self) -> str:
        """``cone`` or ``window``."""
        ...

    @property
    def cone(self) -> ConeOptions:
        """Of the cones."""
        ...

    @property
    def window(self) -> WindowOptions:
        """Of the window."""
        ...


class FinderOptions(SearchOptions, Protocol):
    """Options of the whole finder; :class:`tracking.options.RunOptions` has them."""

    @property
    def gnn(self) -> str:
        """Weights: a shipped name, or a path."""
        ...

    @property
    def seed(self) -> SeedOptions:
        """Of the pairs of edges."""
        ...

    @property
    def build(self) -> BuildOptions:
        """Of the tracks."""
        ...

    @property
    def threads(self) -> int:
        """Of edges, seeds and scores."""
        ...

    def second_pass(self) -> FinderOptions | None:
        """Of the pass over the hits that are left; None: there is none."""
        ...


@dataclass(frozen=True)
class GraphSearch:
    """Hits to the graph that the network scores.

    Attributes:
        detector: of the hits; field: along z in T; pairs: layers that follow each other.
        graph: ``cone`` or ``window``; cone, window, seed: options of these steps.
        threads: of the edges, the seeds and the scores; the results do not depend on it.
        holes: searches over the dead modules of the detector; None: it has none.
        field_map: table of the field, of which ``field`` is that at the origin, for the cones; None: it
            is uniform.
    """

    detector: Detector
    field: float
    pairs: LayerPairs
    graph: str = "cone"
    cone: ConeOptions = WIDE
    window: WindowOptions = dataclass_field(default_factory=WindowOptions)
    seed: SeedOptions = dataclass_field(default_factory=SeedOptions)
    threads: int = 1
    holes: Holes | None = None
    field_map: FieldMap | None = None

    @classmethod
    def for_detector(
        cls, detector: Detector, field: float, options: SearchOptions, seed: SeedOptions, threads: int = 1,
        field_map: FieldMap | None = None,
    ) -> GraphSearch:  # fmt: skip
        """The search that options ask for about the beam of the detector's frame, with its pairs of layers.

        Raises:
            InputError: a beam of particles in a field along it.
        """
        pairs = layer_pairs(detector, skips=options.cone.skips)
        beam = detector.frame
        if beam.distance and not is_straight(field):
            raise InputError(
                f"search: the field is {field:g} T along the beam of particles, and tracks along a beam are "
                f"searched as straight; give files without field, or cone.prior = beam with collisions"
            )
        cone = options.cone.at_beam(beam, detector.across if beam.distance else 0.0)
        window = options.window.at_beam(beam)
        search = cls(detector, field, pairs, options.graph, cone, window, seed, threads, field_map=field_map)
        return replace(search, holes=search._holes())

    def with_dead(self, modules: Sequence[int] | npt.NDArray[np.int64]) -> GraphSearch:
        """The same search where more modules are known to be dead, rows of the detector."""
        detector = self.detector.with_dead(modules)
        if detector is self.detector:
            return self
        search = replace(self, detector=detector)
        return replace(search, holes=search._holes())

    def _holes(self) -> Holes | None:
        softest = self.cone.min_pt if self.graph == "cone" else self.window.min_pt
        return find_holes(self.detector, self.pairs, self.field, softest)

    def edges(self, hits: Hits) -> Edges:
        """Candidate edges of one event, and after them those over dead modules.

        Raises:
            InputError: as :func:`tracking.finders.gnn.graph.candidate_edges`.
        """

        def search(some: Hits, pairs: LayerPairs) -> Edges:
            return candidate_edges(
                some, self.detector, pairs, self.field, self.graph, self.cone, self.window, self.threads,
                self.field_map,
            )  # fmt: skip

        edges = search(hits, self.pairs)
        if self.holes is None:
            return edges
        return with_hole_edges(edges, hits, self.holes, len(self.pairs), search)

    def seeds(self, hits: Hits, edges: Edges) -> Seeds:
        """Pairs of these edges that agree, and the support that each edge has from its best pairs."""
        return find_seeds(hits, edges, self.field, self.cone, self.seed, self.threads)

    def features(self, hits: Hits, edges: Edges, seeds: Seeds) -> Features:
        """What the network knows of hits and edges."""
        return make_features(hits, edges, seeds.support, self.detector, self.field)


class EdgeScorer(Protocol):
    """A network as the finder runs it; :class:`tracking.finders.gnn.fused.FusedInteractionNetwork` is one."""

    def scores(self, features: Features, n_edges: int, threads: int = 1) -> npt.NDArray[np.float32]:
        """Scores (n_edges,) of all edges of an event, 0 of those without features."""
        ...

    def outside(self, features: Features) -> npt.NDArray[np.int64]:
        """(25,) of each feature, how many values are beyond the range of the training."""
        ...


@dataclass(frozen=True)
class GraphTracks:
    """What the finder made of one event, step by step.

    Attributes:
        scores: (E,) of the edges, 0 for those that no other edge continues
            (:func:`tracking.finders.gnn.graph.make_features`) or that the network's screen drops.
        outside: (25,) of each feature, how many values are beyond the range that the network was trained in.
        tracks: with the wall time of each of :data:`STAGES`.
    """

    edges: Edges
    seeds: Seeds
    scores: npt.NDArray[np.float32]
    outside: npt.NDArray[np.int64]
    tracks: Tracks


@dataclass(frozen=True)
class GraphFinder:
    """A finder: candidate edges, their scores, and the tracks of largest score; and again on what is left, if
    asked.

    Attributes:
        ranks: (L,) of the layers, of :func:`tracking.finders.paths.layer_ranks`.
        weights: the network's: a shipped name, or a path; empty: they are in no file.
        second: of the hits that are on no track; None: there is one pass.
    """

    search: GraphSearch
    network: EdgeScorer
    ranks: npt.NDArray[np.int32]
    build: BuildOptions = dataclass_field(default_factory=BuildOptions)
    weights: str = ""
    second: GraphFinder | None = None

    @classmethod
    def for_detector(
        cls,
        detector: Detector,
        field: float,
        options: FinderOptions,
        network: EdgeScorer | None = None,
        field_map: FieldMap | None = None,
    ) -> GraphFinder:
        """The finder that options ask for.

        Args:
            network: of ``options.gnn``, where it is loaded already.
            field_map: table of the field; None: it is uniform.

        Raises:
            InputError: weights that cannot be used, or that are of another graph.
        """
        search = GraphSearch.for_detector(detector, field, options, options.seed, options.threads, field_map)
        name = network_name(options.gnn, options.graph, detector)
        network = network or fuse_network(load_network(name, options.graph))
        ranks, later = layer_ranks(len(detector.layers), search.pairs), options.second_pass()
        second = None if later is None else cls.for_detector(detector, field, later, field_map=field_map)
        return cls(search, network, ranks, options.build, name, second)

    @property
    def training_seeds(self) -> frozenset[int]:
        """Of the simulated events that the network was trained on, as far as its weights tell.

        Raises:
            InputError: the weights' files are missing or damaged.
        """
        data = describe_weights(self.weights)["data"] if self.weights else []
        later = frozenset() if self.second is None else self.second.training_seeds
        return later | frozenset(made["seed"] for made in data if "seed" in made)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event."""
        return self.find(event.hits).tracks

    def scores(self, hits: Hits, edges: Edges, seeds: Seeds) -> npt.NDArray[np.float32]:
        """(E,) scores of edges alone."""
        return self.network.scores(self.search.features(hits, edges, seeds), len(edges), self.search.threads)

    def find(self, hits: Hits) -> GraphTracks:
        """Tracks of one event's hits, with all that was made on the way."""
        clock = StageClock()
        edges = self.search.edges(hits)
        clock.lap("cone")
        seeds = self.search.seeds(hits, edges)
        clock.lap("seed")
        features = self.search.features(hits, edges, seeds)
        scores = self.network.scores(features, len(edges), self.search.threads)
        outside = self.network.outside(features)
        clock.lap("graph")
        tracks = build_tracks(hits, edges, scores, self.ranks, self.build)
        if self.search.holes is not None:
            tracks = with_short_tracks(
                tracks, hits, edges, scores, self.ranks, self.build, self.search.holes.dead
            )
        tracks = with_radiating_tracks(
            tracks, hits, edges, scores, self.ranks, self.search.pairs, self.search.field, self.build,
            self.search.cone,
        )  # fmt: skip
        clock.lap("build")
        if self.second is not None:
            rows = np.setdiff1d(np.arange(len(hits)), tracks.hits)
            tracks = tracks.with_later(self.second.find(hits.take(rows)).tracks, rows)
            clock.lap(SECOND_PASS)
        size = _size(edges, features)
        return GraphTracks(edges, seeds, scores, outside, replace(tracks, ms=clock.ms, graph=size))


def _size(edges: Edges, features: Features) -> GraphSize:
    """Of the graph that the network reads."""
    columns = (getattr(edges, column.name) for column in fields(edges))
    n_bytes = sum(column.nbytes for column in columns if isinstance(column, np.ndarray))
    return GraphSize(len(edges), n_bytes + features.edge.nbytes, len(features.rows), len(features.hits))
