"""``smartpix simulate``: events and single crossings; data sets of clusters in
:mod:`tracking.cli.simulate_clusters`, toys in :mod:`tracking.cli.simulate_toys`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartpix.layouts.options import Sensors
from smartpix.schema import InputError
from smartpix.simulate.options import SimulateOptions
from tracking.cli.detector import NAMES
from tracking.cli.flags import option_flags
from tracking.cli.irradiated import fluence_flags, irradiated
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path, subcommands
from tracking.cli.simulate_clusters import add_simulate_clusters
from tracking.cli.simulate_toys import add_simulate_toys
from tracking.options import from_mapping

if TYPE_CHECKING:
    from smartpix.geometry import Detector

__all__ = ["add_simulate", "simulation_through"]

EVENTS = SimulateOptions()
WITHOUT_PILEUP = replace(EVENTS, generate=replace(EVENTS.generate, pileup=0))


def add_simulate(commands: Any) -> None:
    """Add ``simulate`` to the commands."""
    simulate = commands.add_parser("simulate", help="make event files, data sets of clusters, and toys")
    kinds = subcommands(simulate, "what", "WHAT")
    events = kinds.add_parser("events", help="collisions to clusters", description=(
        "Simulate events: collisions (or a particle gun, or a beam), transport through a detector, sensor "
        "response, readout. The generic detector is ACTS's Fatras's, and others are our own propagator's "
        "(transport.engine). Collisions need chromo and Fatras pyacts (the extra [acts]). The same seed and file "
        "name give the same bytes."
    ))  # fmt: skip
    option_flags(
        events, EVENTS.generate, "pileup", "gun", "gun_pt", "jets", "jet_particles", "jet_radius", "jet_pt",
        "displaced", "conversions", section="generate.",
    )  # fmt: skip
    events.add_argument(
        "--events", type=int, default=1, metavar="N", help="number of events (default: %(default)s)"
    )
    events.set_defaults(command_function=_simulate_events)

    crossings = kinds.add_parser("crossings",
    help="single crossings with broad angles, to train estimates on", description=(
        "Simulate single crossings whose angles are spread far wider than the resolution, so that estimates "
        "trained on them carry the cluster's information alone. With --together they come in groups whose "
        "clusters may merge. The same seed and file name give the same bytes."
    ))  # fmt: skip
    crossings.add_argument(
        "--events", type=int, default=100, metavar="N", help="entries in the file (default: %(default)s)"
    )
    crossings.add_argument(
        "--per-event", type=int, default=5000, metavar="N", help="crossings in each (default: %(default)s)"
    )
    option_flags(crossings, EVENTS.groups, "together", "distance", section="groups.")
    option_flags(crossings, EVENTS.angles, "region", "max_eta", "cot_alpha", "cot_beta", section="angles.")
    crossings.set_defaults(command_function=_simulate_crossings)
    for parser in (events, crossings):
        _sensor_flags(parser)
    add_simulate_clusters(kinds)
    add_simulate_toys(kinds)


def _sensor_flags(parser: argparse.ArgumentParser) -> None:
    """Add what both simulations take: seed, detector, field, sensor and readout, output."""
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="seed of everything")
    detector: Any = parser.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="a detector by its name or from a file, as of smartpix detector; default: the embedded generic one with "
        "50 x 12.5 x 100 um",
    )
    detector.values = NAMES
    option_flags(parser, Sensors(), "pitch_u", "pitch_v", "thickness", section="sensor.")
    option_flags(parser, EVENTS, "field", "bias")
    fluence_flags(parser, EVENTS)
    option_flags(
        parser, EVENTS.readout, "noise", "threshold", "threshold_dispersion", "adc_bits", "slices",
        section="readout.",
    )  # fmt: skip
    parser.add_argument("--rntuple", action="store_true", help="write an RNTuple instead of a TTree")
    parser.add_argument("-o", "--output", type=named_path, required=True, metavar="F.root")
    set_flag(parser, EVENTS, "temperature=253")
    json_flag(parser)


def _simulation(options: argparse.Namespace, defaults: SimulateOptions) -> tuple[Detector, SimulateOptions]:
    """Detector and options of a simulation from the flags."""
    values = irradiated(options, option_values(options), defaults.bias)
    sensors = values.pop("sensor", {})
    generate = values.get("generate")
    # Beside a gun the default is no pile-up; pile-up that is asked for is refused by the options.
    base = defaults
    if isinstance(generate, dict) and (generate.get("gun") or _particles(generate.get("beam"))):
        base = WITHOUT_PILEUP
    # Before the detector is made, which takes a while.
    from_mapping(base, values, "--set")
    from smartpix.files import check_writable
    from smartpix.shipped import data_path

    check_writable(options.output, [options.detector] if options.detector else [])
    return simulation_through(options.detector or data_path("detector.csv"), base, values, sensors)


def simulation_through(
    name: str | Path,
    base: SimulateOptions,
    values: Mapping[str, Any],
    sensors: Mapping[str, Any] | None = None,
) -> tuple[Detector, SimulateOptions]:
    """A detector by its name or from a file, and the options of a simulation through it, with its field and
    material.

    Args:
        values: of options, by section, that are asked for and win over all else.
        sensors: what is put on a detector by name, as of :func:`smartpix.layouts.named.named_detector`.

    Raises:
        InputError: an unknown detector, or options that cannot be.
    """
    from smartpix.layouts.named import named_detector, through

    # Wrong values are told before the detector is made, which takes a while.
    from_mapping(base, values, "--set")
    made = named_detector(name, sensors)
    simulation: SimulateOptions = from_mapping(through(made, base), values, "--set")
    return made.detector, simulation


def _particles(beam: Any) -> Any:
    return beam.get("particles") if isinstance(beam, dict) else None


def _write_simulated(
    options: argparse.Namespace, header: Any, events: Any, more: Mapping[str, Any] | None = None
) -> None:
    from smartpix.io.write import write_events
    from tracking.runs.progress import progress_bar

    n_clusters = 0
    with progress_bar("simulating", options.events) as step:

        def counted() -> Any:
            nonlocal n_clusters
            for event in events:
                n_clusters += len(event["clusters"][0])
                step()
                yield event

        n_events = write_events(options.output, header, counted(), "rntuple" if options.rntuple else "ttree")
    if n_clusters == 0:
        log(
            f"warning: none of the {n_events} events has a cluster; look at the threshold (e) and the "
            f"particles' pT (GeV)"
        )
    size = options.output.stat().st_size
    result = {"file": str(options.output), "n_events": n_events, "n_clusters": n_clusters, "bytes": size}
    print_result(options, {**result, **(more or {})})


def _simulate_events(options: argparse.Namespace) -> None:
    if getattr(options, "flag_values", {}).get("generate.gun", ("", 1))[1] == 0:
        raise InputError(
            "simulate: --gun 0 makes no pions; give at least 1, or leave --gun out for collisions"
        )
    detector, simulation = _simulation(options, EVENTS)
    from smartpix.simulate.engines import chosen
    from smartpix.simulate.events import header, simulate

    simulation, why = chosen(simulation, detector)
    events = simulate(detector, simulation, options.events, options.seed)
    log(f"transport with {simulation.transport.engine}: {why}")
    made_by = header(detector, simulation, options.events, options.seed)
    _write_simulated(
        options, made_by, events, {"transport": simulation.transport.engine, "field": simulation.field}
    )


def _simulate_crossings(options: argparse.Namespace) -> None:
    detector, simulation = _simulation(options, WITHOUT_PILEUP)
    # The options do not tell a distance that was given from the default.
    groups = option_values(options).get("groups", {})
    if "distance" in groups and simulation.groups.together == (1,):
        raise InputError(
            "simulate: --distance is given and each crossing is alone; give --together 1 2 3, or leave it out"
        )
    from smartpix.simulate.engines import chosen
    from smartpix.simulate.events import header, simulate_crossings

    if simulation.transport.field_map:
        # The header has the table's field at the origin.
        simulation, _ = chosen(simulation, detector)
    events = simulate_crossings(detector, simulation, options.events, options.per_event, options.seed)
    made_by = header(detector, simulation, options.events, options.seed, "smartpix simulate crossings")
    _write_simulated(options, made_by, events)
