"""``smartpix convert``: files of others to event files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tracking.cli_output import json_flag, log, print_result

__all__ = ["add_convert"]


def add_convert(commands: Any) -> None:
    """Add ``convert`` to the commands."""
    convert = commands.add_parser("convert", help="other formats to event files", description=(
        "Convert TrackML events (CSV), ACTS events (CSV or ROOT) or an event file (to the other container), say what was found. "
        "Pixel hits alone are taken. Ids stay, so that `smartpix run --join` brings the results back onto the files."
    ))  # fmt: skip
    convert.add_argument("input", nargs="+", metavar="[FORMAT] INPUT", help=(
        "a folder or a zip archive of events, one event by the beginning of its tables' names, or a ROOT file; the format "
        "(trackml, acts-csv, acts-root, smartpix) is found out where it is not given"
    ))  # fmt: skip
    convert.add_argument("-o", "--output", type=Path, required=True, metavar="F.root")
    convert.add_argument("--detector", type=Path, metavar="FILE", help=(
        "module table (CSV); for ACTS also its geometric digitisation (JSON), which gives detectors.csv in the folder its pixels"
    ))  # fmt: skip
    convert.add_argument("--field", type=float, metavar="T", help="solenoid field; ACTS's files do not tell it (TrackML: 2 T)")
    convert.add_argument("--electrons", type=float, metavar="E", help=(
        "charge of a cell of value 1 (default: 73000, for values that are path lengths in mm; 1 for charges in e)"
    ))  # fmt: skip
    convert.add_argument("--format", choices=("ttree", "rntuple"), help=(
        "of the events in the file (default: ttree; of an event file the one that it has not)"
    ))  # fmt: skip
    json_flag(convert)
    convert.set_defaults(command_function=_convert)


def _convert(options: argparse.Namespace) -> None:
    from smartpix.convert import ConvertOptions, convert, detect
    from smartpix.schema import InputError

    if len(options.input) > 2:
        raise InputError(f"convert: give one input, or a format and an input; these are {len(options.input)}")
    *kind, path = options.input
    found = detect(path, kind[0] if kind else None)
    log(f"found {found}")
    how = ConvertOptions(options.detector, options.field, options.electrons, options.format)
    print_result(options, {"file": str(options.output), **convert(found, options.output, how)})
