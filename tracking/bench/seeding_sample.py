"""Events for ``smartpix bench seeding``: their hits by estimator, with truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.edges import Edges
from seeding.hits import Hits, make_hits
from seeding.seeds import Seeds
from smartpix.estimate.base import Estimate, estimate, truth_targets
from smartpix.estimate.choose import choose_estimator
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from smartpix.layers import LayerPairs, layer_pairs
from smartpix.schema import InputError
from tracking.finders.gnn.finder import GraphSearch
from tracking.metrics import EventTruth, event_truth

if TYPE_CHECKING:
    from smartpix.simulate.events import SimulateOptions

__all__ = [
    "BenchEvent",
    "Sample",
    "edges_and_seeds",
    "is_simulated",
    "load_events",
    "simulated",
    "with_directions",
]

TRUTH_SIGMA = (0.02, 0.01)
"""Errors of cot alpha and cot beta that stand for a perfect sensor: true directions with these."""


@dataclass(frozen=True)
class BenchEvent:
    """One event: its hits by estimator, truth, the clusters' lengths in columns (N,) and true cot alpha
    (N,).
    """

    hits: Mapping[str, Hits]
    truth: EventTruth
    length: npt.NDArray[np.int64]
    cot_alpha: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Events of one detector and field."""

    detector: Detector
    field: float
    pairs: LayerPairs
    events: Sequence[BenchEvent]

    def search(self, cone: ConeOptions, threads: int = 1) -> GraphSearch:
        """The search for edges and seeds on these events."""
        return GraphSearch(self.detector, self.field, self.pairs, cone=cone, threads=threads)


def load_events(
    files: Sequence[str | Path], limit: int, estimators: Sequence[str] = ("mdn", "shape")
) -> Sample:
    """Hits and truth of the first events of simulated files.

    Raises:
        InputError: no truth, no events, or no estimates for the sensor.
    """
    header = open_events(files[0]).header
    detector = header.detector
    chosen = {name: choose_estimator(header, name) for name in estimators}
    events: list[BenchEvent] = []
    for opened, records in iterate(list(files), step=1):
        if not opened.has_truth:
            raise InputError(f"{opened.path}: has no truth to measure against; give simulated files")
        if len(events) == limit:
            break
        clusters = records[0]["clusters"]
        hits = {
            name: make_hits(clusters, estimate(clusters, header, e), detector) for name, e in chosen.items()
        }
        target, has = truth_targets(clusters)
        # Rows and positions are those of any estimator; the true directions replace its own.
        measured = next(iter(hits.values()))
        known = np.flatnonzero(has & np.isfinite(target).all(axis=1))
        hits["truth"] = with_directions(measured, known, target[known, 2:], TRUTH_SIGMA)
        columns = clusters["pixels", "column"]
        length = ak.to_numpy(ak.max(columns, axis=1) - ak.min(columns, axis=1)).astype(np.int64) + 1
        truth = event_truth(clusters, records[0]["particles"], measured.layer)
        events.append(BenchEvent(hits, truth, length, np.where(has, target[:, 2], np.nan)))
    if not events:
        raise InputError(f"{files[0]}: has no events")
    return Sample(detector, header.field, layer_pairs(detector), events)


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


def edges_and_seeds(sample: Sample, hits: Hits, threads: int = 1, scale: float = 1.0) -> tuple[Edges, Seeds]:
    """Edges and seeds of the cones, with the estimates' sigmas times ``scale``."""
    search = sample.search(ConeOptions(sigma_scale=scale), threads)
    edges = search.edges(hits)
    return edges, search.seeds(hits, edges)


def simulated(pileup: int, n_events: int, seed: int, folder: Path, jets: int = 0) -> Path:
    """A file of simulated events of the generic detector, with so many jets in each, in ``folder``. Needs
    ``smartpix[acts]``.
    """
    from smartpix.io.write import write_events
    from smartpix.simulate.events import header, simulate

    detector, options = _simulation(pileup, jets)
    path = folder / f"pileup-{pileup}-{jets}.root"
    write_events(path, header(detector, options, n_events, seed), simulate(detector, options, n_events, seed))
    return path


def is_simulated(path: Path, pileup: int, n_events: int, seed: int, jets: int = 0) -> bool:
    """Whether a file is what :func:`simulated` makes, by what it says of its making and its number of events.

    Raises:
        InputError: it is no event file, or damaged.
    """
    from smartpix.simulate.events import header

    file, wanted = open_events(path), header(*_simulation(pileup, jets), n_events, seed)
    # As JSON has it, without tuples.
    return file.n_events == n_events and file.header.made_by == json.loads(json.dumps(wanted.made_by))


def _simulation(pileup: int, jets: int) -> tuple[Detector, SimulateOptions]:
    from smartpix.geometry import read_detector
    from smartpix.shipped import data_path
    from smartpix.simulate.events import SimulateOptions
    from smartpix.simulate.generate import GenerateOptions

    options = SimulateOptions(generate=GenerateOptions(pileup=pileup, jets=jets))
    return read_detector(data_path("detector.csv")), options
