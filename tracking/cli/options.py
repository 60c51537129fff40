"""The flags that set up the chain, for every command that runs it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, quoted
from smartpix.text import parse_toml, read_toml
from tracking.cli.flags import option_flags
from tracking.cli.parser import named_path
from tracking.options import RunOptions, from_mapping, full_names

__all__ = ["chain_flags", "chain_options", "option_values", "read_options", "set_flag", "set_option"]

HALF_POINT = re.compile(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""Numbers like .2 and 1., which Python reads and TOML does not."""


def set_flag(parser: argparse.ArgumentParser, defaults: Any, example: str) -> None:
    """Add ``--set`` for the options of a dataclass."""
    flag: Any = parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=(
        f"any option, e.g. {example}; `smartpix options` lists them. A flag and --set for the same option "
        "are an error"
    ))  # fmt: skip
    # For `smartpix options`, which lists them, and for shells, which complete them.
    flag.defaults = defaults
    flag.values = tuple(f"{name}=" for name in full_names(defaults))


def chain_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--options``, ``--set``, ``--estimates`` and ``--link-bits``."""
    parser.add_argument(
        "--options",
        type=named_path,
        metavar="TOML",
        help="file of options, a section for each stage; --set and flags win over it",
    )
    set_flag(parser, RunOptions(), "cone.quantile=0.99")
    option_flags(parser, RunOptions(), "estimates", "link_bits")


def chain_options(options: argparse.Namespace, over: Sequence[str] = ()) -> RunOptions:
    """What a file of options, ``--set`` and the flags ask for.

    Args:
        over: assignments like those of ``--set`` that win over all of them.

    Raises:
        InputError: an unknown option, a value that cannot be, or an option given in two ways.
    """
    values = option_values(options, read_options(options.options) if options.options else {})
    for assignment in over:
        set_option(values, assignment)
    made: RunOptions = from_mapping(RunOptions(), values, str(options.options or "options"))
    return made


def option_values(options: argparse.Namespace, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Values of options by section: those of a file, and over them those of ``--set`` and the flags.

    Neither ``--set`` nor a flag wins over the other: which one was meant cannot be known.

    Raises:
        InputError: a flag and ``--set`` give the same option.
    """
    values = {} if values is None else values
    flag_values: dict[str, tuple[str, Any]] = getattr(options, "flag_values", {})
    for assignment in getattr(options, "set", []):
        name = set_option(values, assignment)
        for option, (flag, _) in flag_values.items():
            if f"{option}.".startswith(f"{name}."):
                raise InputError(
                    f"--set {quoted(assignment)} and {flag} both set {option}; leave one of them out"
                )
    for option, (_, value) in flag_values.items():
        _put(values, option, value, option)
    return values


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


def set_option(values: dict[str, Any], assignment: str) -> str:
    """Apply ``section.key=value`` (or ``key=value``) to a mapping, the value as TOML writes it.

    Returns:
        The option's full name.

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
    name = key.strip()
    _put(values, name, value, f"--set {quoted(assignment)}")
    return name


def _put(values: dict[str, Any], name: str, value: object, where: str) -> None:
    """Put a value into the section that an option's full name says."""
    *sections, last = name.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"{where}: {quoted(section)} is an option, not a section")
    values[last] = value
