"""Whatever changes in a file of ours after it was written is told, column by column and event by event."""

import json
import zlib

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from smartpix.io import cluster_write
from smartpix.io.checksums import check_events, checksum, event_checksums
from smartpix.io.event_checks import branch_types, typed_branches
from smartpix.io.events import Header, event_numbers, iterate, open_events
from smartpix.io.parquet import read_clusters, write_clusters
from smartpix.io.write import _flat_branches, write_events
from smartpix.schema import InputError
from tests.helpers import SENSOR, one_module_detector, random_events
from tests.smartpix.clusters import cluster_set

EVENTS = random_events(3, [3, 0, 4])
HEADER = Header(one_module_detector(), 3.8, (0, 19), {"command": "tests"})
NAMES = list(branch_types((0, 19), truth=True))


@pytest.fixture(scope="module", params=["ttree", "rntuple"])
def written(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("sums") / "good.root"
    write_events(path, HEADER, [EVENTS], request.param, events_per_chunk=2)
    return path


def again(good, branches=lambda b: b, metadata=lambda m: m, table=lambda t: t, sums=lambda s: s):
    """The file written again with changes, and with the checksums that it had."""
    path = good.with_name("changed.root")
    with uproot.open(good) as file, uproot.recreate(path) as out:
        out["metadata"] = json.dumps(metadata(json.loads(str(file["metadata"]))))
        told = sums(json.loads(str(file["checksums"])))
        if told is not None:
            out["checksums"] = json.dumps(told)
        columns = table(file["detector"].arrays(library="np"))
        out.mktree("detector", {n: a.dtype for n, a in columns.items()}).extend(columns)
        kept = branches({n: file["events"][n].array() for n in [*NAMES, "checksum"]})
        out.mktree("events", {n: ak.type(a).content for n, a in kept.items()}).extend(kept)
    return path


def test_checksums_are_zlibs_of_the_values_and_any_range_of_events_is_checked(written):
    with uproot.open(written) as file:
        sums = file["events"]["checksum"].array()
        columns = json.loads(str(file["checksums"]))["columns"]
        assert columns == NAMES
        for name in NAMES:
            values = file["events"][name].array()
            for k in range(3):
                content = ak.to_numpy(values[k]) if values.ndim == 2 else np.array([values[k]])
                assert sums[k][columns.index(name)] == zlib.crc32(content.tobytes()), name
    assert list(iterate(again(written)))
    for start, stop in ((0, 1), (1, 3), (2, 3)):
        assert len(next(iterate(written, start=start, stop=stop))[1]) == stop - start


@pytest.mark.parametrize("name", NAMES)
def test_one_number_of_one_column_is_told_with_column_and_event(name):
    types = branch_types((0, 19), truth=True)
    flat = typed_branches(_flat_branches(EVENTS, (0, 19), types), types, "F")
    sums = typed_branches(
        {"event": EVENTS["event"], "c": ak.Array(event_checksums(flat))}, {"event": "i8", "c": "u4"}, "F"
    )["c"]
    check_events(flat, sums, NAMES, "F")
    event = int(np.flatnonzero(flat[name].counts)[-1])
    place = flat[name].starts[event]
    before = flat[name].numbers[place]
    numbers = flat[name].numbers.copy()
    numbers[place] = not before if numbers.dtype == bool else before + 1
    changed = flat | {name: type(flat[name])(numbers, flat[name].starts)}
    with pytest.raises(
        InputError, match=rf"^F: {name} of event {changed['event'].numbers[event]} is not what was written"
    ):
        check_events(changed, sums, NAMES, "F")


def plus_one(name):
    return lambda branches: (
        branches | {name: ak.values_astype(branches[name] + 1, str(ak.type(branches[name])).split("* ")[-1])}
    )


@pytest.mark.parametrize(
    "name", ["cluster_charge", "pixel_charge_19", "truth_pt", "particle_px", "event", "checksum"]
)
def test_a_column_that_changed_in_the_file_is_refused(written, name):
    path = again(written, plus_one(name))
    with pytest.raises(
        InputError,
        match=r"changed\.root: .* of event 3. is not what was written \(checksum\); the file is damaged",
    ):
        list(iterate(path))
    if name in ("event", "checksum"):
        with pytest.raises(InputError, match="is not what was written"):
            event_numbers(path)


CHANGES = {
    "field": ({"metadata": lambda m: {**m, "field": 2.0}}, "the metadata are not what was written"),
    "made_by": ({"metadata": lambda m: {**m, "made_by": {}}}, "the metadata are not what was written"),
    "table": ({"table": lambda t: t | {"cx": t["cx"] + 1e-3}}, "the detector table is not what was written"),
    "no checksums": ({"sums": lambda s: None}, "its checksums are gone; .* another program"),
    "no branch": (
        {"branches": lambda b: {n: a for n, a in b.items() if n != "checksum"}},
        "its checksums are gone",
    ),
    "an event less": (
        {"branches": lambda b: {n: a[:2] for n, a in b.items()}},
        r"has 2 events and was written with 3; .*\(hadd\)",
    ),
    "joined": (
        {"table": lambda t: {n: np.tile(a, 2) for n, a in t.items()}},
        r"the detector table 2 times.*joined \(hadd\)",
    ),
    "half joined": (
        {"branches": lambda b: {n: ak.concatenate([a, a]) for n, a in b.items()}},
        r"6 events .* with 3; .*\(hadd\)",
    ),
    "other columns": (
        {"sums": lambda s: s | {"columns": ["a"]}},
        "the columns that the checksums are of are not there",
    ),
    "one column less": ({"sums": lambda s: s | {"columns": s["columns"][1:]}}, "numbers an event"),
    "another column twice": (
        {"sums": lambda s: s | {"columns": [s["columns"][1], *s["columns"][1:]]}},
        "event has no checksum, as the others have",
    ),
    "no columns": (
        {"sums": lambda s: {k: v for k, v in s.items() if k != "columns"}},
        "checksums: 'columns' must be a list and is missing",
    ),
    "a list": ({"sums": lambda s: [1]}, "checksums: the content must be an object with columns, n_events"),
    "fewer": (
        {"branches": lambda b: b | {"checksum": b["checksum"][:, 1:]}},
        "must hold 38 numbers an event",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_changes_of_what_describes_the_events_are_refused(written, case):
    change, message = CHANGES[case]
    with pytest.raises(InputError, match=message):
        list(iterate(again(written, **change)))


def test_files_without_checksums_are_read_and_say_so(written):
    def bare(branches):
        return {n: a for n, a in branches.items() if n != "checksum"}

    path = again(
        written, bare, lambda m: {k: v for k, v in m.items() if k != "checksums"}, sums=lambda s: None
    )
    assert open_events(path).checksums == ()
    assert open_events(written).checksums == tuple(NAMES)
    assert len(next(iterate(path))[1]) == 3


def test_values_count_and_not_how_they_lie_in_memory():
    values = np.arange(12, dtype="<i4").reshape(3, 4)
    assert checksum(values[:, 1].copy()) == checksum(values[:, 1]) == checksum(values[:, 1].astype(">i4"))
    assert (
        checksum(values[:, 1])
        == zlib.crc32(np.array([1, 5, 9], dtype="<i4").tobytes())
        == checksum(b"\1\0\0\0\5\0\0\0\11\0\0\0")
    )


@pytest.mark.parametrize("column", ["0", "17", "cotAlpha", "number_eh_pairs"])
def test_a_column_of_clusters_that_changed_is_refused_with_its_rows(tmp_path, monkeypatch, column):
    monkeypatch.setattr(cluster_write, "ROW_GROUP", 4)
    write_clusters(tmp_path / "F.parquet", cluster_set(10), {}, SENSOR)
    table = pq.read_table(tmp_path / "F.parquet")
    values = table[column].to_numpy().copy()
    values[6] = np.nextafter(values[6], np.inf, dtype=values.dtype)
    changed = table.set_column(table.column_names.index(column), table.schema.field(column), pa.array(values))
    with pq.ParquetWriter(tmp_path / "F.parquet", changed.schema) as writer:
        writer.add_key_value_metadata(table.schema.metadata)
        writer.write_table(changed, row_group_size=4)
    with pytest.raises(
        InputError,
        match=rf"F\.parquet: column '{column}' of the rows 4 to 7 is not what was written \(checksum\)",
    ):
        read_clusters(tmp_path / "F.parquet")
    if column.isdecimal():
        with pytest.raises(InputError, match="is not what was written"):
            read_clusters(tmp_path / "F.parquet", start=7, stop=8)
        assert len(read_clusters(tmp_path / "F.parquet", start=8)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": "x"}, "checksums: 'columns' must be a list"),
        ({"rows": [10, None]}, r"checksums: 'rows\[1\]' must be a whole number from 0"),
        ({"sums": {"a": 1}}, "checksums: 'sums' must be a list"),
        ({"sums": [3]}, r"checksums: 'sums\[0\]' must be a text"),
        ({"metadata": -1}, "checksums: 'metadata' must be a whole number from 0 to 4294967295"),
        ({"sums": ["%"]}, "its checksums are not what was written"),
    ],
)
def test_checksums_of_a_table_that_cannot_be_are_refused(tmp_path, change, message):
    write_clusters(tmp_path / "F.parquet", cluster_set(10), {})
    table = pq.read_table(tmp_path / "F.parquet")
    written = json.loads(table.schema.metadata[b"smartpix.checksums"])
    entries = {**table.schema.metadata, b"smartpix.checksums": json.dumps(written | change).encode()}
    pq.write_table(table.replace_schema_metadata(entries), tmp_path / "F.parquet")
    with pytest.raises(InputError, match=rf"F\.parquet: {message}"):
        read_clusters(tmp_path / "F.parquet")
