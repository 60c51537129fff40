"""The flags that set up the chain, for every command that runs it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smartpix.schema import ESTIMATES

if TYPE_CHECKING:
    from tracking.options import RunOptions

__all__ = ["chain_flags", "chain_options"]


def chain_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--options``, ``--set``, ``--estimates`` and ``--link-bits``."""
    parser.add_argument("--options", type=Path, metavar="TOML", help="file of options, a section per stage; see docs/options.md")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one option, e.g. cone.quantile=0.99; wins over the file"
    )
    parser.add_argument("--estimates", choices=ESTIMATES, help="where positions and directions come from")
    parser.add_argument(
        "--link-bits", type=int, metavar="N", help="bits of each output that the chip sends, with quantised estimates"
    )


def chain_options(options: argparse.Namespace) -> RunOptions:
    """What the flags ask for.

    Raises:
        InputError: an unknown option or a value that cannot be.
    """
    from tracking.options import RunOptions, from_mapping, read_options, set_option

    values = read_options(options.options) if options.options else {}
    for assignment in options.set:
        set_option(values, assignment)
    if options.estimates:
        values["estimates"] = options.estimates
    if options.link_bits is not None:
        values["link_bits"] = options.link_bits
    made: RunOptions = from_mapping(RunOptions(), values, str(options.options or "options"))
    return made
