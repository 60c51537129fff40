"""Directions along a helix against the toy's, which goes along it step by step."""

import numpy as np

from smartpix.convert.helix_crossings import momenta_at
from tests.seeding import toys


def test_momenta_are_tangents_of_the_helix():
    toy = toys.toy_event(20, seed=8, pt=(0.4, 5.0))
    pt = toys.UNIT / np.abs(toy.curvature)
    start = pt[:, None] * np.column_stack([np.cos(toy.phi), np.sin(toy.phi), toy.cot_theta])
    who = toy.particle
    found = momenta_at(toy.start[who], start[who], -np.sign(toy.curvature)[who], toys.FIELD, toy.point)
    np.testing.assert_allclose(found, toy.direction * pt[who][:, None], rtol=1e-6, atol=1e-6)


def test_neutral_particles_and_no_field_go_straight():
    momentum = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]])
    point = np.array([[10.0, 20.0, 30.0], [0.0, 0.0, 5.0]])
    for charge, field in ((0.0, 3.8), (1.0, 0.0)):
        found = momenta_at(np.zeros((2, 3)), momentum, np.full(2, charge), field, point)
        np.testing.assert_array_equal(found, momentum)
