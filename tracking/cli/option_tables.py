"""What there is to set: every option with its default, unit, range and meaning, from the dataclasses."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smartpix.schema import ranges_of
from tracking.cli.flags import UNIT, documentation
from tracking.options import RunOptions

__all__ = ["Described", "command_options", "described", "sections"]


@dataclass(frozen=True)
class Described:
    """An option.

    Attributes:
        name: its full name, as ``--set`` takes it.
        default: its value.
        unit: empty where it has none, or its meaning does not say one.
        least, most: of its range; None where it has none.
        values: the words that it takes; empty where it takes others.
        meaning: of its dataclass's docstring, with its marks.
    """

    name: str
    default: Any
    unit: str
    least: float | None
    most: float | None
    values: tuple[str, ...]
    meaning: str

    @property
    def range(self) -> str:
        """The range and its unit, or the words, for readers; empty where there is none."""
        if self.least is not None:
            return f"{self.least:.10g} to {self.most:.10g} {self.unit}".rstrip()
        return "|".join(self.values)


def described(options: Any, above: str = "", inner: bool = False) -> Iterator[Described]:
    """The options of a dataclass, in their order; ``above``: their section, with its dot; ``inner``: also
    those of the sections in it.
    """
    said, ranges = documentation(type(options)), ranges_of(options)
    for option in dataclasses.fields(options):
        value, name = getattr(options, option.name), option.name
        if dataclasses.is_dataclass(value):
            if inner:
                yield from described(value, f"{above}{name}.", inner)
            continue
        least, most, unit = ranges.get(name, (None, None, ""))
        if not unit and least is None and (found := UNIT.search(said[name])):
            unit = found[1]
        values = tuple(option.metadata.get("values", ()))
        yield Described(above + name, value, unit, least, most, values, said[name])


def sections(options: Any) -> dict[str, Any]:
    """The sections of a dataclass by name."""
    values = ((option.name, getattr(options, option.name)) for option in dataclasses.fields(options))
    return {name: value for name, value in values if dataclasses.is_dataclass(value)}


def command_options(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Defaults of all options by the command whose ``--set`` reaches them; those of a run once, as
    ``run``.
    """
    from tracking.finders.trigger.options import TrainTriggerOptions

    found: dict[str, Any] = {}
    for command, below in _commands(parser):
        for action in below._actions:
            defaults = getattr(action, "defaults", None)
            if defaults is not None and not (isinstance(defaults, RunOptions) and "run" in found):
                found[command] = defaults
    return {**found, "train gnn --network interaction": TrainTriggerOptions()}


def _commands(
    parser: argparse.ArgumentParser, command: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield command, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _commands(below, f"{command} {name}".strip())
