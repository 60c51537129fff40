"""``smartpix bench`` and ``smartpix study``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, check
from tracking.cli.output import json_flag, log, print_json, print_result
from tracking.cli.parser import named_path, subcommands
from tracking.cli.streams import show
from tracking.cli.threads import set_threads
from tracking.cli.train import sensor_flag

__all__ = ["add_bench", "add_study"]


def add_bench(commands: Any) -> None:
    """Add ``bench`` to the commands."""
    bench = commands.add_parser("bench", help="measure quality and speed")
    kinds = subcommands(bench, "what", "WHAT")
    mdn = kinds.add_parser("mdn", help="the estimates' networks beside the published ones", description=(
        "Test the shipped networks on clusters of data set 2s (50 x 12.5 x 100 um) that none was trained on: "
        "residuals, pulls, "
        "coverage, and the speed of the fused kernels against the torch modules. Without --json, a table of "
        "68 % half widths "
        "of the clusters that the edge of their array does not cut."
    ))  # fmt: skip
    mdn.add_argument("--variants", nargs="+", metavar="V", help="default: all")
    mdn.add_argument("--clusters", type=int, default=50_000, metavar="N", help="(default: %(default)s)")
    mdn.add_argument("--file", type=named_path, metavar="F.parquet", help="test on this data set instead")
    mdn.add_argument(
        "--type", type=int, metavar="1..7", help="sensor of the data set, if its file does not say"
    )
    mdn.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    json_flag(mdn)
    mdn.set_defaults(command_function=_bench_mdn)
    export = kinds.add_parser("export", help="the chip's networks: resolution, size, and every exported bit",
    description=(
        "Quantised networks beside the float one on the same clusters; C simulation of the hls4ml projects "
        "and simulated Verilog "
        "compared bit for bit; look-up tables, cells and latency by open tools. Takes an hour or more."
    ))  # fmt: skip
    export.add_argument(
        "--networks", nargs="+", default=["talk", "smallest"], metavar="N", help="default: talk smallest"
    )
    export.add_argument(
        "--clusters", type=int, default=50_000, metavar="N", help="for the resolution (default: %(default)s)"
    )
    export.add_argument(
        "--clock", type=float, default=5.0, metavar="NS", help="of the Verilog (default: %(default)s)"
    )
    json_flag(export)
    export.set_defaults(command_function=_bench_export)
    seeding = kinds.add_parser("seeding", help="cones beside windows, a k-d tree, cluster lengths and ACTS",
    description=(
        "Every method on the same hits, in turn in one process: edges, efficiency, purity, seeds, time, "
        "memory. Simulates "
        "events unless files are given. Needs smartpix[acts]."
    ))  # fmt: skip
    seeding.add_argument("files", nargs="*", type=named_path, metavar="FILE", help="simulated events")
    seeding.add_argument(
        "--events", type=int, default=3, metavar="N", help="most to use (default: %(default)s)"
    )
    seeding.add_argument(
        "--threads", type=_numbers, default=[1, 2], metavar="1,2", help="used, and compared (default: 1,2)"
    )
    seeding.add_argument(
        "--pileup", type=_numbers, default=[20, 60, 140, 200, 300], metavar="20,60,...",
        help="of the events the time is fitted on; without files the main events have the one of these nearest to 200",
    )  # fmt: skip
    seeding.add_argument("--seed", type=int, default=5001, help="of simulated events (default: %(default)s)")
    seeding.add_argument(
        "--levers",
        type=named_path,
        metavar="levers.json",
        help="of `study levers`: what its sensors would do to the reduction",
    )
    seeding.add_argument(
        "-o", "--output", type=named_path, metavar="FOLDER", help="write figures and bench-seeding.json there"
    )
    json_flag(seeding)
    seeding.set_defaults(command_function=_bench_seeding)
    tracks = kinds.add_parser("tracking",
    help="tracks beside ACTS's, and beside those of the window's graph", description=(
        "The chain and ACTS's (seeding, parameters, combinatorial Kalman filter, ambiguity resolution, "
        "tuned) on the same hits, "
        "in turn in one process on one thread: efficiency, fakes, duplicates, resolutions, time by stage. "
        "Simulates its events. "
        "Needs smartpix[acts]."
    ))  # fmt: skip
    tracks.add_argument("--pileup", type=_numbers, default=[20, 60, 140, 200, 300], metavar="20,60,...",
    help=(
        "with 200, which has most events and the main numbers (default: 20,60,140,200,300)"
    ))  # fmt: skip
    tracks.add_argument(
        "--events", type=int, default=10, metavar="N", help="of pile-up 200 (default: %(default)s)"
    )
    tracks.add_argument("--no-jets", action="store_true", help="without the jets over pile-up 60")
    tracks.add_argument("--finders", type=_names, default=[], metavar="A,B", help=(
        "measure these beside each other instead: chain, window, acts-tuned, acts-loose, or those of other packages"
    ))  # fmt: skip
    tracks.add_argument("--seed", type=int, default=8001, help="of the events (default: %(default)s)")
    json_flag(tracks)
    tracks.set_defaults(command_function=_bench_tracking)


def add_study(commands: Any) -> None:
    """Add ``study`` to the commands."""
    study = commands.add_parser("study", help="what each choice buys, with figures", description=(
        "Studies of sensor, readout and network. Each writes STUDY.json and figures into a folder."
    ))  # fmt: skip
    kinds = subcommands(study, "studies", "STUDY")
    for name, help_text in (
        ("slices", "which two of the 20 slices, and how many"),
        ("geometry", "all seven geometries, 100 against 150 um"),
        ("levers", "everything that decides the resolution: slices, noise, threshold, bits, sensor, network"),
    ):
        lever = kinds.add_parser(name, help=help_text, description=(
            f"Train networks to learn {help_text}: one for each setting around the base of 50 x 12.5 x 100 "
            f"um, slices 0 and 19, "
            "noise 50 e, threshold 300 e, float input, all on data of their own and equally long."
        ))  # fmt: skip
        lever.add_argument("--dataset", default="2s", metavar="2s|3s|4s", help="(default: %(default)s)")
        lever.add_argument(
            "--clusters",
            type=int,
            default=120_000,
            metavar="N",
            help="for each sensor (default: %(default)s)",
        )
        lever.add_argument("--epochs", type=int, default=25, help="of each training (default: %(default)s)")
        lever.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
        lever.set_defaults(command_function=_study_levers, study=name)
    pull = kinds.add_parser("pull",
    help="residuals and pulls of the networks, cluster-shape estimates beside them", description=(
        "Residuals and pulls of the shipped networks on simulated events, with the cluster-shape estimates "
        "as a cross-check."
    ))  # fmt: skip
    pull.add_argument(
        "files", nargs="*", type=named_path, metavar="FILE", help="default: the embedded sample"
    )
    pull.set_defaults(command_function=_study_pull)
    angle = kinds.add_parser("angle-pt", help="what one layer's beta tells about pT", description=(
        "The bend measured by one layer's beta against the charge over the transverse momentum, on data set "
        "2s."
    ))  # fmt: skip
    angle.add_argument(
        "--variant",
        default="columns-2t-chip",
        metavar="V",
        help="network of `bench mdn` (default: %(default)s)",
    )
    angle.add_argument("--clusters", type=int, default=50_000, metavar="N", help="(default: %(default)s)")
    angle.set_defaults(command_function=_study_angle_pt)
    front = kinds.add_parser("front", help="resolution against size of quantised networks", description=(
        "Half widths, zeros and look-up tables of networks made by `compress`, on clusters none was trained "
        "on; figures of the "
        "front, of the zeros and multipliers against the epoch, and of the weights."
    ))  # fmt: skip
    front.add_argument("weights", nargs="+", metavar="WEIGHTS", help="shipped ones by name, or paths")
    front.add_argument(
        "--base", default="fixed-2s-talk", metavar="WEIGHTS", help="compared with (default: %(default)s)"
    )
    front.add_argument("--clusters", type=int, default=50_000, metavar="N", help="(default: %(default)s)")
    front.set_defaults(command_function=_study_front)
    for parser in kinds.choices.values():
        parser.add_argument(
            "-o",
            "--output",
            type=named_path,
            default=Path("smartpix-study"),
            help="folder for the results (default: %(default)s)",
        )
        json_flag(parser)


def _bench_mdn(options: argparse.Namespace) -> None:
    from tracking.bench.mdn import VARIANTS, bench_mdn, mdn_table

    check("bench mdn", "threads", options.threads, options.threads >= 1, "at least 1")
    result = bench_mdn(
        options.variants or list(VARIANTS),
        options.clusters,
        options.file,
        options.threads,
        log,
        sensor_flag(options.type),
    )
    _print(options, result, mdn_table(result))


def _bench_export(options: argparse.Namespace) -> None:
    from tracking.bench.export import bench_export, export_table

    result = bench_export(options.networks, options.clusters, clock_ns=options.clock, report=log)
    _print(options, result, export_table(result))


def _bench_tracking(options: argparse.Namespace) -> None:
    from tracking.bench.tracks import bench_tracking, table

    set_threads(1)
    result = bench_tracking(
        options.pileup, options.events, options.seed, not options.no_jets, log, options.finders
    )
    _print(options, result, table(result))


def _names(text: str) -> list[str]:
    """Names with commas between."""
    return [part.strip() for part in text.split(",")]


def _numbers(text: str) -> list[int]:
    """Whole numbers, at least 1, with commas between."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(
            f"'{text}': write whole numbers, at least 1, with commas between, such as 1,2"
        )
    return numbers


def _bench_seeding(options: argparse.Namespace) -> None:
    from tracking.bench.seeding import measure, seeding_table
    from tracking.bench.seeding_plots import plot_front, plot_lost, plot_time

    check("bench seeding", "events", options.events, options.events >= 1, "at least 1")
    folder = None if options.output is None else _folder(options.output)
    result = measure(
        options.files, options.pileup, options.events, options.threads, options.seed, options.levers, log
    )
    if folder is not None:
        plot_front(folder / "efficiency-reduction.png", result)
        plot_lost(folder / "lost-edges.png", result)
        if result["time_points"] is not None:
            plot_time(folder / "time.png", result)
        _write_json(folder / "bench-seeding.json", result)
    _print(options, result, seeding_table(result))


def _study_levers(options: argparse.Namespace) -> None:
    from tracking.bench.lever_plots import plot_levers, plot_targets
    from tracking.bench.levers import LEVERS, StudyOptions, lever_study

    set_threads(options.threads)
    levers = {
        "slices": ["which two slices", "number of slices"], "geometry": ["geometry", "thickness [um]"],
        "levers": list(LEVERS),
    }[options.study]  # fmt: skip
    folder = _folder(options.output)
    result = lever_study(levers, StudyOptions(options.clusters, options.epochs, dataset=options.dataset), log)
    plot_levers(folder / f"{options.study}.png", result)
    if options.study != "levers":
        plot_targets(
            folder / f"{options.study}-targets.png",
            result,
            levers[-1] if options.study == "slices" else levers[0],
        )
    _study_done(options, folder / f"{options.study}.json", result)


def _study_pull(options: argparse.Namespace) -> None:
    from smartpix.shipped import data_path
    from tracking.bench.lever_plots import plot_pulls
    from tracking.bench.levers import pull_study

    folder = _folder(options.output)
    result = pull_study(
        options.files or [data_path("sample.root")], ("mdn-barrel", "mdn-endcap"), "shape-50x12.5x100"
    )
    plot_pulls(folder / "residuals.png", result, pulls=False)
    plot_pulls(folder / "pulls.png", result, pulls=True)
    _study_done(options, folder / "pull.json", {k: v for k, v in result.items() if k != "arrays"})


def _study_angle_pt(options: argparse.Namespace) -> None:
    from tracking.bench.lever_plots import plot_angle_pt
    from tracking.bench.levers import angle_pt_study

    folder = _folder(options.output)
    result = angle_pt_study(options.variant, options.clusters)
    plot_angle_pt(folder / "angle-pt.png", result)
    _study_done(options, folder / "angle-pt.json", {k: v for k, v in result.items() if k != "arrays"})


def _study_front(options: argparse.Namespace) -> None:
    from tracking.bench.front import front_study, front_table
    from tracking.bench.front_plots import plot_front, plot_history, plot_weights

    folder = _folder(options.output)
    result = front_study(options.weights, options.base, options.clusters, log)
    _write_json(folder / "front.json", result)
    plot_front(folder / "front.png", result)
    for name, network in result["networks"].items():
        if network["method"] in ("bdmm", "mdmm"):
            plot_history(folder / f"history-{name}.png", result, name)
            plot_weights(folder / f"weights-{name}.png", result, (result["base"], name))
    _print(options, result, f"{front_table(result)}\nwritten to {folder}")


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); give another folder with -o") from error
    return path


def _write_json(path: Path, result: dict[str, Any]) -> None:
    from smartpix.files import replace_when_done

    with replace_when_done(path) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _study_done(options: argparse.Namespace, path: Path, result: dict[str, Any]) -> None:
    """Write a study's results and print them."""
    _write_json(path, result)
    if options.json:
        print_json(result)
        return
    if "levers" not in result:
        print_result(options, result)
    lines = []
    for lever, settings in result.get("levers", {}).items():
        lines.append(f"{lever:24s}   x [um]   y [um]  cot alpha  cot beta   cot alpha, |cot alpha| < 2")
        for label, r in settings.items():
            widths, central = r["half_width_68"], r["half_width_68_central"]
            lines.append(
                f"  {label:22s}{widths['x_um']:9.2f}{widths['y_um']:9.2f}{widths['cot_alpha']:11.3f}"
                f"{widths['cot_beta']:10.4f}{central['cot_alpha']:12.3f}"
            )
    show("\n".join([*lines, f"written to {path.parent}"]))


def _print(options: argparse.Namespace, result: dict[str, Any], text: str) -> None:
    """Results as JSON or as the text."""
    if options.json:
        print_json(result)
    else:
        show(text)
