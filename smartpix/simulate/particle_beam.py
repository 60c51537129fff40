"""Particles of a beam along z."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.physics import SPEED_OF_LIGHT
from smartpix.schema import ranges_of
from smartpix.simulate.options import GenerateOptions, SimulateOptions
from smartpix.simulate.particles import Particles
from smartpix.simulate.propagate import masses

__all__ = ["beam_of_particles", "of_kind", "particle_beam"]

FAR = 1e4
"""mm: how far upstream the frame of a beam of particles has its origin (:class:`smartpix.beam.BeamSpot`)."""
WEAKEST = 1e-3
"""T: in a stronger field along the beam tracks bend, and their frame is that of collisions."""
PDG = {"pion": 211, "electron": -11, "muon": -13, "kaon": 321, "proton": 2212}
"""Number of the positive particle."""


def of_kind(kind: str, charge: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """(N,) PDG numbers of particles of a kind and of charges 1 or -1."""
    return (PDG[kind] * np.sign(charge)).astype(np.int32)


def beam_of_particles(options: SimulateOptions) -> BeamSpot:
    """The beam that a file's header tells: the luminous region, or that of the particles if these are all
    there is and fly straight.
    """
    generate, beam = options.generate, options.generate.beam
    others = ("pileup", "gun", "jets", "displaced", "conversions")
    if not beam.particles or any(getattr(generate, n) for n in others) or abs(options.field) > WEAKEST:
        return options.beam_spot
    steepest = max(abs(s) for s in beam.slope)
    most = ranges_of(BeamSpot)["slope_x"][1]
    slopes = beam.slope if steepest <= most else (0.0, 0.0)
    return replace(
        options.beam_spot, sigma_x=beam.spot[0], sigma_y=beam.spot[1], slope_x=slopes[0], slope_y=slopes[1],
        distance=FAR, divergence=float(np.hypot(beam.divergence, 0.0 if steepest <= most else steepest)),
    )  # fmt: skip


def particle_beam(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """The particles of a beam, each from a vertex of its own; they would pass z = 0 at time 0."""
    beam = options.beam
    n = beam.particles
    momentum = rng.uniform(*beam.momentum, n)
    vertex = np.empty((n, 3))
    vertex[:, 0] = beam_spot.x + beam.spot[0] * rng.standard_normal(n)
    vertex[:, 1] = beam_spot.y + beam.spot[1] * rng.standard_normal(n)
    vertex[:, 2] = beam.start
    slopes = np.array(beam.slope) + beam.divergence * rng.standard_normal((n, 2))
    direction = np.column_stack([slopes, np.ones(n)])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    charge = np.where(rng.random(n) < 0.5, -1.0, 1.0) if beam.charge == 0 else np.full(n, float(beam.charge))
    pdg_id = of_kind(beam.kind, charge)
    beta = momentum / np.hypot(momentum, masses(pdg_id))
    # After the vertices of all that may be there besides.
    before = options.pileup + options.jets + options.gun + options.displaced + options.conversions
    return Particles(
        vertex_id=(before + 1 + np.arange(n)).astype(np.int32),
        pdg_id=pdg_id,
        charge=charge,
        vertex=vertex,
        momentum=momentum[:, None] * direction,
        # The detector's clocks count from z = 0 (smartpix.simulate.events).
        time=beam.start / direction[:, 2] / beta / SPEED_OF_LIGHT,
    )
