"""The luminous region: where collisions happen, and when."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["BeamSpot"]


@dataclass(frozen=True)
class BeamSpot:
    """Gaussian luminous region about a straight beam line (HL-LHC: arXiv 1705.08830).

    The beam line is x = ``x`` + ``slope_x`` (z - ``z``), and y likewise.

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

    def __post_init__(self) -> None:
        check_types("beam spot", self)
        check_ranges("beam spot", self)
