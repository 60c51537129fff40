"""``smartpix bench trigger``: the interaction network on sectors, its logic, and its tracks."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.cli.output import json_flag, log
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.cli.threads import set_threads
from tracking.show.formats import figure_format_flag

__all__ = ["add_bench_trigger"]


def add_bench_trigger(kinds: Any) -> None:
    """Add ``trigger`` to the benchmarks."""
    trigger = kinds.add_parser("trigger", help="the interaction network on sectors, its logic, and its tracks",
    description=(
        "Sectors of the cone's graph at pile-up 200: how many, how full, what is cut; the network's scores in floating "
        "point and in whole numbers; its Verilog simulated and measured; tracks of its scores beside the chain's. "
        "Simulates its events unless a file is given, which needs smartpix[acts]."
    ))  # fmt: skip
    trigger.add_argument("file", nargs="?", type=named_path, metavar="FILE", help="simulated events")
    trigger.add_argument("--weights", default="trigger-fixed", metavar="W", help=(
        "of the network in whole numbers (default: %(default)s)"
    ))  # fmt: skip
    trigger.add_argument("--float-weights", default="trigger", metavar="W", help=(
        "of that in floating point, trained alike (default: %(default)s)"
    ))  # fmt: skip
    trigger.add_argument(
        "--events", type=int, default=4, metavar="N", help="most to use (default: %(default)s)"
    )
    trigger.add_argument(
        "--seed", type=int, default=642_001, help="of simulated events (default: %(default)s)"
    )
    trigger.add_argument("--no-logic", action="store_true", help="without the Verilog")
    trigger.add_argument("--interval", type=int, default=1, metavar="CYCLES", help=(
        "between two sectors in logic (default: %(default)s)"
    ))  # fmt: skip
    trigger.add_argument("--sectors", type=int, default=2000, metavar="N", help=(
        "that the Verilog is simulated on (default: %(default)s)"
    ))  # fmt: skip
    trigger.add_argument(
        "-o",
        "--output",
        type=named_path,
        metavar="FOLDER",
        help="write the figure and bench-trigger.json there",
    )
    figure_format_flag(trigger)
    json_flag(trigger)
    trigger.set_defaults(command_function=_bench_trigger)


def _bench_trigger(options: argparse.Namespace) -> None:
    from tracking.bench.trigger import BenchTriggerOptions, bench_trigger, trigger_table

    chosen = BenchTriggerOptions(
        options.weights, options.float_weights, options.events, options.seed, not options.no_logic,
        options.sectors, options.interval,
    )  # fmt: skip
    folder = None if options.output is None else result_folder(options.output)
    set_threads(1)
    result = bench_trigger(options.file, chosen, log)
    if folder is not None:
        from tracking.bench.trigger_plots import plot_sectors

        plot_sectors(folder / f"trigger-sectors.{options.figures}", result)
        write_json(folder / "bench-trigger.json", result)
    print_or_show(options, result, trigger_table(result))
