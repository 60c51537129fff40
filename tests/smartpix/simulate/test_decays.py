"""K0s, Lambda and photons to charged particles, held to kinematics worked out here and to the PDG's numbers."""

import numpy as np
import pytest
from scipy import stats

from smartpix.simulate.decays import BEAM_PIPE_RADIUS, charged_products
from smartpix.simulate.particles import Particles

N = 40_000
MASSES = {211: 0.13957, 2212: 0.93827, 11: 0.000511}
LIGHT = 299.792458


def products_of(pdg_id, momentum, n=N, seed=1):
    neutral = Particles(
        np.arange(n, dtype=np.int32), np.full(n, pdg_id, dtype=np.int32), np.zeros(n), np.zeros((n, 3)),
        np.tile(momentum, (n, 1)), np.full(n, 0.5),
    )  # fmt: skip
    return charged_products(neutral, np.random.default_rng(seed))


def four_momenta(ids, momentum):
    mass = np.array([MASSES[abs(i)] for i in ids.tolist()])
    return np.column_stack([np.sqrt((momentum**2).sum(axis=1) + mass**2), momentum])


@pytest.mark.parametrize(
    ("pdg_id", "mass", "c_tau", "fraction", "ids"),
    [
        (310, 0.497611, 26.84, 0.692, (211, -211)), (3122, 1.115683, 78.9, 0.641, (2212, -211)),
        (-3122, 1.115683, 78.9, 0.641, (-2212, 211)),
    ],
)  # fmt: skip
def test_decays_conserve_four_momentum_and_fly_their_lifetime(pdg_id, mass, c_tau, fraction, ids):
    momentum = np.array([1.2, -0.5, 2.0])
    made = products_of(pdg_id, momentum)
    parent, vertex = made.vertex_id, made.vertex
    n = len(parent) // 2
    assert abs(n / N - fraction) < 4 * np.sqrt(fraction * (1 - fraction) / N)
    assert made.pdg_id.tolist() == [ids[0]] * n + [ids[1]] * n
    assert made.charge.tolist() == [np.sign(ids[0])] * n + [np.sign(ids[1])] * n
    np.testing.assert_array_equal(parent[:n], parent[n:])
    np.testing.assert_array_equal(vertex[:n], vertex[n:])
    four = four_momenta(made.pdg_id, made.momentum)
    p = np.linalg.norm(momentum)
    energy = np.hypot(p, mass)
    np.testing.assert_allclose(
        four[:n] + four[n:], np.tile([energy, *momentum], (n, 1)), rtol=1e-4, atol=1e-6
    )
    # The flight is along the momentum, exponential with the mean beta gamma c tau.
    length = np.linalg.norm(vertex[:n], axis=1)
    np.testing.assert_allclose(vertex[:n], length[:, None] * momentum / p, atol=1e-9)
    assert stats.kstest(length, stats.expon(scale=c_tau * p / mass).cdf).pvalue > 1e-3
    np.testing.assert_allclose(made.time[:n], 0.5 + length / (p / energy) / LIGHT, rtol=1e-5)
    # Isotropic at rest: the energy of a product is then uniform.
    own = four[:n, 0]
    assert stats.kstest(own, stats.uniform(own.min(), np.ptp(own)).cdf).pvalue > 1e-3


def test_photons_convert_in_the_beam_pipe_as_often_as_its_thickness_says():
    momentum = np.array([0.6, 0.8, 2.0])
    made = products_of(22, momentum, n=2_000_000)
    n = len(made.pdg_id) // 2
    # 7 / 9 of the thickness in radiation lengths, over the sine of the polar angle.
    expected = 2_000_000 * 7 / 9 * 0.8 / 352.8 * np.sqrt(5.0)
    assert abs(n - expected) < 4 * np.sqrt(expected)
    assert made.pdg_id.tolist() == [11] * n + [-11] * n
    assert made.charge.tolist() == [-1.0] * n + [1.0] * n
    np.testing.assert_allclose(made.momentum[:n] + made.momentum[n:], np.tile(momentum, (n, 1)))
    np.testing.assert_allclose(made.vertex, np.outer(np.full(2 * n, BEAM_PIPE_RADIUS), momentum))
    np.testing.assert_allclose(made.time, 0.5 + BEAM_PIPE_RADIUS * np.sqrt(5.0) / LIGHT)
    share = np.linalg.norm(made.momentum[:n], axis=1) / np.linalg.norm(momentum)
    assert stats.kstest(share, stats.uniform().cdf).pvalue > 1e-3


def test_nothing_becomes_nothing():
    assert len(products_of(310, np.zeros(3), n=0).pdg_id) == 0
