"""A layout: what a detector is made of, as options; from them its table."""

from __future__ import annotations

from dataclasses import dataclass, field

from smartpix.geometry import Detector
from smartpix.layouts.cylinders import cylinder
from smartpix.layouts.disks import disks
from smartpix.layouts.inclined import inclined
from smartpix.layouts.modules import Modules, as_detector
from smartpix.layouts.options import Cylinder, Disk, Inclined, Plane, Sensors
from smartpix.layouts.planes import planes
from smartpix.material import Material
from smartpix.schema import InputError

__all__ = ["Layout", "make_layout"]

PLANES, NEGATIVE, BARREL, POSITIVE, INCLINED_NEGATIVE, INCLINED_POSITIVE = 1, 7, 8, 9, 12, 13
"""Volumes; those of end-caps and barrel are the generic detector's."""


@dataclass(frozen=True)
class Layout:
    """Layers of a detector and the sensors on them.

    Attributes:
        sensor: pixels and thickness.
        cylinder: barrel layers, from the inside.
        inclined: ends of barrel layers.
        disk: end-caps.
        plane: planes of a telescope.
        material: of modules, supports and beam pipe.
    """

    sensor: Sensors = field(default_factory=Sensors)
    cylinder: tuple[Cylinder, ...] = ()
    inclined: tuple[Inclined, ...] = ()
    disk: tuple[Disk, ...] = ()
    plane: tuple[Plane, ...] = ()
    material: Material = field(default_factory=Material)


def make_layout(layout: Layout) -> Detector:
    """The table of a layout's modules.

    Layers have even ids, as in ACTS: cylinders in their order, disks and planes by z. The barrel is volume 8,
    end-caps are 7 (negative z) and 9, inclined ends 12 and 13, planes 1.

    Raises:
        InputError: there are no layers, or the table cannot be a detector's.
    """
    layers: list[tuple[int, int, Modules]] = []

    def add(volume: int, parts: list[Modules]) -> None:
        layers.extend((volume, 2 * (k + 1), part) for k, part in enumerate(parts))

    add(BARREL, [cylinder(one) for one in layout.cylinder])
    ends = [inclined(one) for one in layout.inclined]
    add(INCLINED_NEGATIVE, [low for low, _ in ends])
    add(INCLINED_POSITIVE, [high for _, high in ends])
    flat = sorted((d for one in layout.disk for d in disks(one)), key=_z)
    add(NEGATIVE, [d for d in flat if _z(d) < 0])
    add(POSITIVE, [d for d in flat if _z(d) >= 0])
    add(PLANES, sorted((p for one in layout.plane for p in planes(one)), key=_z))
    if not layers:
        raise InputError("layout: has no layers; give at least one cylinder, inclined, disk or plane")
    return as_detector(layers, layout.sensor)


def _z(modules: Modules) -> float:
    return float(modules.center[:, 2].mean())
