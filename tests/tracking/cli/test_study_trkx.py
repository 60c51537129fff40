"""The command line: the study of HEP.TrkX."""

import json

import pytest

from tests.tracking.bench.tiny_trkx import tiny_network
from tests.tracking.cli.command_line import refused
from tracking.bench import trkx
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


def study(content, folder, parts="models"):
    """A study that keeps what an earlier one left."""
    folder.mkdir(exist_ok=True)
    (folder / "trkx.json").write_text(json.dumps(content))
    return main(
        ["study", "trkx", "--parts", parts, "--keep", "--steps", "0", "--events", "4", "-o", str(folder)]
    )


def test_results_of_another_version_are_not_kept_and_stay(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(trkx, "model_numbers", lambda *arguments: pytest.fail("measured first"))
    empty = {"models": None, "references": None, "ramp": None, "ramp_bounds": None, "next_layer": None}
    cone = {"n": 3}
    for change, words in (
        ({"measured": {"ramp": {}}}, ("'ramp' must be the results of the part ramp", "--parts ramp")),
        (
            {"measured": {"ramp": {}}, "ramp": {"graph": {}}, "ramp_bounds": {"a": 1}},
            ("the part ramp", "KeyError"),
        ),
        ({"measured": {"next-layer": {}}, "next_layer": cone}, ("the part next-layer", "another version")),
    ):
        content = empty | change
        refused((study(content, tmp_path / "out"), *capsys.readouterr()), "trkx.json", "--keep", *words)
        assert json.loads((tmp_path / "out" / "trkx.json").read_text()) == content
    models = empty | {"measured": {"models": {}}, "models": {"conv": {"toy": "3d"}}, "references": {"3d": {}}}
    refused(
        (study(models, tmp_path / "out", "ramp"), *capsys.readouterr()), "the part models", "--parts models"
    )


def test_what_cannot_be_written_is_told_before_anything_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(trkx, "trkx_study", lambda *arguments: pytest.fail("measured first"))
    (tmp_path / "trkx.json").mkdir()
    refused((main(["study", "trkx", "-o", str(tmp_path)]), *capsys.readouterr()), "trkx.json: is a folder")


def test_wrong_arguments_are_refused(weights, capsys, tmp_path):
    for arguments, words in (
        (["--parts", "models,rmap"], ("part 'rmap'", "'ramp'")),
        (["--keep"], ("trkx.json: cannot be read", "leave out --keep")),
        (["--events", "3"], ("events must be from 4",)),
        (["--weights", str(tmp_path / "none")], ("none is no folder",)),
        (["--trained", str(weights / "conv.json")], ("conv.json is no folder",)),
        (["--trained", str(weights)], ("conv.json", "'model' must be")),
        (["--weights", str(weights), "--seed", "3"], ("trained on events of seed 3",)),
        (["events.root"], ("FILE is for the part next-layer", "add next-layer to --parts")),
        (["--parts", "ramp", "--trained", str(weights)], ("--trained is for the part models",)),
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
