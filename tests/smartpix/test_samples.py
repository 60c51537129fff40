"""Labelled clusters: from event files by hand, and data sets that are read out and centred."""

import json

import awkward as ak
import numpy as np
import pytest

from smartpix import schema
from smartpix.cluster_records import Pixels, Truth, cluster_records, one_event
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import Header
from smartpix.io.parquet import write_clusters
from smartpix.io.write import write_events
from smartpix.samples import Reading, from_clusters, load_samples
from smartpix.schema import InputError
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from smartpix.simulate.readout import ReadoutOptions
from tests.helpers import (
    SENSOR,
    detector_of,
    embedded_detector,
    module_row,
    one_module_detector,
    part_of,
    random_events,
)
from tests.smartpix.clusters import cluster_set, save_table


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
    found = load_samples([folder / "known.parquet"], "barrel", Reading(slices=asked, readout=readout))
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
    found = load_samples([parquet[0] / "unknown.parquet"], "barrel", Reading(sensor=thick))
    assert found.sensor == thick
    np.testing.assert_array_equal(found.images, load_samples([parquet[0] / "known.parquet"], "barrel").images)


@pytest.mark.parametrize("names", [("known", "unknown"), ("unknown", "known")])
def test_data_sets_of_which_one_does_not_say_its_sensor_need_it(parquet, names):
    files = [parquet[0] / f"{name}.parquet" for name in names]
    with pytest.raises(InputError, match="does not say what sensor"):
        load_samples(files, "barrel")
    assert load_samples(files, "barrel", Reading(sensor=SENSOR)).sensor == SENSOR


def test_crossings_that_are_missing_are_worked_out_with_the_thickness_of_the_given_sensor(parquet, tmp_path):
    clusters = parquet[1]
    labels = {k: v for k, v in clusters.labels.items() if k not in ("x-midplane", "y-midplane")}
    save_table(tmp_path / "bare.parquet", ClusterSet(clusters.charge, labels, clusters.slices))
    found = load_samples([tmp_path / "bare.parquet"], "barrel", Reading(sensor=SENSOR))
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
        load_samples([parquet[0] / "known.parquet"], "barrel", Reading((0, 20)))
    assert load_samples([parquet[0] / "two.parquet"], "barrel", Reading((0, 7))).slices == (0, 7)


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
            load_samples([folder / f"{name}.parquet" for name in names], "barrel", Reading(sensor=other))
    with pytest.raises(InputError, match="leave out --type"):
        load_samples([folder / "known.parquet"], "barrel", Reading(sensor=SENSOR | {"field": 2.0}))
    path = handmade_file(tmp_path / "f.root", [(1, 1)], [(0, 0)])
    with pytest.raises(InputError, match=rf"f\.root: {words}"):
        load_samples([path], "barrel", Reading(sensor=other))
    assert load_samples([path], "barrel", Reading(sensor=SENSOR)).sensor == SENSOR


@pytest.mark.parametrize(("dataset", "region"), [("2s", "barrel"), ("3s", "barrel"), ("4s", "endcap")])
def test_data_set_of_the_other_region_is_refused(parquet, tmp_path, dataset, region):
    path, other = tmp_path / "made.parquet", {"barrel": "endcap", "endcap": "barrel"}[region]
    write_clusters(path, parquet[1], {"options": {"dataset": dataset}}, SENSOR)
    assert len(load_samples([path], region)) == 30
    message = rf"made\.parquet: is data set {dataset}, of the {region}, and {other} clusters are needed"
    for files in ([path], [parquet[0] / "known.parquet", path]):
        with pytest.raises(InputError, match=message):
            load_samples(files, other)


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
    found = load_samples([path], "barrel", Reading((5,)))
    assert found.slices == (5,)
    assert found.images[0, 0, 6, 10] == 1800
    with pytest.raises(InputError, match=r"has slices \[2, 5, 9\] and \[0, 19\] were asked for"):
        load_samples([path], "barrel", Reading((0, 19)))


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
        load_samples([path], "barrel", Reading(readout=ReadoutOptions()))


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


def test_windows_of_several_particles_are_no_samples_of_one(tmp_path):
    options = DatasetOptions("merged", slices=(0, 19))
    write_clusters(tmp_path / "F.parquet", simulate_dataset(options, 20, 5), {}, options.described())
    with pytest.raises(InputError, match=r"F.parquet: several particles cross its windows"):
        load_samples([tmp_path / "F.parquet"], "barrel", Reading())
