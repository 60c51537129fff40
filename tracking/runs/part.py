"""The results of one unit of a run, and their form on disk and between processes.

The form is that of :mod:`smartpix.packed`: unlike a pickle, a file of it cannot run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt

from smartpix.packed import pack, unpack
from smartpix.schema import TARGETS
from tracking.fit.resolution import TrackResiduals
from tracking.runs.outputs import EXTRA, Outputs
from tracking.runs.totals import Totals

__all__ = ["KIND", "Part", "packed", "unpacked"]

KIND = "part 2"
"""With the number of the layout. It grows whenever the layout or the meaning of a number changes, so that
older parts are made again.
"""


@dataclass(frozen=True)
class Part:
    """The results of one unit: its sums, and what goes into the files of results."""

    totals: Totals
    outputs: Outputs


def packed(part: Part) -> bytes:
    """A part as it is sent and kept. The process that ran the unit packs it, once."""
    totals = {f.name: _tree(getattr(part.totals, f.name)) for f in fields(Totals)}
    outputs = {
        file: {name: _packed_column(values) for name, values in columns.items()}
        for file, columns in part.outputs.items()
    }
    return pack({"totals": totals, "outputs": outputs}, KIND)


def unpacked(content: bytes) -> Part:
    """The part, to the last bit.

    Raises:
        ValueError: the content is damaged, or of another layout.
    """
    tree = unpack(content, KIND)
    try:
        outputs = {
            file: {name: _unpacked_column(column) for name, column in columns.items()}
            for file, columns in tree["outputs"].items()
        }
        if not {"tracks.root"} <= outputs.keys() <= {"tracks.root", *EXTRA}:
            raise ValueError(f"it has the files {', '.join(outputs)}")
        return Part(_totals(tree["totals"]), outputs)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise ValueError(f"its layout is another ({type(error).__name__}: {error})") from error


# --- sums: what smartpix.packed takes are arrays, texts and numbers, in lists and dictionaries


def _tree(value: Any) -> Any:
    if isinstance(value, hist.Hist):
        axes = [_axis_description(axis) for axis in value.axes]
        return {"axes": axes, "counts": np.asarray(value.view(flow=True))}
    if isinstance(value, TrackResiduals):
        return asdict(value)
    if isinstance(value, dict):
        return {name: _tree(inner) for name, inner in value.items()}
    return [_tree(inner) for inner in value] if isinstance(value, list) else value


def _totals(tree: Mapping[str, Any]) -> Totals:
    """The sums, each of the type and shape that it has in a new :class:`Totals`."""
    empty = Totals()
    sums: dict[str, Any] = {}
    for name in (f.name for f in fields(Totals)):
        value, default = tree[name], getattr(empty, name)
        if name in ("efficiency", "tracks"):
            sums[name] = {variable: _histogram(inner) for variable, inner in value.items()}
        elif name in ("vertex_efficiency", "pulls"):
            sums[name] = None if value is None else _histogram(value)
        elif name == "ms":
            sums[name] = {stage: float(ms) for stage, ms in value.items()}
        elif name == "track_residuals":
            sums[name] = [_track_residuals(inner) for inner in value]
        elif name == "residuals":
            sums[name] = [_residuals(inner) for inner in value]
        elif name == "vertex_residuals":
            sums[name] = [_shaped(inner, (len(inner), 2)) for inner in value]
        elif isinstance(default, np.ndarray):
            sums[name] = _shaped(value, default.shape)
        elif type(value) is type(default):
            sums[name] = value
        else:
            raise TypeError(f"{name} is {value!r:.40}")
    if len(tree) != len(sums):
        raise ValueError("it has other sums")
    return Totals(**sums)


def _shaped(array: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The array, if it is one of this shape."""
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise TypeError(f"no array of shape {shape}")
    return array


def _track_residuals(tree: Mapping[str, Any]) -> TrackResiduals:
    n = len(tree["pt"])
    shapes = {"pt": (n,), "eta": (n,), "residual": (n, 5), "pull": (n, 5)}
    return TrackResiduals(**{name: _shaped(tree[name], shape) for name, shape in shapes.items()})


def _residuals(tree: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    names = ("barrel", *TARGETS, *(f"sigma_{name}" for name in TARGETS))
    n = len(tree["barrel"])
    return {name: _shaped(tree[name], (n,)) for name in names}


def _axis_description(axis: Any) -> list[Any]:
    """Kind, name and arguments of an axis, of the kinds that :mod:`tracking.metrics` and its like fill."""
    match type(axis).__name__:
        case "Variable":
            return ["Variable", axis.name, [float(edge) for edge in axis.edges]]
        case "Regular":
            return ["Regular", axis.name, [axis.size, float(axis.edges[0]), float(axis.edges[-1])]]
        case "Integer":
            return ["Integer", axis.name, [int(axis.edges[0]), int(axis.edges[-1])]]
        case "StrCategory":
            return ["StrCategory", axis.name, list(axis)]
        case "Boolean":
            return ["Boolean", axis.name, []]
    raise TypeError(f"an axis of kind {type(axis).__name__} cannot be packed")


def _described_axis(kind: str, name: str, arguments: list[Any]) -> Any:
    # Named one by one: the kind comes from a file, and must not choose what is called.
    if kind in ("Variable", "StrCategory"):
        return getattr(hist.axis, kind)(arguments, name=name)
    if kind in ("Regular", "Integer", "Boolean"):
        return getattr(hist.axis, kind)(*arguments, name=name)
    raise ValueError(f"an axis of kind {kind}")


def _histogram(tree: Mapping[str, Any]) -> hist.Hist:
    histogram = hist.Hist(*(_described_axis(*axis) for axis in tree["axes"]), storage=hist.storage.Int64())
    view = histogram.view(flow=True)
    view[...] = _shaped(tree["counts"], view.shape)
    return histogram


# --- what goes into files: columns, jagged records of entries, rows of lists, texts


def _packed_column(values: Any) -> Any:
    if isinstance(values, ak.Array):
        flat = ak.flatten(values)
        return {
            "n": ak.to_numpy(ak.num(values)),
            "fields": {name: ak.to_numpy(flat[name]) for name in values.fields},
        }
    if isinstance(values, list):
        rows = [np.asarray(row) for row in values]
        flat_rows = np.concatenate(rows) if rows else np.zeros(0)
        return {"n": np.array([len(row) for row in rows], dtype=np.int64), "values": flat_rows}
    return values


def _unpacked_column(column: Any) -> Any:
    if isinstance(column, (np.ndarray, str)):
        return column
    n = column["n"]
    if "fields" in column:
        return ak.unflatten(ak.zip(column["fields"]), n)
    if n.sum() != len(column["values"]):
        raise ValueError("rows of another length")
    return np.split(column["values"], np.cumsum(n)[:-1]) if len(n) else []
