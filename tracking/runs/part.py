"""What one unit of a run gave, and its form on disk and on the way between processes: :mod:`smartpix.packed`,
no pickle.
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

KIND = "part 1"
"""With the number of the layout; one more whenever it or what a number means changes."""


@dataclass(frozen=True)
class Part:
    """What one unit gave: its sums, and what goes into the files of results."""

    totals: Totals
    outputs: Outputs


def packed(part: Part) -> bytes:
    """A part as it is sent and kept: packed once, by whoever ran the unit."""
    totals = {f.name: _told(getattr(part.totals, f.name)) for f in fields(Totals)}
    outputs = {
        file: {name: _column(values) for name, values in columns.items()}
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
            file: {name: _column_again(told) for name, told in columns.items()}
            for file, columns in tree["outputs"].items()
        }
        if not {"tracks.root"} <= outputs.keys() <= {"tracks.root", *EXTRA}:
            raise ValueError(f"it has the files {', '.join(outputs)}")
        return Part(_totals(tree["totals"]), outputs)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise ValueError(f"its layout is another ({type(error).__name__}: {error})") from error


# --- sums


def _told(value: Any) -> Any:
    if isinstance(value, hist.Hist):
        return {"axes": [_axis(axis) for axis in value.axes], "counts": np.asarray(value.view(flow=True))}
    if isinstance(value, TrackResiduals):
        return asdict(value)
    if isinstance(value, dict):
        return {name: _told(inner) for name, inner in value.items()}
    return [_told(inner) for inner in value] if isinstance(value, list) else value


def _totals(told: Mapping[str, Any]) -> Totals:
    plain = Totals()
    found: dict[str, Any] = {}
    for name in (f.name for f in fields(Totals)):
        value, usual = told[name], getattr(plain, name)
        if name in ("efficiency", "tracks"):
            found[name] = {variable: _histogram(inner) for variable, inner in value.items()}
        elif name in ("vertex_efficiency", "pulls"):
            found[name] = None if value is None else _histogram(value)
        elif name == "ms":
            found[name] = {stage: float(ms) for stage, ms in value.items()}
        elif name == "track_residuals":
            found[name] = [_residuals_of_tracks(inner) for inner in value]
        elif name == "residuals":
            found[name] = [_residuals(inner) for inner in value]
        elif name == "vertex_residuals":
            found[name] = [_shaped(inner, (len(inner), 2)) for inner in value]
        elif isinstance(usual, np.ndarray):
            found[name] = _shaped(value, usual.shape)
        elif type(value) is type(usual):
            found[name] = value
        else:
            raise TypeError(f"{name} is {value!r:.40}")
    if len(told) != len(found):
        raise ValueError("it has other sums")
    return Totals(**found)


def _shaped(array: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise TypeError(f"no array of shape {shape}")
    return array


def _residuals_of_tracks(told: Mapping[str, Any]) -> TrackResiduals:
    n = len(told["pt"])
    shapes = {"pt": (n,), "eta": (n,), "residual": (n, 5), "pull": (n, 5)}
    return TrackResiduals(**{name: _shaped(told[name], shape) for name, shape in shapes.items()})


def _residuals(told: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    names = ("barrel", *TARGETS, *(f"sigma_{name}" for name in TARGETS))
    n = len(told["barrel"])
    return {name: _shaped(told[name], (n,)) for name in names}


def _axis(axis: Any) -> list[Any]:
    """Kind, name and what makes it; for the kinds that :mod:`tracking.metrics` and its like fill."""
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


def _axis_again(kind: str, name: str, made_of: list[Any]) -> Any:
    if kind in ("Variable", "StrCategory"):
        return getattr(hist.axis, kind)(made_of, name=name)
    if kind in ("Regular", "Integer", "Boolean"):
        return getattr(hist.axis, kind)(*made_of, name=name)
    raise ValueError(f"an axis of kind {kind}")


def _histogram(told: Mapping[str, Any]) -> hist.Hist:
    histogram = hist.Hist(*(_axis_again(*axis) for axis in told["axes"]), storage=hist.storage.Int64())
    view = histogram.view(flow=True)
    view[...] = _shaped(told["counts"], view.shape)
    return histogram


# --- what goes into files: columns, jagged records of entries, rows of lists, texts


def _column(values: Any) -> Any:
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


def _column_again(told: Any) -> Any:
    if isinstance(told, (np.ndarray, str)):
        return told
    n = told["n"]
    if "fields" in told:
        return ak.unflatten(ak.zip(told["fields"]), n)
    if n.sum() != len(told["values"]):
        raise ValueError("rows of another length")
    return np.split(told["values"], np.cumsum(n)[:-1]) if len(n) else []
