"""Event files in ROOT: layout and reading. Only this module and :mod:`smartpix.write` touch uproot.

One tree ``events``, one entry per event, flat jagged branches ``cluster_*``, ``pixel_*``, ``truth_*``, ``particle_*``;
a tree ``detector`` with one entry per module; a string ``metadata`` (JSON: format version, field, slices, how it was made).
Branch by branch: docs/formats.md, from the tables in :mod:`smartpix.schema`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import cramjam
import numpy as np
import numpy.typing as npt
import uproot

from smartpix import schema
from smartpix.files import as_paths
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.text import parse_json

__all__ = [
    "FORMAT_VERSION",
    "EventFile",
    "Header",
    "event_numbers",
    "iterate",
    "open_events",
    "read_branches",
    "trees_of",
]

FORMAT_VERSION = 1
TREE = "events"
Container = Literal["ttree", "rntuple"]

# What reading a damaged file raises inside uproot and the decompressors.
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AssertionError,
    NotImplementedError,
    AttributeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    EOFError,
    struct.error,
    zlib.error,
    cramjam.DecompressionError,
    uproot.DeserializationError,
    uproot.interpretation.identify.UnknownInterpretation,
)


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


@dataclass(frozen=True)
class EventFile:
    """An opened file: its path, header, number of events, kind of container, and whether it has truth."""

    path: Path
    header: Header
    n_events: int
    container: Container
    has_truth: bool


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; give a ROOT file (folders of TrackML or ACTS: `smartpix convert {path} -o F.root`)"
        )
    if path.suffix == ".safetensors":
        raise InputError(f"{path}: holds weights, and an event file (ROOT) is needed; `smartpix info {path.name}` shows weights")
    try:
        with path.open("rb") as stream:
            table = stream.read(4) == b"PAR1"
        file = None if table else uproot.open(path)
    except _DAMAGED as error:
        raise InputError(
            f"{path}: not a readable ROOT file ({type(error).__name__}); it may be cut off or of another kind. "
            "Copy or make it again"
        ) from error
    if file is None:
        raise InputError(
            f"{path}: is a parquet table (clusters of a data set), and events in a ROOT file are needed; "
            "data sets are for `smartpix train mdn` and `smartpix bench mdn --file`"
        )
    with file:
        expected, found = file.file.fEND, path.stat().st_size
        if expected > found:
            raise InputError(f"{path}: cut off, {found} of {expected} bytes are there; copy or make it again")
        yield file


def open_events(path: str | Path) -> EventFile:
    """Open a file and check it: trees, branches, version.

    Raises:
        InputError: the file is missing, damaged, of another layout or another version.
    """
    path = Path(path)
    with _opened(path) as file:
        trees = {name.split(";")[0]: kind for name, kind in file.classnames().items()}
        if TREE not in trees or "metadata" not in trees or "detector" not in trees:
            entries = [n for n, kind in trees.items() if kind in ("TTree", "ROOT::RNTuple")]
            raise InputError(
                f"{path}: expected the tree '{TREE}' with 'detector' and 'metadata' and found the trees {sorted(entries)}. "
                "It holds no events of smartpix (tracks of a run, perhaps); events of TrackML and ACTS are converted with "
                "`smartpix convert DIR -o F.root`"
            )
        try:
            meta = _metadata(path, parse_json(str(file["metadata"])))
            tree = file[TREE]
            n_events = int(tree.num_entries)
            names = list(tree.keys())
            detector = Detector(file["detector"].arrays(list(schema.DETECTOR), library="np"), f"{path}: detector")
        except InputError:
            raise
        except _DAMAGED as error:
            raise InputError(f"{path}: damaged ({type(error).__name__}: {_one_line(error)}); make or copy it again") from error
    slices = tuple(meta["slices"])
    wanted = _branches(slices, truth=False)
    schema.require(names, wanted, str(path), "docs/formats.md lists the branches.")
    has_truth = any(name.startswith(("truth_", "particle_")) for name in names)
    if has_truth:
        fix = "A file has all truth branches or none; docs/formats.md lists them."
        schema.require(names, _branches(slices, truth=True), str(path), fix)
    return EventFile(
        path=path,
        header=Header(detector, float(meta["field"]), slices, meta["made_by"]),
        n_events=n_events,
        container="ttree" if trees[TREE] == "TTree" else "rntuple",
        has_truth=has_truth and bool(meta["made_by"].get("truth", True)),
    )


def trees_of(path: str | Path) -> dict[str, int]:
    """Names of the trees (TTree and RNTuple) of a ROOT file and their numbers of entries.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = Path(path)
    with _opened(path) as file:
        try:
            kinds = file.classnames(recursive=False, cycle=False)
            names = [name for name, kind in kinds.items() if kind in ("TTree", "ROOT::RNTuple")]
            return {name: int(file[name].num_entries) for name in names}
        except _DAMAGED as error:
            raise InputError(f"{path}: damaged ({type(error).__name__}: {_one_line(error)}); make or copy it again") from error


def read_branches(
    path: str | Path,
    tree: str,
    wanted: Iterable[str],
    expected: str,
    optional: Iterable[str] = (),
    start: int = 0,
    stop: int | None = None,
) -> dict[str, ak.Array]:
    """Branches of a tree that others wrote, entries ``start`` to ``stop``.

    Args:
        expected: what to name in errors; optional: more branches, taken where they are there.

    Raises:
        InputError: the file is missing or damaged, or the tree or a branch is missing.
    """
    path = Path(path)
    trees = trees_of(path)
    if tree not in trees:
        raise InputError(f"{path}: has the trees {sorted(trees)} and not '{tree}'; expected {expected}")
    with _opened(path) as file:
        try:
            names = list(file[tree].keys(recursive=False))
            schema.require(names, wanted, str(path), f"Expected {expected}.")
            chosen = [*wanted, *(n for n in optional if n in names)]
            arrays = file[tree].arrays(chosen, entry_start=start, entry_stop=stop)
            return {n: ak.to_packed(arrays[n]) for n in chosen}
        except InputError:
            raise
        except _DAMAGED as error:
            raise InputError(
                f"{path}: '{tree}' cannot be read ({type(error).__name__}: {_one_line(error)}); make or copy it again"
            ) from error


def _metadata(path: Path, meta: Any) -> dict[str, Any]:
    """The checked content of the ``metadata`` string."""
    if not isinstance(meta, dict):
        raise InputError(f"{path}: 'metadata' holds no JSON object; the file was not written by smartpix")
    if meta.get("version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format version {meta.get('version')} and this smartpix reads {FORMAT_VERSION}; convert or simulate it again"
        )
    schema.require(list(meta), ("field", "slices", "made_by"), f"{path}: metadata", "Write the file again.")
    schema.check_field(f"{path}: metadata", meta["field"])
    if not isinstance(meta["made_by"], dict):
        raise InputError(f"{path}: metadata: 'made_by' must be an object; write the file again")
    slices = meta["slices"]
    if not isinstance(slices, list) or not slices or not all(isinstance(s, int) for s in slices):
        raise InputError(f"{path}: metadata: 'slices' must be a list of slice numbers and is {slices!r}; write the file again")
    return meta


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]


def _branches(slices: Sequence[int], truth: bool) -> list[str]:
    names = ["event", *(f"cluster_{n}" for n in schema.CLUSTERS), "cluster_n_pixels"]
    names += [f"pixel_{n}" for n in schema.PIXELS] + [f"pixel_charge_{s:02d}" for s in slices]
    if truth:
        names += ["cluster_n_truth", *(f"truth_{n}" for n in schema.TRUTH)]
        names += [f"particle_{n}" for n in schema.PARTICLES]
    return names


def event_numbers(path: str | Path) -> npt.NDArray[np.int64]:
    """(N,) the events' numbers in the order of the file.

    Raises:
        InputError: as :func:`open_events`.
    """
    opened = open_events(path)
    with _opened(opened.path) as file:
        try:
            return np.asarray(ak.to_numpy(file[TREE].arrays(["event"])["event"]), dtype=np.int64)
        except _DAMAGED as error:
            raise InputError(
                f"{path}: the branch 'event' cannot be read ({type(error).__name__}: {_one_line(error)}); "
                "the file is damaged or cut off, make or copy it again"
            ) from error


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
        The file and an array of at most ``step`` of its events; the record has ``event``, ``clusters`` (with nested
        ``pixels`` and, where there is truth, ``truth``) and ``particles``.

    Raises:
        InputError: as :func:`open_events`, and for a NaN in a position or counts that do not fit.
    """
    if step < 1 or start < 0:
        raise InputError(f"iterate: step must be at least 1 and start at least 0; they are {step} and {start}")
    seen = 0
    for path in as_paths(files):
        opened = open_events(path)
        first = max(start - seen, 0)
        last = opened.n_events if stop is None else min(stop - seen, opened.n_events)
        seen += opened.n_events
        if last <= first:
            continue
        with _opened(opened.path) as file:
            tree = file[TREE]
            for low in range(first, last, step):
                high = min(low + step, last)
                yield opened, _read(opened, tree, low, high)


def _read(opened: EventFile, tree: Any, low: int, high: int) -> ak.Array:
    slices = opened.header.slices
    try:
        flat = tree.arrays(_branches(slices, opened.has_truth), entry_start=low, entry_stop=high)
        flat = {name: ak.to_packed(flat[name]) for name in flat.fields}
        return _nest(opened, flat)
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{opened.path}: events {low} to {high - 1} cannot be read ({type(error).__name__}: {_one_line(error)}); "
            "the file is damaged or cut off, make or copy it again"
        ) from error


def _nest(opened: EventFile, flat: Mapping[str, ak.Array]) -> ak.Array:
    def group(prefix: str, names: Iterable[str]) -> dict[str, ak.Array]:
        return {name: flat[f"{prefix}_{name}"] for name in names}

    for name, values in flat.items():
        if name != "event":
            _check_finite(opened, name, values, flat["event"])
    module = ak.to_numpy(ak.flatten(flat["cluster_module_index"]))
    if len(module) and (module.min() < 0 or module.max() >= len(opened.header.detector)):
        raise InputError(
            f"{opened.path}: cluster_module_index goes from {module.min()} to {module.max()} and the detector table has "
            f"{len(opened.header.detector)} modules; write the table the clusters belong to"
        )
    _check_ids(opened, flat, module)
    clusters = group("cluster", schema.CLUSTERS)
    pixel_names = [*schema.PIXELS, *(f"charge_{s:02d}" for s in opened.header.slices)]
    clusters["pixels"] = _nest_counts(opened, "pixel", group("pixel", pixel_names), flat["cluster_n_pixels"])
    record: dict[str, ak.Array] = {"event": flat["event"]}
    if opened.has_truth:
        clusters["truth"] = _nest_counts(opened, "truth", group("truth", schema.TRUTH), flat["cluster_n_truth"])
        record["particles"] = ak.zip(group("particle", schema.PARTICLES))
    record["clusters"] = ak.zip(clusters, depth_limit=2)
    return ak.zip(record, depth_limit=1)


def _check_finite(opened: EventFile, name: str, values: ak.Array, event: ak.Array) -> None:
    numbers = ak.to_numpy(ak.flatten(values))
    if numbers.dtype.kind != "f" or np.all(np.isfinite(numbers)):
        return
    bad = ~np.isfinite(numbers)
    place = int(np.searchsorted(np.cumsum(ak.to_numpy(ak.num(values))), int(np.argmax(bad)), side="right"))
    raise InputError(
        f"{opened.path}: {name} is not a finite number in {int(bad.sum())} places, first in event {int(event[place])}; "
        "drop these entries or repair the file"
    )


def _check_ids(opened: EventFile, flat: Mapping[str, ak.Array], module: npt.NDArray[np.int32]) -> None:
    """Every cluster has pixels, they lie on its module, and its ids are the module's."""
    detector = opened.header.detector
    counts = ak.to_numpy(ak.flatten(flat["cluster_n_pixels"]))
    if len(counts) and counts.min() < 1:
        raise InputError(
            f"{opened.path}: cluster_n_pixels is below 1 for {int(np.sum(counts < 1))} clusters; every cluster has pixels"
        )
    for name in ("volume_id", "layer_id", "module_id"):
        if np.any(ak.to_numpy(ak.flatten(flat[f"cluster_{name}"])) != np.asarray(detector.columns[name])[module]):
            raise InputError(
                f"{opened.path}: cluster_{name} differs from the detector table's at cluster_module_index; "
                "write the table the clusters belong to, or make the damaged file again"
            )
    if int(counts.sum()) != int(ak.count(flat["pixel_row"])):
        return  # said by _nest_counts
    owner = np.repeat(module, counts)
    for name, limit in (("row", detector.n_rows), ("column", detector.n_columns)):
        index = ak.to_numpy(ak.flatten(flat[f"pixel_{name}"]))
        if np.any((index < 0) | (index >= limit[owner])):
            raise InputError(
                f"{opened.path}: a pixel_{name} lies off its module; detector table and pixels do not belong together"
            )


def _nest_counts(opened: EventFile, prefix: str, columns: Mapping[str, ak.Array], counts: ak.Array) -> ak.Array:
    records = ak.zip(dict(columns))
    if not ak.all(ak.sum(counts, axis=1) == ak.num(records)):
        raise InputError(
            f"{opened.path}: cluster_n_{prefix}{'s' if prefix == 'pixel' else ''} does not add up to the number of "
            f"{prefix}_* entries; the file was written inconsistently"
        )
    nested = ak.unflatten(ak.flatten(records), ak.flatten(counts))
    return ak.unflatten(nested, ak.num(counts))
