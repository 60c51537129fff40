"""``smartpix export graphs``: edges, features and labels of events, for graph networks of others."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any

from smartpix.schema import InputError
from tracking.cli.flags import option_flags
from tracking.cli.options import chain_flags, chain_options, option_values
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path
from tracking.graphs.options import GraphOptions
from tracking.inputs import check_folder, check_one_usable, expand
from tracking.options import from_mapping

__all__ = ["add_export_graphs"]

EXAMPLES = """\
examples:
  smartpix export graphs 'F*.root' -o graphs --format npz --jobs 2
  smartpix export graphs F.root -o graphs --naming acorn --events 0:100 --window
"""
SECTION = "graphs"
"""Where the flags of the graphs are kept, apart from the chain's options."""


def add_export_graphs(commands: Any) -> None:
    """Add ``export graphs`` to the commands."""
    graphs = commands.add_parser(
        "export graphs", help="events as graphs for networks of others", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write hits, edges of the cones and labels of each event as one file for graph networks of\n"
        "others: no network, no fit, no vertices. The same command goes on from where it was.",
    )  # fmt: skip
    graphs.add_argument(
        "files", nargs="+", type=named_path, metavar="FILE", help="event files (ROOT), or patterns in quotes"
    )
    graphs.add_argument(
        "-o", "--output", type=named_path, required=True, metavar="DIR", help="folder for the graphs"
    )
    option_flags(graphs, GraphOptions(), "format", "naming", "events", section=f"{SECTION}.")
    graphs.add_argument(
        "--window", action="store_true", help="the reference window's edges, not those of the cones"
    )
    chain_flags(graphs)
    graphs.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes on this machine (default: %(default)s)"
    )
    graphs.add_argument(
        "--dask", metavar="ADDRESS", help="on the workers of this dask scheduler instead (tcp://HOST:8786)"
    )
    json_flag(graphs)
    graphs.set_defaults(command_function=_export_graphs)


def _export_graphs(options: argparse.Namespace) -> None:
    if options.dask and options.jobs != 1:
        raise InputError(
            "--jobs: are processes of this machine, and --dask has workers; leave one of them out"
        )
    files = expand(options.files)
    check_one_usable(files)
    check_folder(options.output)
    flags = {n: v for n, v in getattr(options, "flag_values", {}).items() if n.startswith(f"{SECTION}.")}
    options.flag_values = {n: v for n, v in getattr(options, "flag_values", {}).items() if n not in flags}
    run = chain_options(options)
    graphs: GraphOptions = from_mapping(
        GraphOptions(), option_values(argparse.Namespace(flag_values=flags)).get(SECTION, {}), "export graphs"
    )
    from tracking.graphs.driver import export_graphs, with_window
    from tracking.runs.workers import connect

    if options.window:
        run = with_window(run)
    with connect(options.dask) if options.dask else nullcontext() as client:
        print_result(options, export_graphs(files, options.output, graphs, run, options.jobs, client))
