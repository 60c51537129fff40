"""``smartpix run``: the whole chain on files."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, check
from tracking.cli.flags import Option, option_help
from tracking.cli.options import chain_flags, chain_options
from tracking.cli.output import json_flag, print_json
from tracking.cli.parser import named_path
from tracking.inputs import check_folder, check_one_usable, event_slice, expand
from tracking.options import EXTRA, RunOptions
from tracking.show.formats import figure_format_flag

__all__ = ["add_run"]


def add_run(commands: Any) -> None:
    """Add ``run`` to the commands."""
    run = commands.add_parser("run", help="clusters to tracks: the whole chain", description=(
        "Run the whole chain on event files; without files, on the embedded sample. Writes tracks.root, "
        "summary.json and figures."
    ))  # fmt: skip
    run.add_argument("files", nargs="*", type=named_path, metavar="FILE", help=(
        "event files (ROOT), or patterns in quotes ('pu200-*.root'); default: the embedded sample"
    ))  # fmt: skip
    run.add_argument(
        "-o",
        "--output",
        type=named_path,
        default=Path("smartpix-out"),
        help="folder for the results (default: %(default)s)",
    )
    chain_flags(run)
    run.add_argument(
        "--passes", action=Option, type=_with_commas, metavar="prompt[,displaced]",
        help=option_help(RunOptions(), "passes"),
    )  # fmt: skip
    run.add_argument(
        "--write", action=Option, repeated=True, choices=EXTRA,
        help=f"{option_help(RunOptions(), 'write')}; may be repeated",
    )  # fmt: skip
    run.add_argument("--join", type=named_path, metavar="ORIGINAL", help=(
        "what the files were converted from: also write track number and score for every hit of it, in its "
        "order"
    ))  # fmt: skip
    run.add_argument("--events", metavar="A:B", help=(
        "only these, counted from 0 over all files, as a slice of Python: 0:100, 100:, --events=-10: (default: all)"
    ))  # fmt: skip
    run.add_argument("--no-figures", action="store_true", help="write no figures")
    figure_format_flag(run)
    run.add_argument("--dask", metavar="ADDRESS|local", help=(
        "run on the workers of this dask scheduler (tcp://HOST:8786), or on processes of this machine; see "
        "docs/scaling.md"
    ))  # fmt: skip
    run.add_argument(
        "--workers", type=int, metavar="N", help="processes of --dask local (default: one per core)"
    )
    run.add_argument(
        "--events-per-unit", type=int, default=10, metavar="N",
        help="events that are run, sent and kept together (default: %(default)s)",
    )  # fmt: skip
    json_flag(run)
    run.set_defaults(command_function=_run)


def _with_commas(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _run(options: argparse.Namespace) -> None:
    from smartpix.shipped import data_path

    # What is known to be wrong is said before the seconds that the imports take.
    if options.workers is not None and options.dask != "local":
        raise InputError("--workers: are those of `--dask local`; leave it out, or add that")
    check("run", "events_per_unit", options.events_per_unit, options.events_per_unit >= 1, "at least 1")
    files = expand(options.files or [data_path("sample.root")])
    check_one_usable(files)
    check_folder(options.output)
    events = None if options.events is None else event_slice(options.events)
    run_options = chain_options(options)
    from tracking.cli.summary import print_summary
    from tracking.runs.driver import run
    from tracking.runs.workers import connect

    with connect(options.dask, options.workers) if options.dask else nullcontext() as client:
        summary = run(
            files, options.output, run_options, client, False if options.no_figures else options.figures, options.events_per_unit,
            options.join, events,
        )  # fmt: skip
    if options.json:
        print_json(summary)
    else:
        print_summary(summary, options.output)
    if failed := summary["failed"]:
        raise InputError(
            f"{len(failed)} of {len(failed) + len(summary['files'])} files are left out: "
            f"{', '.join(failed)}; the reasons are in "
            f"{options.output / 'summary.json'}. The same command does only these when they are repaired"
        )
