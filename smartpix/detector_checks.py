"""What a detector table must be, physically, before anything is sized or placed by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.schema import InputError, whole_ids

__all__ = [
    "AXES_TOLERANCE",
    "ID_LIMITS",
    "LARGEST_COORDINATE",
    "MOST_PIXELS",
    "check_detector",
    "module_keys",
    "repetitions",
]

MOST_PIXELS = 32767
"""Along one side of a module: rows and columns are int16 in the files."""
LARGEST_COORDINATE = 2.0**14
"""mm, of any corner of a module: the positions in event files are float32, whose steps exceed a micrometre
from here on. The longest tracker that has been designed, FCC-hh's, ends at 16 m."""
LARGEST_HALF_LENGTH = 500.0
"""mm: sensors are cut from wafers of 300 mm at most."""
LARGEST_HALF_THICKNESS = 5.0
"""mm: beyond any sensor; a thickness in micrometres is far above."""
AXES_TOLERANCE = 2e-5
"""On the products of the axes with each other. TrackML's table, with six decimals, is off by 1.3e-6; five
decimals give 1.7e-5, by which a corner 40 mm from the centre is less than a micrometre off."""
ID_LIMITS = {"volume_id": 2**16, "layer_id": 2**16, "module_id": 2**24}
"""Ids are below these, so that the three fit into one number; ACTS's have 8, 12 and 20 bits."""

_SIZES = {
    "module_t": LARGEST_HALF_THICKNESS,
    "module_maxhu": LARGEST_HALF_LENGTH,
    "module_hv": LARGEST_HALF_LENGTH,
    "pitch_u": 2 * LARGEST_HALF_LENGTH,
    "pitch_v": 2 * LARGEST_HALF_LENGTH,
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Table:
    """Columns as float64, and what errors call them."""

    columns: Mapping[str, Floats]
    where: str

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]

    def refuse(self, bad: npt.NDArray[np.bool_], name: str, what: str) -> None:
        """Raise an error with the first bad row of one or several columns (``"a, b"``), if there is one."""
        if np.any(bad):
            row = int(np.argmax(bad))
            ids = ", ".join(f"{self[n][row]:g}" for n in ID_LIMITS)
            values = ", ".join(f"{self[n][row]:.9g}" for n in name.split(", "))
            raise InputError(f"{self.where}: {name} is {values} in row {row} (module {ids}) {what}")


def check_detector(columns: Mapping[str, npt.NDArray[Any]], where: str) -> None:
    """Check a table with the columns of :data:`smartpix.schema.DETECTOR`.

    Args:
        where: what errors call the table.

    Raises:
        InputError: the first value that cannot be, with its column, row and the module's ids.
    """
    schema.require(list(columns), schema.DETECTOR, where, "See docs/formats.md for the columns.")
    shape = (len(columns["volume_id"]),)
    for name in schema.DETECTOR:
        values = np.asarray(columns[name])
        if values.shape != shape:
            raise InputError(
                f"{where}: {name} has the shape {values.shape} and volume_id {shape}; give one number per "
                "module in every column"
            )
        if values.dtype.kind not in "iuf":
            raise InputError(f"{where}: column '{name}' must hold numbers and is of type {values.dtype}")
    if shape == (0,):
        raise InputError(f"{where}: has no modules; give at least one")
    # Ids before sizes: errors about sizes name the module by its ids.
    for name in ID_LIMITS:
        whole_ids(np.asarray(columns[name]), "i8", where, name)
    table = _Table({name: np.asarray(columns[name], dtype=np.float64) for name in schema.DETECTOR}, where)
    for name, limit in ID_LIMITS.items():
        table.refuse((table[name] < 0) | (table[name] >= limit), name, f"and must be from 0 to {limit - 1}")
    for name in schema.DETECTOR:
        table.refuse(~np.isfinite(table[name]), name, "and must be a finite number")
    _check_sizes(table)
    _check_axes(table)
    half = {"u": np.maximum(table["module_minhu"], table["module_maxhu"]), "v": table["module_hv"]}
    for axis in "xyz":
        # Of the corner that is farthest along the axis: signs do not matter to the limit.
        reach = np.abs(table[f"c{axis}"]) + sum(np.abs(table[f"rot_{axis}{a}"]) * half[a] for a in "uv")
        beyond = (
            f"and puts a corner beyond {LARGEST_COORDINATE:g} mm, where single precision is coarser than "
            f"1 um; give mm"
        )
        table.refuse(reach > LARGEST_COORDINATE, f"c{axis}", beyond)
    repeated = np.ones(shape, dtype=bool)
    repeated[np.unique(module_keys(*(table[name] for name in ID_LIMITS)), return_index=True)[1]] = False
    table.refuse(repeated, "module_id", "like one before it; a module is there once, drop one of the rows")


def _check_sizes(table: _Table) -> None:
    """Lengths of sensors, and pixels that fit on them and into the files."""
    for name, largest in _SIZES.items():
        table.refuse(table[name] <= 0, name, "and must be positive (mm)")
        table.refuse(table[name] > largest, name, f"and must be {largest:g} at most (mm)")
    low = table["module_minhu"]
    table.refuse(
        (low < 0) | (low > LARGEST_HALF_LENGTH),
        "module_minhu",
        f"and must be from 0 to {LARGEST_HALF_LENGTH:g} (mm)",
    )
    for half, pitch in (("module_hv", "pitch_v"), ("module_maxhu", "pitch_u"), ("module_minhu", "pitch_u")):
        # Compared without dividing, which could overflow.
        many = 2 * table[half] > (MOST_PIXELS + 0.5) * table[pitch]
        table.refuse(
            many,
            pitch,
            f"and with {half} makes more than {MOST_PIXELS} pixels along one side; give both in mm",
        )
    widest = np.maximum(table["module_minhu"], table["module_maxhu"])
    for width, pitch in ((table["module_hv"], "pitch_v"), (widest, "pitch_u")):
        table.refuse(
            table[pitch] > 2 * width * (1 + 1e-6), pitch, "and is wider than the module; give both in mm"
        )


def _check_axes(table: _Table) -> None:
    """The axes u, v, w are of length 1, at right angles, and right-handed."""
    for name in (f"rot_{g}{a}" for a in "uvw" for g in "xyz"):
        table.refuse(
            np.abs(table[name]) > 1 + AXES_TOLERANCE,
            name,
            "and must be from -1 to 1 (of an axis of length 1)",
        )
    axes = {a: np.stack([table[f"rot_{g}{a}"] for g in "xyz"], axis=1) for a in "uvw"}
    for a in "uvw":
        wrong = np.abs(np.sum(axes[a] ** 2, axis=1) - 1) > AXES_TOLERANCE
        table.refuse(
            wrong,
            f"rot_x{a}, rot_y{a}, rot_z{a}",
            f"and must be of length 1 (its square within {AXES_TOLERANCE:g})",
        )
    for a, b in ("uv", "uw", "vw"):
        wrong = np.abs(np.sum(axes[a] * axes[b], axis=1)) > AXES_TOLERANCE
        what = f"and must be at right angles to {b} (within {AXES_TOLERANCE:g})"
        table.refuse(wrong, f"rot_x{a}, rot_y{a}, rot_z{a}", what)
    mirrored = np.sum(np.cross(axes["u"], axes["v"]) * axes["w"], axis=1) < 0
    table.refuse(
        mirrored,
        "rot_xw, rot_yw, rot_zw",
        "and must be u x v (right-handed axes); turn one of the axes round",
    )


def module_keys(volume: npt.ArrayLike, layer: npt.ArrayLike, module: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """One number for three ids; -1, which is no module's, where one is not within :data:`ID_LIMITS`."""
    ids = [np.asarray(values).astype(np.int64) for values in (volume, layer, module)]
    good = np.all([(i >= 0) & (i < limit) for i, limit in zip(ids, ID_LIMITS.values(), strict=True)], axis=0)
    return np.where(good, (ids[0] << 40) + (ids[1] << 24) + ids[2], -1)


def repetitions(columns: Mapping[str, npt.NDArray[Any]]) -> int:
    """How often a table repeats itself from its first row to its last, as ``hadd`` makes it of several files;
    1: not at all.
    """
    ids = np.stack([columns[name] for name in ID_LIMITS], axis=1)
    repeats = np.flatnonzero(np.all(ids[1:] == ids[:1], axis=1)) + 1
    size = int(repeats[0]) if len(repeats) else len(ids)
    if size == 0 or len(ids) % size:
        return 1
    parts = (np.asarray(values).reshape(-1, size) for values in columns.values())
    return len(ids) // size if all(np.all(part == part[:1]) for part in parts) else 1
