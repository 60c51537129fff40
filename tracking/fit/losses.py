"""Energy that particles lose on their way, as the fit knows it: compiled, for :mod:`tracking.fit.kalman`.

Ionisation takes Bethe's mean (:mod:`smartpix.simulate.energy_loss`).

An electron keeps of its energy the share z by bremsstrahlung. Behind t radiation lengths -ln z has Bethe
and Heitler's gamma distribution, of shape c = t / ln 2. Where c is small, a share of more than 1 - exp(-u)
is lost with probability c E1(u), and the density is c exp(-u) / u. Two parts of it are taken as Gaussian,
in :data:`TAILS`; less loss counts as none. The fit is made for no radiation, and for each part at each
layer, and all fits are joined by their probability: a Gaussian sum (R. Fruehwirth, Comput. Phys. Commun.
154 (2003) 131) in which an electron radiates once at most.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit
from smartpix.simulate.energy_loss import BERYLLIUM, SILICON, mean_loss
from smartpix.simulate.propagate import MASSES

__all__ = ["LIGHT", "PARTICLES", "TAILS", "lost_in", "shares_lost"]

PARTICLES = {
    "pion": MASSES[211], "muon": MASSES[13], "electron": MASSES[11], "kaon": MASSES[321], "proton": MASSES[2212]
}  # fmt: skip
"""GeV, masses of what tracks may be taken for."""
LIGHT = 1e-3
"""GeV: particles of less mass radiate."""
MOST = 0.5
"""Largest share of the momentum that one surface takes: all is linear about the start's."""
TAILS = ((2.96250, 0.10349, 0.003971), (1.30662, 0.49830, 0.035577))
"""Of losses of 3 to 26 % and of more: probability per radiation length; mean and variance of the share, by
integrals of the density: with E(n) = E1(n u) - E1(n v) between u and v, E(1) / ln 2, 1 - E(2) / E(1), and
    E(3) / E(1)
less the square of E(2) / E(1).
"""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def shares_lost(q: float, mass: float) -> Any:
    """Shares of its momentum that ionisation takes from a particle in a radiation length of silicon and of
    beryllium; q: 1 / momentum, 1/GeV.
    """
    momentum = 1 / q
    # dp = dE / beta.
    per_energy = math.sqrt(momentum * momentum + mass * mass) * q * q
    return (
        mean_loss(momentum, mass, 1.0, SILICON) * per_energy, mean_loss(momentum, mass, 1.0, BERYLLIUM) * per_energy
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def lost_in(matter: Any, rates: Any) -> float:
    """Share of the momentum that ionisation takes in radiation lengths of silicon and of beryllium.

    Args:
        rates: of :func:`shares_lost`.
    """
    return float(min(matter[0] * rates[0] + matter[1] * rates[1], MOST))
