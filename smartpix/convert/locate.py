"""Which module a hit lies on, for formats whose numbers of modules are not those of the detector table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from smartpix.geometry import Detector
from smartpix.io.physics_checks import OVER_EDGE
from smartpix.schema import InputError

__all__ = ["BESIDE", "hits_on_modules", "locate_modules"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BESIDE = 0.05
"""mm: distance from a module's volume up to which a hit is on it, for rounding and entry points at the
surface."""
NEIGHBOURS = 24
"""Modules with the nearest centres that are looked at. The one that a hit is on is among them, as long as
sensors are not many times longer than wide."""


def locate_modules(detector: Detector, position: Floats) -> tuple[npt.NDArray[np.int32], Floats]:
    """Modules (N,) that points (N, 3) lie on, -1 for none, and (N,) how far each is off the nearest one, mm.

    A point is on a module if it is within its area and thickness to :data:`BESIDE`. Of several the one whose
    midplane is nearest is taken.
    """
    n = len(position)
    if n == 0:
        return np.zeros(0, dtype=np.int32), np.zeros(0)
    k = min(NEIGHBOURS, len(detector))
    near = np.asarray(cKDTree(detector.center).query(position, k=k)[1]).reshape(n, k)
    local = detector.to_local(near.ravel(), np.repeat(position, k, axis=0)).reshape(n, k, 3)
    half = np.stack([detector.half_x, detector.half_y, detector.thickness / 2], axis=1)[near]
    off = np.linalg.norm(np.maximum(np.abs(local) - half, 0.0), axis=2)
    # Of those that a point is on, the nearest midplane; of the others, the nearest module.
    order = np.where(off <= BESIDE, np.abs(local[..., 2]) - 1e6, off)
    best = np.argmin(order, axis=1)
    rows = np.arange(n)
    distance = off[rows, best]
    return np.where(distance <= BESIDE, near[rows, best], -1).astype(np.int32), distance


def hits_on_modules(
    detector: Detector, position: Floats, group: Ints, hit_id: Ints, names: dict[int, str], where: str
) -> tuple[Ints, npt.NDArray[np.int32], Floats]:
    """Rows of the hits on modules of the table, their modules, and their positions (global, mm) on the
    midplanes.

    Hits come in groups, as those of a collection. Groups that have no hit on any module are of other
    detectors and are left out. In the others, all hits must be on modules.

    Args:
        group: (N,) of the hits.
        hit_id: (N,) for messages; names: of the groups, for messages.

    Raises:
        InputError: hits beside all modules in a group that has others on them.
    """
    module, distance = locate_modules(detector, position)
    taken = np.isin(group, np.unique(group[module >= 0]))
    lost = taken & (module < 0)
    if np.any(lost):
        i = int(np.argmax(np.where(lost, distance, -1.0)))
        raise InputError(
            f"{where}: hit {hit_id[i]} of {names[int(group[i])]} lies {distance[i]:.3g} mm off the nearest module, "
            f"and {BESIDE:g} mm are allowed ({int(lost.sum())} such hits of {int(taken.sum())}); give the table of "
            "the detector that was simulated, in mm"
        )
    rows = np.flatnonzero(taken)
    module = module[rows]
    local = detector.to_local(module, position[rows])
    # A hit through the side may be a little beside the sensor; its crossing is then at the edge.
    for axis, half in enumerate((detector.half_x, detector.half_y)):
        most = half[module] + OVER_EDGE / 2
        local[:, axis] = np.clip(local[:, axis], -most, most)
    return rows, module, detector.to_global(module, local[:, :2])
