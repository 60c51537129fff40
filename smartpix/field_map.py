"""The magnetic field: uniform along the beam, or a table of radius and z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix.rules import fields, items, real
from smartpix.schema import STRONGEST_FIELD, InputError
from smartpix.text import read_text

__all__ = [
    "IN_HEADER",
    "FieldMap",
    "from_header",
    "in_header",
    "read_field_map",
    "same_table",
    "uniform_field",
]

Floats = npt.NDArray[np.float64]

EVEN = 1e-3
"""Of a step: how far a grid's lines may be off."""
LARGEST = 100e6
"""Bytes of a file."""
MOST_POINTS = 200_000
"""Of a table that a header holds: some 4 MB of text."""

NEAR_ORIGIN = 0.01
"""Relative difference of two fields at the origin that are taken for the same."""

_AXIS, _COMPONENT = items(real(), 2, rising=True), items(real(-STRONGEST_FIELD, STRONGEST_FIELD), 4)
IN_HEADER = fields({"r": _AXIS, "z": _AXIS, "radial": _COMPONENT, "beam": _COMPONENT})
"""What a header says of a table, see :func:`in_header`."""


@dataclass(frozen=True)
class FieldMap:
    """A field that is the same at all azimuths, between the points of a grid bilinear, beyond it as at
    its edge.

    Attributes:
        r: (R,) mm, ascending in equal steps from 0 or more; z: (Z,) mm, likewise.
        radial, beam: (R, Z) the components along the radius and along z, T.
    """

    r: Floats
    z: Floats
    radial: Floats
    beam: Floats

    @property
    def arrays(self) -> tuple[Floats, Floats]:
        """Values (R, Z, 2) and first point and points per mm of both axes, as kernels read them."""
        values = np.ascontiguousarray(np.stack([self.radial, self.beam], axis=2))
        axis = [
            value
            for line in (self.r, self.z)
            for value in (line[0], (len(line) - 1) / (line[-1] - line[0]) if len(line) > 1 else 0.0)
        ]
        return values, np.array(axis)

    def check_origin(self, tesla: float, where: str) -> None:
        """Check that a header's field is that of the table at the origin, to a hundredth.

        Raises:
            InputError: it is not.
        """
        own = self.at_origin()
        if abs(own - tesla) > NEAR_ORIGIN * max(abs(own), abs(tesla)):
            raise InputError(
                f"{where}: the table of the field has {own:g} T at the origin and the events {tesla:g} T; give the "
                "table that they were made in, in T and mm"
            )

    def at_origin(self) -> float:
        """Bz at the origin, T."""
        return float(self.at(np.zeros((1, 3)))[0, 2])

    def at(self, points: Floats) -> Floats:
        """(N, 3) field in T at points (N, 3) in mm."""
        from smartpix.field_kernels import field_at

        out = np.empty((len(points), 3))
        for row, point in zip(out, np.ascontiguousarray(points), strict=True):
            row *= field_at(self.arrays, point, row)
        return out


def uniform_field(tesla: float) -> FieldMap:
    """A uniform field along z."""
    zero = np.zeros(1)
    return FieldMap(zero, zero, np.zeros((1, 1)), np.full((1, 1), float(tesla)))


def same_table(one: FieldMap | None, other: FieldMap | None) -> bool:
    """Whether two tables have the same numbers, or both are none."""
    if one is None or other is None:
        return one is other
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields_of(one))


def in_header(table: FieldMap) -> dict[str, list[float]]:
    """A table as JSON: both axes, and the components at all z of the first radius, of the second, and so
    on.

    Raises:
        InputError: it has more points than a header should hold.
    """
    if table.beam.size > MOST_POINTS:
        raise InputError(
            f"field: the table has {table.beam.size} points and a file's header holds {MOST_POINTS} at most; thin "
            "the table out"
        )
    return {name: getattr(table, name).ravel().tolist() for name in ("r", "z", "radial", "beam")}


def from_header(told: Mapping[str, Sequence[float]], where: str) -> FieldMap:
    """The table that :func:`in_header` told.

    Raises:
        InputError: its numbers are no grid.
    """
    r, z, radial, beam = (np.array(told[name], dtype=np.float64) for name in ("r", "z", "radial", "beam"))
    r, z = _axis(r, where, "r"), _axis(z, where, "z")
    if r[0] < 0:
        raise InputError(
            f"{where}: field_map has r from {r[0]:g} mm on; radii are 0 or more; write the file again"
        )
    if len(radial) != len(r) * len(z) or len(beam) != len(radial):
        raise InputError(
            f"{where}: field_map has {len(radial)} and {len(beam)} values and {len(r)} x {len(z)} points; write the "
            "file again"
        )
    return FieldMap(r, z, radial.reshape(len(r), len(z)), beam.reshape(len(r), len(z)))


def read_field_map(path: str | Path) -> FieldMap:
    """Read a table of a field: lines ``r z Br Bz`` (mm, T), separated by spaces or commas.

    Lines that begin with ``#``, and a first line of names, are left out. The points are those of a grid,
    in any order.

    Raises:
        InputError: no such file, a line that is not four numbers, points that are no grid of equal steps
            or there twice, or a field beyond any tracker's.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size > LARGEST:
        raise InputError(f"{path}: is larger than {LARGEST / 1e6:g} MB; thin the table out")
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a table of the field") from error
    except ValueError as error:
        raise InputError(f"{path}: is no text ({error}); give lines r z Br Bz (mm, T)") from error
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#") or (not rows and words[:2] == ["r", "z"]):
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != 4 or not np.all(np.isfinite(values)):
            raise InputError(
                f"{path}: line {number} must be four numbers r z Br Bz (mm, T) and is '{line[:60]}'"
            )
        rows.append(values)
    if not rows:
        raise InputError(f"{path}: has no points; give lines r z Br Bz (mm, T)")
    table = np.array(rows)
    r, z = _axis(table[:, 0], path, "r"), _axis(table[:, 1], path, "z")
    if r[0] < 0:
        raise InputError(f"{path}: r is {r[0]:g} mm; radii are 0 or more")
    if np.abs(table[:, 2:]).max() > STRONGEST_FIELD:
        raise InputError(f"{path}: has a field beyond {STRONGEST_FIELD:g} T; give Br and Bz in T")
    cell = np.rint((table[:, 0] - r[0]) / (r[1] - r[0])) * len(z) + np.rint(
        (table[:, 1] - z[0]) / (z[1] - z[0])
    )
    if len(np.unique(cell)) != len(cell) or len(cell) != len(r) * len(z):
        raise InputError(
            f"{path}: has {len(cell)} points, {len(np.unique(cell))} of them different, and the grid of "
            f"{len(r)} radii and {len(z)} z has {len(r) * len(z)}; give each point once"
        )
    grid = table[np.argsort(cell), 2:].reshape(len(r), len(z), 2)
    return FieldMap(r, z, grid[..., 0].copy(), grid[..., 1].copy())


def _axis(values: Floats, path: Path | str, name: str) -> Floats:
    """The different values of an axis, in equal steps."""
    line = np.unique(values)
    if len(line) < 2:
        raise InputError(f"{path}: has one {name} only; a table needs two at least")
    steps = np.diff(line)
    if np.abs(steps - steps.mean()).max() > EVEN * steps.mean():
        raise InputError(
            f"{path}: {name} goes in steps of {steps.min():g} to {steps.max():g} mm; make them equal"
        )
    return line
