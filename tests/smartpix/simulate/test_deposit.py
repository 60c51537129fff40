"""The collision spectrum against Bichsel's published numbers and the Rutherford cross section."""

import numpy as np
import pytest

from smartpix.simulate.deposit import PAIR_ENERGY, T_MAX, XI, collision_quantiles, collision_rate

N = 4096


def transfers(n, seed=1):
    """Transfers (eV) drawn from the quantiles, in plain NumPy."""
    exponent = -np.log(1 - np.random.default_rng(seed).random(n))
    return np.interp(exponent, 12 * np.arange(N + 1) / N, collision_quantiles())


def test_collisions_per_micrometre_are_bichsels():
    assert collision_rate() == pytest.approx(3.8, rel=0.1)


def test_mean_loss_per_micrometre_is_bichsels():
    assert collision_rate() * transfers(4_000_000).mean() == pytest.approx(388, rel=0.1)


def test_quantiles_rise_within_the_spectrum():
    quantiles = collision_quantiles()
    assert quantiles.shape == (N + 1,)
    assert np.all(np.diff(quantiles) > 0)
    assert quantiles.min() >= 5.0
    assert quantiles.max() <= T_MAX


@pytest.mark.parametrize("energy", [2e4, 1e5])
def test_hard_collisions_follow_rutherford(energy):
    """Collisions above E per micrometre: xi / E for all electrons together, small against the distant ones."""
    drawn = transfers(4_000_000)
    rate = collision_rate() * np.mean((drawn > energy) & (drawn < 3e5))
    assert rate == pytest.approx(XI * (1 / energy - 1 / 3e5), rel=0.12)


def test_constants_of_silicon():
    # 0.1535 MeV cm^2/g * Z/A * rho, in eV per micrometre.
    assert pytest.approx(0.1535e6 * 14 / 28.0855 * 2.329 * 1e-4, rel=0.005) == XI
    assert pytest.approx(3.68, abs=0.02) == PAIR_ENERGY


def test_most_probable_transfer_is_the_plasmon():
    counts, edges = np.histogram(transfers(1_000_000), np.arange(5, 60, 1.0))
    assert edges[np.argmax(counts)] == pytest.approx(18.5, abs=4)
