"""Events for ``smartpix bench seeding``: their hits by estimator, with truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.edges import Edges
from seeding.hits import Hits, estimated_hits
from seeding.seeds import Seeds
from smartpix.estimate.base import Estimate, truth_targets
from smartpix.estimate.choose import choose_estimator
from smartpix.geometry import Detector
from smartpix.io.events import open_events
from smartpix.layers import LayerPairs, layer_pairs
from tracking.bench.events import records_with_truth
from tracking.finders.gnn.finder import GraphSearch
from tracking.metrics import EventTruth, event_truth

__all__ = [
    "SeedingEvent",
    "SeedingSample",
    "edges_and_seeds",
    "load_seeding_sample",
    "with_directions",
]

TRUTH_SIGMA = (0.02, 0.01)
"""Errors of cot alpha and cot beta that stand for a perfect sensor: true directions with these."""


@dataclass(frozen=True)
class SeedingEvent:
    """One event: its hits by estimator, truth, the clusters' lengths in columns (N,) and true cot alpha
    (N,).
    """

    hits: Mapping[str, Hits]
    truth: EventTruth
    length: npt.NDArray[np.int64]
    cot_alpha: npt.NDArray[np.float64]


@dataclass(frozen=True)
class SeedingSample:
    """Events of one detector and field."""

    detector: Detector
    field: float
    pairs: LayerPairs
    events: Sequence[SeedingEvent]

    def search(self, cone: ConeOptions, threads: int = 1) -> GraphSearch:
        """The search for edges and seeds on these events."""
        return GraphSearch(self.detector, self.field, self.pairs, cone=cone, threads=threads)


def load_seeding_sample(
    files: Sequence[str | Path], limit: int, estimators: Sequence[str] = ("mdn", "shape")
) -> SeedingSample:
    """Hits and truth of the first events of simulated files.

    Raises:
        InputError: no truth, no events, or no estimates for the sensor.
    """
    header = open_events(files[0]).header.at_beam()
    detector = header.detector
    chosen = {name: choose_estimator(header, name) for name in estimators}
    events: list[SeedingEvent] = []
    for record in records_with_truth(files, limit):
        clusters = record["clusters"]
        hits = {name: estimated_hits(clusters, header, estimator) for name, estimator in chosen.items()}
        target, has = truth_targets(clusters)
        # Rows and positions are those of any estimator; the true directions replace its own.
        measured = next(iter(hits.values()))
        rows = np.flatnonzero(has & np.isfinite(target).all(axis=1))
        hits["truth"] = with_directions(measured, rows, target[rows, 2:], TRUTH_SIGMA)
        columns = clusters["pixels", "column"]
        length = ak.to_numpy(ak.max(columns, axis=1) - ak.min(columns, axis=1)).astype(np.int64) + 1
        truth = event_truth(clusters, record["particles"], measured.layer, frame=detector.frame)
        events.append(SeedingEvent(hits, truth, length, np.where(has, target[:, 2], np.nan)))
    return SeedingSample(detector, header.field, layer_pairs(detector), events)


def with_directions(
    hits: Hits, rows: npt.NDArray[np.int64], slopes: npt.NDArray[np.float64], sigma: tuple[float, float]
) -> Hits:
    """Hits of which some (``rows``) have other slopes (R, 2), with uncorrelated errors ``sigma`` of cot alpha
    and cot beta.
    """
    mean, cholesky = hits.estimate.mean.copy(), hits.estimate.cholesky.copy()
    mean[rows, 2:] = slopes
    cholesky[rows, 2:, :] = 0
    cholesky[rows, 2, 2], cholesky[rows, 3, 3] = sigma
    return replace(hits, estimate=Estimate(mean, cholesky, hits.estimate.flagged))


def edges_and_seeds(
    sample: SeedingSample, hits: Hits, threads: int = 1, scale: float = 1.0
) -> tuple[Edges, Seeds]:
    """Edges and seeds of the cones, with the estimates' sigmas times ``scale``."""
    search = sample.search(ConeOptions(sigma_scale=scale), threads)
    edges = search.edges(hits)
    return edges, search.seeds(hits, edges)
