"""How the main objects show themselves: a few lines in Python, a small table in a notebook, never their
arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sized
from html import escape
from pathlib import PurePath
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = ["Told", "span", "words_and_table"]

Shown = TypeVar("Shown")

LONGEST = 60
"""Characters of a value."""
FEW = 4
"""Values of a list that are shown themselves."""


@runtime_checkable
class Told(Protocol):
    """An object that says itself what it is, in place of its fields."""

    def in_words(self) -> Mapping[str, str]:
        """Up to five facts: counts, ranges, units. The first stands beside the name of the class."""
        ...

    def thumbnails(self) -> str:
        """Pictures of :mod:`smartpix.thumbnails`, one after the other."""
        ...


def words_and_table(cls: type[Shown]) -> type[Shown]:
    """Give a dataclass a ``__repr__`` of one to five lines, and a ``_repr_html_`` with the same facts.

    A dataclass prints every value of its fields, which are arrays of many thousand values here. Of classes
    that are not :class:`Told`, the facts are the fields: shapes of arrays, lengths of lists.
    """
    cls.__repr__ = _words  # type: ignore[method-assign]
    cls._repr_html_ = _table  # type: ignore[attr-defined]
    return cls


def span(values: npt.ArrayLike, unit: str = "") -> str:
    """Least and largest of the values that are finite, with their unit."""
    numbers = np.asarray(values)
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0:
        return "none"
    low, high = (f"{end:.4g}" for end in (finite.min(), finite.max()))
    return f"{low if low == high else f'{low} to {high}'} {unit}".rstrip()


def _words(self: object) -> str:
    name = type(self).__name__
    if not isinstance(self, Told):
        return f"{name}({', '.join(f'{key}={value}' for key, value in _facts(self).items())})"
    (_, first), *others = self.in_words().items()
    width = max((len(key) for key, _ in others), default=0)
    return "\n".join([f"{name}: {first}", *(f"  {key:{width}s}  {value}" for key, value in others)])


def _table(self: object) -> str:
    facts = self.in_words() if isinstance(self, Told) else _facts(self)
    rows = "".join(
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    pictures = f"<div>{self.thumbnails()}</div>" if isinstance(self, Told) else ""
    return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>{pictures}"


def _facts(self: object) -> dict[str, str]:
    """Its length, where it has one, and its fields."""
    facts = {"length": str(len(self))} if isinstance(self, Sized) else {}
    for field in dataclasses.fields(self):  # type: ignore[arg-type]
        if field.repr and not field.name.startswith("_"):
            facts[field.name] = _short(getattr(self, field.name))
    return facts


def _short(value: object) -> str:
    """A value in a few words."""
    if isinstance(value, np.ndarray):
        return f"{' x '.join(map(str, value.shape))} {value.dtype}" if value.ndim else str(value)
    if isinstance(value, (str, PurePath)):
        text = str(value)
    elif value is None or isinstance(value, (bool, int, float, np.generic)):
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    elif isinstance(value, (list, tuple)) and len(value) <= FEW:
        text = f"({', '.join(map(_short, value))})"
    else:
        # Objects within have lines and tables of their own.
        text = type(value).__name__
        if isinstance(value, Sized):
            text += f" of {len(value)}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
