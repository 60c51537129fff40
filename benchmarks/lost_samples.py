"""Events that :mod:`lost` reconstructs, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from smartpix.dead_modules import without_modules
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.simulate.options import GenerateOptions, SimulateOptions
from smartpix.simulate.transport_options import TransportOptions
from tracking.bench.events import simulated_as, simulated_with
from tracking.chain import Chain, EventResult
from tracking.metrics import MAX_ETA, EventTruth, TrackScore, event_truth, score_tracks
from tracking.options import RunOptions, from_mapping

SAMPLES = {
    "pu200-test": (GenerateOptions(pileup=200), 4, 642001),
    "electrons-test": (
        GenerateOptions(pileup=0, gun=600, gun_kind="electron", gun_pt=(0.9, 2.0), max_eta=MAX_ETA), 5, 644001,
    ),
    "pions-test": (GenerateOptions(pileup=0, gun=600, gun_pt=(0.3, 1.0), max_eta=MAX_ETA), 5, 644201),
    "electrons-own-test": (
        GenerateOptions(pileup=0, gun=600, gun_kind="electron", gun_pt=(0.9, 2.0), max_eta=MAX_ETA), 5, 644301,
    ),
    "pions-own-test": (GenerateOptions(pileup=0, gun=600, gun_pt=(0.3, 1.0), max_eta=MAX_ETA), 5, 644501),
    "protons-own-test": (
        GenerateOptions(pileup=0, gun=600, gun_kind="proton", gun_pt=(0.3, 1.0), max_eta=MAX_ETA), 5, 644601,
    ),
    "half-turn-test": (GenerateOptions(pileup=60), 2, 644801),
    "two-turns-test": (GenerateOptions(pileup=60), 2, 644801),
}  # fmt: skip
"""Particles, number of events, seed."""
TURNS = {"two-turns-test": 2.0}
"""Samples that are followed further than half a turn."""
Judged = tuple[ak.Record, EventResult, EventTruth, TrackScore]


def sample(name: str, folder: Path) -> Path:
    """The file of a sample, made unless it is there.

    Raises:
        InputError: there is a file with another seed.
    """
    generate, n_events, seed = SAMPLES[name]
    path = folder / f"{name}.root"
    if not path.exists() and (name.endswith("-own-test") or "turn" in name):
        transport = TransportOptions(engine="own", turns=TURNS.get(name, 0.5))
        options = SimulateOptions(generate=generate, transport=transport)
        return simulated_with(options, path, n_events, seed)
    if not path.exists():
        return simulated_as(generate, path, n_events, seed)
    made = open_events(path).header.made_by
    if (made.get("seed"), made.get("events")) != (seed, n_events):
        raise InputError(f"{path}: is not of seed {seed} and {n_events} events; give another folder")
    return path


def reconstructed(
    path: Path, options: dict[str, Any], detector: Detector, dead: Any = ()
) -> Iterator[Judged]:
    """Events of a file without the clusters of dead modules, their tracks, and the matching."""
    header = replace(open_events(path).header, detector=detector)
    chain = Chain.for_header(header, from_mapping(RunOptions(), options, "lost"))
    for _, batch in iterate(path, step=1):
        record = batch[0]
        clusters = without_modules(record["clusters"], dead)
        result = chain.event(int(record["event"]), clusters)
        truth = event_truth(
            clusters, record["particles"], result.hits.layer, cluster=result.hits.cluster,
            estimate=result.hits.estimate,
        )  # fmt: skip
        yield record, result, truth, score_tracks(truth, result.tracks.rows())


def fitted_pt(result: EventResult) -> Any:
    """(T,) GeV; infinite or not a number where a fit failed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(np.sin(result.helices.theta) / result.helices.qop)
