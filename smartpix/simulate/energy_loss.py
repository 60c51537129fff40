"""Energy loss of charged particles in thin layers: ionisation and bremsstrahlung, compiled.

Ionisation: Bethe's mean with the density effect (PDG, Passage of Particles Through Matter, eq. 34.5),
about which Landau's distribution is drawn. It is cut where its mean is Bethe's, as in GEANT 3 (W5013,
PHYS332). Bremsstrahlung: Bethe and Heitler's distribution of the energy kept (as in ATLAS's and ACTS's
fast simulations).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.physics import ELECTRON_MASS
from smartpix.simulate.ionisation import uniform

__all__ = [
    "BERYLLIUM", "SILICON", "gamma", "landau", "largest_transfer", "lost", "mean_loss", "normal",
    "radiated", "width",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

K = 0.307075e-3
"""GeV cm^2 / mol."""
EULER = 0.5772156649015329

SILICON: Floats = np.array([0.49848, 173e-9, 21.82, 4.4355, 0.2015, 2.8716, 0.14921, 3.2546, 31.05e-9])
"""Z / A, mean excitation energy (GeV), radiation length (g / cm^2), and Sternheimer's C, x0, x1, a, k and
plasma energy (GeV) of silicon: PDG, Atomic and Nuclear Properties of Materials."""
BERYLLIUM: Floats = np.array([0.44384, 63.7e-9, 65.19, 2.7847, 0.0592, 1.6922, 0.80392, 2.4339, 26.10e-9])
"""The same of beryllium."""


@njit(cache=True)
def normal(state: Any) -> float:
    """Standard normal random number, of Box and Muller."""
    u = 1.0 - uniform(state)
    return float(math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * uniform(state)))


@njit(cache=True)
def landau(state: Any) -> float:
    """Random number of Landau's distribution: the stable one of index 1 and skewness 1 (J. M. Chambers et
    al., J. Am. Stat. Assoc. 71 (1976) 340), whose scale is pi / 2.
    """
    angle = math.pi * (uniform(state) - 0.5)
    waiting = -math.log(1.0 - uniform(state))
    turned = 0.5 * math.pi + angle
    stable = turned * math.tan(angle) - math.log(0.5 * math.pi * waiting * math.cos(angle) / turned)
    return float(stable + math.log(0.5 * math.pi))


@njit(cache=True)
def gamma(shape: float, state: Any) -> float:
    """Random number of a gamma distribution of scale 1 (G. Marsaglia, W. W. Tsang, ACM Trans. Math. Softw. 26
    (2000) 363); a shape below 1 through the next one.
    """
    d = shape + 1.0 - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = (1.0 + c * x) ** 3
        if v > 0 and math.log(1.0 - uniform(state)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return float(d * v * (1.0 - uniform(state)) ** (1.0 / shape))


@njit(cache=True)
def largest_transfer(beta2: float, gamma2: float, mass: float) -> float:
    """Largest energy that one collision transfers, GeV; of an electron half of its own, for which of the two
    went on cannot be told.
    """
    if mass < 2 * ELECTRON_MASS:
        return float(0.5 * mass * (math.sqrt(gamma2) - 1.0))
    ratio = ELECTRON_MASS / mass
    return float(2 * ELECTRON_MASS * beta2 * gamma2 / (1 + 2 * math.sqrt(gamma2) * ratio + ratio * ratio))


@njit(cache=True)
def _density_effect(beta_gamma: float, matter: Any) -> float:
    """Sternheimer's delta."""
    x = math.log10(beta_gamma)
    if x < matter[4]:
        return 0.0
    delta = 2 * math.log(10.0) * x - matter[3]
    if x < matter[5]:
        delta += matter[6] * (matter[5] - x) ** matter[7]
    return float(max(delta, 0.0))


@njit(cache=True)
def width(momentum: float, mass: float, thickness: float, matter: Any) -> float:
    """Landau's xi in GeV of a layer of ``thickness`` radiation lengths."""
    beta2 = momentum * momentum / (momentum * momentum + mass * mass)
    return float(0.5 * K * matter[0] * thickness * matter[2] / beta2)


@njit(cache=True)
def mean_loss(momentum: float, mass: float, thickness: float, matter: Any) -> float:
    """Mean energy in GeV that ionisation takes in a layer of ``thickness`` radiation lengths."""
    energy2 = momentum * momentum + mass * mass
    beta2, gamma2 = momentum * momentum / energy2, energy2 / (mass * mass)
    largest = largest_transfer(beta2, gamma2, mass)
    logarithm = 0.5 * math.log(2 * ELECTRON_MASS * beta2 * gamma2 * largest / (matter[1] * matter[1]))
    delta = _density_effect(math.sqrt(beta2 * gamma2), matter)
    xi = width(momentum, mass, thickness, matter)
    return float(max(2 * xi * (logarithm - beta2 - 0.5 * delta), 0.0))


@njit(cache=True)
def lost(momentum: float, mass: float, thickness: float, matter: Any, state: Any) -> float:
    """Random energy in GeV that ionisation takes, see the module."""
    energy2 = momentum * momentum + mass * mass
    beta2, gamma2 = momentum * momentum / energy2, energy2 / (mass * mass)
    xi = width(momentum, mass, thickness, matter)
    offset = 1.0 - EULER + beta2 + math.log(xi / largest_transfer(beta2, gamma2, mass))
    most = 0.60715 - 1.1934 * offset + (0.67794 - 0.052382 * offset) * math.exp(0.94753 - 0.74442 * offset)
    value = landau(state)
    # Where even the most likely loss is beyond, as of slow particles in thick layers, there is no tail.
    for _ in range(100):
        if value <= most:
            break
        value = landau(state)
    return float(max(mean_loss(momentum, mass, thickness, matter) + xi * (min(value, most) + offset), 0.0))


@njit(cache=True)
def radiated(thickness: float, state: Any) -> float:
    """Share of its energy that an electron loses by bremsstrahlung in ``thickness`` radiation lengths."""
    return float(1.0 - math.exp(-gamma(thickness / math.log(2.0), state)))
