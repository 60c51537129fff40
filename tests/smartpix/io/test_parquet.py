"""Clusters in the public layout: round trips, and files as others write them."""

import json
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io import cluster_write, parquet
from smartpix.io.cluster_set import ALL_LABELS, LABELS, MERGED_LABELS, N_PARTICLES, ClusterSet
from smartpix.io.parquet import describe_clusters, is_cluster_file, read_clusters, write_clusters
from smartpix.provenance import origin
from smartpix.schema import InputError
from smartpix.simulate.datasets import DatasetOptions, iterate_dataset, simulate_dataset
from tests.smartpix.clusters import THICKNESS, cluster_set, image_columns, save, save_pair, save_table
from tests.smartpix.io.parquet_files import SENSOR, SMALL, assert_same, joined

# Round trips


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 8), min_size=1, max_size=5),
    slices=st.sampled_from([(0,), (0, 19), (3, 7, 12)]),
    shape=st.sampled_from([(1, 1), (3, 4), (5, 2)]),
    row_group=st.integers(1, 9),
    columns=st.integers(1, 30),
)
def test_round_trip_keeps_everything(tmp_path_factory, sizes, slices, shape, row_group, columns):
    path = tmp_path_factory.mktemp("round") / "F.parquet"
    parts = [cluster_set(n, seed=k, slices=slices, shape=shape) for k, n in enumerate(sizes)]
    with (
        mock.patch.object(cluster_write, "ROW_GROUP", row_group),
        mock.patch.object(parquet, "COLUMNS", columns),
    ):
        assert write_clusters(path, iter(parts), {"seed": 7}, SENSOR) == sum(sizes)
        found = read_clusters(path, min_rows=0)
    assert_same(found, joined(parts))
    told = describe_clusters(path)
    assert told == {
        "n_files": 1, "n_clusters": sum(sizes), "slices": list(slices), "n_rows": shape[0],
        "n_columns": shape[1],
        "sensor": SENSOR, "labels": list(LABELS), "made_by": {"seed": 7}, "provenance": origin(), "checksums": "crc32",
    }  # fmt: skip


def merged_set(number):
    """Windows of so many particles each."""
    n, number = len(number), np.array(number, dtype=np.float64)
    made = cluster_set(n, slices=(19,), shape=SMALL)
    labels = dict(made.labels) | {N_PARTICLES: number}
    for k in (2, 3):
        more = cluster_set(n, seed=k, slices=(19,), shape=SMALL).labels
        labels |= {f"{name}-{k}": np.where(number >= k, values, np.nan) for name, values in more.items()}
    return ClusterSet(made.charge, labels, made.slices)


@settings(max_examples=20, deadline=None)
@given(number=st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=8), group=st.integers(1, 9))
def test_windows_of_several_particles_come_back_as_they_were(tmp_path_factory, number, group):
    path = tmp_path_factory.mktemp("merged") / "F.parquet"
    made = merged_set(number)
    with mock.patch.object(cluster_write, "ROW_GROUP", group):
        write_clusters(path, made, {}, SENSOR)
    found = read_clusters(path)
    assert_same(found, made)
    assert describe_clusters(path)["labels"] == list(ALL_LABELS)
    np.testing.assert_array_equal(np.isnan(found.targets(3)).any(axis=1), np.array(number) < 3)
    wanted = np.stack(
        [made.labels[n] for n in ("x-midplane-2", "y-midplane-2", "cotAlpha-2", "cotBeta-2")], axis=1
    )
    np.testing.assert_allclose(found.targets(2), wanted * [1e-3, 1e-3, 1, 1])


@pytest.mark.parametrize(
    ("label", "values", "words"),
    [
        (N_PARTICLES, None, "'n_particles' is missing"), ("cotAlpha-3", None, "'cotAlpha-3' is missing"),
        (N_PARTICLES, [1, 2, 4], "n_particles 4, which must be 1, 2 or 3"),
        (N_PARTICLES, [2, 2, 3], r"row 0 .* at least 2 exactly where x-entry-2 is a number"),
        ("pt-2", [np.nan, 1, np.nan], r"row 2 .* at least 2 exactly where pt-2 is a number"),
        ("pt-3", [np.nan, np.nan, np.inf], "pt-3 of cluster 2 must be finite"),
        (N_PARTICLES, [1, 2, np.nan], "n_particles of cluster 2 must be finite"),
    ],
)  # fmt: skip
def test_labels_of_several_particles_must_agree_with_their_number(tmp_path, label, values, words):
    made = merged_set([1, 2, 3])
    labels = dict(made.labels)
    del labels[label]
    if values is not None:
        labels[label] = np.array(values, dtype=np.float64)
    with pytest.raises(InputError, match=words):
        write_clusters(tmp_path / "F.parquet", ClusterSet(made.charge, labels, made.slices), {}, SENSOR)
    assert not list(tmp_path.iterdir())


def test_a_label_that_is_no_number_is_refused_where_another_program_wrote_it(tmp_path):
    table = pq.read_table(save_table(tmp_path / "F.parquet", merged_set([1, 2, 3])))
    number = table.column_names.index(N_PARTICLES)
    other = table.set_column(number, N_PARTICLES, pa.array([1.0, 3.0, 3.0]))
    pq.write_table(other, tmp_path / "G.parquet")
    with pytest.raises(InputError, match=r"G.parquet: row 1 .* n_particles 3, which must be at least 3"):
        read_clusters(tmp_path / "G.parquet", shape=SMALL)
    assert set(MERGED_LABELS) < set(ALL_LABELS)


def test_the_bytes_depend_on_the_clusters_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_write, "ROW_GROUP", 10)
    whole = cluster_set(47)
    contents = []
    for k, size in enumerate((47, 1, 10, 13)):
        parts = [
            ClusterSet(
                whole.charge[a : a + size],
                {n: v[a : a + size] for n, v in whole.labels.items()},
                whole.slices,
            )
            for a in range(0, 47, size)
        ]
        write_clusters(tmp_path / f"{k}.parquet", parts if k else whole, {"seed": 1}, SENSOR)
        contents.append((tmp_path / f"{k}.parquet").read_bytes())
    assert len(set(contents)) == 1
    assert [pq.read_metadata(tmp_path / "0.parquet").row_group(g).num_rows for g in range(5)] == [
        10,
        10,
        10,
        10,
        7,
    ]


def test_the_file_is_laid_out_as_the_public_ones(tmp_path):
    clusters = cluster_set(5, slices=(0, 3, 19))
    write_clusters(tmp_path / "F.parquet", clusters, {"command": "test"}, SENSOR)
    table = pq.read_table(tmp_path / "F.parquet")
    assert table.column_names == [str(k) for k in range(36)] + list(LABELS)
    assert {str(kind) for kind in table.schema.types[:36]} == {"float"}
    assert {str(kind) for kind in table.schema.types[36:]} == {"double"}
    for name, values in (image_columns(clusters) | clusters.labels).items():
        np.testing.assert_array_equal(table[name].to_numpy(), values, err_msg=name)
    assert json.loads(table.schema.metadata[b"smartpix"]) == {
        "format": "smartpix clusters", "version": 1, "slices": [0, 3, 19], "shape": [3, 4], "sensor": SENSOR,
        "made_by": {"command": "test"}, "provenance": origin(), "checksums": "crc32",
    }  # fmt: skip
    # Keys of the format, whatever the modules are called.
    assert set(table.schema.metadata) == {b"smartpix", b"smartpix.checksums"}
    assert pq.read_metadata(tmp_path / "F.parquet").row_group(0).column(0).compression == "ZSTD"


def test_labels_that_are_not_there_stay_away(tmp_path):
    clusters = cluster_set(5)
    few = ClusterSet(
        clusters.charge, {n: v for n, v in clusters.labels.items() if n not in ("pt", "n_x")}, clusters.slices
    )
    write_clusters(tmp_path / "few.parquet", few, {})
    assert_same(read_clusters(tmp_path / "few.parquet"), few)
    assert describe_clusters(tmp_path / "few.parquet")["sensor"] is None
    write_clusters(tmp_path / "all.parquet", clusters, {})
    both = read_clusters([tmp_path / "all.parquet", tmp_path / "few.parquet"])
    assert set(both.labels) == set(few.labels)
    assert set(describe_clusters([tmp_path / "few.parquet", tmp_path / "all.parquet"])["labels"]) == set(
        few.labels
    )


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(0, 25),
    length=st.none() | st.integers(0, 25),
    wanted=st.permutations([0, 2, 5, 19]),
    n=st.integers(1, 4),
)
def test_ranges_of_rows_and_slices_are_those_of_numpy(three_files, start, length, wanted, n):
    paths, whole = three_files
    stop = None if length is None else start + length
    found = read_clusters(paths, wanted[:n], start, stop, min_rows=0)
    assert_same(found, whole, wanted[:n], slice(start, stop))


@pytest.fixture(scope="module")
def three_files(tmp_path_factory):
    """9, 1 and 11 rows, in row groups of 4."""
    folder = tmp_path_factory.mktemp("three")
    parts = [cluster_set(n, seed=n, slices=(0, 2, 5, 19)) for n in (9, 1, 11)]
    with mock.patch.object(cluster_write, "ROW_GROUP", 4):
        for k, part in enumerate(parts):
            write_clusters(folder / f"{k}.parquet", part, {}, SENSOR)
    return [folder / f"{k}.parquet" for k in range(3)], joined(parts)


# Files as others write them


@pytest.mark.parametrize("shape", [(13, 21), (16, 16)])
def test_one_table_with_images_and_labels(tmp_path, shape):
    clusters = cluster_set(6, slices=20, shape=shape)
    more = {
        "original_atEdge": np.arange(6) % 2 == 0,
        "PID": np.array(["pi"] * 6),
        "z-global": np.arange(6.0),
        "hit_time": [None] * 6,
    }
    path = save_table(tmp_path / "clusters.parquet", clusters, **more)
    assert_same(read_clusters(path), clusters)
    assert_same(read_clusters(str(path), slices=[19, 0]), clusters, (19, 0))
    told = describe_clusters(path)
    assert (told["n_rows"], told["n_columns"], told["slices"], told["made_by"]) == (
        *shape,
        list(range(20)),
        None,
    )


def test_pairs_are_put_together_and_the_last_slice_alone_is_left_out_of_folders(tmp_path):
    parts = {number: cluster_set(3, seed=number, slices=20, shape=(13, 21)) for number in (17301, 9, 100)}
    for number, part in parts.items():
        save_pair(tmp_path, f"_d{number}", part)
        save(
            tmp_path / f"recon2D_d{number}.parquet",
            {str(k): part.charge[:, -1].reshape(3, -1)[:, k] for k in range(273)},
        )
    assert_same(read_clusters(tmp_path / "recon3D_d17301.parquet", (0, 19)), parts[17301], (0, 19))
    ascending = joined([parts[number] for number in (9, 100, 17301)])
    assert_same(read_clusters(tmp_path, (0, 19)), ascending, (0, 19))
    pair = [tmp_path / "labels_d9.parquet", tmp_path / "recon3D_d9.parquet"]  # as the shell's * gives them
    assert_same(read_clusters(pair, (4,)), parts[9], (4,))
    assert describe_clusters(tmp_path)["n_files"] == 3


def test_a_folder_of_parts_is_read_by_number(tmp_path):
    parts = {number: cluster_set(2, seed=number, slices=20, shape=(16, 16)) for number in (10, 2, 0)}
    for number, part in parts.items():
        save_table(tmp_path / f"part.{number}.parquet", part)
    for junk in ("._part.0.parquet", "_metadata.parquet", ".part.4.parquet", "notes.txt"):
        (tmp_path / junk).write_text("nothing")
    assert_same(read_clusters([tmp_path], (0, 19)), joined([parts[number] for number in (0, 2, 10)]), (0, 19))


def test_a_recon3d_table_with_labels_of_its_own_needs_no_partner(tmp_path):
    clusters = cluster_set(3)
    assert_same(read_clusters(save_table(tmp_path / "recon3D_all.parquet", clusters), shape=SMALL), clusters)


@pytest.mark.parametrize("kind", ["int16", "int64", "uint32", "float16", "float64"])
def test_columns_of_any_number_type_in_any_order(tmp_path, kind):
    clusters = cluster_set(5)
    rounded = ClusterSet(
        np.abs(clusters.charge).round().astype(kind).astype(np.float32), clusters.labels, clusters.slices
    )
    columns = image_columns(rounded) | rounded.labels
    order = np.random.default_rng(3).permutation(list(columns))
    kinds = {name: np.float64 if name in LABELS else kind for name in columns}
    path = save(tmp_path / "F.parquet", {name: columns[name].astype(kinds[name]) for name in order})
    assert_same(read_clusters(path, shape=SMALL), rounded)
    assert_same(read_clusters(path, shape=SMALL, slices=(1,)), rounded, (1,))


@pytest.mark.parametrize("paired", [True, False])
def test_missing_labels_are_computed_where_the_thickness_is_known(tmp_path, paired):
    whole = cluster_set(8)
    few = ClusterSet(
        whole.charge,
        {n: v for n, v in whole.labels.items() if n[:3] not in ("cot", "x-m", "y-m")},
        whole.slices,
    )
    path = save_pair(tmp_path, "_d1", few) if paired else save_table(tmp_path / "F.parquet", few)
    found = read_clusters(path, shape=SMALL, thickness=THICKNESS)
    assert list(found.labels) == list(LABELS)
    np.testing.assert_allclose(found.targets(), whole.targets(), rtol=1e-12)
    with pytest.raises(InputError, match=r"'x-midplane' is missing.*give the thickness of the sensor in mm"):
        read_clusters(path, shape=SMALL)


def test_the_thickness_in_the_metadata_is_used(tmp_path):
    clusters = cluster_set(8)
    write_clusters(tmp_path / "all.parquet", clusters, {}, SENSOR)
    table = pq.read_table(tmp_path / "all.parquet")
    few = table.drop_columns(["x-midplane", "y-midplane"])
    pq.write_table(few, tmp_path / "few.parquet")
    with pytest.raises(
        InputError, match=r"not what was written \(checksum\).*if another program changed it, write it with"
    ):
        read_clusters(tmp_path / "few.parquet")
    meta = {k: v for k, v in json.loads(table.schema.metadata[b"smartpix"]).items() if k != "checksums"}
    bare = pa.schema([(f.name, f.type) for f in few.schema], metadata={"smartpix": json.dumps(meta)})
    pq.write_table(pa.Table.from_arrays(few.columns, schema=bare), tmp_path / "few.parquet")
    assert describe_clusters(tmp_path / "few.parquet")["checksums"] == "none"
    np.testing.assert_allclose(
        read_clusters(tmp_path / "few.parquet").targets(), clusters.targets(), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("options", "n", "seed", "message"),
    [
        ({}, 0, 1, "n must be at least 1"), ({}, 1, -1, "seed must be 0 or more"),
        ({"slices": ()}, 1, 1, "slices must be"), ({"slices": (0, 20)}, 1, 1, "slices must be different ones of 0 to 19"),
        ({"slices": (19, 0)}, 1, 1, "ascending"), ({"radius": -1.0}, 1, 1, "radius must be positive"),
        ({"induction": "none"}, 1, 1, "induction must be one of full, pixelav"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("simulated", [simulate_dataset, lambda *a: list(iterate_dataset(*a))])
def test_options_out_of_range_are_refused(simulated, options, n, seed, message):
    with pytest.raises(InputError, match=f"simulate clusters: .*{message}"):
        simulated(DatasetOptions(**options), n, seed)


def test_paths_that_are_meant_for_it(tmp_path):
    assert is_cluster_file("F.parquet")
    assert not is_cluster_file(tmp_path / "F.root")
    assert not is_cluster_file(tmp_path)
    (tmp_path / "part.0.parquet").write_text("")
    assert is_cluster_file(tmp_path)


def test_pairs_called_signal_are_read_as_any_other_pair(tmp_path):
    """The public data sets call clusters of charged particles so: ``signal_recon3D`` and ``signal_labels``."""
    made = cluster_set(3, seed=3, slices=tuple(range(20)), shape=(13, 21))
    save_pair(tmp_path, "_d1", made)
    for part in ("recon3D", "labels"):
        (tmp_path / f"{part}_d1.parquet").rename(tmp_path / f"signal_{part}_d1.parquet")
    images = tmp_path / "signal_recon3D_d1.parquet"
    for paths in (images, tmp_path, [images, tmp_path / "signal_labels_d1.parquet"]):
        assert_same(read_clusters(paths, min_rows=0), made)
    (tmp_path / "signal_labels_d1.parquet").rename(tmp_path / "signal_labels_d2.parquet")
    with pytest.raises(InputError, match=r"signal_recon3D_d2\.parquet is not among the files"):
        read_clusters([tmp_path / "signal_labels_d2.parquet"])
    images.rename(tmp_path / "recon3D_d2.parquet")
    with pytest.raises(InputError):
        read_clusters(tmp_path / "recon3D_d2.parquet")
