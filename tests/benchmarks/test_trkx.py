"""The trainings of HEP.TrkX's networks: their commands, and the results that are kept."""

import json
import shlex
import sys

import pytest

from tests.helpers import REPOSITORY
from tracking.cli.main import parser
from tracking.cli.options import option_values
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.training_options import published_options
from tracking.options import from_mapping

sys.path.append(str(REPOSITORY / "benchmarks"))
import trkx

KEPT = sorted(trkx.RESULTS.glob("*.json"))


@pytest.mark.parametrize("name", trkx.TRAININGS)
def test_each_training_is_one_that_can_be(name):
    given = parser().parse_args(["train", "trkx", *trkx.TRAININGS[name], "-o", "w.safetensors"])
    options = from_mapping(published_options(given.model, given.toy or ""), option_values(given), "--set")
    assert options.width == 1.0
    assert name.startswith(given.model)


@pytest.mark.parametrize("kind", ["lines-1", "lines-3"])
def test_covariances_learn_from_other_toys_than_their_captions(kind):
    found = []
    for model in ("caption", "caption-covariance"):
        given = parser().parse_args(
            ["train", "trkx", *trkx.TRAININGS[f"{model}-{kind}"], "-o", "w.safetensors"]
        )
        found.append(from_mapping(published_options(model, kind), option_values(given), "--set"))
    assert found[0].toy == found[1].toy
    assert found[0].seed != found[1].seed
    assert found[1].start.endswith(f"caption-{kind}.safetensors")


def test_every_model_is_trained():
    trained = {words[words.index("--model") + 1] for words in trkx.TRAININGS.values()}
    assert trained == set(MODELS)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_results_name_the_command_that_remakes_them(path):
    result = json.loads(path.read_text())
    words = shlex.split(result["command"])
    assert words[:3] == ["smartpix", "train", "trkx"]
    given = parser().parse_args(words[1:])
    assert given.model == result["model"]
    expected = [word.replace(trkx.FROM, "trkx-work") for word in trkx.TRAININGS[path.stem]]
    assert words[3 : 3 + len(expected)] == expected
    assert result["parameters"] == MODELS[result["model"]].parameters
    assert ("multiplicity" in result) == (result["toy"] == "3d")


def test_a_result_has_its_command_and_what_was_published(tmp_path, monkeypatch):
    short = ["--model", "lstm-50", "--samples", "64", "--batch-size", "32", "--evaluations", "1",
             "--set", "test=16", "--set", "validation=16"]  # fmt: skip
    monkeypatch.setitem(trkx.TRAININGS, "lstm-50", short)
    result = trkx.measure("lstm-50", tmp_path / "work", 1)
    assert result["command"].endswith("--threads 1 -o work/lstm-50.safetensors --json")
    assert result["published"] == {"pixel_accuracy": 0.914, "hit_accuracy": 0.925}
    assert result["samples"] == 64
    assert (tmp_path / "work" / "lstm-50.safetensors").exists()


def test_a_training_that_fails_ends_the_script(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(trkx.TRAININGS, "lstm-50", ["--model", "lstm-50", "--toy", "lines-1"])
    with pytest.raises(SystemExit) as end:
        trkx.measure("lstm-50", tmp_path / "work", 1)
    assert end.value.code == 1
    assert "toy.kind" in capsys.readouterr().err
