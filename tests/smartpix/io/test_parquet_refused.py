"""Clusters in the public layout: what bad files and bad writing are answered with."""

import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smartpix.io.parquet import describe_clusters, read_clusters, write_clusters
from smartpix.schema import InputError
from tests.smartpix.clusters import cluster_set, image_columns, save, save_pair, save_table, some_labels
from tests.smartpix.io.parquet_files import SENSOR, SMALL

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
