"""``smartpix train shape|mdn --detector``: the sample that is made, and what becomes of it."""

import json

import numpy as np
import pytest

from smartpix.estimate import shape
from smartpix.io.events import iterate, open_events
from smartpix.train import loop
from tracking.cli import train_detector
from tracking.cli.main import main

SMALL = 40
"""Crossings of an entry of the sample here."""


@pytest.fixture
def trained(monkeypatch, capsys, tmp_path):
    """Runs a training on a small sample that is read and not trained on: what it read, and what was printed."""
    monkeypatch.setattr(train_detector, "PER_EVENT", SMALL)
    calls = []

    def read(files):
        opened = open_events(files[0])
        crossings = sum(len(e["particles"][0]) for _, e in iterate(files[0], step=1))
        return {"header": opened.header, "crossings": crossings}

    def train_mdn(files, region, output, *rest, **more):
        calls.append({**read(files), "region": region, "output": output.name})
        return {"nll": 0.5}

    def train_shape(files, output, options):
        calls.append({**read(files), "output": output.name})
        return {}

    monkeypatch.setattr(loop, "train_mdn", train_mdn)
    monkeypatch.setattr(shape, "train_shape", train_shape)

    def call(what, *arguments):
        code = main(["train", what, *map(str, arguments), "-o", str(tmp_path / "w.safetensors")])
        return code, calls, *capsys.readouterr()

    return call


def test_a_sample_of_the_detectors_own_sensors_is_made_and_removed(trained, tmp_path):
    code, calls, out, err = trained(
        "shape", "--detector", "telescope", "--crossings", 100, "--seed", 77, "--json"
    )
    assert code == 0
    (call,) = calls
    assert call["crossings"] == 3 * SMALL
    head = call["header"]
    assert (head.made_by["seed"], head.field, head.slices) == (77, 0.0, (2, 19))
    np.testing.assert_allclose(np.unique(head.detector.thickness), 0.05)
    assert "120 crossings, seed 77, field 0 T" in err
    assert json.loads(out) == {}
    assert list(tmp_path.iterdir()) == []


def test_each_region_has_a_network_and_the_field_is_that_of_the_name(trained):
    code, calls, out, _ = trained("mdn", "--detector", "odd", "--crossings", 40, "--json")
    assert code == 0
    assert [(c["region"], c["output"]) for c in calls] == [
        ("barrel", "w-barrel.safetensors"), ("endcap", "w-endcap.safetensors"),
    ]  # fmt: skip
    assert {c["header"].field for c in calls} == {3.0}
    assert json.loads(out) == {"barrel": {"nll": 0.5}, "endcap": {"nll": 0.5}}
    calls.clear()
    code, calls, out, _ = trained(
        "mdn", "--detector", "barrel3", "--crossings", 40, "--field", 2, "--region", "barrel"
    )
    assert code == 0
    assert [(c["region"], c["output"], c["header"].field) for c in calls] == [
        ("barrel", "w.safetensors", 2.0)
    ]


def test_the_sample_is_read_out_as_the_events_of_a_file(trained, tmp_path, capsys):
    events = tmp_path / "events.root"
    flags = ("--detector", "telescope", "--noise", "70", "--threshold", "350", "--slices", "3", "19")
    beam = ("--set", "generate.beam.particles=3", "--set", "bias=60.0", "--seed", "5")
    assert main(["simulate", "events", *flags, *beam, "-o", str(events)]) == 0
    capsys.readouterr()
    code, calls, *_ = trained("shape", "--detector", events, "--crossings", 40)
    assert code == 0
    made = calls[0]["header"].made_by["options"]
    assert (made["readout"]["noise"], made["readout"]["threshold"], made["bias"]) == (70.0, 350.0, 60.0)
    assert calls[0]["header"].slices == (3, 19)
    assert made["generate"]["beam"]["particles"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shape",), "either files to train on, or --detector"),
        (("shape", "x.root", "--detector", "telescope"), "either files to train on, or --detector"),
        (("shape", "--detector", "telescop"), "telescope"),
        (("shape", "--detector", "telescope", "--crossings", "10"), "crossings must be at least"),
        (("mdn", "x.root"), "give --region"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message, trained):
    code, calls, _, err = trained(*arguments)
    assert code != 0
    assert message in err
    assert not calls


def test_a_file_that_is_another_sample_is_not_deleted(trained, tmp_path):
    path = tmp_path / "w.crossings.root"
    assert main(["simulate", "crossings", "--detector", "telescope", "--events", "1", "--per-event", "5",
                 "--seed", "2", "-o", str(path)]) == 0  # fmt: skip
    code, calls, _, err = trained("shape", "--detector", "telescope", "--crossings", 40)
    assert code != 0
    assert "is not the sample that an interrupted training" in err
    assert path.exists()
    assert not calls
