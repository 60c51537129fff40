"""What a run says of numbers that mean nothing."""

import dataclasses
import json
import re

import numpy as np
import pytest

from smartpix.io.events import Header, iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.simulate.events import header, simulate_event
from tests.helpers import crossings_at
from tests.seeding import toys
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.finders.options import BuildOptions
from tracking.options import RunOptions
from tracking.runs.advice import advice
from tracking.runs.driver import run

GOOD = {
    "n_events": 10,
    "n_hits": 1000,
    "n_tracks": 90,
    "n_findable": 100,
    "track_efficiency": 0.9,
    "features_outside": 0.0,
}
NO_TRUTH = {name: GOOD[name] for name in ("n_events", "n_hits", "n_tracks", "features_outside")}


@pytest.mark.parametrize(
    ("changed", "options", "n_layers", "words"),
    [
        ({}, RunOptions(), 10, []),
        ({"n_hits": 0, "n_tracks": 0, "n_findable": 0, "track_efficiency": None}, RunOptions(), 10, []),
        ({"n_events": 0, "n_hits": 0, "n_tracks": 0, "n_findable": 0}, RunOptions(), 3, ["no events in what was given"]),
        ({"n_findable": 0, "track_efficiency": None}, RunOptions(), 10, ["no particle counts as findable.*unit.*GeV"]),
        ({"n_findable": 0, "track_efficiency": None}, RunOptions(build=BuildOptions(min_hits=3)), 3,
         ["4 layers and the detector has 3; set findable_layers=3"]),
        ({"n_findable": 0, "n_tracks": 0, "track_efficiency": None}, RunOptions(), 3,
         ["4 hits on different layers and the detector has 3.*build.min_hits=3", "findable_layers=3"]),
        ({"track_efficiency": 0.05}, RunOptions(), 10, ["nearly nothing is found in 1000 hits.*cone.sigma_d0.*parallel beams"]),
        ({"n_tracks": 0, "track_efficiency": 0.0}, RunOptions(), 10, ["nearly nothing is found"]),
        ({"features_outside": 0.5}, RunOptions(), 10, ["50.0% of the values of a feature.*'gnn'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_do(changed, options, n_layers, words):
    for summary in (GOOD | changed, NO_TRUTH | {k: v for k, v in changed.items() if k in NO_TRUTH}):
        told = advice(summary, options, n_layers)
        if summary.keys() == GOOD.keys():
            assert len(told) == len(words)
            for line, pattern in zip(told, words, strict=True):
                assert re.search(pattern, line)
        else:
            assert not any("findable" in line for line in told)


def test_a_file_without_events_is_told_and_stands_in_the_summary(weights, tmp_path, capsys):
    write_events(tmp_path / "s0.root", Header(toys.detector(), 3.8, (0, 19)), [])
    arguments = [
        "run",
        str(tmp_path / "s0.root"),
        "--set",
        f"gnn={weights}",
        "--no-figures",
        "--json",
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["warnings"][-1].startswith("there are no events in what was given")
    assert len(re.findall("warning: there are no events", err)) == 1


@pytest.fixture
def parallel(tmp_path, simulation):
    """A beam of 60 particles along z through the disks of one side."""
    detector = toys.detector()
    disks = np.flatnonzero(~detector.barrel & (detector.center[:, 2] > 0))
    rng = np.random.default_rng(2)
    crossings = crossings_at(detector, rng.choice(disks, 60), rng.uniform(-5, 5, (60, 2)), np.zeros((60, 2)))
    path = tmp_path / "parallel.root"
    write_events(
        path,
        header(detector, simulation, 1, 1),
        iter([simulate_event(crossings, detector, simulation, 0, 1)]),
    )
    return path


def test_a_parallel_beam_is_told_once_and_stands_in_the_summary(parallel, weights, tmp_path, capsys):
    arguments = [
        "run",
        str(parallel),
        "--set",
        f"gnn={weights}",
        "--no-figures",
        "--json",
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["n_tracks"] == 0
    assert [line for line in told["warnings"] if "parallel beams" in line]
    assert err.splitlines() == [f"warning: {line}" for line in told["warnings"]]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["warnings"] == told["warnings"]


def test_fewer_layers_make_more_particles_findable(files, weights, tmp_path):
    found = [
        run(
            files["single"], tmp_path / str(n), RunOptions(gnn=str(weights), findable_layers=n), figures=False
        )
        for n in (4, 5, 10)
    ]
    assert found[0]["n_findable"] > found[1]["n_findable"] > found[2]["n_findable"] == 0
    assert any("findable_layers" in line for line in found[2]["warnings"])


def test_warnings_of_the_chain_come_first_in_the_summary(files, weights, tmp_path, monkeypatch):
    made = Chain.for_header
    monkeypatch.setattr(
        Chain, "for_header", lambda *given: dataclasses.replace(made(*given), warnings=("first",))
    )
    assert run(files["single"], tmp_path, RunOptions(gnn=str(weights)), figures=False)["warnings"] == [
        "first"
    ]


def test_estimates_trained_on_others_are_a_warning_of_the_chain(files, weights):
    ((file, _),) = iterate(files["single"], step=1)
    other = Header(
        file.header.detector, file.header.field, file.header.slices, {"command": "smartpix convert acts-root"}
    )
    (line,) = Chain.for_header(other, RunOptions(gnn=str(weights))).warnings
    assert "ACTS's own digitisation" in line


def test_a_readout_that_cannot_be_read_is_a_warning_of_the_run(files, weights):
    damaged = dataclasses.replace(open_events(files["single"]).header, made_by={"options": 5})
    (line,) = Chain.for_header(damaged, RunOptions(gnn=str(weights))).warnings
    assert line.startswith(
        "the file does not tell its readout: in its metadata 'made_by.options' cannot be read."
    )


def test_conditions_far_from_the_training_are_refused_or_a_warning_of_the_run(files, weights):
    near = open_events(files["single"]).header
    far = dataclasses.replace(
        near, made_by={**near.made_by, "options": {**near.made_by["options"], "bias": 150.0}}
    )
    with pytest.raises(InputError, match=r"bias 150 V.*conditions=ignore"):
        Chain.for_header(far, RunOptions(gnn=str(weights)))
    ignored = Chain.for_header(far, RunOptions(gnn=str(weights), conditions="ignore"))
    assert ignored.warnings
    assert all(
        "bias 150 V" in line and line.endswith("the run goes on since conditions=ignore")
        for line in ignored.warnings
        if "not split" not in line
    )
    assert Chain.for_header(near, RunOptions(gnn=str(weights), conditions="ignore")).warnings == ()
