"""Energy loss of a charged particle in silicon, collision by collision.

The collision spectrum is the photo-absorption-ionisation model for a condensed medium: the energy-loss
function Im(-1/eps) of silicon for distant collisions, its transverse (relativistic) part with the density
effect, and the Rutherford tail on every electron bound less than the transfer. Sources: W. W. M. Allison and
J. H. Cobb, Ann. Rev. Nucl. Part. Sci. 30 (1980) 253, sec. 2; H. Bichsel, Rev. Mod. Phys. 60 (1988) 663. The
loss function is a Drude plasmon for the four valence electrons; the L shell is flat above its edge and falls
with a power, the K shell falls from its edge; where the L shell begins to fall is set by the mean excitation
energy of 173 eV.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from smartpix.physics import ELECTRON_MASS

__all__ = [
    "BETA_GAMMA", "ELECTRON_EV", "FANO", "N_QUANTILES", "PAIR_ENERGY", "T_MAX",
    "collision_spectrum",
    "collision_tables", "delta_range",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

PAIR_ENERGY = 3.68
"""Mean energy per electron-hole pair in eV."""

ELECTRON_EV = 1e9 * ELECTRON_MASS

FANO = 0.115
"""Variance of the number of pairs over its mean (R. C. Alig et al., Phys. Rev. B 22 (1980) 5565)."""

XI = 17.83
"""Rutherford constant of silicon for beta = 1, eV per micrometre (0.1535 MeV cm^2/g * Z/A * rho)."""

T_MAX = 1.0e6
"""Largest transfer, eV; 2 in 1,000 crossings of 100 um have a harder one."""

PLASMA_ENERGY = 31.05
"""Of all 14 electrons, eV (PDG)."""
EXCITATION_ENERGY = 173.0
VALENCE, L_SHELL, K_SHELL = 4 / 14, 8 / 14, 2 / 14
PLASMON, PLASMON_WIDTH = 16.7, 3.7
"""Peak and width of the valence loss function, eV (H. R. Philipp and H. Ehrenreich, Phys. Rev. 129 (1963)
1550).
"""
L_EDGE, K_EDGE = 99.8, 1839.0
L_POWER, K_POWER = 2.75, 3.0
"""Of the photo-absorption above the shells (B. L. Henke et al., At. Data Nucl. Data Tables 54 (1993) 181)."""
E_MIN = 2.0
DENSITY = 2329.0  # mg/cm^3
JOIN = 30_000.0
"""Between the two formulae of the delta rays' range, eV."""

BETA_GAMMA = np.geomspace(0.3, 3000.0, 41)
"""Grid of beta * gamma of the tables; the spectrum no longer changes beyond."""
N_QUANTILES = 1024
# The rarest 1/64 of the collisions has a table of its own, in the logarithm: these are the delta rays, and
# evenly spaced quantiles would give them 16 points. It ends at 1/64 exp(-11), 3e-7 of the collisions.
RARE = 1 / 64
LARGEST_EXPONENT = 11.0


def _shell(energy: Floats, edge: float, shoulder: float, power: float) -> Floats:
    """Density of a shell's unit oscillator strength: flat from the edge to the shoulder, then a power law."""
    height = 1 / (shoulder - edge + shoulder / (power - 1))
    return np.where(energy > edge, height * np.maximum(energy / shoulder, 1.0) ** -power, 0.0)


def _valence(energy: Floats) -> Floats:
    """Density of the valence electrons' unit oscillator strength: a Drude peak."""
    resonance = (energy**2 - PLASMON**2) ** 2 + (PLASMON_WIDTH * energy) ** 2
    return np.asarray(2 / np.pi * PLASMON_WIDTH * energy**2 / resonance)


@lru_cache(maxsize=1)
def _silicon() -> tuple[Floats, Floats, Floats, Floats]:
    """Energies (eV), oscillator strength density of all electrons, its integral, and Re(1/eps), on a fine
    grid.

    The L shell's shoulder is where the mean of ln E is that of the mean excitation energy. Re(1/eps) of the
    shells follows from the loss function by Kramers and Kronig; the Drude peak has a closed form.
    """
    from scipy.optimize import brentq

    energy = np.geomspace(0.1, 3e7, 12_000)
    valence, k_shell = VALENCE * _valence(energy), K_SHELL * _shell(energy, K_EDGE, K_EDGE, K_POWER)

    def strength(shoulder: float) -> Floats:
        return np.asarray(valence + k_shell + L_SHELL * _shell(energy, L_EDGE, shoulder, L_POWER))

    def excess(shoulder: float) -> float:
        density = strength(shoulder)
        mean_log = np.trapezoid(density * np.log(energy), energy) / np.trapezoid(density, energy)
        return float(mean_log - np.log(EXCITATION_ENERGY))

    density = strength(float(brentq(excess, 1.01 * L_EDGE, 10 * L_EDGE)))
    integral = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(energy))])
    # Principal values on a coarser grid, half a step off its points.
    points = np.geomspace(1.0, T_MAX, 800)
    middle = np.sqrt(points[1:] * points[:-1])
    shells = np.interp(points, energy, density - valence)
    kernel = shells[None, :] / (points[None, :] ** 2 - middle[:, None] ** 2)
    shift = -(PLASMA_ENERGY**2) * np.trapezoid(kernel, points, axis=1)
    drude = (energy**2 - PLASMON**2) / ((energy**2 - PLASMON**2) ** 2 + (PLASMON_WIDTH * energy) ** 2)
    real = 1 + VALENCE * PLASMA_ENERGY**2 * drude + np.interp(energy, middle, shift)
    return energy, density, integral, real


def collision_spectrum(energy: Floats, beta_gamma: float) -> Floats:
    """Collisions per micrometre and eV at transfers ``energy`` (eV) of a particle much heavier than the
    electron.
    """
    beta2 = beta_gamma**2 / (1 + beta_gamma**2)
    t_kin = 2 * ELECTRON_EV * beta_gamma**2
    grid, density, integral, real = _silicon()
    strength = np.pi / 2 * PLASMA_ENERGY**2
    loss = strength * np.interp(energy, grid, density) / energy
    inverse = np.interp(energy, grid, real) - 1j * loss
    distant = loss * np.log(np.maximum(2 * ELECTRON_EV * beta2 / energy, 1.0))
    transverse = ((inverse - beta2) * np.log(1 - beta2 / inverse)).imag
    # Rutherford scattering of a heavy particle without spin, such as a pion.
    close = np.interp(energy, grid, integral) / energy**2 * np.maximum(1 - beta2 * energy / t_kin, 0.0)
    # A rate cannot be negative, which the rough model of the shells does not guarantee for the sum.
    rate = XI / beta2 * ((distant + np.maximum(transverse, -distant)) / strength + close)
    return np.asarray(np.where(energy < t_kin, rate, 0.0))


@lru_cache(maxsize=1)
def collision_tables() -> tuple[Floats, Floats, Floats]:
    """Tables to draw collisions from, for the B values of BETA_GAMMA.

    Returns:
        (B,) collisions per micrometre; (B, N_QUANTILES + 1) transfers in eV exceeded with probability 1 - k /
        N_QUANTILES; and (B, N_QUANTILES + 1) those exceeded with probability RARE exp(-11 k / N_QUANTILES),
        which resolve the hard tail.
    """
    energy = np.geomspace(E_MIN, T_MAX, 6000)
    rates = np.zeros(len(BETA_GAMMA))
    common = np.zeros((len(BETA_GAMMA), N_QUANTILES + 1))
    rare = np.zeros_like(common)
    k = np.arange(N_QUANTILES + 1) / N_QUANTILES
    for i, beta_gamma in enumerate(BETA_GAMMA):
        rate = collision_spectrum(energy, float(beta_gamma))
        steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(energy)
        tail = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])
        rates[i] = tail[0]
        last = int(np.flatnonzero(tail > 0)[-1]) + 1
        tail = tail[: last + 1] / tail[0]
        common[i] = np.interp(k, 1 - tail, energy[: last + 1])
        rare[i] = np.interp(
            LARGEST_EXPONENT * k - np.log(RARE), -np.log(np.maximum(tail, 1e-9)), energy[: last + 1]
        )
    return rates, common, rare


def delta_range(energy: npt.ArrayLike) -> Floats:
    """Practical range in mm, along its first direction, of an electron of the given energy (eV) in silicon.

    Source: up to 30 keV, where both agree, 0.0171 um (E / keV)^1.75 (T. E. Everhart and P. H. Hoff, J. Appl.
    Phys. 42 (1971) 5837), above R = 412 E^(1.265 - 0.0954 ln E) mg/cm^2, E in MeV (L. Katz and A. S. Penfold,
    Rev. Mod. Phys. 24 (1952) 28).
    """
    e = np.asarray(energy, dtype=np.float64)
    mev = np.maximum(e, JOIN) * 1e-6
    hard = 412 * mev ** (1.265 - 0.0954 * np.log(mev)) / DENSITY * 10
    return np.asarray(np.where(e < JOIN, 0.0171e-3 * (e * 1e-3) ** 1.75, hard))
