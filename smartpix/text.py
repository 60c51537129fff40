"""Text files of this project and its users are UTF-8 on every machine, whatever the locale says.

A byte order mark in front, as editors on Windows write one, is no part of the text.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["parse_json", "parse_toml", "read_json", "read_text", "read_toml"]

DEEPEST = 100
"""Levels of lists, objects and dotted keys inside one another."""
LARGEST_TOML = 100_000
"""Characters of a file of options, far above any."""
MOST_DIGITS = 100
"""Of a whole number; none here has more than 20."""
SAID = re.compile(r'"(?:\\.|[^"\\\n])*+"?|\'[^\'\n]*+\'?|#[^\n]*')
"""Strings and comments of TOML, whose dots and digits are no keys and no numbers."""


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
        ValueError: it is no JSON in UTF-8, nested too deeply, or has a key twice or a number that no field
            can hold.
    """
    text = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _too_deep(content):
        raise ValueError("it is nested too deeply")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"'{name}' is there twice")
        content[name] = value
    return content


def _integer(digits: str) -> int:
    """A whole number; Python's own limit is told in terms of its settings."""
    _check_digits(digits.removeprefix("-"))
    return int(digits)


def _check_digits(digits: str) -> None:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits, at most {MOST_DIGITS} are expected")


def _too_deep(content: Any) -> bool:
    """Not by recursion: that is what fails, here or where the content is used."""
    level = [content]
    for _ in range(DEEPEST):
        inner = [value for value in level if isinstance(value, (dict, list))]
        level = [
            value
            for container in inner
            for value in (container.values() if isinstance(container, dict) else container)
        ]
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
        ValueError: it is no TOML, too long, nested too deeply, or has a number that no option can hold.
    """
    if len(text) > LARGEST_TOML:
        raise ValueError(f"it has {len(text)} characters, at most {LARGEST_TOML} are expected of options")
    bare = SAID.sub("_", text)
    # Python's parser takes time with the square of a key's dots. Numbers in a list have commas between them.
    if any(part.count(".") >= DEEPEST for part in re.split(r"[][{},=\n]", bare)):
        raise ValueError("it is nested too deeply")
    for digits in re.findall(r"[0-9A-Fa-f_]+", bare):
        _check_digits(digits)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
