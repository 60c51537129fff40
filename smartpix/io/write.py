"""Writing of event files and tables in ROOT; the layout is described in :mod:`smartpix.io.events`, which
reads them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import awkward as ak
import numpy as np
import uproot

from smartpix import schema
from smartpix.beam import BeamSpot
from smartpix.field_map import in_header
from smartpix.files import replace_when_done
from smartpix.io import checksums
from smartpix.io.event_checks import Branch, branch_types, typed_branches
from smartpix.io.event_header import FORMAT_VERSION, TREE, Header
from smartpix.provenance import origin
from smartpix.schema import Container, InputError, quoted

__all__ = ["table_writer", "write_events"]


@contextmanager
def _recreate(path: Path) -> Iterator[Any]:
    """A new ROOT file whose bytes depend on its content alone: fixed identifier, fixed time stamps."""
    # uproot has no option for the time stamps; pyproject.toml keeps to the minor version these modules are
    # from.
    from uproot.writing import _cascade, _cascadentuple, _cascadetree

    clock = SimpleNamespace(datetime=_FixedClock)
    with ExitStack() as stack:
        for module in (_cascade, _cascadentuple, _cascadetree):
            stack.enter_context(mock.patch.object(module, "datetime", clock))
        yield stack.enter_context(
            uproot.recreate(path, compression=uproot.ZSTD(9), uuid_function=lambda: uuid.UUID(int=0))
        )


class _FixedClock:
    @staticmethod
    def now() -> datetime:
        return datetime(2000, 1, 1)


def _flat_branches(event: ak.Array, slices: Sequence[int], types: Mapping[str, str]) -> dict[str, ak.Array]:
    """Nested events (N) as the branches ``types`` of :func:`smartpix.io.event_checks.branch_types`."""
    clusters = event["clusters"]
    pixels, truth = clusters["pixels"], clusters["truth"]
    groups: dict[str, tuple[ak.Array, Iterable[str]]] = {
        "cluster": (clusters, [n for n in schema.CLUSTERS if f"cluster_{n}" in types]),
        "pixel": (ak.flatten(pixels, axis=2), [*schema.PIXELS, *(f"charge_{s:02d}" for s in slices)]),
        "truth": (ak.flatten(truth, axis=2), schema.TRUTH),
        "particle": (event["particles"], schema.PARTICLES),
    }
    flat = {
        f"{prefix}_{name}": records[name] for prefix, (records, names) in groups.items() for name in names
    }
    counts = {"cluster_n_pixels": ak.num(pixels, axis=2), "cluster_n_truth": ak.num(truth, axis=2)}
    return {"event": event["event"], **flat, **counts}


def _grouped(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Names of branches by their first word and the rest: a TTree has one counter for each first word."""
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        prefix, _, rest = name.partition("_")
        groups.setdefault(prefix, {})[rest] = name
    return groups


def write_events(
    path: str | Path,
    header: Header,
    events: Iterable[ak.Array],
    container: Container = "ttree",
    events_per_chunk: int = 10,
) -> int:
    """Write events to a ROOT file, whole or not at all.

    Args:
        path: file to make or replace.
        events: arrays of one or more events each, with fields ``event``, ``clusters`` (nested ``pixels`` and
            ``truth``) and ``particles``.
        container: ``"ttree"`` or ``"rntuple"``.
        events_per_chunk: events buffered before they are written.

    Returns:
        The number of events written.

    Raises:
        InputError: the folder cannot be written, the container is unknown, a column holds what its type
            cannot, or two events have the same number.
    """
    if container not in ("ttree", "rntuple"):
        raise InputError(f"{path}: container {quoted(container)} is unknown; use 'ttree' or 'rntuple'")
    meta = {
        "format": "smartpix events",
        "version": FORMAT_VERSION,
        "field": header.field,
        "slices": list(header.slices),
        "beam_spot": _told(header.beam_spot),
        "made_by": dict(header.made_by),
        "provenance": dict(header.origin) or origin(),
        "checksums": checksums.ALGORITHM,
    }
    if header.detector.dead:
        meta["dead_modules"] = list(header.detector.dead)
    if header.field_map is not None:
        meta["field_map"] = in_header(header.field_map)
    types = branch_types(header.slices, truth=True, times=header.has_times)
    branches = {
        name: f"{'' if name == 'event' else 'var * '}{np.dtype(dtype)}" for name, dtype in types.items()
    }
    groups = _grouped(name for name in types if name != "event")
    numbers: dict[int, int] = {}
    with replace_when_done(path) as beside, _recreate(beside) as file:
        file["metadata"] = json.dumps(meta)
        detector = {
            name: np.asarray(header.detector.columns[name]).astype(c.dtype)
            for name, c in schema.DETECTOR.items()
        }
        file.mktree("detector", {name: c.dtype for name, c in schema.DETECTOR.items()}).extend(detector)
        tree: Any = None
        if container == "ttree":
            records = {
                prefix: "var * {"
                + ", ".join(f'"{rest}": {np.dtype(types[name])}' for rest, name in names.items())
                + "}"
                for prefix, names in groups.items()
            }
            kinds = {
                name: ak.types.from_datashape(kind, highlevel=False)
                for name, kind in (records | {"checksum": "var * uint32"}).items()
            }
            tree = file.mktree(
                TREE, {"event": np.dtype("i8"), **kinds}, counter_name=lambda counted: f"n_{counted}"
            )
        for chunk in _in_chunks(events, events_per_chunk):
            flat = typed_branches(_flat_branches(chunk, header.slices, types), types, str(path))
            _take_numbers(numbers, flat["event"].numbers.tolist(), str(path))
            sums = {
                "event": flat["event"].numbers,
                "checksum": ak.from_regular(ak.Array(checksums.event_checksums(flat))),
            }
            if container == "ttree":
                tree.extend(sums | {prefix: _records(flat, names) for prefix, names in groups.items()})
            else:
                lists = {
                    name: ak.unflatten(flat[name].numbers, flat[name].counts)
                    for name in types
                    if name != "event"
                }
                if tree is None:
                    tree = file.mkrntuple(TREE, {"event": None, **lists, **sums})
                else:
                    tree.extend(lists | sums)
        # An RNTuple takes its types from the first events: of none, from what they would be.
        if tree is None:
            file.mkrntuple(
                TREE, {n: _empty_of(kind) for n, kind in (branches | {"checksum": "var * uint32"}).items()}
            )
        sums_of_header = {
            "columns": list(types),
            "n_events": len(numbers),
            "metadata": checksums.checksum(json.dumps(meta).encode()),
            "detector": checksums.of_table(detector),
        }
        file["checksums"] = json.dumps(sums_of_header)
    return len(numbers)


def _records(flat: Mapping[str, Branch], names: Mapping[str, str]) -> ak.Array:
    """Lists of records from branches of equal length; ``names``: of the fields and of their branches."""
    columns = {field: flat[name] for field, name in names.items()}
    counts = next(iter(columns.values())).counts
    return ak.unflatten(ak.zip({field: branch.numbers for field, branch in columns.items()}), counts)


def _take_numbers(numbers: dict[int, int], more: Sequence[int], where: str) -> None:
    """Add the numbers of more events, each with its place, which no event before them may have."""
    for number in more:
        if number in numbers:
            raise InputError(
                f"{where}: event {number} would be there twice, as the entries {numbers[number]} and "
                f"{len(numbers)}; give every event of a file a number of its own"
            )
        numbers[number] = len(numbers)


def _empty_of(datashape: str) -> ak.Array:
    form = ak.forms.from_type(ak.types.from_datashape(datashape, highlevel=False))
    return ak.Array(form.length_zero_array(highlevel=False))


def _in_chunks(events: Iterable[ak.Array], size: int) -> Iterator[ak.Array]:
    waiting: list[ak.Array] = []
    n_waiting = 0
    for part in events:
        if len(part) == 0:
            continue
        waiting.append(part)
        n_waiting += len(part)
        if n_waiting >= size:
            yield ak.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            waiting, n_waiting = [], 0
    if waiting:
        yield ak.concatenate(waiting) if len(waiting) > 1 else waiting[0]


@contextmanager
def table_writer(
    path: str | Path, tree: str, types: Mapping[str, str], metadata: Mapping[str, Any]
) -> Iterator[Any]:
    """A new ROOT file with one tree and a JSON ``metadata`` string, whole or not at all; gives the tree, to
    ``extend``.

    Args:
        path: file to make or replace.
        tree: its name.
        types: branch to type, as Awkward writes them: ``"int64"``, ``"var * {\"d0\": float32}"`` (branches
            ``name_field``).
        metadata: anything JSON can hold.

    Raises:
        InputError: the folder cannot be written.
    """
    with replace_when_done(path) as beside, _recreate(beside) as file:
        file["metadata"] = json.dumps(dict(metadata))
        kinds = {
            n: ak.types.from_datashape(t, highlevel=False) if "*" in t else np.dtype(t)
            for n, t in types.items()
        }
        yield file.mktree(tree, kinds, counter_name=lambda counted: f"n_{counted}")


def _told(beam: BeamSpot) -> dict[str, float]:
    """A beam for the metadata; collisions are told without what beams of particles alone have."""
    told: dict[str, float] = asdict(beam)
    return told if beam.distance else {k: v for k, v in told.items() if k not in ("distance", "divergence")}
