"""What an attempt of benchmarks/fuzz.py is, and when what was read is what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from fuzz_changes import (
    Random,
    bytes_changed,
)

__all__ = ["Attempt", "SilentError", "Target", "damage_file", "same", "unless_same"]

Attempt = Callable[[Random, Path], None]
"""Damage and read one input in an empty folder. Raises InputError where it is refused."""


class SilentError(Exception):
    """Damage went through: what was read is not what was written."""


@dataclass(frozen=True)
class Target:
    """Something that is read.

    Attributes:
        prepare: makes good files in a folder, checks that they are read, and gives the attempt.
        share: how many inputs it gets, relative to others.
    """

    prepare: Callable[[Path], Attempt]
    share: float = 1.0


def same(a: Any, b: Any) -> bool:
    """Whether two things read are the same: arrays by value and type, mappings by their items."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, ak.Array):
        return isinstance(b, ak.Array) and a.type == b.type and bool(ak.array_equal(a, b, equal_nan=True))
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or a != a)


def damage_file(path: Path, rng: Random) -> None:
    """Change a file's bytes."""
    path.write_bytes(bytes_changed(path.read_bytes(), rng))


def unless_same(good: Any, read: Callable[[], Any]) -> None:
    """Read; raises SilentError where something else than the good content comes."""
    if not same(good, read()):
        raise SilentError("accepted, with other content")
