"""A beam along z: its spot, slopes and particles."""

import numpy as np
import pytest

from smartpix.beam import BeamSpot
from smartpix.schema import InputError
from smartpix.simulate.beam_options import ParticleBeamOptions
from smartpix.simulate.generate import gun
from smartpix.simulate.options import GenerateOptions
from smartpix.simulate.particle_beam import particle_beam


def made(**beam):
    options = GenerateOptions(pileup=3, beam=ParticleBeamOptions(particles=20_000, **beam))
    return particle_beam(options, BeamSpot(x=1.0, y=-2.0), np.random.default_rng(1))


def test_a_parallel_beam_has_its_spot_and_no_spread_of_directions():
    particles = made(momentum=(4.0, 6.0), spot=(2.0, 0.5), start=-30.0)
    np.testing.assert_array_equal(particles.momentum[:, :2], 0)
    assert particles.momentum[:, 2].min() >= 4
    assert particles.momentum[:, 2].max() <= 6
    np.testing.assert_allclose(particles.vertex.std(axis=0), [2.0, 0.5, 0], rtol=0.03)
    np.testing.assert_allclose(particles.vertex.mean(axis=0), [1.0, -2.0, -30.0], atol=0.06)
    assert set(particles.pdg_id.tolist()) == {211}
    assert particles.vertex_id.min() == 4


def test_a_beam_from_a_spot_diverges_about_its_slope():
    particles = made(divergence=0.01, slope=(0.1, 0.0), momentum=(5.0, 5.0), kind="electron", charge=0)
    slopes = particles.momentum[:, :2] / particles.momentum[:, 2:]
    np.testing.assert_allclose(slopes.mean(axis=0), [0.1, 0.0], atol=5e-4)
    np.testing.assert_allclose(slopes.std(axis=0), 0.01, rtol=0.03)
    np.testing.assert_allclose(np.linalg.norm(particles.momentum, axis=1), 5.0)
    assert np.all(particles.pdg_id == -11 * particles.charge)
    assert abs(particles.charge.mean()) < 0.05


def test_the_gun_shoots_other_particles():
    options = GenerateOptions(pileup=0, gun=100, gun_kind="muon")
    shot = gun(options, BeamSpot(), np.random.default_rng(1))
    assert np.all(shot.pdg_id == -13 * shot.charge)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": (5.0, 2.0)}, "the lower first"), ({"spot": (-1.0, 0.0)}, "spot must be"),
        ({"slope": (2.0, 0.0)}, "slope must be"), ({"kind": "pions"}, "Did you mean 'pion'"),
        ({"particles": -1}, "particles must be"),
    ],
)  # fmt: skip
def test_beams_that_cannot_be_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        ParticleBeamOptions(**values)
