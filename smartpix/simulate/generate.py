"""Particles at their production points: minimum-bias collisions (chromo's Pythia 6) or a particle gun."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.physics import SPEED_OF_LIGHT
from smartpix.simulate.decays import NEUTRAL, PHOTON, charged_products, converted
from smartpix.simulate.options import GenerateOptions
from smartpix.simulate.particle_beam import of_kind
from smartpix.simulate.particles import Particles, together
from smartpix.simulate.pythia import produce

__all__ = [
    "FARTHEST",
    "along",
    "collision_times",
    "collisions",
    "conversions",
    "displaced",
    "flight_time",
    "gun",
    "inside",
    "pions",
    "vertices",
]

Floats = npt.NDArray[np.float64]

FARTHEST = (200.0, 1700.0)
"""mm: radius and |z| within which a particle may start. Beyond the pixels it leaves no hit, and Fatras finds
no place for what starts outside of all volumes.
"""


def gun(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Charged particles, uniform in pT, eta and phi, each from a vertex of its own."""
    n = options.gun
    pt = rng.uniform(*options.gun_pt, n)
    eta = rng.uniform(-options.max_eta, options.max_eta, n)
    phi = rng.uniform(-np.pi, np.pi, n)
    vertex = vertices(beam_spot, n, rng)
    made = pions(pt, eta, phi, np.arange(1, n + 1), vertex, rng)
    kind = of_kind(options.gun_kind, made.charge)
    return replace(made, pdg_id=kind, time=collision_times(beam_spot, n, rng))


def displaced(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Charged pions from decays in flight, each from a vertex of its own; uniform in pT, eta and phi.

    What decays flies from the vertex at an angle to the pion whose sine is d0 over the flight length, to
    either side, and at the pion's polar angle. The d0 drawn is that of the straight line. The bend adds up to
    flight^2 / 2 R to it, which is much for a small one. Decays outside of the detector are left out.
    """
    n = options.displaced
    pt = rng.uniform(options.gun_pt[0], options.gun_pt[1], n)
    eta, phi = rng.uniform(-options.max_eta, options.max_eta, n), rng.uniform(-np.pi, np.pi, n)
    vertex = vertices(beam_spot, n, rng)
    d0 = np.exp(rng.uniform(np.log(options.displaced_d0[0]), np.log(options.displaced_d0[1]), n))
    flight = rng.uniform(d0, np.maximum(options.displaced_radius, 2 * d0))
    side = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    start = vertex + flight[:, None] * along(phi + side * np.arcsin(d0 / flight), eta)
    # After the vertices of the collisions and jets, or of the gun.
    before = options.pileup + options.jets + options.gun
    made = pions(pt, eta, phi, before + 1 + np.arange(n), start, rng)
    return inside(replace(made, time=collision_times(beam_spot, n, rng) + flight_time(flight, eta)))


def conversions(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Pairs of electrons of photons that convert in the beam pipe, each photon from a vertex of its own;
    photons are uniform in pT, eta and phi.

    All of them convert: two tracks begin at one point and in one direction, and the field alone parts them.
    """
    n = options.conversions
    pt = rng.uniform(*options.gun_pt, n)
    eta, phi = rng.uniform(-options.max_eta, options.max_eta, n), rng.uniform(-np.pi, np.pi, n)
    before = options.pileup + options.jets + options.gun + options.displaced
    photons = Particles(
        vertex_id=(before + 1 + np.arange(n)).astype(np.int32),
        pdg_id=np.full(n, PHOTON, dtype=np.int32),
        charge=np.zeros(n),
        vertex=vertices(beam_spot, n, rng),
        momentum=pt[:, None] * along(phi, eta),
        time=collision_times(beam_spot, n, rng),
    )
    return inside(converted(photons, rng))


def inside(particles: Particles) -> Particles:
    """Those that begin within :data:`FARTHEST`: the transport knows nothing outside of it."""
    inside = np.hypot(particles.vertex[:, 0], particles.vertex[:, 1]) < FARTHEST[0]
    return particles.take(inside & (np.abs(particles.vertex[:, 2]) < FARTHEST[1]))


def along(phi: Floats, eta: Floats) -> Floats:
    """(N, 3) directions of unit transverse length."""
    return np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=1)


def vertices(beam_spot: BeamSpot, n: int, rng: np.random.Generator) -> Floats:
    """(N, 3) points of the luminous region, mm."""
    spread = rng.normal(0, [beam_spot.sigma_x, beam_spot.sigma_y, beam_spot.sigma_z], (n, 3))
    spread[:, 0] += beam_spot.slope_x * spread[:, 2]
    spread[:, 1] += beam_spot.slope_y * spread[:, 2]
    return np.asarray(spread + [beam_spot.x, beam_spot.y, beam_spot.z])


def collision_times(beam_spot: BeamSpot, n: int, rng: np.random.Generator) -> Floats:
    """(N,) times of collisions, ns. Without a spread nothing is drawn, and what is drawn later stays as it
    was.
    """
    return rng.normal(0, 1e-3 * beam_spot.sigma_t, n) if beam_spot.sigma_t > 0 else np.zeros(n)


def flight_time(transverse: Floats, eta: Floats) -> Floats:
    """(N,) ns that what decays needs, at the speed of light, for a transverse length in mm."""
    return transverse * np.cosh(eta) / SPEED_OF_LIGHT


def pions(
    pt: Floats,
    eta: Floats,
    phi: Floats,
    vertex_id: npt.NDArray[np.int64],
    vertex: Floats,
    rng: np.random.Generator,
) -> Particles:
    """Charged pions of either sign, at time 0."""
    charge = np.where(rng.random(len(pt)) < 0.5, -1.0, 1.0)
    return Particles(
        vertex_id=vertex_id.astype(np.int32),
        pdg_id=(211 * charge).astype(np.int32),
        charge=charge,
        vertex=vertex,
        momentum=np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1),
        time=np.zeros(len(pt)),
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
    for k, event in enumerate(produced):
        points = vertices(beam_spot, options.pileup, rng)
        times = collision_times(beam_spot, options.pileup, rng)
        particles = Particles(
            vertex_id=event[0],
            pdg_id=event[1],
            charge=event[2],
            vertex=points[event[0] - 1] + event[3],
            momentum=event[4],
            time=times[event[0] - 1],
        )
        if options.secondaries:
            particles = _with_secondaries(particles, np.random.default_rng([seed, 7, k]))
        events.append(particles)
    return events


def _with_secondaries(particles: Particles, rng: np.random.Generator) -> Particles:
    """The charged particles, and after them what the neutral ones became."""
    neutral = particles.charge == 0
    products = charged_products(particles.take(neutral), rng)
    return together(particles.take(~neutral), inside(products))
