"""Jets: collimated groups of charged pions, evenly spread or with a core as that of an energetic jet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.simulate.generate import along, collision_times, flight_time, inside, pions, vertices
from smartpix.simulate.options import JET_MIN_PT, GenerateOptions
from smartpix.simulate.particles import Particles

__all__ = ["JET_ETA", "core_distances", "jets", "shared_pt"]

Floats = npt.NDArray[np.float64]

JET_ETA = 2.4
"""Largest absolute pseudorapidity of an axis."""
MIN_KT = 0.2
"""GeV, smallest transverse momentum of a particle to the axis: below QCD's scale there are no emissions."""
CONCENTRATION = 0.7
"""Of the Dirichlet distribution of the shares: a small one leaves few hard particles and many soft ones."""


def jets(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """Groups of charged pions, their axes uniform in eta and phi.

    Without a jet's pT they are evenly spread over a disk about the axis, and uniform in pT. With one, they
    share it by :func:`shared_pt` and are as far from the axis as :func:`core_distances` says.
    Their vertices are numbered after those of the collisions. With a flight length, every second pion starts
    where a decay on the axis ends an exponential flight.
    """
    n = options.jets
    axis_eta, axis_phi = rng.uniform(-JET_ETA, JET_ETA, n), rng.uniform(-np.pi, np.pi, n)
    vertex = vertices(beam_spot, n, rng)
    fewest, most = options.jet_particles[0], options.jet_particles[-1]
    # Nothing is drawn for a single number: such a sample does not depend on how the range is drawn.
    sizes = np.full(n, fewest) if fewest == most else rng.integers(fewest, most + 1, n)
    jet = np.repeat(np.arange(n), sizes)
    number = np.arange(len(jet)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    if options.jet_pt:
        pt = shared_pt(rng.uniform(options.jet_pt[0], options.jet_pt[-1], n), sizes, rng)
        away = core_distances(pt, options.jet_radius, rng)
    else:
        away = options.jet_radius * np.sqrt(rng.random(len(jet)))
    around = rng.uniform(-np.pi, np.pi, len(jet))
    eta, phi = axis_eta[jet] + away * np.cos(around), axis_phi[jet] + away * np.sin(around)
    start, flight = vertex[jet], np.zeros(len(jet))
    if options.jet_flight > 0:
        flight = rng.exponential(options.jet_flight, n)[jet] * (number % 2 == 1)
        start = start + flight[:, None] * along(axis_phi, axis_eta)[jet]
    if not options.jet_pt:
        pt = rng.uniform(*options.gun_pt, len(jet))
    made = pions(pt, eta, phi, options.pileup + 1 + jet, start, rng)
    times = collision_times(beam_spot, n, rng)[jet] + flight_time(flight, axis_eta[jet])
    return inside(replace(made, time=times))


def shared_pt(jet_pt: Floats, sizes: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """pT of the particles of each jet, GeV: all of one jet add up to its pT.

    Each has :data:`JET_MIN_PT`, and a share z of the rest. Shares of n particles are of a symmetric Dirichlet
    distribution, so that each is of a Beta distribution, z^(a - 1) (1 - z)^((n - 1) a - 1) with a =
    :data:`CONCENTRATION`. That is the form N z^alpha (1 - z)^beta to which fragmentation functions are fitted
    (Particle Data Group 2024, review "Fragmentation Functions in e+e-, ep, and pp Collisions").

    Args:
        jet_pt: (J,) GeV; sizes: (J,) particles of each jet, at least 1.
    """
    jet, first = np.repeat(np.arange(len(sizes)), sizes), np.cumsum(sizes) - sizes
    # In logarithms (gamma of a + 1 times u^(1 / a)): a share of so small a concentration may underflow.
    logs = np.log(rng.gamma(CONCENTRATION + 1, size=len(jet)))
    logs += np.log1p(-rng.random(len(jet))) / CONCENTRATION
    parts = np.exp(logs - np.maximum.reduceat(logs, first)[jet]) if len(jet) else logs
    z = parts / np.add.reduceat(parts, first)[jet] if len(jet) else parts
    return np.asarray(JET_MIN_PT + z * (jet_pt - sizes * JET_MIN_PT)[jet])


def core_distances(pt: Floats, radius: float, rng: np.random.Generator) -> Floats:
    """Distances of particles from their jet's axis in pseudorapidity and azimuth.

    Soft emissions are uniform in ln(1 / distance) and ln(kT), kT = pT distance (the Lund plane: B. Andersson
    et al., Z. Phys. C 43 (1989) 625; F. Dreyer, G. Salam, G. Soyez, JHEP 12 (2018) 064). A particle
    of a pT is then uniform in the logarithm of the distance, from where kT is :data:`MIN_KT` to the radius.
    One too soft for that is between half of the radius and the radius.

    Args:
        pt: (N,) GeV; radius: largest distance.
    """
    nearest = np.minimum(MIN_KT / pt, 0.5 * radius)
    return np.asarray(nearest * (radius / nearest) ** rng.random(len(pt)))
