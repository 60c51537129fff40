"""Energy loss of a charged particle in silicon, collision by collision, with a compact collision spectrum.

The spectrum has, for each shell of silicon, the distant (resonant) collisions of its oscillator and the Rutherford
tail of close ones: rate_distant = xi f / E * ln(2 m / E), close = xi f / E^2 above the shell's energy. It gives 4.0
collisions and, with transfers up to T_MAX, 367 eV per micrometre for a minimum-ionising particle (H. Bichsel, Rev. Mod.
Phys. 60 (1988) 663: 3.8 and 388 with all transfers). The full Bichsel treatment belongs to a sensor simulation proper.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["PAIR_ENERGY", "XI", "collision_quantiles", "collision_rate"]

PAIR_ENERGY = 3.68
"""Mean energy per electron-hole pair in eV."""

XI = 17.83
"""Rutherford constant of silicon for beta = 1, eV per micrometre (0.1535 MeV cm^2/g * Z/A * rho)."""

ELECTRON_MASS = 0.51099895e6  # eV
T_MAX = 1.0e6
"""Largest transfer followed, eV: a harder delta ray leaves the sensor."""

# Energy (eV), share of the 14 electrons, power of the distant collisions' spectrum (0: a plasmon peak).
# The outermost shell's 21 eV is the mean of the 17 eV plasmon peak with its tail.
_SHELLS = ((21.0, 4 / 14, 0), (100.0, 8 / 14, 3), (1840.0, 2 / 14, 3))
_PLASMON_WIDTH = 5.0
N_QUANTILES = 4096


def _spectrum() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Energies (eV) and rate per micrometre and eV for beta = 1."""
    energy = np.geomspace(5.0, T_MAX, 20_000)
    rate = np.zeros_like(energy)
    for shell, share, power in _SHELLS:
        distant = XI * share / shell * np.log(2 * ELECTRON_MASS * 9.0 / shell)
        if power == 0:
            peak = np.exp(-0.5 * ((energy - shell) / _PLASMON_WIDTH) ** 2)
            rate += distant * peak / np.trapezoid(peak, energy)
            rate += XI * share / energy**2 * (energy > 30.0)
        else:
            # A power law from the edge on, with the same mean energy loss: pdf (p-1)/E0 (E/E0)^-p, mean (p-1)/(p-2) E0.
            mean = (power - 1) / (power - 2)
            pdf = (power - 1) / shell * (energy / shell) ** -power * (energy > shell)
            rate += distant / mean * pdf
            rate += XI * share / energy**2 * (energy > shell)
    return energy, rate


@lru_cache(maxsize=1)
def collision_rate() -> float:
    """Collisions per micrometre for beta = 1; grows as 1 / beta^2."""
    energy, rate = _spectrum()
    return float(np.trapezoid(rate, energy))


@lru_cache(maxsize=1)
def collision_quantiles() -> npt.NDArray[np.float64]:
    """(N_QUANTILES + 1,) inverse of the complementary distribution of the transfer, in eV.

    Entry k is the transfer exceeded with probability exp(-12 k / N): the logarithmic spacing resolves the
    rare hard transfers.
    """
    energy, rate = _spectrum()
    steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(energy)
    tail = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])
    tail /= tail[0]
    wanted = np.exp(-12.0 * np.arange(N_QUANTILES + 1) / N_QUANTILES)
    return np.asarray(np.interp(-np.log(wanted), -np.log(np.maximum(tail, 1e-30)), energy))
