"""The command line: training of the graph network."""

import json
import shutil

import pytest

from tests.tracking.cli.command_line import refused
from tracking.bench import events as bench_events
from tracking.cli.main import main
from tracking.finders.gnn import train
from tracking.finders.gnn.options import TrainGnnOptions


def test_train_gnn_on_events_of_its_own(capsys, tmp_path):
    pytest.importorskip("acts")
    output = tmp_path / "w.safetensors"
    arguments = [
        "train",
        "gnn",
        "--pileup",
        "1",
        "--events",
        "3",
        "--epochs",
        "1",
        "--screen-epochs",
        "1",
        "--hidden",
        "4",
    ]
    code = main([*arguments, "--set", "degrade.noise=0.1", "--set", "screen=4", "-o", str(output), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    described = json.loads(output.with_suffix(".json").read_text())
    assert described["options"]["degrade"]["noise"] == 0.1
    assert (described["options"]["screen"], described["options"]["hidden"]) == (4, 4)
    assert [d["options"]["generate"]["pileup"] for d in described["data"]] == [1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.json", "w.safetensors"]
    for wrong, words in (
        (["--pileup", "1", "F.root"], "give event files, or --pileup"),
        ([], "give event files, or --pileup"),
    ):
        assert main(["train", "gnn", *wrong[2:], *wrong[:2], "-o", str(output)]) == 1
        assert words in capsys.readouterr().err
    assert main(["train", "gnn", "F.root", "--set", "degrade.nois=1", "-o", str(output)]) == 1
    assert "noise" in capsys.readouterr().err


def test_train_gnn_takes_and_deletes_no_events_but_its_own(capsys, monkeypatch, files, tmp_path):
    pytest.importorskip("acts")
    output, folder = tmp_path / "w.safetensors", tmp_path / "w.events" / "3-5"
    path, trained = folder / "pileup-1-0.root", []
    folder.mkdir(parents=True)
    arguments = ["train", "gnn", "--pileup", "1", "--events", "3", "--seed", "5", "-o", str(output), "--json"]
    monkeypatch.setattr(
        train, "train_gnn", lambda paths, *_: trained.append([p.read_bytes() for p in paths]) or {"loss": 0.0}
    )

    def of_others():
        shutil.copy(files["toy"], path)
        yield
        bench_events.simulated(1, 3, 7, folder)  # of another seed
        yield
        bench_events.simulated(1, 2, 6, folder)  # too few
        yield

    for _ in of_others():
        before = path.read_bytes()
        refused(
            (main(arguments), *capsys.readouterr()),
            str(path),
            "3 events of pile-up 1",
            "seed 6",
            "move it away",
        )
        assert path.read_bytes() == before
    assert trained == []
    bench_events.simulated(1, 3, 6, folder)
    before = path.read_bytes()
    monkeypatch.setattr(bench_events, "simulated", None)
    assert main(arguments) == 0, capsys.readouterr().err
    assert trained == [[before]]
    assert list(tmp_path.iterdir()) == []


def test_every_flag_reaches_the_training_of_the_graph_network(capsys, monkeypatch, files, tmp_path):
    asked = []
    monkeypatch.setattr(train, "train_gnn", lambda *arguments: asked.append(arguments) or {"loss": 0.0})
    flags = (
        "--epochs", 4, "--screen-epochs", 5, "--hidden", 6, "--passes", 7, "--graph", "window", "--keep",
        0.9, "--patience", 8,
        "--learning-rate", 0.01, "--train-seed", 9, "--estimates", "mdn", "--mdn-barrel", "b",
        "--mdn-endcap", "e",
        "--shape", "s",
    )  # fmt: skip
    output = tmp_path / "w.safetensors"
    for given, options in (
        ((), TrainGnnOptions()),
        (flags, TrainGnnOptions(
            4, 5, 0.01, 6, 7, keep=0.9, patience=8, seed=9, estimates="mdn", mdn_barrel="b", mdn_endcap="e",
            shape="s",
            graph="window",
        )),
    ):  # fmt: skip
        assert main(["train", "gnn", str(files["toy"]), *map(str, given), "-o", str(output)]) == 0
        assert asked.pop()[:3] == ([files["toy"]], output, options)


def test_train_gnn_writes_weights_that_run(capsys, files, tmp_path):
    output = tmp_path / "w.safetensors"
    arguments = [
        "train",
        "gnn",
        str(files["toy"]),
        "--epochs",
        "2",
        "--hidden",
        "8",
        "--passes",
        "1",
        "-o",
        str(output),
        "--json",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert set(json.loads(out)) >= {"loss", "auc", "parameters", "n_train", "n_validation", "n_test"}
    assert "epoch 2/2" in err
    code = main(
        [
            "run",
            str(files["first"]),
            "--set",
            f"gnn={output}",
            "-o",
            str(tmp_path / "out"),
            "--no-figures",
            "--json",
        ]
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out)["n_events"] == 2
    refused((main(["train", "gnn", str(files["bare"]), "-o", str(output)]), *capsys.readouterr()), "no truth")
