"""Material that particles cross: sensors, supports of layers and the beam pipe, in radiation lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.physics import SILICON_RADIATION_LENGTH
from smartpix.schema import InputError, check_ranges, check_types, ranged

__all__ = ["BERYLLIUM", "CARBON_FIBRE", "KAPTON", "Material", "surfaces"]

Floats = npt.NDArray[np.float64]
THICKEST = 10.0
BERYLLIUM, KAPTON, CARBON_FIBRE = 352.8, 285.7, 280.8
"""mm, radiation lengths: PDG; carbon fibre of the Open Data Detector's composition and density
(``OpenDataMaterials.xml``), with the elements' from the PDG.
"""


@dataclass(frozen=True)
class Material:
    """Material of a detector. The defaults are those of ACTS's generic detector.

    They come from pyacts 48.1.0 (``GenericDetector.trackingGeometry().extractMaterialSurfaces()``). Every
    module has 0.15 mm of silicon (radiation length 95.7 mm). Around every barrel layer and in the middle of
    every disk there is 1.5 mm of it. The beam pipe is 0.8 mm of beryllium (352.8 mm) at 19 mm.

    Attributes:
        sensor: radiation lengths of a module.
        support: radiation lengths of a layer's support: a cylinder around a barrel layer, the middle
            plane of a disk.
        layers: radiation lengths of the support of each layer, in the order of volume and layer ids; none:
            ``support`` for all of them.
        support_gap: distance of the support from the outermost corner of a barrel layer in mm.
        pipe: radiation lengths of the beam pipe.
        pipe_radius: radius of the beam pipe in mm.
    """

    sensor: float = ranged(0.15 / SILICON_RADIATION_LENGTH, 0.0, THICKEST, "radiation lengths")
    support: float = ranged(1.5 / SILICON_RADIATION_LENGTH, 0.0, THICKEST, "radiation lengths")
    layers: tuple[float, ...] = ()
    support_gap: float = ranged(1.07, 0.0, 1000.0, "mm")
    pipe: float = ranged(0.8 / BERYLLIUM, 0.0, THICKEST, "radiation lengths")
    pipe_radius: float = ranged(19.0, 0.0, 1000.0, "mm")

    def __post_init__(self) -> None:
        self.check("material")

    def check(self, section: str) -> None:
        """Check types and ranges of all options, those of a class that extends this one too.

        Raises:
            InputError: one is wrong; names the section.
        """
        check_types(section, self)
        check_ranges(section, self)
        for value in self.layers:
            if not 0 <= value <= THICKEST:
                raise InputError(
                    f"{section}: layers must be from 0 to {THICKEST:g} radiation lengths and has {value:g}"
                )


def surfaces(detector: Detector, material: Material) -> tuple[Floats, Floats]:
    """Supports and beam pipe as cylinders and disks, each sorted by its radius or z.

    Returns:
        Twice (S, 4): radius or z, the range of the other one, radiation lengths.

    Raises:
        InputError: ``material.layers`` has not as many values as the detector has layers.
    """
    layers, gap = detector.layers, material.support_gap
    if material.layers and len(material.layers) != len(layers):
        raise InputError(
            f"material: layers has {len(material.layers)} values and the detector {len(layers)} layers; give "
            "one for each, in the order of volume and layer ids, or leave it out"
        )
    rows = np.zeros((len(layers) + 1, 4))
    barrel = np.append(layers.barrel, True)
    rows[:-1, 0] = np.where(layers.barrel, layers.r_max + gap, layers.z)
    rows[:-1, 1] = np.where(layers.barrel, layers.z_min, layers.r_min) - gap
    rows[:-1, 2] = np.where(layers.barrel, layers.z_max, layers.r_max) + gap
    rows[:-1, 3] = material.layers or material.support
    rows[-1] = material.pipe_radius, -np.inf, np.inf, material.pipe
    order = np.argsort(rows[:, 0], kind="stable")
    rows, barrel = rows[order], barrel[order]
    thick = rows[:, 3] > 0
    return rows[thick & barrel], rows[thick & ~barrel]
