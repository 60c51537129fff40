"""``smartpix bench``."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import check
from tracking.cli.bench_helix import add_bench_helix
from tracking.cli.bench_link import add_bench_link
from tracking.cli.bench_trigger import add_bench_trigger
from tracking.cli.output import json_flag, log
from tracking.cli.parser import named_path, subcommands
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.cli.threads import set_threads
from tracking.cli.train_flags import sensor_flag
from tracking.finder_table import FINDERS
from tracking.show.formats import figure_format_flag

__all__ = ["add_bench"]


def add_bench(commands: Any) -> None:
    """Add ``bench`` to the commands."""
    bench = commands.add_parser("bench", help="measure quality and speed")
    kinds = subcommands(bench, "what", "WHAT")
    _add_mdn(kinds)
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
    _generic_flag(seeding)
    figure_format_flag(seeding)
    json_flag(seeding)
    seeding.set_defaults(command_function=_bench_seeding)
    tracks = kinds.add_parser("tracking",
    help="tracks beside ACTS's, and beside those of the window's graph", description=(
        "The chain and ACTS's (seeding, parameters, combinatorial Kalman filter, ambiguity resolution), "
        "each at three working points, on the same hits, "
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
    tracks.add_argument(
        "--no-displaced", action="store_true", help="without the displaced pions over pile-up 200"
    )
    tracks.add_argument("--finders", type=_names, default=[], metavar="A,B", help=(
        f"measure these beside each other instead: of {', '.join(FINDERS)}, and those of other packages"
    ))  # fmt: skip
    tracks.add_argument("--seed", type=int, default=8001, help="of the events (default: %(default)s)")
    tracks.add_argument(
        "--acts-front", type=named_path, metavar="acts-front.json",
        help="of benchmarks/tune_acts.py: its settings too are beside ours when times are matched",
    )  # fmt: skip
    _generic_flag(tracks)
    json_flag(tracks)
    tracks.set_defaults(command_function=_bench_tracking)
    _add_scaling(kinds)
    _add_dense(kinds)
    add_bench_link(kinds)
    add_bench_trigger(kinds)
    add_bench_helix(kinds)


def _add_mdn(kinds: Any) -> None:
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


def _add_dense(kinds: Any) -> None:
    dense = kinds.add_parser("dense", help="finders where clusters merge: jets, their cores, and pile-up 200",
    description=(
        "The chain without and with splitting of merged clusters, DeepCore's seeds and ACTS on the same events, in turn "
        "in one process: efficiency against what surrounds a particle, fakes, duplicates, time, resolutions in the cores "
        "of jets, and residuals of each particle of a merged cluster. Whatever the samples, the networks of counting, "
        "positions and end-caps are measured too, on crossings of their own. Simulates its events. Needs smartpix[acts]."
    ))  # fmt: skip
    dense.add_argument(
        "--events", type=int, default=8, metavar="N",
        help="of each sample with jets, and half as many of pile-up 200 (default: %(default)s)",
    )  # fmt: skip
    dense.add_argument("--samples", type=_names, default=[], metavar="A,B", help=(
        "of jets, cores and pileup-200 (default: all)"
    ))  # fmt: skip
    dense.add_argument(
        "--finders", type=_names, default=[], metavar="A,B", help=(
            "of ours, ours-split, kmeans, deepcore, acts, acts-gbts, acts-loose, acts-dense, acts-dense-loose and "
            "acts-split (default: all)"
        ),
    )  # fmt: skip
    dense.add_argument("--seed", type=int, default=52101, help="of the events (default: %(default)s)")
    dense.add_argument(
        "-o", "--output", type=named_path, metavar="FOLDER", help="write figures and bench-dense.json there"
    )
    figure_format_flag(dense)
    json_flag(dense)
    dense.set_defaults(command_function=_bench_dense)


def _add_scaling(kinds: Any) -> None:
    scaling = kinds.add_parser("scaling", help="time and memory of every stage against hits, threads, events",
    description=(
        "The chain on events of many sizes: time and memory of each stage with the fitted power of the number of hits, "
        "several threads and processes beside one, and the memory of one process over many events. "
        "Simulates its events. Needs smartpix[acts]."
    ))  # fmt: skip
    scaling.add_argument(
        "--pileup", type=_numbers, default=[20, 60, 140, 200, 300, 400], metavar="20,60,...",
        help="of the events, two or more; that nearest to 200 has the threads, the processes and the memory",
    )  # fmt: skip
    scaling.add_argument(
        "--gun", type=_numbers, default=[1000, 5000, 10_000, 20_000], metavar="N,M,...",
        help="pions of events without collisions (default: 1000,5000,10000,20000)",
    )  # fmt: skip
    scaling.add_argument(
        "--events", type=int, default=3, metavar="N", help="of each kind (default: %(default)s)"
    )
    scaling.add_argument("--seed", type=int, default=9001, help="of the events (default: %(default)s)")
    scaling.add_argument(
        "--threads", type=int, default=2, metavar="N", help="beside one (default: %(default)s)"
    )
    scaling.add_argument(
        "--processes", type=int, default=2, metavar="N", help="beside one (default: %(default)s)"
    )
    scaling.add_argument(
        "--memory-events", type=int, default=1000, metavar="N",
        help="events in one process, whose memory is read; 0: none (default: %(default)s)",
    )  # fmt: skip
    scaling.add_argument(
        "-o", "--output", type=named_path, metavar="FOLDER",
        help="write the figure and bench-scaling.json there",
    )  # fmt: skip
    figure_format_flag(scaling)
    json_flag(scaling)
    scaling.set_defaults(command_function=_bench_scaling)


def _generic_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--generic", action="store_true",
        help="measure ours also as compiled for any processor, as pyacts is (compiles for minutes)",
    )  # fmt: skip


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
    print_or_show(options, result, mdn_table(result))


def _bench_export(options: argparse.Namespace) -> None:
    from tracking.bench.export import bench_export, export_table

    result = bench_export(options.networks, options.clusters, clock_ns=options.clock, report=log)
    print_or_show(options, result, export_table(result))


def _bench_tracking(options: argparse.Namespace) -> None:
    from tracking.bench.tracks import bench_tracking, table

    set_threads(1)
    result = bench_tracking(
        options.pileup, options.events, options.seed, not options.no_jets, not options.no_displaced, log, options.finders,
        options.acts_front, options.generic,
    )  # fmt: skip
    print_or_show(options, result, table(result))


def _bench_seeding(options: argparse.Namespace) -> None:
    from tracking.bench.seeding import measure
    from tracking.bench.seeding_plots import plot_front, plot_lost, plot_time
    from tracking.bench.seeding_table import seeding_table

    check("bench seeding", "events", options.events, options.events >= 1, "at least 1")
    folder = None if options.output is None else result_folder(options.output)
    result = measure(
        options.files, options.pileup, options.events, options.threads, options.seed, options.levers, log,
        options.generic,
    )  # fmt: skip
    if folder is not None:
        plot_front(folder / f"efficiency-reduction.{options.figures}", result)
        plot_lost(folder / f"lost-edges.{options.figures}", result)
        if result["time_points"] is not None:
            plot_time(folder / f"time.{options.figures}", result)
        write_json(folder / "bench-seeding.json", result)
    print_or_show(options, result, seeding_table(result))


def _bench_scaling(options: argparse.Namespace) -> None:
    from tracking.bench.scaling import ScalingOptions, bench_scaling
    from tracking.bench.scaling_table import plot_scaling, scaling_table

    chosen = ScalingOptions(
        tuple(options.pileup), tuple(options.gun), options.events, options.seed, options.threads,
        options.processes, options.memory_events,
    )  # fmt: skip
    folder = None if options.output is None else result_folder(options.output)
    set_threads(1)
    result = bench_scaling(chosen, log)
    if folder is not None:
        plot_scaling(folder / f"scaling.{options.figures}", result)
        write_json(folder / "bench-scaling.json", result)
    print_or_show(options, result, scaling_table(result))


def _bench_dense(options: argparse.Namespace) -> None:
    from tracking.bench.dense import bench_dense
    from tracking.bench.dense_plots import plot_dense
    from tracking.bench.dense_table import dense_table
    from tracking.bench.events import SAMPLES

    folder = None if options.output is None else result_folder(options.output)
    set_threads(1)
    result = bench_dense(options.events, options.seed, options.samples or list(SAMPLES), options.finders, log)
    arrays = result.pop("arrays")
    if folder is not None:
        plot_dense(folder, result, arrays, options.figures)
        write_json(folder / "bench-dense.json", result)
    print_or_show(options, result, dense_table(result))


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
