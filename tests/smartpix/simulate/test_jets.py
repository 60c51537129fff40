"""Jets: evenly spread ones, and those with a core, against the distributions that they are drawn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smartpix.beam import BeamSpot
from smartpix.simulate.generate import gun, vertices
from smartpix.simulate.jets import core_distances, jets, shared_pt
from smartpix.simulate.options import STANDARD_BEAM, GenerateOptions
from smartpix.simulate.particles import together

CORES = {"jets": 2000, "jet_particles": (15, 30), "jet_pt": (500.0, 2000.0), "jet_radius": 0.03}


def test_jets_are_narrow_and_each_from_one_vertex():
    options = GenerateOptions(pileup=7, jets=300, gun_pt=(1.0, 4.0))
    found = jets(options, BeamSpot(0.1, 0.2, 30.0), np.random.default_rng(1))
    assert len(found.charge) == 3000
    assert found.vertex_id.tolist() == np.repeat(np.arange(8, 308), 10).tolist()
    pt = np.hypot(*found.momentum[:, :2].T)
    assert (pt.min() > 1.0) & (pt.max() < 4.0)
    eta, phi = (
        np.arcsinh(found.momentum[:, 2] / pt).reshape(300, 10),
        np.arctan2(*found.momentum[:, 1::-1].T).reshape(300, 10),
    )
    turn = np.angle(np.exp(1j * (phi[:, :, None] - phi[:, None])))
    apart = np.hypot(eta[:, :, None] - eta[:, None], turn)
    assert apart.max() < 0.1
    # Two points spread evenly over a disk of radius R are 128 R / (45 pi) apart on average.
    assert apart.sum() / (300 * 90) == pytest.approx(0.05 * 128 / (45 * np.pi), rel=0.03)
    assert np.all(np.ptp(found.vertex.reshape(300, 10, 3), axis=1) == 0)
    both = together(found, gun(GenerateOptions(pileup=0, gun=5), BeamSpot(), np.random.default_rng(2)))
    assert both.momentum.shape == (3005, 3)
    assert both.pdg_id[:3000].tolist() == found.pdg_id.tolist()


def test_every_second_pion_of_a_jet_with_a_flight_length_comes_from_one_decay_on_its_axis():
    options = GenerateOptions(pileup=7, jets=4000, jet_particles=(5,), jet_flight=5.0)
    found = jets(options, BeamSpot(0.0, 0.0, 0.0), np.random.default_rng(1))
    start = found.vertex.reshape(4000, 5, 3)
    assert np.all(start[:, ::2] == 0)
    np.testing.assert_array_equal(start[:, 1], start[:, 3])
    assert stats.kstest(np.hypot(*start[:, 1, :2].T), stats.expon(scale=5.0).cdf).pvalue > 1e-3
    without = jets(
        GenerateOptions(pileup=7, jets=4000, jet_particles=(5,)),
        BeamSpot(0.0, 0.0, 0.0),
        np.random.default_rng(1),
    )
    assert np.all(without.vertex == 0)
    mean = found.momentum.reshape(4000, 5, 3).sum(axis=1)
    turn = np.arctan2(mean[:, 1], mean[:, 0]) - np.arctan2(start[:, 1, 1], start[:, 1, 0])
    assert np.abs(np.angle(np.exp(1j * turn))).max() < 0.1


def test_evenly_spread_jets_take_their_random_numbers_as_they_always_did():
    """Results and weights name such samples by their seed: these must stay."""
    found = jets(GenerateOptions(pileup=60, jets=20), STANDARD_BEAM, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    eta, phi = np.repeat(rng.uniform(-2.4, 2.4, 20), 10), np.repeat(rng.uniform(-np.pi, np.pi, 20), 10)
    vertex = vertices(STANDARD_BEAM, 20, rng)
    away, around = 0.05 * np.sqrt(rng.random(200)), rng.uniform(-np.pi, np.pi, 200)
    eta, phi = eta + away * np.cos(around), phi + away * np.sin(around)
    pt, charge = rng.uniform(0.5, 10.0, 200), np.where(rng.random(200) < 0.5, -1.0, 1.0)
    momentum = pt[:, None] * np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=1)
    np.testing.assert_allclose(found.momentum, momentum, rtol=1e-12)
    np.testing.assert_array_equal(found.charge, charge)
    np.testing.assert_allclose(found.vertex, np.repeat(vertex, 10, axis=0))
    np.testing.assert_allclose(found.time, np.repeat(rng.normal(0, 0.18, 20), 10))


def jet_sums(found, values):
    """Sums over the jets, in their order."""
    _, jet = np.unique(found.vertex_id, return_inverse=True)
    return np.bincount(jet, values)


def test_particles_of_a_core_add_up_to_the_jets_pt_and_number():
    found = jets(GenerateOptions(pileup=60, **CORES), BeamSpot(), np.random.default_rng(1))
    pt = np.hypot(*found.momentum[:, :2].T)
    assert pt.min() >= 0.5
    total, number = jet_sums(found, pt), jet_sums(found, np.ones(len(pt)))
    assert stats.kstest(total, stats.uniform(500, 1500).cdf).pvalue > 1e-3
    assert (number.min(), number.max()) == (15, 30)
    assert stats.chisquare(np.bincount(number.astype(int))[15:]).pvalue > 1e-3
    # One pT for all, where one is given.
    found = jets(GenerateOptions(**CORES | {"jet_pt": (800.0,)}), BeamSpot(), np.random.default_rng(1))
    np.testing.assert_allclose(jet_sums(found, np.hypot(*found.momentum[:, :2].T)), 800.0)


def test_most_particles_of_a_core_are_close_to_its_axis():
    found = jets(GenerateOptions(**CORES), BeamSpot(), np.random.default_rng(1))
    _, jet = np.unique(found.vertex_id, return_inverse=True)
    total = np.stack([np.bincount(jet, p) for p in found.momentum.T], axis=1)[jet]

    def eta(p):
        return np.arcsinh(p[:, 2] / np.hypot(p[:, 0], p[:, 1]))

    turn = np.arctan2(found.momentum[:, 1], found.momentum[:, 0]) - np.arctan2(total[:, 1], total[:, 0])
    away = np.hypot(eta(found.momentum) - eta(total), np.angle(np.exp(1j * turn)))
    assert np.mean(away < 0.02) > 0.6
    # Falling: in rings of one area ever fewer.
    counts = np.histogram(away, np.sqrt(np.linspace(0, 0.03**2, 6)))[0]
    assert np.all(np.diff(counts[:4]) < 0)


@given(st.integers(1, 60), st.floats(30.0, 7000.0), st.integers(0, 2**32))
def test_shares_of_any_jet_add_up_and_none_is_below_the_least(n, pt, seed):
    shared = shared_pt(np.array([pt]), np.array([n]), np.random.default_rng(seed))
    assert len(shared) == n
    assert shared.min() >= 0.5
    assert shared.sum() == pytest.approx(pt, rel=1e-12)


@pytest.mark.parametrize("n", [2, 5, 20])
def test_each_share_is_of_the_fragmentation_functions_form(n):
    jet_pt, sizes = np.full(5000, 1000.0), np.full(5000, n)
    pt = shared_pt(jet_pt, sizes, np.random.default_rng(1)).reshape(5000, n)
    z = (pt - 0.5) / (1000 - 0.5 * n)
    # One of each jet: the others are not independent of it.
    assert stats.kstest(z[:, 0], stats.beta(0.7, 0.7 * (n - 1)).cdf).pvalue > 1e-3
    assert stats.kstest(z[:, -1], stats.beta(0.7, 0.7 * (n - 1)).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("pt", "radius"), [(100.0, 0.03), (1000.0, 0.4), (1.0, 0.03)])
def test_distances_are_uniform_in_the_lund_plane(pt, radius):
    away = core_distances(np.full(20_000, pt), radius, np.random.default_rng(1))
    low = np.log(min(0.2 / pt, radius / 2))
    assert stats.kstest(np.log(away), stats.uniform(low, np.log(radius) - low).cdf).pvalue > 1e-3
