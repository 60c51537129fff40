"""Which modules and passive surfaces are near a point: what the propagator looks up at each piece of its
way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.material import Material, surfaces

__all__ = ["PIECE", "Surfaces", "surface_index"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

PIECE = 10.0
"""mm: length of a piece of a path, all of whose crossings are looked for at once."""
REACH = 0.5 * PIECE
"""Nothing on a piece is farther from its middle."""
CELL = 5.0
"""mm, of the map of distances."""
BIN = 15.0
"""mm, of the modules' bins."""
FAR = 1100.0
"""mm: radius beyond which no particle is followed, that of the generic detector's last layer."""
MARGIN = 10.0


class Surfaces(NamedTuple):
    """Modules and passive surfaces, with what finds them.

    Modules are in groups, those of a layer that face alike: cylinders have bins of azimuth and z, disks of x
    and y.

    Attributes:
        center: (M, 3) mm; axes: (M, 3, 3) sensor axes as columns; normal: (M, 3) the last of them.
        half: (M, 4) half length along x, half widths along y at its lower and upper end, mm; 1 / (2 half_x).
        material: (M,) radiation lengths.
        envelope: (G, 4) least and largest radius and z of a group, mm.
        barrel: (G,) whether the bins are of azimuth and z.
        low, bins: (G, 2) where bins start (rad or mm) and their number; scale: (G, 2) bins in a unit.
        offset: (G,) first bin; starts: where each bin starts in ``member``; member: rows of modules.
        cylinders, disks: (S, 4), see :func:`smartpix.material.surfaces`; disk_centers: (S, 3); beam: (3,)
            along z.
        safe: (R, Z) at least this far, in mm, from anything in a cell; z_low: mm, where the cells start.
        world: radius and largest absolute z of where particles are followed, mm.
    """

    center: Floats
    axes: Floats
    normal: Floats
    half: Floats
    material: Floats
    envelope: Floats
    barrel: npt.NDArray[np.bool_]
    low: Floats
    bins: Ints
    scale: Floats
    offset: Ints
    starts: Ints
    member: Ints
    cylinders: Floats
    disks: Floats
    disk_centers: Floats
    beam: Floats
    safe: Floats
    z_low: float
    world: Floats


def surface_index(
    detector: Detector, material: Material, farthest: tuple[float, float] = (0.0, 0.0), loops: bool = False
) -> Surfaces:
    """Index a detector's modules and passive surfaces.

    Args:
        farthest: largest radius and absolute z of where a particle starts, mm.
        loops: particles may come back from outside of the detector.
    """
    corners = detector.outline
    group, n_groups = _groups(detector)
    reach = np.hypot(corners[..., 0], corners[..., 1])
    inner = _inner_radius(corners)
    envelope = np.array([
        [inner[m].min(), reach[m].max(), corners[m, :, 2].min(), corners[m, :, 2].max()]
        for m in (group == g for g in range(n_groups))
    ])  # fmt: skip
    barrel = np.array([bool(detector.barrel[np.argmax(group == g)]) for g in range(n_groups)])
    low, bins, scale = (
        np.zeros((n_groups, 2)),
        np.zeros((n_groups, 2), dtype=np.int32),
        np.zeros((n_groups, 2)),
    )
    keys, members, offset, n_bins = [], [], np.zeros(n_groups, dtype=np.int32), 0
    for g in range(n_groups):
        rows = np.flatnonzero(group == g)
        low[g], bins[g], scale[g] = _grid(envelope[g], bool(barrel[g]))
        offset[g] = n_bins
        for row in rows.tolist():
            cells = _cells(corners[row], float(inner[row]), bool(barrel[g]), low[g], bins[g], scale[g])
            keys.append(n_bins + cells)
            members.append(np.full(len(cells), row))
        n_bins += int(bins[g].prod())
    key, member = np.concatenate(keys), np.concatenate(members).astype(np.int32)
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(key[order], np.arange(n_bins + 1)).astype(np.int32)
    cylinders, disks = surfaces(detector, material)
    beam = np.array([0.0, 0.0, 1.0])
    outer = [max(float(ends), start) for ends, start in zip(
        (reach.max(), np.abs(corners[..., 2]).max()), farthest, strict=True
    )]  # fmt: skip
    world = np.array([FAR if loops else outer[0] + MARGIN, outer[1] + MARGIN])
    safe = _distances(envelope, cylinders, disks, world)
    half = np.column_stack([detector.half_x, detector.half_y_ends, 0.5 / detector.half_x])
    axes = np.ascontiguousarray(detector.axes)
    return Surfaces(
        center=np.ascontiguousarray(detector.center), axes=axes, normal=np.ascontiguousarray(axes[:, :, 2]),
        half=half, material=np.full(len(detector), material.sensor), envelope=envelope, barrel=barrel, low=low,
        bins=bins, scale=scale, offset=offset, starts=starts, member=member[order], cylinders=cylinders,
        disks=disks, disk_centers=disks[:, :1] * beam, beam=beam, safe=safe, z_low=-float(world[1]), world=world,
    )  # fmt: skip


def _groups(detector: Detector) -> tuple[npt.NDArray[np.int64], int]:
    """(M,) group of each module and their number: modules of a layer that face alike, disks by their side."""
    side = np.where(detector.barrel, 0, np.sign(detector.center[:, 2]))
    keys = np.stack([detector.layer_index, detector.barrel, side], axis=1)
    kinds, group = np.unique(keys, axis=0, return_inverse=True)
    return group.reshape(-1), len(kinds)


def _inner_radius(corners: Floats) -> Floats:
    """(M,) least distance of a module from the z axis, or a little less."""
    step = np.linspace(0, 1, 9)
    s, t = (grid.ravel()[:, None] for grid in np.meshgrid(step, step))
    low, high = (
        corners[:, a, None] + s * (corners[:, b, None] - corners[:, a, None]) for a, b in ((0, 1), (3, 2))
    )
    points = low + t * (high - low)
    # No point of the module is farther from one of these than half the longest diagonal between them.
    diagonal = np.maximum(*(np.linalg.norm(corners[:, a] - corners[:, a + 2], axis=1) for a in (0, 1)))
    slack = 0.5 / 8 * diagonal
    return np.asarray(np.maximum(np.hypot(points[..., 0], points[..., 1]).min(axis=1) - slack, 0.0))


def _grid(envelope: Floats, barrel: bool) -> tuple[Floats, Ints, Floats]:
    """Where a group's bins start, their numbers, and bins in a unit, along both directions."""
    if barrel:
        low = np.array([-np.pi, envelope[2] - REACH])
        span = np.array([2 * np.pi, envelope[3] - envelope[2] + 2 * REACH])
        size = np.array([BIN / max(envelope[0], BIN), BIN])
    else:
        low = np.full(2, -envelope[1] - REACH)
        span, size = -2 * low, np.full(2, BIN)
    bins = np.maximum(np.ceil(span / size), 1)
    return low, bins.astype(np.int32), bins / span


def _cells(corners: Floats, inner: float, barrel: bool, low: Floats, bins: Ints, scale: Floats) -> Ints:
    """Bins of all points that are within :data:`REACH` of a module."""
    if barrel:
        azimuth = np.arctan2(corners[:, 1], corners[:, 0])
        middle = np.arctan2(corners[:, 1].mean(), corners[:, 0].mean())
        apart = np.angle(np.exp(1j * (azimuth - middle)))
        if inner <= REACH or np.ptp(apart) > np.pi:
            first = np.arange(bins[0])
        else:
            more = np.arcsin(REACH / inner)
            ends = (np.array([apart.min() - more, apart.max() + more]) + middle - low[0]) * scale[0]
            first = np.arange(int(np.floor(ends[0])), int(np.floor(ends[1])) + 1) % bins[0]
            first = np.unique(first)
        across = corners[:, 2]
    else:
        ends = (np.array([corners[:, 0].min() - REACH, corners[:, 0].max() + REACH]) - low[0]) * scale[0]
        first = np.arange(max(int(ends[0]), 0), min(int(ends[1]), bins[0] - 1) + 1)
        across = corners[:, 1]
    ends = (np.array([across.min() - REACH, across.max() + REACH]) - low[1]) * scale[1]
    second = np.arange(max(int(ends[0]), 0), min(int(ends[1]), bins[1] - 1) + 1)
    return np.asarray((first[:, None] * bins[1] + second).ravel(), dtype=np.int32)


def _distances(envelope: Floats, cylinders: Floats, disks: Floats, world: Floats) -> Floats:
    """(R, Z) distance in the plane of radius and z of each cell from the nearest thing; no path is
    shorter.
    """
    n_r, n_z = int(world[0] / CELL) + 1, int(2 * world[1] / CELL) + 1
    boxes = [envelope] + [
        np.stack([s[:, a], s[:, b], s[:, c], s[:, d]], axis=1)
        for s, (a, b, c, d) in ((cylinders, (0, 0, 1, 2)), (disks, (1, 2, 0, 0)))
    ]
    r = CELL * np.arange(n_r)
    z = -world[1] + CELL * np.arange(n_z)
    safe = np.full((n_r, n_z), np.inf)
    for r_min, r_max, z_min, z_max in np.concatenate(boxes):
        dr = np.maximum(np.maximum(r_min - (r + CELL), r - r_max), 0.0)
        dz = np.maximum(np.maximum(z_min - (z + CELL), z - z_max), 0.0)
        safe = np.minimum(safe, np.hypot(dr[:, None], dz))
    return safe
