"""What cylinders, inclined rings, disks and planes are made of. Lengths are full ones, in mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smartpix.detector_checks import LARGEST_COORDINATE, LARGEST_HALF_LENGTH
from smartpix.schema import check, check_ranges, check_types, ranged

__all__ = ["Cylinder", "Disk", "Inclined", "Plane", "Sensors"]

LONGEST = 2 * LARGEST_HALF_LENGTH
MOST_MODULES = 10_000
RIGHT_ANGLE = 90.0


def _checked(section: str, options: Any) -> None:
    check_types(section, options)
    check_ranges(section, options)


@dataclass(frozen=True)
class Sensors:
    """Pixels and thickness of the sensors of a whole detector.

    Attributes:
        pitch_u: pixel pitch along r-phi (of planes along x) in mm.
        pitch_v: pixel pitch along the other side of the module in mm.
        thickness: of the sensor in mm.
        endcap_thickness: of those on disks in mm, if it differs; 0: the same.
    """

    pitch_u: float = ranged(0.0125, 1e-3, LONGEST, "mm")
    pitch_v: float = ranged(0.05, 1e-3, LONGEST, "mm")
    thickness: float = ranged(0.1, 1e-3, 10.0, "mm")
    endcap_thickness: float = ranged(0.0, 0.0, 10.0, "mm")

    def __post_init__(self) -> None:
        _checked("sensor", self)


@dataclass(frozen=True)
class Cylinder:
    """A barrel layer: staves around the beam, each with modules side by side along it.

    Attributes:
        radius: of the staves' middle lines in mm; with a stagger it is the mean.
        length: of the staves in mm.
        width: of a module along r-phi in mm.
        module_length: of a module along the beam in mm; the modules are spread evenly over the stave.
        modules: on a stave; 0: as many as leave no gap.
        staves: their number; 0: as many as close the circle with the overlap.
        overlap: share of a module's width by which neighbouring staves overlap, where their number is 0.
        tilt: turns each stave about its middle line, its normal towards larger azimuths, in degrees.
        stagger: neighbouring staves lie this far apart in radius, in mm; it does not go with an odd number.
        z_stagger: neighbouring modules of a stave lie this far apart in radius, in mm.
        phi0: azimuth of the first stave in degrees.
    """

    radius: float = ranged(30.0, 0.1, LARGEST_COORDINATE, "mm")
    length: float = ranged(500.0, 1e-3, LARGEST_COORDINATE, "mm")
    width: float = ranged(16.0, 1e-3, LONGEST, "mm")
    module_length: float = ranged(64.0, 1e-3, LONGEST, "mm")
    modules: int = ranged(0, 0, MOST_MODULES)
    staves: int = ranged(0, 0, MOST_MODULES)
    overlap: float = ranged(0.1, 0.0, 0.9)
    tilt: float = ranged(8.0, -RIGHT_ANGLE, RIGHT_ANGLE, "degrees")
    stagger: float = ranged(0.0, 0.0, 100.0, "mm")
    z_stagger: float = ranged(0.0, 0.0, 100.0, "mm")
    phi0: float = ranged(0.0, -360.0, 360.0, "degrees")

    def __post_init__(self) -> None:
        _checked("cylinder", self)
        even = self.staves % 2 == 0
        check("cylinder", "staves", self.staves, even or self.stagger == 0, "even with a stagger")


@dataclass(frozen=True)
class Inclined:
    """The ends of a barrel layer on both sides: rings of modules whose normals lean towards the beam.

    Attributes:
        radius: of the modules' centres in mm.
        z: absolute z of the rings' centres in mm; each is there on both sides.
        angle: between a module's normal and the radius in degrees: 0 as in a barrel, 90 as on a disk. Up to
            45 the layer counts as a barrel's.
        width: of a module along r-phi in mm.
        module_length: of a module across r-phi in mm.
        modules: in a ring; 0: as many as close the circle with the overlap.
        overlap: share of a module's width by which neighbours overlap, where their number is 0.
        stagger: neighbours of a ring lie this far apart along their normals, in mm.
    """

    radius: float = ranged(100.0, 0.1, LARGEST_COORDINATE, "mm")
    z: tuple[float, ...] = (300.0,)
    angle: float = ranged(40.0, 0.0, RIGHT_ANGLE, "degrees")
    width: float = ranged(20.0, 1e-3, LONGEST, "mm")
    module_length: float = ranged(40.0, 1e-3, LONGEST, "mm")
    modules: int = ranged(0, 0, MOST_MODULES)
    overlap: float = ranged(0.1, 0.0, 0.9)
    stagger: float = ranged(4.0, 0.0, 100.0, "mm")

    def __post_init__(self) -> None:
        _checked("inclined", self)
        good = len(self.z) > 0 and min(self.z, default=0) > 0 and max(self.z) <= LARGEST_COORDINATE
        check("inclined", "z", self.z, good, f"one or more values up to {LARGEST_COORDINATE:g} mm, above 0")


@dataclass(frozen=True)
class Disk:
    """End-cap disks: rings of modules at several z, on both sides or on one.

    Attributes:
        z: of the disks in mm, absolute where they are on both sides.
        both_sides: each disk has its like at -z.
        radius: of the rings' centres in mm, one or more, from the inside.
        width_in: of a module along r-phi at its inner edge in mm, one for each ring or one for all.
        width_out: the same at its outer edge.
        module_length: of a module along the radius in mm, likewise.
        modules: in each ring; 0: as many as close the circle with the overlap.
        overlap: share of a module's width by which neighbours overlap, where their number is 0.
        stagger: neighbours of a ring lie this far apart along z in mm.
        ring_stagger: neighbouring rings lie this far apart along z in mm.
    """

    z: tuple[float, ...] = (600.0,)
    both_sides: bool = True
    radius: tuple[float, ...] = (80.0,)
    width_in: tuple[float, ...] = (10.0,)
    width_out: tuple[float, ...] = (24.0,)
    module_length: tuple[float, ...] = (60.0,)
    modules: tuple[int, ...] = (0,)
    overlap: float = ranged(0.1, 0.0, 0.9)
    stagger: float = ranged(2.0, 0.0, 100.0, "mm")
    ring_stagger: float = ranged(6.0, 0.0, 200.0, "mm")

    def __post_init__(self) -> None:
        _checked("disk", self)
        low = 0.0 if self.both_sides else -LARGEST_COORDINATE
        good = len(self.z) > 0 and all(low < z <= LARGEST_COORDINATE for z in self.z)
        check("disk", "z", self.z, good, "one or more values in mm, above 0 where both_sides is true")
        good = len(self.radius) > 0 and all(0 < r <= LARGEST_COORDINATE for r in self.radius)
        check("disk", "radius", self.radius, good, "one or more positive values in mm")
        for name, least in (("width_in", 0.0), ("width_out", 0.0), ("module_length", 0.0), ("modules", -1)):
            values = getattr(self, name)
            good = len(values) in (1, len(self.radius)) and all(least < v <= MOST_MODULES for v in values)
            expected = f"one value, or one for each of the {len(self.radius)} rings, each above {least:g}"
            check("disk", name, values, good, expected)

    def of_ring(self, name: str, ring: int) -> Any:
        """An option of one ring: its own value, or the one of all."""
        values = getattr(self, name)
        return values[ring if len(values) > 1 else 0]


@dataclass(frozen=True)
class Plane:
    """Planes of a telescope, one layer each, across the z axis.

    Attributes:
        z: of the planes' centres in mm.
        x: of the planes' centres in mm.
        y: of the planes' centres in mm.
        width: of a module along u (x) in mm.
        height: of a module along v (y) in mm.
        columns: modules side by side along u.
        rows: modules side by side along v.
        gap: between neighbouring modules in mm.
        tilt_x: turns each plane about the x axis, in degrees.
        tilt_y: turns each plane about the y axis, in degrees.
        turn: turns each plane about its normal, in degrees: 90 lets u measure y.
        alternate: every second plane is turned by 90 degrees more.
    """

    z: tuple[float, ...] = (0.0,)
    x: float = ranged(0.0, -LARGEST_COORDINATE, LARGEST_COORDINATE, "mm")
    y: float = ranged(0.0, -LARGEST_COORDINATE, LARGEST_COORDINATE, "mm")
    width: float = ranged(20.0, 1e-3, LONGEST, "mm")
    height: float = ranged(20.0, 1e-3, LONGEST, "mm")
    columns: int = ranged(1, 1, 1000)
    rows: int = ranged(1, 1, 1000)
    gap: float = ranged(0.0, 0.0, LONGEST, "mm")
    tilt_x: float = ranged(0.0, -80.0, 80.0, "degrees")
    tilt_y: float = ranged(0.0, -80.0, 80.0, "degrees")
    turn: float = ranged(0.0, -360.0, 360.0, "degrees")
    alternate: bool = False

    def __post_init__(self) -> None:
        _checked("plane", self)
        good = len(self.z) > 0 and all(abs(z) <= LARGEST_COORDINATE for z in self.z)
        check("plane", "z", self.z, good, f"one or more values within {LARGEST_COORDINATE:g} mm")
