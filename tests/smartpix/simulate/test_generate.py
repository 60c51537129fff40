"""Particles at their production points."""

import numpy as np
import pytest
from scipy import stats

from smartpix.beam import BeamSpot
from smartpix.schema import InputError
from smartpix.simulate.generate import FARTHEST, collisions, conversions, displaced, gun
from smartpix.simulate.options import GenerateOptions


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


def test_every_photon_of_a_conversion_becomes_a_pair_at_the_beam_pipe():
    options = GenerateOptions(pileup=3, conversions=4000, gun_pt=(1.0, 4.0), max_eta=2.0)
    beam = BeamSpot(0.1, 0.2, 30.0)
    found = conversions(options, beam, np.random.default_rng(1))
    assert found.pdg_id.tolist() == [11] * 4000 + [-11] * 4000
    assert found.charge.tolist() == [-1.0] * 4000 + [1.0] * 4000
    assert found.vertex_id.tolist() == 2 * list(range(4, 4004))
    np.testing.assert_array_equal(found.vertex[:4000], found.vertex[4000:])
    np.testing.assert_allclose(np.hypot(*found.vertex[:, :2].T), 19.0)
    # No angle between the two, and together they have the photon's pT, which is uniform.
    np.testing.assert_allclose(np.cross(found.momentum[:4000], found.momentum[4000:]), 0, atol=1e-9)
    photon = found.momentum[:4000] + found.momentum[4000:]
    pt = np.hypot(*photon[:, :2].T)
    assert stats.kstest(pt, stats.uniform(1, 3).cdf).pvalue > 1e-3
    assert stats.kstest(np.arcsinh(photon[:, 2] / pt), stats.uniform(-2, 4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("others", [{"pileup": 0, "jets": 1}, {"pileup": 10}, {}])
def test_collisions_and_jets_do_not_go_with_a_gun(others):
    with pytest.raises(InputError, match=r"(pileup|jets) must be 0 with a gun"):
        GenerateOptions(gun=5, **others)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pileup": -1}, "pileup must be 0 to 1000 and"), ({"pileup": 10**6}, "pileup must be 0 to 1000 and"),
        ({"gun": -1}, "gun must be"), ({"jets": 10**6}, "jets must be"),
        ({"conversions": -1}, "conversions must be"), ({"jet_particles": ()}, "one number from 1 to 1000"),
        ({"jet_particles": (0,)}, "one number from 1"), ({"jet_particles": (5, 4)}, "the lower first"),
        ({"jet_particles": (1, 2, 3)}, "or two"), ({"jet_pt": (500.0, 400.0)}, "the lower first"),
        ({"jet_pt": (1.0, 2.0, 3.0)}, "or two"), ({"jet_pt": (1e6,)}, "to 7000"),
        ({"jet_pt": (4.9,), "jet_particles": (3, 10)}, r"from 5 \(0.5 for each of 10 particles"), ({"gun_pt": (500.0, 10_000.0)}, "1 GeV = 1000 MeV"),
        ({"gun_pt": (0.01, 1.0)}, "from 0.05"), ({"gun_pt": (2.0, 1.0)}, "the lower first"), ({"energy": 14.0}, "14 TeV = 14000"),
        ({"max_eta": 0.0}, "max_eta"), ({"max_eta": float("nan")}, "max_eta"), ({"min_pt": -1.0}, "min_pt"),
    ],
)  # fmt: skip
def test_options_beyond_physics_are_refused_with_their_units(options, words):
    with pytest.raises(InputError, match=words):
        GenerateOptions(**options)
