"""Planes of a telescope across the z axis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.layouts.modules import Modules
from smartpix.layouts.options import Plane

__all__ = ["planes"]


def planes(options: Plane) -> list[Modules]:
    """The planes in the order of z, one layer each; modules row by row."""
    return [_plane(options, z, k) for k, z in enumerate(sorted(options.z))]


def _plane(options: Plane, z: float, k: int) -> Modules:
    turn = options.turn + 90.0 * (options.alternate and k % 2 == 1)
    axes = _about("y", options.tilt_y) @ _about("x", options.tilt_x) @ _about("z", turn)
    across = (np.arange(options.columns) - 0.5 * (options.columns - 1)) * (options.width + options.gap)
    along = (np.arange(options.rows) - 0.5 * (options.rows - 1)) * (options.height + options.gap)
    v, u = (a.ravel() for a in np.meshgrid(along, across, indexing="ij"))
    n = len(u)
    center = np.array([options.x, options.y, z]) + u[:, None] * axes[:, 0] + v[:, None] * axes[:, 1]
    half_u, half_v = np.full(n, 0.5 * options.width), np.full(n, 0.5 * options.height)
    return Modules(
        center, np.tile(axes[:, 0], (n, 1)), np.tile(axes[:, 1], (n, 1)), half_u, half_u.copy(), half_v
    )


def _about(axis: str, degrees: float) -> npt.NDArray[np.float64]:
    """Rotation about a global axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis], dtype=np.float64)
