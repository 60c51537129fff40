"""Options of the track fit and of the vertices. Importing them compiles nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smartpix.physics import SILICON_RADIATION_LENGTH
from smartpix.schema import check, check_types

__all__ = ["FitOptions", "VertexOptions"]


@dataclass(frozen=True)
class FitOptions:
    """Track fit: the material it assumes, and which hits it takes.

    The defaults are those of the simulation's generic detector. They come from pyacts 48.1.0
    (``GenericDetector.trackingGeometry().extractMaterialSurfaces()``). Every module has 0.15 mm of silicon
    (radiation length 95.7 mm). Around every barrel layer and in the middle of every disk there is 1.5 mm of it.
    The beam pipe is 0.8 mm of beryllium (352.8 mm) at 19 mm. The kinks of simulated tracks agree with them.

    Attributes:
        sensor: radiation lengths of a module.
        support: radiation lengths of a layer's support: a cylinder around a barrel layer, the middle
            plane of a disk.
        support_gap: distance of the support from the outermost corner of a barrel layer in mm.
        pipe: radiation lengths of the beam pipe.
        pipe_radius: radius of the beam pipe in mm.
        outlier_chi2: chi2 of a hit beside the track of the others (2 coordinates; with angles, 4) above
            which it is taken out, the worst first, as long as three hits stay.
        angles: use the estimated cot alpha and cot beta as well.
        straight_momentum: momentum in GeV that tracks are assumed to have where there is no field, for
            their scattering.
    """

    sensor: float = 0.15 / SILICON_RADIATION_LENGTH
    support: float = 1.5 / SILICON_RADIATION_LENGTH
    support_gap: float = 1.07
    pipe: float = 0.8 / 352.8
    pipe_radius: float = 19.0
    outlier_chi2: float = 30.0
    angles: bool = False
    straight_momentum: float = 1.0

    def __post_init__(self) -> None:
        check_types("fit", self)
        for name in ("sensor", "support", "pipe"):
            check(
                "fit",
                name,
                getattr(self, name),
                0 <= getattr(self, name) <= 10,
                "from 0 to 10 radiation lengths",
            )
        for name in ("support_gap", "pipe_radius"):
            check("fit", name, getattr(self, name), 0 <= getattr(self, name) <= 1000, "from 0 to 1000 mm")
        check("fit", "outlier_chi2", self.outlier_chi2, self.outlier_chi2 > 0, "positive")
        momentum = self.straight_momentum
        check("fit", "straight_momentum", momentum, 0 < momentum <= 1e5, "positive and at most 100,000 GeV")


@dataclass(frozen=True)
class VertexOptions:
    """Primary vertices.

    Attributes:
        seed_sigma: largest uncertainty of z0 of a track in the first round, in mm.
        seed_gap: largest distance in z between neighbouring tracks of a vertex in the first round, in mm.
        late_sigma: largest uncertainty of z0 in the second round, of tracks that are at no vertex yet, in
            mm.
        late_gap: largest distance in z between neighbouring tracks of a vertex in the second round, in
            mm.
        late_tracks: tracks within that distance, itself included, that a track of the second round needs.
        min_tracks: smallest number of tracks at a vertex.
        merge: distance in standard deviations below which neighbouring vertices become one.
        attach: largest distance of a track's z0 from its vertex in standard deviations.
        worst_sigma: uncertainty of z0 in mm above which a track belongs to no vertex.
        blur: uncertainty in mm that is added in quadrature to that of z0, for decays near the vertex and
            what the fit does not know.
    """

    seed_sigma: float = 0.15
    seed_gap: float = 0.05
    late_sigma: float = 0.5
    late_gap: float = 0.3
    late_tracks: int = 3
    min_tracks: int = 2
    merge: float = 4.0
    attach: float = 3.0
    worst_sigma: float = 1.0
    blur: float = 0.01

    def __post_init__(self) -> None:
        check_types("vertices", self)
        for name in ("seed_sigma", "seed_gap", "late_sigma", "late_gap", "worst_sigma", "blur"):
            check(
                "vertices",
                name,
                getattr(self, name),
                0 < getattr(self, name) <= 1000,
                "positive and at most 1000 mm",
            )
        check("vertices", "attach", self.attach, 0 < self.attach < math.inf, "positive")
        for name in ("late_tracks", "min_tracks"):
            check("vertices", name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        check("vertices", "merge", self.merge, 0 <= self.merge < math.inf, "0 or more")
