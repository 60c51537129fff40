"""What the commands have in common: the flag ``--json``, results on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

__all__ = ["json_flag", "log", "print_result"]


def json_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")


def print_result(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """One JSON object, or aligned lines."""
    if options.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key:24s} {json.dumps(value) if isinstance(value, (dict, list)) else value}")


def log(line: str) -> None:
    """A line of progress, to stderr."""
    print(line, file=sys.stderr, flush=True)
