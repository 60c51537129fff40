"""Rings of modules around the beam, and modules as a detector's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.layouts.options import Sensors
from smartpix.schema import DETECTOR

__all__ = ["Modules", "as_detector", "closing", "joined", "ring", "turned"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Modules:
    """Modules of one layer, from which a table is made.

    Attributes:
        center: (M, 3) mm.
        u, v: (M, 3) axes of length 1.
        half_low, half_high: (M,) half widths along u at the lower and the upper edge along v, mm.
        half_v: (M,) half length along v, mm.
    """

    center: Floats
    u: Floats
    v: Floats
    half_low: Floats
    half_high: Floats
    half_v: Floats

    def __len__(self) -> int:
        return len(self.center)


def joined(parts: Sequence[Modules]) -> Modules:
    """The modules of all parts as one layer."""
    return Modules(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Modules)))


def closing(radius: float, width: float, overlap: float, multiple: int = 1) -> int:
    """Number of modules that close a circle, each of which covers its width less the overlap; a multiple of
    ``multiple`` and at least 3.
    """
    least = 2 * np.pi * radius / (width * (1 - overlap))
    return max(int(np.ceil(least / multiple - 1e-9)) * multiple, 3)


def ring(
    radius: float, z: float, n: int, widths: tuple[float, float], length: float, angle: float = 0.0,
    stagger: float = 0.0, phi0: float = 0.0,
) -> Modules:  # fmt: skip
    """A ring of modules about the beam.

    The normal of a module makes an angle with the radius and leans outwards along the beam, to the side of
    ``z``; a module at 0 is part of a barrel, one at pi / 2 of a disk. Along v a barrel's modules point to +z,
    those above pi / 4 outwards.

    Args:
        radius, z: of the modules' centres, mm.
        widths: along u at the lower and the upper edge along v, mm; length: along v, mm.
        angle: rad; phi0: azimuth of the first module, rad.
        stagger: neighbours lie this far apart along their normals, mm.
    """
    phi = phi0 + 2 * np.pi * np.arange(n) / n
    side = -1.0 if z < 0 else 1.0
    zero, one = np.zeros(n), np.ones(n)
    outward = np.stack([np.cos(phi), np.sin(phi), zero], axis=1)
    beam = np.stack([zero, zero, one], axis=1)
    normal = np.cos(angle) * outward + np.sin(angle) * side * beam
    v = np.cos(angle) * beam - np.sin(angle) * side * outward
    if angle > np.pi / 4:
        v = -side * v
    shift = 0.5 * stagger * np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    center = radius * outward + z * beam + shift[:, None] * normal
    low, high = widths
    return Modules(center, np.cross(v, normal), v, 0.5 * low * one, 0.5 * high * one, 0.5 * length * one)


def turned(modules: Modules, angle: float) -> Modules:
    """The modules, each turned about its own v axis by an angle in rad."""
    normal = np.cross(modules.u, modules.v)
    u = np.cos(angle) * modules.u - np.sin(angle) * normal
    return Modules(modules.center, u, modules.v, modules.half_low, modules.half_high, modules.half_v)


def as_detector(layers: Sequence[tuple[int, int, Modules]], sensors: Sensors) -> Detector:
    """A detector of layers: volume, layer and modules of each; modules are numbered from 1 in each layer.

    Raises:
        InputError: the table cannot be one, see :class:`smartpix.geometry.Detector`.
    """
    tables = []
    for volume, layer, part in sorted(layers, key=lambda item: item[:2]):
        n = len(part)
        w = np.cross(part.u, part.v)
        disk = np.abs(w[:, 2]) >= np.sqrt(0.5)
        thickness = np.where(
            disk & (sensors.endcap_thickness > 0), sensors.endcap_thickness, sensors.thickness
        )
        # Rows global x, y, z and columns u, v, w, in the order of the table's columns.
        rotation = np.stack([part.u, part.v, w], axis=2).reshape(n, 9)
        ids = np.stack([np.full(n, volume), np.full(n, layer), np.arange(1, n + 1)], axis=1)
        sizes = np.stack([0.5 * thickness, part.half_low, part.half_high, part.half_v], axis=1)
        pitches = np.tile([sensors.pitch_u, sensors.pitch_v], (n, 1))
        tables.append(np.concatenate([ids, part.center, rotation, sizes, pitches], axis=1))
    table = np.concatenate(tables)
    return Detector(
        {name: table[:, i].astype(column.dtype) for i, (name, column) in enumerate(DETECTOR.items())},
        "layout",
    )
