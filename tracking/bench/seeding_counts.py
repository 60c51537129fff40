"""What a search for edges and seeds found, summed over events."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tracking.metrics import MAX_ETA, Ends, EventTruth, score_edges, seed_efficiency, seed_labels

__all__ = ["PT_EDGES", "SearchCounts"]

PT_EDGES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Edges in GeV of the bins of pT that tell how far down seeds reach."""


@dataclass
class SearchCounts:
    """Sums over events of one search for edges or seeds; its time in ms, and the most memory it took in MB.

    ``by_pt`` has the particles with a seed, and all, in bins of :data:`PT_EDGES`: those that would be
    findable if they were stiffer.
    """

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
    by_pt: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, len(PT_EDGES) - 1), dtype=np.int64)
    )

    def edges_of(
        self, truth: EventTruth, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]
    ) -> None:
        """Add the edges of an event."""
        score = score_edges(truth, Ends(source, target))
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
        with_seed = seed_efficiency(truth, seeds)
        self.seeded += int(np.sum(with_seed & truth.findable))
        long_enough = (
            (truth.charge != 0) & (np.abs(truth.eta) < MAX_ETA) & (truth.n_layers >= truth.min_layers)
        )
        for row, chosen in enumerate((with_seed & long_enough, long_enough)):
            self.by_pt[row] += np.histogram(truth.pt[chosen], PT_EDGES)[0]

    def efficiency_by_pt(self) -> dict[str, float | None]:
        """Share of the particles with a seed by the bin of their pT, as ``0.3-0.4``; None where there are
        none.
        """
        names = [f"{low:g}-{high:g}" for low, high in itertools.pairwise(PT_EDGES)]
        seeded, every = self.by_pt.tolist()
        return {name: a / b if b else None for name, a, b in zip(names, seeded, every, strict=True)}

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
            "n_findable": self.findable,
            "n_wanted": self.n_wanted,
            "n_wanted_0p5": self.wanted_soft,
            "seed_purity": ratio(self.pure, self.seeds),
            "seeds_per_findable": ratio(self.seeds, self.findable),
            "ms": self.ms / n_events,
            "peak_mb": self.peak_mb,
        }
