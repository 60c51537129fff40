"""Rules for what comes from outside as JSON, which name the key that breaks one.

A rule is a function of a value and its place (``"network.hidden"``); it raises
:class:`smartpix.schema.InputError` if the value is not what it must be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from smartpix.schema import InputError, nearest
from smartpix.text import parse_json

__all__ = [
    "Rule", "check_json", "entries", "fields", "flag", "items", "nullable", "optional", "parse_checked",
    "real", "text", "whole",
]  # fmt: skip

Rule = Callable[[Any, str], None]

LARGEST = 1e300
"""Numbers beyond are as good as infinite; Python's whole numbers can be larger than any float."""
SHOWN = 60
"""Characters of a wrong value that an error shows."""


def check_json(content: object, rule: Rule, file: object, fix: str) -> None:
    """Check the content of a file.

    Raises:
        InputError: names file and key, what was expected and found, and the fix.
    """
    try:
        rule(content, "")
    except InputError as error:
        raise InputError(f"{file}: {error}; {fix}") from error


def parse_checked(text: str | bytes, rule: Rule, file: object, fix: str) -> Any:
    """The content of JSON text that follows a rule.

    Raises:
        InputError: as :func:`check_json`, or it is no JSON.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"{file}: not readable as JSON ({error}); {fix}") from error
    check_json(content, rule, file, fix)
    return content


def _fail(where: str, expected: str, found: object) -> NoReturn:
    try:
        shown = "missing" if found is _MISSING else json.dumps(found)
    except (TypeError, ValueError, RecursionError):
        shown = type(found).__name__
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + " ..."
    place = f"'{where}'" if where else "the content"
    raise InputError(f"{place} must be {expected} and is {shown}")


_MISSING = object()


def optional(rule: Rule) -> Rule:
    """The key may be missing."""

    def check(value: Any, where: str) -> None:
        if value is not _MISSING:
            rule(value, where)

    return check


def nullable(rule: Rule) -> Rule:
    """The value may be null."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            rule(value, where)

    return check


def whole(low: int, high: int) -> Rule:
    """A whole number from ``low`` to ``high``."""

    def check(value: Any, where: str) -> None:
        # Python takes true for 1.
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _fail(where, f"a whole number from {low} to {high}", value)

    return check


def real(low: float = -LARGEST, high: float = LARGEST, above: float | None = None) -> Rule:
    """A finite number from ``low`` to ``high``, and larger than ``above``."""
    expected = "a finite number"
    if low > -LARGEST or high < LARGEST:
        expected += f" from {low:g} to {high:g}"
    if above is not None:
        expected += f" above {above:g}"

    def check(value: Any, where: str) -> None:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high or (above is not None and value <= above):
            _fail(where, expected, value)

    return check


def text(*allowed: str) -> Rule:
    """A text; one of ``allowed``, if there are any."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or (allowed and value not in allowed):
            _fail(where, f"one of {', '.join(allowed)}" if allowed else "a text", value)

    return check


def flag(value: Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _fail(where, "true or false", value)


def items(
    rule: Rule, low: int = 0, high: int | None = None, *, rising: bool = False, different: bool = False
) -> Rule:
    """A list of ``low`` to ``high`` items; ``rising``: each larger than the one before; ``different``: none
    twice.
    """
    numbers = (
        f" of {low}" if low == high else f" of at least {low}" if high is None else f" of {low} to {high}"
    )
    expected = "a list" if low == 0 and high is None else f"a list{numbers} items"

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or len(value) < low or (high is not None and len(value) > high):
            _fail(where, expected, value)
        for k, item in enumerate(value):
            rule(item, f"{where}[{k}]")
        if rising and any(a >= b for a, b in zip(value, value[1:], strict=False)):
            _fail(where, "a list of rising numbers", value)
        if different and len(set(value)) < len(value):
            _fail(where, "a list of different items", value)

    return check


def fields(rules: Mapping[str, Rule], more: bool = False) -> Rule:
    """An object with these keys, and others only if there may be ``more``."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            _fail(where, f"an object with {', '.join(rules)}" if rules else "an object", value)
        inner = f"{where}." if where else ""
        for name, rule in rules.items():
            rule(value.get(name, _MISSING), f"{inner}{name}")
        unknown = [] if more else sorted(set(value) - set(rules))
        if unknown:
            raise InputError(
                f"'{inner}{unknown[0]}' is unknown.{nearest(unknown[0], rules)} There are {', '.join(rules)}"
            )

    return check


def entries(names: Collection[str], rule: Rule) -> Rule:
    """An object with any of these keys, at least one, each following the rule."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or not value or not set(value) <= set(names):
            _fail(where, f"an object with any of {', '.join(names)}", value)
        for name, inner in value.items():
            rule(inner, f"{where}.{name}" if where else name)

    return check
