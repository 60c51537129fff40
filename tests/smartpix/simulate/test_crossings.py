"""Crossings to train on: spread over angles and places, and free of what the module's place would tell."""

import numpy as np
import pytest
from scipy import stats

from smartpix.simulate.crossings import broad_crossings
from tests.helpers import embedded_detector


@pytest.fixture(scope="module")
def sample():
    detector = embedded_detector()
    crossings = broad_crossings(detector, 40_000, np.random.default_rng(1))
    local = detector.to_local(crossings.module, crossings.point)
    direction = detector.direction_to_local(crossings.module, crossings.momentum)
    return detector, crossings, local, direction


def test_points_fill_the_modules_evenly_and_lie_on_their_midplane(sample):
    detector, crossings, local, _ = sample
    assert np.abs(local[:, 2]).max() < 1e-4
    for axis, half in ((0, detector.half_x), (1, detector.half_y)):
        place = local[:, axis] / half[crossings.module]
        assert stats.kstest(place, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    counts = np.bincount(crossings.module, minlength=len(detector))
    assert stats.chisquare(counts).pvalue > 1e-3


def test_all_particles_go_outwards_through_their_module(sample):
    _, _, _, direction = sample
    assert np.mean(direction[:, 2] > 0) > 0.98


def test_barrel_angles_are_flat_in_pseudorapidity_and_far_wider_than_the_resolution(sample):
    detector, crossings, _, direction = sample
    barrel = detector.barrel[crossings.module]
    p = crossings.momentum[barrel]
    eta = np.arcsinh(p[:, 2] / np.hypot(p[:, 0], p[:, 1]))
    assert stats.kstest(eta, stats.uniform(-3.3, 6.6).cdf).pvalue > 1e-3
    cot = (direction[:, :2] / direction[:, 2:])[barrel]
    low, high = np.percentile(cot, [5, 95], axis=0)
    assert high[0] - low[0] > 10
    assert high[1] - low[1] > 0.8


def test_endcap_angles_are_wide_and_centred(sample):
    detector, crossings, _, direction = sample
    cot = (direction[:, :2] / direction[:, 2:])[~detector.barrel[crossings.module]]
    np.testing.assert_allclose(np.median(cot, axis=0), 0, atol=0.01)
    quartile = 0.3 * stats.t(4).ppf(0.75)
    np.testing.assert_allclose(np.percentile(np.abs(cot), 50, axis=0), quartile, rtol=0.04)
    assert abs(stats.spearmanr(cot[:, 0], cot[:, 1]).statistic) < 0.03


def test_angles_do_not_tell_where_the_module_is(sample):
    detector, crossings, _, direction = sample
    barrel = detector.barrel[crossings.module]
    (px, py, pz), (x, y, z) = crossings.momentum.T, crossings.point.T
    eta = np.arcsinh(pz / np.hypot(px, py))
    # Around the radial direction: the modules' tilts differ from layer to layer.
    azimuth = np.angle(np.exp(1j * (np.arctan2(py, px) - np.arctan2(y, x))))
    cot = direction[:, :2] / direction[:, 2:]
    for chosen, angles in ((barrel, (eta, azimuth)), (~barrel, cot.T)):
        for where in (z, np.hypot(x, y)):
            for angle in angles:
                assert abs(stats.spearmanr(where[chosen], angle[chosen]).statistic) < 0.03


def test_speed_belongs_to_a_pion_and_each_crossing_to_its_own_particle(sample):
    _, crossings, _, _ = sample
    p = np.linalg.norm(crossings.momentum, axis=1)
    np.testing.assert_allclose(crossings.beta, p / np.sqrt(p**2 + 0.13957**2))
    assert np.median(p) == pytest.approx(0.8, rel=0.03)
    np.testing.assert_array_equal(crossings.particle, np.arange(len(p)))
    assert len(crossings.particles.pdg_id) == len(p)


def test_generator_decides_the_crossings():
    detector = embedded_detector()
    one, two, other = (broad_crossings(detector, 50, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.point, two.point)
    assert not np.array_equal(one.point, other.point)
