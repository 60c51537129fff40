"""The tracks of a run joined to the files that its events were converted from.

Every hit of these files gets the number and the score of its track. The files stay as they are. Beside the
results stands, for every event of CSV files, ``<table>-tracks.csv`` and, for ROOT files,
``<file>-tracks.root`` with a tree of the same name and entry order, so that it can be made a friend of
theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.convert import acts_root
from smartpix.convert.csv_events import event_number
from smartpix.convert.format import Found, JoinedTable
from smartpix.convert.formats import hits_of_event
from smartpix.convert.hit_tables import rows_of
from smartpix.convert.root_columns import flat_branch
from smartpix.io.events import EventReader, event_numbers
from smartpix.io.root_files import read_branches
from smartpix.io.write import table_writer
from smartpix.schema import InputError
from smartpix.tables import csv_of, read_csv, write_csv

__all__ = ["COLUMNS", "check_events", "check_hits", "join_tracks", "joined_names"]

COLUMNS = {
    "track_id": ("int32", "number of the track in its event, as in `tracks.root`, from 0; -1: on none"),
    "track_score": (
        "float32",
        "its score; 0 on none. On two tracks the higher score counts",
    ),
}
SAME_HIT = 0.01
"""Largest distance in mm of a hit from itself, after rounding to single precision."""
EXPECTED = "the results of `smartpix run`"

Ints = npt.NDArray[np.int64]
Assigned = tuple[Ints, npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""Sorted ids of the hits on tracks of one event, with the numbers and scores of their tracks."""
READ = 100
"""Entries read at a time, since every reading opens the file."""


def join_tracks(
    tracks: str | Path, original: Found, folder: str | Path, record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write the track of every hit of the original files, in their order.

    Args:
        tracks: ``tracks.root`` of a run.
        original: what its event files were converted from, or one of these event files itself.
        folder: to write into.
        record: the provenance of the tracks (:mod:`smartpix.provenance`), for the metadata of ROOT files.

    Returns:
        ``files`` written, ``n_hits`` in them and ``n_on_tracks`` of these.

    Raises:
        InputError: events or hits with tracks that the original files do not have, or an event number that is
            there twice.
    """
    tracks, folder = Path(tracks), Path(folder)
    branches = read_branches(tracks, "tracks", ["event"], EXPECTED)
    events = flat_branch(branches["event"], "i8", str(tracks), "event")
    numbers, times = np.unique(events, return_counts=True)
    if np.any(times > 1):
        raise InputError(
            f"{original.path}: event {numbers[times > 1][0]} is there more than once in the results; run and "
            f"join file by file"
        )
    metadata = {"made_by": "smartpix run --join", "provenance": dict(record or {})}
    if original.format is not None and original.format.table is not None:
        return _join_csv(tracks, events, original, original.format.table, folder)
    if original.format is acts_root.FORMAT:
        return _join_acts_root(tracks, events, original, folder, metadata)
    return _join_events(tracks, events, original, folder, metadata)


def joined_names(original: Found, events: Sequence[int]) -> list[str]:
    """Names of the files that :func:`join_tracks` writes of these events."""
    if original.format is not None and original.format.table is not None:
        prefixes = _prefixes(original)
        table = original.format.table.name
        return [f"{prefixes[event]}-{table}-tracks.csv" for event in sorted({*events} & {*prefixes})]
    if original.format is acts_root.FORMAT:
        return ["measurements-tracks.root", "spacepoints-tracks.root"]
    return [f"{original.path.stem}-tracks.root"]


class _Entries:
    """Entries of branches, quick in any order that mostly rises."""

    def __init__(self, path: Path, tree: str, names: Sequence[str]) -> None:
        self._source = path, tree, names
        self._start = -READ
        self._branches: dict[str, ak.Array] = {}

    def __getitem__(self, entry: int) -> list[npt.NDArray[Any]]:
        """The branches of one entry."""
        path, tree, names = self._source
        if not 0 <= entry - self._start < READ:
            self._start = entry
            self._branches = read_branches(path, tree, names, EXPECTED, start=entry, stop=entry + READ)
        return [ak.to_numpy(self._branches[name][entry - self._start]) for name in names]


def _track_entries(tracks: Path) -> _Entries:
    return _Entries(tracks, "tracks", ("track_n_hits", "track_score", "hit_id"))


def _assigned(tracks: _Entries, entry: int) -> Assigned:
    """The hits on tracks of one event; of a hit on two tracks, the one with the higher score."""
    n_hits, score, ids = tracks[entry]
    number = np.repeat(np.arange(len(n_hits), dtype=np.int32), n_hits)
    order = np.lexsort((-score[number], ids))
    ids, number = ids[order], number[order]
    first = np.concatenate([[True], ids[1:] != ids[:-1]]) if len(ids) else np.zeros(0, dtype=bool)
    return ids[first], number[first], score[number[first]]


def _assign(
    assigned: Assigned, ids: Ints, where: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Track numbers and scores of the hits ``ids``; -1 and 0 of those on no track."""
    hit_ids, number, score = assigned
    rows = rows_of(hit_ids, ids)
    lost = np.setdiff1d(hit_ids, ids)
    if len(lost):
        raise InputError(
            f"{where}: has no hit {lost[0]}, which is on a track ({len(lost)} such hits); join what was "
            f"converted"
        )
    # A hit that is not known has row -1, which is the last one.
    numbers, scores = np.append(number, np.int32(-1)), np.append(score, np.float32(0))
    return numbers[rows].astype(np.int32), scores[rows].astype(np.float32)


def _check_once(ids: Ints, where: str) -> None:
    """Check that no hit is there twice, as where jobs whose event numbers repeat were joined (hadd)."""
    hit_ids, times = np.unique(ids, return_counts=True)
    if np.any(times > 1):
        raise InputError(
            f"{where}: hit {hit_ids[times > 1][0]} is there {times.max()} times; two events may have been "
            "put together as one (hadd, tables one after the other). Join what was converted"
        )


def check_events(events: Sequence[int], original: Found) -> None:
    """Check that the original files have the events.

    Raises:
        InputError: they lack one, or they are of a format that tracks cannot be joined to.
    """
    if original.format is None:
        there = event_numbers(original.path).tolist()
    elif original.format.table is not None:
        there = list(_prefixes(original))
    elif original.format is acts_root.FORMAT:
        path = original.path / "measurements.root"
        branch = read_branches(path, "measurements", ["event_nr"], EXPECTED)["event_nr"]
        there = np.unique(flat_branch(branch, "i8", str(path), "event_nr")).tolist()
    else:
        raise InputError(
            f"{original.path}: holds {original.title}, which tracks cannot be joined to; join the event file "
            f"that was converted from them"
        )
    _missing(events, there, original)


def check_hits(reader: EventReader, original: Found) -> None:
    """Check on a file's first event with clusters that the original files have these hits where they are.

    Numbers of events and hits are alike in many samples; places are not.

    Raises:
        InputError: they do not.
    """
    file = reader.file
    try:
        first = next((events[0] for events in reader.events(step=1) if len(events["clusters"][0])), None)
    except InputError:
        # It is left out, with the reason, when it is run.
        return
    if first is None:
        return
    event, clusters = int(first["event"]), first["clusters"]
    there, place = hits_of_event(original, event, file.header.detector)
    order = np.argsort(there, kind="stable")
    ids = ak.to_numpy(clusters["hit_id"])
    row = rows_of(there[order], ids)
    fix = "join what the file was converted from"
    if np.any(row < 0):
        raise InputError(f"{original.path}: event {event} has no hit {ids[row < 0][0]} of {file.path}; {fix}")
    away = np.linalg.norm(
        place[order][row] - np.column_stack([ak.to_numpy(clusters[n]) for n in "xyz"]), axis=1
    )
    if away.max() > SAME_HIT:
        k = int(np.argmax(away))
        raise InputError(
            f"{original.path}: hit {ids[k]} of event {event} is {away[k]:.3g} mm from where {file.path} has "
            f"it; {fix}"
        )


def _missing(events: Sequence[int], there: Sequence[int], original: Found) -> None:
    lost = sorted(set(events) - set(there))
    if lost:
        raise InputError(
            f"{original.path}: has no event {lost[0]} of the run ({len(lost)} missing in all); join what was "
            f"converted"
        )


def _prefixes(original: Found) -> dict[int, str]:
    """Beginnings of the names of the events' tables, by the events' numbers."""
    return {event_number(prefix): prefix for prefix in original.prefixes}


def _join_csv(
    tracks: Path, events: Ints, original: Found, table: JoinedTable, folder: Path
) -> dict[str, Any]:
    name, prefixes = table.id, _prefixes(original)
    _missing(events.tolist(), list(prefixes), original)
    of_entries = _track_entries(tracks)
    files, n_hits, n_on_tracks = [], 0, 0
    for entry, event in enumerate(events.tolist()):
        stem = f"{prefixes[event]}-{table.name}"
        path = csv_of(original.path, stem)
        ids = read_csv(path, {name: "i8"}, "the table that was converted")[name]
        _check_once(ids, str(path))
        number, score = _assign(_assigned(of_entries, entry), ids, str(path))
        write_csv(folder / f"{stem}-tracks.csv", {name: ids, "track_id": number, "track_score": score})
        files.append(f"{stem}-tracks.csv")
        n_hits, n_on_tracks = n_hits + len(ids), n_on_tracks + int(np.sum(number >= 0))
    return {"files": files, "n_hits": n_hits, "n_on_tracks": n_on_tracks}


def _join_acts_root(
    tracks: Path, events: Ints, original: Found, folder: Path, metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """measurements.root and, where it is there, spacepoints.root, by the measurements they are made of."""
    path = original.path / "measurements.root"
    branches = read_branches(path, "measurements", ["event_nr"], EXPECTED, ["measurement_id"])
    event = flat_branch(branches["event_nr"], "i8", str(path), "event_nr")
    ids = (
        flat_branch(branches["measurement_id"], "i8", str(path), "measurement_id")
        if "measurement_id" in branches
        else _number_in_event(event)
    )
    _missing(events.tolist(), np.unique(event).tolist() if len(event) else [], original)
    of_entries = _track_entries(tracks)
    entries = {int(e): _assigned(of_entries, k) for k, e in enumerate(events)}
    number, score = _assign_rows(entries, event, ids, str(path))
    rows = {"event_nr": event, "measurement_id": ids}
    _write_rows(folder, "measurements", rows, number, score, metadata)
    files = ["measurements-tracks.root"]
    n_hits, n_on_tracks = len(ids), int(np.sum(number >= 0))
    points = original.path / "spacepoints.root"
    if points.is_file():
        names = ("event_id", "measurement_id")
        branches = read_branches(points, "spacepoints", names, "the branches of ACTS's RootSpacePointWriter")
        event, ids = (flat_branch(branches[n], "i8", str(points), n) for n in names)
        number, score = _assign_rows(entries, event, ids, str(points), partly=True)
        rows = {"event_id": event, "measurement_id": ids}
        _write_rows(folder, "spacepoints", rows, number, score, metadata)
        files.append("spacepoints-tracks.root")
    return {"files": files, "n_hits": n_hits, "n_on_tracks": n_on_tracks}


def _number_in_event(event: Ints) -> Ints:
    """(N,) number of each entry within its run of equal event numbers, from 0."""
    first = (
        np.flatnonzero(np.concatenate([[True], event[1:] != event[:-1]]))
        if len(event)
        else np.zeros(0, dtype=np.int64)
    )
    return np.arange(len(event)) - np.repeat(first, np.diff(np.append(first, len(event))))


def _among(assigned: Assigned, ids: Ints) -> Assigned:
    """Those of the hits that are among ``ids``."""
    hit_ids, number, score = assigned
    keep = np.isin(hit_ids, ids)
    return hit_ids[keep], number[keep], score[keep]


def _assign_rows(
    entries: Mapping[int, Assigned], event: Ints, ids: Ints, where: str, partly: bool = False
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Track numbers and scores of rows of many events.

    Args:
        partly: whether a measurement on a track may have no row, since not every one is a space point.
    """
    number, score = np.full(len(ids), -1, dtype=np.int32), np.zeros(len(ids), dtype=np.float32)
    by_event = np.argsort(event, kind="stable")
    for e, assigned in entries.items():
        rows = by_event[slice(*np.searchsorted(event, [e, e + 1], sorter=by_event))]
        if not partly:
            _check_once(ids[rows], f"{where}: event {e}")
        if partly:
            assigned = _among(assigned, ids[rows])
        number[rows], score[rows] = _assign(assigned, ids[rows], f"{where}: event {e}")
    return number, score


def _write_rows(
    folder: Path,
    tree: str,
    keys: Mapping[str, Ints],
    number: npt.NDArray[np.int32],
    score: npt.NDArray[np.float32],
    metadata: Mapping[str, Any],
) -> None:
    types = dict.fromkeys(keys, "int64") | {n: kind for n, (kind, _) in COLUMNS.items()}
    with table_writer(folder / f"{tree}-tracks.root", tree, types, metadata) as writer:
        writer.extend({**keys, "track_id": number, "track_score": score})


def _join_events(
    tracks: Path, events: Ints, original: Found, folder: Path, metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """An event file: its clusters, one entry an event."""
    stem = original.path.stem
    branches = read_branches(original.path, "events", ["event"], EXPECTED)
    there = flat_branch(branches["event"], "i8", str(original.path), "event")
    _missing(events.tolist(), there.tolist(), original)
    entry_of = {int(e): k for k, e in enumerate(events)}
    types = {
        "event": "int64",
        "cluster": 'var * {"hit_id": int64, '
        + ", ".join(f'"{n}": {k}' for n, (k, _) in COLUMNS.items())
        + "}",
    }
    n_hits = n_on_tracks = 0
    of_entries = _track_entries(tracks)
    hit_ids = _Entries(original.path, "events", ("cluster_hit_id",))
    none = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal n_hits, n_on_tracks
        for k, event in enumerate(there.tolist()):
            (ids,) = hit_ids[k]
            _check_once(ids, f"{original.path}: event {event}")
            assigned = _assigned(of_entries, entry_of[event]) if event in entry_of else none
            number, score = _assign(assigned, ids, f"{original.path}: event {event}")
            n_hits, n_on_tracks = n_hits + len(ids), n_on_tracks + int(np.sum(number >= 0))
            records = ak.zip({"hit_id": ids, "track_id": number, "track_score": score})
            yield {"event": np.array([event]), "cluster": ak.unflatten(records, [len(ids)])}

    with table_writer(folder / f"{stem}-tracks.root", "events", types, metadata) as writer:
        for row in rows():
            writer.extend(row)
    return {"files": [f"{stem}-tracks.root"], "n_hits": n_hits, "n_on_tracks": n_on_tracks}
