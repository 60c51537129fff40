"""Options of the search for edges and seeds. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from smartpix.beam import CENTRED, BeamSpot
from smartpix.schema import check, check_ranges, check_types, one_of, ranged

__all__ = ["MOST_EDGES", "PRIORS", "ConeOptions", "SeedOptions", "WindowOptions"]

MOST_EDGES = 2**31 - 1
"""Rows of edges are int32."""

PRIORS = ("beam", "direction", "none")
"""What is known of tracks before their clusters are looked at; see :class:`ConeOptions`."""
FAR = {"direction": 1e4, "none": 5e4}
"""mm: how far upstream the frame of a beam of particles has its origin. The flight through the planes is
short against it, so that the point of origin is no more than a direction; where nothing is known of that,
even less.
"""
ANY_SLOPE = 1.0
"""Width of slopes of which nothing is known."""

N_WIDTHS = 3.0
"""Widths of the luminous region, to either side, that the window holds."""
SHORTEST = 1.0
"""mm: a width of the luminous region along z below it would cut on the resolution of an edge's z0."""
# The curvature is no sixth: up to that of min_pt all are equally likely, and its term is 0 there.
N_JOINT = 5
"""Degrees of freedom of the joint test: two slopes at each end, and z0; with times one more."""


@dataclass(frozen=True)
class ConeOptions:
    """Width of the search cones, and which edges the search keeps.

    Attributes:
        quantile: share of true next hits that a cone holds, and of true edges that the joint test keeps,
            between 0 and 1. The chain takes 0.9999 (:data:`tracking.finders.gnn.options.WIDE`), since its
            network sorts edges afterwards.
        sigma_z0: width of the luminous region along z in mm. Left as it is, it follows the beam spot
            (:meth:`at_beam`).
        sigma_d0: width of the transverse impact parameter in mm, from the luminous region and from
            scattering in the beam pipe. A wider luminous region than the HL-LHC's adds to it.
        min_pt: softest transverse momentum that the joint test looks for, in GeV. All curvatures up to
            its own are equally likely.
        max_cot_theta: steepest edge along the beam that the search keeps, as an absolute slope dz/ds. A
            finder that is asked for the central part alone saves what the forward part takes.
        curvature_pt: width of the curvature prior of a single hit's cone, given as the pT in GeV of a
            track with that curvature. The joint test of two hits uses the edge's own curvature instead.
        radiation_length: material of a layer in radiation lengths, for multiple scattering.
        sigma_scale: factor on the standard deviations of the estimates; 1 trusts them.
        prior: what is known of tracks. ``beam``: what the file's header or the options of the beam say,
            tracks from the beam line's luminous region or along a beam of particles. ``direction``: they fly
            along the beam line with slopes of the width ``sigma_slope``, anywhere on the sensors, through
            planes without field. ``none``: straight tracks of any slope up to about 1 through planes, of
                which the clusters alone
            tell the direction.
        sigma_slope: standard deviation of the slopes against the beam line, with ``prior=direction``.
        time_sigma: standard deviation of the times of hits in ps. With it the difference of an edge's
            times, less the flight, has a term in the joint test; 0: times are not looked at.
        skips: search also pairs of layers with one layer between them that has no hit.
            :func:`smartpix.layers.layer_pairs` makes these pairs.
        max_edges: largest number of edges of an event; an event with more is refused.
    """

    quantile: float = 0.999
    # Ranges are wider than any use, and nothing overflows within.
    # sigma_z0 is that of the HL-LHC (smartpix.beam.CENTRED). Of d0 the luminous region makes
    # 0.0125 mm, and scattering of 0.5 GeV in the beam pipe at 19 mm another 0.025; twice that leaves room for
    # tails.
    sigma_z0: float = ranged(CENTRED.sigma_z, 1e-3, 1e6, "mm")
    sigma_d0: float = ranged(0.05, 0.0, 1e6, "mm")
    # A little below 0.5 GeV, from where true edges are counted (tracking.metrics).
    min_pt: float = ranged(0.48, 1e-3, 1e6, "GeV")
    # As steep as an estimate may be at most: the default leaves out nothing.
    max_cot_theta: float = ranged(1e6, 1e-3, 1e6)
    curvature_pt: float = ranged(0.2, 1e-3, 1e6, "GeV")
    # A module with its support has 0.017 at normal incidence (tracking.fit.options); 0.03 is the path through
    # it at a pseudorapidity of 1.2.
    radiation_length: float = ranged(0.03, 0.0, 100.0)
    sigma_scale: float = ranged(1.0, 1e-2, 1e2)
    prior: str = one_of("beam", PRIORS)
    sigma_slope: float = ranged(0.005, 1e-6, 1.0)
    time_sigma: float = ranged(0.0, 0.0, 1e6, "ps")
    skips: bool = False
    # An edge takes 44 bytes: 0.9 GB are the sign of a wrong option, not of an event.
    max_edges: int = ranged(20_000_000, 1, MOST_EDGES)

    def __post_init__(self) -> None:
        check_types("cone", self)
        check("cone", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        check_ranges("cone", self)

    def beam(self, known: BeamSpot) -> BeamSpot:
        """The beam that the tracks are searched about: the one that is known, or along it what the prior
        says.
        """
        if self.prior == "beam":
            return known
        spread = self.sigma_slope if self.prior == "direction" else ANY_SLOPE
        return replace(known, distance=FAR[self.prior], divergence=spread)

    def at_beam(self, beam: BeamSpot, across: float = 0.0) -> ConeOptions:
        """The options with the widths of a luminous region, as far as they are not set to others.

        Args:
            across: of a beam of particles, how far from its middle they may be, in mm.
        """
        sigma_z0, sigma_d0 = self.sigma_z0, self.sigma_d0
        if beam.distance:
            widths = [
                float(np.hypot(beam.distance * beam.divergence, max(across, w, SHORTEST)))
                for w in (beam.sigma_y, beam.sigma_x)
            ]
            return replace(
                self,
                sigma_z0=widths[0] if sigma_z0 == CENTRED.sigma_z else sigma_z0,
                sigma_d0=widths[1] if sigma_d0 == ConeOptions.sigma_d0 else sigma_d0,
            )
        if sigma_z0 == CENTRED.sigma_z:
            sigma_z0 = max(beam.sigma_z, SHORTEST)
        if (excess := max(beam.sigma_x, beam.sigma_y) ** 2 - CENTRED.sigma_x**2) > 0:
            sigma_d0 = float(np.hypot(sigma_d0, np.sqrt(excess)))
        if (sigma_z0, sigma_d0) == (self.sigma_z0, self.sigma_d0):
            return self
        return replace(self, sigma_z0=sigma_z0, sigma_d0=sigma_d0)

    def gate(self) -> float:
        """Half width of a cone in standard deviations: both coordinates of the target layer."""
        # SciPy's special functions load slowly, and who only reads options does not need them.
        from scipy.special import chdtri

        return float(np.sqrt(chdtri(2, 1 - self.quantile)))

    def joint_cut(self) -> float:
        """Largest chi2 of the joint test."""
        from scipy.special import chdtri

        return float(chdtri(N_JOINT + (self.time_sigma > 0), 1 - self.quantile))


@dataclass(frozen=True)
class SeedOptions:
    """Triplets of hits.

    Attributes:
        quantile: share of true pairs of edges that the test of their kink keeps, between 0 and 1.
        per_middle: largest number of seeds for each middle hit; the best are kept.
        shared: number of its hits, 0 to 3, that a seed may share with better seeds; 3 keeps all seeds.
    """

    # Of rarer kinks more are of other particles' hits: 0.99999 seeds one particle in 3,000 more, less purely.
    quantile: float = 0.9999
    # As ACTS's maxSeedsPerSpM: hardly any hit belongs to two particles.
    per_middle: int = ranged(1, 1, 1000)
    shared: int = ranged(1, 0, 3)

    def __post_init__(self) -> None:
        check_types("seed", self)
        check("seed", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        check_ranges("seed", self)


@dataclass(frozen=True)
class WindowOptions:
    """Reference window in azimuth and z.

    A pair of hits is an edge if a track from the beam line could have made it. Without field nothing bends,
    and the window is empty.

    Attributes:
        min_pt: softest transverse momentum of such a track in GeV; it limits the difference in azimuth.
        max_z0: largest distance of its origin from the centre of the luminous region along z in mm. Left
            as it is, it is three widths of the luminous region (:meth:`at_beam`).
        max_edges: largest number of edges of an event; an event with more is refused.
    """

    min_pt: float = ranged(0.5, 1e-3, 1e6, "GeV")
    max_z0: float = ranged(N_WIDTHS * CENTRED.sigma_z, 1e-3, 1e6, "mm")
    max_edges: int = ranged(50_000_000, 1, MOST_EDGES)

    def __post_init__(self) -> None:
        check_types("window", self)
        check_ranges("window", self)

    def at_beam(self, beam: BeamSpot) -> WindowOptions:
        """The options with the length of a luminous region, unless they are set to another."""
        if self.max_z0 != N_WIDTHS * CENTRED.sigma_z or beam.sigma_z == CENTRED.sigma_z:
            return self
        return replace(self, max_z0=N_WIDTHS * max(beam.sigma_z, SHORTEST))
