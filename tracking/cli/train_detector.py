"""``--detector`` of the trainings of estimates: a sample of its sensors' crossings that is made for the
training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartpix.schema import REGIONS, InputError, check
from smartpix.simulate.options import GenerateOptions, GroupOptions, SimulateOptions
from tracking.cli.detector import NAMES
from tracking.cli.output import log
from tracking.cli.simulate import simulation_through
from tracking.options import from_mapping

if TYPE_CHECKING:
    from smartpix.geometry import Detector
    from smartpix.io.events import Header

__all__ = ["SampleOfDetector", "check_source", "crossings_of", "detector_flags"]

PER_EVENT = 5000
"""Crossings of an entry of the sample."""
COMMAND = "smartpix simulate crossings"


@dataclass(frozen=True)
class SampleOfDetector:
    """What a training reads.

    Attributes:
        files: event files.
        regions: that the detector has; of files that were given, nothing is said.
    """

    files: list[Path]
    regions: tuple[str, ...] = ()


def detector_flags(parser: Any) -> None:
    """Add the flags of a sample that is made for the training."""
    own = parser.add_argument_group(
        "sample of a detector, in the place of files",
        "Single crossings with broad angles are simulated for its sensors, beside the weights, and removed in the end.",
    )
    detector: Any = own.add_argument("--detector", metavar="NAME|FILE", help=(
        "a detector by its name or from a file, as of smartpix detector; with an event file, its readout, field and "
        "sensor are those of its simulation, too"
    ))  # fmt: skip
    detector.values = NAMES
    own.add_argument("--field", type=float, metavar="T", dest="own_field", help=(
        "solenoid field along z (default: that of the detector's name or file, else 3.8)"
    ))  # fmt: skip
    own.add_argument(
        "--crossings", type=int, default=150_000, metavar="N", help="in the sample (default: %(default)s)"
    )
    for name in ("alpha", "beta"):
        own.add_argument(
            f"--cot-{name}", type=float, nargs=2, default=(), metavar=("LOW", "HIGH"),
            help=f"range of cot {name} of the sample, in which it is uniform (default: broad)",
        )  # fmt: skip
    own.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the sample (default: %(default)s)"
    )


def check_source(options: argparse.Namespace) -> None:
    """Check that either files or a detector are given.

    Raises:
        InputError: both or none are.
    """
    if bool(options.files) == (options.detector is not None):
        raise InputError(
            "train: give either files to train on, or --detector to train on crossings that are simulated for it"
        )


@contextmanager
def crossings_of(options: argparse.Namespace) -> Iterator[SampleOfDetector]:
    """What to train on: the files that are given, or a sample that is made for the detector; it is kept
    beside the weights as long as the training is not through.

    Raises:
        InputError: both or none are given, an unknown detector, or another file where the sample belongs.
    """
    check_source(options)
    if options.files:
        yield SampleOfDetector(options.files)
        return
    check("train", "crossings", options.crossings, options.crossings >= PER_EVENT, f"at least {PER_EVENT}")
    from smartpix.io.events import open_events
    from smartpix.io.write import write_events
    from smartpix.networks.weights import check_output
    from smartpix.simulate.events import header, simulate_crossings

    check_output(options.output)
    slopes = {"cot_alpha": tuple(options.cot_alpha), "cot_beta": tuple(options.cot_beta)}
    values: dict[str, Any] = {"angles": {name: ends for name, ends in slopes.items() if ends}}
    if options.own_field is not None:
        values["field"] = options.own_field
    detector, simulation = simulation_through(options.detector, _base(options.detector), values)
    n_events = -(-options.crossings // PER_EVENT)
    path = options.output.with_suffix(".crossings.root")
    made = header(detector, simulation, n_events, options.seed, COMMAND)
    if not path.exists():
        log(
            f"simulating {n_events * PER_EVENT} crossings, seed {options.seed}, field {simulation.field:g} T: {path}"
        )
        events = simulate_crossings(detector, simulation, n_events, PER_EVENT, options.seed)
        write_events(path, made, events)
    elif not _same(open_events(path).header, made):
        raise InputError(
            f"{path}: is not the sample that an interrupted training of this command left; move it away, as the "
            f"file of this name is deleted after the training"
        )
    yield SampleOfDetector([path], _regions(detector))
    path.unlink(missing_ok=True)


def _base(name: str) -> SimulateOptions:
    """Options of the sample before the detector's own: of an event file that was simulated, those of its
    simulation.
    """
    base = SimulateOptions(generate=GenerateOptions(pileup=0))
    if not name.endswith(".root"):
        return base
    from smartpix.io.events import open_events

    head = open_events(name).header
    told = head.made_by.get("options")
    base = replace(base, field=head.field, readout=replace(base.readout, slices=head.slices))
    if not isinstance(told, Mapping):
        log(f"warning: {name} does not say how it was read out; the sample has the standard readout")
        return base
    kept = {
        k: v for k, v in told.items() if k not in ("generate", "transport", "groups", "angles", "randomise")
    }
    # What its beam was does not matter to single crossings, but the spread of their times does.
    times = {"sigma_t": told.get("beam_spot", {}).get("sigma_t", base.beam_spot.sigma_t)}
    known: SimulateOptions = from_mapping(base, {**kept, "beam_spot": times}, f"{name}: options")
    return replace(known, groups=GroupOptions())


def _same(one: Header, other: Header) -> bool:
    """Whether two samples are made alike."""
    import json

    return json.dumps(one.made_by, sort_keys=True) == json.dumps(other.made_by, sort_keys=True)


def _regions(detector: Detector) -> tuple[str, ...]:
    barrel = detector.barrel
    return tuple(
        region for region, there in zip(REGIONS, (barrel.any(), (~barrel).any()), strict=True) if there
    )
