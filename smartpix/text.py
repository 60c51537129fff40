"""Text files of this project and its users are UTF-8 on every machine, whatever the locale says.

A byte order mark in front, as editors on Windows write one, is no part of the text.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["parse_json", "parse_toml", "read_json", "read_text", "read_toml"]

DEEPEST = 100
"""Levels of lists and objects inside one another."""


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
        ValueError: it is no JSON in UTF-8, nested too deeply, or has a key twice.
    """
    text = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _too_deep(content):
        raise ValueError("it is nested too deeply")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return content


def _too_deep(content: Any) -> bool:
    """Not by recursion: that is what fails, here or where the content is used."""
    level = [content]
    for _ in range(DEEPEST):
        inner = [value for value in level if isinstance(value, (dict, list))]
        level = [value for some in inner for value in (some.values() if isinstance(some, dict) else some)]
    return any(isinstance(value, (dict, list)) for value in level)


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
