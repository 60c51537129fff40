"""How the main objects show themselves: one line in Python, a small table in a notebook, never their arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sized
from html import escape
from pathlib import PurePath
from typing import TypeVar

import numpy as np

__all__ = ["one_line_and_table"]

Shown = TypeVar("Shown")

LONGEST = 60
"""Characters of a value."""
FEW = 4
"""Values of a list that are shown themselves."""


def one_line_and_table(cls: type[Shown]) -> type[Shown]:
    """Give a dataclass a ``__repr__`` on one line and a ``_repr_html_``: shapes of arrays, lengths of lists.

    A dataclass prints every value of its fields, which are arrays of many thousand values here.
    """
    cls.__repr__ = _line  # type: ignore[method-assign]
    cls._repr_html_ = _table  # type: ignore[attr-defined]
    return cls


def _line(self: object) -> str:
    values = ", ".join(f"{name}={value}" for name, value in _facts(self).items())
    return f"{type(self).__name__}({values})"


def _table(self: object) -> str:
    rows = "".join(
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(value)}</td></tr>'
        for name, value in _facts(self).items()
    )
    return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


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
