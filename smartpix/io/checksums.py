"""Checksums of our own files: CRC-32 (that of zlib) of every column, by which damage within a column is told.

Of event files the branch ``checksum`` holds one of each column and event, so that any range of events is
checked as it is read; the string ``checksums`` holds those of the ``metadata``, of the detector's columns,
and the number of events. Of cluster tables there is one for each column and row group. Files of others, and
older ones, have none.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.io.event_checks import Branch
from smartpix.rules import whole
from smartpix.schema import InputError

__all__ = [
    "ALGORITHM",
    "CRC",
    "DAMAGED",
    "check_events",
    "checksum",
    "event_checksums",
    "of_table",
]

ALGORITHM = "crc32"
CRC = whole(0, 2**32 - 1)
DAMAGED = "the file is damaged, copy or make it again"


def checksum(values: npt.NDArray[Any] | bytes) -> int:
    """Of bytes, or of values in their order."""
    return zlib.crc32(values if isinstance(values, bytes) else _bytes(values))


def _bytes(values: npt.NDArray[Any]) -> Any:
    """What the values are in memory, little-endian on every machine."""
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).view(np.uint8).data


def event_checksums(columns: Mapping[str, Branch]) -> npt.NDArray[np.uint32]:
    """(N, C) of C columns of N events."""
    return np.stack([_by_event(branch) for branch in columns.values()], axis=1)


def _by_event(branch: Branch) -> npt.NDArray[np.uint32]:
    content = _bytes(branch.numbers)
    bounds = (branch.numbers.itemsize * branch.starts).tolist()
    sums = [zlib.crc32(content[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    return np.array(sums, dtype=np.uint32)


def check_events(columns: Mapping[str, Branch], found: Branch, names: Sequence[str], where: str) -> None:
    """Check columns of N events, ``event`` among them, against the branch ``checksum``.

    Args:
        found: the branch; names: (C,) columns that its numbers of an event are of.

    Raises:
        InputError: a column is not what was written.
    """
    if not np.all(found.counts == len(names)):
        raise InputError(f"{where}: the branch 'checksum' must hold {len(names)} numbers an event; {DAMAGED}")
    if without := [name for name in columns if name not in names]:
        raise InputError(f"{where}: {without[0]} has no checksum, as the others have; {DAMAGED}")
    table = found.numbers.reshape(-1, len(names))
    wrong = event_checksums(columns) != table[:, [names.index(name) for name in columns]]
    if np.any(wrong):
        event, column = (int(k) for k in np.argwhere(wrong)[0])
        name, number = list(columns)[column], columns["event"].numbers[event]
        raise InputError(f"{where}: {name} of event {number} is not what was written (checksum); {DAMAGED}")


def of_table(columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, int]:
    """Checksums of the columns of a table."""
    return {name: checksum(values) for name, values in columns.items()}
