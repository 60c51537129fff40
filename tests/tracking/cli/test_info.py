"""``smartpix info`` in a few lines, of all that there is."""

import json

import pytest

from smartpix.shipped import data_path
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main
from tracking.options import RunOptions
from tracking.runs.driver import run

WEIGHTS = sorted(path.stem for path in data_path("weights").glob("*.safetensors"))


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_told_in_ten_lines(name, capsys):
    assert main(["info", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 10
    told = {line.split("  ")[0]: line for line in lines}
    assert {"weights", "network", "options", "metrics", "commit", "versions"} <= set(told)
    assert max(map(len, lines)) < 200
    description = json.loads((data_path("weights") / f"{name}.json").read_text())
    assert description["architecture"] in told["network"]
    data = description["data"] if isinstance(description["data"], list) else [description["data"]]
    assert all(str(part["seed"]) in told["data"] for part in data if "seed" in part)
    assert told["commit"].split()[-1] == description["commit"]


def test_json_has_all(capsys):
    assert main(["info", "gnn", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["options"]["cone"]["quantile"] == 0.9999
    assert len(told["data"]) == 10


def test_events_detectors_and_runs_are_told_in_a_few_lines(files, weights, tmp_path, capsys):
    folder = tmp_path / "out"
    run([files["toy"]], folder, RunOptions(gnn=str(weights), threads=2), figures=False)
    for name, words in {
        str(files["toy"]): ("events    4", "T\n", "truth     yes"),
        str(folder): ("run of", "gnn=", "threads=2", "track efficiency  0.9", " +0.0"),
        "barrel3": ("modules", "on 3 layers", "pixels of"),
        str(data_path("detector.csv")): ("on 18 layers",),
    }.items():
        assert main(["info", name]) == 0
        text = capsys.readouterr().out
        assert len(text.splitlines()) <= 10
        assert all(word in text for word in words), text
        assert main(["info", name, "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)
    refused((main(["info", str(tmp_path)]), *capsys.readouterr()), str(tmp_path))
