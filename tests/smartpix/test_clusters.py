"""Pixels to records and windows against straight loops."""

import dataclasses

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.cluster_records import Pixels, Truth, cluster_records, one_event
from smartpix.clusters import (
    fill_windows,
    flatten,
    pixel_lists,
    window_origin,
    windows,
)
from smartpix.estimate.base import window_center
from smartpix.schema import N_COLUMNS, N_ROWS
from tests.helpers import detector_of, embedded_detector, module_row, one_module_detector, part_of

QUICK = settings(max_examples=25, deadline=None)


def random_pixels(seed, n_clusters, n_modules=1, reach=30):
    """Pixels of clusters in random order; some larger than the window, some at the module's edge."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(n_clusters):
        size = rng.integers(1, 12)
        height, width = rng.integers(1, reach, 2)
        places = rng.choice(height * width, min(size, height * width), replace=False)
        row0, column0 = rng.integers(0, 1344 - height), rng.integers(0, 1440 - width)
        module = rng.integers(0, n_modules)
        parts += [(k, module, row0 + p // width, column0 + p % width) for p in places]
    table = rng.permutation(np.array(parts).reshape(-1, 4))
    charge = rng.uniform(-500, 5000, (len(table), 2)).astype(np.float32)
    charge[:, 1] = np.abs(charge[:, 1])
    return Pixels(table[:, 0], *(table[:, i].astype(np.int32) for i in (1, 2, 3)), charge)


def records_of(pixels, detector, shift=None, **more):
    shift = np.zeros((len(detector), 2)) if shift is None else shift
    return cluster_records(detector, pixels, None, (0, 19), shift, **more)


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_records_are_those_of_a_straight_loop(seed, n):
    detector = embedded_detector_cached()
    pixels = random_pixels(seed, n, len(detector))
    shift = np.random.default_rng(seed).normal(0, 0.01, (len(detector), 2))
    records = records_of(pixels, detector, shift)
    assert len(records) == n
    for k in range(n):
        own = np.flatnonzero(pixels.cluster == k)
        m = pixels.module[own[0]]
        q = pixels.charge[own, 1].astype(float)
        x = np.sum(q * ((pixels.column[own] + 0.5) * 0.05 - 36.0)) / q.sum() - shift[m, 0]
        y = np.sum(q * ((pixels.row[own] + 0.5) * 0.0125 - 8.4)) / q.sum() - shift[m, 1]
        record = records[k]
        assert (record["local_x"], record["local_y"]) == pytest.approx((x, y), abs=1e-5)
        assert record["charge"] == pytest.approx(q.sum(), rel=1e-5)
        assert record["module_index"] == m
        place = detector.center[m] + detector.axes[m][:, 0] * x + detector.axes[m][:, 1] * y
        assert [record[a] for a in "xyz"] == pytest.approx(place, abs=2e-4)
        got = [(p["row"], p["column"], p["charge_00"], p["charge_19"]) for p in ak.to_list(record["pixels"])]
        assert got == sorted(
            (int(pixels.row[i]), int(pixels.column[i]), *map(float, pixels.charge[i])) for i in own
        )
        assert record["hit_id"] == k
        assert len(record["truth"]) == 0


_CACHE = []


def embedded_detector_cached():
    if not _CACHE:
        _CACHE.append(embedded_detector())
    return _CACHE[0]


def test_one_pixel_is_known_to_its_width_over_root_12():
    pixels = Pixels(
        np.array([0]), *(np.array([i], dtype=np.int32) for i in (0, 5, 7)), np.array([[0, 900.0]], np.float32)
    )
    record = records_of(pixels, one_module_detector())[0]
    assert record["sigma_x"] == pytest.approx(0.05 / np.sqrt(12), rel=2e-3)
    assert record["sigma_y"] == pytest.approx(0.0125 / np.sqrt(12), rel=2e-3)
    assert record["local_x"] == pytest.approx(7.5 * 0.05 - 36)
    assert record["local_y"] == pytest.approx(5.5 * 0.0125 - 8.4)


@pytest.mark.parametrize(("size", "pitches"), [(2, 0.15), (3, 0.18), (8, 0.48), (12, 0.72)])
@pytest.mark.parametrize("along", ["x", "y"])
def test_errors_of_longer_clusters_grow_with_their_length(along, size, pitches):
    """0.06 of a pitch for each pixel of the length, but no less than 0.15; the end pixels count, not those in
    between.
    """
    steps = np.array([0, size - 1], dtype=np.int32)
    still = np.zeros(2, dtype=np.int32)
    row, column = (still, steps) if along == "x" else (steps, still)
    pixels = Pixels(
        np.zeros(2, dtype=np.int64), still, 600 + row, 700 + column, np.full((2, 2), 1000.0, dtype=np.float32)
    )
    record = records_of(pixels, one_module_detector())[0]
    pitch = {"x": 0.05, "y": 0.0125}
    assert record[f"sigma_{along}"] == pytest.approx(pitches * pitch[along], rel=1e-5)


def test_negative_charge_does_not_pull_the_centre():
    place = np.array([[0, 0, 5, 7], [0, 0, 5, 8]])
    charge = np.array([[0, 900.0], [0, -400.0]], np.float32)
    record = records_of(
        Pixels(place[:, 0], *(place[:, i].astype(np.int32) for i in (1, 2, 3)), charge), one_module_detector()
    )[0]
    assert record["local_x"] == pytest.approx(7.5 * 0.05 - 36)
    assert record["charge"] == pytest.approx(900)


def test_given_positions_and_ids_are_kept():
    detector = one_module_detector()
    position = detector.to_global([0, 0, 0], np.array([[1.0, 2.0], [3.0, -4.0], [0.0, 0.0]]))
    records = records_of(
        random_pixels(1, 3), detector, np.full((1, 2), 5.0), hit_id=np.array([7, 9, 30]), position=position
    )
    np.testing.assert_allclose(
        np.stack([ak.to_numpy(records[a]) for a in "xyz"], axis=1), position, rtol=1e-6
    )
    np.testing.assert_allclose(ak.to_numpy(records["local_x"]), [1, 3, 0], atol=1e-6)
    np.testing.assert_allclose(ak.to_numpy(records["local_y"]), [2, -4, 0], atol=1e-6)
    assert ak.to_list(records["hit_id"]) == [7, 9, 30]


def test_truth_goes_to_its_cluster_largest_share_first():
    truth = Truth(
        cluster=np.array([2, 0, 2, 2]), particle_id=np.array([11, 12, 13, 14]), share=np.array([0.2, 1.0,
        0.5, 0.3]),
        order=np.arange(4, dtype=np.int32), x=np.arange(4.0), y=np.arange(4.0) + 10,
        cot_alpha=np.arange(4.0) + 20,
        cot_beta=np.arange(4.0) + 30, pt=np.arange(4.0) + 40,
    )  # fmt: skip
    records = cluster_records(one_module_detector(), random_pixels(1, 4), truth, (0, 19), np.zeros((1, 2)))
    assert ak.to_list(records["truth"]["particle_id"]) == [[12], [], [13, 14, 11], []]
    for name, start in (("order", 0), ("x", 0), ("y", 10), ("cot_alpha", 20), ("cot_beta", 30), ("pt", 40)):
        assert ak.to_list(records["truth"][name]) == [[start + 1], [], [start + 2, start + 3, start], []]


def test_no_pixels_give_no_records():
    none = np.zeros(0, dtype=np.int32)
    pixels = Pixels(none.astype(np.int64), none, none, none, np.zeros((0, 2), np.float32))
    records = records_of(pixels, one_module_detector())
    assert len(records) == 0
    event = one_event(4, records, None)
    assert ak.to_list(event["event"]) == [4]
    flat = flatten(event["clusters"][0], (0, 19))
    assert len(flat) == 0
    assert windows(flat)[0].shape == (0, 2, N_ROWS, N_COLUMNS)


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_windows_are_those_of_a_straight_loop(seed, n):
    pixels = random_pixels(seed, n)
    records = records_of(pixels, one_module_detector())
    images, origin = windows(flatten(records, (0, 19)))
    for k in range(n):
        own = np.flatnonzero(pixels.cluster == k)
        row, column = pixels.row[own], pixels.column[own]
        middle_row, middle_column = (row.min() + row.max()) // 2, (column.min() + column.max()) // 2
        assert tuple(origin[k]) == (middle_row - 6, middle_column - 10)
        image = np.zeros((2, 13, 21), np.float32)
        cut = False
        for i in own:
            r, c = pixels.row[i] - middle_row + 6, pixels.column[i] - middle_column + 10
            if 0 <= r < 13 and 0 <= c < 21:
                image[:, r, c] = pixels.charge[i]
            else:
                cut = True
        cut |= bool(np.isin(pixels.row[own], (0, 1343)).any() or np.isin(pixels.column[own], (0, 1439)).any())
        np.testing.assert_array_equal(images[k], image)
        assert records["truncated"][k] == cut


@pytest.mark.parametrize(
    ("height", "width", "cut"), [(13, 21, False), (14, 21, True), (13, 22, True), (12, 20, False)]
)
def test_truncated_says_that_the_window_is_too_small(height, width, cut):
    place = np.array([[0, 0, 100, 200], [0, 0, 100 + height - 1, 200 + width - 1]])
    pixels = Pixels(
        place[:, 0], *(place[:, i].astype(np.int32) for i in (1, 2, 3)), np.ones((2, 2), np.float32)
    )
    assert records_of(pixels, one_module_detector())["truncated"][0] == cut


@pytest.mark.parametrize(
    ("row", "column"), [(0, 700), (1343, 700), (600, 0), (600, 1439), (0, 0), (1, 1), (1342, 1438)]
)
def test_truncated_says_that_the_cluster_touches_the_edge_of_its_module(row, column):
    """The edge of its own module: the other one is smaller."""
    rows = [module_row((32.0, 0, 10.0 * k), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, k) for k in range(2)]
    rows[1] |= {"module_minhu": 4.2, "module_maxhu": 4.2, "module_hv": 18.0}
    place = np.array([[0, 0, row, column], [1, 1, min(row, 670), min(column, 718)]])
    pixels = Pixels(
        place[:, 0], *(place[:, i].astype(np.int32) for i in (1, 2, 3)), np.ones((2, 2), np.float32)
    )
    edge = row in (0, 1343) or column in (0, 1439)
    assert records_of(pixels, detector_of(rows))["truncated"].tolist() == [edge, row == 0 or column == 0]
    for other in ((671, 300), (300, 719)):
        at = np.array([(600, 700), other], dtype=np.int32)
        moved = Pixels(pixels.cluster, pixels.module, at[:, 0], at[:, 1], pixels.charge)
        assert records_of(moved, detector_of(rows))["truncated"].tolist() == [False, True]


def straight_images(flat, n_rows, n_columns):
    images = np.zeros((len(flat), flat.charge.shape[1], n_rows, n_columns), dtype=np.float32)
    for k in range(len(flat)):
        for i in range(flat.first[k], flat.first[k] + flat.counts[k]):
            if 0 <= flat.row[i] < n_rows and 0 <= flat.column[i] < n_columns:
                images[k, :, flat.row[i], flat.column[i]] = flat.charge[i]
    return images


@pytest.mark.parametrize("shape", [(13, 21), (16, 16), (5, 40)])
def test_windows_of_any_size_are_filled_and_pixels_beyond_left_out(shape):
    flat = flatten(records_of(random_pixels(5, 30), one_module_detector()), (0, 19))
    owner = np.repeat(np.arange(30), flat.counts)
    row = flat.row.astype(np.int64) - flat.row[flat.first][owner] + 3
    column = flat.column.astype(np.int64) - flat.column[flat.first][owner] + 3
    found = fill_windows(flat.first, flat.counts, row, column, flat.charge, *shape)
    moved = dataclasses.replace(flat, row=row, column=column)
    np.testing.assert_array_equal(found, straight_images(moved, *shape))
    assert np.any(row >= shape[0])
    assert found.dtype == np.float32


def test_windows_of_no_clusters_are_none():
    none = np.zeros(0, dtype=np.int64)
    assert fill_windows(none, none, none, none, np.zeros((0, 3), np.float32), 13, 21).shape == (0, 3, 13, 21)


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 12), st.lists(st.integers(0, 100), max_size=20))
def test_taken_clusters_are_the_chosen_ones_in_the_chosen_order(seed, n, numbers):
    pixels = random_pixels(seed, n, 3)
    records = records_of(pixels, part_of(embedded_detector_cached(), [0, 1, 2]))
    flat = flatten(records, (0, 19))
    rows = np.array(numbers, dtype=np.int64) % n
    taken, wanted = flat.take(rows), flatten(records[rows], (0, 19))
    assert len(taken) == len(rows)
    for field in dataclasses.fields(flat):
        one, two = getattr(taken, field.name), getattr(wanted, field.name)
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype


def test_taking_all_and_none():
    flat = flatten(records_of(random_pixels(4, 6), one_module_detector()), (0, 19))
    for field in dataclasses.fields(flat):
        np.testing.assert_array_equal(getattr(flat.take(np.arange(6)), field.name), getattr(flat, field.name))
    nothing = flat.take(np.zeros(0, dtype=np.int64))
    assert (len(nothing), nothing.charge.shape, nothing.row.shape) == (0, (0, 2), (0,))


def test_flatten_takes_the_wanted_slices_in_their_order():
    records = records_of(random_pixels(3, 5), one_module_detector())
    one, two = flatten(records, (0, 19)), flatten(records, (19, 0))
    np.testing.assert_array_equal(one.charge, two.charge[:, ::-1])
    assert flatten(records, (19,)).charge.shape == (one.counts.sum(), 1)
    np.testing.assert_array_equal(one.first, np.concatenate([[0], np.cumsum(one.counts)[:-1]]))
    np.testing.assert_array_equal(one.counts, ak.to_numpy(ak.num(records["pixels"])))


def test_origin_of_nothing_is_empty():
    none = np.zeros(0, dtype=np.int64)
    assert [len(a) for a in window_origin(none, none, none, none)] == [0, 0]


@QUICK
@given(st.integers(0, 1343), st.integers(0, 1439), st.integers(0, 4003))
def test_centre_of_the_window_of_a_one_pixel_cluster_is_the_centre_of_that_pixel(row, column, module):
    detector = embedded_detector_cached()
    pixels = Pixels(
        np.array([0]),
        *(np.array([i], dtype=np.int32) for i in (module, row, column)),
        np.array([[0, 900.0]], np.float32),
    )
    flat = flatten(records_of(pixels, detector), (0, 19))
    images, origin = windows(flat)
    assert images[0, 1, 6, 10] == 900
    np.testing.assert_allclose(window_center(origin, flat.module, detector), flat.local, atol=1e-5)
    np.testing.assert_allclose(
        window_center(origin, flat.module, detector),
        [[(column + 0.5) * 0.05 - 36, (row + 0.5) * 0.0125 - 8.4]],
        atol=1e-9,
    )


def test_lists_of_pixels_are_those_of_a_straight_loop(samples):
    images = np.concatenate(
        [samples.images[:40], np.zeros((1, 2, 13, 21), np.float32), samples.images[40:50]]
    )
    first, counts, row, column, charge = pixel_lists(images)
    k = 0
    for i, image in enumerate(images):
        assert first[i] == k
        for r in range(13):
            for c in range(21):
                if image[:, r, c].any():
                    assert (row[k], column[k]) == (r, c)
                    np.testing.assert_array_equal(charge[k], image[:, r, c])
                    k += 1
        assert counts[i] == k - first[i]
    assert k == len(charge)
