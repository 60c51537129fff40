"""A finder whose edges are scored sector by sector, as logic near the detector would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.finders.clock import StageClock
from tracking.finders.finder import FinderInput
from tracking.finders.gnn.finder import GraphSearch
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks, layer_ranks
from tracking.finders.tracks import Tracks
from tracking.finders.trigger.graphs import cone_graph, event_edges, sector_batch, trigger_search
from tracking.finders.trigger.options import SectorOptions, TriggerOptions
from tracking.finders.trigger.scores import Trained, load_trained
from tracking.finders.trigger.sectors import Sectors, best_scores, make_sectors

__all__ = ["ScoredEdges", "TriggerFinder"]


@dataclass(frozen=True)
class ScoredEdges:
    """What the sectors say of one event.

    Attributes:
        edges: of the cones; score: (E,) of each the largest of any sector, 0 for those in none.
        sectors: the sectors.
    """

    edges: Edges
    score: npt.NDArray[np.float32]
    sectors: Sectors


@dataclass(frozen=True)
class TriggerFinder:
    """A finder: cones, sectors, scores of each sector alone, and tracks of the edges' best scores.

    Attributes:
        ranks: (L,) of the layers, of :func:`tracking.finders.paths.layer_ranks`.
    """

    search: GraphSearch
    trained: Trained
    sectors: SectorOptions
    ranks: npt.NDArray[np.int32]
    build: BuildOptions = dataclass_field(default_factory=BuildOptions)

    @classmethod
    def for_detector(
        cls, detector: Detector, field: float, options: TriggerOptions | None = None
    ) -> TriggerFinder:
        """The finder that options ask for, about the beam of the detector's frame.

        Raises:
            InputError: weights that cannot be used, or that were trained on geometric edges.
        """
        options = options or TriggerOptions()
        trained = load_trained(options.weights)
        if trained.graph.graph != "cone":
            raise InputError(
                f"{options.weights}: was trained on {trained.graph.graph} edges, which nothing finds tracks "
                f"with; give weights of graph = cone"
            )
        search = trigger_search(detector, field, trained.graph)
        ranks = layer_ranks(len(detector.layers), search.pairs)
        return cls(search, trained, options.sectors or trained.sectors, ranks, options.build)

    @property
    def training_seeds(self) -> frozenset[int]:
        """Of the simulated events that the network was trained on."""
        return self.trained.seeds

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event."""
        clock = StageClock()
        found = self.score(event.hits, clock)
        tracks = build_tracks(event.hits, found.edges, found.score, self.ranks, self.build)
        clock.lap("build")
        return replace(tracks, ms=clock.ms)

    def score(self, hits: Hits, clock: StageClock | None = None) -> ScoredEdges:
        """Edges of one event with the scores of its sectors; the clock gets ``cone``, ``sector`` and
        ``score``.
        """
        clock = clock or StageClock()
        edges, features = event_edges(self.search, hits)
        clock.lap("cone")
        graph = cone_graph(hits, edges, features, self.trained.graph.features)
        sectors = make_sectors(graph.graph, self.sectors)
        batch = sector_batch(graph, sectors, self.sectors)
        clock.lap("sector")
        score = np.zeros(len(edges), dtype=np.float32)
        score[graph.rows] = best_scores(sectors, self.trained.scores(batch), len(graph.rows))
        clock.lap("score")
        return ScoredEdges(edges, score, sectors)
