"""Flags made from dataclasses of options, which alone say their names, types, defaults and meaning."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import typing
from collections.abc import Mapping
from typing import Any

__all__ = ["Option", "documentation", "marked", "option_flags", "option_help", "plain", "shown"]

ATTRIBUTE = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", re.MULTILINE)
ROLE = re.compile(r":\w+:`(?:[\w.]*\.)?(\w+)`|``([^`]+)``")
"""A name or words that are marked in a docstring."""
BRACKETS = re.compile(r" \(:\w+:`[^`]*`\)")
UNIT = re.compile(r"\bin (GeV|mm|ns|T|V|K|e)\b")
LONG = 6
"""Values of a default that are shown in full."""


class Option(argparse.Action):
    """Keep an option's value and the flag that gave it, by full name, in ``namespace.flag_values``.

    What was not given is not there, so that a value of an options' file or of ``--set`` shows.
    """

    def __init__(self, repeated: bool = False, **settings: Any) -> None:
        super().__init__(**settings, default=argparse.SUPPRESS)
        self.repeated = repeated

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, flag: Any = None
    ) -> None:
        """Keep the value; of a flag that may be repeated, with those before."""
        flag_values: Mapping[str, tuple[str, Any]] = getattr(namespace, "flag_values", {})
        if self.nargs == 0:
            values = True
        elif self.repeated:
            values = (*flag_values.get(self.dest, ("", ()))[1], values)
        elif isinstance(values, list):
            values = tuple(values)
        namespace.flag_values = {**flag_values, self.dest: (flag, values)}


def option_flags(
    parser: Any, defaults: Any, *names: str, section: str = "", required: bool = False, **spelled: str
) -> None:
    """Add flags for options of a dataclass.

    Args:
        parser: a parser, or a group of one.
        defaults: an instance; its values are the defaults that the help shows.
        names: of the options; the flag of ``batch_size`` is ``--batch-size``.
        section: full name of ``defaults`` within the command's options, with its dot.
        required: they must be given.
        spelled: flags by option, where they are called otherwise.
    """
    types = typing.get_type_hints(type(defaults))
    values = {option.name: option.metadata.get("values", ()) for option in dataclasses.fields(defaults)}
    flags = {name: f"--{name.replace('_', '-')}" for name in names} | spelled
    for name, flag in flags.items():
        text = option_help(defaults, name)
        settings: dict[str, Any] = {"dest": section + name, "help": text.replace("%", "%%")}
        kind, inner = types[name], typing.get_args(types[name])
        if kind is bool:
            settings["nargs"] = 0
        elif inner and inner[-1] is Ellipsis:
            settings |= {"type": inner[0], "nargs": "*", "metavar": _metavar(inner[0], text)}
        elif inner:
            ends = ("LOW", "HIGH") if inner[0] is float else ("N",) * len(inner)
            settings |= {"type": inner[0], "nargs": len(inner), "metavar": ends}
        else:
            settings |= {"type": kind, "metavar": "|".join(values[name]) or _metavar(kind, text)}
        if required:
            settings["required"] = True
        parser.add_argument(flag, action=Option, **settings).values = values[name]


def option_help(defaults: Any, name: str) -> str:
    """What an option means, and its default."""
    text = plain(documentation(type(defaults))[name])
    default = shown(getattr(defaults, name))
    return f"{text} (default: {default})" if default else text


def documentation(options: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of those it extends say of each option, on one line and without
    its last full stop.
    """
    said: dict[str, str] = {}
    for kind in filter(dataclasses.is_dataclass, reversed(options.__mro__)):
        _, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
        for names, text in ATTRIBUTE.findall(attributes):
            said |= dict.fromkeys(names.split(", "), " ".join(text.split()).removesuffix("."))
    return said


def plain(text: str) -> str:
    """A text without the marks of docstrings, and without what they say in brackets: where code is."""
    return ROLE.sub(lambda found: found[1] or found[2], BRACKETS.sub("", text))


def marked(text: str) -> str:
    """A text with the marks of Markdown instead of those of docstrings."""
    return ROLE.sub(lambda found: f"`{found[1] or found[2]}`", BRACKETS.sub("", text))


def shown(value: object) -> str:
    """A default for readers; "" for switches and for what is empty."""
    if isinstance(value, bool) or value in ("", ()):
        return ""
    if isinstance(value, tuple):
        texts = [shown(v) for v in value]
        return " ".join(texts if len(texts) <= LONG else [*texts[:2], "...", texts[-1]])
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metavar(kind: type, text: str) -> str:
    """Placeholder of a value: its unit where the text says one."""
    if kind is str:
        return "WEIGHTS" if "weights" in text and "name" in text else "NAME"
    unit = UNIT.search(text)
    return "N" if kind is int else unit[1] if unit else "X"
