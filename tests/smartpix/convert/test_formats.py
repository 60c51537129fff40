"""What a path holds is found out and said, and our own files keep everything from one container to the
other.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot

from smartpix.convert.formats import ConvertOptions, detect, format_names
from smartpix.files import sha256_of
from smartpix.geometry import read_detector, write_detector
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.parquet import describe_clusters, read_clusters, write_clusters
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.tables import parquet_writer
from tests.helpers import REPOSITORY, SENSOR, convert_folder, one_module_detector, random_events
from tests.left_out import require
from tests.smartpix.convert.trackml_files import write_event

HEADER = Header(one_module_detector(), 3.8, (0, 19), {"command": "tests", "seed": 4})


@pytest.fixture
def ours(tmp_path):
    path = tmp_path / "ours" / "events.root"
    path.parent.mkdir()
    write_events(path, HEADER, [random_events(1, [3, 0, 7]), random_events(2, [2])])
    return path


@pytest.fixture
def trackml(tmp_path):
    folder = write_event(tmp_path / "trackml")
    return write_event(folder, 12)


@pytest.mark.parametrize(
    ("path", "prefixes"),
    [
        ("", ("event000000001", "event000000012")),
        ("event000000012", ("event000000012",)),
        ("event000000012-cells.csv", ("event000000012",)),
    ],
)
def test_trackml_is_found_as_a_folder_an_event_and_a_table(trackml, tmp_path, path, prefixes):
    found = detect(trackml / path)
    assert (found.kind, found.path, found.prefixes) == ("trackml", trackml, prefixes)
    assert str(found) == f"{trackml}: TrackML events (CSV), {len(prefixes)} of them"
    assert detect(trackml / path, "trackml") == found
    assert convert_folder(trackml / path, tmp_path / "e.root")["n_events"] == len(prefixes)
    assert [int(e) for _, part in iterate(tmp_path / "e.root") for e in part["event"]] == [
        int(p[5:]) for p in prefixes
    ]


def test_formatsors_csv_may_lie_elsewhere(trackml, tmp_path):
    convert_folder(trackml, tmp_path / "with.root")
    (trackml / "detectors.csv").rename(tmp_path / "modules.csv")
    with pytest.raises(InputError, match=r"'detectors\.csv' .* is missing; if it lies elsewhere"):
        convert_folder(trackml, tmp_path / "e.root")
    convert_folder(trackml, tmp_path / "e.root", detector=tmp_path / "modules.csv")
    assert ak.to_list(next(iterate(tmp_path / "e.root"))[1]) == ak.to_list(
        next(iterate(tmp_path / "with.root"))[1]
    )


def test_an_output_has_the_checksums_of_what_it_was_made_of(trackml, tmp_path):
    prefix = sorted(path.name.partition("-")[0] for path in trackml.glob("event*-hits.csv"))[0]
    convert_folder(trackml / prefix, tmp_path / "e.root")
    record = open_events(tmp_path / "e.root").header.origin
    # Tables of other events do not count.
    paths = [trackml / "detectors.csv", *trackml.glob(f"{prefix}-*.csv")]
    assert record["inputs"] == {path.name: sha256_of(path) for path in paths}
    assert len(paths) > 3


def test_an_event_file_is_found_and_its_container_turned(ours, tmp_path):
    assert detect(ours).kind == "smartpix"
    done = convert_folder(ours, tmp_path / "events.root")
    assert (done["container"], done["n_events"], done["n_hits"], done["truth"]) == ("rntuple", 4, 12, True)
    opened = open_events(tmp_path / "events.root")
    assert (opened.container, opened.header.made_by, opened.header.field) == ("rntuple", HEADER.made_by, 3.8)
    before, after = (
        ak.concatenate([part for _, part in iterate(p)]) for p in (ours, tmp_path / "events.root")
    )
    assert ak.to_list(before) == ak.to_list(after)


@pytest.mark.parametrize(
    ("name", "value"), [("detector", Path("table.csv")), ("field", 2.0), ("electrons", 1.0)]
)
def test_what_an_event_file_has_itself_cannot_be_given(ours, tmp_path, name, value):
    with pytest.raises(InputError, match=f"is an event file, which has its own {name}; leave {name} out"):
        convert_folder(ours, tmp_path / "e.root", **{name: value})
    assert not (tmp_path / "e.root").exists()


@pytest.mark.parametrize("truth", [True, False])
def test_there_and_back_gives_the_same_bytes(tmp_path, truth):
    made_by = HEADER.made_by if truth else {**HEADER.made_by, "truth": False}
    events = random_events(3, [5, 2])
    if not truth:
        events = ak.with_field(events, events["clusters", "truth"][:, :, :0], ["clusters", "truth"])
        events = ak.with_field(events, events["particles"][:, :0], "particles")
    paths = [tmp_path / name / "events.root" for name in "abc"]
    for path in paths:
        path.parent.mkdir()
    write_events(paths[0], Header(HEADER.detector, 3.8, (0, 19), made_by), [events])
    for a, b in zip(paths[:-1], paths[1:], strict=True):
        assert convert_folder(a, b)["truth"] == truth
    assert open_events(paths[1]).container == "rntuple"
    assert paths[0].read_bytes() == paths[2].read_bytes()


@pytest.mark.parametrize("container", ["ttree", "rntuple"])
def test_the_container_can_be_asked_for(ours, trackml, tmp_path, container):
    for path in (ours, trackml):
        assert convert_folder(path, tmp_path / "e.root", container=container)["container"] == container
        assert open_events(tmp_path / "e.root").container == container


def test_clusters_in_parquet_are_said_to_be_no_events(clusters_2s, tmp_path):
    write_clusters(tmp_path / "part.1.parquet", clusters_2s, {"command": "tests"}, SENSOR)
    for path in (tmp_path, tmp_path / "part.1.parquet"):
        with pytest.raises(
            InputError, match=r"holds single clusters .* no event file can be made .*smartpix train mdn"
        ):
            detect(path)


def test_two_kinds_in_a_folder_have_to_be_told_apart(trackml, tmp_path):
    with uproot.recreate(trackml / "measurements.root") as file:
        file.mktree("measurements", {"event_nr": np.int32})
    with pytest.raises(
        InputError,
        match=r"TrackML events \(CSV\) and ACTS events \(ROOT\); say which: smartpix convert trackml",
    ):
        detect(trackml)
    assert detect(trackml, "trackml").kind == "trackml"
    assert detect(trackml, "acts-root").kind == "acts-root"


def test_what_is_no_event_is_said(ours, trackml, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match=r"empty: holds no event\*-hits\.csv \(trackml\), event\*-measurements"
    ):
        detect(tmp_path / "empty")
    for path in (tmp_path / "nothing", trackml / "event000000002", tmp_path / "no" / "event000000001"):
        with pytest.raises(InputError, match="no such file or event; give a folder with"):
            detect(path)
    with pytest.raises(InputError, match=r"is unknown\. Did you mean 'trackml'\? Known: trackml, acts-csv"):
        detect(trackml, "track-ml")
    for kind in {*format_names()} - {"trackml"}:
        with pytest.raises(InputError, match=r"trackml: holds no .* were asked for"):
            detect(trackml, kind)
    with pytest.raises(InputError, match="holds an event file of smartpix"):
        detect(ours, "trackml")
    (tmp_path / "text.root").write_text("nothing of ROOT's")
    with pytest.raises(InputError, match=r"text\.root: not a readable ROOT file"):
        detect(tmp_path / "text.root")
    with uproot.recreate(tmp_path / "mine.root") as file:
        file.mktree("measurements", {"event_nr": np.int32})
    with pytest.raises(InputError, match=r"call it measurements\.root"):
        detect(tmp_path / "mine.root")


@pytest.mark.parametrize(("name", "value"), [("field", np.nan), ("electrons", 0.0), ("electrons", np.inf)])
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} must be"):
        ConvertOptions(**{name: value})


def test_charge_of_a_cell_is_the_users_to_say(trackml, tmp_path):
    for electrons in (73_000.0, 1.0):
        convert_folder(trackml, tmp_path / f"{electrons}.root", electrons=electrons)
    mm, e = (next(iterate(tmp_path / f"{n}.root"))[1]["clusters", "charge"] for n in (73_000.0, 1.0))
    np.testing.assert_allclose(ak.flatten(mm), 73_000 * ak.to_numpy(ak.flatten(e)), rtol=1e-6)


def test_hits_and_particles_that_are_there_twice_are_refused(trackml, tmp_path):
    whole = shutil.copytree(trackml, tmp_path / "whole")
    for table, what in (("hits", "hit 2"), ("particles", f"particle {4_505_867_370_102_784}")):
        path = trackml / f"event000000001-{table}.csv"
        lines = path.read_text().splitlines()
        again = next(line for line in lines if line.startswith(what.split()[1] + ","))
        path.write_text("\n".join([*lines, again]) + "\n")
        with pytest.raises(InputError, match=f"{what} is there more than once"):
            convert_folder(trackml, tmp_path / "e.root")
        shutil.copy(whole / path.name, path)


@pytest.fixture
def odd_folder(tmp_path):
    """A folder whose name is not UTF-8."""
    require("names of any bytes")
    path = tmp_path / os.fsdecode(b"d\xff\xe9t\xe9")
    path.mkdir()
    return path


def test_folders_whose_names_are_not_utf_8_are_read_and_written(trackml, clusters_2s, odd_folder, tmp_path):
    convert_folder(trackml, tmp_path / "e.root")
    for path in trackml.iterdir():
        shutil.copy(path, odd_folder)
    for name in ("event000000001-hits.csv", "detectors.csv"):
        (odd_folder / f"{name}.gz").write_bytes(gzip.compress((odd_folder / name).read_bytes()))
        (odd_folder / name).unlink()
    shutil.make_archive(str(tmp_path / "a"), "zip", trackml)
    shutil.move(tmp_path / "a.zip", odd_folder / "a.zip")
    wanted = ak.to_list(next(iterate(tmp_path / "e.root"))[1])
    for source in (odd_folder, odd_folder / "a.zip"):
        convert_folder(source, odd_folder / "e.root")
        assert ak.to_list(next(iterate(odd_folder / "e.root"))[1]) == wanted
    for name in ("d.csv", "d.csv.gz"):
        write_detector(open_events(odd_folder / "e.root").header.detector, odd_folder / name)
        assert len(read_detector(odd_folder / name)) == 5
    write_clusters(odd_folder / "c.parquet", clusters_2s, {"command": "tests"}, SENSOR)
    assert (
        len(read_clusters(odd_folder / "c.parquet"))
        == describe_clusters(odd_folder)["n_clusters"]
        == len(clusters_2s)
    )
    with parquet_writer(odd_folder / "t.parquet", {"a": pa.int64()}, {}) as add:
        add({"a": [1, 2]})
    assert (odd_folder / "t.parquet").stat().st_size > 0
    (odd_folder / "e.root").unlink()
    (odd_folder / "event000000001-cells.csv").unlink()
    with pytest.raises(InputError, match=r"'event000000001-cells\.csv' .* is missing"):
        convert_folder(odd_folder, odd_folder / "e.root")
    assert not (odd_folder / "e.root").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_names_that_are_not_utf_8_reach_every_terminal(trackml, odd_folder, encoding):
    """Found, results and errors are said, in a process of its own with streams of that encoding."""
    for path in trackml.iterdir():
        shutil.copy(path, odd_folder)
    run = "import sys; from tracking.cli.main import main; sys.exit(main())"
    environment = {
        **os.environ,
        "PYTHONIOENCODING": encoding,
        "PYTHONPATH": str(REPOSITORY),
        "LC_ALL": "C.UTF-8",
    }
    for source, code, json_ in (
        (odd_folder, 0, False),
        (odd_folder, 0, True),
        (odd_folder / "none", 1, False),
    ):
        command = [
            sys.executable,
            "-c",
            run,
            "convert",
            source,
            "-o",
            odd_folder / "e.root",
            *(["--json"] if json_ else []),
        ]
        done = subprocess.run(command, env=environment, capture_output=True)
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr
        assert (b"trackml" in done.stdout) == (code == 0)
        if json_:
            assert json.loads(done.stdout)["n_events"] == 2


def test_a_crossing_along_its_sensor_is_refused(trackml, tmp_path):
    path = trackml / "event000000001-truth.csv"
    head, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[5:8] = "0", "0", "0"
    path.write_text("\n".join([head, ",".join(cells), *rest]) + "\n")
    with pytest.raises(
        InputError, match=r"hit 5 has the momentum \[0\.0, 0\.0, 0\.0\] GeV, which is zero or along"
    ):
        convert_folder(trackml, tmp_path / "e.root")


def test_an_output_that_is_an_input_is_refused_under_every_name_and_left_as_it_is(
    ours, tmp_path, monkeypatch
):
    content = ours.read_bytes()
    (tmp_path / "link.root").symlink_to(ours)
    (tmp_path / "hard.root").hardlink_to(ours)
    monkeypatch.chdir(ours.parent)
    for output in (
        ours,
        "events.root",
        "../ours/events.root",
        tmp_path / "link.root",
        tmp_path / "hard.root",
    ):
        with pytest.raises(
            InputError, match=r"is an input.*would be replaced by what is made from it; give another output"
        ):
            convert_folder(ours, output)
    with pytest.raises(InputError, match="is an input"):
        convert_folder(tmp_path / "link.root", ours)
    assert ours.read_bytes() == content
    assert [p.name for p in ours.parent.iterdir()] == ["events.root"]
    assert (tmp_path / "link.root").is_symlink()


def test_an_output_that_is_a_table_of_the_folder_is_refused_and_another_file_in_it_is_replaced(
    trackml, tmp_path
):
    shutil.copy(trackml / "detectors.csv", tmp_path / "modules.csv")
    for output, options in (
        ("event000000001-cells.csv", {}),
        ("../modules.csv", {"detector": tmp_path / "modules.csv"}),
    ):
        content = (trackml / output).read_bytes()
        with pytest.raises(InputError, match="is an input"):
            convert_folder(trackml, trackml / output, **options)
        assert (trackml / output).read_bytes() == content
    for _ in range(2):
        assert convert_folder(trackml, trackml / "made.root")["n_events"] == 2
