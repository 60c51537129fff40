"""The flags that set up the chain, for every command that runs it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartpix.schema import ESTIMATES, InputError, quoted
from smartpix.text import parse_toml, read_toml
from tracking.cli.parser import named_path

if TYPE_CHECKING:
    from tracking.options import RunOptions

__all__ = ["chain_flags", "chain_options", "read_options", "set_option"]

HALF_POINT = re.compile(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""Numbers like .2 and 1., which Python reads and TOML does not."""


def chain_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--options``, ``--set``, ``--estimates`` and ``--link-bits``."""
    parser.add_argument(
        "--options",
        type=named_path,
        metavar="TOML",
        help="file of options, a section per stage; see docs/options.md",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one option, e.g. cone.quantile=0.99; wins over the file",
    )
    parser.add_argument("--estimates", choices=ESTIMATES, help="where positions and directions come from")
    parser.add_argument(
        "--link-bits",
        type=int,
        metavar="N",
        help="bits of each output that the chip sends, with quantised estimates",
    )


def chain_options(options: argparse.Namespace) -> RunOptions:
    """What the flags ask for.

    Raises:
        InputError: an unknown option or a value that cannot be.
    """
    values = read_options(options.options) if options.options else {}
    for assignment in options.set:
        set_option(values, assignment)
    if options.estimates:
        values["estimates"] = options.estimates
    if options.link_bits is not None:
        values["link_bits"] = options.link_bits
    # Takes seconds; what is no TOML is known before.
    from tracking.options import RunOptions, from_mapping

    made: RunOptions = from_mapping(RunOptions(), values, str(options.options or "options"))
    return made


def read_options(path: str | Path) -> dict[str, Any]:
    """The mapping in a TOML file of options.

    Raises:
        InputError: missing file or not TOML.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, and a file of options (TOML) is needed; give the file's name")
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path}: is a device or a pipe, and a file of options (TOML) is needed; write the options into "
            f"one"
        )
    if not path.exists():
        raise InputError(f"{path}: no such options file")
    try:
        return read_toml(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); change its permissions") from error
    except ValueError as error:
        raise InputError(f"{path}: not a TOML file ({error})") from error


def set_option(values: dict[str, Any], assignment: str) -> None:
    """Apply ``section.key=value`` (or ``key=value``) to a mapping, the value as TOML writes it.

    Raises:
        InputError: no ``=``, or a value that is not TOML.
    """
    key, equals, text = assignment.partition("=")
    if not equals:
        raise InputError(
            f"--set {quoted(assignment)}: write it as section.key=value, e.g. --set cone.quantile=0.99"
        )
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text.strip()
        # TOML wants digits on both sides of the point.
        if HALF_POINT.fullmatch(value):
            value = float(value)
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {quoted(assignment)}: {quoted(section)} is an option, not a section")
    values[last] = value
