"""Layouts of one's own from small TOML files."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartpix.layouts.make import Layout
from smartpix.schema import InputError, nearest, quoted
from smartpix.text import read_toml

__all__ = ["layout_of", "read_layout"]

MOST_LAYERS = 1000


def read_layout(path: str | Path) -> Layout:
    """Read a layout: ``[sensor]`` and ``[material]``, and a ``[[cylinder]]``, ``[[inclined]]``, ``[[disk]]``
    or ``[[plane]]`` for each of those, with the fields of these options (:mod:`smartpix.layouts.options`).

    Raises:
        InputError: no such file, no TOML, or as :func:`layout_of`.
    """
    try:
        values = read_toml(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: is no TOML ({error})") from error
    return layout_of(values, str(path))


def layout_of(values: Mapping[str, Any], where: str) -> Layout:
    """A layout from a mapping.

    Args:
        where: what errors call it.

    Raises:
        InputError: an unknown section or key, with the nearest there is; a value of another type or out of
            range.
    """
    kinds = typing.get_type_hints(Layout)
    _known(values, kinds, where, "section")
    made: dict[str, Any] = {}
    for name, value in values.items():
        if kinds[name] in (dict, list) or typing.get_origin(kinds[name]) is tuple:
            kind = typing.get_args(kinds[name])[0]
            if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
                raise InputError(f"{where}: '{name}' is a list of sections; write [[{name}]] above each")
            if len(value) > MOST_LAYERS:
                raise InputError(
                    f"{where}: has {len(value)} of [[{name}]]; at most {MOST_LAYERS} are expected"
                )
            made[name] = tuple(_options(kind, v, f"{where}: {name} {k + 1}") for k, v in enumerate(value))
        else:
            if not isinstance(value, Mapping):
                raise InputError(f"{where}: '{name}' is a section; write [{name}] and its options below it")
            made[name] = _options(kinds[name], value, f"{where}: {name}")
    return Layout(**made)


def _options(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    """An instance of a dataclass of options."""
    _known(values, [f.name for f in dataclasses.fields(kind)], where, "option")
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    hints = typing.get_type_hints(kind)
    for key, value in given.items():
        # One ring, one disk: a single number does for a list of one.
        if typing.get_origin(hints[key]) is tuple and not isinstance(value, tuple):
            given[key] = (value,)
    try:
        return kind(**given)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _known(values: Mapping[str, Any], names: Any, where: str, what: str) -> None:
    for key in values:
        if key not in names:
            raise InputError(
                f"{where}: unknown {what} {quoted(key)}.{nearest(key, names)} Known are {', '.join(names)}"
            )
