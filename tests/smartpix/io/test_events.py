"""Event files: round trips, reproducible bytes, and ranges."""

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
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import table_writer, write_events
from smartpix.schema import InputError
from tests.helpers import REPOSITORY, detector_of, module_row, random_events
from tests.smartpix.io.event_files import CONTAINERS, assert_same, header, read_all


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
    made = random_events(1, [3, 2])
    made = ak.with_field(made, made["clusters", "x"], ["clusters", "time"])
    write_events(path, header(times=True), [made], container)
    events = read_all(path)
    clusters = ak.flatten(events["clusters"])
    assert ak.to_list(clusters["time"]) == ak.to_list(ak.flatten(made["clusters", "x"]))
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
