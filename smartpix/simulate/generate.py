"""Particles at their production points: minimum-bias collisions (chromo's Pythia 6) or a particle gun."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from smartpix.simulate.options import BeamSpot, GenerateOptions
from smartpix.simulate.pythia import produce

__all__ = ["BeamSpot", "GenerateOptions", "Particles", "collisions", "gun", "jets", "together"]

Floats = npt.NDArray[np.float64]

JET_ETA = 2.4


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
    jet = np.repeat(np.arange(n), options.jet_pions)
    away, around = options.jet_radius * np.sqrt(rng.random(len(jet))), rng.uniform(-np.pi, np.pi, len(jet))
    eta, phi = axis_eta[jet] + away * np.cos(around), axis_phi[jet] + away * np.sin(around)
    return _pions(
        rng.uniform(*options.gun_pt, len(jet)), eta, phi, options.pileup + 1 + jet, vertex[jet], rng
    )


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
    settings = {name: getattr(options, name) for name in ("pileup", "energy", "max_eta", "min_pt")}
    produced = produce(settings, n_events, seed)
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
