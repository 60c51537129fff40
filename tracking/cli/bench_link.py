"""``smartpix bench link``."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.cli.output import json_flag, log
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.cli.threads import set_threads
from tracking.show.formats import figure_format_flag

__all__ = ["add_bench_link"]


def add_bench_link(kinds: Any) -> None:
    """Add ``link`` to the benchmarks."""
    link = kinds.add_parser("link", help="what should leave the chip: bits of a cluster against tracks", description=(
        "Send the clusters of the same events as raw pixels, principal components, learned numbers, and as the estimates' "
        "own numbers: bits of a cluster and the link's rate, earth mover's distance of the charge, and what the chain makes "
        "of the decoded clusters. Simulates events of pile-up 200 unless a file is given."
    ))  # fmt: skip
    link.add_argument("file", nargs="?", type=named_path, metavar="FILE", help="simulated events")
    link.add_argument(
        "--tables", nargs="+", type=named_path, default=[], metavar="F", help=(
            "simulated events that tables of probabilities and principal components are taken from (default: two events "
            "are simulated)"
        ),
    )  # fmt: skip
    link.add_argument("--weights", nargs="*", metavar="W", help=(
        "of learned codes, by name or path (default: the shipped ones)"
    ))  # fmt: skip
    link.add_argument("--retrained", nargs=3, action="append", default=[], metavar=("CODE", "BARREL", "ENDCAP"), help=(
        "estimates that were trained on what a code brings (smartpix train mdn --code), by name or path, for one row more; "
        "as often as given, also for float (default: the shipped ones)"
    ))  # fmt: skip
    link.add_argument("--events", type=int, default=4, metavar="N", help="most to use (default: %(default)s)")
    link.add_argument(
        "--distances", type=int, default=300, metavar="N",
        help="clusters for the earth mover's distance (default: %(default)s)",
    )  # fmt: skip
    link.add_argument("--seed", type=int, default=642_001, help="of simulated events (default: %(default)s)")
    link.add_argument(
        "-o", "--output", type=named_path, metavar="FOLDER", help="write the figure and bench-link.json there"
    )
    figure_format_flag(link)
    json_flag(link)
    link.set_defaults(command_function=_bench_link)


def _bench_link(options: argparse.Namespace) -> None:
    from tracking.bench.link import LEARNED, bench_link, link_table
    from tracking.bench.link_plots import plot_link

    folder = None if options.output is None else result_folder(options.output)
    set_threads(1)
    learned = LEARNED if options.weights is None else options.weights
    result = bench_link(
        options.file, options.tables, learned, options.events, options.distances, options.seed, log,
        {code: (barrel, endcap) for code, barrel, endcap in options.retrained} or None,
    )  # fmt: skip
    if folder is not None:
        plot_link(folder / f"link.{options.figures}", result)
        write_json(folder / "bench-link.json", result)
    print_or_show(options, result, link_table(result))
