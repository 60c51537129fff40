"""``smartpix train front`` from the command line."""

import json

import pytest

from smartpix.merged.front import FrontOptions
from smartpix.train import front_files
from smartpix.train.front_options import TrainFrontOptions
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of the training, which is not done."""
    calls = []

    def recorded(files, region, output, options, report, **more):
        calls.append({"files": [str(f) for f in files], "region": region, "options": options, **more})
        return {"auc": 0.9}

    monkeypatch.setattr(front_files, "train_front_on_files", recorded)
    return calls


def test_flags_reach_the_training(asked, capsys, tmp_path):
    output = str(tmp_path / "w.safetensors")
    flags = ["--network", "ecal-shape", "--hidden", "7", "--epochs", "3", "--train-seed", "5", "--json"]
    more = ["--set", "weight_decay=0.1", "--from", "a.safetensors"]
    assert main(["train", "front", "f.root", "--region", "endcap", "-o", output, *flags, *more]) == 0
    assert json.loads(capsys.readouterr().out) == {"auc": 0.9}
    network = FrontOptions("ecal-shape", hidden=7)
    wanted = TrainFrontOptions(network, epochs=3, seed=5, weight_decay=0.1)
    assert asked == [{"files": ["f.root"], "region": "endcap", "options": wanted, "start": "a.safetensors"}]


def test_bad_flags_are_refused(asked, capsys, tmp_path):
    start = ["train", "front", "f.root", "--region", "barrel", "-o"]
    good = str(tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").touch()
    for arguments, words in (
        ([*start, str(tmp_path / "w.pt")], "must end in .safetensors"),
        ([*start, good, "--network", "ecal-shape", "--shift", "1"], "shift must be 0 for ecal-shape"),
        ([*start, good, "--from", good], good),
    ):
        refused((main(arguments), *capsys.readouterr()), words)
    assert asked == []
