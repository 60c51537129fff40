"""Files of others to event files: which kind they are, and the conversion of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.archives import PACKED, files_in, find_file, is_archive, is_folder
from smartpix.convert.acts_csv import acts_has_truth, read_acts_event
from smartpix.convert.acts_geometry import acts_detector
from smartpix.convert.acts_root import ActsRootFolder, open_acts_root, read_acts_root_event
from smartpix.convert.hit_tables import ELECTRONS_PER_MM, SLICES, HitTables, Unmatched, make_event
from smartpix.convert.trackml import (
    FIELD,
    read_trackml_detector,
    read_trackml_event,
    trackml_has_truth,
    trackml_volumes,
)
from smartpix.files import check_writable
from smartpix.geometry import Detector
from smartpix.io.events import Container, Header, iterate, open_events, trees_of
from smartpix.io.parquet import is_cluster_file
from smartpix.io.write import write_events
from smartpix.schema import InputError, check, check_field, check_types, nearest, quoted
from smartpix.tables import find_csv

__all__ = ["KINDS", "ConvertOptions", "Found", "convert", "detect", "hits_of_event"]

KINDS = {
    "trackml": "TrackML events (CSV)",
    "acts-csv": "ACTS events (CSV)",
    "acts-root": "ACTS events (ROOT)",
    "smartpix": "an event file of smartpix (ROOT)",
}
MARKS = {"trackml": "hits", "acts-csv": "measurements"}
"""The table that every event of a kind has."""
LOOKED_FOR = "event*-hits.csv (TrackML), event*-measurements.csv (ACTS), measurements.root (ACTS)"
_TABLE = re.compile(r"(event\d{1,18})-([A-Za-z0-9_-]+)\.csv(" + "|".join(map(re.escape, PACKED)) + r")?$")


@dataclass(frozen=True)
class Found:
    """What a path holds.

    Attributes:
        kind: of :data:`KINDS`.
        path: the folder or the zip archive, or the file for ``smartpix``.
        prefixes: of the events of CSV kinds, sorted; empty for the others.
    """

    kind: str
    path: Path
    prefixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        events = f", {len(self.prefixes)} of them" if self.prefixes else ""
        return f"{self.path}: {KINDS[self.kind]}{events}"


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        detector: module table (CSV); for ACTS also its geometric digitisation (JSON); for TrackML its
            detectors.csv, if that lies elsewhere. None: what the folder holds.
        field: solenoid field in T, which the files of ACTS do not tell; None: TrackML's 2 T, of event files
            their own.
        electrons: charge in e of a cell of value 1; None takes values for path lengths in mm.
        container: ``ttree`` or ``rntuple``; None: TTree, of event files the other one.
    """

    detector: Path | None = None
    field: float | None = None
    electrons: float | None = None
    container: Container | None = None

    def __post_init__(self) -> None:
        check_types("convert", self)
        if self.field is not None:
            check_field("convert", self.field)
        if self.electrons is not None:
            check("convert", "electrons", self.electrons, 0 < self.electrons < 1e9, "positive and below 1e9")


def detect(path: str | Path, kind: str | None = None) -> Found:
    """Find out what a path holds: a folder, a file of it, the common beginning of one event's tables, or an
    event file.

    Args:
        kind: of :data:`KINDS`, where it is known.

    Raises:
        InputError: nothing that can be converted, or more than one kind.
    """
    path = Path(path)
    if kind is not None and kind not in KINDS:
        raise InputError(
            f"convert: the format {quoted(kind)} is unknown.{nearest(kind, KINDS)} Known: {', '.join(KINDS)}"
        )
    if is_cluster_file(path) and not (is_folder(path) and _events_in(path)):
        raise InputError(
            f"{path}: holds single clusters (parquet), without events, modules or positions in a detector; "
            f"no event file "
            "can be made of them. `smartpix info`, `smartpix train mdn` and `smartpix bench mdn --file` read "
            "them as they are"
        )
    if is_folder(path) and not _TABLE.match(path.name):
        kinds = _events_in(path)
        if kind is None and len(kinds) != 1:
            raise InputError(
                f"{path}: holds {' and '.join(KINDS[k] for k in kinds)}; say which: smartpix convert "
                f"{next(iter(kinds))} {path}"
                if kinds
                else f"{path}: holds no {LOOKED_FOR}; give the folder that these files are in"
            )
        wanted = kind or next(iter(kinds))
        if wanted not in kinds:
            mark = (
                "measurements.root" if wanted == "acts-root" else f"event*-{MARKS.get(wanted, 'nothing')}.csv"
            )
            raise InputError(f"{path}: holds no {mark}; {KINDS[wanted]} were asked for")
        return Found(wanted, path, _sorted(kinds[wanted], path))
    found = _of_event(path) if not path.is_file() or _TABLE.match(path.name) else _of_root_file(path)
    if kind is not None and found.kind != kind:
        raise InputError(f"{path}: holds {KINDS[found.kind]} and not {KINDS[kind]}")
    return found


def _events_in(folder: Path) -> dict[str, set[str]]:
    """Kinds in a folder or an archive, with the prefixes of their events."""
    tables = [(m.group(1), m.group(2)) for p in files_in(folder) if (m := _TABLE.match(p.name))]
    acts = {prefix for prefix, table in tables if table == MARKS["acts-csv"]}
    # ACTS calls its simulated hits so, too.
    trackml = {prefix for prefix, table in tables if table == MARKS["trackml"]} - acts
    kinds = {"trackml": trackml, "acts-csv": acts}
    found = {kind: prefixes for kind, prefixes in kinds.items() if prefixes}
    if find_file(folder, "measurements.root") is None:
        return found
    if is_archive(folder):
        raise InputError(
            f"{folder}: holds measurements.root; ROOT files are compressed: unpack the archive and give the "
            f"folder"
        )
    return found | {"acts-root": set()}


def _sorted(prefixes: set[str], folder: Path) -> tuple[str, ...]:
    """Beginnings of the events' names in the order of their numbers, none of which is there twice."""
    by_number: dict[int, str] = {}
    for prefix in sorted(prefixes):
        number = int(prefix.removeprefix("event"))
        if number in by_number:
            raise InputError(
                f"{folder}: '{by_number[number]}' and '{prefix}' have the same number; give the events other "
                f"numbers"
            )
        by_number[number] = prefix
    return tuple(by_number[n] for n in sorted(by_number))


def _of_event(path: Path) -> Found:
    """One event, by one of its tables or their common beginning."""
    match = _TABLE.match(path.name)
    prefix = match.group(1) if match else path.name
    for kind, prefixes in _events_in(path.parent).items() if is_folder(path.parent) else ():
        if prefix in prefixes:
            return Found(kind, path.parent, (prefix,))
    raise InputError(
        f"{path}: no such file or event; give a folder with {LOOKED_FOR}, the beginning of one event's "
        f"tables, or an event file"
    )


def _of_root_file(path: Path) -> Found:
    trees = trees_of(path)
    if {"measurements", "clusters"} & set(trees):
        if path.name not in ("measurements.root", "clusters.root"):
            raise InputError(
                f"{path}: holds ACTS's measurements; call it measurements.root, in a folder with the rest"
            )
        return Found("acts-root", path.parent)
    return Found("smartpix", open_events(path).path)


def convert(found: Found, output: str | Path, options: ConvertOptions) -> dict[str, Any]:
    """Convert what was found to an event file.

    Ids of hits, events and particles stay what they are, so that results go back onto the files
    (:mod:`tracking.runs.join`).

    Returns:
        ``kind``, ``source``, ``n_events``, ``n_hits``, ``n_left_out`` (hits in other volumes than the
        detector table's), what :class:`~smartpix.convert.hit_tables.Unmatched` counts, ``truth``,
        ``n_modules``, ``container``.

    Raises:
        InputError: missing files or columns, values that cannot be used, files that do not belong together,
            or an output that is one of them.
    """
    check_writable(output, [*_read_by(found), *([options.detector] if options.detector else [])])
    if found.kind == "smartpix":
        return _convert_events(found, output, options)
    if options.field is None and found.kind != "trackml":
        raise InputError(
            f"{found.path}: files of ACTS do not tell the field; give the simulation's in T with --field"
        )
    field = FIELD if options.field is None else options.field
    electrons = ELECTRONS_PER_MM if options.electrons is None else options.electrons
    source = _SOURCES[found.kind](found, options)
    made_by = {
        "command": f"smartpix convert {found.kind}", "source": found.path.resolve().name,
        "events": list(found.prefixes), "truth": source.has_truth,
    }  # fmt: skip
    counts = {"n_events": 0, "n_hits": 0, "n_left_out": 0, **asdict(Unmatched())}

    def events() -> Iterator[ak.Array]:
        for tables in source.events():
            event = make_event(tables, source.detector, electrons)
            counts["n_events"] += 1
            counts["n_hits"] += len(event["clusters"][0])
            counts["n_left_out"] += tables.n_others
            for name, number in asdict(tables.unmatched).items():
                counts[name] += number
            yield event

    container = options.container or "ttree"
    write_events(output, Header(source.detector, field, SLICES, made_by), events(), container)
    return {
        "kind": found.kind, "source": str(found.path), **counts, "truth": source.has_truth,
        "n_modules": len(source.detector),
        "field_T": field, "container": container,
    }  # fmt: skip


def _read_by(found: Found) -> list[Path]:
    """The files behind what was found."""
    if found.path.is_file():
        return [found.path]
    names = {"acts-root": ("measurements.root", "clusters.root", "hits.root", "particles*.root")}
    patterns = ("*.csv", *(f"*.csv{ending}" for ending in PACKED), "*.json", *names.get(found.kind, ()))
    return [path for pattern in patterns for path in found.path.glob(pattern)]


@dataclass(frozen=True)
class _Source:
    """Events of one kind, one after the other."""

    detector: Detector
    has_truth: bool
    events: Callable[[], Iterator[HitTables]]


def _trackml(found: Found, options: ConvertOptions) -> _Source:
    table = options.detector or find_csv(found.path, "detectors")
    if table is None:
        raise InputError(
            f"{found.path}: 'detectors.csv' (or .csv.gz, .csv.zst, .csv.zip) is missing; if it lies "
            f"elsewhere, give it "
            "with --detector"
        )
    detector, volumes = read_trackml_detector(table), trackml_volumes(table)
    has_truth = trackml_has_truth(found.path, list(found.prefixes))
    return _Source(
        detector, has_truth, lambda: (read_trackml_event(found.path, p, detector, has_truth,
        volumes) for p in found.prefixes)
    )  # fmt: skip


def _acts_csv(found: Found, options: ConvertOptions) -> _Source:
    detector = acts_detector(found.path, options.detector)
    has_truth = acts_has_truth(found.path, list(found.prefixes))
    return _Source(
        detector,
        has_truth,
        lambda: (read_acts_event(found.path, p, detector, has_truth) for p in found.prefixes),
    )


def _acts_root(found: Found, options: ConvertOptions) -> _Source:
    opened: ActsRootFolder = open_acts_root(found.path)
    detector = acts_detector(found.path, options.detector)
    return _Source(
        detector, opened.has_truth, lambda: (read_acts_root_event(opened, e, detector) for e in opened.events)
    )


_SOURCES: dict[str, Callable[[Found, ConvertOptions], _Source]] = {
    "trackml": _trackml, "acts-csv": _acts_csv, "acts-root": _acts_root
}  # fmt: skip


def hits_of_event(
    found: Found, event: int, detector: Detector
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Ids (H,) and global positions (H, 3) in mm of the hits of one event that are on modules of the table.

    Raises:
        InputError: as :func:`convert`.
    """
    if found.kind == "smartpix":
        for _, events in iterate(found.path, step=1):
            if events["event"][0] == event:
                clusters = events["clusters"][0]
                return ak.to_numpy(clusters["hit_id"]), np.column_stack(
                    [ak.to_numpy(clusters[n]) for n in "xyz"]
                )
        raise InputError(f"{found.path}: has no event {event}")
    if found.kind == "acts-root":
        tables = read_acts_root_event(replace(open_acts_root(found.path), has_truth=False), event, detector)
    else:
        prefix = next(
            (p for p in found.prefixes if int(p.removeprefix("event")) == event), f"event{event:09d}"
        )
        read = read_trackml_event if found.kind == "trackml" else read_acts_event
        tables = read(found.path, prefix, detector, False)
    return tables.hit_id, tables.position


def _convert_events(found: Found, output: str | Path, options: ConvertOptions) -> dict[str, Any]:
    """Our own file with the other container, everything else as it is."""
    for name in ("detector", "field", "electrons"):
        if getattr(options, name) is not None:
            raise InputError(f"{found.path}: is an event file, which has its own {name}; leave {name} out")
    opened = open_events(found.path)
    container = options.container or ("rntuple" if opened.container == "ttree" else "ttree")
    made_by = dict(opened.header.made_by) if opened.has_truth else {**opened.header.made_by, "truth": False}
    n_hits = 0

    def events() -> Iterator[ak.Array]:
        nonlocal n_hits
        for _, part in iterate(found.path):
            n_hits += int(ak.sum(ak.num(part["clusters"])))
            yield part if opened.has_truth else _without_truth(part)

    n_events = write_events(output, replace(opened.header, made_by=made_by), events(), container)
    return {
        "kind": found.kind, "source": str(found.path), "n_events": n_events, "n_hits": n_hits,
        "n_left_out": 0,
        **asdict(Unmatched()), "truth": opened.has_truth, "n_modules": len(opened.header.detector),
        "container": container,
    }  # fmt: skip


def _without_truth(events: ak.Array) -> ak.Array:
    """Events with the empty truth and particles that a file has all the same."""
    n_clusters = ak.num(events["clusters"])
    none = ak.zip({n: np.zeros(0, dtype=c.dtype) for n, c in schema.TRUTH.items()})
    truth = ak.unflatten(ak.unflatten(none, np.zeros(int(ak.sum(n_clusters)), dtype=np.int64)), n_clusters)
    nobody = ak.zip({n: np.zeros(0, dtype=c.dtype) for n, c in schema.PARTICLES.items()})
    events = ak.with_field(events, truth, ["clusters", "truth"])
    return ak.with_field(events, ak.unflatten(nobody, np.zeros(len(events), dtype=np.int64)), "particles")
