"""Event files: what damaged or foreign files are answered with."""

import json

import awkward as ak
import numpy as np
import pytest
import uproot

from smartpix.io import root_files
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tests.helpers import one_module_detector, random_events
from tests.smartpix.io.event_files import CONTAINERS, SLICES, assert_same, header, read_all, rewritten

# --- foreign, damaged and inconsistent files


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.root"
    write_events(path, header(), [random_events(1, [3, 0, 4])])
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
