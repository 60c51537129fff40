"""The command line: the study of HEP.TrkX."""

import json

import pytest

from tests.tracking.bench.tiny_trkx import tiny_network
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main
from tracking.finders.trkx.models import MODELS


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny_network(folder / "conv.safetensors", "conv-2d", "2d-conv", 0.25)
    return folder


def call(folder, weights, *more):
    return main(
        ["study", "trkx", "--parts", "models", "--weights", str(weights), "--events", "20", "--steps", "1", "-o", str(folder),
         *more]
    )  # fmt: skip


def test_the_command_prints_one_json_object_and_keeps_it(weights, capsys, tmp_path):
    assert call(tmp_path, weights, "--seed", "600501", "--json") == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed == json.loads((tmp_path / "trkx.json").read_text())
    assert set(printed["models"]) >= set(MODELS)
    for name, r in printed["models"].items():
        assert {"parameters", "pixel_accuracy", "hit_accuracy", "published"} <= set(r), name
    assert printed["models"]["conv-2d"]["hit_accuracy"] is not None
    assert (printed["measured"]["models"]["seed"], printed["ramp"], printed["next_layer"]) == (
        600501,
        None,
        None,
    )
    assert "on 20 toys" in captured.err
    kept = ["study", "trkx", "--parts", "next-layer", "--keep", "--pileup-events", "0", "-o", str(tmp_path)]
    refused((main(kept), *capsys.readouterr()), "pileup_events must be from 1")
    assert {"accuracies.png", "filters-conv-2d.png", "samples.png"} <= {p.name for p in tmp_path.iterdir()}


def test_the_table_names_the_folder(weights, capsys, tmp_path):
    assert call(tmp_path / "out", weights) == 0
    out = capsys.readouterr().out
    assert "bidirectional" in out
    assert "19,933,184" in out
    assert out.endswith(f"written to {tmp_path / 'out'}\n")


def test_wrong_arguments_are_refused(weights, capsys, tmp_path):
    for arguments, words in (
        (["--parts", "models,rmap"], ("part 'rmap'", "'ramp'")),
        (["--keep"], ("trkx.json: cannot be read", "leave out --keep")),
        (["--events", "3"], ("events must be from 4",)),
        (["--weights", str(tmp_path / "none")], ("none is no folder",)),
        (["--trained", str(weights / "conv.json")], ("conv.json is no folder",)),
        (["--trained", str(weights)], ("conv.json", "'model' must be")),
        (["--weights", str(weights), "--seed", "3"], ("trained on events of seed 3",)),
    ):
        start = [
            "study",
            "trkx",
            "--parts",
            "models",
            "--steps",
            "0",
            "--events",
            "4",
            "-o",
            str(tmp_path / "out"),
        ]
        refused((main([*start, *arguments]), *capsys.readouterr()), *words)
    # Before the networks are measured.
    used = ["study", "trkx", "--parts", "models,ramp", "--seed", "620000", "-o", str(tmp_path / "out")]
    refused((main(used), *capsys.readouterr()), "trained on events of seed 620000", "--seed")
    assert not list((tmp_path / "out").glob("*"))
