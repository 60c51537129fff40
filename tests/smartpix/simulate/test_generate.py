"""Particles at their production points."""

import numpy as np
import pytest
from scipy import stats

from smartpix.beam import BeamSpot
from smartpix.schema import InputError
from smartpix.simulate.generate import FARTHEST, collisions, displaced, gun, jets
from smartpix.simulate.options import GenerateOptions
from smartpix.simulate.particles import together


def test_gun_is_uniform_in_its_ranges_and_charges_balance():
    options = GenerateOptions(pileup=0, gun=20_000, gun_pt=(1.0, 4.0), max_eta=2.5)
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
        # About 6 charged particles per unit of pseudorapidity in an inelastic collision at 14 TeV, above 0.1
        # GeV.
        assert 25 < len(pt) / 30 < 80
        # Most particles come from their collision's vertex.
        first = one.vertex[one.vertex_id == one.vertex_id[0]]
        assert np.median(np.linalg.norm(first - np.median(first, axis=0), axis=1)) < 0.1
    assert not np.array_equal(events[0].momentum[:5], events[1].momentum[:5])


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
    options = GenerateOptions(pileup=7, jets=4000, jet_pions=5, jet_flight=5.0)
    found = jets(options, BeamSpot(0.0, 0.0, 0.0), np.random.default_rng(1))
    start = found.vertex.reshape(4000, 5, 3)
    assert np.all(start[:, ::2] == 0)
    np.testing.assert_array_equal(start[:, 1], start[:, 3])
    assert stats.kstest(np.hypot(*start[:, 1, :2].T), stats.expon(scale=5.0).cdf).pvalue > 1e-3
    without = jets(
        GenerateOptions(pileup=7, jets=4000, jet_pions=5), BeamSpot(0.0, 0.0, 0.0), np.random.default_rng(1)
    )
    assert np.all(without.vertex == 0)
    mean = found.momentum.reshape(4000, 5, 3).sum(axis=1)
    turn = np.arctan2(mean[:, 1], mean[:, 0]) - np.arctan2(start[:, 1, 1], start[:, 1, 0])
    assert np.abs(np.angle(np.exp(1j * turn))).max() < 0.1


def test_displaced_pions_have_the_impact_parameters_that_were_asked_for():
    options = GenerateOptions(
        pileup=7, jets=2, displaced=20_000, gun_pt=(1.0, 4.0), max_eta=2.0, displaced_d0=(0.1, 40.0),
        displaced_radius=25.0,
    )  # fmt: skip
    found = displaced(options, BeamSpot(0.0, 0.0, 30.0), np.random.default_rng(1))
    (x, y, _), (px, py, pz) = found.vertex.T, found.momentum.T
    pt = np.hypot(px, py)
    # The straight line's distance from the beam line.
    d0 = np.abs(x * py - y * px) / pt
    assert stats.kstest(np.log(d0), stats.uniform(np.log(0.1), np.log(400)).cdf).pvalue > 1e-3
    radius = np.hypot(x, y)
    assert np.all((radius >= d0) & (radius <= np.maximum(25.0, 2 * d0)))
    # Outwards, on both sides alike.
    assert np.all(x * px + y * py > 0)
    assert abs(np.mean(x * py > y * px) - 0.5) < 0.02
    assert stats.kstest(pt, stats.uniform(1, 3).cdf).pvalue > 1e-3
    assert stats.kstest(np.arcsinh(pz / pt), stats.uniform(-2, 4).cdf).pvalue > 1e-3
    assert found.vertex_id.tolist() == list(range(10, 20_010))


def test_decays_outside_of_the_detector_are_left_out():
    options = GenerateOptions(pileup=0, displaced=5000, max_eta=4.0, displaced_radius=200.0)
    found = displaced(options, BeamSpot(), np.random.default_rng(1))
    assert 0 < len(found.pdg_id) < 5000
    assert np.abs(found.vertex[:, 2]).max() < FARTHEST[1]
    assert np.hypot(found.vertex[:, 0], found.vertex[:, 1]).max() < FARTHEST[0]


def test_displaced_pions_and_those_of_a_gun_have_vertices_of_their_own():
    options = GenerateOptions(pileup=0, gun=5, displaced=5, max_eta=1.0)
    both = [
        part.vertex_id.tolist()
        for part in (
            gun(options, BeamSpot(), np.random.default_rng(1)),
            displaced(options, BeamSpot(), np.random.default_rng(2)),
        )
    ]
    assert not set(both[0]) & set(both[1])


def test_secondaries_are_added_after_the_charged_particles_of_the_same_collisions():
    pytest.importorskip("chromo")
    beam = BeamSpot()
    (plain,) = collisions(GenerateOptions(pileup=30), beam, 1, 3)
    (more,) = collisions(GenerateOptions(pileup=30, secondaries=True), beam, 1, 3)
    n = len(plain.charge)
    np.testing.assert_array_equal(more.momentum[:n], plain.momentum)
    assert np.all(np.abs(more.charge) == 1)
    new = more.pdg_id[n:]
    assert set(new.tolist()) <= {211, -211, 2212, -2212, 11, -11}
    # Some three K0s a collision within |eta| < 4, of which 69 % decay to charged pions.
    assert 30 < np.sum(np.abs(new) == 211) / 2 < 120
    sign = np.where(np.abs(more.pdg_id) == 11, -1, 1) * np.sign(more.pdg_id)
    np.testing.assert_array_equal(sign[n:], more.charge[n:])
    away = more.vertex[n:] - more.vertex[:n][np.searchsorted(more.vertex_id[:n], more.vertex_id[n:])]
    assert np.median(np.linalg.norm(away, axis=1)) > 5


@pytest.mark.parametrize("others", [{"pileup": 0, "jets": 1}, {"pileup": 10}, {}])
def test_collisions_and_jets_do_not_go_with_a_gun(others):
    with pytest.raises(InputError, match=r"(pileup|jets) must be 0 with a gun"):
        GenerateOptions(gun=5, **others)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pileup": -1}, "pileup must be 0 to 1000 and"), ({"pileup": 10**6}, "pileup must be 0 to 1000 and"),
        ({"gun": -1}, "gun must be"), ({"jets": 10**6}, "jets must be"), ({"gun_pt": (500.0, 10_000.0)}, "1 GeV = 1000 MeV"),
        ({"gun_pt": (0.01, 1.0)}, "from 0.05"), ({"gun_pt": (2.0, 1.0)}, "the lower first"), ({"energy": 14.0}, "14 TeV = 14000"),
        ({"max_eta": 0.0}, "max_eta"), ({"max_eta": float("nan")}, "max_eta"), ({"min_pt": -1.0}, "min_pt"),
    ],
)  # fmt: skip
def test_options_beyond_physics_are_refused_with_their_units(options, words):
    with pytest.raises(InputError, match=words):
        GenerateOptions(**options)
