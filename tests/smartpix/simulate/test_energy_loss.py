"""Energy loss against Bethe's minimum in the PDG's tables, Landau's characteristic function, and Bethe and
Heitler's mean.
"""

import math

import numpy as np
import pytest

from smartpix.compiled import njit
from smartpix.simulate.energy_loss import BERYLLIUM, SILICON, gamma, landau, lost, mean_loss, radiated, width

PION, MUON = 0.13957, 0.10566


@njit()
def draws(n, momentum, mass, thickness, seed):
    state = np.array([seed], dtype=np.uint64)
    values = np.empty((4, n))
    for i in range(n):
        values[0, i] = lost(momentum, mass, thickness, SILICON, state)
        values[1, i] = landau(state)
        values[2, i] = gamma(0.3, state)
        values[3, i] = radiated(thickness, state)
    return values


def test_the_mean_is_bethes_at_the_minimum_and_rises_as_in_the_tables():
    # PDG, Atomic and Nuclear Properties: MeV cm^2 / g at the minimum, for muons.
    for matter, least in ((SILICON, 1.664e-3), (BERYLLIUM, 1.594e-3)):
        stopping = [mean_loss(bg * MUON, MUON, 1.0, matter) / matter[2] for bg in np.linspace(2.5, 5, 26)]
        assert min(stopping) == pytest.approx(least, rel=0.005)
    # Slow protons lose much more, and fast pions a little more.
    assert mean_loss(0.3, 0.938, 0.01, SILICON) > 5 * mean_loss(3.0, 0.938, 0.01, SILICON)
    assert 1.0 < mean_loss(10.0, PION, 0.01, SILICON) / mean_loss(0.5, PION, 0.01, SILICON) < 1.4
    assert mean_loss(1.0, PION, 0.02, SILICON) == pytest.approx(2 * mean_loss(1.0, PION, 0.01, SILICON))


@pytest.mark.parametrize(("momentum", "mass"), [(0.3, PION), (2.0, PION), (0.6, 0.938272)])
def test_losses_have_landaus_most_likely_value_and_bethes_mean(momentum, mass):
    thickness = 0.1 / 95.7
    losses = draws(200_000, momentum, mass, thickness, np.uint64(3))[0]
    xi = width(momentum, mass, thickness, SILICON)
    beta2 = momentum**2 / (momentum**2 + mass**2)
    gamma2 = 1 / (1 - beta2)
    # PDG eq. 34.12 without the density effect, which sets in beyond these.
    inner = 2 * 0.51099895e-3 * beta2 * gamma2 / 173e-9
    likely = xi * (math.log(inner) + math.log(xi / 173e-9) + 0.2 - beta2)
    values, edges = np.histogram(losses, bins=60, range=(0.6 * likely, 1.6 * likely))
    top = edges[:-1][values > 0.9 * values.max()].mean()
    assert top == pytest.approx(likely, rel=0.06 if momentum < 1 else 0.12)
    assert losses.mean() == pytest.approx(mean_loss(momentum, mass, thickness, SILICON), rel=0.12)
    assert losses.min() > 0.3 * likely


def test_landaus_distribution_is_the_one_of_its_characteristic_function():
    values = draws(200_000, 1.0, PION, 0.01, np.uint64(4))[1]
    for t in (0.2, 0.7, 1.5):
        found = np.mean(np.exp(1j * t * values))
        expected = np.exp(-0.5 * math.pi * t - 1j * t * math.log(t))
        assert abs(found - expected) < 5 / math.sqrt(len(values))


def test_a_gamma_distribution_and_the_mean_share_that_electrons_keep():
    values = draws(200_000, 1.0, PION, 0.1, np.uint64(5))
    assert values[2].mean() == pytest.approx(0.3, rel=0.02)
    assert values[2].var() == pytest.approx(0.3, rel=0.05)
    assert 1 - values[3].mean() == pytest.approx(math.exp(-0.1), rel=0.002)
    assert values[3].min() >= 0
    assert values[3].max() <= 1
