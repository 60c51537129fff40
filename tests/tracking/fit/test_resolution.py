"""True parameters against a numeric propagation, residuals against loops, widths against drawn numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar
from scipy.stats import binom, cauchy, laplace, norm, truncnorm, uniform

from smartpix.schema import PARAMETERS
from tracking.fit import resolution
from tracking.fit.resolution import (
    joined,
    pull_histogram,
    pull_sigma_interval,
    pull_width,
    residuals_and_pulls,
    track_residuals,
    true_parameters,
)
from tracking.metrics import TrackScore


def propagated(vertex, momentum, charge, field):
    """d0, z0, phi, theta, qop by the Lorentz force, step by step both ways, and a search for the smallest
    radius.
    """
    p = np.linalg.norm(momentum)

    def step(_, state):
        force = 0.299792458e-3 * charge * field * np.array([state[4], -state[3], 0.0]) / p  # GeV per mm
        return np.concatenate([state[3:] / p, force])

    sine = np.hypot(*momentum[:2]) / p
    turn = p / (0.299792458e-3 * abs(charge * field)) if field else np.inf  # mm per rad
    reach = min(np.pi * turn, 200 / sine)
    start = np.concatenate([vertex, momentum])
    ways = [
        solve_ivp(step, (0, s), start, method="DOP853", rtol=1e-11, atol=1e-12, dense_output=True).sol
        for s in (-reach, reach)
    ]

    def at(s):
        return ways[int(s > 0)](s)

    def radius(s):
        return float(np.hypot(*at(s)[:2]))

    grid = np.linspace(-reach, reach, 201)
    best = grid[int(np.argmin([radius(s) for s in grid]))]
    width = grid[1] - grid[0]
    squared = minimize_scalar(
        lambda s: radius(s) ** 2,
        bounds=(best - width, best + width),
        options={"xatol": 1e-10},
        method="bounded",
    )
    x, y, z, px, py, pz = at(np.clip(squared.x, -reach, reach))
    phi = np.arctan2(py, px)
    return np.array([y * np.cos(phi) - x * np.sin(phi), z, phi, np.arctan2(np.hypot(px, py), pz), charge / p])


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-25, 25), y=st.floats(-25, 25), phi=st.floats(-np.pi, np.pi), pt=st.floats(0.1, 20), cot=st.floats(-4, 4),
    charge=st.sampled_from([-1.0, 1.0]), field=st.sampled_from([3.8, -3.8, 2.0, 0.01, 0.0]),
)  # fmt: skip
def test_true_parameters_are_those_of_a_numeric_propagation(x, y, phi, pt, cot, charge, field):
    vertex, momentum = np.array([x, y, 12.0]), pt * np.array([np.cos(phi), np.sin(phi), cot])
    expected = propagated(vertex, momentum, charge, field)
    d0, z0, found_phi, theta, qop = true_parameters(vertex[None], momentum[None], np.array([charge]), field)[
        0
    ]
    assert d0 == pytest.approx(expected[0], abs=1e-5)
    assert z0 == pytest.approx(expected[1], abs=1e-3)
    assert np.cos(found_phi - expected[2]) == pytest.approx(1, abs=1e-8)
    assert -np.pi <= found_phi <= np.pi
    assert (theta, qop) == pytest.approx((expected[3], expected[4]), rel=1e-9)


@pytest.mark.parametrize("turned", [0.5, 1.2, 2.0, 3.0])
@pytest.mark.parametrize("charge", [-1.0, 1.0])
def test_z0_of_a_long_way_round_is_that_of_the_arc(turned, charge):
    """A circle of 200 mm, from its point nearest to the axis on by ``turned`` rad: z has risen by cot(theta)
    times the arc.
    """
    radius, d0, z0, cot = 200.0, 3.0, -7.0, 0.8
    pt = 0.299792458e-3 * 3.8 * radius
    left = -charge  # positive charges turn clockwise in a field along +z
    center = np.array([0.0, d0 + left * radius])
    angle = left * turned
    heading = np.array([np.cos(angle), np.sin(angle)])
    vertex = center + left * radius * np.array([heading[1], -heading[0]])
    vertex3 = np.array([[*vertex, z0 + cot * radius * turned]])
    momentum = pt * np.array([[*heading, cot]])
    found = true_parameters(vertex3, momentum, np.array([charge]), 3.8)[0]
    np.testing.assert_allclose(found[:3], [d0, z0, 0.0], atol=1e-9)


def test_without_field_the_line_is_extended():
    vertex, momentum = np.array([[3.0, 4.0, 5.0]]), np.array([[2.0, 0.0, 1.0]])
    d0, z0, phi, theta, qop = true_parameters(vertex, momentum, np.array([-1.0]), 0.0)[0]
    assert (d0, z0, phi) == pytest.approx((4.0, 5.0 - 1.5, 0.0))
    assert theta == pytest.approx(np.arctan2(2, 1))
    assert qop == pytest.approx(-1 / np.sqrt(5))


@pytest.mark.parametrize("field", [3.8, -3.8])
@pytest.mark.parametrize("charge", [-1.0, 1.0])
def test_of_a_curling_track_it_is_the_nearest_point_of_the_circle(charge, field):
    # Radius 44 mm, produced 100 mm out, in all directions: the closest approach is often on the far side.
    turn = -charge * field * 0.299792458e-3 / 0.05
    for direction in np.linspace(-3.1, 3.1, 13):
        momentum = 0.05 * np.array([np.cos(direction), np.sin(direction), 0.5])
        d0, _, phi, *_ = true_parameters(
            np.array([[100.0, 0, 0]]), momentum[None], np.array([charge]), field
        )[0]
        angle = direction + turn * np.linspace(-np.pi / abs(turn), np.pi / abs(turn), 20_001)
        points = (
            np.array([100.0, 0])
            + np.column_stack([np.sin(angle) - np.sin(direction), np.cos(direction) - np.cos(angle)]) / turn
        )
        nearest = points[np.argmin(np.hypot(*points.T))]
        np.testing.assert_allclose(d0 * np.array([-np.sin(phi), np.cos(phi)]), nearest, atol=0.02)


def test_a_particle_from_the_axis_is_there_already():
    momentum = np.array([[1.0, 2.0, 3.0], [-0.3, 0.1, -5.0]])
    vertex = np.array([[0, 0, 7.0], [0, 0, -80.0]])
    found = true_parameters(vertex, momentum, np.array([1.0, -1.0]), 3.8)
    np.testing.assert_allclose(found[:, 0], 0, atol=1e-15)
    np.testing.assert_allclose(found[:, 1], vertex[:, 2], rtol=1e-14)
    np.testing.assert_allclose(found[:, 2], np.arctan2(momentum[:, 1], momentum[:, 0]), rtol=1e-14)


def test_no_transverse_momentum_gives_no_number_and_no_warning():
    found = true_parameters(np.ones((1, 3)), np.array([[0.0, 0.0, 1.0]]), np.ones(1), 3.8)
    assert not np.all(np.isfinite(found))
    assert true_parameters(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), 3.8).shape == (0, 5)


def toy_fit(rng, n, field=3.8):
    """Truth of n particles, and a fit of each that is off by known amounts."""
    momentum = rng.normal(0, 1, (n, 3)) * [1, 1, 2] + [0.1, 0.1, 0]
    truth = SimpleNamespace(
        vertex=rng.normal(0, [0.1, 0.1, 50], (n, 3)), momentum=momentum, charge=rng.choice([-1.0, 1.0], n),
        findable=rng.random(n) < 0.7,
        pt=np.hypot(*momentum[:, :2].T), eta=np.arcsinh(momentum[:, 2] / np.hypot(*momentum[:, :2].T)),
    )  # fmt: skip
    true = true_parameters(truth.vertex, truth.momentum, truth.charge, field)
    half = rng.normal(0, 0.02, (n, 5, 5))
    covariance = half @ half.transpose(0, 2, 1) + 1e-6 * np.eye(5)
    off = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=(n, 5)))
    fitted = true + off
    # The same direction told a turn further.
    fitted[:, 2] = np.arctan2(np.sin(fitted[:, 2]), np.cos(fitted[:, 2]))
    columns = dict(zip(PARAMETERS, fitted.T, strict=True))
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return truth, SimpleNamespace(**columns, covariance=covariance, sigma=lambda: sigma), true, off, sigma


def test_residuals_and_pulls_are_what_was_added():
    truth, fitted, true, off, sigma = toy_fit(np.random.default_rng(3), 400)
    # The tracks are in another order than the particles.
    order = np.random.default_rng(4).permutation(400)
    residual, pull = residuals_and_pulls(fitted, order, truth, order, 3.8)
    np.testing.assert_allclose(pull, off[order] / sigma[order], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(residual[:, :4], off[order, :4], atol=1e-9)
    np.testing.assert_allclose(residual[:, 4], (off[:, 4] / true[:, 4])[order], atol=1e-9)
    assert np.abs(residual[:, 2]).max() < 1  # across the turn as well


def test_residuals_are_those_of_tracks_of_findable_particles():
    rng = np.random.default_rng(5)
    truth, fitted, true, off, sigma = toy_fit(rng, 60)
    particle = np.where(rng.random(60) < 0.2, -1, np.arange(60))
    score = TrackScore(particle, np.ones(60), np.zeros(60, dtype=bool), np.ones(60, dtype=bool))
    told = track_residuals(fitted, score, truth, 3.8)
    rows = [t for t in range(60) if particle[t] >= 0 and truth.findable[particle[t]]]
    assert len(told) == len(rows) > 20
    np.testing.assert_allclose(told.pt, truth.pt[rows], rtol=1e-6)
    units = np.column_stack([np.full((60, 4), 1e3), 1 / true[:, 4]])
    np.testing.assert_allclose(told.residual, (off * units)[rows], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(told.pull, (off / sigma)[rows], rtol=1e-4, atol=1e-4)
    both = joined([told, told])
    assert len(both) == 2 * len(told)
    histogram = pull_histogram(both)
    for k, name in enumerate(PARAMETERS):
        inside = np.histogram(both.pull[:, k], np.linspace(-5, 5, 61))[0]
        np.testing.assert_array_equal(histogram[name, :].values(), inside)


def test_a_parameter_without_variance_was_not_fitted():
    truth, fitted, *_ = toy_fit(np.random.default_rng(6), 5)
    fitted.covariance[:, 4], fitted.covariance[:, :, 4], fitted.qop[:] = 0, 0, 0
    residual, pull = residuals_and_pulls(fitted, np.arange(5), truth, np.arange(5), 0.0)
    assert np.all(np.isnan(residual[:, 4]))
    assert np.all(np.isnan(pull[:, 4]))
    assert np.all(np.isfinite(residual[:, :4]))
    assert resolution.resolution(residual[:, 4]) is None
    assert pull_width(residual[:, 4]) is None


def test_the_width_of_pulls_leaves_out_what_is_far():
    rng = np.random.default_rng(7)
    values = rng.normal(0.1, 1.1, 40_000)
    cut = truncnorm((-5 - 0.1) / 1.1, (5 - 0.1) / 1.1, 0.1, 1.1)
    assert pull_width(values) == pytest.approx((cut.mean(), cut.std()), abs=0.02)
    far = np.concatenate([values, rng.choice([-1, 1], 2000) * rng.uniform(20, 90, 2000), [np.nan, np.inf]])
    assert pull_width(far) == pull_width(values)
    assert pull_width([1.0, 7.0]) is None


def test_the_resolution_is_the_quantile_of_the_size():
    values = np.array([-3.0, 1.0, 2.0, np.nan])
    assert resolution.resolution(values) == pytest.approx(np.percentile([1, 2, 3], 68.27))
    assert resolution.resolution([]) is None


@pytest.mark.parametrize("n", [12, 60, 400])
@pytest.mark.parametrize("shape", [norm, cauchy])
def test_intervals_of_resolutions_hold_the_true_one_in_68_percent(n, shape):
    """Whatever the tails. Of few residuals more often: there is only one or two of them more to take."""
    rng, true = np.random.default_rng(8), shape.ppf(0.5 + 0.6827 / 2)
    drawn = shape.rvs(size=(1000, n), random_state=rng)
    low, high = np.array([resolution.resolution_interval(values) for values in drawn]).T
    inside, step = np.mean((low <= true) & (true <= high)), binom.pmf(round(0.6827 * n), n, 0.6827)
    assert 0.6827 - 0.045 < inside < 0.6827 + 0.045 + 2 * step


def test_intervals_of_resolutions_lie_between_two_ranks():
    """Of 12 numbers 6.6 to 9.8 lie below the half width: 8.2 and the 68 % of a binomial distribution about it."""
    for n, ranks in ((12, (7, 11)), (60, (37, 46)), (400, (264, 283))):
        mean, sigma = 0.6827 * n, np.sqrt(0.6827 * 0.3173 * n)
        assert resolution.resolution_interval(np.arange(1.0, n + 1)) == ranks
        assert ranks == pytest.approx((mean - sigma, mean + sigma + 1), abs=1)


def test_too_few_residuals_have_no_interval():
    for values in ([], [1.0], [1.0, np.nan], [1.0, 2.0]):
        assert resolution.resolution_interval(values) is None
    rng = np.random.default_rng(10)
    assert all(pull_sigma_interval(values) is None for values in ([], [1.0], [2.0] * 80, rng.normal(size=49)))
    assert pull_sigma_interval(np.append(rng.normal(size=49), [np.nan, 30.0])) is None
    assert pull_sigma_interval(rng.normal(size=50)) is not None


@pytest.mark.parametrize("shape", [norm, uniform(-1, 2), laplace(scale=0.3)])
def test_intervals_of_pull_widths_are_as_wide_as_the_widths_scatter(shape):
    rng = np.random.default_rng(9)
    pulls = shape.rvs(size=(400, 300), random_state=rng)
    widths = np.array([pull_width(p)[1] for p in pulls])
    halves = [np.subtract(*pull_sigma_interval(p)[::-1]) / 2 for p in pulls]
    assert np.mean(halves) == pytest.approx(widths.std(), rel=0.1)


def test_intervals_of_pull_widths_hold_the_true_one_in_68_percent():
    rng = np.random.default_rng(11)
    inside = [
        low <= 1 <= high for low, high in (pull_sigma_interval(rng.normal(size=60)) for _ in range(1000))
    ]
    assert np.mean(inside) == pytest.approx(0.6827, abs=0.05)
