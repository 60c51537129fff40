"""How much a table of the field bends at hits, for the curvatures that the search allows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.arrays import EdgeColumns, SearchSettings
from seeding.constants import SHARPEST
from seeding.hits import Hits
from seeding.table import WEAKEST
from smartpix.beam import BeamSpot
from smartpix.field_map import FieldMap
from smartpix.schema import InputError

__all__ = ["along_rays", "check_frame", "in_local", "in_strongest"]

Floats = npt.NDArray[np.float64]

ON_AXIS = 1e-6
"""mm: on the beam line nothing bends but Bz."""


def check_frame(frame: BeamSpot, where: str) -> None:
    """Check that a table of the field, which is about the z axis, can be used in a frame of the beam.

    Raises:
        InputError: it is that of a beam of particles.
    """
    if frame.distance:
        raise InputError(
            f"{where}: the field is a table about the z axis and tracks along a beam of particles are searched as "
            "straight; give files without field, or cone.prior = beam with collisions"
        )


def along_rays(table: FieldMap, points: Floats, frame: BeamSpot) -> Floats:
    """(N,) T: what bends a track in the plane across the beam, on straight rays from the origin of the
    frame to points (N, 3).

    Where the field has a part along the radius, the velocity along the beam bends as well: of a track
    with the slope cot theta that is Bz - cot theta Br.
    """
    field = frame.direction_to_beam(table.at(frame.to_global(points)))
    across = np.hypot(points[:, 0], points[:, 1])
    radial = (points[:, 0] * field[:, 0] + points[:, 1] * field[:, 1]) * points[:, 2]
    return np.asarray(field[:, 2] - radial / np.maximum(across, ON_AXIS) ** 2 * (across > ON_AXIS))


def in_strongest(
    settings: SearchSettings, table: FieldMap, field: float, hits: Hits, frame: BeamSpot
) -> tuple[SearchSettings, Floats]:
    """The settings of a search with the curvature of the strongest field, and the field at each hit.

    Args:
        settings: for the field (T) at the origin.

    Returns:
        Settings, and (N,) :func:`along_rays` of the hits over the field at the origin.
    """
    share = np.maximum(np.abs(along_rays(table, hits.position, frame)), WEAKEST) / max(abs(field), WEAKEST)
    largest = max(1.0, float(share.max(initial=0.0)))
    strongest = settings._replace(
        max_curvature=largest * settings.max_curvature, scattering=settings.scattering / largest**2
    )
    return strongest, share


def in_local(
    edges: EdgeColumns, hits: Hits, share: Floats, settings: SearchSettings, strongest: SearchSettings
) -> npt.NDArray[np.float32]:
    """(E,) chi2 in the field on the edges' way, of those of a search in the strongest field.

    The circle through the beam line and two hits at the radii r_i and r_j has the mean curvature of the
    way, weighted with a triangle over 0 to r_j whose top is at r_i (the second divided difference of the
    track's offset). The field of a solenoid is even in z. Where it falls with the square of the way,
    that mean is half of the field at the axis and a quarter of that at each hit: the share is (x^2 + x +
    1) / (x^2 + 1) / 6 with x = r_i / r_j, 0.233 at a half and 0.25 at 1.

    Args:
        share: (N,) of the hits, of :func:`in_strongest`, which made ``strongest`` of ``settings``.
    """
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    curvature = np.abs(edges.curvature.astype(np.float64))
    mean = 0.5 + 0.25 * (share[edges.source] + share[edges.target])
    # What an impact parameter of one sigma adds to the curvature, see seeding.pair_kernels.
    step = 2 * max(settings.sigma_d0, SHARPEST) / (radius[edges.source] * radius[edges.target])
    local = np.maximum(curvature - mean * settings.max_curvature, 0.0) / step
    before = np.maximum(curvature - strongest.max_curvature, 0.0) / step
    return np.asarray(edges.chi2 + local**2 - before**2, dtype=np.float32)
