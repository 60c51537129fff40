"""Particles at their production points: minimum-bias collisions (chromo's Pythia 6) or a particle gun."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from smartpix.schema import check, check_types
from smartpix.simulate.pythia import produce

__all__ = ["PION_MASS", "BeamSpot", "GenerateOptions", "Particles", "collisions", "gun", "jets", "together"]

Floats = npt.NDArray[np.float64]

PION_MASS = 0.13957
"""GeV, of charged pions."""
JET_ETA = 2.4
PT_RANGE = (0.05, 1000.0)
"""GeV, of pions of the gun and of jets: below, the transport drops them; beyond, they are no particles of a
collision's.
"""
MOST = {"pileup": 1000, "gun": 1_000_000, "jets": 10_000, "jet_pions": 1000}
"""Beyond, an event does not fit a machine's memory."""


@dataclass(frozen=True)
class BeamSpot:
    """Gaussian width of the luminous region in mm (HL-LHC: arXiv 1705.08830)."""

    sigma_x: float = 0.0125
    sigma_y: float = 0.0125
    sigma_z: float = 50.0

    def __post_init__(self) -> None:
        check_types("beam spot", self)
        for name in ("sigma_x", "sigma_y", "sigma_z"):
            check(
                "beam spot", name, getattr(self, name), 0 <= getattr(self, name) <= 1000, "from 0 to 1000 mm"
            )


@dataclass(frozen=True)
class GenerateOptions:
    """What is collided and kept.

    Attributes:
        pileup: collisions per event (exactly).
        energy: centre-of-mass energy in GeV.
        max_eta, min_pt: particles kept for transport (GeV).
        gun: if > 0, that many charged pions an event instead of collisions.
        jets: that many collimated groups of charged pions on top of the collisions of each event: each
            ``jet_pions`` of them within ``jet_radius`` in (eta, phi) of an axis inside abs(eta) <
            ``JET_ETA``, from one vertex.
        gun_pt: range of the gun's and the jets' pT in GeV, uniform.
    """

    pileup: int = 200
    energy: float = 14_000.0
    max_eta: float = 4.0
    min_pt: float = 0.1
    gun: int = 0
    gun_pt: tuple[float, float] = (0.5, 10.0)
    jets: int = 0
    jet_pions: int = 10
    jet_radius: float = 0.05

    def __post_init__(self) -> None:
        check_types("simulate", self)
        for name, most in MOST.items():
            check("simulate", name, getattr(self, name), 0 <= getattr(self, name) <= most, f"0 to {most}")
        check(
            "simulate",
            "jets",
            self.jets,
            self.gun == 0 or self.jets == 0,
            "0 with a gun; jets lie over collisions",
        )
        check("simulate", "jet_radius", self.jet_radius, 0 < self.jet_radius <= 1, "positive and at most 1")
        low, high = PT_RANGE
        check(
            "simulate", "gun_pt", self.gun_pt, low <= self.gun_pt[0] <= self.gun_pt[1] <= high,
            f"two values in GeV from {low:g} to {high:g}, the lower first (1 GeV = 1000 MeV)",
        )  # fmt: skip
        check(
            "simulate",
            "energy",
            self.energy,
            20 <= self.energy <= 1e6,
            "from 20 to 1e6 GeV (14 TeV = 14000 GeV)",
        )
        check("simulate", "max_eta", self.max_eta, 0 < self.max_eta <= 10, "positive and at most 10")
        check("simulate", "min_pt", self.min_pt, 0 <= self.min_pt <= high, f"from 0 to {high:g} GeV")


@dataclass(frozen=True)
class Particles:
    """Particles of one event at production: (N,) ids and charges, (N, 3) vertex in mm and momentum in GeV."""

    vertex_id: npt.NDArray[np.int32]
    pdg_id: npt.NDArray[np.int32]
    charge: Floats
    vertex: Floats
    momentum: Floats


def gun(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Charged pions, uniform in pT, eta and phi, each from a vertex of its own."""
    n = options.gun
    pt = rng.uniform(*options.gun_pt, n)
    eta = rng.uniform(-options.max_eta, options.max_eta, n)
    phi = rng.uniform(-np.pi, np.pi, n)
    vertex = rng.normal(0, [beam_spot.sigma_x, beam_spot.sigma_y, beam_spot.sigma_z], (n, 3))
    return _pions(pt, eta, phi, np.arange(1, n + 1), vertex, rng)


def jets(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Groups of charged pions, their axes uniform in eta and phi, evenly spread over a disk about them;
    uniform in pT.

    Their vertices are numbered after those of the collisions.
    """
    n = options.jets
    axis_eta, axis_phi = rng.uniform(-JET_ETA, JET_ETA, n), rng.uniform(-np.pi, np.pi, n)
    vertex = rng.normal(0, [beam_spot.sigma_x, beam_spot.sigma_y, beam_spot.sigma_z], (n, 3))
    of = np.repeat(np.arange(n), options.jet_pions)
    away, around = options.jet_radius * np.sqrt(rng.random(len(of))), rng.uniform(-np.pi, np.pi, len(of))
    eta, phi = axis_eta[of] + away * np.cos(around), axis_phi[of] + away * np.sin(around)
    return _pions(rng.uniform(*options.gun_pt, len(of)), eta, phi, options.pileup + 1 + of, vertex[of], rng)


def _pions(
    pt: Floats,
    eta: Floats,
    phi: Floats,
    vertex_id: npt.NDArray[np.int64],
    vertex: Floats,
    rng: np.random.Generator,
) -> Particles:
    charge = np.where(rng.random(len(pt)) < 0.5, -1.0, 1.0)
    return Particles(
        vertex_id=vertex_id.astype(np.int32),
        pdg_id=(211 * charge).astype(np.int32),
        charge=charge,
        vertex=vertex,
        momentum=np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1),
    )


def together(first: Particles, second: Particles) -> Particles:
    """Particles of both."""
    return Particles(
        *(np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Particles))
    )


def collisions(options: GenerateOptions, beam_spot: BeamSpot, n_events: int, seed: int) -> list[Particles]:
    """Minimum-bias pp collisions, ``options.pileup`` in each of ``n_events`` events.

    Raises:
        InputError: chromo is not installed, or the process that it runs in died.
    """
    asked = {name: getattr(options, name) for name in ("pileup", "energy", "max_eta", "min_pt")}
    produced = produce(asked, n_events, seed)
    rng = np.random.default_rng([seed, 1])
    events = []
    for event in produced:
        vertices = rng.normal(
            0, [beam_spot.sigma_x, beam_spot.sigma_y, beam_spot.sigma_z], (options.pileup, 3)
        )
        events.append(
            Particles(
                vertex_id=event[0],
                pdg_id=event[1],
                charge=event[2],
                vertex=vertices[event[0] - 1] + event[3],
                momentum=event[4],
            )
        )
    return events
