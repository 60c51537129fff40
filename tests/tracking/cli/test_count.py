"""``smartpix train count`` and ``smartpix compress --learn count`` from the command line."""

import json

import numpy as np
import pytest

from smartpix.export.clusters import bench_codes, load_fixed
from smartpix.export.hls import EXPECTED
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights
from smartpix.samples import Reading
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train import count
from smartpix.train.options import TrainCountOptions
from tests.left_out import needs
from tests.smartpix.merged.toys import count_weights, groups_file
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main

SMALL = ("--region", "barrel", "--epochs", "1", "--batch-size", "64")


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    return groups_file(tmp_path_factory.mktemp("cli") / "groups.root", crossings=1200)


def test_train_count_and_its_chip_version(groups, tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    size = ("--hidden", "6", "--filters", "2")
    assert main(["train", "count", str(groups), *SMALL, *size, "-o", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert {"auc", "found_separable", "reliability", "curves", "history", "parameters"} <= set(told)
    assert err.startswith("epoch 1/1")
    assert load_weights(path, "count-columns")[1]["metrics"] == told
    chip = tmp_path / "chip.safetensors"
    sizes = ("--network", "columns", "--hidden", "6", "6", "--filters", "2", "0", "--threshold", "400")
    command = [
        "compress",
        str(groups),
        "--learn",
        "count",
        "--from",
        str(path),
        *SMALL,
        *sizes,
        "-o",
        str(chip),
    ]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("auc") for line in lines)
    # Tables are for programs.
    assert not any(line.startswith(("reliability", "curves", "by_epoch")) for line in lines)
    assert load_weights(chip, "fixedcount-columns")[1]["start"] == "w.safetensors"
    # Quantised weights go on, too.
    again = [
        "compress",
        str(groups),
        "--learn",
        "count",
        "--from",
        str(chip),
        *SMALL,
        "-o",
        str(tmp_path / "b.safetensors"),
    ]
    assert main(again) == 0


def test_flags_reach_the_training(groups, tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        count, "train_count", lambda *given, **more: calls.append((given, more)) or {"auc": 1.0}
    )
    flags = ("--region", "endcap", "--network", "mlp", "--hidden", 9, "--slices", 3, 17, "--threshold", 400,
             "--epochs", 7, "--train-seed", 5, "--augment")  # fmt: skip
    output = tmp_path / "w.safetensors"
    assert main(["train", "count", str(groups), *map(str, flags), "-o", str(output)]) == 0
    ((files, region, path, options, _), more) = calls[0]
    assert (files, region, path) == ([groups], "endcap", output)
    assert options == TrainCountOptions(NetworkOptions("mlp", hidden=9), epochs=7, seed=5, augment=())
    assert more == {"reading": Reading([3, 17], ReadoutOptions(0.0, 400.0, adc_bits=0)), "start": None}
    assert "auc" in capsys.readouterr().out


def test_what_cannot_be_is_refused(groups, tmp_path, capsys):
    out = ("-o", str(tmp_path / "w.safetensors"))
    region = ("--region", "barrel", *out)
    for command, words in (
        (["train", "count", str(groups), "--set", "min_share=0.5"], "min_share"),
        (["compress", str(groups), "--learn", "count", "--teacher", "mdn-barrel"], "--learn count"),
        (
            ["compress", str(groups), "--learn", "count", "--from", "mdn-barrel"],
            "holds weights of 'mdn-columns'",
        ),
    ):
        refused((main([*command, *region]), *capsys.readouterr()), words)


@needs("g++")
def test_a_network_that_counts_is_exported(tmp_path, capsys):
    pytest.importorskip("hls4ml")
    chip = count_weights(tmp_path / "chip.safetensors", "barrel", chip=True)
    folder = tmp_path / "project"
    command = ["export", str(chip), "-o", str(folder), "--clusters", "60", "--backend", "quartus", "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["csim_mismatches"], told["n_clusters"]) == (0, 60)
    assert told["after_the_outputs"].startswith("The 3 outputs are scores of one, two, and three")
    # Of windows that several particles cross, with the slices of the network.
    network, description = load_fixed(chip)
    codes = bench_codes(network, description, 60)
    assert network.plan.n_outputs == 3
    assert np.loadtxt(folder / "hls" / EXPECTED).shape == (60, 3)
    single = bench_codes(network, {**description, "architecture": "fixed-columns"}, 60)
    assert np.count_nonzero(codes) > 1.2 * np.count_nonzero(single)
