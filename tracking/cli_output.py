"""What the commands have in common: the flag ``--json``, results on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["json_flag", "log", "print_result"]


LONG = 40
"""More values than this are not for reading on a screen."""


def json_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")


def print_result(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """One JSON object, or aligned lines, nested keys with dots; of long lists the length alone."""
    if options.json:
        print(json.dumps(result))
        return
    lines = list(_lines("", result))
    width = max((len(key) for key, _ in lines), default=0)
    for key, value in lines:
        print(f"{key:{width}s}  {value}")


def _lines(above: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _lines(f"{above}.{key}" if above else str(key), inner)
    elif isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value):
        for k, inner in enumerate(value):
            yield from _lines(f"{above}[{k}]", inner)
    elif isinstance(value, list) and len(value) > LONG:
        yield above, f"({len(value)} values; --json prints them)"
    elif isinstance(value, float):
        yield above, f"{value:.6g}"
    else:
        yield above, value if isinstance(value, str) else json.dumps(value)


def log(line: str) -> None:
    """A line of progress, to stderr."""
    print(line, file=sys.stderr, flush=True)
