"""Event files in ROOT: layout and reading. Only the modules of this room touch uproot.

One tree ``events``, one entry per event, flat jagged branches ``cluster_*``, ``pixel_*``, ``truth_*``,
``particle_*``; a tree ``detector`` with one entry per module; a string ``metadata`` (JSON: format version,
field, slices, how it was made); checksums of all these (:mod:`smartpix.io.checksums`).
Branch by branch: docs/formats.md, from the tables in :mod:`smartpix.schema`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.files import as_paths
from smartpix.io import checksums
from smartpix.io.event_checks import Branch, branch_types, check_events, typed_branches
from smartpix.io.event_header import FORMAT_VERSION, TREE, EventFile, Header, check_header
from smartpix.io.root_files import read_entries, reading, root_file
from smartpix.schema import InputError

__all__ = [
    "FORMAT_VERSION",
    "EventFile",
    "EventReader",
    "Header",
    "event_numbers",
    "iterate",
    "open_events",
    "read_events",
    "reading_events",
]


def open_events(path: str | Path) -> EventFile:
    """Open a file and check it: trees, branches, version.

    Raises:
        InputError: the file is missing, damaged, of another layout or another version.
    """
    with reading_events(path) as reader:
        return reader.file


@dataclass(frozen=True)
class EventReader:
    """The events of a file that stays open, so that it is opened and checked once however often it is read.

    Attributes:
        file: what the file says about itself.
    """

    file: EventFile
    _tree: Any

    def numbers(self) -> npt.NDArray[np.int64]:
        """(N,) the events' numbers in the order of the file."""
        stop = self.file.n_events
        return _checked_branches(self.file, self._tree, {"event": "i8"}, 0, stop)["event"].numbers

    def events(self, step: int = 10, start: int = 0, stop: int | None = None) -> Iterator[ak.Array]:
        """Entries ``start`` to ``stop``, at most ``step`` at a time, as :func:`iterate` yields them."""
        last = self.file.n_events if stop is None else min(stop, self.file.n_events)
        for low in range(start, last, step):
            yield _read(self.file, self._tree, low, min(low + step, last))


@contextmanager
def reading_events(path: str | Path) -> Iterator[EventReader]:
    """Open a file, check it as :func:`open_events` does, and keep it open for reading.

    Raises:
        InputError: as :func:`open_events`.
    """
    path = Path(path)
    with root_file(path) as file:
        yield EventReader(check_header(path, file), file[TREE])


def event_numbers(path: str | Path) -> npt.NDArray[np.int64]:
    """(N,) the events' numbers in the order of the file.

    Raises:
        InputError: as :func:`open_events`.
    """
    with reading_events(path) as reader:
        return reader.numbers()


def iterate(
    files: str | Path | Sequence[str | Path],
    step: int = 10,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[EventFile, ak.Array]]:
    """Stream events from one or several files.

    Args:
        files: path or paths.
        step: events read at a time (bounds the memory).
        start, stop: range of entries over all files together, as in a slice.

    Yields:
        The file and an array of at most ``step`` of its events; the record has ``event``, ``clusters`` (with
        nested ``pixels`` and, where there is truth, ``truth``) and, where there are, ``particles``.

    Raises:
        InputError: as :func:`open_events`, for columns that are not what was written, and for what
            :func:`smartpix.io.event_checks.check_events` refuses.
    """
    if step < 1 or start < 0:
        raise InputError(
            f"iterate: step must be at least 1 and start at least 0; they are {step} and {start}"
        )
    seen = 0
    for path in as_paths(files):
        with reading_events(path) as reader:
            last = None if stop is None else max(stop - seen, 0)
            for events in reader.events(step, max(start - seen, 0), last):
                yield reader.file, events
            seen += reader.file.n_events


def read_events(
    files: str | Path | Sequence[str | Path], start: int = 0, stop: int | None = None
) -> Iterator[ak.Record]:
    """Events of one or several files, one after the other; :func:`iterate` says which file each is of.

    Args:
        start, stop: range of entries over all files together, as in a slice.

    Yields:
        Records with ``event``, ``clusters`` and, where there are, ``particles``.

    Raises:
        InputError: as :func:`iterate`.
    """
    for _, events in iterate(files, 10, start, stop):
        yield from events


def _read(opened: EventFile, tree: Any, low: int, high: int) -> ak.Array:
    header = opened.header
    types = branch_types(header.slices, opened.has_truth, opened.has_particles, header.has_times)
    flat = _checked_branches(opened, tree, types, low, high)
    check_events(flat, opened.header.detector, str(opened.path))
    return _nest(opened, flat)


def _checked_branches(
    opened: EventFile, tree: Any, types: Mapping[str, str], low: int, high: int
) -> dict[str, Branch]:
    """Branches of some entries in the types of the schema, and as they were written where the file has
    checksums.
    """
    branches = {**types, "checksum": "u4"} if opened.checksums else types
    found = _arrays(opened.path, tree, branches, low, high)
    flat = typed_branches(found, branches, str(opened.path))
    if opened.checksums:
        checksums.check_events(flat, flat.pop("checksum"), opened.checksums, str(opened.path))
    return flat


def _arrays(path: Path, tree: Any, names: Iterable[str], low: int, high: int) -> dict[str, ak.Array]:
    """Branches of some entries as they are in the file."""
    with reading(path, f"events {low} to {high - 1}"):
        return read_entries(path, tree, names, low, high)


def _nest(opened: EventFile, flat: Mapping[str, Branch]) -> ak.Array:
    """Checked branches as records: clusters with their pixels and truth, and particles."""

    def group(prefix: str, names: Iterable[str]) -> dict[str, Any]:
        return {name: flat[f"{prefix}_{name}"].numbers for name in names}

    clusters = group("cluster", [n for n in schema.CLUSTERS if f"cluster_{n}" in flat])
    pixels = group("pixel", [*schema.PIXELS, *(f"charge_{s:02d}" for s in opened.header.slices)])
    clusters["pixels"] = ak.unflatten(ak.zip(pixels), flat["cluster_n_pixels"].numbers)
    record: dict[str, Any] = {"event": flat["event"].numbers}
    if opened.has_truth:
        clusters["truth"] = ak.unflatten(
            ak.zip(group("truth", schema.TRUTH)), flat["cluster_n_truth"].numbers
        )
    if opened.has_particles:
        particles = ak.zip(group("particle", schema.PARTICLES))
        record["particles"] = ak.unflatten(particles, flat["particle_particle_id"].counts)
    record["clusters"] = ak.unflatten(ak.zip(clusters, depth_limit=1), flat["cluster_hit_id"].counts)
    return ak.zip(record, depth_limit=1)
