"""Particles at their production points: minimum-bias collisions (chromo's Pythia 6) or a particle gun."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from smartpix.simulate.decays import NEUTRAL, charged_products
from smartpix.simulate.options import BeamSpot, GenerateOptions
from smartpix.simulate.pythia import produce

__all__ = ["BeamSpot", "GenerateOptions", "Particles", "collisions", "displaced", "gun", "jets", "together"]

Floats = npt.NDArray[np.float64]

JET_ETA = 2.4
FARTHEST = (200.0, 1700.0)
"""mm: radius and |z| within which a particle may start. Beyond the pixels it leaves no hit, and Fatras finds no
place for what starts outside of all volumes.
"""


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
    vertex = _vertices(beam_spot, n, rng)
    return _pions(pt, eta, phi, np.arange(1, n + 1), vertex, rng)


def jets(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Groups of charged pions, their axes uniform in eta and phi, evenly spread over a disk about them;
    uniform in pT.

    Their vertices are numbered after those of the collisions. With a flight length, every second pion starts
    where a decay on the axis ends an exponential flight.
    """
    n = options.jets
    axis_eta, axis_phi = rng.uniform(-JET_ETA, JET_ETA, n), rng.uniform(-np.pi, np.pi, n)
    vertex = _vertices(beam_spot, n, rng)
    jet = np.repeat(np.arange(n), options.jet_pions)
    away, around = options.jet_radius * np.sqrt(rng.random(len(jet))), rng.uniform(-np.pi, np.pi, len(jet))
    eta, phi = axis_eta[jet] + away * np.cos(around), axis_phi[jet] + away * np.sin(around)
    start = vertex[jet]
    if options.jet_flight > 0:
        decays = np.arange(len(jet)) % options.jet_pions % 2 == 1
        flight = rng.exponential(options.jet_flight, n)[jet] * decays
        start = start + flight[:, None] * _along(axis_phi, axis_eta)[jet]
    return _pions(rng.uniform(*options.gun_pt, len(jet)), eta, phi, options.pileup + 1 + jet, start, rng)


def displaced(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Charged pions from decays in flight, each from a vertex of its own; uniform in pT, eta and phi.

    What decays flies from the vertex at an angle to the pion whose sine is d0 over the flight length, to
    either side, and at the pion's polar angle. The bend of the pion over that flight is not counted in its
    d0: it is below 1 % of it.
    """
    n = options.displaced
    pt = rng.uniform(*options.gun_pt, n)
    eta, phi = rng.uniform(-options.max_eta, options.max_eta, n), rng.uniform(-np.pi, np.pi, n)
    vertex = _vertices(beam_spot, n, rng)
    d0 = np.exp(rng.uniform(*np.log(options.displaced_d0), n))
    flight = rng.uniform(d0, np.maximum(options.displaced_radius, 2 * d0))
    side = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    start = vertex + flight[:, None] * _along(phi + side * np.arcsin(d0 / flight), eta)
    # After the collisions' vertices and those of the jets.
    return _pions(pt, eta, phi, options.pileup + options.jets + 1 + np.arange(n), start, rng)


def _along(phi: Floats, eta: Floats) -> Floats:
    """(N, 3) directions of unit transverse length."""
    return np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=1)


def _vertices(beam_spot: BeamSpot, n: int, rng: np.random.Generator) -> Floats:
    """(N, 3) points of the luminous region, mm."""
    return rng.normal(0, [beam_spot.sigma_x, beam_spot.sigma_y, beam_spot.sigma_z], (n, 3))


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
    request = {name: getattr(options, name) for name in ("pileup", "energy", "max_eta", "min_pt")}
    produced = produce(request | {"neutral": NEUTRAL if options.secondaries else ()}, n_events, seed)
    rng = np.random.default_rng([seed, 1])
    events = []
    for event in produced:
        vertices = _vertices(beam_spot, options.pileup, rng)
        particles = Particles(
            vertex_id=event[0],
            pdg_id=event[1],
            charge=event[2],
            vertex=vertices[event[0] - 1] + event[3],
            momentum=event[4],
        )
        events.append(_with_secondaries(particles, rng) if options.secondaries else particles)
    return events


def _with_secondaries(particles: Particles, rng: np.random.Generator) -> Particles:
    """The charged particles, and after them what the neutral ones became."""
    neutral = particles.charge == 0
    vertex_id, pdg_id, vertex, momentum = charged_products(
        *(getattr(particles, name)[neutral] for name in ("vertex_id", "pdg_id", "vertex", "momentum")), rng
    )
    inside = (np.hypot(vertex[:, 0], vertex[:, 1]) < FARTHEST[0]) & (np.abs(vertex[:, 2]) < FARTHEST[1])
    vertex_id, pdg_id, vertex, momentum = (v[inside] for v in (vertex_id, pdg_id, vertex, momentum))
    # Electrons have a positive id and a negative charge, hadrons that of their id.
    charge = np.where(np.abs(pdg_id) == 11, -np.sign(pdg_id), np.sign(pdg_id)).astype(np.float64)
    charged = Particles(*(getattr(particles, f.name)[~neutral] for f in fields(Particles)))
    return together(charged, Particles(vertex_id, pdg_id, charge, vertex, momentum))
