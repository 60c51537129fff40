"""Every reader on damaged files: cut off, overwritten, random, with columns of other types or missing:
InputError or nothing.
"""

import shutil
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smartpix import schema
from smartpix.geometry import read_detector, write_detector
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.parquet import describe_clusters, read_clusters, write_clusters
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tests.acts_files import write_acts_root
from tests.helpers import (
    REPOSITORY,
    SENSOR,
    convert_folder,
    embedded_detector,
    one_module_detector,
    part_of,
    random_events,
)
from tests.smartpix.convert.trackml_files import write_event
from tests.smartpix.io.test_events import rewritten
from tests.smartpix.test_archives import PACK, zipped_folder

FEW = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

TOKENS = (
    "", "abc", "nan", "-inf", "1e300", "1e19", "1e-320", "-1", "0", "1.5", "true", "2020-01-01", "9" * 25,
    str(2**64 - 1), '"',
    "\x00", "é", "1e3", "9007199254740992.0", "4.5e17", "1_0", "0x10", "\ufeff", "\r", "1,", str(2**63 - 1),
    str(-(2**63)), "1e7",
)  # fmt: skip

bytes_changed = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("overwrite"), st.floats(0, 1), st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("random"), st.binary(max_size=300)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=20)),
)
cells_changed = st.one_of(
    st.tuples(st.just("cell"), st.floats(0, 1), st.floats(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("column"), st.floats(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("swap"), st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.just("drop"), st.floats(0, 1)),
    st.tuples(st.just("again"), st.floats(0, 1)),
    st.tuples(st.just("rows"), st.integers(0, 2)),
)


def damaged(content: bytes, change) -> bytes:
    kind, *how = change
    if kind == "random":
        return how[0]
    place = int(how[0] * len(content))
    if kind == "cut":
        return content[:place]
    return content[:place] + how[1] + content[place + (len(how[1]) if kind == "overwrite" else 0) :]


def edited(content: bytes, change) -> bytes:
    """A CSV table with a cell, a column or rows changed."""
    kind, *how = change
    rows = [line.split(",") for line in content.decode().splitlines()]

    def at(share, n):
        return min(int(share * n), n - 1)

    if kind == "rows":
        rows = rows[: how[0]]
    elif kind == "cell":
        row = rows[at(how[0], len(rows))]
        row[at(how[1], len(row))] = how[2]
    else:
        column = at(how[0], len(rows[0]))
        other = at(how[1], len(rows[0])) if kind == "swap" else 0
        for k, row in enumerate(rows):
            if kind == "column" and k:
                row[column] = how[1]
            elif kind == "swap" and k:
                row[column], row[other] = row[other], row[column]
            elif kind == "drop":
                del row[column]
            elif kind == "again":
                row.append(row[column])
    return ("\n".join(",".join(row) for row in rows) + "\n").encode()


def survives(read, *arguments, **more):
    """Run a reader; True if it took the file. Whatever else than InputError it raises fails the test."""
    try:
        read(*arguments, **more)
    except InputError:
        return False
    return True


def converted(folder, **options):
    """Convert and read back what was written."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "e.root"
        try:
            convert_folder(folder, path, **options)
        except InputError:
            assert not path.exists()
            raise
        list(iterate(path))


def with_change(folder, name, change):
    """A copy of a folder with one file changed."""
    copy = Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(folder, copy)
    change_file(copy / name, change)
    return copy


def change_file(path, change):
    path.write_bytes(
        (damaged if change[0] in ("cut", "overwrite", "random", "insert") else edited)(
            path.read_bytes(), change
        )
    )


@pytest.fixture(scope="module")
def trackml(tmp_path_factory):
    return write_event(tmp_path_factory.mktemp("fuzz") / "trackml")


@pytest.fixture(scope="module")
def acts(acts_folder, tmp_path_factory):
    """One ACTS event, with the modules that it has hits on alone."""
    folder = tmp_path_factory.mktemp("fuzz") / "acts"
    folder.mkdir()
    shutil.copy(acts_folder / "digi.json", folder)
    for path in acts_folder.glob("event000000000-*.csv"):
        shutil.copy(path, folder)
    used = {
        line.split(",")[1]
        for line in (folder / "event000000000-measurements.csv").read_text().splitlines()[1:]
    }
    head, *lines = (acts_folder / "detectors.csv").read_text().splitlines()
    (folder / "detectors.csv").write_text(
        "\n".join([head, *(line for line in lines if line.split(",")[0] in used)]) + "\n"
    )
    return folder


@pytest.fixture(scope="module")
def acts_root(acts, tmp_path_factory):
    """The same in ROOT, with a table of some modules."""
    folder = write_acts_root(acts, tmp_path_factory.mktemp("fuzz") / "root", "clusters")
    convert_folder(acts, folder.parent / "e.root")
    write_detector(open_events(folder.parent / "e.root").header.detector, folder / "detectors.csv")
    return folder


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


TRACKML = ["detectors.csv", *(f"event000000001-{t}.csv" for t in ("hits", "cells", "truth", "particles"))]
ACTS = ["detectors.csv", "digi.json"] + [
    f"event000000000-{t}.csv"
    for t in ("measurements", "cells", "hits", "measurement-simhit-map", "particles_simulated")
]


@FEW
@given(name=st.sampled_from(TRACKML), change=st.one_of(bytes_changed, cells_changed))
def test_trackml(trackml, name, change):
    copy = with_change(trackml, name, change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(name=st.sampled_from(ACTS), change=st.one_of(bytes_changed, cells_changed))
def test_acts_csv(acts, name, change):
    copy = with_change(acts, name, change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(TRACKML), st.one_of(bytes_changed, cells_changed)),
        min_size=2, max_size=4, unique_by=lambda c: c[0],
    )
)  # fmt: skip
def test_several_damaged_files(trackml, changes):
    copy = with_change(trackml, *changes[0])
    for name, change in changes[1:]:
        change_file(copy / name, change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(ending=st.sampled_from(sorted(PACK)), name=st.sampled_from(TRACKML), change=bytes_changed)
def test_compressed_tables(trackml, ending, name, change):
    """What is packed is good; the packed file is damaged."""
    copy = with_change(trackml, name, ("insert", 1.0, b""))
    packed = PACK[ending]((copy / name).read_bytes())
    (copy / name).unlink()
    (copy / f"{name}{ending}").write_bytes(damaged(packed, change))
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(change=bytes_changed)
def test_archives_of_events(trackml, change):
    with tempfile.TemporaryDirectory() as folder:
        path = zipped_folder(trackml, Path(folder) / "a.zip", "events/")
        path.write_bytes(damaged(path.read_bytes(), change))
        survives(converted, path)


@FEW
@given(name=st.sampled_from(["measurements", "clusters", "hits", "particles"]), change=bytes_changed)
def test_acts_root(acts_root, name, change):
    copy = with_change(acts_root, f"{name}.root", change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


KINDS = ("float32", "float64", "int8", "int64", "uint64", "bool", "list", "flat", "missing", "largest")


def retyped(values, kind):
    if kind == "list":
        return ak.unflatten(values, np.ones(len(values), dtype=int)) if values.ndim == 1 else values
    if kind == "flat":
        return ak.fill_none(ak.firsts(values), 0) if values.ndim > 1 else values
    if kind == "largest":
        return ak.values_astype(values, np.float64) * 0 + 1e300
    return ak.values_astype(values, kind)


@settings(FEW, max_examples=8)
@given(
    name=st.sampled_from(["measurements", "clusters", "hits", "particles"]),
    which=st.integers(0, 40),
    kind=st.sampled_from(KINDS),
)
def test_acts_root_with_a_branch_of_another_type(acts_root, name, which, kind):
    copy = with_change(acts_root, f"{name}.root", ("insert", 1.0, b""))
    with uproot.open(copy / f"{name}.root") as file:
        branches = {n: file[name][n].array() for n in file[name].keys()}  # noqa: SIM118
    branches = {n: v for n, v in branches.items() if not (n[0] == "n" and n[1:] in branches)}
    chosen = sorted(branches)[which % len(branches)]
    if kind == "missing":
        del branches[chosen]
    else:
        branches[chosen] = retyped(branches[chosen], kind)
    with uproot.recreate(copy / f"{name}.root") as file:
        types = {n: v.type.content if v.ndim > 1 else ak.to_numpy(v).dtype for n, v in branches.items()}
        file.mktree(name, types).extend(branches)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@pytest.fixture(scope="module", params=["ttree", "rntuple"])
def event_file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "events.root"
    write_events(
        path,
        Header(one_module_detector(), 3.8, (0, 19), {"command": "tests"}),
        [random_events(1, [6, 3])],
        request.param,
    )
    return path


def content_of_events(path):
    """Everything an event file tells."""
    header = open_events(path).header
    told = (
        header.field,
        header.slices,
        header.made_by,
        {n: header.detector.columns[n].tolist() for n in schema.DETECTOR},
    )
    return told, [ak.to_list(part) for _, part in iterate(path)]


def content_of_clusters(path):
    """Everything a table of clusters tells."""
    clusters = read_clusters(path)
    labels = {name: values.tolist() for name, values in clusters.labels.items()}
    return describe_clusters(path), clusters.slices, clusters.charge.tolist(), labels


def refused_or_the_same(content, path, original):
    """A damaged file is an InputError or holds what it held: nothing changes in silence."""
    try:
        assert content(path) == original
    except InputError:
        return False
    return True


one_byte = st.tuples(
    st.just("overwrite"), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=1)
)


@pytest.fixture(scope="module")
def content_before(event_file):
    return content_of_events(event_file)


@settings(FEW, max_examples=40)
@example(change=("overwrite", 0.03886895292409865, b"\x01"))
@given(change=st.one_of(one_byte, bytes_changed))
def test_event_files_do_not_change_in_silence(event_file, content_before, change):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.root"
        path.write_bytes(damaged(event_file.read_bytes(), change))
        refused_or_the_same(content_of_events, path, content_before)


@FEW
@given(change=bytes_changed)
def test_event_files(event_file, change):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.root"
        path.write_bytes(damaged(event_file.read_bytes(), change))
        survives(converted, path)


@settings(FEW, max_examples=8)
@given(which=st.integers(0, 80), kind=st.sampled_from(KINDS))
def test_event_files_with_a_branch_of_another_type(event_file, which, kind):
    def change(branches):
        chosen = sorted(branches)[which % len(branches)]
        left = {n: v for n, v in branches.items() if n != chosen}
        return left if kind == "missing" else left | {chosen: retyped(branches[chosen], kind)}

    path = rewritten(event_file, change)
    survives(lambda: list(iterate(path)))


@pytest.fixture(scope="module")
def cluster_file(clusters_2s, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "clusters.parquet"
    labels = {name: values[:40] for name, values in clusters_2s.labels.items()}
    write_clusters(
        path, ClusterSet(clusters_2s.charge[:40], labels, clusters_2s.slices), {"command": "tests"}, SENSOR
    )
    return path


@pytest.fixture(scope="module")
def clusters_before(cluster_file):
    return content_of_clusters(cluster_file)


@settings(FEW, max_examples=60)
@given(change=st.one_of(one_byte, bytes_changed))
def test_clusters_in_parquet_do_not_change_in_silence(cluster_file, clusters_before, change):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clusters.parquet"
        path.write_bytes(damaged(cluster_file.read_bytes(), change))
        survives(describe_clusters, path)
        refused_or_the_same(content_of_clusters, path, clusters_before)


@FEW
@given(change=st.one_of(bytes_changed, cells_changed))
def test_formatsor_tables(change):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.csv"
        write_detector(part_of(embedded_detector(), np.arange(3)), path)
        content = path.read_bytes().replace(b'"', b"")
        path.write_bytes(content)
        change_file(path, change)
        survives(lambda: read_detector(path).layers)


def test_whole_files_are_taken(trackml, acts, acts_root, event_file, cluster_file):
    """What the damage is done to is good."""
    for folder in (trackml, acts, acts_root, event_file):
        assert survives(converted, folder)
    assert survives(read_clusters, cluster_file)
    assert survives(read_detector, REPOSITORY / "data" / "detector.csv")
    assert set(TRACKML) == set(names_in(trackml))
    assert set(ACTS) <= set(names_in(acts))
