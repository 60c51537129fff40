"""Crossings to train on: spread over angles and places, and free of what the module's place would tell."""

import numpy as np
import pytest
from scipy import stats

from smartpix.beam import BeamSpot
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.simulate.crossings import broad_crossings
from smartpix.simulate.generate import vertices
from smartpix.simulate.groups import draw_groups
from smartpix.simulate.options import STANDARD_BEAM, AngleOptions, GroupOptions
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


def test_crossings_in_groups_lie_close_together_and_come_from_one_collision_where_they_fly_alike():
    detector, beam = embedded_detector(), BeamSpot(0.0, 0.0, 0.0, sigma_t=180.0)
    options = GroupOptions((1, 2, 3), (0.1, 2.0))
    found = broad_crossings(detector, 20_000, np.random.default_rng(1), beam, options)
    # The groups that were drawn are the first thing after modules and places.
    rng = np.random.default_rng(1)
    rng.integers(0, len(detector), 20_000)
    rng.uniform(-1, 1, (20_000, 2))
    groups = draw_groups(options, 20_000, rng)
    np.testing.assert_array_equal(found.module, found.module[groups.first])
    local = detector.to_local(found.module, found.point)
    assert np.abs(local[:, 2]).max() < 1e-4
    for axis, half in ((0, detector.half_x), (1, detector.half_y)):
        assert np.all(np.abs(local[:, axis]) <= half[found.module] + 1e-4)
    direction = detector.direction_to_local(found.module, found.momentum)
    cots = (direction[:, :2] / direction[:, 2:])[groups.first]
    pitch = np.stack([detector.pitch_x, detector.pitch_y], axis=1)[found.module]
    widths = pitch + detector.thickness[found.module][:, None] * np.abs(cots)
    away = np.hypot(*((local - local[groups.first])[:, :2] / widths).T)[groups.number > 0]
    # Those that an edge stops are closer.
    assert np.mean((away > 0.0999) & (away < 2.001)) > 0.99
    # Without the flight all come when their collision happened, in a beam without extent.
    length = np.linalg.norm(found.point, axis=1)
    time = found.time - length / found.beta / 299.792458
    late = np.abs(time - time[groups.first])
    assert np.all(late[groups.alike] < 1e-9)
    apart = late[~groups.alike & (groups.number > 0)]
    assert np.mean(apart**2) == pytest.approx(2 * 0.18**2, rel=0.05)
    eta = np.arcsinh(found.momentum[:, 2] / np.hypot(*found.momentum[:, :2].T))
    like = groups.alike & (groups.number > 0) & detector.barrel[found.module]
    assert (eta - eta[groups.first])[like].std() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("beam", [BeamSpot(), STANDARD_BEAM])
def test_single_crossings_take_their_random_numbers_as_they_always_did(beam):
    """Weights name their training samples by the seed: these must stay."""
    detector = embedded_detector()
    found, rng = broad_crossings(detector, 2000, np.random.default_rng(3), beam), np.random.default_rng(3)
    module = rng.integers(0, len(detector), 2000)
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    point = detector.to_global(module, rng.uniform(-1, 1, (2000, 2)) * half)
    turned, eta = np.clip(0.25 * rng.standard_t(4, 2000), -1.3, 1.3), rng.uniform(-3.3, 3.3, 2000)
    cots = np.clip(0.3 * rng.standard_t(4, (2000, 2)), -8, 8)
    p = np.exp(rng.normal(np.log(0.8), 0.8, 2000))
    np.testing.assert_array_equal(found.module, module)
    np.testing.assert_allclose(found.point, point, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.momentum, axis=1), p)
    direction = detector.direction_to_local(module, found.momentum)
    barrel = detector.barrel[module]
    np.testing.assert_allclose((direction[:, :2] / direction[:, 2:])[~barrel], cots[~barrel])
    px, py, pz = found.momentum[barrel].T
    np.testing.assert_allclose(np.arcsinh(pz / np.hypot(px, py)), eta[barrel])
    away = np.arctan2(py, px) - (np.arctan2(point[:, 1], point[:, 0]) + turned)[barrel]
    np.testing.assert_allclose(np.angle(np.exp(1j * away)), 0, atol=1e-9)
    if beam.sigma_t:
        vertex = vertices(beam, 2000, rng)
        flight = np.linalg.norm(point - vertex, axis=1) / found.beta / 299.792458
        np.testing.assert_allclose(found.time, rng.normal(0, 0.18, 2000) + flight)


def test_slopes_are_uniform_in_the_ranges_that_are_given():
    detector = embedded_detector()
    angles = AngleOptions(region="endcap", cot_alpha=(-0.2, 0.4), cot_beta=(0.1, 0.3))
    crossings = broad_crossings(detector, 20_000, np.random.default_rng(2), angles=angles)
    assert not detector.barrel[crossings.module].any()
    direction = detector.direction_to_local(crossings.module, crossings.momentum)
    cot = direction[:, :2] / direction[:, 2:]
    assert stats.kstest(cot[:, 0], stats.uniform(-0.2, 0.6).cdf).pvalue > 1e-3
    assert stats.kstest(cot[:, 1], stats.uniform(0.1, 0.2).cdf).pvalue > 1e-3


def test_groups_fly_alike_in_the_ranges_too_and_all_outwards():
    detector = embedded_detector()
    angles = AngleOptions(region="barrel", cot_alpha=(-3.0, 3.0), cot_beta=(-0.5, 0.5))
    groups = GroupOptions(together=(2,))
    crossings = broad_crossings(detector, 4000, np.random.default_rng(3), groups=groups, angles=angles)
    direction = detector.direction_to_local(crossings.module, crossings.momentum)
    assert np.mean(direction[:, 2] > 0) > 0.98
    cot = (direction[:, :2] / direction[:, 2:]).reshape(-1, 2, 2)
    near = np.abs(cot[:, 0] - cot[:, 1]).max(axis=1) < 0.1
    # Half of the groups fly alike, and hardly any of the others by chance.
    assert 0.4 < near.mean() < 0.6


def test_a_region_without_modules_and_ranges_that_cannot_be_are_told():
    detector = embedded_detector()
    barrel = detector.barrel
    alone = Detector({name: column[barrel] for name, column in detector.columns.items()})
    with pytest.raises(InputError, match="region is endcap and all"):
        broad_crossings(alone, 10, np.random.default_rng(1), angles=AngleOptions(region="endcap"))
    for wrong in ((0.3, 0.1), (0.1,), (-30.0, 0.0)):
        with pytest.raises(InputError, match="cot_beta"):
            AngleOptions(cot_alpha=(0.0, 1.0), cot_beta=wrong)
    with pytest.raises(InputError, match="given with cot_alpha"):
        AngleOptions(cot_beta=(0.0, 1.0))
