"""Labelled clusters: from event files by hand, and data sets that are read out and centred."""

import json

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix import samples as module
from smartpix import schema
from smartpix.clusters import Pixels, Truth, cluster_records, one_event
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import Header
from smartpix.io.parquet import write_clusters
from smartpix.io.write import write_events
from smartpix.samples import from_clusters, load_samples
from smartpix.schema import InputError
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from smartpix.simulate.readout import ReadoutOptions, adc_levels
from tests.helpers import (
    SENSOR,
    detector_of,
    embedded_detector,
    module_row,
    one_module_detector,
    part_of,
    random_events,
)
from tests.smartpix.clusters import cluster_set, save_table, some_labels

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
    monkeypatch.setattr(module, "CHUNK", 7)
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


# Data sets on disk


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    """A data set of 30 clusters with all 20 slices that says what sensor it is of, and one that does not."""
    folder = tmp_path_factory.mktemp("sets")
    clusters = cluster_set(30, slices=20, shape=(13, 21))
    write_clusters(folder / "known.parquet", clusters, {"command": "made"}, SENSOR)
    write_clusters(folder / "unknown.parquet", clusters, {"command": "made"})
    write_clusters(
        folder / "two.parquet", cluster_set(5, slices=(0, 7), shape=(13, 21)), {"command": "made"}, SENSOR
    )
    write_clusters(folder / "other.parquet", clusters, {"command": "made"}, SENSOR | {"pitch_y": 0.025})
    return folder, clusters


@pytest.mark.parametrize(
    ("asked", "slices"), [(None, (0, 19)), ((3, 11), (3, 11)), ((19,), (19,)), ((11, 3), (11, 3))]
)
def test_data_set_is_read_with_its_slices_and_read_out(parquet, asked, slices):
    folder, clusters = parquet
    readout = ReadoutOptions(noise=20.0, threshold=700.0, adc_bits=3)
    found = load_samples([folder / "known.parquet"], "barrel", asked, readout)
    chosen = ClusterSet(np.ascontiguousarray(clusters.charge[:, list(slices)]), clusters.labels, slices)
    wanted = from_clusters(chosen, readout, SENSOR, {})
    np.testing.assert_array_equal(found.images, wanted.images)
    np.testing.assert_allclose(found.targets, wanted.targets, rtol=1e-12)
    assert (found.slices, found.sensor) == (slices, SENSOR)
    told = json.loads(json.dumps(found.made_by))
    assert told["command"] == "made"
    assert (told["readout"]["threshold"], told["readout"]["noise"], told["readout"]["adc_bits"]) == (
        700,
        20,
        3,
    )


def test_data_set_without_readout_is_left_as_it_is(parquet):
    found = load_samples([parquet[0] / "known.parquet"], "barrel")
    np.testing.assert_array_equal(
        found.images, from_clusters(parquet[1], None, SENSOR, {}).images[:, [0, 19]]
    )
    assert found.made_by["readout"] is None


def test_several_data_sets_follow_one_another(parquet):
    one = load_samples([parquet[0] / "known.parquet"], "barrel")
    two = load_samples([parquet[0] / "known.parquet"] * 2, "barrel")
    np.testing.assert_array_equal(two.images, np.concatenate([one.images] * 2))


def test_data_set_of_an_unknown_sensor_needs_one(parquet):
    with pytest.raises(InputError, match=r"unknown\.parquet: does not say what sensor .* --type"):
        load_samples([parquet[0] / "unknown.parquet"], "barrel")
    thick = SENSOR | {"pitch_x": 0.1}
    found = load_samples([parquet[0] / "unknown.parquet"], "barrel", sensor=thick)
    assert found.sensor == thick
    np.testing.assert_array_equal(found.images, load_samples([parquet[0] / "known.parquet"], "barrel").images)


@pytest.mark.parametrize("names", [("known", "unknown"), ("unknown", "known")])
def test_data_sets_of_which_one_does_not_say_its_sensor_need_it(parquet, names):
    files = [parquet[0] / f"{name}.parquet" for name in names]
    with pytest.raises(InputError, match="does not say what sensor"):
        load_samples(files, "barrel")
    assert load_samples(files, "barrel", sensor=SENSOR).sensor == SENSOR


def test_crossings_that_are_missing_are_worked_out_with_the_thickness_of_the_given_sensor(parquet, tmp_path):
    clusters = parquet[1]
    labels = {k: v for k, v in clusters.labels.items() if k not in ("x-midplane", "y-midplane")}
    save_table(tmp_path / "bare.parquet", ClusterSet(clusters.charge, labels, clusters.slices))
    found = load_samples([tmp_path / "bare.parquet"], "barrel", sensor=SENSOR)
    np.testing.assert_allclose(
        found.targets, load_samples([parquet[0] / "known.parquet"], "barrel").targets, atol=1e-9
    )


def test_samples_of_several_data_sets_say_which_unless_they_were_made_alike(parquet, tmp_path):
    write_clusters(tmp_path / "other.parquet", parquet[1], {"command": "made", "seed": 2}, SENSOR)
    same, other = (
        [parquet[0] / "known.parquet"] * 2,
        [parquet[0] / "known.parquet", tmp_path / "other.parquet"],
    )
    assert load_samples(same, "barrel").made_by["command"] == "made"
    assert load_samples(other, "barrel").made_by["files"] == [str(f) for f in other]


def test_data_sets_of_two_sensors_are_refused(parquet):
    with pytest.raises(InputError, match="of one sensor"):
        load_samples([parquet[0] / "known.parquet", parquet[0] / "other.parquet"], "barrel")


def test_slices_that_a_data_set_lacks_are_refused(parquet):
    with pytest.raises(InputError, match="19"):
        load_samples([parquet[0] / "two.parquet"], "barrel")
    with pytest.raises(InputError, match="20"):
        load_samples([parquet[0] / "known.parquet"], "barrel", (0, 20))
    assert load_samples([parquet[0] / "two.parquet"], "barrel", (0, 7)).slices == (0, 7)


def test_samples_say_how_many_clusters_each_file_has(parquet, tmp_path):
    (tmp_path / "parts").mkdir()
    for k, n in ((0, 4), (1, 6)):
        write_clusters(
            tmp_path / "parts" / f"part.{k}.parquet", cluster_set(n, k, slices=20, shape=(13, 21)), {}, SENSOR
        )
    assert load_samples([parquet[0] / "known.parquet"], "barrel").parts == (30,)
    assert load_samples([tmp_path / "parts", parquet[0] / "known.parquet"], "barrel").parts == (4, 6, 30)


def test_sensor_given_that_is_not_the_files_is_refused(parquet, tmp_path):
    folder, other = parquet[0], SENSOR | {"pitch_y": 0.025}
    words = (
        r"is of the sensor 50 x 12\.5 x 100 µm in 3\.8 T, not 50 x 25 x 100 µm in 3\.8 T; leave out --type"
    )
    message = rf"known\.parquet: {words}"
    for names in (("known",), ("unknown", "known"), ("known", "unknown")):
        with pytest.raises(InputError, match=message):
            load_samples([folder / f"{name}.parquet" for name in names], "barrel", sensor=other)
    with pytest.raises(InputError, match="leave out --type"):
        load_samples([folder / "known.parquet"], "barrel", sensor=SENSOR | {"field": 2.0})
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)])
    with pytest.raises(InputError, match=rf"f\.root: {words}"):
        load_samples([path], "barrel", sensor=other)
    assert load_samples([path], "barrel", sensor=SENSOR).sensor == SENSOR


@pytest.mark.parametrize(("dataset", "region"), [("2s", "barrel"), ("3s", "barrel"), ("4s", "endcap")])
def test_data_set_of_the_other_region_is_refused(parquet, tmp_path, dataset, region):
    path, other = tmp_path / "made.parquet", {"barrel": "endcap", "endcap": "barrel"}[region]
    write_clusters(path, parquet[1], {"options": {"dataset": dataset}}, SENSOR)
    assert len(load_samples([path], region)) == 30
    message = rf"made\.parquet: is data set {dataset}, of the {region}, and {other} clusters are needed"
    for files in ([path], [parquet[0] / "known.parquet", path]):
        with pytest.raises(InputError, match=message):
            load_samples(files, other)


# Event files


def handmade_file(
    path, places, truth_at, cots=(0.3, 0.1), detector=None, shares=None, ids=None, slices=(0, 19)
):
    """One event; each cluster is the one pixel (row, column) of ``places`` and was crossed at ``truth_at``
    (mm).
    """
    detector = detector or one_module_detector()
    n = len(places)
    place = np.array(places, dtype=np.int32)
    shares = np.ones(n) if shares is None else np.array(shares)
    charge = np.arange(1, len(slices) + 1) * np.full((n, 1), 900, dtype=np.float32)
    pixels = Pixels(
        np.arange(n), np.zeros(n, dtype=np.int32), place[:, 0], place[:, 1], charge.astype(np.float32)
    )
    at = np.array(truth_at, dtype=float)
    ids = np.arange(1, n + 1) if ids is None else np.array(ids)
    truth = Truth(
        np.arange(n), ids, shares, np.zeros(n, dtype=np.int32), at[:, 0], at[:, 1], np.full(n, cots[0]),
        np.full(n, cots[1]),
        np.ones(n),
    )  # fmt: skip
    clusters = cluster_records(detector, pixels, truth, slices, np.full((1, 2), 0.05))
    particles = {name: np.zeros(len(np.unique(ids)), dtype=c.dtype) for name, c in schema.PARTICLES.items()}
    particles["particle_id"] = np.unique(ids)
    write_events(path, Header(detector, 3.8, slices), [one_event(0, clusters, ak.zip(particles))])
    return path


def pixel_center(row, column):
    return (column + 0.5) * 0.05 - 36.0, (row + 0.5) * 0.0125 - 8.4


def test_track_through_the_centre_of_its_pixel_has_window_coordinates_zero(tmp_path):
    places = [(1, 1), (672, 720), (1342, 1438)]
    path = handmade_file(tmp_path / "f.root", places, [pixel_center(*p) for p in places])
    found = load_samples([path], "barrel")
    assert not found.truncated.any()
    np.testing.assert_allclose(found.targets[:, :2], 0, atol=1e-5)
    np.testing.assert_allclose(found.targets[:, 2:], np.tile([0.3, 0.1], (3, 1)), rtol=1e-6)
    assert found.images.shape == (3, 2, 13, 21)
    assert np.all(found.images[:, :, 6, 10] == [900, 1800])
    assert found.images.sum() == 3 * 2700
    assert found.sensor == SENSOR
    assert found.slices == (0, 19)


def test_window_coordinates_are_millimetres_along_x_and_y(tmp_path):
    x, y = pixel_center(100, 200)
    path = handmade_file(tmp_path / "f.root", [(100, 200)], [(x + 0.015, y - 0.00375)])
    np.testing.assert_allclose(load_samples([path], "barrel").targets[0, :2], [0.015, -0.00375], atol=1e-5)


def test_clusters_at_the_edge_of_the_module_are_truncated(tmp_path):
    places = [(0, 700), (1343, 700), (600, 0), (600, 1439), (600, 700)]
    path = handmade_file(tmp_path / "f.root", places, [pixel_center(*p) for p in places])
    np.testing.assert_array_equal(load_samples([path], "barrel").truncated, [True] * 4 + [False])


def test_clusters_of_several_particles_are_left_out(tmp_path):
    path = handmade_file(
        tmp_path / "f.root", [(1, 1), (50, 50), (90, 90)], np.zeros((3, 2)), shares=[1.0, 0.9, 0.96]
    )
    assert len(load_samples([path], "barrel")) == 2
    assert len(load_samples([path], "barrel", min_share=0.0)) == 3


def test_of_several_clusters_of_one_crossing_the_largest_counts(tmp_path):
    path = handmade_file(
        tmp_path / "f.root",
        [(9, 9), (50, 50), (90, 90)],
        np.zeros((3, 2)),
        shares=[1.0, 1.0, 0.97],
        ids=[4, 5, 5],
    )
    found = load_samples([path], "barrel")
    assert len(found) == 2
    assert len(load_samples([path, path], "barrel")) == 4


def test_slices_of_event_files(tmp_path):
    path = handmade_file(tmp_path / "f.root", [(9, 9)], [(0, 0)], slices=(2, 5, 9))
    assert load_samples([path], "barrel").slices == (2, 9)
    found = load_samples([path], "barrel", (5,))
    assert found.slices == (5,)
    assert found.images[0, 0, 6, 10] == 1800
    with pytest.raises(InputError, match=r"has slices \[2, 5, 9\] and \[0, 19\] were asked for"):
        load_samples([path], "barrel", (0, 19))


def test_samples_of_several_files_follow_one_another(tmp_path):
    a = handmade_file(tmp_path / "a.root", [(1, 1)], [(0, 0)], cots=(0.8, 0.0))
    b = handmade_file(tmp_path / "b.root", [(1, 1)], [(0, 0)], cots=(1.6, 0.0))
    found = load_samples([a, b], "barrel", min_share=0.5)
    np.testing.assert_allclose(found.targets[:, 2], [0.8, 1.6], rtol=1e-6)
    assert found.parts == (1, 1)


def test_only_the_modules_of_the_region_count(tmp_path, module_rows):
    detector, options = part_of(embedded_detector(), np.concatenate(module_rows)), SimulateOptions()
    path = tmp_path / "mixed.root"
    write_events(path, header(detector, options, 2, 1), simulate_crossings(detector, options, 2, 500, 1))
    barrel, endcap = (load_samples([path], region) for region in ("barrel", "endcap"))
    assert len(barrel) > 100
    assert len(endcap) > 100
    assert 700 < len(barrel) + len(endcap) <= 1000
    # Lorentz drift shears the clusters of the barrel alone: their charge lies beside the crossing, always on
    # the same side.
    offsets = []
    for found in (barrel, endcap):
        images = np.maximum(found.images[:, -1], 0)
        rows = (images.sum(axis=2) @ (np.arange(13) - 6)) / images.sum(axis=(1, 2)) * 0.0125
        offsets.append(abs(np.mean((rows - found.targets[:, 1])[~found.truncated])))
    assert offsets[0] > 0.01
    assert offsets[1] < 0.004


def test_event_files_are_read_out_already(tmp_path):
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)])
    with pytest.raises(InputError, match=r"f\.root: event files are read out already"):
        load_samples([path], "barrel", readout=ReadoutOptions())


def test_event_files_and_data_sets_cannot_be_mixed(tmp_path, parquet):
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)])
    for files in ([path, parquet[0] / "known.parquet"], [parquet[0] / "known.parquet", path], []):
        with pytest.raises(InputError, match=r"give either event files .* or data sets .*, not both"):
            load_samples(files, "barrel")


def test_region_the_detector_does_not_have_is_refused(tmp_path):
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)])
    with pytest.raises(InputError, match=r"f\.root: the detector has no endcap modules"):
        load_samples([path], "endcap")


def test_file_without_truth_is_refused(tmp_path):
    write_events(
        tmp_path / "d.root",
        Header(one_module_detector(), 3.8, (0, 19), {"truth": False}),
        [random_events(1, [3])],
    )
    with pytest.raises(InputError, match=r"d\.root: has no truth to train on"):
        load_samples([tmp_path / "d.root"], "barrel")


def test_files_of_different_sensors_are_refused(tmp_path):
    row = module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1)
    thick = detector_of([{**row, "module_t": 0.075}])
    a = handmade_file(tmp_path / "a.root", [(1, 1)], [(0, 0)])
    b = handmade_file(tmp_path / "b.root", [(1, 1)], [(0, 0)], detector=thick)
    with pytest.raises(
        InputError, match=r"b\.root: is of the sensor .* T, and the files before it are of .* T; train on one"
    ):
        load_samples([a, b], "barrel")


def test_file_without_usable_clusters_is_refused(tmp_path):
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)], shares=[0.5])
    with pytest.raises(InputError, match="no barrel cluster with truth to train on"):
        load_samples([path], "barrel")
