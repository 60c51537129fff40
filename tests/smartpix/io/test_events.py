"""Event files: round trips, reproducible bytes, ranges, and what damaged or foreign files are answered
with.
"""

import json
import re
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix import schema
from smartpix.beam import CENTRED, BeamSpot
from smartpix.files import replace_when_done
from smartpix.io import root_files
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import table_writer, write_events
from smartpix.schema import InputError
from tests.helpers import REPOSITORY, detector_of, module_row, one_module_detector, random_events

CONTAINERS = ("ttree", "rntuple")
SLICES = (0, 19)


def header(slices=SLICES, **made_by):
    return Header(one_module_detector(), 3.8, slices, made_by)


def read_all(path, **options):
    parts = [events for _, events in iterate(path, **options)]
    return ak.concatenate(parts)


def assert_same(read, wanted):
    assert ak.to_list(read["event"]) == ak.to_list(wanted["event"])
    for name in schema.PARTICLES:
        assert ak.to_list(read["particles"][name]) == ak.to_list(wanted["particles"][name])
    assert set(read["clusters"].fields) == set(wanted["clusters"].fields)
    for name in read["clusters"].fields:
        assert ak.to_list(read["clusters"][name]) == ak.to_list(wanted["clusters"][name]), name


@pytest.mark.parametrize("container", CONTAINERS)
@settings(max_examples=10, deadline=None)
@given(
    clusters=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    slices=st.sampled_from([(19,), (0, 19), (0, 3, 7, 19)]),
    step=st.integers(1, 4),
    chunk=st.integers(1, 7),
)
def test_round_trip_keeps_every_column(tmp_path_factory, container, clusters, slices, step, chunk):
    path = tmp_path_factory.mktemp("io") / "events.root"
    events = random_events(3, clusters, slices)
    n = write_events(path, header(slices), [events[i : i + 1] for i in range(len(events))], container, chunk)
    assert n == len(events)
    opened = open_events(path)
    assert (opened.n_events, opened.container, opened.has_truth) == (n, container, True)
    assert opened.header.slices == slices
    assert opened.header.field == 3.8
    assert_same(read_all(path, step=step), events)


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_beam_spot_goes_into_the_file_and_comes_back(tmp_path, container):
    beam = BeamSpot(x=1.0, y=-0.25, z=7.5, slope_x=1e-3, sigma_z=35.0, sigma_t=180.0)
    moved = replace(header(), beam_spot=beam)
    # The table of a detector that was moved is still the global one.
    write_events(tmp_path / "e.root", moved.at_beam(), [random_events(1, [2])], container)
    opened = open_events(tmp_path / "e.root").header
    assert opened.beam_spot == beam
    assert np.array_equal(opened.detector.center, header().detector.center)
    assert opened.detector.frame == CENTRED


def with_beam_spot(path, change):
    """An event file without checksums whose metadata say something else of the beam."""
    with uproot.open(path) as file:
        meta = json.loads(str(file["metadata"]))
        tables = {name: file[name].arrays(library="ak") for name in ("detector", "events")}
    change(meta)
    meta.pop("checksums")
    with uproot.recreate(path) as file:
        file["metadata"] = json.dumps(meta)
        file["detector"] = {name: ak.to_numpy(tables["detector"][name]) for name in tables["detector"].fields}
        file["events"] = {name: tables["events"][name] for name in tables["events"].fields}


@pytest.mark.parametrize(
    ("content", "beam"),
    [(None, CENTRED), ({}, CENTRED), ({"x": 1, "sigma_z": 35.5}, BeamSpot(x=1.0, sigma_z=35.5))],
)
def test_what_a_file_does_not_say_of_the_beam_is_nominal(tmp_path, content, beam):
    path = tmp_path / "e.root"
    write_events(path, header(), [random_events(1, [2])])
    with_beam_spot(
        path, lambda meta: meta.pop("beam_spot") if content is None else meta.update(beam_spot=content)
    )
    assert open_events(path).header.beam_spot == beam


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"x": 21.0}, "'beam_spot.x' must be a finite number from -20 to 20 and is 21.0"),
        ({"width": 1.0}, "'beam_spot.width' is unknown"),
        (3, "'beam_spot' must be an object"),
    ],
)
def test_a_beam_that_cannot_be_is_named(tmp_path, content, words):
    path = tmp_path / "e.root"
    write_events(path, header(), [random_events(1, [2])])
    with_beam_spot(path, lambda meta: meta.update(beam_spot=content))
    with pytest.raises(InputError, match=re.escape(f"{path}: metadata: {words}")):
        open_events(path)


@pytest.mark.parametrize("container", CONTAINERS)
def test_dtypes_are_those_of_the_schema(tmp_path, container):
    path = tmp_path / "events.root"
    write_events(path, header(), [random_events(1, [3, 2])], container)
    events = read_all(path)
    clusters = ak.flatten(events["clusters"])
    for table, records in (
        (schema.CLUSTERS, clusters),
        (schema.PIXELS, ak.flatten(clusters["pixels"])),
        (schema.TRUTH, ak.flatten(clusters["truth"])),
        (schema.PARTICLES, ak.flatten(events["particles"])),
    ):
        for name, column in table.items():
            assert ak.to_numpy(records[name]).dtype == np.dtype(column.dtype), name


@pytest.mark.parametrize("container", CONTAINERS)
def test_header_round_trip(tmp_path, container):
    path = tmp_path / "events.root"
    detector = detector_of(
        [
            module_row((32.0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), 2, 1),
            module_row((0, 72.0, 5), (-1, 0, 0), (0, 0, 1), (0, 1, 0), 4, 7),
        ]
    )
    write_events(path, Header(detector, 2.0, (0, 5), {"seed": 7, "nested": {"a": [1, 2]}}), [], container)
    again = open_events(path).header
    assert again.field == 2.0
    assert again.made_by == {"seed": 7, "nested": {"a": [1, 2]}}
    for name in schema.DETECTOR:
        np.testing.assert_array_equal(again.detector.columns[name], detector.columns[name])


@pytest.mark.parametrize("container", CONTAINERS)
def test_file_of_no_events_is_valid(tmp_path, container):
    path = tmp_path / "events.root"
    assert write_events(path, header(), [], container) == 0
    opened = open_events(path)
    assert (opened.n_events, opened.container, opened.has_truth) == (0, container, True)
    assert list(iterate(path)) == []


@pytest.mark.parametrize("container", CONTAINERS)
def test_events_without_clusters_are_valid(tmp_path, container):
    path = tmp_path / "events.root"
    events = random_events(2, [0, 3, 0, 0])
    write_events(path, header(), [events], container)
    assert_same(read_all(path, step=1), events)
    write_events(path, header(), [random_events(2, [0])], container)
    assert len(read_all(path)["clusters"][0]) == 0


@pytest.mark.parametrize("container", CONTAINERS)
def test_same_content_and_name_give_the_same_bytes(tmp_path, container):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_events(tmp_path / folder / "events.root", header(), [random_events(1, [4, 0, 2])], container)
    first = (tmp_path / "a/events.root").read_bytes()
    assert (tmp_path / "b/events.root").read_bytes() == first
    write_events(tmp_path / "b/events.root", header(), [random_events(2, [4, 0, 2])], container)
    assert (tmp_path / "b/events.root").read_bytes() != first


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("existing", [True, False])
def test_failing_writer_leaves_the_old_file_and_no_litter(tmp_path, container, existing):
    path = tmp_path / "events.root"
    if existing:
        path.write_bytes(b"old")

    def events():
        yield random_events(1, [2])
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_events(path, header(), events(), container, events_per_chunk=1)
    assert [p.name for p in tmp_path.iterdir()] == (["events.root"] if existing else [])
    if existing:
        assert path.read_bytes() == b"old"


def test_unknown_container_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="container 'hdf5' is unknown; use 'ttree' or 'rntuple'"):
        write_events(tmp_path / "events.root", header(), [], "hdf5")
    assert list(tmp_path.iterdir()) == []


def test_output_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        write_events(tmp_path / "none" / "events.root", header(), [])


def test_output_that_is_a_folder_is_refused_before_the_events_are_made(tmp_path):
    (tmp_path / "events.root").mkdir()
    made = []

    def events():
        made.append(1)
        yield random_events(1, [2])

    with pytest.raises(InputError):
        write_events(tmp_path / "events.root", header(), events())
    assert made == []
    assert [p.name for p in tmp_path.iterdir()] == ["events.root"]


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "file.txt"
    with replace_when_done(path) as beside:
        beside.write_text("one")
        assert not path.exists()
        assert beside.name == path.name
    assert path.read_text() == "one"

    def interrupted():
        with replace_when_done(path) as beside:
            beside.write_text("two")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(scope="module")
def three_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths, parts = [], []
    for i, clusters in enumerate(([2, 0, 1], [], [1, 3, 2, 0])):
        parts.append(random_events(i + 1, clusters))
        paths.append(folder / f"{i}.root")
        write_events(paths[-1], header(), [parts[-1]], CONTAINERS[i % 2])
    return paths, ak.concatenate([parts[0], parts[2]])


@settings(max_examples=15, deadline=None)
@given(start=st.integers(0, 9), stop=st.none() | st.integers(0, 9), step=st.integers(1, 4))
def test_ranges_over_several_files_are_slices_of_the_concatenation(three_files, start, stop, step):
    paths, everything = three_files
    parts = [events for _, events in iterate(paths, step, start, stop)]
    wanted = everything[
        start : stop if stop is None else max(start, stop)
    ]  # Awkward does not slice backwards
    assert all(0 < len(part) <= step for part in parts)
    assert sum(map(len, parts)) == len(wanted)
    if parts:
        assert_same(ak.concatenate(parts), wanted)


def test_iterate_says_which_file_the_events_are_from(three_files):
    paths, _ = three_files
    assert [opened.path for opened, _ in iterate(paths, step=2)] == [paths[0]] * 2 + [paths[2]] * 2


@pytest.mark.parametrize("options", [{"step": 0}, {"start": -1}])
def test_senseless_ranges_are_refused(three_files, options):
    with pytest.raises(InputError, match="step must be at least 1 and start at least 0"):
        next(iterate(three_files[0], **options))


# --- foreign, damaged and inconsistent files


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.root"
    write_events(path, header(), [random_events(1, [3, 0, 4])])
    return path


def rewritten(good, change=lambda branches: branches, metadata=None, leave_out=()):
    """The file written again branch by branch with uproot, as others write them: without checksums; with
    changes.
    """
    path = good.with_name("changed.root")
    with uproot.open(good) as file, uproot.recreate(path) as out:
        meta = json.loads(str(file["metadata"]))
        meta.pop("checksums", None)
        if "metadata" not in leave_out:
            out["metadata"] = json.dumps(meta if metadata is None else metadata(meta))
        if "detector" not in leave_out:
            columns = file["detector"].arrays(library="np")
            out.mktree("detector", {n: a.dtype for n, a in columns.items()}).extend(columns)
        names = [name for name, _ in file["events"].items() if not name.startswith(("n_", "checksum"))]
        branches = change({n: file["events"][n].array() for n in names})
        out.mktree("events", {n: ak.type(a).content for n, a in branches.items()}).extend(branches)
    return path


def renamed(old, new):
    return lambda branches: {new if n == old else n: a for n, a in branches.items()}


def test_file_rewritten_branch_by_branch_reads_the_same(good):
    assert_same(read_all(rewritten(good)), random_events(1, [3, 0, 4]))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.root: no such file"):
        open_events(tmp_path / "none.root")
    with pytest.raises(InputError, match=r"none\.root: no such file"):
        next(iterate([tmp_path / "none.root"]))


def test_folder_names_the_convert_command(tmp_path):
    with pytest.raises(InputError, match=r"is a folder.*smartpix convert"):
        open_events(tmp_path)


@pytest.mark.parametrize("content", [b"", b"root", b"hit_id,x,y\n1,2,3\n", bytes(5000)])
def test_file_of_another_kind(tmp_path, content):
    path = tmp_path / "events.root"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"events\.root: not a readable ROOT file"):
        open_events(path)


def test_foreign_root_file_lists_its_trees_and_the_convert_command(tmp_path):
    path = tmp_path / "foreign.root"
    with uproot.recreate(path) as file:
        for name in ("hits", "particles"):
            file.mktree(name, {"x": np.float32}).extend({"x": np.zeros(3, dtype=np.float32)})
        file["note"] = "hello"
    with pytest.raises(InputError) as raised:
        open_events(path)
    message = str(raised.value)
    assert "expected the tree 'events'" in message
    assert "['hits', 'particles']" in message
    assert "smartpix convert DIR" in message


@pytest.mark.parametrize("missing", ["detector", "metadata"])
def test_file_without_detector_or_metadata_is_foreign(good, missing):
    with pytest.raises(InputError, match=r"expected the tree 'events' with 'detector' and 'metadata'"):
        open_events(rewritten(good, leave_out=[missing]))


@pytest.mark.parametrize(
    ("missing", "near"),
    [
        ("cluster_local_x", "cluster_locl_x"),
        ("pixel_charge_19", "pixel_charge_18"),
        ("cluster_n_pixels", "cluster_n_pixel"),
    ],
)
def test_missing_branch_is_named_with_its_near_miss(good, missing, near):
    with pytest.raises(
        InputError, match=rf"changed\.root: '{missing}' is missing .* Did you mean '{near}'\?"
    ):
        open_events(rewritten(good, renamed(missing, near)))


def test_file_without_truth_branches_reads_without_truth(good):
    path = rewritten(
        good,
        lambda b: {n: a for n, a in b.items() if not n.startswith(("truth", "particle", "cluster_n_truth"))},
    )
    opened = open_events(path)
    assert not opened.has_truth
    events = read_all(path)
    assert "particles" not in events.fields
    assert "truth" not in events["clusters"].fields
    assert ak.to_list(events["clusters"]["hit_id"]) == ak.to_list(
        random_events(1, [3, 0, 4])["clusters"]["hit_id"]
    )


def test_empty_truth_of_data_does_not_count_as_truth(tmp_path):
    write_events(tmp_path / "data.root", header(truth=False), [random_events(1, [2])])
    assert not open_events(tmp_path / "data.root").has_truth


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_other_format_version_is_refused(good, version):
    with pytest.raises(InputError, match=f"format version {version} and this smartpix reads 1"):
        open_events(rewritten(good, metadata=lambda meta: {**meta, "version": version}))


@pytest.mark.parametrize("missing", ["slices", "field", "made_by"])
def test_metadata_without_an_entry_is_refused(good, missing):
    with pytest.raises(InputError, match=missing):
        open_events(rewritten(good, metadata=lambda meta: {k: v for k, v in meta.items() if k != missing}))


@pytest.mark.parametrize("field", [38.0, 1e6, float("nan"), True, "3.8", None])
def test_a_field_that_no_tracker_has_is_refused(good, field):
    message = (
        rf"changed\.root: metadata: 'field' must be a finite number from -20 to 20 and is {json.dumps(field)}"
    )
    with pytest.raises(InputError, match=message):
        open_events(rewritten(good, metadata=lambda meta: {**meta, "field": field}))
    with pytest.raises(InputError, match="header: field must be"):
        Header(one_module_detector(), field, SLICES)


@pytest.mark.parametrize("content", [[1, 2], "text", None])
def test_metadata_that_is_no_object_is_refused(good, content):
    with pytest.raises(InputError):
        open_events(rewritten(good, metadata=lambda meta: content))


@pytest.mark.parametrize("missing", ["truth_share", "particle_px", "cluster_n_truth"])
def test_part_of_the_truth_missing_is_an_error_and_not_a_file_without_truth(good, missing):
    with pytest.raises(InputError, match=rf"'{missing}' is missing"):
        open_events(rewritten(good, renamed(missing, "something")))


@pytest.mark.parametrize("container", CONTAINERS)
def test_file_cut_off_anywhere_gives_an_input_error(tmp_path, container):
    whole, cut = tmp_path / "whole.root", tmp_path / "cut.root"
    write_events(
        whole, header(), [random_events(i, [30] * 5) for i in range(4)], container, events_per_chunk=5
    )
    content = whole.read_bytes()
    points = {*np.linspace(1, 0.99 * len(content), 30).astype(int), 99, 100, 101, 250, 400}
    for point in sorted(points):
        cut.write_bytes(content[:point])
        with pytest.raises(InputError, match=r"cut\.root"):
            list(iterate(cut, step=1))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("missing", [1, 20, 100])
def test_file_that_lacks_its_last_bytes_gives_an_input_error(tmp_path, container, missing):
    path = tmp_path / "cut.root"
    write_events(path, header(), [random_events(1, [30] * 5)], container)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InputError, match=r"cut\.root"):
        list(iterate(path))


@pytest.mark.parametrize("container", CONTAINERS)
def test_zeroed_block_gives_an_input_error_or_other_numbers_but_no_other_error(tmp_path, container):
    whole, hurt = tmp_path / "whole.root", tmp_path / "hurt.root"
    write_events(whole, header(), [random_events(1, [30] * 5)], container)
    content = whole.read_bytes()
    n_refused = 0
    points = np.linspace(300, len(content) - 200, 25).astype(int)
    for point in points:
        hurt.write_bytes(content[:point] + bytes(64) + content[point + 64 :])
        try:
            list(iterate(hurt))
        except InputError:
            n_refused += 1
    assert n_refused >= len(points) // 2


@pytest.mark.parametrize(
    "error", [UnboundLocalError("local variable 'data'"), StopIteration(), NameError("x"), MemoryError()]
)
def test_whatever_uproot_raises_on_damage_is_an_input_error(good, monkeypatch, error):
    """Found by changing bytes: its loop over compressed blocks ends without a block."""
    path = rewritten(good)

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(uproot.behaviors.TBranch.HasBranches, "arrays", fail)
    for read in (lambda: open_events(path), lambda: read_all(path)):
        with pytest.raises(InputError, match=rf"damaged or cut off \({type(error).__name__}"):
            read()


@pytest.mark.parametrize(
    "name",
    [
        "io.events.check_events",
        "io.events._nest",
        "io.events.typed_branches",
        "io.event_header._metadata",
        "io.checksums.check_events",
        "io.event_header.check_numbers",
    ],
)
@pytest.mark.parametrize("error", [AttributeError, TypeError, KeyError])
def test_a_fault_of_our_own_checks_is_not_called_damage(good, monkeypatch, name, error):
    def fail(*arguments):
        raise error("ours")

    path = good if "checksums" in name else rewritten(good)
    monkeypatch.setattr(f"smartpix.{name}", fail)
    with pytest.raises(error, match="ours"):
        read_all(path)


def test_embedded_sample_reads():
    opened = open_events(REPOSITORY / "data" / "sample.root")
    assert opened.has_truth
    assert opened.n_events > 0
    _, events = next(iterate(opened.path, step=1))
    assert len(events["clusters"][0]) > 100


def test_written_table_reads_back_and_an_empty_one_is_valid(tmp_path):
    flat = np.array([1.5, 2.5, 3.5])
    jagged = ak.zip({"d0": ak.Array([[1.0, 2.0], [], [3.0]]), "n": ak.Array([[1, 2], [], [3]])})
    types = {"event": "float64", "track": 'var * {"d0": float64, "n": int64}'}
    with table_writer(tmp_path / "t.root", "tracks", types, {"a": 1}) as tree:
        tree.extend({"event": flat[:2], "track": jagged[:2]})
        tree.extend({"event": flat[2:], "track": jagged[2:]})
    with table_writer(tmp_path / "empty.root", "tracks", types, {"a": 1}):
        pass
    with uproot.open(tmp_path / "t.root") as file:
        tree = file["tracks"]
        assert json.loads(str(file["metadata"])) == {"a": 1}
        assert tree["event"].array().tolist() == flat.tolist()
        assert tree["track_d0"].array().tolist() == [[1.0, 2.0], [], [3.0]]
        assert tree["track_n"].array().tolist() == [[1, 2], [], [3]]
    with uproot.open(tmp_path / "empty.root") as file:
        assert file["tracks"].num_entries == 0


def test_a_parquet_table_is_said_to_be_one(tmp_path):
    path = tmp_path / "clusters.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(InputError, match=r"clusters\.parquet: is a parquet table .*ROOT file are needed"):
        open_events(path)


class TreeOfThree:
    """A tree of which fewer entries may come than it counts."""

    num_entries = 3

    def __init__(self, come):
        self.come = come

    def arrays(self, names, entry_start, entry_stop):
        return ak.Array({name: np.arange(3)[entry_start:entry_stop][: self.come] for name in names})


def test_entries_that_do_not_come_are_told(tmp_path):
    """One byte of an RNTuple's list of pages gave no events, with the right number of entries in the header."""
    path = tmp_path / "few.root"
    for start, stop, wanted in ((0, 3, 3), (1, 9, 2), (3, 5, 0)):
        found = root_files.read_entries(path, TreeOfThree(3), ["event"], start, stop)["event"]
        assert len(found) == wanted
    with pytest.raises(InputError, match=r"few\.root: of the 2 entries from 1 on, 0 can be read; damaged"):
        root_files.read_entries(path, TreeOfThree(0), ["event"], 1, 3)
