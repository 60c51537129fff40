"""Particles of a beam along z."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.simulate.options import GenerateOptions
from smartpix.simulate.particles import Particles

__all__ = ["of_kind", "particle_beam"]

PDG = {"pion": 211, "electron": -11, "muon": -13, "kaon": 321, "proton": 2212}
"""Number of the positive particle."""


def of_kind(kind: str, charge: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """(N,) PDG numbers of particles of a kind and of charges 1 or -1."""
    return (PDG[kind] * np.sign(charge)).astype(np.int32)


def particle_beam(options: GenerateOptions, beam_spot: BeamSpot, rng: np.random.Generator) -> Particles:
    """The particles of a beam, each from a vertex of its own; they start at time 0."""
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
    # After the vertices of all that may be there besides.
    before = options.pileup + options.jets + options.gun + options.displaced + options.conversions
    return Particles(
        vertex_id=(before + 1 + np.arange(n)).astype(np.int32),
        pdg_id=of_kind(beam.kind, charge),
        charge=charge,
        vertex=vertex,
        momentum=momentum[:, None] * direction,
        time=np.zeros(n),
    )
