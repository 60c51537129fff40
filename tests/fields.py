"""Tables of the field that tests use, and a solenoid's in closed form."""

from __future__ import annotations

import numpy as np

from smartpix.field_map import FieldMap

R, Z = np.linspace(0.0, 400.0, 41), np.linspace(-1600.0, 1600.0, 161)


def falling_solenoid(tesla: float, weaker: float = 0.3, at: float = 1600.0) -> FieldMap:
    """Bz = B (1 - a (z^2 - r^2 / 2)) and Br = B a r z, without sources or currents: to second order the
    field of every solenoid about its middle; on the axis ``weaker`` at ``at`` (mm).
    """
    a = weaker / at**2
    r, z = np.meshgrid(R, Z, indexing="ij")
    return FieldMap(R, Z, tesla * a * r * z, tesla * (1 - a * (z**2 - r**2 / 2)))


def even_table(tesla: float) -> FieldMap:
    """A table that is the same everywhere."""
    return FieldMap(R[::10], Z[::10], np.zeros((5, 17)), np.full((5, 17), tesla))


def write_table(table: FieldMap, path: object) -> None:
    """As a file of lines r z Br Bz."""
    r, z = np.meshgrid(table.r, table.z, indexing="ij")
    np.savetxt(str(path), np.column_stack([a.ravel() for a in (r, z, table.radial, table.beam)]))
