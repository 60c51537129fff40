"""What a search for edges and seeds found, summed over events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracking.metrics import EventTruth, score_edges, seed_efficiency, seed_labels

__all__ = ["SearchCounts"]


@dataclass
class SearchCounts:
    """Sums over events of one search for edges or seeds; its time in ms, and the most memory it took in MB."""

    edges: int = 0
    true: int = 0
    n_wanted: int = 0
    n_found: int = 0
    wanted_soft: int = 0
    found_soft: int = 0
    seeds: int = 0
    pure: int = 0
    findable: int = 0
    seeded: int = 0
    ms: float = 0.0
    peak_mb: float = 0.0

    def edges_of(
        self, truth: EventTruth, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]
    ) -> None:
        """Add the edges of an event."""
        score = score_edges(truth, source, target)
        self.edges += score.n_edges
        self.true += score.n_true
        self.n_wanted += score.n_wanted
        self.n_found += score.n_found
        self.wanted_soft, self.found_soft = (
            self.wanted_soft + score.n_wanted_0p5,
            self.found_soft + score.n_found_0p5,
        )

    def seeds_of(self, truth: EventTruth, seeds: npt.NDArray[np.int32]) -> None:
        """Add the seeds (S, 3) of an event."""
        self.seeds += len(seeds)
        self.pure += int(seed_labels(truth, seeds).sum())
        self.findable += int(truth.findable.sum())
        self.seeded += int(np.sum(seed_efficiency(truth, seeds) & truth.findable))

    def result(self, n_events: int) -> dict[str, float | None]:
        """Means over events, and rates; None for what was not searched."""

        def ratio(a: float, b: float) -> float | None:
            return a / b if b else None

        return {
            "edges": self.edges / n_events if self.edges else None,
            "edge_efficiency_0p9": ratio(self.n_found, self.n_wanted),
            "edge_efficiency_0p5": ratio(self.found_soft, self.wanted_soft),
            "edge_purity": ratio(self.true, self.edges),
            "seeds": self.seeds / n_events if self.findable else None,
            "seed_efficiency": ratio(self.seeded, self.findable),
            "seed_purity": ratio(self.pure, self.seeds),
            "seeds_per_findable": ratio(self.seeds, self.findable),
            "ms": self.ms / n_events,
            "peak_mb": self.peak_mb,
        }
