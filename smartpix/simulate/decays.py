"""Neutral particles of collisions to the charged ones that they become: K0s, Lambda, and photons that convert in
the beam pipe.

Decays have two bodies and are isotropic in the rest frame, with masses, lifetimes and branching fractions of the
Particle Data Group (2024). A pair of a photon opens at no angle and shares its energy evenly: what matters here is
where it starts, and that two tracks start there together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.physics import PION_MASS

__all__ = ["BEAM_PIPE_RADIUS", "NEUTRAL", "charged_products"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

BEAM_PIPE_RADIUS = 19.0
"""mm, of the generic detector."""
CONVERSION = 7 / 9 * 0.8 / 352.8
"""Share of photons that convert in 0.8 mm of beryllium, across it (PDG, Passage of Particles Through Matter)."""
PROTON_MASS = 0.93827
ELECTRON_MASS = 0.000511
PHOTON = 22


@dataclass(frozen=True)
class _Decay:
    """Mass (GeV), mean proper flight length (mm), branching fraction, and the two products' ids and masses."""

    mass: float
    flight: float
    fraction: float
    products: tuple[int, int]
    masses: tuple[float, float]


DECAYS = {
    310: _Decay(0.49761, 26.84, 0.692, (211, -211), (PION_MASS, PION_MASS)),
    3122: _Decay(1.11568, 78.9, 0.641, (2212, -211), (PROTON_MASS, PION_MASS)),
    -3122: _Decay(1.11568, 78.9, 0.641, (-2212, 211), (PROTON_MASS, PION_MASS)),
}
NEUTRAL = (PHOTON, *DECAYS)
"""PDG ids of what becomes charged."""


def charged_products(
    parent: Ints, pdg_id: Ints, vertex: Floats, momentum: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats, Floats]:
    """Products of N neutral particles, as far as they decay to two charged ones or convert.

    Args:
        parent: (N,) any numbers; pdg_id: (N,) of :data:`NEUTRAL`; vertex: (N, 3) mm; momentum: (N, 3) GeV.

    Returns:
        parent, pdg_id (M,), vertex and momentum (M, 3) of the products.
    """
    parts = [_converted(*(values[pdg_id == PHOTON] for values in (parent, vertex, momentum)), rng)]
    for number, decay in DECAYS.items():
        parts.append(_decayed(decay, *(values[pdg_id == number] for values in (parent, vertex, momentum)), rng))
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))  # type: ignore[return-value]


def _decayed(
    decay: _Decay, parent: Ints, vertex: Floats, momentum: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats, Floats]:
    chosen = rng.random(len(parent)) < decay.fraction
    parent, vertex, momentum = parent[chosen], vertex[chosen], momentum[chosen]
    n = len(parent)
    point = vertex + rng.exponential(decay.flight, n)[:, None] * momentum / decay.mass
    a, b = decay.masses
    q = np.sqrt((decay.mass**2 - (a + b) ** 2) * (decay.mass**2 - (a - b) ** 2)) / (2 * decay.mass)
    cosine, azimuth = rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n)
    sine = np.sqrt(1 - cosine**2)
    at_rest = q * np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)
    products = [_boosted(side * at_rest, mass, momentum, decay.mass) for side, mass in ((1, a), (-1, b))]
    ids = np.repeat(np.array(decay.products, dtype=np.int32), n)
    return np.tile(parent, 2), ids, np.tile(point, (2, 1)), np.concatenate(products)


def _boosted(at_rest: Floats, mass: float, momentum: Floats, parent_mass: float) -> Floats:
    """Momenta (N, 3) that a particle of ``mass`` has in the frame in which its parent has ``momentum``."""
    energy = np.sqrt((momentum**2).sum(axis=1) + parent_mass**2)
    own_energy = np.sqrt((at_rest**2).sum(axis=1) + mass**2)
    along = (at_rest * momentum).sum(axis=1) / parent_mass
    # p' = p + P / M (p.P / (E + M) + E_p): the boost by P / E in terms that vanish with P.
    factor = along / (energy + parent_mass) + own_energy / parent_mass
    return np.asarray(at_rest + momentum * factor[:, None])


def _converted(
    parent: Ints, vertex: Floats, momentum: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats, Floats]:
    pt, p = np.hypot(momentum[:, 0], momentum[:, 1]), np.sqrt((momentum**2).sum(axis=1))
    # The path through a cylinder is longer by p / pT.
    chosen = rng.random(len(parent)) < CONVERSION * p / pt
    chosen &= (p > 4 * ELECTRON_MASS) & (np.hypot(vertex[:, 0], vertex[:, 1]) < BEAM_PIPE_RADIUS)
    parent, vertex, momentum = parent[chosen], vertex[chosen], momentum[chosen]
    point = vertex + _to_cylinder(vertex, momentum)[:, None] * momentum
    share = rng.random(len(parent))[:, None]
    ids = np.repeat(np.array([11, -11], dtype=np.int32), len(parent))
    products = np.concatenate([share * momentum, (1 - share) * momentum])
    return np.tile(parent, 2), ids, np.tile(point, (2, 1)), products


def _to_cylinder(point: Floats, direction: Floats) -> Floats:
    """(N,) how many times the direction leads from points within the beam pipe to it."""
    a = (direction[:, :2] ** 2).sum(axis=1)
    b = (point[:, :2] * direction[:, :2]).sum(axis=1)
    c = (point[:, :2] ** 2).sum(axis=1) - BEAM_PIPE_RADIUS**2
    return np.asarray((np.sqrt(b * b - a * c) - b) / a)
