"""ACTS's generic detector and field for one of our module tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.beam import CENTRED
from smartpix.geometry import PIXEL_VOLUMES, Detector
from smartpix.schema import InputError

__all__ = ["POSITION_TOLERANCE", "ActsSetup", "acts_setup", "module_ids"]

Floats = npt.NDArray[np.float64]

POSITION_TOLERANCE = 1e-3
"""Largest difference in mm between a point of ours and ACTS's that still count as the same: far below any
resolution, far above the rounding of either."""

PIXEL_LEVEL = 1
"""ACTS's number for how much of the generic detector is built: the pixels, without the strips."""


@dataclass(frozen=True)
class ActsSetup:
    """ACTS's generic detector for a module table, ready for its algorithms.

    Attributes:
        generic: ACTS's detector, which owns the modules; geometry: its tracking geometry; field: ACTS's.
        ids: (M,) geometry id of each module of the table.
        volumes: the geometry's volumes by those of the full detector; pixels_alone: it has no others.
    """

    generic: Any
    geometry: Any
    field: Any
    ids: list[Any]
    volumes: Mapping[int, int]
    pixels_alone: bool


def module_ids(acts: Any, detector: Detector, volumes: Mapping[int, int] = MappingProxyType({})) -> list[Any]:
    """(M,) ACTS's geometry id of each module of a table.

    Args:
        volumes: of a geometry by those of the full detector, where they differ.
    """
    columns = [
        np.asarray(detector.columns[name]).astype(int).tolist()
        for name in ("volume_id", "layer_id", "module_id")
    ]
    return [
        acts.GeometryIdentifier(volume=volumes.get(v, v), layer=k, sensitive=m)
        for v, k, m in zip(*columns, strict=True)
    ]


def acts_setup(acts: Any, detector: Detector, field: float, pixels_alone: bool = False) -> ActsSetup:
    """ACTS's generic detector, with the geometry ids of a table's modules.

    Args:
        detector: ACTS's generic detector with any sensor; field: along z in T, not 0.
        pixels_alone: without the strips around them. The volumes then have other ids, and a track finder has
            less to look at.

    Raises:
        InputError: no field, or modules that ACTS's generic detector has not.
    """
    # ACTS's modules lie in the global frame.
    detector = detector.at_beam(CENTRED)
    if field == 0:
        raise InputError("ACTS: the field is 0, and ACTS needs one to make parameters from seeds")
    examples = acts.examples
    config = examples.GenericDetector.Config(logLevel=acts.logging.WARNING)
    if pixels_alone:
        config.buildLevel = PIXEL_LEVEL
    generic = examples.GenericDetector(config)
    geometry = generic.trackingGeometry()
    surfaces: dict[int, Any] = {}
    geometry.visitSurfaces(lambda surface: surfaces.setdefault(surface.geometryId.value, surface))
    there = sorted({acts.GeometryIdentifier(value).volume for value in surfaces})
    volumes = dict(zip(PIXEL_VOLUMES if pixels_alone else there, there, strict=True))
    ids = module_ids(acts, detector, volumes)
    # ACTS's local axes are the table's u and v: three corners of a module must be the same points in both.
    context, forward = acts.GeometryContext.dangerouslyDefaultConstruct(), acts.Vector3(0, 0, 1)
    corners = [
        np.column_stack([u * detector.half_y, v * detector.half_x]) for u, v in ((1, 1), (-1, 1), (1, -1))
    ]
    points = [_to_global(detector, corner) for corner in corners]
    for k, identifier in enumerate(ids):
        surface = surfaces.get(identifier.value)
        if surface is None or any(
            np.abs(
                np.array([*surface.localToGlobal(context, acts.Vector2(*corner[k]), forward)]) - point[k]
            ).max()
            > POSITION_TOLERANCE
            for corner, point in zip(corners, points, strict=True)
        ):
            name = [int(detector.columns[f"{part}_id"][k]) for part in ("volume", "layer", "module")]
            raise InputError(
                f"ACTS: module {name} (volume, layer, module) is not where ACTS's generic detector has it; "
                f"write a table of that detector with `smartpix detector`"
            )
    along_z = acts.ConstantBField(acts.Vector3(0, 0, field * acts.UnitConstants.T))
    return ActsSetup(generic, geometry, along_z, ids, volumes, pixels_alone)


def _to_global(detector: Detector, corner: Floats) -> Floats:
    """Points (M, 2) along each module's u and v in the global frame (M, 3), mm."""
    local = np.column_stack([detector.v_sign * corner[:, 1], detector.u_sign * corner[:, 0]])
    return detector.to_global(np.arange(len(detector)), local)
