"""Simulated events that finders and searches are measured on, with their truth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import awkward as ak

from seeding.hits import Hits, estimated_hits
from smartpix.estimate.base import Estimator
from smartpix.estimate.choose import choose_estimator
from smartpix.geometry import Detector
from smartpix.io.events import Header, iterate, open_events
from smartpix.schema import InputError
from smartpix.simulate.options import GenerateOptions
from tracking.metrics import EventTruth, truth_of_hits

if TYPE_CHECKING:
    from smartpix.simulate.events import SimulateOptions

__all__ = [
    "SAMPLES",
    "Event",
    "Sample",
    "is_simulated",
    "load_sample",
    "make_event",
    "records_with_truth",
    "simulated",
    "simulated_as",
    "simulated_header",
    "simulated_path",
    "simulated_sample",
    "simulated_with",
]

SAMPLES = {
    "jets": GenerateOptions(pileup=60, jets=20),
    "cores": GenerateOptions(
        pileup=60, jets=10, jet_particles=(15, 30), jet_radius=0.03, jet_pt=(500.0, 2000.0)
    ),
    "pileup-200": GenerateOptions(pileup=200),
}
"""Samples by name: evenly spread jets, the cores of energetic jets, and collisions alone."""


@dataclass(frozen=True)
class Event:
    """One event: its clusters, the hits made of them, and its truth."""

    clusters: ak.Array
    hits: Hits
    truth: EventTruth


@dataclass(frozen=True)
class Sample:
    """Events of one file; the estimator made their hits. Detector, hits and truth are in the frame of the
    file's beam.
    """

    header: Header
    estimator: Estimator
    events: Sequence[Event]


def make_event(record: ak.Record, header: Header, estimator: Estimator) -> Event:
    """An event of its record in a file, with the hits that an estimator makes of it."""
    hits = estimated_hits(record["clusters"], header, estimator)
    return Event(record["clusters"], hits, truth_of_hits(record, hits, header.detector.frame))


def records_with_truth(files: Sequence[str | Path], limit: int) -> Iterator[ak.Record]:
    """Records of the first events of simulated files.

    Raises:
        InputError: no truth, or no events.
    """
    n_events = 0
    for opened, records in iterate(list(files), step=1):
        if not opened.has_truth:
            raise InputError(f"{opened.path}: has no truth to measure against; give simulated files")
        if n_events == limit:
            break
        n_events += 1
        yield records[0]
    if not n_events:
        raise InputError(f"{files[0]}: has no events")


def load_sample(path: str | Path, limit: int) -> Sample:
    """The first events of a file, with the estimates that the chain takes by default.

    Raises:
        InputError: no truth, no events, or no estimates for the sensor.
    """
    header = open_events(path).header.at_beam()
    estimator = choose_estimator(header)
    events = [make_event(record, header, estimator) for record in records_with_truth([path], limit)]
    return Sample(header, estimator, events)


def simulated(
    pileup: int,
    n_events: int,
    seed: int,
    folder: Path,
    jets: int = 0,
    displaced: int = 0,
    flight: float = 0.0,
    gun: int = 0,
) -> Path:
    """A file of simulated events of the generic detector, in ``folder``. Needs ``smartpix[acts]``.

    Args:
        jets, displaced: numbers of jets and of displaced pions in each event.
        flight: mean transverse length in mm that a hadron of each jet flies before it decays.
        gun: number of pions in each event, in place of collisions.
    """
    path = simulated_path(folder, pileup, jets, displaced, flight, gun)
    return _write(path, *_simulation(pileup, jets, displaced, flight, gun), n_events, seed)


def simulated_sample(name: str, n_events: int, seed: int, folder: Path) -> Path:
    """A file of events of one of :data:`SAMPLES`, in ``folder``. Needs ``smartpix[acts]``."""
    return simulated_as(SAMPLES[name], folder / f"{name}.root", n_events, seed)


def simulated_as(generate: GenerateOptions, path: Path, n_events: int, seed: int) -> Path:
    """A file of events of the generic detector with some particles. Needs ``smartpix[acts]``."""
    return _write(path, *_with(generate), n_events, seed)


def simulated_with(options: SimulateOptions, path: Path, n_events: int, seed: int) -> Path:
    """A file of events of the generic detector with all options of the simulation, made unless it is there
    already. Needs ``smartpix[acts]``.

    Raises:
        InputError: there is another file, or a damaged one.
    """
    from smartpix.geometry import read_detector
    from smartpix.shipped import data_path
    from smartpix.simulate.events import header

    detector = read_detector(data_path("detector.csv"))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(path, detector, options, n_events, seed)
    file, head = open_events(path), header(detector, options, n_events, seed)
    if file.n_events != n_events or file.header.made_by != json.loads(json.dumps(head.made_by)):
        raise InputError(f"{path}: has other events than are asked for; move it, or give another folder")
    return path


def _write(path: Path, detector: Detector, options: SimulateOptions, n_events: int, seed: int) -> Path:
    from smartpix.io.write import write_events
    from smartpix.simulate.events import header, simulate

    head = header(detector, options, n_events, seed)
    write_events(path, head, simulate(detector, options, n_events, seed))
    return path


def simulated_path(
    folder: Path, pileup: int, jets: int = 0, displaced: int = 0, flight: float = 0.0, gun: int = 0
) -> Path:
    """Where :func:`simulated` writes."""
    more = "".join(
        f"-{name}-{value:g}"
        for name, value in (("displaced", displaced), ("flight", flight), ("gun", gun))
        if value
    )
    return folder / f"pileup-{pileup}-{jets}{more}.root"


def simulated_header(
    pileup: int,
    n_events: int,
    seed: int,
    jets: int = 0,
    displaced: int = 0,
    flight: float = 0.0,
    gun: int = 0,
) -> Header:
    """The header of the file that :func:`simulated` makes. Nothing is simulated for it."""
    from smartpix.simulate.events import header

    return header(*_simulation(pileup, jets, displaced, flight, gun), n_events, seed)


def is_simulated(path: Path, pileup: int, n_events: int, seed: int, jets: int = 0) -> bool:
    """Whether a file is what :func:`simulated` makes, by what it says of its making and its number of events.

    Raises:
        InputError: it is no event file, or damaged.
    """
    file, head = open_events(path), simulated_header(pileup, n_events, seed, jets)
    # As JSON has it, without tuples.
    return file.n_events == n_events and file.header.made_by == json.loads(json.dumps(head.made_by))


def _simulation(
    pileup: int, jets: int, displaced: int, flight: float, gun: int
) -> tuple[Detector, SimulateOptions]:
    generate = GenerateOptions(pileup=pileup, jets=jets, jet_flight=flight, gun=gun)
    if displaced or flight:
        # Their pT begins where particles are findable; all are then in the table.
        generate = replace(generate, displaced=displaced, gun_pt=(1.0, 10.0))
    return _with(generate)


def _with(generate: GenerateOptions) -> tuple[Detector, SimulateOptions]:
    from smartpix.geometry import read_detector
    from smartpix.shipped import data_path
    from smartpix.simulate.events import SimulateOptions

    return read_detector(data_path("detector.csv")), SimulateOptions(generate=generate)
