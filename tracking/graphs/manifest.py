"""``graphs.json``: what a folder of graphs holds, of which files and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartpix.rules import fields, items, parse_checked, text, whole
from smartpix.schema import InputError
from smartpix.text import read_text
from tracking.graphs.options import FORMATS

__all__ = ["MANIFEST", "VERSION", "read_manifest"]

MANIFEST = "graphs.json"
VERSION = 1
FIX = "give a folder of `smartpix export graphs`, whose export has ended"
_MOST = 10**12
_RULE = fields(
    {
        "kind": text("smartpix graphs"), "version": whole(VERSION, VERSION), "format": text(*FORMATS),
        "naming": text(),
        "sources": items(fields({"file": text(), "first": whole(0, _MOST), "events": whole(0, _MOST)})),
        "graphs": items(fields({"file": text(), "event": whole(-_MOST, _MOST)}, more=True)),
        "provenance": fields({}, more=True),
    },
    more=True,
)  # fmt: skip


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a folder of graphs.

    Raises:
        InputError: there is none, or it is of another version or damaged.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(f"{path}: no such file; {FIX}")
    try:
        content = read_text(path)
    except ValueError as error:
        raise InputError(f"{path}: is no text ({error}); {FIX}") from error
    return dict(parse_checked(content, _RULE, path, FIX))
