"""Where windows lie, and how they are read out, beside straight loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io.cluster_set import ClusterSet
from smartpix.samples import from_clusters
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions, adc_levels
from tests.helpers import (
    SENSOR,
)
from tests.smartpix.clusters import cluster_set, some_labels

QUICK = settings(max_examples=40, deadline=None)


def data_set(charge, slices=(0, 19), seed=0):
    """Charges (N, S, R, C) with labels that fit each other."""
    charge = np.asarray(charge, dtype=np.float32)
    return ClusterSet(charge, some_labels(len(charge), seed), slices)


def blocks(n, seed=0, shape=(13, 21), largest=None):
    """Images with charge in a rectangle somewhere of at most ``largest`` rows and columns, all of them
    fired.
    """
    rng = np.random.default_rng(seed)
    charge = np.zeros((n, 2, *shape))
    largest = largest or shape
    for k in range(n):
        height, width = rng.integers(1, largest[0] + 1), rng.integers(1, largest[1] + 1)
        row, column = rng.integers(0, shape[0] - height + 1), rng.integers(0, shape[1] - width + 1)
        charge[k, :, row : row + height, column : column + width] = rng.uniform(
            500, 5000, (2, height, width)
        ).round(1)
    return charge


def straight(charge, targets, sensor):
    """Centred image, target and flag of one cluster, pixel by pixel."""
    n_slices, n_rows, n_columns = charge.shape
    fired = [
        (r, c)
        for r in range(n_rows)
        for c in range(n_columns)
        if any(charge[s, r, c] != 0 for s in range(n_slices))
    ]
    rows, columns = [r for r, _ in fired], [c for _, c in fired]
    # The middle pixel, of an even number the lower of the two.
    down = (n_rows - 1) // 2 - (min(rows) + max(rows)) // 2 if fired else 0
    right = (n_columns - 1) // 2 - (min(columns) + max(columns)) // 2 if fired else 0
    image = np.zeros_like(charge)
    for r, c in fired:
        image[:, r + down, c + right] = charge[:, r, c]
    truncated = any(r in (0, n_rows - 1) or c in (0, n_columns - 1) for r, c in fired)
    return image, targets + np.array([right * sensor["pitch_x"], down * sensor["pitch_y"], 0, 0]), truncated


@pytest.mark.parametrize(("shape", "largest"), [((13, 21), None), ((5, 7), None), ((16, 16), (15, 15))])
def test_clusters_are_centred_as_in_a_straight_loop(shape, largest):
    clusters = data_set(np.concatenate([blocks(60, 1, shape, largest), np.zeros((1, 2, *shape))]))
    before = clusters.charge.copy()
    found = from_clusters(clusters, None, SENSOR, {"a": 1})
    for k in range(len(clusters)):
        image, target, truncated = straight(clusters.charge[k], clusters.targets()[k], SENSOR)
        np.testing.assert_array_equal(found.images[k], image)
        np.testing.assert_allclose(found.targets[k], target, atol=1e-12)
        assert found.truncated[k] == truncated
    np.testing.assert_array_equal(clusters.charge, before)
    assert len(found) == len(clusters)
    assert (found.sensor, found.slices, found.made_by) == (SENSOR, (0, 19), {"a": 1, "readout": None})
    assert found.images.dtype == np.float32


def test_no_charge_is_lost_when_a_cluster_fills_an_array_of_even_size():
    clusters = data_set(np.full((1, 2, 16, 16), 1000.0))
    assert from_clusters(clusters, None, SENSOR, {}).images.sum() == clusters.charge.sum()


def test_bounding_box_is_in_the_middle():
    found = from_clusters(data_set(blocks(200, 2)), None, SENSOR, {})
    for image in found.images:
        rows, columns = (np.flatnonzero(image.any(axis=0).any(axis=axis)) for axis in (1, 0))
        assert (rows[0] + rows[-1]) // 2 == 6
        assert (columns[0] + columns[-1]) // 2 == 10


@QUICK
@given(st.integers(0, 10**6), st.integers(-12, 12), st.integers(-20, 20))
def test_moving_cluster_and_label_by_whole_pixels_gives_the_same_sample(seed, down, right):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 7), rng.integers(1, 12)
    row, column = rng.integers(0, 14 - height), rng.integers(0, 22 - width)
    down, right = np.clip(down, -row, 13 - height - row), np.clip(right, -column, 21 - width - column)
    block = rng.uniform(-500, 5000, (2, height, width)) * (rng.random((2, height, width)) < 0.7)
    charge = np.zeros((2, 2, 13, 21), dtype=np.float32)
    charge[0, :, row : row + height, column : column + width] = block
    charge[1, :, row + down : row + down + height, column + right : column + right + width] = block
    labels = {name: np.repeat(values, 2) for name, values in some_labels(1, seed).items()}
    labels["x-midplane"][1] += right * 50
    labels["y-midplane"][1] += down * 12.5
    found = from_clusters(ClusterSet(charge, labels, (0, 19)), None, SENSOR, {})
    np.testing.assert_array_equal(found.images[0], found.images[1])
    if block.any():
        np.testing.assert_allclose(found.targets[0], found.targets[1], atol=1e-9)
    # The array is larger than the window's contents may be: only its border makes the difference.
    fired = np.any(charge != 0, axis=1)
    border = fired[:, [0, -1], :].any(axis=(1, 2)) | fired[:, :, [0, -1]].any(axis=(1, 2))
    np.testing.assert_array_equal(found.truncated, border)


@pytest.mark.parametrize("row", range(13))
@pytest.mark.parametrize("column", [0, 1, 10, 19, 20])
@pytest.mark.parametrize("last", [0, 1])
def test_truncated_says_that_a_fired_pixel_touches_the_border(row, column, last):
    charge = np.zeros((1, 2, 13, 21))
    charge[0, 1, 6, 10] = 900
    # Negative lobes and the first slice alone fire as well.
    charge[0, last, row, column] = -400
    assert from_clusters(data_set(charge), None, SENSOR, {}).truncated[0] == (
        row in (0, 12) or column in (0, 20)
    )


def test_readout_decides_what_is_at_the_border():
    charge = np.zeros((2, 2, 13, 21))
    charge[:, :, 6, 10] = 5000
    charge[0, :, 0, 10], charge[1, :, 0, 10] = 299, 301
    found = from_clusters(data_set(charge), ReadoutOptions(noise=0.0, adc_bits=0), SENSOR, {})
    np.testing.assert_array_equal(found.truncated, [False, True])
    assert found.images[0].any(axis=0).sum() == 1
    np.testing.assert_allclose(
        found.targets[1, 1] - found.targets[0, 1] - np.diff(data_set(charge).targets()[:, 1]), 3 * 0.0125
    )


def images_where_they_were(clusters, readout, **more):
    """Read out clusters that the centring leaves alone: the corners of a 13 x 21 array are fired."""
    clusters.charge[:, :, [0, 0, -1, -1], [0, -1, 0, -1]] = 9000
    return from_clusters(clusters, readout, SENSOR, {}, **more).images


def test_threshold_is_applied_slice_by_slice():
    clusters = cluster_set(40, slices=(0, 19), shape=(13, 21))
    images = images_where_they_were(clusters, ReadoutOptions(noise=0.0, threshold=1500.0, adc_bits=0))
    wanted = np.where(np.abs(clusters.charge) >= 1500, clusters.charge, 0)
    np.testing.assert_array_equal(images, wanted)
    assert 0.3 < np.mean(images == 0) < 0.7


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_bits_are_applied(bits):
    readout = ReadoutOptions(noise=0.0, threshold=500.0, adc_bits=bits, adc_max=8000.0)
    clusters = cluster_set(10, slices=(0, 19), shape=(13, 21))
    images = images_where_they_were(clusters, readout)
    edges, values = adc_levels(readout)
    assert len(values) == 2**bits - 1
    for q, read in zip(clusters.charge.flat, images.flat, strict=True):
        above = [v for e, v in zip(edges, values, strict=True) if e > 0 and q >= e]
        below = [v for e, v in zip(edges, values, strict=True) if e < 0 and q <= e]
        wanted = above[-1] if above else below[0] if below else 0
        assert read == np.float32(wanted)


def test_noise_is_added_to_every_pixel_and_slice_on_its_own():
    clusters = cluster_set(150, slices=(0, 19), shape=(13, 21))
    readout = ReadoutOptions(noise=80.0, threshold=0.0, adc_bits=0)
    noise = images_where_they_were(clusters, readout) - clusters.charge
    assert noise.std() == pytest.approx(80, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=2)
    np.testing.assert_allclose(noise.std(axis=0), 80, rtol=0.3)
    assert np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1] == pytest.approx(0, abs=0.03)
    assert np.corrcoef(noise[:, 0, :, :-1].ravel(), noise[:, 0, :, 1:].ravel())[0, 1] == pytest.approx(
        0, abs=0.03
    )


def test_threshold_varies_from_pixel_to_pixel():
    charge = np.full((50, 2, 13, 21), 9000.0)
    charge[:, :, 1:-1, 1:-1] = 1000
    readout = ReadoutOptions(noise=0.0, threshold=1000.0, threshold_dispersion=100.0, adc_bits=0)
    images = images_where_they_were(data_set(charge), readout)[:, :, 1:-1, 1:-1]
    assert np.mean(images != 0) == pytest.approx(0.5, abs=0.03)
    # A pixel has one threshold for both slices.
    np.testing.assert_array_equal(images[:, 0], images[:, 1])


def test_same_seed_same_noise():
    clusters = cluster_set(10, slices=(0, 19), shape=(13, 21))
    one, two, other = (images_where_they_were(clusters, ReadoutOptions(), seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


def test_no_readout_leaves_the_charges(clusters_2s):
    found = from_clusters(clusters_2s, None, SENSOR, {})
    for k in range(0, len(clusters_2s), 500):
        np.testing.assert_array_equal(
            np.sort(found.images[k], axis=None), np.sort(clusters_2s.charge[k], axis=None)
        )


def test_parts_of_a_large_set_are_treated_alike(monkeypatch):
    clusters = data_set(blocks(50, 3))
    readout = ReadoutOptions(noise=30.0)
    whole = from_clusters(clusters, readout, SENSOR, {})
    monkeypatch.setattr("smartpix.sample_windows.CHUNK", 7)
    parts = from_clusters(clusters, readout, SENSOR, {})
    np.testing.assert_array_equal(parts.images, whole.images)
    np.testing.assert_array_equal(parts.targets, whole.targets)
    np.testing.assert_array_equal(parts.truncated, whole.truncated)


def test_centred_samples_keep_what_the_clusters_tell(clusters_2s, samples):
    """The charge's centre follows the track's crossing; both are counted from the same pixel."""
    whole = ~samples.truncated
    images = np.maximum(samples.images[:, 1], 0).astype(np.float64)
    total = images.sum(axis=(1, 2))
    whole &= total > 0
    x = (images.sum(axis=1) @ (np.arange(21) - 10))[whole] / total[whole] * 0.05
    assert np.corrcoef(x, samples.targets[whole, 0])[0, 1] > 0.5
    assert np.abs(x - samples.targets[whole, 0]).max() < 0.2
    before = clusters_2s.targets()
    moved = (samples.targets - before)[:, :2] / [0.05, 0.0125]
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-6)
    assert np.abs(moved).max() >= 2
    np.testing.assert_array_equal(samples.targets[:, 2:], before[:, 2:])


@pytest.mark.parametrize(
    ("bits", "threshold", "adc_max"), [(0, 300.0, 16000.0), (4, 300.0, 16000.0), (2, 340.0, 3600.0)]
)
def test_single_noise_pixels_that_a_spread_of_thresholds_lets_through_do_not_move_the_window(
    bits, threshold, adc_max
):
    """Crossings are spread over 3 pixels, and centring leaves less than that; noise pixels far off would make
    it 100 um.
    """
    clusters = simulate_dataset(DatasetOptions(slices=(0, 19)), 2000, 5)
    without, spread = (
        from_clusters(clusters, ReadoutOptions(50.0, threshold, d, bits, adc_max=adc_max), SENSOR, {})
        for d in (0.0, 100.0)
    )
    alone = np.any(spread.images != 0, axis=1).sum() - np.any(without.images != 0, axis=1).sum()
    assert alone > 0.2 * len(clusters)
    assert spread.truncated.mean() == pytest.approx(without.truncated.mean(), abs=0.01)
    for axis in (0, 1):
        assert spread.targets[:, axis].std() == pytest.approx(without.targets[:, axis].std(), rel=0.1)


def test_only_pixels_that_touch_the_largest_one_tell_where_a_cluster_is_if_thresholds_vary():
    charge = np.zeros((2, 2, 13, 21))
    # One is long and thin, with a corner; beside each lies a pixel that touches nothing, at the border.
    charge[0, 1, [3, 4, 4, 5], [4, 5, 6, 7]] = 900, 700, 800, 600
    charge[1, 1, 8, 15] = 5000
    charge[:, 1, 0, 20] = 800
    found = from_clusters(data_set(charge), ReadoutOptions(0.0, 300.0, 1e-3, 0), SENSOR, {})
    assert not found.truncated.any()
    for image, (rows, columns) in zip(
        found.images, (([5, 6, 6, 7], [9, 10, 11, 12]), ([6], [10])), strict=True
    ):
        assert np.all(image[1, rows, columns] >= 600)


@pytest.mark.parametrize(("shape", "origin"), [((13, 21), (6, 10)), ((16, 16), (7, 7)), ((16, 21), (7, 10))])
def test_labels_are_counted_from_the_origin_pixel_of_every_array(shape, origin):
    """Steep tracks without field: the charge is centred on the crossing, whole-pixel shifts included."""
    options = DatasetOptions(
        "3s", field=0.0, half_width=0.5, max_cot_alpha=0.3, slices=(19,), n_rows=shape[0], n_columns=shape[1]
    )
    found = from_clusters(
        simulate_dataset(options, 1500, 3), ReadoutOptions(0.0, 100.0, adc_bits=0), SENSOR, {}
    )
    images = np.maximum(found.images[:, -1], 0).astype(float)
    total = images.sum(axis=(1, 2))
    for axis, size, middle, pitch in ((1, shape[1], origin[1], 0.05), (2, shape[0], origin[0], 0.0125)):
        place = images.sum(axis=axis) @ ((np.arange(size) - middle) * pitch) / total
        assert np.median(place - found.targets[:, axis - 1]) == pytest.approx(0, abs=0.03 * pitch)
    mirrored = images[:, :, : 2 * origin[1] + 1][:, :, ::-1]
    assert mirrored.sum() == images.sum()
