"""Options of the track fit and of the vertices. Importing them compiles nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smartpix.schema import check, check_types

__all__ = ["FitOptions", "VertexOptions"]


@dataclass(frozen=True)
class FitOptions:
    """Track fit: the material it believes in, and which hits it takes.

    The defaults are the generic detector's that the simulation uses, as pyacts 48.1.0 tells them
    (``GenericDetector.trackingGeometry().extractMaterialSurfaces()``): on every module 0.15 mm of silicon
    (radiation length 95.7 mm); around every barrel layer, and in the middle of every disk, 1.5 mm of it; a
    beam pipe of 0.8 mm of beryllium (352.8 mm) at 19 mm. The angles of the simulation's tracks say the same.

    Attributes:
        sensor: radiation lengths of a module.
        support: radiation lengths of a layer's support: a cylinder around a barrel layer's modules, a disk's
            middle plane.
        support_gap: how far outside the outermost corner of a barrel layer the support is, mm.
        pipe, pipe_radius: radiation lengths of the beam pipe, and its radius in mm.
        outlier_chi2: a hit that is further than this from the track of the others (chi2 of its two
            coordinates, with angles of all four) is taken out of the fit, the worst first, as long as three
            stay.
        angles: also use the estimated cot alpha and cot beta.
        straight_momentum: GeV, that tracks scatter with where there is no field.
    """

    sensor: float = 0.15 / 95.7
    support: float = 1.5 / 95.7
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
        seed_sigma, seed_gap: first round: tracks with z0 known better than this make a vertex if they are not
            further apart; mm.
        late_sigma, late_gap: second round, of the tracks that are at no vertex yet; mm.
        late_tracks: of these that have to be that near, itself among them.
        min_tracks: at a vertex.
        merge: neighbouring vertices fewer standard deviations apart are one.
        attach: standard deviations of z0 that a track may be from its vertex.
        worst_sigma: tracks with z0 known less well than this are at no vertex; mm.
        blur: mm, added to the sigma of z0 in quadrature: what the fit does not know, and decays near the
            vertex.
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
