"""Formats of other packages: found, converted and refused as the built-in ones are."""

import json
import subprocess
import sys

import awkward as ak
import numpy as np
import pytest

from smartpix.convert import (
    ConvertOptions,
    Source,
    convert,
    detect,
    find_format,
    format_names,
    hits_of_event,
)
from smartpix.geometry import write_detector
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.helpers import REPOSITORY, install, one_module_detector
from tests.smartpix.convert.trackml_files import write_event

TOY = (REPOSITORY / "examples" / "json_format.py").read_text()
DETECTOR = one_module_detector()


def hit(row, column, charge=5000):
    """A hit of one pixel, at its centre, as the toy format has it."""
    local = [
        [(column + 0.5) * DETECTOR.pitch_x[0] - DETECTOR.half_x[0],
        (row + 0.5) * DETECTOR.pitch_y[0] - DETECTOR.half_y[0]]
    ]  # fmt: skip
    ch0 = row if DETECTOR.u_sign[0] > 0 else int(DETECTOR.n_rows[0]) - 1 - row
    ch1 = column if DETECTOR.v_sign[0] > 0 else int(DETECTOR.n_columns[0]) - 1 - column
    position = DETECTOR.to_global([0], np.array(local))[0].tolist()
    return {"module": [8, 2, 1], "position": position, "cells": [[ch0, ch1, charge]]}


@pytest.fixture
def events(tmp_path):
    folder = tmp_path / "events"
    folder.mkdir()
    write_detector(DETECTOR, folder / "modules.csv")
    for name, hits in {"a": [hit(3, 4), hit(7, 9)], "b": [hit(100, 200)]}.items():
        (folder / f"{name}.toy.json").write_text(json.dumps(hits))
    return folder


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder of installed packages, the toy format's among them."""
    folder = tmp_path / "packages"
    install(folder, "toy-events", {"json_format.py": TOY}, "smartpix.formats", {"toy": "json_format:FORMAT"})
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "json_format", raising=False)
    return folder


def test_a_format_of_another_package_is_found_and_converted(packages, events, tmp_path):
    found = detect(events)
    assert (found.kind, found.path, len(found.prefixes)) == ("toy", events, 2)
    assert str(found) == f"{events}: toy events (JSON), 2 of them"
    assert detect(events / "b.toy.json").prefixes == ("b.toy.json",)
    done = convert(found, tmp_path / "e.root", ConvertOptions(electrons=1.0))
    assert (done["kind"], done["n_events"], done["n_hits"], done["truth"], done["field_T"]) == (
        "toy", 2, 3, False, 2.0
    )  # fmt: skip
    assert open_events(tmp_path / "e.root").header.made_by["command"] == "smartpix convert toy"
    clusters = ak.concatenate([part["clusters"] for _, part in iterate(tmp_path / "e.root")])
    assert clusters["charge"].tolist() == [[5000, 5000], [5000]]
    assert ak.flatten(clusters["pixels", "row"], axis=None).tolist() == [3, 7, 100]
    ids, position = hits_of_event(found, 0, DETECTOR)
    assert ids.tolist() == [0, 1]
    assert position.tolist() == [hit(3, 4)["position"], hit(7, 9)["position"]]
    with pytest.raises(InputError, match="has no event 2"):
        hits_of_event(found, 2, DETECTOR)
    with pytest.raises(InputError, match="is an input"):
        convert(found, events / "a.toy.json", ConvertOptions())


def test_the_command_takes_it(packages, events, tmp_path):
    output, run = tmp_path / "e.root", "import sys; from tracking.cli.main import main; sys.exit(main())"
    for kind in ([], ["toy"]):
        command = [
            sys.executable,
            "-c",
            run,
            "convert",
            *kind,
            events,
            "-o",
            output,
            "--electrons",
            "1",
            "--json",
        ]
        environment = {"PYTHONPATH": f"{REPOSITORY}:{packages}", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "toy events (JSON), 2 of them" in done.stderr
        assert json.loads(done.stdout)["n_hits"] == 3
        output.unlink()


def test_names_are_listed_without_an_import(packages, events):
    ours = ("trackml", "acts-csv", "acts-root", "edm4hep", "colliderml", "allpix", "timepix")
    assert format_names() == (*ours, "toy", "smartpix")
    with pytest.raises(
        InputError, match=r"'tooy' is unknown\. Did you mean 'toy'\? Known: trackml, .*, toy, "
    ):
        detect(events, "tooy")
    assert "json_format" not in sys.modules
    assert find_format("toy").known_by == "*.toy.json"


def test_messages_name_it_among_the_others(packages, events, tmp_path):
    trackml = write_event(tmp_path / "trackml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match=r"holds no event\*-hits\.csv \(trackml\), .*, \*\.toy\.json \(toy\);"
    ):
        detect(tmp_path / "empty")
    with pytest.raises(InputError, match=r"holds no \*\.toy\.json; toy events \(JSON\) were asked for"):
        detect(trackml, "toy")
    with pytest.raises(InputError, match=r"b\.toy\.json: holds toy events \(JSON\) and not TrackML events"):
        detect(events / "b.toy.json", "trackml")
    (trackml / "a.toy.json").write_text("[]")
    with pytest.raises(InputError, match=r"holds TrackML events \(CSV\) and toy events \(JSON\); say which"):
        detect(trackml)
    assert detect(trackml, "toy").kind == "toy"


def test_a_broken_package_stands_in_the_way_of_no_other_format(tmp_path, monkeypatch, events):
    install(tmp_path / "p", "bad-events", {}, "smartpix.formats", {"bad": "no_such_module:FORMAT"})
    monkeypatch.syspath_prepend(tmp_path / "p")
    trackml = write_event(tmp_path / "trackml")
    assert detect(trackml, "trackml").kind == "trackml"
    for kind in (None, "bad"):
        with pytest.raises(
            InputError, match=r"^package bad-events: .* cannot be loaded \(ModuleNotFoundError"
        ):
            detect(trackml, kind)


def test_a_field_that_files_do_not_tell_has_to_be_given(packages, events, tmp_path, monkeypatch):
    found = detect(events)
    monkeypatch.setitem(
        sys.modules["json_format"].__dict__, "Source", lambda *given, field, **more: Source(*given, **more)
    )
    with pytest.raises(InputError, match=r"toy events \(JSON\) do not tell the field; give .* --field"):
        convert(found, tmp_path / "e.root", ConvertOptions(electrons=1.0))
    done = convert(found, tmp_path / "e.root", ConvertOptions(electrons=1.0, field=1.0))
    assert done["field_T"] == 1.0
