"""Published formulae and files that the sensor simulation is compared with, written independently of it."""

import numpy as np
from scipy.stats import norm

from smartpix.simulate.deposit import T_MAX, collision_spectrum
from tests.helpers import SHARED_DATA

TCAD = SHARED_DATA / "tcad_50x13"
PIXELAV = SHARED_DATA / "pixelav_raw" / "muc_25x25x50_2clusters.npz"

XI = 0.1 * 0.307075e6 * 14 / 28.0855 * 2.329 / 1e3 / 2
"""K/2 Z/A rho of silicon for beta = 1, eV per um (PDG)."""
ELECTRON = 510_998.95  # eV
EXCITATION = 173.0  # eV, ICRU 37
PAIR = 3.68  # eV
FANO = 0.115
"""Of silicon, R. C. Alig, S. Bloom and C. W. Struck, Phys. Rev. B 22 (1980) 5565: 0.113 +- 0.005."""


# --- energy loss


def beta2(beta_gamma):
    return beta_gamma**2 / (1 + beta_gamma**2)


def density_effect(beta_gamma):
    """Delta of silicon, R. M. Sternheimer, M. J. Berger and S. M. Seltzer, At. Data Nucl. Data Tables 30
    (1984) 261.
    """
    x0, x1, c, a, k, delta0 = 0.2015, 2.8716, 4.4355, 0.14921, 3.2546, 0.14
    x = np.log10(beta_gamma)
    if x >= x1:
        return 2 * np.log(10) * x - c
    if x >= x0:
        return 2 * np.log(10) * x - c + a * (x1 - x) ** k
    return delta0 * 10 ** (2 * (x - x0))


def restricted_bethe(beta_gamma, cut=T_MAX):
    """Mean loss in eV per um by transfers below ``cut`` (PDG review, passage of particles through matter)."""
    b2, t_max = beta2(beta_gamma), 2 * ELECTRON * beta_gamma**2
    cut = min(cut, t_max)
    logarithm = 0.5 * np.log(2 * ELECTRON * beta_gamma**2 * cut / EXCITATION**2)
    return 2 * XI / b2 * (logarithm - 0.5 * b2 * (1 + cut / t_max) - 0.5 * density_effect(beta_gamma))


def landau_vavilov_bichsel(thickness, beta_gamma):
    """Most probable loss in eV behind ``thickness`` um (PDG review, same chapter)."""
    b2 = beta2(beta_gamma)
    xi = XI * thickness / b2
    logarithm = np.log(2 * ELECTRON * beta_gamma**2 / EXCITATION) + np.log(xi / EXCITATION)
    return xi * (logarithm + 0.200 - b2 - density_effect(beta_gamma))


class Straggling:
    """Distribution of the loss behind ``thickness`` um: the collision spectrum folded with itself (a compound
    Poisson process).

    Attributes:
        loss: (2^17,) eV; density: its probability per bin of ``STEP``.
    """

    STEP = 10.0  # eV

    def __init__(self, thickness, beta_gamma):
        n = 2**17
        energy = np.geomspace(2.0, 1.3e6, 8001)
        rate = np.where(energy < T_MAX, collision_spectrum(energy, beta_gamma), 0.0)
        often = 0.5 * (rate[1:] + rate[:-1]) * np.diff(energy)
        # Shared between two bins so that the mean is kept.
        at = 0.5 * (energy[1:] + energy[:-1]) / self.STEP
        bin_, part = np.floor(at).astype(int), at % 1
        single = (
            np.bincount(bin_, often * (1 - part), n + 1)[:n] + np.bincount(bin_ + 1, often * part, n + 1)[:n]
        )
        self.density = np.fft.irfft(np.exp(thickness * (np.fft.rfft(single) - often.sum())), n)
        self.loss = np.arange(n) * self.STEP

    def most_probable(self):
        peak = int(np.argmax(np.convolve(self.density, np.ones(5) / 5, "same")))
        around = slice(peak - max(peak // 8, 5), peak + max(peak // 8, 5) + 1)
        offset = self.loss[around] - self.loss[peak]
        scale = offset.max()
        fit = np.polyfit(offset / scale, np.log(self.density[around]), 4)
        roots = np.roots(np.polyder(fit))
        return self.loss[peak] + scale * min(roots[np.isreal(roots)].real, key=abs)

    def full_width_at_half_maximum(self):
        above = self.loss[self.density > 0.5 * self.density.max()]
        return above[-1] - above[0] + self.STEP

    def cumulative(self, loss):
        return np.interp(loss, self.loss, np.cumsum(self.density) - 0.5 * self.density)


def pairs_of_soft_collisions(thickness, beta_gamma, fano=FANO, most=40):
    """Probabilities of 0 to ``most`` pairs in ``thickness`` um, by collisions that make fewer than 5 keV.

    The losses are a compound Poisson process; a loss E makes a Gaussian number of pairs of mean E / w and
    variance ``fano`` E / w, rounded to either neighbour so that the mean stays.
    """
    step, n = 0.25, 2**15
    energy = np.geomspace(2.0, 5e3, 20_001)
    rate = collision_spectrum(energy, beta_gamma)
    often = 0.5 * (rate[1:] + rate[:-1]) * np.diff(energy)
    at = np.sqrt(energy[1:] * energy[:-1]) / step
    bin_, part = np.floor(at).astype(int), at % 1
    single = np.bincount(bin_, often * (1 - part), n)[:n] + np.bincount(bin_ + 1, often * part, n)[:n]
    density = np.fft.irfft(np.exp(thickness * (np.fft.rfft(single) - often.sum())), n)
    mean = np.arange(n) * step / PAIR
    near = mean < 2 * most
    parts = 200
    made = mean[near, None] + np.sqrt(fano * mean[near, None]) * norm.ppf((np.arange(parts) + 0.5) / parts)
    low = np.floor(made)
    weight = np.repeat(density[near, None] / parts, parts, axis=1)
    probability = np.zeros(most + 1)
    for number, share in ((low, 1 - (made - low)), (low + 1, made - low)):
        number = np.maximum(number, 0).astype(int)
        inside = number <= most
        probability += np.bincount(number[inside], (weight * share)[inside], most + 1)
    return probability


# --- transport

HALL = {"e": 1.12, "h": 0.9}
CHARGE = {"e": -1.0, "h": 1.0}


def mobility(field, temperature, carrier):
    """C. Jacoboni et al., Solid-State Electronics 20 (1977) 77, table 5: cm^2/(V s) at a field in V/cm."""
    v_max, critical, power = {
        "e": (1.53e9 * temperature**-0.87, 1.01 * temperature**1.55, 0.0257 * temperature**0.66),
        "h": (1.62e8 * temperature**-0.52, 1.24 * temperature**1.68, 0.46 * temperature**0.17),
    }[carrier]
    return (v_max / critical) / (1 + (field / critical) ** power) ** (1 / power)


def drift_velocity(height, sensor, magnetic, carrier):
    """(3,) mm/ns at a height (mm from the midplane): the drift equation v = mu (q E + r v x B) solved as a
    linear system.
    """
    per_cm = 10 / sensor.thickness
    electric = np.array(
        [0.0, 0.0, -(sensor.bias + 2 * sensor.depletion * height / sensor.thickness) * per_cm]
    )  # V/cm
    mu = mobility(abs(electric[2]), sensor.temperature, carrier)
    # v = mu q E + q mu r v x B with mu in m^2/(V s): (1 - q mu r [x B]) v = mu q E.
    q, (bx, by, bz) = CHARGE[carrier], magnetic
    times_b = np.array([[0, bz, -by], [-bz, 0, bx], [by, -bx, 0]])
    return np.linalg.solve(np.eye(3) - q * mu * 1e-4 * HALL[carrier] * times_b, q * mu * electric) * 1e-8


# --- files


def df_ise_vertices(name):
    """(V, 3) depth, x and y in um of a DF-ISE grid."""
    return _numbers(name, "Vertices (").reshape(-1, 3)


def df_ise_values(name, dataset):
    """Values of a data set at the vertices."""
    return _numbers(name, f'Dataset ("{dataset}")', "Values")


def _numbers(name, *headings):
    text = (TCAD / name).read_text()
    place = 0
    for heading in headings:
        place = text.index(heading, place)
    first = text.index("{", place) + 1
    return np.array(text[first : text.index("}", first)].split(), dtype=float)
