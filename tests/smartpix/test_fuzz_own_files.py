"""Our own event files and cluster tables, damaged: InputError, or the same numbers."""

import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smartpix import schema
from smartpix.geometry import read_detector, write_detector
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.parquet import describe_clusters, read_clusters, write_clusters
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tests.helpers import REPOSITORY, SENSOR, embedded_detector, one_module_detector, part_of, random_events
from tests.smartpix.damage import (
    ACTS,
    FEW,
    KINDS,
    TRACKML,
    bytes_changed,
    cells_changed,
    change_file,
    converted,
    damaged,
    retyped,
    survives,
)
from tests.smartpix.io.event_files import rewritten


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


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
