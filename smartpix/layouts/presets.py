"""Detectors by name. Sizes are rounded, and each says where they come from."""

from __future__ import annotations

import math
from collections.abc import Callable

from smartpix.layouts.make import Layout
from smartpix.layouts.options import Cylinder, Disk, Inclined, Plane, Sensors
from smartpix.material import BERYLLIUM, CARBON_FIBRE, KAPTON, Material
from smartpix.physics import SILICON_RADIATION_LENGTH

__all__ = ["FIELDS", "PRESETS", "barrel3", "itk", "muon_collider", "odd", "telescope"]


def barrel3() -> Layout:
    """Three barrel layers and nothing else, at the radii of the first CMS pixel detector.

    Radii, length and module size: CMS Collaboration, JINST 3 (2008) S08004, section 3.2 (4.4, 7.3, 10.2 cm;
    53 cm; 16.2 x 66.6 mm).
    """
    layers = tuple(
        Cylinder(radius=r, length=532.8, width=16.2, module_length=66.6, tilt=9.0)
        for r in (44.0, 73.0, 102.0)
    )
    return Layout(cylinder=layers, material=Material(pipe=0.8 / BERYLLIUM, pipe_radius=30.0))


def telescope() -> Layout:
    """Six planes across the beam, as in the EUDET telescopes.

    Sizes: H. Jansen et al., EPJ Techn. Instrum. 3 (2016) 7: sensors of 21.2 x 10.6 mm, 50 um thin, planes
    150 mm apart (the wide geometry). The pixels are ours. There is nothing but the sensors, no beam pipe.
    """
    thickness = 0.05
    return Layout(
        sensor=Sensors(thickness=thickness),
        plane=(Plane(z=tuple(150.0 * k for k in range(1, 7)), width=21.2, height=10.6),),
        material=Material(sensor=thickness / SILICON_RADIATION_LENGTH, support=0.0, pipe=0.0),
    )


def itk() -> Layout:
    """Five barrel layers, the outer three with inclined ends, and end-cap rings, after ATLAS's ITk pixels.

    Radii and extents: ATLAS Collaboration, ATL-PHYS-PUB-2021-024, figure 1 and section 2 (34, 99, 160, 228,
    291 mm). ITk inclines its modules by 55 degrees and more. Here it is 40, so that inclined rings of one
    radius are one layer that counts as barrel. Rings are grouped to twelve disks a side. Only what lies
    within 3 m is there.
    """
    flat = {34.0: 480.0, 99.0: 480.0, 160.0: 760.0, 228.0: 760.0, 291.0: 760.0}
    narrow = {34.0: 19.2}
    barrel = tuple(
        Cylinder(radius=r, length=length, width=narrow.get(r, 38.4), module_length=40.0, tilt=14.0)
        for r, length in flat.items()
    )
    ends = tuple(
        Inclined(radius=r, z=tuple(z0 + 46.0 * k for k in range(n)), width=38.4, module_length=40.0)
        for r, z0, n in ((160.0, 396.0, 14), (228.0, 396.0, 14), (291.0, 396.0, 14))
    )
    inner = Disk(
        z=(265.0, 330.0, 410.0, 510.0, 640.0, 800.0, 980.0, 1150.0, 1450.0, 1800.0, 2200.0, 2600.0),
        radius=(54.0, 91.0), width_in=(15.0, 38.4), width_out=(20.0, 38.4), module_length=(40.0,),
        ring_stagger=8.0, stagger=3.0,
    )  # fmt: skip
    outer = Disk(
        z=(1145.0, 1300.0, 1475.0, 1675.0, 1900.0, 2150.0, 2430.0, 2750.0),
        radius=(173.0, 210.0, 247.0, 284.0), width_in=(38.4,), width_out=(38.4,), module_length=(40.0,),
        ring_stagger=8.0, stagger=3.0,
    )  # fmt: skip
    return Layout(
        sensor=Sensors(thickness=0.15, pitch_u=0.05, pitch_v=0.05), cylinder=barrel, inclined=ends,
        disk=(inner, outer), material=Material(pipe_radius=24.0),
    )  # fmt: skip


def muon_collider() -> Layout:
    """Four double layers and four double disks a side, after the vertex detector of a muon collider.

    Radii, lengths and disks: International Muon Collider Collaboration, EPJ C 83 (2023) 864 (arXiv
    2303.08533), table of the tracker, of the CLIC design: double layers with 2 mm between the sensors at 30,
    51, 74, 102 mm, 130 mm long; double disks at 80, 120, 200, 280 mm between 25 and 112 mm; sensors of 50 um
    with pixels of 25 um.
    """
    barrel = tuple(
        Cylinder(radius=r + gap, length=130.0, width=14.0, module_length=65.0, tilt=6.0, overlap=0.08)
        for r in (30.0, 51.0, 74.0, 102.0)
        for gap in (0.0, 2.0)
    )
    ends = Disk(
        z=tuple(z + gap for z in (80.0, 120.0, 200.0, 280.0) for gap in (0.0, 2.0)), radius=(68.5,),
        width_in=(9.0,), width_out=(36.0,), module_length=(87.0,), modules=(24,), stagger=0.6,
    )  # fmt: skip
    return Layout(
        sensor=Sensors(pitch_u=0.025, pitch_v=0.025, thickness=0.05), cylinder=barrel, disk=(ends,),
        material=Material(support=0.001, pipe=0.6 / BERYLLIUM, pipe_radius=23.0, support_gap=0.1),
    )  # fmt: skip


def odd() -> Layout:
    """The pixels of the Open Data Detector, version 4, without its files.

    Sizes are those of ``OpenDataPixels.xml``. :func:`smartpix.layouts.dd4hep.open_data_detector` reads that
    file, and places modules as DD4hep does; this layout has the same layers with the same numbers of modules
    and the same sizes, and a test compares the two. Supports are of carbon fibre, 2 mm around a barrel layer
    and 4 mm in a disk.
    """
    staves = {34.0: 16, 70.0: 32, 116.0: 52, 172.0: 78}
    tilt, inwards = 0.12, 1.8
    barrel = []
    for r, n in staves.items():
        # The sensor lies this far inwards of its stave's middle, along its own normal.
        x, y = r - inwards * math.cos(tilt), -inwards * math.sin(tilt)
        azimuth = math.atan2(y, x)
        barrel.append(
            Cylinder(
                radius=math.hypot(x, y), length=14 * 72.5 - 0.5, width=16.8, module_length=72.0, modules=14,
                staves=n, tilt=math.degrees(tilt - azimuth), phi0=math.degrees(azimuth),
            )
        )  # fmt: skip
    plate, tube = 4.0 / CARBON_FIBRE, 2.0 / CARBON_FIBRE
    ends = Disk(
        z=(620.0, 720.0, 840.0, 980.0, 1120.0, 1320.0, 1520.0), radius=(76.0, 139.0),
        width_in=(17.0, 21.0), width_out=(29.0, 33.0), module_length=(68.0,), modules=(24, 36), stagger=1.2,
        ring_stagger=7.0,
    )  # fmt: skip
    return Layout(
        sensor=Sensors(thickness=0.125, pitch_u=0.05, pitch_v=0.05), cylinder=tuple(barrel), disk=(ends,),
        material=Material(
            sensor=0.125 / SILICON_RADIATION_LENGTH + 0.25 / KAPTON,
            layers=(plate,) * 7 + (tube,) * 4 + (plate,) * 7, pipe=0.8 / BERYLLIUM, pipe_radius=24.0,
        ),
    )  # fmt: skip


PRESETS: dict[str, Callable[[], Layout]] = {
    "barrel3": barrel3, "itk": itk, "muon-collider": muon_collider, "odd": odd, "telescope": telescope,
}  # fmt: skip
"""Layouts by name. The generic detector, whose modules ACTS knows, is
:func:`smartpix.simulate.transport.generic_detector`'s.
"""
FIELDS = {"barrel3": 3.8, "itk": 2.0, "muon-collider": 3.57, "odd": 3.0, "telescope": 0.0}
"""T, along z: of CMS, of ATLAS, of the muon collider's detector (arXiv 2303.08533), of the Open Data
Detector's files; a telescope has none.
"""
