"""Particles at their production points."""

import numpy as np
import pytest
from scipy import stats

from smartpix.schema import InputError
from smartpix.simulate.generate import BeamSpot, GenerateOptions, collisions, gun, jets, together


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
