"""Neutral particles of collisions to the charged ones that they become: K0s, Lambda, and photons that convert
in the beam pipe.

Decays have two bodies and are isotropic in the rest frame, with masses, lifetimes and branching fractions of
the Particle Data Group (2024). A pair of a photon opens at no angle, and any share of its energy is as
likely: what matters here is where it starts, and that two tracks start there together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.physics import ELECTRON_MASS, PION_MASS, PROTON_MASS, SPEED_OF_LIGHT
from smartpix.simulate.particles import Particles, together

__all__ = ["BEAM_PIPE_RADIUS", "NEUTRAL", "PHOTON", "charged_products", "converted"]

Floats = npt.NDArray[np.float64]

BEAM_PIPE_RADIUS = 19.0
"""mm, of the generic detector."""
CONVERSION = 7 / 9 * 0.8 / 352.8
"""Share of photons that convert across 0.8 mm of beryllium (PDG, Passage of Particles Through Matter)."""
PHOTON = 22


@dataclass(frozen=True)
class _Decay:
    """Mass (GeV), mean proper flight length (mm), branching fraction; ids, charges and masses of the
    products.
    """

    mass: float
    flight: float
    fraction: float
    products: tuple[int, int]
    charges: tuple[int, int]
    masses: tuple[float, float]


DECAYS = {
    310: _Decay(0.49761, 26.84, 0.692, (211, -211), (1, -1), (PION_MASS, PION_MASS)),
    3122: _Decay(1.11568, 78.9, 0.641, (2212, -211), (1, -1), (PROTON_MASS, PION_MASS)),
    -3122: _Decay(1.11568, 78.9, 0.641, (-2212, 211), (-1, 1), (PROTON_MASS, PION_MASS)),
}
NEUTRAL = (PHOTON, *DECAYS)
"""PDG ids of what becomes charged."""


def charged_products(neutral: Particles, rng: np.random.Generator) -> Particles:
    """Products of neutral particles of :data:`NEUTRAL`, as far as they decay to two charged ones or convert.

    They have the number of their parent's vertex, and start where and when it ends.
    """
    photons = neutral.take(neutral.pdg_id == PHOTON)
    p, pt = np.sqrt((photons.momentum**2).sum(axis=1)), np.hypot(*photons.momentum[:, :2].T)
    # The path through a cylinder is longer by p / pT.
    parts = [converted(photons.take(rng.random(len(p)) < CONVERSION * p / pt), rng)]
    for number, decay in DECAYS.items():
        parts.append(_decayed(decay, neutral.take(neutral.pdg_id == number), rng))
    return together(*parts)


def _decayed(decay: _Decay, parents: Particles, rng: np.random.Generator) -> Particles:
    parents = parents.take(rng.random(len(parents.pdg_id)) < decay.fraction)
    n = len(parents.pdg_id)
    a, b = decay.masses
    q = np.sqrt((decay.mass**2 - (a + b) ** 2) * (decay.mass**2 - (a - b) ** 2)) / (2 * decay.mass)
    length = rng.exponential(decay.flight, n) / decay.mass
    cosine, azimuth = rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n)
    sine = np.sqrt(1 - cosine**2)
    at_rest = q * np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)
    momenta = [
        _boosted(side * at_rest, mass, parents.momentum, decay.mass) for side, mass in ((1, a), (-1, b))
    ]
    energy = np.sqrt((parents.momentum**2).sum(axis=1) + decay.mass**2)
    return _pairs(parents, decay.products, decay.charges, momenta, length, energy)


def _boosted(at_rest: Floats, mass: float, momentum: Floats, parent_mass: float) -> Floats:
    """Momenta (N, 3) that a particle of ``mass`` has in the frame in which its parent has ``momentum``."""
    energy = np.sqrt((momentum**2).sum(axis=1) + parent_mass**2)
    own_energy = np.sqrt((at_rest**2).sum(axis=1) + mass**2)
    along = (at_rest * momentum).sum(axis=1) / parent_mass
    # p' = p + P / M (p.P / (E + M) + E_p): the boost by P / E, in terms that vanish with P.
    factor = along / (energy + parent_mass) + own_energy / parent_mass
    return np.asarray(at_rest + momentum * factor[:, None])


def converted(photons: Particles, rng: np.random.Generator) -> Particles:
    """Pairs of electrons of photons that convert in the beam pipe: all those that come from within it and
    have the energy for a pair.
    """
    p = np.sqrt((photons.momentum**2).sum(axis=1))
    chosen = (p > 4 * ELECTRON_MASS) & (np.hypot(*photons.vertex[:, :2].T) < BEAM_PIPE_RADIUS)
    photons, p = photons.take(chosen), p[chosen]
    share = rng.random(len(p))[:, None]
    momenta = [share * photons.momentum, (1 - share) * photons.momentum]
    return _pairs(photons, (11, -11), (-1, 1), momenta, _to_beam_pipe(photons.vertex, photons.momentum), p)


def _to_beam_pipe(point: Floats, momentum: Floats) -> Floats:
    """(N,) how many times the momentum leads from points within the beam pipe to it, mm/GeV."""
    a = (momentum[:, :2] ** 2).sum(axis=1)
    b = (point[:, :2] * momentum[:, :2]).sum(axis=1)
    c = (point[:, :2] ** 2).sum(axis=1) - BEAM_PIPE_RADIUS**2
    return np.asarray((np.sqrt(b * b - a * c) - b) / a)


def _pairs(
    parents: Particles,
    products: tuple[int, int],
    charges: tuple[int, int],
    momenta: list[Floats],
    length: Floats,
    energy: Floats,
) -> Particles:
    """Two products of each of N parents: all first ones, then all second ones.

    Args:
        momenta: two of (N, 3), GeV.
        length: (N,) of the parent's flight over its momentum, mm/GeV; energy: (N,) the parent's, GeV.
    """
    n = len(energy)
    # A path of length * p at the speed c p / E.
    time = parents.time + length * energy / SPEED_OF_LIGHT
    return Particles(
        vertex_id=np.tile(parents.vertex_id, 2),
        pdg_id=np.repeat(np.array(products, dtype=np.int32), n),
        charge=np.repeat(np.array(charges, dtype=np.float64), n),
        vertex=np.tile(parents.vertex + length[:, None] * parents.momentum, (2, 1)),
        momentum=np.concatenate(momenta),
        time=np.tile(time, 2),
    )
