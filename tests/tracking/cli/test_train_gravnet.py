"""``smartpix train gravnet`` and ``train garnet`` from the command line."""

import json

from smartpix.shipped import data_path
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main
from tracking.finders.garnet import train as garnet_train
from tracking.finders.garnet.options import GarNetOptions, SectorOptions, TrainGarnetOptions
from tracking.finders.gravnet import train as gravnet_train
from tracking.finders.gravnet.options import GravNetOptions, TrainGravnetOptions

SAMPLE = str(data_path("sample.root"))


def test_every_flag_of_gravnet_reaches_the_training(capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        gravnet_train, "train_gravnet", lambda *arguments: asked.append(arguments) or {"loss": 0.5}
    )
    flags = (
        "--neighbours", "free", "--blocks", 2, "--k", 9, "--space", 3, "--features", 7, "--passed", 5,
        "--hidden", 6, "--epochs", 4, "--pieces", 3, "--patience", 2, "--learning-rate", 0.01,
        "--train-seed", 9, "--answer", "condensation", "--coordinates", 3, "--json",
    )  # fmt: skip
    output = tmp_path / "w.safetensors"
    assert main(["train", "gravnet", SAMPLE, "-o", str(output), *map(str, flags)]) == 0
    assert json.loads(capsys.readouterr().out) == {"loss": 0.5}
    (files, where, options, _), *_ = asked
    assert ([str(file) for file in files], where) == ([SAMPLE], output)
    assert options == TrainGravnetOptions(
        GravNetOptions("free", 2, 9, 3, 7, 5, 6, "condensation", 3),
        4,
        learning_rate=0.01,
        pieces=3,
        patience=2,
        seed=9,
    )


def test_every_flag_of_garnet_reaches_the_training(capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        garnet_train, "train_garnet", lambda *arguments: asked.append(arguments) or {"auc_fixed": 0.5}
    )
    flags = (
        "--azimuths", 10, "--pseudorapidities", 6, "--min-pt", 1.5, "--rotations", 3, "--epochs", 4,
        "--fixed-epochs", 5, "--batch-size", 6, "--learning-rate", 0.01, "--train-seed", 9,
        "--set", "network.vertices=64", "--json",
    )  # fmt: skip
    assert main(["train", "garnet", SAMPLE, "-o", str(tmp_path / "w.safetensors"), *map(str, flags)]) == 0
    assert json.loads(capsys.readouterr().out) == {"auc_fixed": 0.5}
    sectors = SectorOptions(10, 6, min_pt=1.5, rotations=3)
    assert asked[0][2] == TrainGarnetOptions(GarNetOptions(vertices=64), sectors, 4, 5, 6, 0.01, 9)


def test_what_is_wrong_is_said_in_one_line(capsys, tmp_path):
    end = [SAMPLE, "-o", str(tmp_path / "w.safetensors")]
    for kind, arguments, words in (
        ("gravnet", ["--blocks", "-1"], ("blocks must be from 0",)),
        ("gravnet", ["--neighbours", "all"], ("neighbours", "edges", "free")),
        ("garnet", ["--set", "network.vertices=100"], ("vertices must be a power of two",)),
        ("garnet", ["--batch-size", "0"], ("batch_size must be from 1",)),
    ):
        refused((main(["train", kind, *end, *arguments]), *capsys.readouterr()), *words)
