"""Electrons knocked out: their number, the two-body angle, and that they are followed as particles."""

import math

import numpy as np
import pytest

from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.options import Plane
from smartpix.material import Material
from smartpix.physics import PION_MASS
from smartpix.simulate.energy_loss import SILICON, largest_transfer, width
from smartpix.simulate.particles import Particles
from smartpix.simulate.propagate import propagate
from smartpix.simulate.transport_options import TransportOptions

ELECTRON = 0.51099895e-3
PLANES = make_layout(Layout(plane=(Plane(z=(10.0, 40.0), width=100.0, height=100.0),)))
THICKNESS, LEAST, N = 0.05, 2e-3, 40_000


def pions(momentum):
    zero = np.zeros((N, 3))
    along = np.tile([0.0, 0.0, momentum], (N, 1))
    return Particles(
        np.arange(1, N + 1, dtype=np.int32),
        np.full(N, 211, dtype=np.int32),
        np.ones(N),
        zero,
        along,
        np.zeros(N),
    )


def test_electrons_have_the_rate_spectrum_and_angle_of_a_collision():
    material = Material(sensor=THICKNESS, support=0.0, pipe=0.0)
    options = TransportOptions(material=material, knock_on=LEAST, scattering=False, ionisation=False)
    momentum = 2.0
    (made,) = propagate([pions(momentum)], PLANES, 0.0, 1, options)
    particles = made.particles
    electrons = particles.take(np.arange(N, len(particles.pdg_id)))
    energy = math.hypot(momentum, PION_MASS)
    beta2, most = (
        (momentum / energy) ** 2,
        largest_transfer((momentum / energy) ** 2, (energy / PION_MASS) ** 2, PION_MASS),
    )
    xi = width(momentum, PION_MASS, THICKNESS, SILICON)
    # Of both planes.
    expected = 2 * N * xi * (1 / LEAST - 1 / most - beta2 / most * math.log(most / LEAST))
    assert len(electrons.pdg_id) == pytest.approx(expected, rel=5 / math.sqrt(expected))
    assert set(electrons.pdg_id.tolist()) == {11}
    p = np.linalg.norm(electrons.momentum, axis=1)
    kinetic = np.hypot(p, ELECTRON) - ELECTRON
    assert kinetic.min() >= LEAST * (1 - 1e-9)
    assert kinetic.max() <= most
    assert np.median(kinetic) == pytest.approx(2 * LEAST, rel=0.1)
    # Energy and momentum: the pion that is left has its own mass.
    left = np.array([0, 0, momentum]) - electrons.momentum
    mass2 = (energy - kinetic) ** 2 - np.sum(left**2, axis=1)
    np.testing.assert_allclose(mass2, PION_MASS**2, rtol=1e-6)
    azimuth = np.arctan2(electrons.momentum[:, 1], electrons.momentum[:, 0])
    assert abs(np.mean(np.exp(1j * azimuth))) < 4 / math.sqrt(len(azimuth))
    np.testing.assert_allclose(np.unique(electrons.vertex[:, 2].round(3)), [10.0, 40.0])
    # Those of the first plane that go forward cross the second one, as particles of their own.
    own = made.particle >= N
    assert own.sum() > 0.1 * len(p)
    np.testing.assert_allclose(made.point[own][:, 2], 40.0, atol=1e-6)
    np.testing.assert_array_equal(made.order[own], 0)


def test_without_the_option_nothing_is_knocked_out():
    (made,) = propagate([pions(2.0)], PLANES, 0.0, 1, TransportOptions())
    assert len(made.particles.pdg_id) == N
