"""``smartpix simulate``: events, crossings, data sets of clusters."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path, subcommands

__all__ = ["add_simulate"]


def add_simulate(commands: Any) -> None:
    """Add ``simulate`` to the commands."""
    simulate = commands.add_parser("simulate", help="make event files and data sets of clusters")
    kinds = subcommands(simulate, "what", "WHAT")
    events = kinds.add_parser("events", help="collisions to clusters", description=(
        "Simulate events: collisions (or a particle gun), transport through the generic detector, sensor "
        "response, "
        "readout. Needs the extra [acts] (pyacts, chromo). The same seed and file name give the same bytes."
    ))  # fmt: skip
    events.add_argument("--pileup", type=int, default=200, help="collisions per event (default: %(default)s)")
    events.add_argument("--gun", type=int, metavar="N", help="N charged pions an event instead of collisions")
    events.add_argument(
        "--gun-pt",
        type=float,
        nargs=2,
        default=(0.5, 10.0),
        metavar=("LOW", "HIGH"),
        help="range of the pions' pT in GeV",
    )
    events.add_argument(
        "--jets", type=int, default=0, metavar="N", help="N jets of 10 pions within 0.05 over the collisions"
    )
    events.add_argument("--events", type=int, default=1, help="how many events (default: %(default)s)")
    events.set_defaults(command_function=_simulate_events)

    crossings = kinds.add_parser("crossings",
    help="single crossings with broad angles, to train estimates on", description=(
        "Simulate single crossings whose angles are spread far wider than the resolution, so that estimates "
        "trained on them "
        "carry the cluster's information alone. The same seed and file name give the same bytes."
    ))  # fmt: skip
    crossings.add_argument(
        "--events", type=int, default=100, help="entries in the file (default: %(default)s)"
    )
    crossings.add_argument(
        "--per-event", type=int, default=5000, metavar="N", help="crossings in each (default: %(default)s)"
    )
    crossings.set_defaults(command_function=_simulate_crossings)
    for parser in (events, crossings):
        _sensor_arguments(parser)
    _add_simulate_clusters(kinds)


def _add_simulate_clusters(kinds: Any) -> None:
    clusters = kinds.add_parser("clusters",
    help="data sets of single clusters, in the layout of the public ones", description=(
        "Simulate one of the 21 data sets of single clusters and write it in the layout of the public "
        "smart-pixel data sets "
        "(docs/formats.md). Charges are without noise and threshold, as the public ones. The same seed and "
        "file name "
        "give the same bytes. "
        "In the result, clusters_per_second is of the simulation alone (its first batch compiles and "
        "tabulates), without writing."
    ))  # fmt: skip
    clusters.add_argument("--dataset", required=True, metavar="2s|3s|4s", help=(
        "2s: barrel, pT as in collisions; 3s: barrel, flat in pT; 4s: end-caps, pT as in collisions"
    ))  # fmt: skip
    clusters.add_argument("--type", type=int, default=2, metavar="1..7", help=(
        "sensor: 1 to 5 are 50 x 10, 12.5, 15, 20, 25 um, 6 is 100 x 25 um, all 100 um thick; 7 is 100 x 25 "
        "um, 150 um thick "
        "(default: %(default)s)"
    ))  # fmt: skip
    clusters.add_argument("-n", type=int, required=True, metavar="N", help="how many clusters")
    clusters.add_argument("--seed", type=int, required=True, help="of everything")
    clusters.add_argument(
        "--shape",
        type=int,
        nargs=2,
        default=(13, 21),
        metavar=("ROWS", "COLUMNS"),
        help="of the pixel array (default: 13 21)",
    )
    clusters.add_argument(
        "--slices",
        type=int,
        nargs="+",
        default=tuple(range(20)),
        metavar="S",
        help="200 ps slices, 0 to 19 (default: all)",
    )
    clusters.add_argument(
        "--field", type=float, default=3.8, metavar="T", help="solenoid field (default: %(default)s)"
    )
    clusters.add_argument(
        "--radius", type=float, default=30.0, metavar="MM", help="of the barrel layer (default: %(default)s)"
    )
    clusters.add_argument(
        "--pt",
        type=float,
        nargs=2,
        default=(0.1, 10.0),
        metavar=("LOW", "HIGH"),
        help="range of pT in GeV (default: 0.1 10)",
    )
    clusters.add_argument(
        "--from-far-side", action="store_true", help="particles enter there, not through the pixel side"
    )
    clusters.add_argument("--induction", default="pixelav", metavar="HOW", help=(
        "pixelav: on the 3 x 3 pixels around a carrier, as in the public sets; full: on 5 x 13 (default: "
        "%(default)s)"
    ))  # fmt: skip
    clusters.add_argument("-o", "--output", type=named_path, required=True, metavar="F.parquet")
    json_flag(clusters)
    clusters.set_defaults(command_function=_simulate_clusters)


def _sensor_arguments(parser: argparse.ArgumentParser) -> None:
    """What every simulation takes: seed, detector, field, sensor and readout, output."""
    parser.add_argument("--seed", type=int, required=True, help="of everything")
    parser.add_argument(
        "--detector",
        type=named_path,
        metavar="CSV",
        help="module table; default: the embedded 50 x 12.5 x 100 um one",
    )
    parser.add_argument(
        "--field", type=float, default=3.8, metavar="T", help="solenoid field (default: %(default)s)"
    )
    parser.add_argument(
        "--bias",
        type=float,
        default=100.0,
        metavar="V",
        help="bias per 100 um of thickness (default: %(default)s)",
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=50.0,
        metavar="E",
        help="equivalent noise charge (default: %(default)s)",
    )
    parser.add_argument("--threshold", type=float, default=300.0, metavar="E", help="(default: %(default)s)")
    parser.add_argument(
        "--threshold-dispersion",
        type=float,
        default=0.0,
        metavar="E",
        help="from pixel to pixel (default: %(default)s)",
    )
    parser.add_argument(
        "--adc-bits",
        type=int,
        default=4,
        metavar="N",
        help="bits of the logarithmic ADC, 0: analogue (default: %(default)s)",
    )
    parser.add_argument(
        "--slices",
        type=int,
        nargs="+",
        default=(0, 19),
        metavar="S",
        help="sampled 200 ps slices, 0 to 19 (default: 0 19)",
    )
    parser.add_argument("--rntuple", action="store_true", help="write an RNTuple instead of a TTree")
    parser.add_argument("-o", "--output", type=named_path, required=True, metavar="F.root")
    json_flag(parser)


def _simulation(options: argparse.Namespace, generate: Any) -> tuple[Any, Any]:
    """Detector and options of a simulation from the flags."""
    from smartpix.files import check_writable
    from smartpix.geometry import read_detector
    from smartpix.shipped import data_path
    from smartpix.simulate.events import SimulateOptions
    from smartpix.simulate.readout import ReadoutOptions

    detector = read_detector(options.detector or data_path("detector.csv"))
    check_writable(options.output, [options.detector] if options.detector else [])
    readout = ReadoutOptions(
        options.noise,
        options.threshold,
        options.threshold_dispersion,
        options.adc_bits,
        slices=tuple(options.slices),
    )
    return detector, SimulateOptions(
        generate=generate, readout=readout, field=options.field, bias=options.bias
    )


def _write_simulated(options: argparse.Namespace, header: Any, events: Any) -> None:
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
    print_result(
        options, {"file": str(options.output), "n_events": n_events, "n_clusters": n_clusters, "bytes": size}
    )


def _simulate_events(options: argparse.Namespace) -> None:
    from smartpix.schema import InputError
    from smartpix.simulate.events import header, simulate
    from smartpix.simulate.generate import GenerateOptions

    if options.gun == 0:
        raise InputError(
            "simulate: --gun 0 makes no pions; give at least 1, or leave --gun out for collisions"
        )
    generate = GenerateOptions(
        pileup=options.pileup, gun=options.gun or 0, gun_pt=tuple(options.gun_pt), jets=options.jets
    )
    detector, simulation = _simulation(options, generate)
    events = simulate(detector, simulation, options.events, options.seed)
    _write_simulated(options, header(detector, simulation, options.events, options.seed), events)


def _simulate_crossings(options: argparse.Namespace) -> None:
    from smartpix.simulate.events import header, simulate_crossings
    from smartpix.simulate.generate import GenerateOptions

    detector, simulation = _simulation(options, GenerateOptions(pileup=0))
    events = simulate_crossings(detector, simulation, options.events, options.per_event, options.seed)
    made_by = header(detector, simulation, options.events, options.seed, "smartpix simulate crossings")
    _write_simulated(options, made_by, events)


def _simulate_clusters(options: argparse.Namespace) -> None:
    from smartpix.io.parquet import write_clusters
    from smartpix.simulate.dataset_options import DatasetOptions, sensor_of_type
    from smartpix.simulate.datasets import BATCH, iterate_dataset
    from tracking.runs.progress import progress_bar

    dataset = DatasetOptions(
        options.dataset, sensor_of_type(options.type), options.field, options.radius, pt=tuple(options.pt),
        n_rows=options.shape[0], n_columns=options.shape[1], slices=tuple(options.slices),
        from_far_side=options.from_far_side, induction=options.induction,
    )  # fmt: skip
    seconds = 0.0
    with progress_bar("simulating", -(-options.n // BATCH)) as step:

        def timed() -> Iterator[Any]:
            nonlocal seconds
            batches = iterate_dataset(dataset, options.n, options.seed)
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                seconds += time.perf_counter() - start
                if batch is None:
                    return
                yield batch
                step()

        made_by = {
            "command": "smartpix simulate clusters",
            "type": options.type,
            "n": options.n,
            "seed": options.seed,
        }
        sensor = dataset.described()
        n_clusters = write_clusters(options.output, timed(), {**made_by, "options": asdict(dataset)}, sensor)
    result = {"file": str(options.output), "n_clusters": n_clusters, "n_slices": len(dataset.slices)}
    result |= {
        "n_rows": dataset.n_rows,
        "n_columns": dataset.n_columns,
        "bytes": options.output.stat().st_size,
    }
    print_result(options, {**result, "clusters_per_second": round(n_clusters / seconds, 1), "sensor": sensor})
