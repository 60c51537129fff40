"""Calibration of estimates whose distortion is known, judged on clusters it was not fitted to."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.estimate import calibrate
from smartpix.estimate.calibrate import cluster_shapes, fit_length
from smartpix.estimate.finish import Finishing
from smartpix.schema import InputError

SCALE = np.array([0.075, 0.01875, 8.0, 0.5])
CELLS = (2.0, 8.0)


def estimates(n, seed, factor=None, bias=None, tails=0):
    """Means, factors, truth and shapes of n clusters.

    Args:
        factor: from the values along the axes (cot alpha, cot beta, relative sigma, excess of charge,
            columns, rows) to (N,): true over claimed width.
        bias: likewise, truth minus mean in units of the claimed sigma.
        tails: degrees of freedom of Student's t instead of the normal distribution.
    """
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 0.2, (n, 4)) * SCALE
    mean[:, 2], mean[:, 3] = rng.uniform(-8, 8, n), rng.normal(0, 0.3, n)
    base = np.linalg.cholesky(0.6 * np.eye(4) + 0.4)
    size = np.exp(rng.normal(0, 0.4, n))
    cholesky = 0.1 * size[:, None, None] * SCALE[:, None] * base
    sigma = np.linalg.norm(cholesky, axis=2)
    excess = rng.normal(0, 0.25, n)
    columns = np.rint(np.abs(mean[:, 2]) * CELLS[0] + rng.uniform(0.5, 2.5, n))
    rows = np.rint(np.abs(mean[:, 3]) * CELLS[1] + rng.uniform(0.5, 3.5, n))
    charge = 8000 * np.exp(excess) * np.sqrt(1 + mean[:, 2] ** 2 + mean[:, 3] ** 2)
    noise = rng.normal(0, 1, (n, 4)) if not tails else rng.standard_t(tails, (n, 4))
    known = (
        mean[:, 2],
        mean[:, 3],
        size,
        excess,
        columns - np.abs(mean[:, 2]) * CELLS[0],
        rows - np.abs(mean[:, 3]) * CELLS[1],
    )
    wider, offset = (
        np.broadcast_to(f(*known), n)[:, None] if f else default for f, default in ((factor, 1), (bias, 0))
    )
    pull = noise @ base.T * wider + offset
    return mean, cholesky, mean + pull * sigma, np.stack([charge, columns, rows], axis=1)


def fitted(mean, cholesky, targets, shape):
    return calibrate.fit_calibration(mean, cholesky, targets, shape, CELLS)


def applied(tables, mean, cholesky, shape):
    return calibrate.apply_calibration(mean, cholesky, tables, shape, CELLS)


def pulls(mean, cholesky, targets):
    return (targets - mean) / np.linalg.norm(cholesky, axis=2)


def widths(pull):
    """Standard deviation and central 68.27 % half width about the median."""
    return np.std(pull, axis=0), np.percentile(np.abs(pull - np.median(pull, axis=0)), 68.27, axis=0)


def in_bins(values, n_bins=5):
    return np.array_split(np.argsort(values), n_bins)


DISTORTIONS = {
    "one factor": {"factor": lambda a, b, s, q, c, r: 1.7},
    "factor by |cot alpha|": {"factor": lambda a, b, s, q, c, r: 0.7 + 0.1 * np.abs(a)},
    "factor by sigma": {"factor": lambda a, b, s, q, c, r: s**0.5},
    "factor by charge": {"factor": lambda a, b, s, q, c, r: np.exp(q)},
    "factor by columns": {"factor": lambda a, b, s, q, c, r: 0.7 + 0.4 * c},
    "bias by cot beta": {"bias": lambda a, b, s, q, c, r: 1.5 * b},
    "bias by rows": {"bias": lambda a, b, s, q, c, r: 0.5 * (r - 2)},
    "several": {
        "factor": lambda a, b, s, q, c, r: (1 + 0.04 * a) * s**0.3 * np.exp(0.5 * q),
        "bias": lambda a, b, s, q, c, r: 0.8 * b - 0.2,
    },
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_pulls_of_other_clusters_become_unit_wide_and_centred_in_every_region(name):
    tables = fitted(*estimates(16_000, 1, **DISTORTIONS[name]))
    mean, cholesky, targets, shape = estimates(20_000, 2, **DISTORTIONS[name])
    before = pulls(mean, cholesky, targets)
    after = pulls(*applied(tables, mean, cholesky, shape), targets)
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=0.025)
    for values in widths(after):
        np.testing.assert_allclose(values, 1, atol=0.025)
    excess = shape[:, 0] / np.sqrt(1 + mean[:, 2] ** 2 + mean[:, 3] ** 2)
    worst = 0.0
    extra = shape[:, 1:] - np.abs(mean[:, 2:]) * CELLS
    for axis in (mean[:, 2], mean[:, 3], cholesky[:, 0, 0], excess, extra[:, 0], extra[:, 1]):
        for group in in_bins(axis):
            np.testing.assert_allclose(after[group].mean(axis=0), 0, atol=0.1)
            for values in widths(after[group]):
                np.testing.assert_allclose(values, 1, atol=0.1)
            worst = max(
                worst, np.abs(before[group].mean(axis=0)).max(), np.abs(before[group].std(axis=0) - 1).max()
            )
    # In some region the estimates were wrong before, so that the above says something.
    assert worst > 0.2


def test_clusters_of_few_columns_have_a_width_of_their_own():
    """Slopes of theirs are in steps, which no smooth axis knows."""

    def wider(a, b, s, q, c, r):
        return np.where(np.rint(c + CELLS[0] * np.abs(a)) == 2, 1.6, 1.0)

    tables = fitted(*estimates(30_000, 1, factor=wider))
    mean, cholesky, targets, shape = estimates(60_000, 2, factor=wider)
    after = pulls(*applied(tables, mean, cholesky, shape), targets)
    for columns in (2, 3, 4):
        np.testing.assert_allclose(widths(after[shape[:, 1] == columns]), 1, atol=0.06)


def test_a_rare_number_of_columns_has_no_bin_of_its_own():
    """One cluster's pull has no width, and its logarithm would grow with each round."""
    mean, cholesky, targets, shape = estimates(4000, 1)
    shape[:3, 1] = (40, 50, 60)
    tables = fitted(mean, cholesky, targets, shape)
    for own in tables:
        assert np.abs(own[6]["log_scale"]).max() < 1


def test_with_long_tails_the_standard_deviation_within_six_half_widths_is_one():
    tables = fitted(*estimates(20_000, 1, tails=5))
    mean, cholesky, targets, shape = estimates(40_000, 2, tails=5)
    after = pulls(*applied(tables, mean, cholesky, shape), targets)
    deviation, core = widths(after)
    assert np.all((core > 0.84) & (core < 1))
    assert np.all((deviation > 1) & (deviation < 1.25))
    reach = 6 * core
    middle = np.median(after, axis=0)
    near = np.clip(after, middle - reach, middle + reach)
    np.testing.assert_allclose(near.std(axis=0), 1, atol=0.03)


def test_wild_clusters_do_not_set_the_width_of_all():
    mean, cholesky, targets, shape = estimates(20_000, 1)
    targets[::1000] += 1e4 * SCALE
    after = pulls(*applied(fitted(mean, cholesky, targets, shape), mean, cholesky, shape), targets)
    np.testing.assert_allclose(widths(after)[1], 1, atol=0.05)


def test_what_is_calibrated_stays_as_it_is():
    tables = fitted(*estimates(20_000, 1))
    mean, cholesky, _, shape = estimates(5000, 2)
    new_mean, new_cholesky = applied(tables, mean, cholesky, shape)
    sigma = np.linalg.norm(cholesky, axis=2)
    shift, ratio = (new_mean - mean) / sigma, np.linalg.norm(new_cholesky, axis=2) / sigma
    # Each of seven axes adds 0.02 on the mean in the bins of 2000 clusters, and 0.1 in the outermost ones, of
    # 100.
    assert np.sqrt((shift**2).mean()) < 0.08
    assert np.abs(shift).max() < 0.5
    assert np.sqrt(((ratio - 1) ** 2).mean()) < 0.08
    assert np.abs(ratio - 1).max() < 0.5


@pytest.fixture(scope="module")
def tables():
    return fitted(*estimates(8000, 1, **DISTORTIONS["several"]))


def test_correlations_stay_as_they_are(tables):
    mean, cholesky, _, shape = estimates(500, 2)
    # Every cluster with a factor of its own.
    cholesky = cholesky + np.tril(np.random.default_rng(3).normal(0, 0.02, (500, 4, 4)) * SCALE[:, None], -1)
    _, calibrated = applied(tables, mean, cholesky, shape)
    assert np.all(np.triu(calibrated, 1) == 0)
    assert np.all(np.diagonal(calibrated, axis1=1, axis2=2) > 0)
    one, two = (c @ np.swapaxes(c, 1, 2) for c in (cholesky, calibrated))
    for k in range(500):
        wanted, found = (v[k] / np.sqrt(np.outer(np.diag(v[k]), np.diag(v[k]))) for v in (one, two))
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_applying_is_the_sum_of_the_interpolated_tables(tables):
    mean, cholesky, _, shape = estimates(100, 2)
    new_mean, new_cholesky = applied(tables, mean, cholesky, shape)
    assert [[t["axis"] for t in own] for own in tables] == [list(range(7))] * 4
    for k in range(100):
        a, b = mean[k, 2:]
        length = np.sqrt(1 + a**2 + b**2)
        for target in range(4):
            sigma = np.sqrt(np.sum(cholesky[k, target] ** 2))
            axes = (
                a,
                b,
                np.log(sigma),
                np.log(shape[k, 0] / length),
                shape[k, 1] - abs(a) * 2,
                shape[k, 2] - abs(b) * 8,
                shape[k, 1],
            )
            # The sums over the tables are in single precision.
            shift = sum(np.interp(axes[t["axis"]], t["at"], t["shift"]) for t in tables[target])
            factor = np.exp(sum(np.interp(axes[t["axis"]], t["at"], t["log_scale"]) for t in tables[target]))
            assert new_mean[k, target] == pytest.approx(mean[k, target] + shift * sigma, abs=2e-6 * sigma)
            np.testing.assert_allclose(new_cholesky[k, target], cholesky[k, target] * factor, rtol=2e-6)


def test_applying_leaves_its_input_alone_and_does_not_mix_clusters(tables):
    mean, cholesky, _, shape = estimates(50, 2)
    before = mean.copy(), cholesky.copy()
    whole = applied(tables, mean, cholesky, shape)
    np.testing.assert_array_equal(mean, before[0])
    np.testing.assert_array_equal(cholesky, before[1])
    for k in range(50):
        alone = applied(tables, mean[k : k + 1], cholesky[k : k + 1], shape[k : k + 1])
        np.testing.assert_allclose(alone[0][0], whole[0][k], rtol=1e-14)
        np.testing.assert_allclose(alone[1][0], whole[1][k], rtol=1e-14)
    none = applied(tables, mean[:0], cholesky[:0], shape[:0])
    assert (none[0].shape, none[1].shape) == ((0, 4), (0, 4, 4))


def test_tables_survive_json(tables):
    read = json.loads(json.dumps(tables))
    mean, cholesky, _, shape = estimates(500, 2)
    for one, two in zip(
        applied(tables, mean, cholesky, shape), applied(read, mean, cholesky, shape), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_tables_have_rising_knots_and_the_same_clusters_give_the_same_ones(tables):
    for own in tables:
        for table in own:
            assert len(table["at"]) == len(table["shift"]) == len(table["log_scale"]) > 3
            assert np.all(np.diff(table["at"]) > 0)
            assert np.all(np.isfinite(table["shift"] + table["log_scale"]))
    assert fitted(*estimates(8000, 1, **DISTORTIONS["several"])) == tables


@pytest.mark.parametrize("n", [30, 150, 500, 1999, 2000])
def test_few_clusters_get_what_they_can_tell(n):
    """One factor of 1.7 is seen even by 30 clusters; finer corrections must not run wild."""
    factors = []
    for seed in range(3 if n == 2000 else 8):
        tables = fitted(*estimates(n, seed, **DISTORTIONS["one factor"]))
        mean, cholesky, targets, shape = estimates(2000, 100 + seed, **DISTORTIONS["one factor"])
        new_mean, new_cholesky = applied(tables, mean, cholesky, shape)
        factors.append(pulls(new_mean, new_cholesky, targets).std())
    assert np.mean(factors) == pytest.approx(1, abs=0.12)
    assert np.max(np.abs(np.log(factors))) < 2 / np.sqrt(n) + 0.15


@pytest.mark.parametrize("n", [10, 15, 40])
def test_a_handful_of_clusters_does_not_make_the_covariance_collapse(n):
    for seed in range(10):
        mean, cholesky, targets, shape = estimates(n, seed)
        _, calibrated = applied(fitted(mean, cholesky, targets, shape), mean, cholesky, shape)
        ratio = np.linalg.norm(calibrated, axis=2) / np.linalg.norm(cholesky, axis=2)
        assert ratio.min() > 0.1
        assert ratio.max() < 10


def test_an_axis_on_which_all_clusters_are_at_the_same_place_is_left_out():
    mean, cholesky, targets, shape = estimates(10_000, 1, factor=lambda a, b, s, q, c, r: s**0.5 * 1.3)
    offset = targets - mean
    mean[:, 2] = 0.7
    shape[:, 1:] = 3
    tables = fitted(mean, cholesky, mean + offset, shape)
    after = pulls(*applied(tables, mean, cholesky, shape), mean + offset)
    for group in in_bins(cholesky[:, 0, 0]):
        np.testing.assert_allclose(after[group].std(axis=0), 1, atol=0.1)


def test_what_is_not_finite_or_not_there_is_an_input_error():
    mean, cholesky, targets, shape = estimates(500, 1)
    with pytest.raises(InputError, match=r"calibration: .*(too few|not finite)"):
        fitted(mean[:0], cholesky[:0], targets[:0], shape[:0])
    for bad in (np.nan, np.inf, -np.inf):
        damaged_mean, damaged_cholesky = mean.copy(), cholesky.copy()
        damaged_mean[17, 1] = damaged_cholesky[17, 1, 1] = bad
        for given_estimates in ((damaged_mean, cholesky), (mean, damaged_cholesky)):
            with pytest.raises(InputError, match="the training diverged"):
                fitted(*given_estimates, targets, shape)


def test_truth_that_is_not_finite_is_an_input_error():
    mean, cholesky, targets, shape = estimates(500, 1)
    targets[17, 1] = np.nan
    with pytest.raises(InputError):
        fitted(mean, cholesky, targets, shape)


PIXEL = st.tuples(st.integers(0, 1343), st.integers(0, 1439), st.floats(-1e3, 1e4, width=32))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(PIXEL, max_size=6), min_size=1, max_size=8))
def test_shapes_are_those_of_a_straight_loop(clusters):
    counts = np.array([len(c) for c in clusters])
    pixels = np.array([p for c in clusters for p in c], dtype=float).reshape(-1, 3)
    found = cluster_shapes(
        np.cumsum(counts) - counts,
        counts,
        pixels[:, 0].astype(np.int16),
        pixels[:, 1].astype(np.int16),
        pixels[:, 2],
    )
    for k, own in enumerate(clusters):
        rows, columns = [p[0] for p in own], [p[1] for p in own]
        charge = sum(max(p[2], 0.0) for p in own)
        size = (max(columns) - min(columns) + 1, max(rows) - min(rows) + 1) if own else (0, 0)
        np.testing.assert_allclose(found[k], [charge, *size], rtol=1e-9)


def test_length_of_long_clusters_is_fitted_and_used():
    rng = np.random.default_rng(8)
    cot = rng.choice([-1, 1], 4000) * rng.uniform(11, 16, 4000)
    # A cluster fires every column its track crosses, from anywhere in the first one.
    columns = np.floor(np.abs(cot) * 2 + rng.uniform(size=4000)).astype(np.int64) + 1
    fit = fit_length(columns[:2000], cot[:2000], 2.0)
    mean, cholesky = np.zeros((2000, 4)), np.tile(np.tril(np.full((4, 4), 0.3)), (2000, 1, 1))
    mean[:, 2] = 5 * np.sign(cot[2000:])
    assert columns[2000:].min() > 21
    long = np.arange(2000) % 2 == 0
    shape = np.column_stack([np.zeros(2000), np.where(long, columns[2000:], 21), np.ones(2000)])
    finishing = Finishing(None, CELLS, length=(21, fit["offset"], fit["sigma"]))
    finishing.into(mean, cholesky, shape=shape)
    pull = (cot[2000:] - mean[:, 2])[long] / np.linalg.norm(cholesky[long, 2], axis=1)
    assert pull.std() == pytest.approx(1, abs=0.05)
    assert abs(pull.mean()) < 0.1
    assert fit["sigma"] < 0.35
    # Nothing else changes, but for the correlation.
    np.testing.assert_array_equal(mean[~long, 2], 5 * np.sign(cot[2000:][~long]))
    np.testing.assert_allclose(
        np.linalg.norm(cholesky, axis=2)[:, [0, 1, 3]], np.sqrt([[0.09, 0.18, 0.36]] * 2000)
    )
    covariance = cholesky @ np.swapaxes(cholesky, 1, 2)
    np.testing.assert_allclose(covariance[long][:, 2, [0, 1, 3]], 0, atol=1e-12)


def test_too_few_long_clusters_say_nothing():
    assert fit_length(np.full(99, 25), np.full(99, 12.0), 2.0) is None
