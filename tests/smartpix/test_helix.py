"""Curvature and turn of circles, in closed form."""

import numpy as np

from smartpix.helix import curvatures, half_turns


def test_a_positive_charge_turns_clockwise_with_its_radius():
    # r = pT / (0.3 B): 1 GeV in 2 T.
    found = curvatures(np.array([1.0, -2.0, 0.0]), 2.0, np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(1 / np.abs(found[:2]), [1000 / 0.299792458 / 2, 1000 / 0.299792458 / 4])
    assert found[0] < 0 < found[1]
    assert np.isnan(found[2])


def test_the_turn_is_that_between_two_points_of_the_circle():
    k, angle = 1e-3, np.array([0.3, -0.5, 2.0])
    x, y = np.sin(angle) / k, (1 - np.cos(angle)) / k
    np.testing.assert_allclose(2 * half_turns(k * np.sign(angle), np.hypot(x, y)), angle)
    assert half_turns(np.array([1.0]), np.array([3.0]))[0] == np.pi / 2
