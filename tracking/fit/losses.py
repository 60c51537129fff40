"""Energy that particles lose on their way, as the fit knows it: compiled, for :mod:`tracking.fit.kalman`.

Ionisation takes Bethe's mean (:mod:`smartpix.simulate.energy_loss`). An electron keeps of its energy the share z by
bremsstrahlung, of which Bethe and Heitler's distribution has the moments <z^n> = (n + 1)^(-t / ln 2) behind t
radiation lengths. Its mean shifts q/p, and its variance widens it, as in a Kalman filter of one Gaussian component (R.
Fruehwirth, Comput. Phys. Commun. 154 (2003) 131, which has mixtures of several).
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit
from smartpix.simulate.energy_loss import BERYLLIUM, SILICON, mean_loss
from smartpix.simulate.propagate import MASSES

__all__ = ["PARTICLES", "lost_in", "shares_lost"]

PARTICLES = {
    "pion": MASSES[211], "muon": MASSES[13], "electron": MASSES[11], "kaon": MASSES[321], "proton": MASSES[2212]
}  # fmt: skip
"""GeV, masses of what tracks may be taken for."""
LIGHT = 1e-3
"""GeV: particles of less mass radiate."""
MOST = 0.5
"""Largest share of the momentum that one surface takes: all is linear about the start's."""
LN2, LN3 = math.log(2.0), math.log(3.0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def shares_lost(q: float, mass: float) -> Any:
    """Shares of its momentum that a particle of charge over momentum ``q`` (1/GeV, positive) loses in a radiation
    length of silicon and of beryllium, and whether it radiates besides.
    """
    momentum = 1 / q
    # dp = dE / beta.
    per_energy = math.sqrt(momentum * momentum + mass * mass) * q * q
    return (
        mean_loss(momentum, mass, 1.0, SILICON) * per_energy, mean_loss(momentum, mass, 1.0, BERYLLIUM) * per_energy,
        mass < LIGHT,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def lost_in(matter: Any, rates: Any) -> Any:
    """Mean share of the momentum that is lost in radiation lengths of silicon and of beryllium, and the variance of
    the share.

    Args:
        rates: of :func:`shares_lost`.
    """
    share, variance = matter[0] * rates[0] + matter[1] * rates[1], 0.0
    if rates[2]:
        t = matter[0] + matter[1]
        share += 1 - math.exp(-t)
        variance = math.exp(-t * LN3 / LN2) - math.exp(-2 * t)
    return min(share, MOST), variance
