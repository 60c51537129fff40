"""Clusters of several particles: by hand, and against a straight loop over the truth."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix import schema
from smartpix.cluster_records import Pixels, Truth, cluster_records, one_event
from smartpix.io.cluster_set import ClusterSet, label_of
from smartpix.io.events import Header, iterate
from smartpix.io.parquet import write_clusters
from smartpix.io.write import write_events
from smartpix.merged import load_merged, true_particles
from smartpix.samples import Reading, from_clusters, load_samples
from smartpix.schema import MIN_SHARE, InputError
from smartpix.simulate.dataset_options import DatasetOptions
from smartpix.simulate.datasets import iterate_dataset
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from smartpix.simulate.readout import ReadoutOptions
from tests.helpers import SENSOR, one_module_detector
from tests.smartpix.clusters import cluster_set
from tests.smartpix.test_samples import handmade_file, pixel_center

TRUTHS = st.lists(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(0, 2),
            st.sampled_from([0.0, 0.05, np.nextafter(np.float32(MIN_SHARE), np.float32(0)), np.float32(MIN_SHARE), 0.3, 1.0]),
        ),
        max_size=8,
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


def records(truths):
    """Clusters with lists of (particle, order, share); where each crossed is told by its place in the list."""
    listed = [
        [
            {"particle_id": p, "order": o, "share": np.float32(s), "x": 10.0 * i + k, "y": -k, "cot_alpha": p,
             "cot_beta": o}
            for k, (p, o, s) in enumerate(truth)
        ]
        for i, truth in enumerate(truths)
    ]  # fmt: skip
    # A record of all fields first, so that clusters without truth have their types.
    every = {
        "particle_id": 0,
        "order": 0,
        "share": np.float32(0),
        "x": 0.0,
        "y": 0.0,
        "cot_alpha": 0.0,
        "cot_beta": 0.0,
    }
    return ak.zip({"truth": ak.Array([[every], *listed])}, depth_limit=1)[1:]


def by_loop(truth):
    """Crossings of a cluster by the definition, the largest share first."""
    best = {}
    for k, (particle, order, share) in enumerate(truth):
        if np.float32(share) >= MIN_SHARE and share > best.get((particle, order), (-1, 0))[0]:
            best[particle, order] = (share, k)
    return sorted(best.values(), key=lambda found: -found[0])


@settings(max_examples=200, deadline=None)
@given(TRUTHS)
def test_particles_are_those_of_a_loop_over_the_truth(truths):
    count, targets = true_particles(records(truths))
    assert targets.shape == (len(truths), 3, 4)
    for i, truth in enumerate(truths):
        wanted = by_loop(truth)
        assert count[i] == min(len(wanted), 3)
        assert np.isfinite(targets[i]).all(axis=1).tolist() == [k < count[i] for k in range(3)]
        shares = [truth[int(x) - 10 * i][2] for x in targets[i, : count[i], 0]]
        assert shares == [share for share, _ in wanted[:3]]
        crossings = {(a, b) for a, b in targets[i, : count[i], 2:].tolist()}
        assert len(crossings) == count[i]


def merged_file(path, clusters, ids=None):
    """One event of clusters, each a pixel (row, column) and its particles' (share, x, y) in mm."""
    owner = np.repeat(np.arange(len(clusters)), [len(made) for _, made in clusters])
    made = np.array([m for _, made in clusters for m in made]).reshape(-1, 3)
    place = np.array([place for place, _ in clusters], dtype=np.int32)
    n = len(clusters)
    pixels = Pixels(
        np.arange(n), np.zeros(n, dtype=np.int32), place[:, 0], place[:, 1],
        np.full((n, 2), 900.0, dtype=np.float32),
    )  # fmt: skip
    ids = np.arange(1, len(made) + 1) if ids is None else np.array(ids)
    flat = np.zeros(len(made))
    truth = Truth(
        owner,
        ids,
        made[:, 0],
        flat.astype(np.int32),
        made[:, 1],
        made[:, 2],
        flat + 0.3,
        flat - 0.1,
        flat + 1,
    )
    detector = one_module_detector()
    particles = {name: np.zeros(len(np.unique(ids)), dtype=c.dtype) for name, c in schema.PARTICLES.items()}
    particles["particle_id"] = np.unique(ids)
    found = cluster_records(detector, pixels, truth, (0, 19), np.full((1, 2), 0.05))
    write_events(path, Header(detector, 3.8, (0, 19)), [one_event(0, found, ak.zip(particles))])
    return path


def test_each_particle_has_its_place_in_the_window(tmp_path):
    x, y = pixel_center(100, 200)
    path = merged_file(
        tmp_path / "f.root",
        [
            ((100, 200), [(0.3, x + 0.01, y), (0.6, x, y - 0.002), (0.1, x - 0.02, y + 0.003)]),
            ((40, 90), [(0.95, 0, 0), (0.05, 0, 0)]),
            ((50, 90), []),
        ],
    )
    found = load_merged(path, "barrel")
    assert found.count.tolist() == [3, 1]
    wanted = [[0, -0.002, 0.3, -0.1], [0.01, 0, 0.3, -0.1], [-0.02, 0.003, 0.3, -0.1]]
    np.testing.assert_allclose(found.targets[0], wanted, atol=1e-5)
    assert np.isnan(found.targets[1, 1:]).all()
    assert found.images.shape == (2, 2, 13, 21)
    assert np.all(found.images[:, :, 6, 10] == 900)
    assert (found.sensor, found.slices, found.parts, found.files) == (SENSOR, (0, 19), (2,), (path,))
    few = found.take(np.array([1]))
    assert (len(few), few.count.tolist(), few.parts) == (1, [1], ())


def test_fragments_are_kept_or_left_out(tmp_path):
    """Two clusters of one crossing: the second holds the smaller part of it."""
    path = merged_file(
        tmp_path / "f.root", [((9, 9), [(1.0, 0, 0)]), ((50, 50), [(0.9, 0, 0), (0.1, 1, 1)])], ids=[5, 5, 6]
    )
    assert load_merged(path, "barrel").count.tolist() == [1, 2]
    assert load_merged(path, "barrel", fragments=False).count.tolist() == [1]


def test_clusters_of_one_particle_are_those_of_the_estimates_samples(tmp_path, clusters_2s):
    """The same images and the same truth, of both readers of one file."""
    places = [(5, 5), (600, 700), (0, 0)]
    path = handmade_file(tmp_path / "f.root", places, [pixel_center(*p) for p in places])
    one, two = load_samples([path, path], "barrel"), load_merged([path, path], "barrel")
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.targets, two.targets[:, 0])
    np.testing.assert_array_equal(one.truncated, two.truncated)
    assert two.parts == one.parts == (3, 3)
    assert two.made_by == one.made_by


def test_what_cannot_be_read_is_refused(tmp_path):
    path = merged_file(tmp_path / "f.root", [((9, 9), [(0.05, 0, 0)])])
    with pytest.raises(InputError, match="no barrel cluster with truth"):
        load_merged(path, "barrel")
    with pytest.raises(InputError, match="no endcap modules"):
        load_merged(path, "endcap")
    with pytest.raises(InputError, match="read out already"):
        load_merged(path, "barrel", Reading(readout=ReadoutOptions()))


def test_counts_of_an_event_are_those_of_its_truth(tmp_path):
    path = tmp_path / "few.root"
    detector, options = one_module_detector(), SimulateOptions()
    write_events(path, header(detector, options, 2, 1), simulate_crossings(detector, options, 2, 300, 1))
    found = load_merged(path, "barrel")
    counts = []
    for opened, events in iterate([path]):
        barrel = opened.header.detector.barrel
        for clusters in events["clusters"]:
            for module, truth in zip(clusters["module_index"], ak.to_list(clusters["truth"]), strict=True):
                counts += [len(by_loop([(t["particle_id"], t["order"], t["share"]) for t in truth]))] * int(
                    barrel[module]
                )
    assert found.count.tolist() == [min(n, 3) for n in counts if n]


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """A data set of windows that one, two or three particles cross, and its file."""
    parts = list(iterate_dataset(DatasetOptions("merged"), 40, 52900))
    path = tmp_path_factory.mktemp("sets") / "merged.parquet"
    write_clusters(path, parts, {"options": {"dataset": "merged"}}, SENSOR)
    return path, parts[0]


def test_windows_of_a_data_set_are_read_out_and_keep_the_truth_of_each_particle(windows):
    path, made = windows
    readout = ReadoutOptions(noise=30.0, threshold=500.0)
    found = load_merged(path, "barrel", Reading(readout=readout))
    # By a loop over the particles of each window.
    names = ("x-midplane", "y-midplane", "cotAlpha", "cotBeta")
    count, order = [], np.full((len(made), 3), -1)
    for row in range(len(made)):
        pairs = {k: made.labels[label_of("number_eh_pairs", k)][row] for k in (1, 2, 3)}
        pairs = {k: n for k, n in pairs.items() if not np.isnan(n)}
        kept = sorted(
            (k for k, n in pairs.items() if n >= 0.1 * sum(pairs.values())), key=lambda k: -pairs[k]
        )
        order[row, : len(kept)] = kept
        count.append(len(kept))
    assert found.count.tolist() == count
    assert set(found.count) == {1, 2, 3}
    # Another one than the first drawn may have the most, and one may have hardly any.
    assert np.any(order[:, 0] != 1)
    # The first particle's alone, as a data set of single particles.
    first = ClusterSet(made.charge[:, [0, 19]], made.labels, (0, 19))
    alone = from_clusters(first, readout, SENSOR, {})
    np.testing.assert_array_equal(found.images, alone.images)
    np.testing.assert_array_equal(found.truncated, alone.truncated)
    shift = np.stack([made.labels[name] for name in names[:2]], axis=1) * 1e-3 - alone.targets[:, :2]
    for row, of in enumerate(order):
        for place, k in enumerate(of):
            if k < 0:
                assert np.isnan(found.targets[row, place]).all()
                continue
            wanted = np.array([made.labels[label_of(name, k)][row] for name in names])
            wanted[:2] = wanted[:2] * 1e-3 - shift[row]
            np.testing.assert_allclose(found.targets[row, place], wanted, rtol=1e-6, atol=1e-9)
    assert (found.slices, found.sensor, found.parts, found.files) == ((0, 19), SENSOR, (40,), (path,))
    assert found.made_by["readout"]["threshold"] == 500


def test_data_sets_of_single_particles_and_of_the_other_region_are_refused(windows, tmp_path):
    write_clusters(tmp_path / "c.parquet", cluster_set(5, slices=20, shape=(13, 21)), {}, SENSOR)
    with pytest.raises(InputError, match=r"c\.parquet: its clusters are of single particles"):
        load_merged(tmp_path / "c.parquet", "barrel")
    with pytest.raises(InputError, match="is data set merged, of the barrel"):
        load_merged(windows[0], "endcap")


def test_seeds_of_all_files_are_told(tmp_path):
    options, detector = SimulateOptions(), one_module_detector()
    paths = [tmp_path / f"{seed}.root" for seed in (12, 11)]
    for seed, path in zip((12, 11), paths, strict=True):
        write_events(
            path, header(detector, options, 1, seed), simulate_crossings(detector, options, 1, 60, seed)
        )
    for load in (load_merged, load_samples):
        made_by = load(paths, "barrel", Reading()).made_by
        assert (made_by["seed"], made_by["seeds"]) == (11, [11, 12])
