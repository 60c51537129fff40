"""Results of ``smartpix bench`` and ``smartpix study``: as JSON or as a table, in files or on the screen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from smartpix.schema import InputError
from tracking.cli.output import finite, print_json
from tracking.cli.streams import show

__all__ = ["print_or_show", "result_folder", "write_json"]


def result_folder(path: Path) -> Path:
    """The folder for results, made if it is not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); give another folder with -o") from error
    return path


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write results, whole or not at all; numbers that are not finite, which JSON has not, are null."""
    from smartpix.files import replace_when_done

    with replace_when_done(path) as beside:
        beside.write_text(json.dumps(finite(result), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def print_or_show(options: argparse.Namespace, result: dict[str, Any], text: str) -> None:
    """Results as JSON or as the text."""
    if options.json:
        print_json(result)
    else:
        show(text)
