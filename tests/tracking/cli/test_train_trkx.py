"""The command line: training of HEP.TrkX's networks."""

import argparse
import itertools
import json

import pytest

from tests.tracking.cli.command_line import refused
from tracking.cli.main import main, parser
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.trained import load_network

SHORT = ["--samples", "64", "--batch-size", "32", "--evaluations", "2", "--width", "0.1",
         "--set", "validation=16", "--set", "test=16"]  # fmt: skip


def test_the_command_prints_one_json_object(capsys, tmp_path):
    output = tmp_path / "w.safetensors"
    more = [
        "--toy",
        "2d-tracks",
        "--set",
        "toy.background=2.0",
        "--train-seed",
        "5",
        "--precision",
        "float32",
    ]
    assert main(["train", "trkx", "--model", "lstm-50", *more, *SHORT, "-o", str(output), "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert (printed["model"], printed["toy"], printed["samples"]) == ("lstm-50", "2d-tracks", 64)
    assert captured.err.count("toys  loss") == 2
    described = json.loads(output.with_suffix(".json").read_text())["options"]
    assert (described["seed"], described["precision"], described["width"]) == (5, "float32", 0.1)
    _, toy = load_network(output, "lstm-50")
    assert (toy.kind, toy.background, toy.noise) == ("2d-tracks", 2.0, 0.0)


def test_the_model_brings_its_published_toys(capsys, tmp_path):
    output = tmp_path / "w.safetensors"
    arguments = ["train", "trkx", "--model", "caption", "--toy", "lines-1", *SHORT, "-o", str(output)]
    assert main(arguments) == 0
    assert "loss" in capsys.readouterr().out
    assert load_network(output)[1].max_tracks == 1
    described = json.loads(output.with_suffix(".json").read_text())["options"]
    assert described["learning_rate"] == 1e-3


def test_wrong_arguments_are_refused(capsys, tmp_path):
    output = str(tmp_path / "w.safetensors")
    start = ["train", "trkx", "-o", output, "--model"]
    for arguments, words in (
        (["conv", "--toy", "2d-noise"], ("toy.kind must be 3d for conv",)),
        (
            ["lstm", "--from", "caption.safetensors"],
            ("--from is 'caption.safetensors'", "starts from random weights"),
        ),
        (["caption-covariance", *SHORT], ("--from must name weights", "--model caption")),
        (["caption-covariance", "--from", output], (output, "no such file")),
        (["lstm", "--set", "toy.planes=3"], ("unknown option 'toy.planes'", "n_planes")),
        (["lstm", "--set", "toy.kind=lines-3"], ("toy.kind must be given by --toy",)),
        (["lstm", "--set", "model=lstm-100"], ("model must be given by --model",)),
        (["lstm", "--set", "toy=3"], ("'toy' is a section",)),
        (["lstm", "--samples", "100"], ("give --evaluations 1, or more --samples",)),
        (["lstm", "--samples", "-1"], ("samples must be from 1",)),
        (["lstm", "--threads", "0"], ("threads must be at least 1",)),
        (["lstm", "--threads", "99999999999999"], ("threads must be at least 1 and at most 4096",)),
    ):
        refused((main([*start, *arguments]), *capsys.readouterr()), *words)
    assert list(tmp_path.iterdir()) == []


def test_help_names_each_model_with_its_parameters(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "trkx", "--help"])
    assert end.value.code in (0, None)
    # Lines are broken at hyphens, too.
    said = "".join(capsys.readouterr().out.split())
    for name, model in MODELS.items():
        assert f"{name}: {model.about} ({model.parameters:,})".replace(" ", "") in said


COMMANDS = [
    "train trkx",
    "train ramp",
    "train path",
    "train gravnet",
    "train garnet",
    "simulate toys",
    "study trkx",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_flag_is_explained_in_a_full_phrase(command):
    found = parser()
    for word in command.split():
        found = next(a for a in found._actions if isinstance(a, argparse._SubParsersAction)).choices[word]
    for action in found._actions:
        words = (action.help or "").split()
        assert len(words) > 1, (action.dest, action.help)
        assert words[0] not in ("of", "which", "that"), (action.dest, action.help)
        assert all(one != two for one, two in itertools.pairwise(words)), (action.dest, action.help)
