"""The luminous region: where collisions happen, and when; or a beam of particles along z."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["CENTRED", "BeamSpot"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BeamSpot:
    """Gaussian luminous region about a straight beam line (HL-LHC: arXiv 1705.08830).

    The beam line is x = ``x`` + ``slope_x`` (z - ``z``), and y likewise. The frame of the beam has its origin
    at the centre of the luminous region and its z axis along the beam line. It is turned against the global
    frame by the smallest angle that does this.

    With a ``distance`` there are no collisions: particles fly along the beam line, nearly parallel, through
        planes
    across it. The frame of such a beam has its origin that far upstream of the centre, its x axis along the
    beam, and its y and z axes where those along x and y would be. Planes are then like parts of wide
    cylinders about z, crossed one after the other, and what is made for collisions serves the beam as it is.
    ``divergence`` is the width of the particles' slopes, which is that of d0 and z0 there over the distance.

    Attributes:
        sigma_x: width along x in mm.
        sigma_y: width along y in mm.
        sigma_z: width along z in mm.
        sigma_t: width of the collisions' times in ps; 0 puts all at one time. At the HL-LHC it is some 180.
        x: of its centre in mm.
        y: of its centre in mm.
        z: of its centre in mm.
        slope_x: of the beam line, dx/dz.
        slope_y: of the beam line, dy/dz.
        distance: 0 for collisions; of a beam along z, how far upstream in mm the origin of its frame is.
        divergence: standard deviation of the slopes of a beam's particles against the beam line.
    """

    sigma_x: float = ranged(0.0125, 0.0, 1000.0, "mm")
    sigma_y: float = ranged(0.0125, 0.0, 1000.0, "mm")
    sigma_z: float = ranged(50.0, 0.0, 1000.0, "mm")
    sigma_t: float = ranged(0.0, 0.0, 10_000.0, "ps")
    # Beyond, it lies outside of the beam pipe.
    x: float = ranged(0.0, -20.0, 20.0, "mm")
    y: float = ranged(0.0, -20.0, 20.0, "mm")
    z: float = ranged(0.0, -500.0, 500.0, "mm")
    slope_x: float = ranged(0.0, -0.01, 0.01)
    slope_y: float = ranged(0.0, -0.01, 0.01)
    # Beyond, what is left of single precision, which the search calculates in, is coarser than a pixel.
    distance: float = ranged(0.0, 0.0, 5e4, "mm")
    divergence: float = ranged(0.0, 0.0, 10.0)

    def __post_init__(self) -> None:
        check_types("beam spot", self)
        check_ranges("beam spot", self)

    @property
    def is_centred(self) -> bool:
        """Whether the frame of the beam is the global one."""
        return not (self.x or self.y or self.z or self.is_turned)

    @property
    def is_turned(self) -> bool:
        """Whether the axes of the frame of the beam are others than the global ones."""
        return bool(self.slope_x or self.slope_y or self.distance)

    @cached_property
    def centre(self) -> Floats:
        """(3,) global, mm: the origin of the frame."""
        centre = np.array([self.x, self.y, self.z])
        return centre - self.distance * self.rotation[0] if self.distance else centre

    @cached_property
    def rotation(self) -> Floats:
        """(3, 3) the axes of the frame of the beam, as rows, in the global frame."""
        a, b, c = np.array([self.slope_x, self.slope_y, 1.0]) / np.hypot(1.0, self.slope)
        # O. Rodrigues' formula, about the axis across both the beam and z.
        rows = np.array(
            [
                [1 - a * a / (1 + c), -a * b / (1 + c), -a],
                [-a * b / (1 + c), 1 - b * b / (1 + c), -b],
                [a, b, c],
            ]
        )
        return rows[[2, 0, 1]] if self.distance else rows

    @property
    def slope(self) -> float:
        """Tangent of the angle between the beam line and the z axis."""
        return float(np.hypot(self.slope_x, self.slope_y))

    def to_beam(self, point: Floats) -> Floats:
        """Global points (N, 3) in the frame of the beam, mm."""
        return self.direction_to_beam(point - self.centre)

    def to_global(self, point: Floats) -> Floats:
        """Points (N, 3) of the frame of the beam in the global frame, mm."""
        return np.asarray(self.direction_to_global(point) + self.centre)

    def direction_to_beam(self, direction: Floats) -> Floats:
        """Global directions (N, 3) in the frame of the beam."""
        return np.asarray(direction @ self.rotation.T) if self.is_turned else direction

    def direction_to_global(self, direction: Floats) -> Floats:
        """Directions (N, 3) of the frame of the beam in the global frame."""
        return np.asarray(direction @ self.rotation) if self.is_turned else direction


CENTRED = BeamSpot()
"""About the z axis and the origin, with the widths of the HL-LHC."""
