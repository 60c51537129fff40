"""ACTS's chain where something is wrong by a little: beside ours in ``smartpix study systematics --acts``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import awkward as ak
import numpy as np

from seeding.hits import make_hits
from smartpix.estimate.base import Estimate, Estimator
from smartpix.geometry import Detector
from smartpix.io.events import Header
from tracking.bench.conditions import targets_in
from tracking.bench.events import Event, Sample, make_event
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge, rates
from tracking.finder_table import finder_maker

__all__ = ["acts_judged"]

POINT = "acts-balanced"


def acts_judged(
    header: Header, believed: Header, estimator: Estimator, records: Sequence[ak.Record]
) -> dict[str, Any]:
    """Efficiency and central fakes of ACTS at its balanced point.

    ACTS's own geometry is what it is, so that modules cannot be moved in its table. Here they are moved where
    they truly are, by as much: each position is that which a module there would have measured.

    Args:
        header: of the files; believed: what the chain takes it to be.
        estimator: of the clusters.
    """
    at_beam = replace(header.at_beam(), field=believed.field)
    events = [make_event(record, header.at_beam(), estimator) for record in records]
    if believed.detector is not header.detector:
        there = believed.detector.at_beam(at_beam.beam_spot)
        events = [_measured_there(event, at_beam.detector, there) for event in events]
    tracks = run_finder("acts", finder_maker(POINT)(at_beam), Sample(at_beam, estimator, events)).tracks
    found = rates(judge(events, tracks))
    return {"track_efficiency": found["efficiency"], "fake_rate": found["fake_rate_central"]}


def _measured_there(event: Event, table: Detector, there: Detector) -> Event:
    """An event of modules that lie elsewhere than the table says."""
    estimate, module = event.hits.estimate, event.hits.module
    mean = targets_in(estimate.mean, module, table, there)
    # Slopes are those of the clusters: a module that turns by a few mrad changes none.
    moved = Estimate(
        np.concatenate([mean[:, :2], estimate.mean[:, 2:]], axis=1), estimate.cholesky, estimate.flagged
    )
    return replace(event, hits=make_hits(event.clusters, moved, table, event.hits.cluster))
