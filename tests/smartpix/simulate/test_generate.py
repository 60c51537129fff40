"""Particles at their production points."""

import numpy as np
import pytest
from scipy import stats

from smartpix.simulate.generate import BeamSpot, GenerateOptions, collisions, gun


def test_gun_is_uniform_in_its_ranges_and_charges_balance():
    options = GenerateOptions(gun=20_000, gun_pt=(1.0, 4.0), max_eta=2.5)
    particles = gun(options, BeamSpot(0.1, 0.2, 30.0), np.random.default_rng(1))
    px, py, pz = particles.momentum.T
    pt = np.hypot(px, py)
    assert stats.kstest(pt, stats.uniform(1, 3).cdf).pvalue > 1e-3
    assert stats.kstest(np.arcsinh(pz / pt), stats.uniform(-2.5, 5).cdf).pvalue > 1e-3
    assert stats.kstest(np.arctan2(py, px), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    np.testing.assert_allclose(particles.vertex.std(0), [0.1, 0.2, 30.0], rtol=0.03)
    assert set(particles.pdg_id) == {-211, 211}
    np.testing.assert_array_equal(np.sign(particles.pdg_id), particles.charge)
    assert abs(particles.charge.mean()) < 0.03


def test_collisions_are_reproducible_charged_and_in_acceptance():
    pytest.importorskip("chromo")
    options = GenerateOptions(pileup=30)
    events = collisions(options, BeamSpot(), 2, 3)
    again = collisions(options, BeamSpot(), 2, 3)
    assert len(events) == 2
    for one, two in zip(events, again, strict=True):
        np.testing.assert_array_equal(one.momentum, two.momentum)
        np.testing.assert_array_equal(one.vertex, two.vertex)
        pt = np.hypot(*one.momentum[:, :2].T)
        assert pt.min() > 0.1
        assert np.abs(np.arcsinh(one.momentum[:, 2] / pt)).max() < 4
        assert set(np.abs(one.charge)) == {1.0}
        assert set(one.vertex_id) <= set(range(1, 31))
        # About 6 charged particles per unit of pseudorapidity in an inelastic collision at 14 TeV, above 0.1 GeV.
        assert 25 < len(pt) / 30 < 80
        # Most particles come from their collision's vertex.
        first = one.vertex[one.vertex_id == one.vertex_id[0]]
        assert np.median(np.linalg.norm(first - np.median(first, axis=0), axis=1)) < 0.1
    assert not np.array_equal(events[0].momentum[:5], events[1].momentum[:5])
