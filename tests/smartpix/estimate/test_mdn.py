"""The interface of the estimates, the networks' estimates cluster by cluster, and which estimator serves
which sensor.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.clusters import FlatClusters, flatten
from smartpix.estimate import mdn as module
from smartpix.estimate.base import estimate, window_center
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.io.events import iterate
from smartpix.schema import TARGET_SCALE
from tests.smartpix.estimate.flat_clusters import SAMPLE, flat_clusters, two_regions
from tests.smartpix.estimate.mdn_estimates import KINDS, SLICES, constant

SCALE = np.array(TARGET_SCALE)


def predicted(network, clusters, origin):
    mean, cholesky = np.empty((len(clusters), 4)), np.empty((len(clusters), 4, 4))
    network.predict_into(mean, cholesky, clusters, origin, np.arange(len(clusters)))
    return mean, cholesky


def one_pixel_clusters(module, row, column):
    n = len(module)
    return FlatClusters(
        np.array(module, dtype=np.int32), np.zeros(n, dtype=bool), np.zeros((n, 2)), np.arange(n), np.ones(n,
        dtype=int),
        np.array(row, dtype=np.int16), np.array(column, dtype=np.int16), np.full((n, 2), 900,
        dtype=np.float32),
    )  # fmt: skip


def plain_calibration(shift, factor):
    """Tables that move every cluster by ``shift`` (4,) sigmas and widen it by ``factor`` (4,)."""
    return [
        [{"axis": 0, "at": [0.0], "shift": [s], "log_scale": [float(np.log(f))]}]
        for s, f in zip(shift, factor, strict=True)
    ]


def one_factor(value):
    """Cholesky factor of outputs that are all ``value``."""
    return SCALE[:, None] * (
        np.tril(np.full((4, 4), value), -1) + np.eye(4) * (np.log1p(np.exp(value)) + 1e-3)
    )


@pytest.fixture(scope="session")
def estimator(mdn_weights):
    """Quickly trained networks that see differently in the two regions, with the sample's slices."""
    networks = {
        region: MdnNetwork.load(str(mdn_weights[kind]))
        for region, kind in (("barrel", "columns"), ("endcap", "mlp"))
    }
    return MdnEstimator(
        {
            region: dataclasses.replace(network, description={**network.description, "slices": list(SLICES)})
            for region, network in networks.items()
        }
    )


def test_mdn_scales_calibrates_and_places_its_outputs_region_by_region():
    networks = {
        "barrel": constant(
            0.5,
            calibration=plain_calibration([0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]),
            truncated_scale=[5.0, 6.0, 7.0, 8.0],
        ),
        "endcap": constant(-0.25, truncated_scale=[2.0] * 4),
    }
    clusters = one_pixel_clusters([1, 0, 1, 0], [10, 20, 672, 1343], [30, 0, 720, 1439])
    clusters = dataclasses.replace(clusters, truncated=np.array([False, False, True, True]))
    result = MdnEstimator(networks).predict(clusters, two_regions())
    for k, (region, row, column) in enumerate(
        zip([1, 0, 1, 0], [10, 20, 672, 1343], [30, 0, 720, 1439], strict=True)
    ):
        value = (0.5, -0.25)[region]
        factor = one_factor(value)
        shift = np.array([[0.1, 0.2, 0.3, 0.4], [0.0] * 4])[region] * np.linalg.norm(factor, axis=1)
        wider = ([1, 2, 3, 4], [1, 1, 1, 1], [5, 12, 21, 32], [2, 2, 2, 2])[region + 2 * (k >= 2)]
        center = [(column + 0.5) * 0.05 - 36, (row + 0.5) * 0.0125 - 8.4, 0, 0]
        np.testing.assert_allclose(result.mean[k], value * SCALE + center + shift, atol=1e-6)
        np.testing.assert_allclose(result.cholesky[k], np.array(wider)[:, None] * factor, rtol=1e-6)
    np.testing.assert_array_equal(result.flagged, [False, False, True, True])


def test_outputs_go_to_their_places():
    """x, M11, y, M22, cot alpha, M33, cot beta, M44, M21, M31, M32, M41, M42, M43."""
    raw = np.random.default_rng(1).normal(0, 1, 14).astype(np.float32)
    mean, cholesky = constant(raw).predict_images(np.zeros((3, 2, 13, 21), dtype=np.float32))
    for k in range(3):
        np.testing.assert_allclose(mean[k], raw[[0, 2, 4, 6]] * SCALE, rtol=1e-5)
        wanted = np.diag(np.logaddexp(0, raw[[1, 3, 5, 7]].astype(float)) + 1e-3)
        for (i, j), column in {(1, 0): 8, (2, 0): 9, (2, 1): 10, (3, 0): 11, (3, 1): 12, (3, 2): 13}.items():
            wanted[i, j] = raw[column]
        np.testing.assert_allclose(cholesky[k], wanted * SCALE[:, None], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_images_and_lists_of_pixels_give_the_same_estimates(mdn_weights, clusters, kind):
    images, _, origin, flat = clusters
    network = MdnNetwork.load(str(mdn_weights[kind]))
    assert "calibration" in network.description
    flag = np.random.default_rng(1).random(60) < 0.3
    one = network.predict_images(images, flag)
    two = predicted(network, dataclasses.replace(flat, truncated=flag), origin)
    np.testing.assert_allclose(one[0] / SCALE, two[0] / SCALE, atol=1e-4)
    np.testing.assert_allclose(one[1] / SCALE[:, None], two[1] / SCALE[:, None], atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_shapes_of_images_are_those_of_a_straight_loop(seed):
    rng = np.random.default_rng(seed)
    images = (
        rng.normal(0, 1000, (4, 2, 13, 21)) * (rng.random((4, 2, 13, 21)) < rng.choice([0, 0.01, 0.3]))
    ).astype(np.float32)
    for image, found in zip(images, module.shapes_of_images(images), strict=True):
        fired = np.argwhere(image.any(axis=0))
        size = (np.ptp(fired[:, 1]) + 1, np.ptp(fired[:, 0]) + 1) if len(fired) else (0, 0)
        np.testing.assert_allclose(
            found, [sum(max(q, 0.0) for q in image[1].ravel().tolist()), *size], rtol=1e-6
        )


def test_no_clusters_give_an_empty_estimate(estimator):
    result = estimator.predict(one_pixel_clusters([], [], []), two_regions())
    assert (result.mean.shape, result.cholesky.shape, result.flagged.shape) == ((0, 4), (0, 4, 4), (0,))


def test_clusters_of_one_region_alone_are_served(estimator):
    for region in (0, 1):
        assert np.all(estimator.predict(one_pixel_clusters([region], [10], [10]), two_regions()).sigma() > 0)


def test_estimates_do_not_depend_on_the_company_or_the_order(estimator, clusters):
    *_, flat = clusters
    together = estimator.predict(flat, two_regions())
    order = np.random.default_rng(2).permutation(60)
    shuffled = estimator.predict(flat.take(order), two_regions())
    np.testing.assert_allclose(shuffled.mean, together.mean[order], atol=1e-6)
    np.testing.assert_allclose(shuffled.cholesky, together.cholesky[order], rtol=1e-4, atol=1e-7)
    alone = estimator.predict(flat.take(np.array([17])), two_regions())
    np.testing.assert_allclose(alone.mean[0], together.mean[17], atol=1e-6)


def test_each_region_has_its_own_network(estimator, clusters):
    images, module, origin, flat = clusters
    result = estimator.predict(flat, two_regions())
    for k, region in enumerate(("barrel", "endcap")):
        mean, cholesky = estimator.networks[region].predict_images(images[module == k])
        center = window_center(
            origin[module == k].astype(float), np.full(int((module == k).sum()), k), two_regions()
        )
        np.testing.assert_allclose(result.mean[module == k, :2], mean[:, :2] + center, atol=1e-5)
        np.testing.assert_allclose(result.mean[module == k, 2:], mean[:, 2:], atol=1e-3)
        np.testing.assert_allclose(
            result.cholesky[module == k] / SCALE[:, None], cholesky / SCALE[:, None], atol=1e-4
        )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 1329), st.integers(1, 1417), st.integers(0, 1))
def test_cluster_that_moves_by_whole_pixels_takes_its_estimate_along(estimator, samples, row, column, module):
    image = samples.images[np.flatnonzero(~samples.truncated & samples.images.any(axis=(1, 2, 3)))[:1]]
    here, there = (
        estimator.predict(flat_clusters(image, [module], np.array([place])), two_regions())
        for place in ((100, 200), (row, column))
    )
    np.testing.assert_allclose(
        (there.mean - here.mean)[0], [(column - 200) * 0.05, (row - 100) * 0.0125, 0, 0], atol=1e-9
    )
    np.testing.assert_array_equal(there.cholesky, here.cholesky)


def test_truncated_clusters_are_flagged_and_their_covariance_is_larger(estimator, clusters):
    *_, flat = clusters
    complete = estimator.predict(flat, two_regions())
    flag = np.random.default_rng(3).random(60) < 0.5
    result = estimator.predict(dataclasses.replace(flat, truncated=flag), two_regions())
    np.testing.assert_array_equal(result.flagged, flag)
    np.testing.assert_array_equal(result.mean, complete.mean)
    np.testing.assert_array_equal(result.cholesky[~flag], complete.cholesky[~flag])
    for k in np.flatnonzero(flag):
        region = ("endcap", "barrel")[int(two_regions().barrel[flat.module[k]])]
        scale = np.array(estimator.networks[region].description["truncated_scale"])
        assert np.all(scale >= 1)
        assert np.any(scale > 1.05)
        np.testing.assert_allclose(result.sigma()[k], complete.sigma()[k] * scale)
        # Larger as a matrix: no direction in which it is known better.
        assert (
            np.linalg.eigvalsh(
                (result.covariance()[k] - complete.covariance()[k]) / np.outer(SCALE, SCALE)
            ).max()
            > 0
        )


def test_truncated_clusters_are_wider_even_where_no_scale_was_measured():
    network = constant(0.3)
    images = np.zeros((2, 2, 13, 21), dtype=np.float32)
    _, cholesky = network.predict_images(images, np.array([False, True]))
    np.testing.assert_allclose(cholesky[1], module.TRUNCATED_SCALE * cholesky[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("slice_number", [0, 1])
def test_charge_that_is_not_finite_is_flagged_and_wide_and_harms_no_other(
    estimator, clusters, bad, slice_number
):
    images, _, origin, flat = clusters
    before = estimator.predict(flat, two_regions())
    charge = flat.charge.copy()
    worst = [0, 7, 30, 59]
    for k in worst:
        charge[flat.first[k] + flat.counts[k] // 2, slice_number] = bad
    result = estimator.predict(dataclasses.replace(flat, charge=charge), two_regions())
    hit = np.isin(np.arange(60), worst)
    np.testing.assert_array_equal(result.flagged, hit)
    np.testing.assert_array_equal(result.mean[~hit], before.mean[~hit])
    np.testing.assert_array_equal(result.cholesky[~hit], before.cholesky[~hit])
    assert np.all(np.isfinite(result.mean))
    assert np.all(np.isfinite(result.cholesky))
    # As wide as all that occurs: three of the scales, without correlations, around the middle of the window.
    np.testing.assert_allclose(result.covariance()[hit], np.tile(np.diag((3 * SCALE) ** 2), (4, 1, 1)))
    center = window_center(origin.astype(float), flat.module, two_regions())
    np.testing.assert_allclose(result.mean[hit], np.column_stack([center[hit], np.zeros((4, 2))]))
    # Images likewise.
    broken = images.copy()
    for k in worst:
        broken[k, slice_number, 6, 10] = bad
    network = estimator.networks["barrel"]
    mean, cholesky = network.predict_images(broken)
    np.testing.assert_array_equal(mean[~hit], network.predict_images(images)[0][~hit])
    np.testing.assert_array_equal(cholesky[hit], np.tile(np.diag(3 * SCALE), (4, 1, 1)))
    np.testing.assert_array_equal(mean[hit], 0)


def test_clusters_that_are_all_unreadable_or_huge_are_finite(estimator, clusters):
    *_, flat = clusters
    for value in (np.nan, 1e30, -1e30, 3e38):
        result = estimator.predict(
            dataclasses.replace(flat, charge=np.full_like(flat.charge, value)), two_regions()
        )
        assert np.all(np.isfinite(result.mean))
        assert np.all(np.isfinite(result.cholesky))
        assert np.all(result.flagged == np.isnan(value))


def test_prediction_leaves_the_clusters_alone(estimator, clusters):
    *_, flat = clusters
    before = flat.charge.copy(), flat.row.copy()
    estimator.predict(flat, two_regions())
    np.testing.assert_array_equal(flat.charge, before[0])
    np.testing.assert_array_equal(flat.row, before[1])


def test_flat_clusters_of_a_file_have_the_slices_of_the_network(estimator):
    opened, events = next(iterate(SAMPLE, step=1))
    flat = flatten(events["clusters"][0], estimator.slices)
    assert flat.charge.shape[1] == 2
    assert len(flat) == len(events["clusters"][0])
    assert opened.header.slices == SLICES
    assert len(estimate(events["clusters"][0], opened.header, estimator)) == len(flat)


@pytest.mark.parametrize("sign", [-1, 1])
def test_clusters_longer_than_the_window_have_the_cot_alpha_of_their_length(sign):
    """One of 30 columns among ordinary ones, on a network that says 4 for all, with the sign."""
    outputs = np.full(14, 0.5, dtype=np.float32)
    outputs[4] = 0.5 * sign
    network = constant(outputs, length={"offset": 0.8, "sigma": 0.26}, truncated_scale=[3.0] * 4)
    columns = np.concatenate([np.arange(100, 130), np.arange(100, 121)])
    n = np.array([30, 21])
    flat = FlatClusters(
        np.zeros(2, dtype=np.int32), np.array([True, False]), np.zeros((2, 2)), np.cumsum(n) - n, n,
        np.full(51, 300, dtype=np.int16), columns.astype(np.int16), np.full((51, 2), 3000, dtype=np.float32),
    )  # fmt: skip
    mean, cholesky = predicted(network, flat, np.array([[294, 104], [294, 100]]))
    # 100 um of silicon are two pitches of 50 um.
    np.testing.assert_allclose(mean[:, 2], [sign * (30 - 0.8) / 2, sign * 4.0], rtol=1e-6)
    sigma = np.linalg.norm(cholesky, axis=2)
    plain = np.linalg.norm(one_factor(0.5), axis=1)
    expected = 3 * plain
    expected[2] = 0.26
    # The sign of the output changes the mean alone.
    np.testing.assert_allclose(sigma, [expected, plain], rtol=1e-5)
