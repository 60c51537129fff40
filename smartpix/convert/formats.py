"""Foreign formats: which there are, which of them a path holds, and the conversion to an event file.

Formats are asked in this order: TrackML's, ACTS's tables (CSV), ACTS's trees (ROOT), EDM4hep's files,
ColliderML's tables,
Allpix Squared's text, Timepix3's lists, then those of other
installed packages by their names (entry points of the group ``smartpix.formats``). Our own event files come
last, because any ROOT file that no format takes should be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.archives import is_folder
from smartpix.convert import acts_csv, acts_root, allpix, colliderml, edm4hep, timepix, trackml
from smartpix.convert.csv_events import is_table
from smartpix.convert.event_files import change_container, hits_in_event_file
from smartpix.convert.format import EVENT_FILE, ConvertOptions, Format, Found
from smartpix.convert.hit_events import make_event
from smartpix.convert.hit_tables import ELECTRONS_PER_MM, SLICES, Unmatched
from smartpix.files import check_writable
from smartpix.geometry import Detector
from smartpix.io.events import Header, open_events
from smartpix.io.parquet import is_cluster_file
from smartpix.io.write import write_events
from smartpix.plugins import load_plugin, plugins
from smartpix.provenance import origin
from smartpix.schema import InputError, nearest, quoted

__all__ = [
    "GROUP",
    "ConvertOptions",
    "Found",
    "convert",
    "detect",
    "find_format",
    "format_names",
    "hits_of_event",
]

GROUP = "smartpix.formats"
"""Entry points of other packages' formats."""
BUILT_IN: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (trackml, acts_csv, acts_root, edm4hep, colliderml, allpix, timepix)
}


def format_names() -> tuple[str, ...]:
    """Names of all formats, in the order in which they are asked; no other package is imported.

    Raises:
        InputError: two packages have a format of the same name.
    """
    return (*BUILT_IN, *plugins(GROUP, (*BUILT_IN, EVENT_FILE)), EVENT_FILE)


def find_format(name: str) -> Format | None:
    """The format of a name; None for our own event files.

    Raises:
        InputError: the name is unknown, or the package that has the format is broken.
    """
    if name == EVENT_FILE:
        return None
    if name in BUILT_IN:
        return BUILT_IN[name]
    entry = plugins(GROUP, (*BUILT_IN, EVENT_FILE)).get(name)
    if entry is None:
        names = format_names()
        raise InputError(
            f"convert: the format {quoted(name)} is unknown.{nearest(name, names)} Known: {', '.join(names)}"
        )
    return load_plugin(entry, Format)


def detect(path: str | Path, kind: str | None = None) -> Found:
    """Find out what a path holds: a folder, a file of it, the common beginning of one event's tables, or an
    event file.

    Args:
        kind: name of the format, where it is known. It is asked first, so that a broken package of another
            format does not matter.

    Raises:
        InputError: nothing that can be converted, or more than one kind; or a package with a format is
            broken.
    """
    path = Path(path)
    choice = None if kind is None else find_format(kind)
    if choice is not None and (found := choice.find(path)) is not None:
        return found
    formats = [format for name in format_names() if (format := find_format(name)) is not None]
    # All formats are asked, even after one has answered: two answers are an error and not a choice of ours.
    kinds = {found.kind: found for format in formats if (found := format.find(path)) is not None}
    if not kinds:
        kinds = {EVENT_FILE: _event_file(path, kind, formats)}
    if kind is None and len(kinds) > 1:
        raise InputError(
            f"{path}: holds {' and '.join(found.title for found in kinds.values())}; say which: smartpix "
            f"convert {next(iter(kinds))} {path}"
        )
    found = next(iter(kinds.values()))
    if kind is None or kind == found.kind:
        return found
    title = Found(choice, path).title
    if is_folder(path) and not is_table(path):
        raise InputError(f"{path}: holds no {_known_by(choice)}; {title} were asked for")
    raise InputError(f"{path}: holds {found.title} and not {title}")


def _known_by(format: Format | None) -> str:
    return "event file" if format is None else format.known_by


def _event_file(path: Path, kind: str | None, formats: list[Format]) -> Found:
    """A path that no format takes, as an event file."""
    if is_cluster_file(path):
        raise InputError(
            f"{path}: holds single clusters (parquet), without events, modules or positions in a detector; "
            "no event file can be made of them. `smartpix info`, `smartpix train mdn` and `smartpix bench "
            "mdn --file` read them as they are"
        )
    table = is_table(path)
    if path.is_file() and not is_folder(path) and not table:
        return Found(None, open_events(path).path)
    files = ", ".join(f"{format.known_by} ({format.name})" for format in formats)
    if not is_folder(path) or table:
        raise InputError(
            f"{path}: no such file or event; give a folder with {files}, the beginning of one event's "
            "tables, or an event file"
        )
    if kind is None:
        raise InputError(f"{path}: holds no {files}; give the folder that these files are in")
    choice = find_format(kind)
    raise InputError(f"{path}: holds no {_known_by(choice)}; {Found(choice, path).title} were asked for")


def convert(found: Found, output: str | Path, options: ConvertOptions) -> dict[str, Any]:
    """Convert what was found to an event file.

    Ids of hits, events and particles stay what they are, so that results go back onto the files
    (:mod:`tracking.runs.join`).

    Returns:
        ``kind``, ``source``, ``n_events``, ``n_hits``, ``n_left_out`` (hits in other volumes than the
        detector table's), what :class:`~smartpix.convert.hit_tables.Unmatched` counts, ``truth``, ``cells``
        (whether hits come with their pixels), ``particles``, ``n_modules``, ``container``.

    Raises:
        InputError: missing files or columns, values that cannot be used, files that do not belong together,
            or an output that is one of them.
    """
    table = [options.detector] if isinstance(options.detector, Path) else []
    # First of all: a conversion that would replace its input must not even begin.
    check_writable(output, [*_read_by(found), *table])
    if found.format is None:
        return change_container(found.path, output, options)
    source = found.format.read(found, options)
    field = source.field if options.field is None else options.field
    if field is None:
        raise InputError(
            f"{found.path}: {found.title} do not tell the field; give the simulation's in T with --field"
        )
    of_format = ELECTRONS_PER_MM if source.electrons is None else source.electrons
    electrons = of_format if options.electrons is None else options.electrons
    made_by = {
        "command": f"smartpix convert {found.kind}", "source": found.path.resolve().name,
        "events": list(found.prefixes), "truth": source.has_truth,
    }  # fmt: skip
    # What is as in most files is left out, so that theirs stay what they were.
    if not source.has_cells:
        made_by["cells"] = False
    if source.has_particles and not source.has_truth:
        made_by["particles"] = True
    if source.has_times:
        made_by["times"] = True
    # Events are written as they are read, so that what they hold is counted on the way.
    counts = {"n_events": 0, "n_hits": 0, "n_left_out": 0, **asdict(Unmatched())}

    def events() -> Iterator[ak.Array]:
        for number in source.numbers:
            tables = source.read_event(number)
            event = make_event(tables, source.detector, electrons)
            counts["n_events"] += 1
            counts["n_hits"] += len(event["clusters"][0])
            counts["n_left_out"] += tables.n_others
            for name, unmatched in asdict(tables.unmatched).items():
                counts[name] += unmatched
            yield event

    container = options.container or "ttree"
    header = Header(source.detector, field, SLICES, made_by, _origin(found, table))
    write_events(output, header, events(), container)
    return {
        "kind": found.kind, "source": str(found.path), **counts, "truth": source.has_truth,
        "cells": source.has_cells, "particles": source.has_truth or source.has_particles,
        "n_modules": len(source.detector), "field_T": field, "container": container,
    }  # fmt: skip


def _read_by(found: Found) -> list[Path]:
    """The files behind what was found."""
    if found.format is None or found.path.is_file():
        return [found.path]
    paths = (path for pattern in found.format.inputs for path in sorted(found.path.glob(pattern)))
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def _origin(found: Found, table: list[Path]) -> dict[str, Any]:
    """Versions, and the inputs by their names alone: a folder that moves gives the same bytes.

    Of a folder with many events, the tables of those that are converted count.
    """
    paths = [
        path for path in _read_by(found)
        if not (found.prefixes and is_table(path)) or path.name.partition("-")[0] in found.prefixes
    ]  # fmt: skip
    return origin({path.name: path for path in [*paths, *table]})


def hits_of_event(
    found: Found, event: int, detector: Detector
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Ids (H,) and global positions (H, 3) in mm of the hits of one event that are on modules of the table.

    Raises:
        InputError: as :func:`convert`, or there is no such event.
    """
    if found.format is None:
        return hits_in_event_file(found.path, event)
    # Without truth, which would cost time and is not compared.
    source = found.format.read(found, ConvertOptions(detector, truth=False))
    if event not in source.numbers:
        raise InputError(f"{found.path}: has no event {event}")
    tables = source.read_event(event)
    return tables.hit_id, tables.position
