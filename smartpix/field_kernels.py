"""A table of the field at a point, and helices about any direction of the field: compiled, for
simulation and fit.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import njit

__all__ = ["FIELD_STEP", "along_helix", "field_at"]

FIELD_STEP = 20.0
"""mm: in a table of the field, longest piece of a path with the field of its middle."""


@njit(cache=True)
def along_helix(point: Any, direction: Any, b: Any, bend: float, s: float, to: Any, heading: Any) -> None:
    """Point and direction after a path ``s`` (mm) in a uniform field.

    Args:
        b: (3,) direction of the field; bend: turning angle per mm about it.
        to, heading: (3,) filled.
    """
    along = direction[0] * b[0] + direction[1] * b[1] + direction[2] * b[2]
    cx = direction[1] * b[2] - direction[2] * b[1]
    cy = direction[2] * b[0] - direction[0] * b[2]
    cz = direction[0] * b[1] - direction[1] * b[0]
    angle = bend * s
    if abs(angle) < 1e-4:
        sine, cosine = angle * (1 - angle * angle / 6), 1 - 0.5 * angle * angle
        first, second = s * (1 - angle * angle / 6), 0.5 * s * angle * (1 - angle * angle / 12)
    else:
        sine, cosine = math.sin(angle), math.cos(angle)
        half = math.sin(0.5 * angle)
        first, second = sine / bend, 2 * half * half / bend
    for k in range(3):
        parallel = along * b[k]
        across = direction[k] - parallel
        turned = cx if k == 0 else (cy if k == 1 else cz)
        to[k] = point[k] + parallel * s + across * first + turned * second
        heading[k] = parallel + across * cosine + turned * sine


@njit(cache=True)
def field_at(table: Any, point: Any, field: Any) -> float:
    """Field at a point, T; its direction is filled into ``field`` (3,).

    Args:
        table: (R, Z, 2) Br and Bz on a grid, and its axes as :class:`smartpix.field_map.FieldMap` has
            them; of size (1, 1, 2) a uniform one along z.
    """
    values, axis = table
    if values.shape[0] == 1:
        field[0], field[1], field[2] = 0.0, 0.0, 1.0
        return float(values[0, 0, 1])
    r = math.sqrt(point[0] * point[0] + point[1] * point[1])
    at_r = min(max((r - axis[0]) * axis[1], 0.0), values.shape[0] - 1.0)
    at_z = min(max((point[2] - axis[2]) * axis[3], 0.0), values.shape[1] - 1.0)
    i, j = min(int(at_r), values.shape[0] - 2), min(int(at_z), values.shape[1] - 2)
    u, v = at_r - i, at_z - j
    # Number by number: sums of rows would make arrays.
    a, b, c, d = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
    radial = (
        a * values[i, j, 0] + b * values[i + 1, j, 0] + c * values[i, j + 1, 0] + d * values[i + 1, j + 1, 0]
    )
    beam = (
        a * values[i, j, 1] + b * values[i + 1, j, 1] + c * values[i, j + 1, 1] + d * values[i + 1, j + 1, 1]
    )
    size = math.sqrt(radial * radial + beam * beam)
    if size == 0:
        field[0], field[1], field[2] = 0.0, 0.0, 1.0
        return 0.0
    outward = radial / (r * size) if r > 0 else 0.0
    field[0], field[1], field[2] = outward * point[0], outward * point[1], beam / size
    return float(size)
