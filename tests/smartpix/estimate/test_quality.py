"""Residuals, pulls and coverage against straight loops, SciPy and the Gaussian's own numbers."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, multivariate_normal, norm

from smartpix.estimate.quality import (
    BINS,
    BINS_COT_ALPHA,
    CHI2_4,
    PULL_BINS,
    degrees,
    half_width,
    mahalanobis,
    quality,
    size_of_eta,
    weighted_half_width,
)
from smartpix.networks.modules import negative_log_likelihood
from smartpix.schema import TARGET_SCALE, InputError

QUICK = settings(max_examples=30, deadline=None)
NAMES = ("x", "y", "cot_alpha", "cot_beta")


def gaussian(n, seed, width=1.0):
    """Means, factors of every shape, and truth ``width`` times as far off as the factors say."""
    rng = np.random.default_rng(seed)
    scale = np.array(TARGET_SCALE)
    targets = rng.normal(0, [0.03, 0.008, 3.0, 0.25], (n, 4))
    cholesky = np.tril(rng.normal(0, 0.05, (n, 4, 4)), -1)
    cholesky[:, range(4), range(4)] = np.exp(rng.normal(-2.5, 0.3, (n, 4)))
    cholesky *= scale[:, None]
    mean = targets - width * np.einsum("nij,nj->ni", cholesky, rng.normal(0, 1, (n, 4)))
    return mean, cholesky, targets


def all_of(n):
    return np.zeros(n, dtype=bool)


def test_quantiles_are_those_of_chi_square_with_four_degrees_of_freedom():
    one, two = norm.cdf(1) - norm.cdf(-1), norm.cdf(2) - norm.cdf(-2)
    assert CHI2_4["coverage68"] == pytest.approx(chi2.ppf(one, 4), abs=1e-3)
    assert CHI2_4["coverage95"] == pytest.approx(chi2.ppf(two, 4), abs=2e-3)


def test_gaussian_estimates_cover_the_truth_as_often_as_they_say():
    n = 60_000
    result = quality(*gaussian(n, 1), all_of(n))
    for k, share in ((1, "68"), (2, "95")):
        expected = norm.cdf(k) - norm.cdf(-k)
        error = math.sqrt(expected * (1 - expected) / n)
        assert result[f"coverage{share}"] == pytest.approx(expected, abs=4 * error)
        for name in NAMES:
            assert result[f"within_{k}_sigma"][name] == pytest.approx(expected, abs=4.5 * error)
    for name in NAMES:
        assert result["pull_mean"][name] == pytest.approx(0, abs=4.5 / math.sqrt(n))
        assert result["pull_sigma"][name] == pytest.approx(1, abs=4.5 / math.sqrt(2 * n))


def test_wild_pulls_are_counted_and_do_not_set_the_width():
    n = 20_000
    mean, cholesky, targets = gaussian(n, 1)
    targets[::1000] += 1e3
    result = quality(mean, cholesky, targets, all_of(n))
    assert all(v == pytest.approx(0.001, abs=1e-4) for v in result["beyond_5_sigma"].values())
    assert all(v > 20 for v in result["pull_sigma"].values())
    # Twenty at six half widths: 0.018 more than one.
    assert all(v == pytest.approx(1.018, abs=0.015) for v in result["pull_width"].values())


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_covariances_of_the_wrong_size_do_not(width):
    n = 20_000
    result = quality(*gaussian(n, 1, width), all_of(n))
    for k, name in ((1, "coverage68"), (2, "coverage95")):
        limit = chi2.ppf(norm.cdf(k) - norm.cdf(-k), 4)
        assert result[name] == pytest.approx(chi2.cdf(limit / width**2, 4), abs=0.015)
    assert all(v == pytest.approx(width, rel=0.03) for v in result["pull_sigma"].values())


def test_coverage_is_of_the_ellipsoid_and_not_of_its_axes():
    """A residual across strong correlations is far off although each of its pulls is small."""
    cholesky = np.linalg.cholesky(0.01 * np.eye(4) + 0.99)[None].repeat(2, axis=0)
    offset = np.array([[0.5, -0.5, 0.5, -0.5], [0.5, 0.5, 0.5, 0.5]])
    result = quality(np.zeros((2, 4)), cholesky, offset, all_of(2))
    assert set(result["within_1_sigma"].values()) == {1.0}
    assert (result["coverage68"], result["coverage95"]) == (0.5, 0.5)


def test_distance_is_that_of_the_inverted_covariance():
    mean, cholesky, targets = gaussian(50, 2)
    for k, found in enumerate(mahalanobis(mean, cholesky, targets)):
        residual = targets[k] - mean[k]
        assert found == pytest.approx(
            residual @ np.linalg.inv(cholesky[k] @ cholesky[k].T) @ residual, rel=1e-6
        )


def straight(mean, cholesky, targets):
    """Pulls and residuals of each cluster in the reported units, one after the other."""
    pull, residual = [], []
    for m, c, t in zip(mean, cholesky, targets, strict=True):
        covariance = c @ c.T
        pull.append([(t[k] - m[k]) / math.sqrt(covariance[k, k]) for k in range(4)])
        alpha, beta = (
            math.degrees(math.pi / 2 - math.atan(t[k])) - math.degrees(math.pi / 2 - math.atan(m[k]))
            for k in (2, 3)
        )
        residual.append([(t[0] - m[0]) * 1e3, (t[1] - m[1]) * 1e3, t[2] - m[2], t[3] - m[3], alpha, beta])
    return np.array(pull), np.array(residual)


COLUMNS = ("x_um", "y_um", "cot_alpha", "cot_beta", "alpha_deg", "beta_deg")


def test_residuals_and_pulls_are_those_of_a_straight_loop():
    mean, cholesky, targets = gaussian(500, 3, 1.3)
    mean[:, 0] += 0.01
    result = quality(mean, cholesky, targets, all_of(500))
    pull, residual = straight(mean, cholesky, targets)
    for k, name in enumerate(NAMES):
        assert result["pull_mean"][name] == pytest.approx(pull[:, k].mean())
        assert result["pull_sigma"][name] == pytest.approx(pull[:, k].std())
        assert result["within_1_sigma"][name] == np.mean(np.abs(pull[:, k]) < 1)
        assert result["within_2_sigma"][name] == np.mean(np.abs(pull[:, k]) < 2)
        assert result["beyond_5_sigma"][name] == np.mean(np.abs(pull[:, k]) > 5)
    for k, name in enumerate(COLUMNS):
        size = np.sort(np.abs(residual[:, k]))
        assert size[339] <= result["half_width_68"][name] <= size[342]
        assert result["standard_deviation"][name] == pytest.approx(residual[:, k].std())
    assert list(result["half_width_68"]) == list(COLUMNS) == list(result["standard_deviation"])
    central = np.abs(targets[:, 2]) < 2
    for k, name in enumerate(COLUMNS):
        assert result["half_width_68_central"][name] == pytest.approx(
            np.percentile(np.abs(residual[central, k]), 68.27)
        )


def test_likelihood_is_the_loss_of_the_networks_in_scaled_units():
    mean, cholesky, targets = gaussian(200, 4)
    result = quality(mean, cholesky, targets, all_of(200))
    scale = np.array(TARGET_SCALE)
    small = cholesky / scale[:, None]
    raw = np.zeros((200, 14))
    raw[:, 0:8:2] = mean / scale
    # Softplus and its floor, the other way round.
    raw[:, 1:8:2] = np.log(np.expm1(small[:, range(4), range(4)] - 1e-3))
    raw[:, 8:] = small[:, [1, 2, 2, 3, 3, 3], [0, 0, 1, 0, 1, 2]]
    loss = negative_log_likelihood(torch.from_numpy(raw), torch.from_numpy(targets / scale)).numpy()
    assert result["nll"] == pytest.approx(loss.mean(), rel=1e-9)
    by_hand = [
        -multivariate_normal.logpdf(targets[k] / scale, mean[k] / scale, small[k] @ small[k].T)
        for k in range(200)
    ]
    assert result["nll"] == pytest.approx(np.mean(by_hand), rel=1e-6)


@QUICK
@given(st.floats(-1e6, 1e6))
def test_angles_go_from_0_to_180_degrees_and_have_the_given_cotangent(cot):
    angle = float(degrees(cot))
    assert 0 < angle < 180
    assert math.cos(math.radians(angle)) / math.sin(math.radians(angle)) == pytest.approx(
        cot, rel=1e-6, abs=1e-6
    )


def test_angles_of_known_cotangents():
    np.testing.assert_allclose(
        degrees([0.0, 1.0, -1.0, 1 / math.sqrt(3), -math.sqrt(3)]), [90, 45, 135, 60, 150]
    )


@QUICK
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_half_width_holds_its_share_of_the_values(values):
    size = np.abs(values)
    width = half_width(values)
    assert np.mean(size <= width) >= 0.6827 - 1 / len(values)
    assert np.mean(size < width) <= 0.6827 + 1 / len(values)
    assert width == half_width([-v for v in values])


def test_half_width_of_known_values():
    assert half_width(np.arange(-1000, 1001) / 1000) == pytest.approx(0.6827, abs=1e-3)
    assert half_width(np.random.default_rng(1).normal(0, 3, 100_000)) == pytest.approx(3, rel=0.01)
    assert np.isnan(half_width([]))


@QUICK
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 5)), min_size=1, max_size=40))
def test_weighted_half_width_is_that_of_repeated_values(pairs):
    values, weights = [v for v, _ in pairs], [w for _, w in pairs]
    repeated = np.sort(np.abs(np.repeat(values, weights)))
    found = weighted_half_width(values, weights)
    assert found in repeated
    assert np.mean(repeated <= found) >= 0.6827 - 1e-9
    assert np.mean(repeated < found) < 0.6827 + 1e-9


@pytest.mark.parametrize("n", [5, 7, 503])
def test_bins_are_equally_filled_and_complete(n):
    mean, cholesky, targets = gaussian(n, 5)
    result = quality(mean, cholesky, targets, all_of(n))
    for name, column in (("cot_alpha", 2), ("cot_beta", 3)):
        for what, values in (("truth", targets[:, column]), ("estimate", mean[:, column])):
            bins = result[f"by_{name}"][what]
            assert len(bins) == BINS
            counts = [b["n"] for b in bins]
            assert sum(counts) == n
            assert max(counts) - min(counts) <= 1
            assert bins[0]["low"] == values.min()
            assert bins[-1]["high"] == values.max()
            for one, next_one in zip(bins, bins[1:], strict=False):
                assert one["high"] <= next_one["low"]
            pull, _ = straight(mean, cholesky, targets)
            for b in bins:
                inside = (values >= b["low"]) & (values <= b["high"])
                assert inside.sum() == b["n"]
                found = [b["pull_sigma"][k] for k in NAMES] + [b["pull_mean"][k] for k in NAMES]
                np.testing.assert_allclose(
                    found, [*pull[inside].std(axis=0), *pull[inside].mean(axis=0)], atol=1e-9
                )


def test_bins_of_the_size_of_cot_alpha_hold_the_clusters_between_their_edges():
    mean, cholesky, targets = gaussian(2000, 6)
    result = quality(mean, cholesky, targets, all_of(2000))
    size = np.abs(targets[:, 2])
    _, residual = straight(mean, cholesky, targets)
    assert [(b["low"], b["high"]) for b in result["by_abs_cot_alpha"]] == list(
        zip(BINS_COT_ALPHA, BINS_COT_ALPHA[1:], strict=False)
    )
    for b in result["by_abs_cot_alpha"]:
        inside = (size >= b["low"]) & (size < b["high"])
        assert b["n"] == inside.sum()
        for k, name in enumerate(COLUMNS):
            assert b["half_width_68"][name] == pytest.approx(
                np.percentile(np.abs(residual[inside, k]), 68.27)
            )
            assert b["standard_deviation"][name] == pytest.approx(residual[inside, k].std())


def test_truncated_clusters_only_count_as_a_share():
    mean, cholesky, targets = gaussian(400, 7)
    truncated = np.random.default_rng(1).random(400) < 0.25
    spoilt = mean.copy()
    spoilt[truncated] = 1e9
    result = quality(spoilt, cholesky, targets, truncated)
    alone = quality(
        mean[~truncated], cholesky[~truncated], targets[~truncated], all_of(int((~truncated).sum()))
    )
    assert result.pop("truncated") == truncated.mean()
    assert alone.pop("truncated") == 0
    assert result == alone
    assert result["n"] == (~truncated).sum()


def test_report_is_json():
    n = 300
    result = quality(*gaussian(n, 8), all_of(n))
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("n", [0, 4])
def test_clusters_that_are_all_truncated_are_refused(n):
    mean, cholesky, targets = gaussian(n, 9)
    with pytest.raises(InputError, match="quality: no cluster is complete"):
        quality(mean, cholesky, targets, np.ones(n, dtype=bool))


@pytest.mark.parametrize("region", ["barrel", "endcap"])
def test_eta_is_that_of_the_direction_in_space(region):
    """Of modules turned about the beam, and of disks turned about their normals."""
    rng = np.random.default_rng(11)
    cot = rng.normal(0, 1, (200, 2))
    for slopes, eta in zip(cot, size_of_eta(cot, region), strict=True):
        turn = rng.uniform(0, 2 * math.pi)
        normal = (
            np.array([math.cos(turn), math.sin(turn), 0]) if region == "barrel" else np.array([0, 0, 1.0])
        )
        x = np.array([0, 0, 1.0]) if region == "barrel" else np.array([math.cos(turn), math.sin(turn), 0])
        direction = slopes[0] * x + slopes[1] * np.cross(normal, x) + normal
        theta = math.acos(direction[2] / np.linalg.norm(direction))
        assert eta == pytest.approx(abs(math.log(math.tan(theta / 2))), rel=1e-9, abs=1e-12)


def test_pulls_in_bins_find_where_widths_are_wrong():
    """A toy: cot alpha is 1.3 times as far off as it says in clusters of three columns, right everywhere else."""
    n = 60_000
    mean, cholesky, targets = gaussian(n, 9)
    rng = np.random.default_rng(10)
    sizes = rng.integers(1, 6, (n, 2)).astype(np.float64)
    three = sizes[:, 0] == 3
    mean[three, 2] = targets[three, 2] - 1.3 * (targets - mean)[three, 2]
    truncated = rng.random(n) < 0.2
    found = quality(mean, cholesky, targets, truncated, "barrel", sizes)["pulls_by"]
    assert set(found) == set(PULL_BINS)
    for b in found["columns"]:
        inside = ~truncated & (sizes[:, 0] >= b["low"]) & (sizes[:, 0] < b["high"])
        assert b["n"] == inside.sum()
        width = 1.3 if b["low"] == 3 else 1.0
        assert b["pull_sigma"]["cot_alpha"] == pytest.approx(width, abs=0.03)
        assert b["pull_sigma"]["cot_beta"] == pytest.approx(1, abs=0.03)
    values = {
        "abs_cot_alpha": np.abs(mean[:, 2]), "cot_beta": mean[:, 3],
        "abs_eta": size_of_eta(targets[:, 2:], "barrel"), "rows": sizes[:, 1],
    }  # fmt: skip
    for name, value in values.items():
        for b in found[name]:
            inside = ~truncated & (value >= b["low"]) & (value < b["high"])
            assert b["n"] == inside.sum() >= 10
    assert set(quality(mean, cholesky, targets, truncated)["pulls_by"]) == {"abs_cot_alpha", "cot_beta"}
