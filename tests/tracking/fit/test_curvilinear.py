"""Deviations in the curvilinear frame against helices that are moved a little, in extended precision, and
against the textbook's formulas.
"""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tracking.fit.plain import after, differences, onto
from tracking.fit.curvilinear import (
    at_axis,
    carried,
    derivatives,
    from_module,
    moved,
    on_module,
    other_helix,
    sight,
    slopes,
    updated,
    updated_by_pair,
)

Real = np.longdouble
UPPER = np.triu_indices(5)
STRENGTH = 3.8 * 0.299792458e-3


def unpacked(triangle):
    full = np.zeros((5, 5))
    full[UPPER] = triangle
    return full + np.triu(full, 1).T


def packed(full):
    return tuple(full[UPPER].tolist())


def frame(direction):
    """N, V and t in space."""
    across = np.hypot(direction[0], direction[1])
    level = np.array([-direction[1], direction[0], Real(0)]) / across
    return np.array([level, np.cross(direction, level), direction])


def straight(phi, theta):
    phi, theta = Real(phi), Real(theta)
    return np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])


def numbers(point, direction, w):
    across = np.hypot(direction[0], direction[1])
    heading = tuple(float(x) for x in direction[:2] / across)
    return tuple(float(x) for x in point), heading, float(across), float(direction[2]), float(w)


def deviation(point, direction, q, reference):
    """Of a helix from another one: where it crosses the plane across it."""
    origin, axes, of_reference, s = reference
    turn = -STRENGTH * q
    for _ in range(20):
        there, heading = after(point, direction, turn, s)
        s = s + (origin - there) @ axes[2] / (heading @ axes[2])
    there, heading = after(point, direction, turn, s)
    off = axes @ (there - origin)
    seen = axes @ heading
    return np.array([off[0], off[1], seen[0], seen[1], q - of_reference])


def off_by(x, origin, axes):
    """Point and direction that are a deviation off."""
    heading = axes[2] + x[2] * axes[0] + x[3] * axes[1]
    return origin + x[0] * axes[0] + x[1] * axes[1], heading / np.sqrt(heading @ heading)


angles = {"phi": st.floats(-3.1, 3.1), "theta": st.floats(0.1, 3.0), "q": st.floats(-2, 2)}
covariances = st.integers(0, 10_000).map(
    lambda seed: (lambda a: a @ a.T)(np.random.default_rng(seed).normal(size=(5, 5)))
)


@settings(max_examples=60, deadline=None)
@given(**angles, step=st.floats(-200, 200), p=covariances)
@example(phi=0.3, theta=0.2, q=2.0, step=-900.0, p=np.eye(5))
def test_a_step_is_that_of_differences(phi, theta, q, step, p):
    origin, direction, w = np.zeros(3, dtype=Real), straight(phi, theta), -STRENGTH * Real(q)
    there, heading = after(origin, direction, w, Real(step))
    here, then = frame(direction), (there, frame(heading), Real(q), Real(step))

    def end(x):
        return deviation(*off_by(x, origin, here), Real(q) + x[4], then)

    wanted = differences(end, np.zeros(5, dtype=Real)).astype(float)
    rows = derivatives(numbers(origin, direction, w), step, STRENGTH)
    scale = 1 + np.abs(wanted[:3])
    assert np.abs((np.array(rows) - wanted[:3]) / scale).max() < 1e-7
    np.testing.assert_allclose(wanted[3:], np.eye(5)[3:], atol=1e-7)
    full = np.vstack([rows, np.eye(5)[3:]])
    np.testing.assert_allclose(unpacked(carried(rows, packed(p))), full @ p @ full.T, rtol=1e-9, atol=1e-9)
    x = np.array([0.1, -0.2, 1e-3, 2e-3, 0.3])
    np.testing.assert_allclose(moved(rows, tuple(x)), full @ x, rtol=1e-12)


def module(seed, direction, sign):
    """Center and axes (x, y, normal) of a module that looks along a direction or against it."""
    rng = np.random.default_rng(seed)
    normal = sign * (direction.astype(float) + rng.uniform(-0.5, 0.5, 3))
    normal /= np.linalg.norm(normal)
    x = np.cross(normal, rng.normal(size=3))
    x /= np.linalg.norm(x)
    return np.zeros(3, dtype=Real), np.array([x, np.cross(normal, x), normal]).astype(Real)


@settings(max_examples=60, deadline=None)
@given(**angles, seed=st.integers(0, 1000), sign=st.sampled_from([-1, 1]))
def test_a_module_sees_a_deviation_as_differences_do(phi, theta, q, seed, sign):
    origin, direction = np.zeros(3, dtype=Real), straight(phi, theta)
    plane, here, turn = module(seed, direction, sign), frame(direction), -STRENGTH * q * np.sin(theta)

    def local(x):
        point, heading = off_by(x, origin, here)
        return np.append(onto(point, heading, -STRENGTH * (Real(q) + x[4]), plane, Real(0))[0], x[4])

    wanted = differences(local, np.zeros(5, dtype=Real)).astype(float)
    axes = [tuple(axis) for axis in plane[1].astype(float)]
    seen = sight(*axes, (np.cos(phi), np.sin(phi)), np.sin(theta), np.cos(theta))
    found = np.array([[*row, 0.0, 0.0, 0.0] for row in on_module(seen)] + list(slopes(seen, turn)))
    np.testing.assert_allclose(found, wanted[:4], rtol=1e-6, atol=1e-6)
    # From the module and back again.
    variances = (1e-2, 3e-3, 0.2, 0.1)
    p = unpacked(from_module(variances, 4.0, seen, turn))
    full = np.vstack([found, np.eye(5)[4]])
    np.testing.assert_allclose(full @ p @ full.T, np.diag([*variances, 4.0]), rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(**angles, seed=st.integers(0, 1000), p=covariances, turned=st.floats(-0.2, 0.2), bent=st.floats(-1, 1))
def test_another_helix_keeps_what_the_module_sees(phi, theta, q, seed, p, turned, bent):
    plane, sight_of = module(seed, straight(phi, theta), 1), {}
    for name, angle, of in (("one", phi, q), ("other", phi + turned, q + bent)):
        axes = [tuple(axis) for axis in plane[1].astype(float)]
        seen = sight(*axes, (np.cos(angle), np.sin(angle)), np.sin(theta), np.cos(theta))
        if abs(seen[8]) < 0.2:
            return
        turn = -STRENGTH * of * np.sin(theta)
        rows = [[*row, 0.0, 0.0, 0.0] for row in on_module(seen)] + list(slopes(seen, turn))
        sight_of[name] = seen, turn, np.vstack([rows, np.eye(5)[4]])
    (seen, turn, local), (then, turn_then, local_then) = sight_of.values()
    found = unpacked(other_helix(packed(p), seen, turn, then, turn_then))
    np.testing.assert_allclose(
        local_then @ found @ local_then.T, local @ p @ local.T, rtol=1e-8, atol=1e-8 * np.abs(found).max()
    )


@settings(max_examples=60, deadline=None)
@given(p=covariances, seed=st.integers(0, 1000), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_updates_are_those_of_the_textbook(p, seed, scale):
    rng = np.random.default_rng(seed)
    p = scale * p
    x, y, root = rng.normal(size=5), rng.normal(size=2), rng.normal(size=(2, 2))
    noise = root @ root.T + 0.1 * np.eye(2)
    of_noise = (noise[0, 0], noise[0, 1], noise[1, 1])
    rows = rng.normal(size=(2, 5))
    for h, found in (
        (np.eye(5)[:2], updated(tuple(x), packed(p), tuple(y), of_noise)),
        (rows, updated_by_pair(tuple(x), packed(p), tuple(map(tuple, rows)), tuple(y), of_noise)),
    ):
        state, covariance, gain, u, inverse, chi2 = found
        weight = np.linalg.inv(h @ p @ h.T + noise)
        k, off = p @ h.T @ weight, y - h @ x
        size = max(scale, 1)
        np.testing.assert_allclose(state, x + k @ off, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(unpacked(covariance), p - k @ h @ p, rtol=1e-7, atol=1e-9 * size)
        np.testing.assert_allclose(np.array(gain).T, k, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(u, weight @ off, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(inverse, weight[np.triu_indices(2)], rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(chi2, off @ weight @ off, rtol=1e-6)


def test_a_wide_covariance_leaves_the_noise_of_what_is_measured():
    """In differences nothing would be left of the noise."""
    wide = np.diag([1e12, 1e12, 1.0, 1.0, 1.0])
    wide[0, 1] = wide[1, 0] = 0.99e12
    noise = (4e-6, 1e-6, 9e-6)
    found = unpacked(updated((0.0,) * 5, packed(wide), (0.0, 0.0), noise)[1])
    np.testing.assert_allclose(found[:2, :2], [[4e-6, 1e-6], [1e-6, 9e-6]], rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(**angles, d0=st.floats(-5, 5), z0=st.floats(-50, 50), p=covariances)
def test_the_parameters_at_the_axis_are_those_of_differences(phi, theta, q, d0, z0, p):
    direction, w = straight(phi, theta), -STRENGTH * Real(q)
    origin = np.array([-d0 * np.sin(Real(phi)), d0 * np.cos(Real(phi)), Real(z0)])
    here = frame(direction)

    def parameters(x):
        point, heading = off_by(x, origin, here)
        turn, s = -STRENGTH * (Real(q) + x[4]), Real(0)
        for _ in range(20):
            there, along = after(point, heading, turn, s)
            bend = along[:2] @ along[:2] + turn * (there[1] * along[0] - there[0] * along[1])
            s = s - there[:2] @ along[:2] / bend
        cos, sin = along[:2] / np.sqrt(along[:2] @ along[:2])
        return np.array(
            [there[1] * cos - there[0] * sin, there[2], np.arctan2(sin, cos), np.arccos(along[2]), q + x[4]]
        )

    wanted = differences(parameters, np.zeros(5, dtype=Real)).astype(float)
    values, covariance, good = at_axis(packed(p), numbers(origin, direction, w), STRENGTH)
    np.testing.assert_allclose(values, [d0, z0, phi, theta, q], rtol=1e-12, atol=1e-9)
    expected = wanted @ p @ wanted.T
    size = np.sqrt(np.diag(expected))
    assert good
    np.testing.assert_allclose(
        unpacked(covariance) / np.outer(size, size), expected / np.outer(size, size), atol=1e-6
    )


def test_what_is_not_finite_makes_no_sense():
    p, helix = packed(np.eye(5)), ((0.0, 1.0, 2.0), (1.0, 0.0), 0.6, 0.8, 1e-3)
    assert at_axis(p, helix, STRENGTH)[2]
    assert not at_axis((*p[:3], np.nan, *p[4:]), helix, STRENGTH)[2]
    assert not at_axis((*p[:12], -1.0, *p[13:]), helix, STRENGTH)[2]
    no_field = (*p[:14], 0.0)
    assert at_axis(no_field, (*helix[:4], 0.0), 0.0)[2]
    assert not at_axis(no_field, helix, STRENGTH)[2]
