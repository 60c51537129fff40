import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seeding.cones import ConeOptions, make_cones
from smartpix.schema import InputError
from tests.seeding import toys


@settings(max_examples=30, deadline=None)
@given(quantile=st.floats(0.01, 0.9999))
def test_gates_are_the_chi2_quantiles_in_closed_form(quantile):
    options = ConeOptions(quantile=quantile)
    g2, cut = options.gate() ** 2, options.joint_cut()
    assert 1 - np.exp(-g2 / 2) == pytest.approx(quantile, abs=1e-9)
    assert 1 - np.exp(-cut / 2) * (1 + cut / 2 + cut**2 / 8) == pytest.approx(quantile, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "value"),
    [("quantile", 0.0), ("quantile", 1.0), ("quantile", float("nan")), ("sigma_z0", 0.0), ("curvature_pt", -1.0),
     ("sigma_scale", 0.0), ("sigma_d0", -0.1), ("radiation_length", -0.1), ("sigma_z0", float("nan"))],
)  # fmt: skip
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        ConeOptions(**{name: value})


def population(n, options, seed, radius=32.0, far=72.0, noise=True):
    """True (cot theta, curvature) of hits at ``radius`` whose tracks follow the priors, their next hits, and Hits."""
    rng = np.random.default_rng(seed)
    curvature = rng.normal(0, toys.UNIT / options.curvature_pt, n)
    phi = rng.uniform(-np.pi, np.pi, n)
    d0 = rng.normal(0, options.sigma_d0, n)
    z = rng.uniform(-200, 200, n)
    cot_theta = (z - rng.normal(0, options.sigma_z0, n)) / radius
    tangent = phi + curvature * radius / 2 + d0 / radius
    point = np.column_stack([radius * np.cos(phi), radius * np.sin(phi), z])
    following = np.empty((n, 3))
    directions = np.column_stack([np.cos(tangent), np.sin(tangent), cot_theta])
    for i in range(n):
        # Along the helix from the hit until the next radius, by fine steps.
        arc = np.linspace(0, 3 * (far - radius), 4000)
        along, _ = toys.helix(point[i], tangent[i], curvature[i], cot_theta[i], arc)
        r = np.hypot(along[:, 0], along[:, 1])
        k = max(int(np.argmax(r > far)), 1)
        part = (far - r[k - 1]) / (r[k] - r[k - 1])
        following[i] = along[k - 1] + part * (along[k] - along[k - 1])
    tilt = rng.uniform(-0.25, 0.25, n)
    z_axis = np.column_stack([np.cos(phi + tilt), np.sin(phi + tilt), np.zeros(n)])
    x_axis = np.tile([0.0, 0.0, 1.0], (n, 1))
    axes = np.stack([x_axis, np.cross(z_axis, x_axis), z_axis], axis=1)
    local = np.einsum("nij,nj->ni", axes, directions)
    cot = local[:, :2] / local[:, 2:]
    cholesky = np.zeros((n, 4, 4))
    cholesky[:, range(4), range(4)] = np.array([0.005, 0.002, 0.2, 0.05]) * rng.uniform(0.5, 2, (n, 1))
    cholesky[:, 3, 2] = 0.5 * cholesky[:, 3, 3]
    if noise:
        cot = cot + np.einsum("nij,nj->ni", cholesky[:, 2:, 2:], rng.normal(size=(n, 2)))
    covariance = cholesky @ np.swapaxes(cholesky, 1, 2)
    zeros = np.zeros(n, dtype=np.int32)
    hits = toys.Hits(
        np.arange(n), zeros, zeros, point, toys.Estimate(np.column_stack([np.zeros((n, 2)), cot]), cholesky), cot,
        np.stack([covariance[:, 2, 2], covariance[:, 2, 3], covariance[:, 3, 3]], axis=1), axes.reshape(n, 9).copy(),
    )  # fmt: skip
    return cot_theta, curvature, following, hits


# Stiffer than the default prior, so that the filter's linearisation is no part of the question.
MATCHED = ConeOptions(sigma_z0=50.0, sigma_d0=0.05, curvature_pt=1.0)


def mahalanobis(delta, covariance):
    cc, ck, kk = covariance.T
    return (delta[:, 0] ** 2 * kk - 2 * delta[:, 0] * delta[:, 1] * ck + delta[:, 1] ** 2 * cc) / (cc * kk - ck**2)


def test_pulls_of_the_cone_are_unit_gaussians_when_the_priors_match():
    cot_theta, curvature, _, hits = population(4000, MATCHED, 5)
    cones = make_cones(hits, toys.FIELD, MATCHED)
    for value, mean, variance in (
        (cot_theta, cones.cot_theta, cones.covariance[:, 0]), (curvature, cones.curvature, cones.covariance[:, 2]),
    ):  # fmt: skip
        pull = (value - mean) / np.sqrt(variance)
        assert abs(pull.mean()) < 5 / np.sqrt(len(pull))
        assert pull.std() == pytest.approx(1, abs=0.06)
    distance = mahalanobis(np.column_stack([cot_theta - cones.cot_theta, curvature - cones.curvature]), cones.covariance)
    for quantile in (0.5, 0.9, 0.99):
        inside = np.mean(distance < dataclasses.replace(MATCHED, quantile=quantile).gate() ** 2)
        assert inside == pytest.approx(quantile, abs=4 * np.sqrt(quantile * (1 - quantile) / 4000) + 0.004)


def test_the_next_crossing_lies_in_the_cone_for_the_asked_share():
    _, _, following, hits = population(3000, MATCHED, 6)
    cones = make_cones(hits, toys.FIELD, MATCHED)
    r, far = 32.0, 72.0

    def crossing(c, k):
        """Predicted z and azimuth on the next layer of tracks from the beam line."""
        s = [2 * np.arcsin(np.clip(k * x / 2, -1, 1)) / np.where(np.abs(k) < 1e-12, 1e-12, k) for x in (r, far)]
        turn = np.arcsin(np.clip(k * far / 2, -1, 1)) - np.arcsin(np.clip(k * r / 2, -1, 1))
        return np.stack([hits.position[:, 2] + c * (s[1] - s[0]), np.arctan2(*hits.position[:, 1::-1].T) + turn], axis=1)

    c, k = cones.cot_theta, cones.curvature
    true = np.stack([following[:, 2], np.arctan2(following[:, 1], following[:, 0])], axis=1)
    delta = true - crossing(c, k)
    delta[:, 1] = np.angle(np.exp(1j * delta[:, 1]))
    jacobian = np.stack(
        [(crossing(c + 1e-5, k) - crossing(c - 1e-5, k)) / 2e-5, (crossing(c, k + 1e-7) - crossing(c, k - 1e-7)) / 2e-7], axis=2
    )
    state = np.stack([cones.covariance[:, [0, 1]], cones.covariance[:, [1, 2]]], axis=1)
    covariance = jacobian @ state @ np.swapaxes(jacobian, 1, 2)
    # The track's own impact parameter moves the crossing sideways by d0 (1 / r - 1 / R).
    covariance[:, 1, 1] += (MATCHED.sigma_d0 * (1 / r - 1 / far)) ** 2
    distance = np.einsum("ni,nij,nj->n", delta, np.linalg.inv(covariance), delta)
    for quantile in (0.5, 0.9, 0.99):
        inside = np.mean(distance < stats.chi2.ppf(quantile, 2))
        assert inside == pytest.approx(quantile, abs=4 * np.sqrt(quantile * (1 - quantile) / 3000) + 0.005)


def test_overconfident_estimates_lose_what_sigma_scale_wins_back():
    cot_theta, curvature, _, hits = population(2000, MATCHED, 7)
    lying = dataclasses.replace(hits, cot_covariance=hits.cot_covariance / 9)

    def held(options, of):
        cones = make_cones(of, toys.FIELD, options)
        delta = np.column_stack([cot_theta - cones.cot_theta, curvature - cones.curvature])
        return np.mean(mahalanobis(delta, cones.covariance) < options.gate() ** 2)

    options = dataclasses.replace(MATCHED, quantile=0.95)
    assert held(options, hits) == pytest.approx(0.95, abs=0.025)
    assert held(options, lying) < 0.8
    assert held(dataclasses.replace(options, sigma_scale=3.0), lying) == held(options, hits)


def test_the_fields_sign_does_not_matter():
    _, _, _, hits = population(50, MATCHED, 8)
    up, down = make_cones(hits, 3.8, MATCHED), make_cones(hits, -3.8, MATCHED)
    np.testing.assert_array_equal(up.cot_theta, down.cot_theta)
    np.testing.assert_array_equal(up.covariance, down.covariance)


def test_better_estimates_make_narrower_cones():
    _, _, _, hits = population(50, MATCHED, 9)
    wide = make_cones(hits, toys.FIELD, MATCHED)
    narrow = make_cones(dataclasses.replace(hits, cot_covariance=hits.cot_covariance / 4), toys.FIELD, MATCHED)
    assert np.all(narrow.covariance[:, [0, 2]] < wide.covariance[:, [0, 2]])
    assert np.all(wide.covariance[:, 0] < (50 / 32) ** 2)
    assert np.all(wide.covariance[:, 2] < toys.UNIT**2)


def test_no_field_leaves_straight_tracks_and_finite_cones():
    _, _, _, hits = population(50, MATCHED, 10)
    cones = make_cones(hits, 0.0, MATCHED)
    assert np.all(np.isfinite(cones.covariance))
    assert np.all(np.abs(cones.curvature) < 1e-5)


def test_no_hits_give_no_cones():
    cones = make_cones(toys.toy_hits(toys.empty_event()), toys.FIELD, MATCHED)
    assert cones.cot_theta.shape == (0,)
    assert cones.covariance.shape == (0, 3)
