"""The command ``smartpix``: argument parsing and what each command prints."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, check

__all__ = ["main"]

DESCRIPTION = """\
Pixel clusters in, tracks out, through calibrated cones: a network reads direction and covariance from each
cluster, the search looks only inside the cone they open, a graph network builds the tracks.
"""

EXAMPLES = """\
examples:
  smartpix run                                   the embedded sample, through the whole chain
  smartpix run F.root -o out --set cone.quantile=0.99
  smartpix simulate events --pileup 200 --events 3 --seed 1 -o pu200.root
  smartpix simulate clusters --dataset 2s -n 100000 --seed 1 -o 2s.parquet
  smartpix convert trackml FOLDER -o event.root && smartpix run event.root
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 bad input (one line on stderr), 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command_function
    try:
        command(options)
    except InputError as error:
        print(f"smartpix: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("smartpix: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("smartpix", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"smartpix {version('smartpix')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="clusters to tracks: the whole chain", description=(
        "Run the whole chain on event files; without files, on the embedded sample. Writes tracks.root, summary.json and figures."
    ))  # fmt: skip
    run.add_argument("files", nargs="*", type=Path, metavar="FILE", help="event files (ROOT); default: the embedded sample")
    run.add_argument(
        "-o", "--output", type=Path, default=Path("smartpix-out"), help="folder for the results (default: %(default)s)"
    )
    run.add_argument("--options", type=Path, metavar="TOML", help="file of options, a section per stage; see docs/options.md")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one option, e.g. cone.quantile=0.99; wins over the file"
    )
    run.add_argument("--estimates", choices=("auto", "mdn", "shape"), help="where positions and directions come from")
    run.add_argument("--no-figures", action="store_true", help="write no figures")
    _json_flag(run)
    run.set_defaults(command_function=_run)

    info = commands.add_parser("info", help="what a file holds", description=(
        "Show what an event file (ROOT) or clusters in the layout of the public data sets (parquet, a file or a folder) hold."
    ))  # fmt: skip
    info.add_argument("file", type=Path, metavar="FILE")
    _json_flag(info)
    info.set_defaults(command_function=_info)

    _add_simulate(commands)
    _add_train(commands)

    convert = commands.add_parser("convert", help="other formats to event files")
    kinds = convert.add_subparsers(title="formats", metavar="FORMAT", required=True)
    trackml = kinds.add_parser("trackml", help="TrackML events (CSV)", description="Convert the pixel part of TrackML events.")
    trackml.add_argument(
        "folder", type=Path, metavar="FOLDER", help="with event*-hits.csv, -cells.csv, -truth.csv, -particles.csv, detectors.csv"
    )
    trackml.add_argument("-o", "--output", type=Path, required=True, metavar="F.root")
    _json_flag(trackml)
    trackml.set_defaults(command_function=_convert_trackml)

    detector = commands.add_parser("detector", help="make the generic detector's module table", description=(
        "Write the pixel modules of ACTS's generic (TrackML) detector with a given sensor on them (needs pyacts)."
    ))  # fmt: skip
    detector.add_argument("--pitch-u", type=float, default=0.0125, metavar="MM", help="pitch along r-phi (default: %(default)s)")
    detector.add_argument("--pitch-v", type=float, default=0.05, metavar="MM", help="pitch along z or r (default: %(default)s)")
    detector.add_argument("--thickness", type=float, default=0.1, metavar="MM", help="of the sensor (default: %(default)s)")
    detector.add_argument("--endcap-thickness", type=float, metavar="MM", help="of the sensors on the disks, if they differ")
    detector.add_argument("-o", "--output", type=Path, required=True, metavar="F.csv[.gz]")
    _json_flag(detector)
    detector.set_defaults(command_function=_detector)
    return parser


def _json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")


def _add_simulate(commands: Any) -> None:
    simulate = commands.add_parser("simulate", help="make event files and data sets of clusters")
    kinds = simulate.add_subparsers(title="what", metavar="WHAT", required=True)
    events = kinds.add_parser("events", help="collisions to clusters", description=(
        "Simulate events: collisions (or a particle gun), transport through the generic detector, sensor response, "
        "readout. Needs the extra [acts] (pyacts, chromo). The same seed gives the same file."
    ))  # fmt: skip
    events.add_argument("--pileup", type=int, default=200, help="collisions per event (default: %(default)s)")
    events.add_argument("--gun", type=int, default=0, metavar="N", help="N charged pions an event instead of collisions")
    events.add_argument(
        "--gun-pt", type=float, nargs=2, default=(0.5, 10.0), metavar=("LOW", "HIGH"), help="range of the pions' pT in GeV"
    )
    events.add_argument("--events", type=int, default=1, help="how many events (default: %(default)s)")
    events.set_defaults(command_function=_simulate_events)

    crossings = kinds.add_parser("crossings", help="single crossings with broad angles, to train estimates on", description=(
        "Simulate single crossings whose angles are spread far wider than the resolution, so that estimates trained on them "
        "carry the cluster's information alone. The same seed gives the same file."
    ))  # fmt: skip
    crossings.add_argument("--events", type=int, default=100, help="entries in the file (default: %(default)s)")
    crossings.add_argument("--per-event", type=int, default=5000, metavar="N", help="crossings in each (default: %(default)s)")
    crossings.set_defaults(command_function=_simulate_crossings)
    for parser in (events, crossings):
        _sensor_arguments(parser)
    _add_simulate_clusters(kinds)


def _add_simulate_clusters(kinds: Any) -> None:
    clusters = kinds.add_parser("clusters", help="data sets of single clusters, in the layout of the public ones", description=(
        "Simulate one of the 21 data sets of single clusters and write it in the layout of the public smart-pixel data sets "
        "(docs/formats.md). Charges are without noise and threshold, as the public ones. The same seed gives the same file. "
        "In the result, clusters_per_second is of the simulation alone (its first batch compiles and tabulates), without writing."
    ))  # fmt: skip
    clusters.add_argument("--dataset", required=True, metavar="2s|3s|4s", help=(
        "2s: barrel, pT as in collisions; 3s: barrel, flat in pT; 4s: end-caps, pT as in collisions"
    ))  # fmt: skip
    clusters.add_argument("--type", type=int, default=2, metavar="1..7", help=(
        "sensor: 1 to 5 are 50 x 10, 12.5, 15, 20, 25 um, 6 is 100 x 25 um, all 100 um thick; 7 is 100 x 25 um, 150 um thick "
        "(default: %(default)s)"
    ))  # fmt: skip
    clusters.add_argument("-n", type=int, required=True, metavar="N", help="how many clusters")
    clusters.add_argument("--seed", type=int, required=True, help="of everything")
    clusters.add_argument(
        "--shape", type=int, nargs=2, default=(13, 21), metavar=("ROWS", "COLUMNS"), help="of the pixel array (default: 13 21)"
    )
    clusters.add_argument(
        "--slices", type=int, nargs="+", default=tuple(range(20)), metavar="S", help="200 ps slices, 0 to 19 (default: all)"
    )
    clusters.add_argument("--field", type=float, default=3.8, metavar="T", help="solenoid field (default: %(default)s)")
    clusters.add_argument("--radius", type=float, default=30.0, metavar="MM", help="of the barrel layer (default: %(default)s)")
    clusters.add_argument(
        "--pt", type=float, nargs=2, default=(0.1, 10.0), metavar=("LOW", "HIGH"), help="range of pT in GeV (default: 0.1 10)"
    )
    clusters.add_argument("--from-pixel-side", action="store_true", help="particles enter through the pixel side")
    clusters.add_argument(
        "--neighbours", type=int, nargs=2, default=(1, 1), metavar=("COLUMNS", "ROWS"),
        help="on each side of a carrier, where its induction is followed (default: 1 1, as in the public sets)",
    )  # fmt: skip
    clusters.add_argument("-o", "--output", type=Path, required=True, metavar="F.parquet")
    _json_flag(clusters)
    clusters.set_defaults(command_function=_simulate_clusters)


def _sensor_arguments(parser: argparse.ArgumentParser) -> None:
    """What every simulation takes: seed, detector, field, sensor and readout, output."""
    parser.add_argument("--seed", type=int, required=True, help="of everything")
    parser.add_argument("--detector", type=Path, metavar="CSV", help="module table; default: the embedded 50 x 12.5 x 100 um one")
    parser.add_argument("--field", type=float, default=3.8, metavar="T", help="solenoid field (default: %(default)s)")
    parser.add_argument(
        "--bias", type=float, default=100.0, metavar="V", help="bias per 100 um of thickness (default: %(default)s)"
    )
    parser.add_argument("--noise", type=float, default=50.0, metavar="E", help="equivalent noise charge (default: %(default)s)")
    parser.add_argument("--threshold", type=float, default=300.0, metavar="E", help="(default: %(default)s)")
    parser.add_argument(
        "--adc-bits", type=int, default=4, metavar="N", help="bits of the logarithmic ADC, 0: analogue (default: %(default)s)"
    )
    parser.add_argument(
        "--slices", type=int, nargs="+", default=(0, 19), metavar="S", help="sampled 200 ps slices, 0 to 19 (default: 0 19)"
    )
    parser.add_argument("--rntuple", action="store_true", help="write an RNTuple instead of a TTree")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="F.root")
    _json_flag(parser)


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train the networks")
    kinds = train.add_subparsers(title="what", metavar="WHAT", required=True)
    mdn = kinds.add_parser("mdn", help="the estimates' network", description=(
        "Train the mixture density network on simulated event files, calibrate it on held-out clusters, and save it. "
        "An interrupted training is taken up again by the same command."
    ))  # fmt: skip
    mdn.add_argument("files", nargs="+", type=Path, metavar="FILE", help=(
        "event files (ROOT), or data sets in the public layout (parquet, files or folders)"
    ))  # fmt: skip
    mdn.add_argument("--region", choices=("barrel", "endcap"), required=True)
    mdn.add_argument("--network", default="columns", metavar="KIND", help=(
        "columns (2,178 parameters), conv (the talk's 2,029) or mlp (2,219, on projections); default: %(default)s"
    ))  # fmt: skip
    mdn.add_argument("--hidden", type=int, default=0, metavar="N", help="width of the dense layers; 0: the network's own")
    mdn.add_argument("--batch-norm", action="store_true", help="normalise over the batch in training")
    mdn.add_argument("--slices", type=int, nargs="+", metavar="S", help="default: the first and the last, 0 and 19 of data sets")
    mdn.add_argument("--noise", type=float, metavar="E", help="noise added to data sets; without these flags, none is")
    mdn.add_argument("--threshold", type=float, metavar="E", help="threshold applied to data sets")
    mdn.add_argument("--threshold-dispersion", type=float, metavar="E", help="its spread from pixel to pixel")
    mdn.add_argument("--bits", type=int, metavar="N", help="bits of the input of data sets: 0 (float), 2 to 8")
    mdn.add_argument("--adc-max", type=float, metavar="E", help="where the ADC saturates (default: 16000)")
    mdn.add_argument("--type", type=int, metavar="1..7", help="sensor of data sets whose files do not say")
    mdn.add_argument("--epochs", type=int, default=60, help="(default: %(default)s)")
    mdn.add_argument("--batch-size", type=int, default=512, help="(default: %(default)s)")
    mdn.add_argument("--learning-rate", type=float, default=5e-3, help="(default: %(default)s)")
    mdn.add_argument("--schedule", default="cosine", help="of the learning rate: cosine or constant (default: %(default)s)")
    mdn.add_argument("--patience", type=int, default=0, metavar="N", help="stop after N epochs without progress; 0: never")
    mdn.add_argument("--augment", nargs="*", default=["mirror-x"], metavar="HOW", help=(
        "mirror-x, mirror-y (end-caps only) and shift; default: mirror-x"
    ))  # fmt: skip
    mdn.add_argument("--from", dest="start", metavar="WEIGHTS", help="start from these weights, by name or path")
    mdn.add_argument("--train-seed", type=int, default=1, help="of the weights and the order (default: %(default)s)")
    shape = kinds.add_parser(
        "shape",
        help="the cluster-shape estimates",
        description="Train the cluster-shape estimates on simulated event files of one sensor.",
    )
    shape.add_argument("files", nargs="+", type=Path, metavar="FILE")
    gnn = kinds.add_parser("gnn", help="the graph network", description=(
        "Train the interaction network on simulated event files, at any mix of pile-up. "
            "An interrupted training is taken up again by the same command."
    ))  # fmt: skip
    gnn.add_argument("files", nargs="+", type=Path, metavar="FILE")
    gnn.add_argument("--epochs", type=int, default=30, help="(default: %(default)s)")
    gnn.add_argument("--hidden", type=int, default=32, help="width of the layers (default: %(default)s)")
    gnn.add_argument("--passes", type=int, default=3, help="message passes (default: %(default)s)")
    gnn.add_argument("--learning-rate", type=float, default=2e-3, help="(default: %(default)s)")
    gnn.add_argument("--train-seed", type=int, default=1, help="of the weights and the order (default: %(default)s)")
    for parser, function in ((mdn, _train_mdn), (shape, _train_shape), (gnn, _train_gnn)):
        parser.add_argument("-o", "--output", type=Path, required=True, metavar="W.safetensors")
        parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
        _json_flag(parser)
        parser.set_defaults(command_function=function)


def _print_result(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """One JSON object, or aligned lines."""
    if options.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key:24s} {json.dumps(value) if isinstance(value, (dict, list)) else value}")


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(options: argparse.Namespace) -> None:
    from smartpix.weights import data_path
    from tracking.options import RunOptions, from_mapping, read_options, set_option
    from tracking.report import run

    values = read_options(options.options) if options.options else {}
    for assignment in options.set:
        set_option(values, assignment)
    if options.estimates:
        values["estimates"] = options.estimates
    run_options = from_mapping(RunOptions, values, str(options.options or "options"))
    files = options.files or [data_path("sample.root")]
    run(files, options.output, run_options, figures=not options.no_figures, as_json=options.json)


def _info(options: argparse.Namespace) -> None:
    from tracking.report import describe_file

    _print_result(options, describe_file(options.file))


def _simulation(options: argparse.Namespace, generate: Any) -> tuple[Any, Any]:
    """Detector and options of a simulation from the flags."""
    from smartpix.geometry import read_detector
    from smartpix.simulate.events import SimulateOptions
    from smartpix.simulate.readout import ReadoutOptions
    from smartpix.weights import data_path

    detector = read_detector(options.detector or data_path("detector.csv"))
    readout = ReadoutOptions(options.noise, options.threshold, options.adc_bits, slices=tuple(options.slices))
    return detector, SimulateOptions(generate=generate, readout=readout, field=options.field, bias=options.bias)


def _write_simulated(options: argparse.Namespace, header: Any, events: Any) -> None:
    from smartpix.write import write_events
    from tracking.report import progress_bar

    n_clusters = 0
    with progress_bar("simulating", options.events) as step:

        def counted() -> Any:
            nonlocal n_clusters
            for event in events:
                n_clusters += len(event["clusters"][0])
                step()
                yield event

        n_events = write_events(options.output, header, counted(), "rntuple" if options.rntuple else "ttree")
    size = options.output.stat().st_size
    _print_result(options, {"file": str(options.output), "n_events": n_events, "n_clusters": n_clusters, "bytes": size})


def _simulate_events(options: argparse.Namespace) -> None:
    from smartpix.simulate.events import header, simulate
    from smartpix.simulate.generate import GenerateOptions

    generate = GenerateOptions(pileup=options.pileup, gun=options.gun, gun_pt=tuple(options.gun_pt))
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
    from smartpix.parquet import write_clusters
    from smartpix.simulate.datasets import BATCH, DatasetOptions, iterate_dataset, sensor_of_type
    from tracking.report import progress_bar

    dataset = DatasetOptions(
        options.dataset, sensor_of_type(options.type), options.field, options.radius, pt=tuple(options.pt),
        n_rows=options.shape[0], n_columns=options.shape[1], slices=tuple(options.slices),
        from_pixel_side=options.from_pixel_side, neighbours=tuple(options.neighbours),
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

        made_by = {"command": "smartpix simulate clusters", "type": options.type, "n": options.n, "seed": options.seed}
        sensor = {name: getattr(dataset.sensor, name) for name in ("pitch_x", "pitch_y", "thickness")}
        sensor["field"] = dataset.field
        n_clusters = write_clusters(options.output, timed(), {**made_by, "options": asdict(dataset)}, sensor)
    result = {"file": str(options.output), "n_clusters": n_clusters, "n_slices": len(dataset.slices)}
    result |= {"n_rows": dataset.n_rows, "n_columns": dataset.n_columns, "bytes": options.output.stat().st_size}
    _print_result(options, {**result, "clusters_per_second": round(n_clusters / seconds, 1), "sensor": sensor})


def _set_threads(threads: int) -> None:
    import torch

    check("train", "threads", threads, threads >= 1, "at least 1")
    torch.set_num_threads(threads)


def _train_mdn(options: argparse.Namespace) -> None:
    from smartpix.model import NetworkOptions
    from smartpix.simulate.datasets import sensor_of_type
    from smartpix.simulate.readout import ReadoutOptions
    from smartpix.train import TrainMdnOptions, train_mdn

    _set_threads(options.threads)
    training = TrainMdnOptions(
        NetworkOptions(options.network, hidden=options.hidden, batch_norm=options.batch_norm),
        options.epochs, options.batch_size, options.learning_rate, options.schedule, options.patience, tuple(options.augment),
        options.train_seed,
    )  # fmt: skip
    asked = {
        "noise": options.noise, "threshold": options.threshold, "threshold_dispersion": options.threshold_dispersion,
        "adc_bits": options.bits, "adc_max": options.adc_max,
    }  # fmt: skip
    given = {k: v for k, v in asked.items() if v is not None}
    readout = ReadoutOptions(**({"noise": 0.0, "threshold": 0.0, "adc_bits": 0} | given)) if given else None
    sensor = None
    if options.type is not None:
        kind = sensor_of_type(options.type)
        sensor = {"pitch_x": kind.pitch_x, "pitch_y": kind.pitch_y, "thickness": kind.thickness, "field": 3.8}
    result = train_mdn(
        options.files, options.region, options.output, training, _log,
        slices=options.slices, readout=readout, start=options.start, sensor=sensor,
    )  # fmt: skip
    _print_result(options, result)


def _train_shape(options: argparse.Namespace) -> None:
    from smartpix.shape import TrainShapeOptions, train_shape

    _print_result(options, train_shape(options.files, options.output, TrainShapeOptions()))


def _train_gnn(options: argparse.Namespace) -> None:
    from tracking.train import TrainGnnOptions, train_gnn

    _set_threads(options.threads)
    training = TrainGnnOptions(options.epochs, options.learning_rate, options.hidden, options.passes, options.train_seed)
    _print_result(options, train_gnn(options.files, options.output, training, _log))


def _convert_trackml(options: argparse.Namespace) -> None:
    from smartpix.trackml import convert_trackml

    _print_result(options, {"file": str(options.output), **convert_trackml(options.folder, options.output)})


def _detector(options: argparse.Namespace) -> None:
    from smartpix.geometry import write_detector
    from smartpix.simulate.transport import generic_detector

    detector = generic_detector(options.pitch_u, options.pitch_v, options.thickness, options.endcap_thickness)
    write_detector(detector, options.output)
    _print_result(options, {"file": str(options.output), "n_modules": len(detector), "n_layers": len(detector.layers)})
