"""What the commands have in common: the flag ``--json``, results on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from smartpix.provenance import PACKAGES
from tracking.cli.streams import show, silence

__all__ = ["finite", "json_flag", "log", "logged", "print_json", "print_result"]

LONG, MOST_LINES = 40, 200
"""Of a list's values, and of all lines: more are not for reading on a screen."""


def json_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")


def print_result(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """One JSON object, or aligned lines, nested keys with dots; of long lists and, where there is much, of
    tables the length.
    """
    if options.json:
        print_json(result)
        return
    lines = list(_lines("", result, rows=True))
    if len(lines) > MOST_LINES:
        lines = list(_lines("", result, rows=False))
    width = max((len(key) for key, _ in lines), default=0)
    show("\n".join(f"{key:{width}s}  {value}" for key, value in lines))


def print_json(result: Mapping[str, Any]) -> None:
    """One JSON object on one line; numbers that are not finite, which JSON has not, are null."""
    show(json.dumps(finite(result), allow_nan=False))


def finite(value: Any) -> Any:
    """As JSON has it: tuples are lists, and numbers that are not finite null."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(above: str, value: Any, rows: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _lines(f"{above}.{key}" if above else str(key), inner, rows)
    elif isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value):
        if not rows:
            yield above, f"({len(value)} rows; --json prints them)"
            return
        for k, inner in enumerate(value):
            yield from _lines(f"{above}[{k}]", inner, rows)
    elif isinstance(value, list) and len(value) > LONG:
        yield above, f"({len(value)} values; --json prints them)"
    elif isinstance(value, float):
        yield above, f"{value:.6g}"
    else:
        yield above, value if isinstance(value, str) else json.dumps(value)


@contextmanager
def logged() -> Iterator[None]:
    """Show on stderr what the libraries log, from INFO on.

    Without it Python shows warnings and errors alone.
    """
    handler = _Lines()
    before = []
    # Loggers are named after modules, so that those of the packages are the parents of all of ours.
    for logger in map(logging.getLogger, PACKAGES):
        before.append((logger, logger.level))
        logger.addHandler(handler)
        # A level that the caller chose stays.
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in before:
            logger.removeHandler(handler)
            logger.setLevel(level)


class _Lines(logging.Handler):
    """One line a record, through :func:`log`: stderr may be closed, full, or exchanged since."""

    def emit(self, record: logging.LogRecord) -> None:
        # An error names what is left out by itself; a warning reads like any other line.
        mark = "warning: " if record.levelno == logging.WARNING else ""
        log(mark + self.format(record))


def log(line: str) -> None:
    """Write a line of a command's progress to stderr; where that cannot be written the work goes on
    without.
    """
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)
