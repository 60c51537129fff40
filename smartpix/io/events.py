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
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.detector_checks import repetitions
from smartpix.files import as_paths
from smartpix.geometry import Detector
from smartpix.io import checksums
from smartpix.io.event_checks import Branch, branch_types, check_events, check_numbers, typed_branches
from smartpix.io.root_files import reading, root_file
from smartpix.notebook import one_line_and_table
from smartpix.schema import Container, InputError
from smartpix.text import parse_json

__all__ = [
    "FORMAT_VERSION",
    "EventFile",
    "EventReader",
    "Header",
    "event_numbers",
    "iterate",
    "open_events",
    "reading_events",
]

FORMAT_VERSION = 1
TREE = "events"


@dataclass(frozen=True)
class Header:
    """What a file says about all its events.

    Attributes:
        detector: module table.
        field: solenoid field along z in T, up to :data:`smartpix.schema.STRONGEST_FIELD` either way.
        slices: time slices (of 200 ps) the pixels carry.
        made_by: how the file was made.
    """

    detector: Detector
    field: float
    slices: tuple[int, ...]
    made_by: Mapping[str, Any] = dataclass_field(default_factory=dict)

    def __post_init__(self) -> None:
        schema.check_field("header", self.field)


@one_line_and_table
@dataclass(frozen=True)
class EventFile:
    """An opened file: its path, header, number of events, kind of container, and whether it has truth.

    Attributes:
        checksums: names of the columns that the branch ``checksum`` is of; none where the file has no
            checksums.
    """

    path: Path
    header: Header
    n_events: int
    container: Container
    has_truth: bool
    checksums: tuple[str, ...] = ()


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
        yield EventReader(_checked(path, file), file[TREE])


def _checked(path: Path, file: Any) -> EventFile:
    """What an opened ROOT file says about itself, after its trees, branches, version and checksums were
    checked.
    """
    trees = {name.split(";")[0]: kind for name, kind in file.classnames().items()}
    if TREE not in trees or "metadata" not in trees or "detector" not in trees:
        entries = [n for n, kind in trees.items() if kind in ("TTree", "ROOT::RNTuple")]
        raise InputError(
            f"{path}: expected the tree '{TREE}' with 'detector' and 'metadata' and found the trees "
            f"{sorted(entries)}. "
            "It holds no events of smartpix (tracks of a run, perhaps); events of TrackML and ACTS are "
            "converted with "
            "`smartpix convert DIR -o F.root`"
        )
    with reading(path):
        text = str(file["metadata"])
        parsed = parse_json(text)
        tree = file[TREE]
        n_events = int(tree.num_entries)
        names = list(tree.keys())
        table = file["detector"].arrays(list(schema.DETECTOR), library="np")
        sums = str(file["checksums"]) if "checksums" in trees else None
    meta = _metadata(path, parsed)
    times = repetitions(table)
    if times > 1:
        raise InputError(
            f"{path}: holds the detector table {times} times, so several files were joined (hadd), and the "
            f"numbers of their "
            "events may repeat. Give the files themselves, commands take several"
        )
    columns = (
        _checked_sums(path, sums, text, table, n_events, names)
        if sums is not None or "checksums" in meta
        else ()
    )
    detector = Detector(table, f"{path}: detector")
    slices = tuple(meta["slices"])
    schema.require(names, branch_types(slices, truth=False), str(path), "docs/formats.md lists the branches.")
    has_truth = any(name.startswith(("truth_", "particle_")) for name in names)
    if has_truth:
        fix = "A file has all truth branches or none; docs/formats.md lists them."
        schema.require(names, branch_types(slices, truth=True), str(path), fix)
    if not columns:
        _check_numbers(path, tree)
    return EventFile(
        path=path,
        header=Header(detector, float(meta["field"]), slices, meta["made_by"]),
        n_events=n_events,
        container="ttree" if trees[TREE] == "TTree" else "rntuple",
        has_truth=has_truth and bool(meta["made_by"].get("truth", True)),
        checksums=columns,
    )


def _checked_sums(
    path: Path,
    sums: str | None,
    text: str,
    table: Mapping[str, npt.NDArray[Any]],
    n_events: int,
    names: Sequence[str],
) -> tuple[str, ...]:
    """Columns that the branch ``checksum`` is of, after metadata and detector table were found to be what was
    written.
    """
    if sums is None or "checksum" not in names:
        raise InputError(
            f"{path}: its checksums are gone; it is damaged, or was written again by another program, which "
            f"must then leave "
            "'checksums' out of the metadata"
        )
    told = checksums.check_text(sums, str(path), ("columns", "n_events", "metadata", "detector"))
    if told["n_events"] != n_events:
        raise InputError(
            f"{path}: has {n_events} events and was written with {told['n_events']}; files were joined "
            f"(hadd) or events left "
            "out. Give the files that were written, commands take several"
        )
    if told["metadata"] != checksums.checksum(text.encode()):
        raise InputError(f"{path}: the metadata are not what was written (checksum); {checksums.DAMAGED}")
    if told["detector"] != checksums.of_table(table):
        raise InputError(
            f"{path}: the detector table is not what was written (checksum); {checksums.DAMAGED}"
        )
    if not isinstance(told["columns"], list) or not set(map(str, told["columns"])) <= set(names):
        raise InputError(f"{path}: the columns that the checksums are of are not there; {checksums.DAMAGED}")
    return tuple(map(str, told["columns"]))


_numbered: set[tuple[str, int, int]] = set()
"""Path, size and time of change of files whose events are known to have numbers of their own."""


def _check_numbers(path: Path, tree: Any) -> None:
    """Check, once for a file of this size and time of change, that its events have numbers of their own.

    Files with checksums need it not: their numbers were checked as they were written.
    """
    stat = path.stat()
    if (known := (str(path), stat.st_size, stat.st_mtime_ns)) in _numbered:
        return
    with reading(path):
        found = ak.to_packed(tree.arrays(["event"])["event"])
    check_numbers(typed_branches({"event": found}, {"event": "i8"}, str(path))["event"].numbers, str(path))
    _numbered.add(known)


def _metadata(path: Path, meta: Any) -> dict[str, Any]:
    """The checked content of the ``metadata`` string."""
    if not isinstance(meta, dict):
        raise InputError(f"{path}: 'metadata' holds no JSON object; the file was not written by smartpix")
    if meta.get("version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format version {meta.get('version')} and this smartpix reads {FORMAT_VERSION}; convert "
            f"or simulate it again"
        )
    schema.require(list(meta), ("field", "slices", "made_by"), f"{path}: metadata", "Write the file again.")
    schema.check_field(f"{path}: metadata", meta["field"])
    if not isinstance(meta["made_by"], dict):
        raise InputError(f"{path}: metadata: 'made_by' must be an object; write the file again")
    slices = meta["slices"]
    if not isinstance(slices, list) or not slices or not all(isinstance(s, int) for s in slices):
        raise InputError(
            f"{path}: metadata: 'slices' must be a list of slice numbers and is {slices!r}; write the file "
            f"again"
        )
    return meta


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
        nested ``pixels`` and, where there is truth, ``truth``) and ``particles``.

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


def _read(opened: EventFile, tree: Any, low: int, high: int) -> ak.Array:
    flat = _checked_branches(opened, tree, branch_types(opened.header.slices, opened.has_truth), low, high)
    check_events(flat, opened.header.detector, str(opened.path))
    return _nest(opened, flat)


def _checked_branches(
    opened: EventFile, tree: Any, types: Mapping[str, str], low: int, high: int
) -> dict[str, Branch]:
    """Branches of some entries in the types of the schema, and as they were written where the file has
    checksums.
    """
    wanted = {**types, "checksum": "u4"} if opened.checksums else types
    found = _arrays(opened.path, tree, wanted, low, high)
    flat = typed_branches(found, wanted, str(opened.path))
    if opened.checksums:
        checksums.check_events(flat, flat.pop("checksum"), opened.checksums, str(opened.path))
    return flat


def _arrays(path: Path, tree: Any, names: Iterable[str], low: int, high: int) -> dict[str, ak.Array]:
    """Branches of some entries as they are in the file."""
    with reading(path, f"events {low} to {high - 1}"):
        found = tree.arrays(list(names), entry_start=low, entry_stop=high)
        # Packed here, as that fails where lists go beyond what they are of.
        return {name: ak.to_packed(found[name]) for name in found.fields}


def _nest(opened: EventFile, flat: Mapping[str, Branch]) -> ak.Array:
    """Checked branches as records: clusters with their pixels and truth, and particles."""

    def group(prefix: str, names: Iterable[str]) -> dict[str, Any]:
        return {name: flat[f"{prefix}_{name}"].numbers for name in names}

    clusters = group("cluster", schema.CLUSTERS)
    pixels = group("pixel", [*schema.PIXELS, *(f"charge_{s:02d}" for s in opened.header.slices)])
    clusters["pixels"] = ak.unflatten(ak.zip(pixels), flat["cluster_n_pixels"].numbers)
    record: dict[str, Any] = {"event": flat["event"].numbers}
    if opened.has_truth:
        clusters["truth"] = ak.unflatten(
            ak.zip(group("truth", schema.TRUTH)), flat["cluster_n_truth"].numbers
        )
        particles = ak.zip(group("particle", schema.PARTICLES))
        record["particles"] = ak.unflatten(particles, flat["particle_particle_id"].counts)
    record["clusters"] = ak.unflatten(ak.zip(clusters, depth_limit=1), flat["cluster_hit_id"].counts)
    return ak.zip(record, depth_limit=1)
