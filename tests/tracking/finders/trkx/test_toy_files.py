"""Files of toys: what is read is what was written, and what is damaged is refused."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tests.damage import change_an_array
from tracking.finders.trkx.options import KINDS, toy_options
from tracking.finders.trkx.toy_files import read_toys, write_toys
from tracking.finders.trkx.toys import make_toys

ENDINGS = (".npz", ".parquet")
ARRAYS = ("images", "wanted", "all_hits", "parameters", "n_tracks")


@pytest.fixture(params=ENDINGS)
def written(request, tmp_path):
    """A file of 6 small events of square planes."""
    options = replace(toy_options("3d"), n_planes=4, width=5, noise=0.1)
    path = tmp_path / f"toys{request.param}"
    write_toys(path, make_toys(options, 6, 3, first=8), options, 3, first=8)
    return path


def assert_equal(found, expected):
    for name in ARRAYS:
        left, right = getattr(found, name), getattr(expected, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_events_come_back(tmp_path, kind, ending):
    options = toy_options(kind)
    events = make_toys(options, 5, 620_000, first=70)
    for path in (tmp_path / f"a{ending}", tmp_path / f"b{ending}"):
        write_toys(path, events, options, 620_000, first=70)
    found = read_toys(tmp_path / f"a{ending}")
    assert (found.options, found.seed, found.first) == (options, 620_000, 70)
    assert_equal(found.events, events)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    assert "5 x" in repr(found.events)


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_events_come_back(tmp_path, ending):
    options = toy_options("lines-3")
    events = make_toys(options, 0, 1)
    write_toys(tmp_path / f"F{ending}", events, options, 1)
    assert_equal(read_toys(tmp_path / f"F{ending}").events, events)


def test_a_table_lists_the_hits_of_each_event(tmp_path):
    options = toy_options("2d-tracks")
    events = make_toys(options, 3, 621_000)
    write_toys(tmp_path / "F.parquet", events, options, 621_000)
    table = pq.read_table(tmp_path / "F.parquet")
    for k, row in enumerate(table.to_pylist()):
        assert {tuple(divmod(pixel, 50)) for pixel in row["all_hits"]} == set(
            zip(*map(np.ndarray.tolist, np.nonzero(events.all_hits[k])), strict=True)
        )
        assert row["wanted"] == events.wanted[k].tolist()


def refusal(path):
    with pytest.raises(InputError) as refused:
        read_toys(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ["F.csv", "F", "F.npz.gz"])
def test_other_endings_are_refused(tmp_path, name):
    assert ".npz or .parquet" in refusal(tmp_path / name)
    options = toy_options("3d")
    with pytest.raises(InputError, match=r"\.npz or \.parquet"):
        write_toys(tmp_path / name, make_toys(options, 1, 1), options, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_that_are_not_there_or_of_another_kind_are_refused(tmp_path, ending):
    path = tmp_path / f"F{ending}"
    assert "no such file" in refusal(path)
    path.mkdir()
    assert "no such file" in refusal(path)
    path.rmdir()
    for content in (b"", b"events", b"PK\x03\x04 and no more", b"PAR1PAR1"):
        path.write_bytes(content)
        assert f"not a readable {ending.lstrip('.')}" in refusal(path).replace(".npz file", "npz file")
    np.save(tmp_path / "G.npy", np.zeros(3))
    (tmp_path / "G.npy").rename(tmp_path / "G.npz")
    assert "not a readable" in refusal(tmp_path / "G.npz")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "H.parquet")
    assert "do not say that it has toys" in refusal(tmp_path / "H.parquet")


def test_files_that_were_cut_off_are_refused(written):
    content = written.read_bytes()
    for n in (len(content) - 1, len(content) // 2, 30):
        written.write_bytes(content[:n])
        assert "cut off" in refusal(written)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_turned_bit_is_told_or_harmless(written, place):
    sound = written.read_bytes()
    expected = read_toys(written)
    content = bytearray(sound)
    bit = int(place * 8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    written.write_bytes(content)
    try:
        found = read_toys(written)
    except InputError:
        assert str(written) in refusal(written)
    else:
        assert (found.options, found.seed, found.first) == (expected.options, expected.seed, expected.first)
        assert_equal(found.events, expected.events)
    finally:
        written.write_bytes(sound)


def test_pages_have_checksums(tmp_path):
    options = toy_options("lines-3")
    path = tmp_path / "F.parquet"
    write_toys(path, make_toys(options, 40, 1), options, 1)
    content = bytearray(path.read_bytes())
    pages = pq.read_metadata(path).row_group(0).column(0)
    content[pages.data_page_offset + pages.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    assert "CRC" in refusal(path)


def test_other_toys_with_the_metadata_of_these_are_refused(written):
    metadata, arrays = parts_of(written)
    for name in ("seed", "first"):
        put_together(written, metadata | {name: 4}, arrays)
        assert "not what was written (checksum)" in refusal(written)
    del metadata["checksum"]
    put_together(written, metadata, arrays)
    assert "'checksum'" in refusal(written)


@pytest.mark.parametrize(
    "head",
    ["{'a': (", "'''", "{'descr': '<f4', 'fortran_order': False, 'shape': (1e9,)}", "{'a': 0x}", "1L\n  1\n 2", "[", "\0",
     "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999999,)}",
     "{'descr': 'f4,{', 'fortran_order': False, 'shape': (1,)}", "{'descr': [], 'fortran_order': 1L, 'shape': ()}",
     "{'descr': [('a',)], 'fortran_order': False, 'shape': ()}"],
)  # fmt: skip
def test_heads_of_arrays_that_are_no_python_are_refused(tmp_path, head):
    path = tmp_path / "F.npz"
    options = toy_options("lines-1")
    write_toys(path, make_toys(options, 2, 1), options, 1)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["images.npy"] = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert "not a readable .npz" in refusal(path)


def parts_of(path):
    """Metadata and arrays or columns of a file."""
    if path.suffix == ".npz":
        with np.load(path) as archive:
            arrays = dict(archive)
        return json.loads(str(arrays.pop("smartpix"))), arrays
    table = pq.read_table(path)
    return json.loads(table.schema.metadata[b"smartpix"]), {n: table.column(n) for n in table.column_names}


def put_together(path, metadata, arrays):
    if path.suffix == ".npz":
        np.savez(path, smartpix=np.array(json.dumps(metadata)), **arrays)
    else:
        table = pa.table(arrays).replace_schema_metadata({b"smartpix": json.dumps(metadata).encode()})
        pq.write_table(table, path)


@pytest.mark.parametrize("name", ARRAYS)
def test_missing_arrays_are_refused(written, name):
    metadata, arrays = parts_of(written)
    del arrays[name]
    put_together(written, metadata, arrays)
    assert f"'{name}'" in refusal(written)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("seed", -1, ["'seed'", "whole number"]), ("version", 2, ["'version'"]), ("format", "?", ["'format'"]),
        ("first", None, ["'first'"]), ("options", {}, ["option 'background'"]), ("options", 3, ["'options'"]),
        ("width", 6, ["images"]), ("width", 6.5, ["width", "int"]), ("noise", 7, ["noise"]),
        ("more", 1, ["'more'"]),
    ],
)  # fmt: skip
def test_metadata_that_do_not_fit_are_refused(written, name, content, words):
    metadata, arrays = parts_of(written)
    into = metadata if name in metadata else metadata["options"]
    into[name] = content
    put_together(written, metadata, arrays)
    found = refusal(written)
    for word in words:
        assert word in found


@pytest.mark.parametrize(
    ("name", "value"), [("images", 2), ("all_hits", 255), ("wanted", 25), ("wanted", -1), ("n_tracks", -3)]
)
def test_values_that_cannot_be_are_refused(tmp_path, name, value):
    options = replace(toy_options("3d"), n_planes=4, width=5)
    events = make_toys(options, 2, 1)
    getattr(events, name).reshape(-1)[3 if name != "n_tracks" else 1] = value
    write_toys(tmp_path / "F.npz", events, options, 1)
    assert f"{name} must be" in refusal(tmp_path / "F.npz")
    if name in ("wanted", "n_tracks"):
        write_toys(tmp_path / "F.parquet", events, options, 1)
        assert f"{name} must be" in refusal(tmp_path / "F.parquet")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("row", "values", "n_tracks", "words"),
    [
        (0, (3.0, 1.0), 53, "n_tracks must be from 0 to 6"), (0, (1e30, 1.0), 3, "within 50 pixels"),
        (0, (0.5, -1e30), 3, "within 50 pixels"), (0, (-0.1, 1.0), 3, "within 50 pixels"),
        (2, (49.0, 2.0), 3, "within 50 pixels"), (0, (45.0, 1.0), 3, "order of the intercepts"),
        (3, (45.0, 1.0), 3, "-1 behind the lines"), (5, (-1.0, 0.0), 3, "-1 behind the lines"),
        (2, (-1.0, -1.0), 3, "within 50 pixels"), (2, (40.0, 1.0), 2, "-1 behind the lines"),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_are_refused(tmp_path, ending, row, values, n_tracks, words):
    """Lines of 50 planes from 3 to 43, 20 to 0 and 40 to 50 pixels."""
    options = toy_options("lines-poisson")
    events = make_toys(options, 2, 1)
    events.n_tracks[1] = 3
    events.parameters[1] = -1
    events.parameters[1, :3] = [(3, 20), (20, -10), (40, 5)]
    path = tmp_path / f"F{ending}"
    write_toys(path, events, options, 1)
    assert_equal(read_toys(path).events, events)
    events.n_tracks[1], events.parameters[1, row] = n_tracks, values
    write_toys(path, events, options, 1)
    assert words in refusal(path)


@settings(max_examples=25, deadline=None)
@given(
    n_planes=st.integers(2, 200),
    width=st.integers(2, 200),
    seed=st.integers(0, 2**32 - 1),
    mean=st.floats(0, 9),
)
def test_all_lines_that_are_made_can_be(tmp_path_factory, n_planes, width, seed, mean):
    options = replace(
        toy_options("lines-poisson"), n_planes=n_planes, width=width, background=mean, max_tracks=9
    )
    path = tmp_path_factory.mktemp("lines") / "F.npz"
    events = make_toys(options, 30, seed)
    write_toys(path, events, options, seed)
    assert_equal(read_toys(path).events, events)


def test_numbers_of_tracks_are_exact_where_options_say_so(tmp_path):
    for kind, n in (("2d-tracks", 6), ("lines-3", 3)):
        options = toy_options(kind)
        events = make_toys(options, 2, 1)
        events.n_tracks[0] -= 1
        write_toys(tmp_path / "F.npz", events, options, 1)
        assert f"n_tracks must be from {n} to {n}" in refusal(tmp_path / "F.npz")


def test_hits_beyond_a_plane_that_widens_are_refused(tmp_path):
    options = toy_options("variable")
    for wanted in (False, True):
        events = make_toys(options, 2, 1)
        # The first plane has the pixels 23 and 24.
        events.all_hits[1, 0, 22] = 1
        if wanted:
            events.images[1, 0, 22], events.wanted[1, 0] = 1, 22
        write_toys(tmp_path / "F.npz", events, options, 1)
        assert "beyond their planes" in refusal(tmp_path / "F.npz")


def test_hits_that_do_not_fit_the_others_are_refused(tmp_path):
    options = replace(toy_options("3d"), n_planes=4, width=5)
    for name, words in (("images", "lack the wanted track"), ("all_hits", "lack hits of the images")):
        events = make_toys(options, 2, 1)
        getattr(events, name).reshape(2, 4, 25)[1, 2, events.wanted[1, 2]] = 0
        write_toys(tmp_path / "F.npz", events, options, 1)
        assert words in refusal(tmp_path / "F.npz")


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("images", [[100]] * 6, ["'images'", "0 to 99"]), ("images", [[-1]] * 6, ["'images'", "0 to 99"]),
        ("wanted", [[1, 2, 3]] * 6, ["'wanted'", "4 values"]), ("wanted", [None] * 6, ["'wanted'", "a value"]),
        ("all_hits", [[None]] * 6, ["'all_hits'", "a value"]),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_refused(tmp_path, name, values, words):
    options = replace(toy_options("3d"), n_planes=4, width=5)
    path = tmp_path / "F.parquet"
    write_toys(path, make_toys(options, 6, 1), options, 1)
    metadata, columns = parts_of(path)
    put_together(path, metadata, columns | {name: pa.array(values, type=pa.list_(pa.int32()))})
    for word in words:
        assert word in refusal(path)
    put_together(path, metadata, columns | {name: pa.array(["a"] * 6)})
    assert f"column '{name}' must be" in refusal(path)


@settings(max_examples=60)
@given(st.data())
def test_any_change_of_an_array_is_told_or_harmless(tmp_path_factory, data):
    options = replace(toy_options("lines-poisson"), n_planes=4, width=4)
    events = make_toys(options, 3, 2)
    arrays = {name: getattr(events, name) for name in ARRAYS}
    same = change_an_array(arrays, data)
    path = tmp_path_factory.mktemp("damage") / "F.npz"
    write_toys(path, events, options, 2)
    metadata, _ = parts_of(path)
    try:
        put_together(path, metadata, arrays)
    except ValueError:
        # A name that no member of an archive can have.
        return
    try:
        found = read_toys(path)
    except InputError:
        assert (
            same != "equal"
            or arrays.keys() != set(ARRAYS)
            or any(arrays[name].dtype != getattr(events, name).dtype for name in ARRAYS)
        )
    else:
        assert_equal(found.events, events)
