"""Writing of event files and tables in ROOT; the layout is described in :mod:`smartpix.io`, which reads them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import awkward as ak
import numpy as np
import uproot

from smartpix import schema
from smartpix.files import replace_when_done
from smartpix.io import FORMAT_VERSION, TREE, Container, Header
from smartpix.schema import InputError

__all__ = ["table_writer", "write_events"]


@contextmanager
def _recreate(path: Path) -> Iterator[Any]:
    """A new ROOT file whose bytes depend on its content alone: fixed identifier, fixed time stamps."""
    # uproot has no option for the time stamps; pyproject.toml keeps to the minor version these modules are from.
    from uproot.writing import _cascade, _cascadentuple, _cascadetree

    clock = SimpleNamespace(datetime=_FixedClock)
    with ExitStack() as stack:
        for module in (_cascade, _cascadentuple, _cascadetree):
            stack.enter_context(mock.patch.object(module, "datetime", clock))
        yield stack.enter_context(uproot.recreate(path, compression=uproot.ZSTD(9), uuid_function=lambda: uuid.UUID(int=0)))


class _FixedClock:
    @staticmethod
    def now() -> datetime:
        return datetime(2000, 1, 1)


def _flat_fields(event: ak.Array, slices: Sequence[int]) -> dict[str, ak.Array]:
    """Nested events (N) to flat groups, each a jagged array of records."""
    clusters = event["clusters"]
    cluster = {name: clusters[name] for name in schema.CLUSTERS}
    pixels, truth = clusters["pixels"], clusters["truth"]
    cluster["n_pixels"] = ak.values_astype(ak.num(pixels, axis=2), np.int32)
    cluster["n_truth"] = ak.values_astype(ak.num(truth, axis=2), np.int32)
    groups = {"cluster": ak.zip(cluster)}
    flat_pixels, flat_truth = ak.flatten(pixels, axis=2), ak.flatten(truth, axis=2)
    names = [*schema.PIXELS, *(f"charge_{s:02d}" for s in slices)]
    groups["pixel"] = ak.zip({name: flat_pixels[name] for name in names})
    groups["truth"] = ak.zip({name: flat_truth[name] for name in schema.TRUTH})
    groups["particle"] = ak.zip({name: event["particles"][name] for name in schema.PARTICLES})
    return {"event": ak.values_astype(event["event"], np.int64), **groups}


def _tree_types(slices: Sequence[int]) -> dict[str, str]:
    def record(columns: Mapping[str, str]) -> str:
        names = {"i8": "int64", "i4": "int32", "i2": "int16", "f4": "float32", "?": "bool"}
        return "var * {" + ", ".join(f'"{name}": {names[dtype]}' for name, dtype in columns.items()) + "}"

    pixels = {n: c.dtype for n, c in schema.PIXELS.items()} | {f"charge_{s:02d}": "f4" for s in slices}
    clusters = {n: c.dtype for n, c in schema.CLUSTERS.items()} | {"n_pixels": "i4", "n_truth": "i4"}
    return {
        "event": "int64",
        "cluster": record(clusters),
        "pixel": record(pixels),
        "truth": record({n: c.dtype for n, c in schema.TRUTH.items()}),
        "particle": record({n: c.dtype for n, c in schema.PARTICLES.items()}),
    }


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
        events: arrays of one or more events each, with fields ``event``, ``clusters`` (nested ``pixels`` and ``truth``)
            and ``particles``.
        container: ``"ttree"`` or ``"rntuple"``.
        events_per_chunk: events buffered before they are written.

    Returns:
        The number of events written.

    Raises:
        InputError: the folder cannot be written or the container is unknown.
    """
    if container not in ("ttree", "rntuple"):
        raise InputError(f"{path}: container '{container}' is unknown; use 'ttree' or 'rntuple'")
    meta = {
        "format": "smartpix events",
        "version": FORMAT_VERSION,
        "field": header.field,
        "slices": list(header.slices),
        "made_by": dict(header.made_by),
    }
    n_events = 0
    with replace_when_done(path) as beside, _recreate(beside) as file:
        file["metadata"] = json.dumps(meta)
        detector = {name: np.asarray(header.detector.columns[name]) for name in schema.DETECTOR}
        file.mktree("detector", {name: c.dtype for name, c in schema.DETECTOR.items()}).extend(detector)
        tree: Any = None
        if container == "ttree":
            tree = file.mktree(
                TREE,
                {
                    n: np.dtype(t) if n == "event" else ak.types.from_datashape(t, highlevel=False)
                    for n, t in _tree_types(header.slices).items()
                },
                counter_name=lambda counted: f"n_{counted}",
            )
        for chunk in _in_chunks(events, events_per_chunk):
            flat = _flat_fields(chunk, header.slices)
            if container == "rntuple":
                flat = _ungroup(flat)
                if tree is None:
                    tree = file.mkrntuple(TREE, flat)
                else:
                    tree.extend(flat)
            else:
                tree.extend(flat)
            n_events += len(chunk)
        if tree is None:
            file.mkrntuple(TREE, _ungroup({n: _empty_of(t) for n, t in _tree_types(header.slices).items()}))
    return n_events


def _empty_of(datashape: str) -> ak.Array:
    form = ak.forms.from_type(ak.types.from_datashape(datashape, highlevel=False))
    return ak.Array(form.length_zero_array(highlevel=False))


def _ungroup(groups: Mapping[str, ak.Array]) -> dict[str, ak.Array]:
    flat: dict[str, ak.Array] = {}
    for name, array in groups.items():
        if array.fields:
            flat |= {f"{name}_{field_name}": array[field_name] for field_name in array.fields}
        else:
            flat[name] = array
    return flat


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
def table_writer(path: str | Path, tree: str, types: Mapping[str, str], metadata: Mapping[str, Any]) -> Iterator[Any]:
    """A new ROOT file with one tree and a JSON ``metadata`` string, whole or not at all; gives the tree, to ``extend``.

    Args:
        path: file to make or replace.
        tree: its name.
        types: branch to type, as Awkward writes them: ``"int64"``, ``"var * {\"d0\": float32}"`` (branches ``name_field``).
        metadata: anything JSON can hold.

    Raises:
        InputError: the folder cannot be written.
    """
    with replace_when_done(path) as beside, _recreate(beside) as file:
        file["metadata"] = json.dumps(dict(metadata))
        kinds = {n: ak.types.from_datashape(t, highlevel=False) if "*" in t else np.dtype(t) for n, t in types.items()}
        yield file.mktree(tree, kinds, counter_name=lambda counted: f"n_{counted}")
