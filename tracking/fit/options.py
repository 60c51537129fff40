"""Options of the track fit and of the vertices. Importing them compiles nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from smartpix.beam import CENTRED, BeamSpot
from smartpix.material import Material
from smartpix.schema import check, check_ranges, check_types, one_of, ranged
from smartpix.simulate.beam_options import KINDS
from tracking.metrics.findable import MIN_LAYERS

__all__ = ["BeamOptions", "FitOptions", "HelixMatchOptions", "VertexOptions"]


@dataclass(frozen=True)
class BeamOptions:
    """Luminous region that search, fit, vertices and truth are about.

    Attributes:
        source: where its place, slopes and widths come from: the ``header`` of the file, these ``options``,
            or the ``data``, which are the tracks of the first events.
        events: largest number of events that it is found from.
        spot: the luminous region, with ``source = "options"``.
    """

    source: str = one_of("header", ("header", "options", "data"))
    events: int = ranged(10, 1, 10_000)
    spot: BeamSpot = field(default_factory=BeamSpot)

    def __post_init__(self) -> None:
        check_types("beam", self)
        check_ranges("beam", self)
        good = self.source == "options" or self.spot == CENTRED
        check("beam", "source", self.source, good, "options where a spot is given")


@dataclass(frozen=True)
class FitOptions(Material):
    """Track fit: the material it assumes, and which hits it takes.

    The defaults are the material of the simulation's generic detector
    (:class:`smartpix.material.Material`). The kinks of simulated tracks agree with it.

    Attributes:
        outlier_chi2: chi2 of a hit beside the track of the others (2 coordinates; with angles, 4) above
            which it is taken out, the worst first, as long as three hits stay.
        angles: use the estimated cot alpha and cot beta as well.
        straight_momentum: momentum in GeV that tracks are assumed to have where there is no field, for
            their scattering.
        follow: whether tracks are followed into the ``strips``, where the detector has some, or their hits
            left alone (``off``). Strips lie far out: where the field is not what the chain takes it for, they
            make momenta worse.
        follow_chi2: largest chi2 of a strip hit beside the track (2 coordinates).
        particle: what tracks are taken for in scattering and loss of energy: ``pion``, ``muon``,
            ``electron``, ``kaon`` or ``proton``.
        energy_loss: whether they lose energy in the material: Bethe's mean, and electrons by
            bremsstrahlung besides.
    """

    # One in three million hits is worse if errors are Gaussian: exp(-30 / 2) for two coordinates.
    outlier_chi2: float = ranged(30.0, 1e-6, math.inf)
    angles: bool = False
    straight_momentum: float = ranged(1.0, 1e-6, 1e5, "GeV")
    follow: str = one_of("off", ("off", "strips"))
    follow_chi2: float = ranged(20.0, 1e-6, math.inf)
    particle: str = one_of("pion", KINDS)
    energy_loss: bool = False

    def __post_init__(self) -> None:
        self.check("fit")


@dataclass(frozen=True)
class VertexOptions:
    """Primary vertices, see :func:`tracking.fit.vertices.find_vertices`.

    Attributes:
        late_tracks: tracks with a poorly known z0, itself included, that a vertex of such tracks needs.
        min_tracks: smallest number of tracks at a vertex.
        merge: distance in standard deviations below which neighbouring vertices become one.
        attach: largest distance of a track's z0 from its vertex in standard deviations.
        blur: uncertainty in mm that is added in quadrature to that of z0, for decays near the vertex and
            what the fit does not know.
    """

    late_tracks: int = ranged(3, 1, 1000)
    min_tracks: int = ranged(2, 1, 1000)
    merge: float = ranged(4.0, 0.0, 1000.0, "standard deviations")
    attach: float = ranged(3.0, 1e-6, 1000.0, "standard deviations")
    blur: float = ranged(0.01, 1e-9, 1000.0, "mm")

    def __post_init__(self) -> None:
        check_types("vertices", self)
        check_ranges("vertices", self)


@dataclass(frozen=True)
class HelixMatchOptions:
    """Which hits are near a particle's helix, and which tracks are its.

    Attributes:
        tolerance: distance of a hit from the helix in mm, beside what scattering makes.
        scattering: standard deviations of multiple scattering that are allowed besides.
        material: radiation lengths from the beam line to a hit, at normal incidence.
        fraction: least share of a track's hits that are near the helix.
        min_layers: layers with a hit near the helix, from which on a particle is findable.
    """

    tolerance: float = ranged(0.3, 0.0, 100.0, "mm")
    scattering: float = ranged(3.0, 0.0, 100.0)
    # The beam pipe and half of the layers of the generic detector.
    material: float = ranged(0.04, 0.0, 10.0, "radiation lengths")
    fraction: float = ranged(0.5, 0.0, 1.0)
    min_layers: int = ranged(MIN_LAYERS, 1, 100)

    def __post_init__(self) -> None:
        check_types("helix match", self)
        check_ranges("helix match", self)
