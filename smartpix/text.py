"""Text files of this project and its users are UTF-8 on every machine, whatever the locale says.

A byte order mark in front, as editors on Windows write one, is no part of the text.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["parse_json", "parse_toml", "read_json", "read_text", "read_toml"]


def read_text(path: str | Path) -> str:
    """Text of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8.
    """
    return Path(path).read_text(encoding="utf-8-sig")


def read_json(path: str | Path) -> Any:
    """Value of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON in UTF-8.
    """
    return parse_json(read_text(path))


def parse_json(text: str | bytes) -> Any:
    """Value of JSON text.

    Raises:
        ValueError: it is no JSON in UTF-8, or nested too deeply for the parser.
    """
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_toml(path: str | Path) -> dict[str, Any]:
    """Table of a TOML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not TOML in UTF-8.
    """
    return parse_toml(read_text(path))


def parse_toml(text: str) -> dict[str, Any]:
    """Table of TOML text.

    Raises:
        ValueError: it is no TOML, or nested too deeply for the parser.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
