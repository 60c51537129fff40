"""The command line: training of the RAMP challenge's finders."""

import json

from tests.tracking.cli.command_line import refused
from tracking.cli.main import main
from tracking.finders.trkx.ramp import train
from tracking.finders.trkx.ramp.options import TrainRampOptions


def test_every_flag_reaches_the_training(capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(train, "train_ramp", lambda *arguments: asked.append(arguments) or {"loss": 0.0})
    flags = (
        "--finder", "phi-lstm", "--epochs", 4, "--events", 50, "--batch-size", 5, "--learning-rate", 0.01,
        "--hidden", 6, "--passes", 7, "--tracks", 3, 4, "--train-seed", 9,
    )  # fmt: skip
    output = tmp_path / "w.safetensors"
    for given, options in (
        ((), TrainRampOptions()),
        (flags, TrainRampOptions("phi-lstm", 4, 50, 5, 0.01, 6, 7, 9, (3.0, 4.0))),
    ):
        assert main(["train", "ramp", *map(str, given), "-o", str(output)]) == 0
        assert asked.pop()[:2] == (output, options)


def test_train_ramp_prints_one_object_and_writes_weights(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(train, "HELD_OUT", 5)
    output = tmp_path / "w.safetensors"
    arguments = ["train", "ramp", "--epochs", "2", "--events", "10", "--set", "batch_size=5", "--hidden", "4"]
    assert main([*arguments, "-o", str(output), "--json"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert set(json.loads(out)) == {"loss", "score_10", "score_20", "parameters", "epochs"}
    assert "epoch 2/2" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.json", "w.safetensors"]
    refused(
        (main([*arguments, "--finder", "kalman", "-o", str(output)]), *capsys.readouterr()),
        "phi-lstm",
        "graph",
    )
    large = [*arguments, "--batch-size", "11", "-o", str(output)]
    large.remove("batch_size=5")
    large.remove("--set")
    refused((main(large), *capsys.readouterr()), "batch_size must be at most the 10 events", "--events")
    refused((main([*arguments, "-o", str(tmp_path / "w.pt")]), *capsys.readouterr()), ".safetensors")
