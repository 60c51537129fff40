"""Clusters in the public layout: round trips, files as others write them, memory, and what bad files are
answered with.
"""

import json
import re
import shutil
import weakref
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io import cluster_write, parquet
from smartpix.io.cluster_set import LABELS, ClusterSet
from smartpix.io.parquet import describe_clusters, is_cluster_file, read_clusters, write_clusters
from smartpix.provenance import origin
from smartpix.schema import InputError
from smartpix.simulate import datasets
from smartpix.simulate.datasets import DatasetOptions, iterate_dataset, simulate_dataset
from tests.smartpix.clusters import (
    THICKNESS,
    cluster_set,
    image_columns,
    save,
    save_pair,
    save_table,
    some_labels,
)

SENSOR = {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": THICKNESS, "field": 3.8}
SMALL = (3, 4)


def joined(parts):
    labels = {name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels}
    return ClusterSet(np.concatenate([part.charge for part in parts]), labels, parts[0].slices)


def assert_same(found, expected, slices=None, rows=slice(None)):
    slices = expected.slices if slices is None else slices
    assert found.slices == tuple(slices)
    assert found.charge.dtype == np.float32
    np.testing.assert_array_equal(
        found.charge, expected.charge[rows, [expected.slices.index(s) for s in slices]]
    )
    assert list(found.labels) == [name for name in LABELS if name in expected.labels]
    for name, values in found.labels.items():
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, expected.labels[name][rows], err_msg=name)


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


# Simulated sets


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(datasets, "BATCH", 20)


def test_simulated_sets_are_the_same_in_one_piece_and_in_a_stream(tmp_path, small_batches):
    options = DatasetOptions(slices=(0, 19))
    whole = simulate_dataset(options, 50, 5)
    batches = list(iterate_dataset(options, 50, 5))
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert_same(joined(batches), whole)
    assert len(np.unique(whole.labels["pt"])) == 50
    write_clusters(tmp_path / "F.parquet", iterate_dataset(options, 50, 5), {}, SENSOR)
    assert_same(read_clusters(tmp_path / "F.parquet"), whole)


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


# Memory


def test_only_the_wanted_columns_are_touched(tmp_path):
    """Every column of slices 1 to 18 is overwritten: a reader that looks at one of them finds its checksum
    wrong.
    """
    path = tmp_path / "F.parquet"
    clusters = cluster_set(40, slices=20)
    write_clusters(path, clusters, {})
    content = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    for k in range(12, 19 * 12):
        chunk = group.column(k)
        last = chunk.data_page_offset + chunk.total_compressed_size
        content[last - 20 : last] = bytes(20)
    path.write_bytes(content)
    assert_same(read_clusters(path, (0, 19)), clusters, (0, 19))
    for s in range(1, 19):
        with pytest.raises(InputError, match="not a readable parquet file"):
            read_clusters(path, (s,))


POOLS = []  # Arrow does not keep the pools it is told to use alive


@contextmanager
def watched_memory():
    """Gives a memory pool that knows the largest amount Arrow held."""
    before = pa.default_memory_pool()
    POOLS.append(pa.proxy_memory_pool(pa.system_memory_pool()))
    pa.set_memory_pool(POOLS[-1])
    yield POOLS[-1]
    pa.set_memory_pool(before)


def test_memory_for_two_of_twenty_slices_is_that_of_two(tmp_path, monkeypatch):
    clusters = cluster_set(5000, slices=20, shape=(5, 5))
    path = save_table(tmp_path / "one-row-group.parquet", clusters)
    monkeypatch.setattr(parquet, "COLUMNS", 25)
    for slices, limit in (((0, 19), 0.2), (None, 0.4)):
        with watched_memory() as pool:
            read_clusters(path, slices, shape=(5, 5))
        assert 0 < pool.max_memory() < limit * clusters.charge.nbytes


def test_memory_for_writing_does_not_grow_with_the_set(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_write, "ROW_GROUP", 200)
    made = []
    most = 0

    def parts(n):
        nonlocal most
        for k in range(n):
            part = cluster_set(200, seed=k, slices=20, shape=(5, 5))
            made.append(weakref.ref(part.charge))
            most = max(most, sum(charge() is not None for charge in made))
            yield part
            del part

    peaks = []
    for n in (4, 16):
        with watched_memory() as pool:
            write_clusters(tmp_path / "F.parquet", parts(n), {})
        peaks.append(pool.max_memory())
    assert peaks[1] < 1.5 * peaks[0]
    assert most <= 4


# What bad input is answered with


def refused(*words, **options):
    """Reading raises one error that begins with a file's name or the option and says the words."""
    paths = options.pop("paths")
    with pytest.raises(InputError) as caught:
        read_clusters(paths, **options)
    for word in words:
        assert str(word) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_there_or_no_parquet(tmp_path):
    refused("missing.parquet: no such file", paths=tmp_path / "missing.parquet")
    refused("no files are given", paths=[])
    refused(tmp_path, "holds no .parquet file", paths=tmp_path)
    (tmp_path / "text.parquet").write_text("nothing of parquet's")
    refused("text.parquet: not a readable parquet file", paths=tmp_path / "text.parquet")
    (tmp_path / "void.parquet").write_bytes(b"")
    refused("void.parquet: not a readable parquet file", paths=tmp_path / "void.parquet")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_file_cut_off(tmp_path, share):
    write_clusters(tmp_path / "F.parquet", cluster_set(50), {})
    content = (tmp_path / "F.parquet").read_bytes()
    (tmp_path / "F.parquet").write_bytes(content[: int(share * len(content))])
    refused("F.parquet: not a readable parquet file", "cut off", paths=tmp_path / "F.parquet")


@pytest.mark.parametrize("name", ["7", "19", "pt"])
def test_a_file_overwritten_in_its_middle(tmp_path, name):
    path = tmp_path / "F.parquet"
    write_clusters(path, cluster_set(50), {})
    content = bytearray(path.read_bytes())
    chunk = pq.read_metadata(path).row_group(0).column(pq.read_schema(path).names.index(name))
    content[chunk.data_page_offset + 40] ^= 0xFF
    path.write_bytes(content)
    refused("F.parquet: not a readable parquet file", paths=path)


def test_image_columns_that_are_missing(tmp_path):
    columns = image_columns(cluster_set(2, slices=20, shape=(13, 21))) | some_labels(2)
    gap = save(tmp_path / "gap.parquet", {k: v for k, v in columns.items() if k != "1234"})
    refused("gap.parquet: image column '1234' is missing", paths=gap)
    short = save(tmp_path / "short.parquet", {k: v for k, v in columns.items() if k != "5459"})
    refused(
        "short.parquet: has 5459 image columns",
        "5460: 20 slices of 13 x 21",
        "shape=(rows, columns)",
        paths=short,
    )
    refused(
        "short.parquet: has 5459 image columns",
        "no whole number of slices of 13 x 21",
        paths=short,
        shape=(13, 21),
    )
    none = save(tmp_path / "none.parquet", some_labels(2))
    refused("none.parquet: has no image columns", "x-entry", paths=none)


def test_shapes_that_cannot_be(tmp_path):
    path = save_table(tmp_path / "F.parquet", cluster_set(2))
    refused("shape must be two numbers above 0", paths=path, shape=(0, 12))
    write_clusters(tmp_path / "ours.parquet", cluster_set(2), {})
    refused(
        "ours.parquet: has images of 3 x 4 pixels, not 4 x 3", paths=tmp_path / "ours.parquet", shape=(4, 3)
    )


def test_doubled_columns_and_columns_of_text(tmp_path):
    columns = image_columns(cluster_set(2)) | some_labels(2)
    names = [*columns, "5"]
    table = pa.Table.from_arrays([pa.array(columns[name]) for name in names], names=names)
    pq.write_table(table, tmp_path / "twice.parquet")
    refused("twice.parquet: column '5' is there 2 times", paths=tmp_path / "twice.parquet", shape=SMALL)
    for name in ("5", "pt"):
        path = save(tmp_path / "text.parquet", columns | {name: np.array(["a", "b"])})
        refused(
            f"text.parquet: column '{name}' must hold numbers and is of type string", paths=path, shape=SMALL
        )


def test_a_missing_label_is_named_with_its_nearest_name(tmp_path):
    labels = some_labels(2)
    labels["cotbeta"] = labels.pop("cotBeta")
    del labels["n_y"]
    path = save(tmp_path / "F.parquet", image_columns(cluster_set(2)) | labels)
    refused("F.parquet: 'cotBeta' is missing", "'cotbeta'?", "'n_y' is missing", paths=path, shape=SMALL)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("17", "n_x") for value in (np.nan, -np.inf, None)] + [("17", 1e300)],
)
def test_a_value_that_is_no_number_is_named_with_row_and_column(tmp_path, name, value):
    columns = {k: list(v.astype(float)) for k, v in (image_columns(cluster_set(9)) | some_labels(9)).items()}
    columns[name][6] = value
    path = save(tmp_path / "F.parquet", columns, row_group_size=4)
    refused("F.parquet", f"column '{name}' of row 6 ", "finite", paths=path, shape=SMALL)
    refused("F.parquet", f"column '{name}' of row 6 ", paths=path, shape=SMALL, start=5, stop=8)
    assert len(read_clusters(path, shape=SMALL, stop=6)) == 6
    if name == "17":
        assert len(read_clusters(path, slices=(0,), shape=SMALL)) == 9


def test_missing_integers_are_no_numbers(tmp_path):
    path = save(tmp_path / "F.parquet", image_columns(cluster_set(3)) | some_labels(3) | {"4": [1, None, 3]})
    refused("column '4' of row 1 ", paths=path, shape=SMALL)


@pytest.mark.parametrize("thickness", [0, -0.1, np.nan, np.inf])
def test_a_thickness_that_cannot_be(tmp_path, thickness):
    path = save_table(tmp_path / "F.parquet", cluster_set(2))
    refused("thickness must be positive (mm)", paths=path, shape=SMALL, thickness=thickness)
    with pytest.raises(InputError, match=r"G\.parquet: 'sensor\.thickness' must be a finite number above 0"):
        write_clusters(tmp_path / "G.parquet", cluster_set(2), {}, SENSOR | {"thickness": thickness})
    assert not (tmp_path / "G.parquet").exists()


def test_another_thickness_than_the_metadatas(tmp_path):
    write_clusters(tmp_path / "F.parquet", cluster_set(2), {}, SENSOR)
    refused(
        "F.parquet: is of a sensor 0.1 mm thick, not 0.15 mm", paths=tmp_path / "F.parquet", thickness=0.15
    )
    assert len(read_clusters(tmp_path / "F.parquet", thickness=0.1)) == 2


def test_pairs_that_do_not_belong_together(tmp_path):
    save_pair(tmp_path, "_d1", cluster_set(5))
    save(tmp_path / "labels_d1.parquet", some_labels(4))
    refused(
        "labels_d1.parquet: has 4 rows and recon3D_d1.parquet has 5",
        paths=tmp_path / "recon3D_d1.parquet",
        shape=SMALL,
    )
    refused("labels_d1.parquet: has 4 rows", paths=tmp_path, shape=SMALL)
    shuffled = some_labels(5)
    shuffled["cotAlpha"] = shuffled["cotAlpha"][[0, 1, 3, 2, 4]]
    save(tmp_path / "labels_d1.parquet", shuffled)
    refused(
        "labels_d1.parquet: row 2 ",
        "cotAlpha",
        "n_x / n_z",
        "different clusters",
        paths=tmp_path,
        shape=SMALL,
    )
    refused("labels_d1.parquet: row 2 ", paths=tmp_path, shape=SMALL, start=1)


def test_halves_of_pairs(tmp_path):
    recon = save_pair(tmp_path, "_d1", cluster_set(5))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(tmp_path / "labels_d1.parquet", moved)
    refused(
        "recon3D_d1.parquet: its labels are missing; put labels_d1.parquet beside it",
        paths=recon,
        shape=SMALL,
    )
    labels = moved / "labels_d1.parquet"
    for paths in (labels, moved):
        refused(
            "labels_d1.parquet: recon3D_d1.parquet is not among the files",
            "give the recon3D* file",
            paths=paths,
        )


def test_the_last_slice_alone_is_not_read(tmp_path):
    path = save(tmp_path / "recon2D_d1.parquet", {str(k): np.zeros(2) for k in range(273)})
    refused("recon2D_d1.parquet: recon2D* files are the last slice alone", "recon3D", paths=path)
    refused(tmp_path, "only recon2D* files", paths=tmp_path)


def test_too_few_rows(tmp_path):
    write_clusters(tmp_path / "none.parquet", cluster_set(0), {})
    refused("none.parquet: 0 of 0 clusters", "at least 1 are needed", paths=tmp_path / "none.parquet")
    assert describe_clusters(tmp_path / "none.parquet")["n_clusters"] == 0
    write_clusters(tmp_path / "some.parquet", cluster_set(7), {})
    refused("some.parquet: 7 of 7 clusters", "at least 8", paths=tmp_path / "some.parquet", min_rows=8)
    refused("0 of 7 clusters", "(start 7, stop None)", paths=tmp_path / "some.parquet", start=7)
    refused("none.parquet and 1 more: 7 of 7", paths=tmp_path, min_rows=8)
    refused("start must be 0 or more", paths=tmp_path, start=-1)
    refused("stop must be at least start (3)", paths=tmp_path, start=3, stop=2)


def test_slices_that_are_not_there(tmp_path):
    write_clusters(tmp_path / "F.parquet", cluster_set(3, slices=(0, 19)), {})
    refused("F.parquet: slice 7 is not there; it has the slices 0, 19", paths=tmp_path, slices=(0, 7))
    refused("slices must be one or more different", paths=tmp_path, slices=())
    refused("slices must be one or more different", paths=tmp_path, slices=(0, 0))
    other = tmp_path / "other"
    other.mkdir()
    save_table(other / "G.parquet", cluster_set(3, slices=20))
    refused(
        "G.parquet: slice -1 is not there; it has the slices 0 to 19", paths=other, slices=(-1,), shape=SMALL
    )
    both = [tmp_path, other]
    refused(
        "G.parquet: has the slices 0 to 19", "F.parquet has 0, 19; choose slices", paths=both, shape=SMALL
    )
    assert len(read_clusters(both, (0, 19), shape=SMALL)) == 6


def test_files_of_different_shape_or_sensor(tmp_path):
    write_clusters(tmp_path / "a.parquet", cluster_set(3), {}, SENSOR)
    write_clusters(tmp_path / "b.parquet", cluster_set(3, shape=(4, 4)), {}, SENSOR)
    refused(
        "b.parquet: has images of 4 x 4 pixels",
        "a.parquet of 3 x 4; give files of one data set",
        paths=tmp_path,
    )
    write_clusters(tmp_path / "b.parquet", cluster_set(3), {}, SENSOR | {"pitch_y": 0.025})
    refused("b.parquet: is of the sensor", "0.025", "a.parquet", "give files of one sensor", paths=tmp_path)
    write_clusters(tmp_path / "b.parquet", cluster_set(3), {"seed": 2})
    assert len(read_clusters(tmp_path)) == 6
    told = describe_clusters(tmp_path)
    assert (told["sensor"], told["made_by"]) == (None, None)


GOOD = {
    "format": "smartpix clusters",
    "version": 1,
    "slices": [0, 1],
    "shape": [3, 4],
    "sensor": SENSOR,
    "made_by": {},
}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "not readable as JSON"),
        ("[]", "the content must be an object"),
        ({"format": "smartpix clusters", "version": 1}, "'slices'"),
        (GOOD | {"version": 2}, "version 1"),
        *((GOOD | {"slices": value}, "'slices") for value in ([], "01", [0, 0], [0, -1], [True])),
        *((GOOD | {"shape": value}, "'shape") for value in ([12], [3, 0], [3.0, 4.0], None)),
        (GOOD | {"made_by": 3}, "'made_by' must be an object"),
        (GOOD | {"sensor": 3}, "'sensor' must be an object with pitch_x"),
        (GOOD | {"sensor": {}}, "pitch_x"),
        (GOOD | {"sensor": SENSOR | {"thickness": -0.1}}, "'sensor.thickness' must be"),
        *(
            (
                GOOD | {"sensor": SENSOR | {"field": b}},
                "'sensor.field' must be a finite number from -20 to 20",
            )
            for b in (None, 38.0, -20.1)
        ),
        (
            GOOD | {"slices": [0]},
            "has 24 image columns and by its metadata must have 12 (slices 0 of 3 x 4 pixels)",
        ),
    ],
)
def test_metadata_that_cannot_be(tmp_path, text, word):
    text = text if isinstance(text, str) else json.dumps(text)
    table = pa.table(image_columns(cluster_set(2)) | some_labels(2)).replace_schema_metadata(
        {"smartpix": text}
    )
    pq.write_table(table, tmp_path / "F.parquet")
    refused("F.parquet", word, paths=tmp_path / "F.parquet")


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    good, bad = cluster_set(3), cluster_set(3, shape=(4, 4))
    for clusters, word in ((iter(()), "there are no clusters"), ([good, bad], "from cluster 3 on")):
        with pytest.raises(InputError, match=rf"F\.parquet: {word}"):
            write_clusters(tmp_path / "F.parquet", clusters, {})
    with pytest.raises(InputError, match=r"'sensor\.thickness' must be .* is missing; give pitch_x"):
        write_clusters(tmp_path / "F.parquet", good, {}, {"pitch_x": 0.05, "pitch_y": 0.0125, "field": 3.8})
    with pytest.raises(InputError, match="is a folder"):
        write_clusters(tmp_path, good, {})
    taken = iter([good])
    with pytest.raises(InputError, match=re.escape(f"the folder {tmp_path / 'no'} does not exist")):
        write_clusters(tmp_path / "no" / "F.parquet", taken, {})
    assert next(taken) is good  # the folder is checked before the first cluster is made
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writing_keeps_the_old_file(tmp_path):
    write_clusters(tmp_path / "F.parquet", cluster_set(3), {})
    before = (tmp_path / "F.parquet").read_bytes()

    def broken():
        yield cluster_set(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clusters(tmp_path / "F.parquet", broken(), {})
    assert (tmp_path / "F.parquet").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["F.parquet"]


def test_paths_that_are_meant_for_it(tmp_path):
    assert is_cluster_file("F.parquet")
    assert not is_cluster_file(tmp_path / "F.root")
    assert not is_cluster_file(tmp_path)
    (tmp_path / "part.0.parquet").write_text("")
    assert is_cluster_file(tmp_path)
