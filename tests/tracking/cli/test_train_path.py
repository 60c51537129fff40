"""``smartpix train path`` on the embedded sample."""

import json

import pytest

from smartpix.shipped import data_path
from tests.tracking.finders.trkx.path.truths import of_seed
from tracking.cli.main import main
from tracking.finders.trkx.path.network import load_network

SAMPLE = str(data_path("sample.root"))


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    return str(of_seed(tmp_path_factory.mktemp("gates") / "gates.root", 2027))


def test_it_trains_and_prints_one_object(gates, tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    flags = ["--epochs", "1", "--hidden", "8", "--head", "8", "--set", "split.mode=off"]
    flags += ["--set", "filter.curvature_pt=0.3"]
    assert main(["train", "path", SAMPLE, "--gates", gates, "-o", str(path), *flags, "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["epochs"] == 1
    assert len(result["by_pt"]) == 4
    assert "epoch 1/1" in printed.err
    network, filter = load_network(str(path))
    assert (network.hidden, filter.curvature_pt) == (8, 0.3)


def test_what_is_wrong_is_said_in_one_line(gates, tmp_path, capsys):
    command = ["train", "path", SAMPLE, "--gates", gates, "-o", str(tmp_path / "w.safetensors")]
    assert main([*command, "--hidden", "0"]) != 0
    assert "hidden must be from 1" in capsys.readouterr().err
    assert main([*command, "--set", "max_pt=0.1"]) != 0
    assert "above min_pt" in capsys.readouterr().err
    assert main([*command, "--gates", SAMPLE]) != 0
    assert "one of the gates (--gates); give gates other events" in capsys.readouterr().err
