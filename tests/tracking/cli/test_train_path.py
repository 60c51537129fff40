"""``smartpix train path`` on the embedded sample."""

import json

from smartpix.shipped import data_path
from tracking.cli.main import main
from tracking.finders.trkx.path.network import load_network

SAMPLE = str(data_path("sample.root"))


def test_it_trains_and_prints_one_object(tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    flags = ["--epochs", "1", "--hidden", "8", "--head", "8", "--set", "split.mode=off"]
    flags += ["--set", "filter.curvature_pt=0.3"]
    assert main(["train", "path", SAMPLE, "--gates", SAMPLE, "-o", str(path), *flags, "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["epochs"] == 1
    assert len(result["by_pt"]) == 4
    assert "epoch 1/1" in printed.err
    network, filter = load_network(str(path))
    assert (network.hidden, filter.curvature_pt) == (8, 0.3)


def test_what_is_wrong_is_said_in_one_line(tmp_path, capsys):
    command = ["train", "path", SAMPLE, "--gates", SAMPLE, "-o", str(tmp_path / "w.safetensors")]
    assert main([*command, "--hidden", "0"]) != 0
    assert "hidden must be from 1" in capsys.readouterr().err
    assert main([*command, "--set", "max_pt=0.1"]) != 0
    assert "above min_pt" in capsys.readouterr().err
