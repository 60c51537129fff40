"""Scattering in thin surfaces against the formula of the Particle Data Group and against heights above a
plane.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.scattering import theta2_behind
from tests.tracking.fit.test_curvilinear import unpacked
from tracking.fit.curvilinear import from_module, kicked, on_module, sight, slopes
from tracking.fit.material import below, scattering


def highland(p, thickness, mass=0.13957):
    """Projected angle of a particle of charge 1 (PDG, Passage of Particles Through Matter)."""
    beta = p / np.hypot(p, mass)
    return 0.0136 / (beta * p) * np.sqrt(thickness) * (1 + 0.038 * np.log(thickness / beta**2))


@pytest.mark.parametrize("p", [0.15, 0.5, 5.0])
@pytest.mark.parametrize("thickness", [0.0016, 0.016, 0.3])
def test_the_angle_is_highlands_with_its_logarithm_and_velocity(p, thickness):
    beta2 = p**2 / (p**2 + 0.13957**2)
    assert np.sqrt(theta2_behind(thickness, 1 / (beta2 * p * p), beta2)) == pytest.approx(
        highland(p, thickness), rel=1e-6
    )
    assert theta2_behind(0.0, 1 / (beta2 * p * p), beta2) == 0.0


def spread(near, far, surface, slopes_there=(0.0, 0.0)):
    """Covariance of a state on the plane at ``near``, which the x axis stands on, that one surface adds to
    nothing; from the curvilinear frame of a straight track.
    """
    cylinder, *of_surface = surface
    radii, places = (np.hypot(near[0], near[1]), np.hypot(far[0], far[1])), (near[2], far[2])
    ends, others = (radii, places) if cylinder else (places, radii)
    surfaces = np.array([of_surface])
    chord = np.linalg.norm(np.subtract(far, near))
    sums = scattering(
        (0.0, 0.0, 0.0), surfaces, below(surfaces, ends[0], 0), below(surfaces, ends[1], 0), ends, others, chord,
        1.0, 1.0,
    )  # fmt: skip
    heading = np.array([1.0, slopes_there[1], slopes_there[0]])
    heading /= np.linalg.norm(heading)
    sine = np.hypot(heading[0], heading[1])
    seen = sight(
        (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), tuple(heading[:2] / sine), sine, heading[2]
    )  # fmt: skip
    nothing = from_module((0.0, 0.0, 0.0, 0.0), 0.0, seen, 0.0)
    p = unpacked(kicked(nothing, sums, far[0] - near[0], seen[6:], 0.0))
    local = np.array([[*row, 0.0, 0.0, 0.0] for row in on_module(seen)] + list(slopes(seen, 0.0)))
    return local @ p @ local.T


CYLINDER = (1.0, 50.0, -100.0, 100.0, 0.02)
"""Radius 50 mm, of 200 mm length."""


def test_a_kick_moves_the_track_by_its_height_above_the_plane():
    """From the plane at 30 mm out to 90 mm, the cylinder stands 20 mm above: a kick there moves the track on
    the plane by -20.
    """
    p = spread((30.0, 0.0, 0.0), (90.0, 0.0, 0.0), CYLINDER)
    theta2 = highland(1.0, 0.02, 0.0) ** 2
    by_kick = np.array([[-20.0, 0.0], [0.0, -20.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(p, theta2 * by_kick @ by_kick.T, rtol=1e-12)


def test_an_inclined_track_spreads_as_kicks_of_its_direction_do():
    """Slopes 0.8 and -0.5 on the plane; the two kicks across the track, carried to the plane by straight
    lines.
    """
    slopes = np.array([0.8, -0.5])
    heading = np.array([1.0, slopes[1], slopes[0]])  # v along y, u along z
    near, height = np.array([30.0, 0.0, 0.0]), 20.0
    p = spread(tuple(near), tuple(near + 60 * heading), (0.0, 0.8 * height, -1e3, 1e3, 0.02), tuple(slopes))
    unit = heading / np.linalg.norm(heading)
    first = np.cross(unit, [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first)
    by_kick = np.empty((4, 2))
    for k, across in enumerate((first, np.cross(unit, first))):

        def at_plane(angle, across=across):
            turned = unit + angle * across
            a, b = turned[2] / turned[0], turned[1] / turned[0]
            return np.array([height * (slopes[0] - a), height * (slopes[1] - b), a, b])

        by_kick[:, k] = (at_plane(1e-5) - at_plane(-1e-5)) / 2e-5
    path = np.linalg.norm(heading) / abs(heading[2])
    theta2 = highland(1.0, 0.02 * path, 0.0) ** 2
    np.testing.assert_allclose(p, theta2 * by_kick @ by_kick.T, rtol=1e-6, atol=1e-12)


def test_a_surface_scatters_only_where_the_track_crosses_it():
    near = (30.0, 0.0, 0.0)
    assert spread(near, (49.9, 0.0, 0.0), CYLINDER)[2, 2] == 0.0
    assert spread(near, (90.0, 0.0, 290.0), CYLINDER)[2, 2] > 0.0  # crossed at z = 96.7
    assert spread(near, (90.0, 0.0, 310.0), CYLINDER)[2, 2] == 0.0  # crossed at z = 103.3
    assert spread(near, (90.0, 0.0, -310.0), CYLINDER)[2, 2] == 0.0


@pytest.mark.parametrize(("rise", "factor"), [(1.0, np.sqrt(2)), (20.0, np.sqrt(401)), (80.0, 50.0)])
def test_the_way_through_a_surface_is_that_of_the_incidence_up_to_fifty_thicknesses(rise, factor):
    long = (1.0, 50.0, -1e4, 1e4, 0.001)
    p = spread((30.0, 0.0, 0.0), (90.0, 0.0, 60 * rise), long)
    assert p[2, 2] == pytest.approx(highland(1.0, 0.001 * factor, 0.0) ** 2, rel=1e-9)


@given(st.lists(st.integers(-9, 9), max_size=12), st.integers(-10, 10), st.integers(0, 12))
def test_surfaces_at_or_below_a_place_are_counted_from_wherever_the_search_starts(places, at, near):
    surfaces = np.array(sorted(places), dtype=np.float64)[:, None] * np.ones(4)
    assert below(surfaces, float(at), min(near, len(places))) == sum(place <= at for place in places)
