"""``smartpix display``: one event as a page for the browser."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.files import check_writable
from tracking.cli.options import chain_flags, chain_options
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path
from tracking.inputs import check_there

__all__ = ["add_display"]


def add_display(commands: Any) -> None:
    """Add ``display`` to the commands."""
    display = commands.add_parser("display", help="one event in three dimensions, as a page for the browser",
    description=(
        "Run the chain on one event and write a single HTML page, which needs no network: hits, layers, "
        "edges before and after, "
        "cones, tracks and vertices to turn about; a click on a hit shows its cluster, estimate, cone, edges "
        "and track."
    ))  # fmt: skip
    display.add_argument(
        "path",
        nargs="?",
        type=named_path,
        metavar="FILE",
        help="event file (ROOT); default: the embedded sample",
    )
    display.add_argument(
        "--event", type=int, metavar="N", help="number of the event (default: the file's first)"
    )
    display.add_argument(
        "-o", "--output", type=named_path, metavar="F.html", help="the page (default: event-N.html)"
    )
    display.add_argument(
        "--against", action="append", metavar="KEY=VALUE",
        help="show the same event with this option changed beside it, as --set names options; may be repeated",
    )  # fmt: skip
    chain_flags(display)
    json_flag(display)
    display.set_defaults(command_function=_display)


def _display(options: argparse.Namespace) -> None:
    from smartpix.shipped import data_path

    file, chosen = options.path or data_path("sample.root"), chain_options(options)
    check_there([file])
    if options.output and options.options:
        check_writable(options.output, [options.options])
    against, names = None, ("as asked", "")
    if options.against:
        against = chain_options(options, options.against)
        names = (names[0], f"with {', '.join(options.against)}")
    from tracking.show.display import display_event

    print_result(options, display_event(file, options.event, options.output, chosen, against, names))
