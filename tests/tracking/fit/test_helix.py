"""Helices, their crossings of planes and the start of a fit against circles written down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.scattering import moved
from tracking.fit.helix import advance, closest_approach, crossing, path_on_circle, turned
from tracking.fit.start import start_circle, start_line


def helix_of(point, phi, theta, w):
    return (tuple(point), (np.cos(phi), np.sin(phi)), np.sin(theta), np.cos(theta), w)


helices = st.builds(
    helix_of, st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-50, 50)), st.floats(-3.1, 3.1),
    st.floats(0.05, 3.0), st.floats(-5e-3, 5e-3),
)  # fmt: skip


@given(x=st.floats(-6, 6))
def test_a_turn_is_that_of_sine_and_cosine(x):
    a, b = turned(x)
    exact = np.longdouble(x)
    assert x * (1 - x * x * a) == pytest.approx(float(np.sin(exact)), abs=4e-15)
    assert x * x * b == pytest.approx(float(2 * np.sin(exact / 2) ** 2), rel=1e-12, abs=1e-300)


@settings(max_examples=100, deadline=None)
@given(helix=helices, s=st.floats(-600, 600))
def test_a_helix_advances_along_its_chords(helix, s):
    point, (cos, sin), sine, cosine, w = helix
    direction = np.array([[sine * cos, sine * sin, cosine]])
    there, heading = moved(np.array([point]), direction, np.array([w]), np.array([s]))
    found, (tx, ty) = advance(helix, s)
    np.testing.assert_allclose(found, there[0], rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose([sine * tx, sine * ty], heading[0, :2], rtol=1e-12, atol=1e-13)


def test_advance_turns_a_circle():
    point, heading = advance(((0.0, 0.0, 0.0), (1.0, 0.0), 1.0, 0.0, 0.01), np.pi / 0.01)
    np.testing.assert_allclose(point, [0, 200, 0], atol=1e-9)
    np.testing.assert_allclose(heading, [-1, 0], atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    helix=helices, s=st.floats(5, 100), off=st.floats(-1, 1), tilt=st.floats(-0.9, 0.9), lean=st.floats(-0.9, 0.9)
)  # fmt: skip
def test_a_crossing_is_on_the_plane_and_on_the_helix(helix, s, off, tilt, lean):
    there, (tx, ty) = advance(helix, s)
    _, _, sine, cosine, _ = helix
    normal = np.array([sine * tx + tilt * ty, sine * ty - tilt * tx, cosine + lean])
    if abs(normal @ [sine * tx, sine * ty, cosine]) < 0.3:
        return
    normal /= np.linalg.norm(normal)
    path, point, heading, reached = crossing(helix, s + off, there, tuple(normal))
    assert reached
    # The last step is not taken again: it is below a micrometre, and what it misses is its square.
    assert abs(normal @ (np.array(point) - there)) < 1e-7
    again, turned_to = advance(helix, path)
    np.testing.assert_allclose(point, again, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(heading, turned_to, atol=1e-10)


def test_a_plane_along_the_helix_or_beyond_its_circle_is_not_reached():
    straight = ((0.0, 0.0, 0.0), (1.0, 0.0), 1.0, 0.0, 0.0)
    assert not crossing(straight, 10.0, (5.0, 0.0, 0.0), (0.0, 1.0, 0.0))[3]
    circle = ((0.0, 0.0, 0.0), (1.0, 0.0), 1.0, 0.0, 0.01)
    assert crossing(circle, 90.0, (90.0, 0.0, 0.0), (1.0, 0.0, 0.0))[3]
    assert not crossing(circle, 90.0, (110.0, 0.0, 0.0), (1.0, 0.0, 0.0))[3]
    assert not crossing(straight, 10.0, (np.nan, 0.0, 0.0), (1.0, 0.0, 0.0))[3]


@settings(max_examples=100, deadline=None)
@given(helix=helices)
def test_no_point_of_half_a_turn_is_closer_to_the_axis(helix):
    s = closest_approach(helix)
    point, (tx, ty) = advance(helix, s)
    size = np.hypot(point[0], point[1])
    assert abs(point[0] * tx + point[1] * ty) < 1e-9 * (1 + size)
    half = np.pi / max(abs(helix[4]), 1e-3)
    for other in np.linspace(s - half, s + half, 50):
        there = advance(helix, other)[0]
        assert np.hypot(there[0], there[1]) > size - 1e-9


@given(
    phi=st.floats(-3.1, 3.1), curvature=st.floats(-1e-2, 1e-2), turn=st.floats(-1, 1), point=st.tuples(
    st.floats(-9, 9), st.floats(-9, 9), st.just(0.0))
)  # fmt: skip
def test_a_path_on_a_circle_is_its_arc(phi, curvature, turn, point):
    # Up to three quarters of half a turn, where the arc sine still has all its digits.
    arc = 0.75 * turn * np.pi / max(abs(curvature), 1e-4)
    there = advance((point, (np.cos(phi), np.sin(phi)), 1.0, 0.0, curvature), arc)[0]
    found = path_on_circle(point, np.cos(phi), np.sin(phi), curvature, there[0], there[1])
    assert abs(found) == pytest.approx(abs(arc), rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    d0=st.floats(-2, 2), z0=st.floats(-100, 100), phi=st.floats(-3.1, 3.1), theta=st.floats(0.3, 2.8),
    pt=st.floats(0.4, 50), charge=st.sampled_from([-1, 1]), weights=st.lists(st.floats(0.001, 1), min_size=4, max_size=4)
)  # fmt: skip
def test_the_start_of_exact_hits_is_their_helix(d0, z0, phi, theta, pt, charge, weights):
    w = charge * 1.1e-3 / pt * np.sin(theta)
    exact = helix_of((-d0 * np.sin(phi), d0 * np.cos(phi), z0), phi, theta, w)
    paths = np.array([30.0, 70.0, 120.0, 170.0]) / np.sin(theta)
    hits = np.zeros((4, 15))
    hits[:, :3] = [advance(exact, s)[0] for s in paths]
    hits[:, 14] = weights
    path = np.empty(4)
    (point, heading, sine, cosine, turn), good = start_circle(
        hits, 0, 4, np.zeros(4, dtype=np.int8), np.empty(4), path
    )
    assert good
    np.testing.assert_allclose(point, exact[0], atol=1e-6)
    np.testing.assert_allclose(heading, exact[1], atol=1e-8)
    np.testing.assert_allclose((sine, cosine), exact[2:4], atol=1e-8)
    assert turn == pytest.approx(w, abs=1e-10)
    np.testing.assert_allclose(path, paths, rtol=1e-7)


def test_a_start_along_the_beam_is_a_line():
    hits, path = np.zeros((2, 15)), np.empty(2)
    hits[:, 2] = 10.0, 60.0
    status = np.zeros(2, dtype=np.int8)
    assert not start_circle(hits, 0, 2, status, np.empty(2), path)[1]
    point, _, sine, cosine, turn = start_line(hits, 0, 2, status, path)
    assert (point, sine, cosine, turn) == ((0.0, 0.0, 10.0), 0.0, 1.0, 0.0)
    assert path.tolist() == [0.0, 50.0]
    # Of one hit: from the origin on.
    _, heading, sine, _, _ = start_line(hits + [3.0, 4.0, *[0.0] * 13], 0, 1, status, path)
    np.testing.assert_allclose((*heading, sine), (0.6, 0.8, 5 / np.hypot(5, 10)))
