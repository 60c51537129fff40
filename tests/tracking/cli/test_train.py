"""``smartpix train mdn`` and ``smartpix bench mdn`` from the command line."""

import json

import numpy as np
import pytest

from smartpix.estimate.mdn import MdnNetwork
from smartpix.io.parquet import write_clusters
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights
from smartpix.samples import Reading, from_clusters
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train import loop as train
from smartpix.train.loop import train_on
from smartpix.train.options import TrainMdnOptions
from tests.helpers import SENSOR
from tests.smartpix.clusters import cluster_set
from tests.tracking.cli.command_line import refused
from tracking.bench import mdn as bench
from tracking.cli.main import main

QUICK = ("--region", "barrel", "--epochs", 2, "--batch-size", 256)


@pytest.fixture
def train_mdn(capsys, tmp_path, bench_file):
    """Runs ``smartpix train mdn`` on a small data set: exit code, stdout, stderr."""

    def call(*arguments, file=bench_file, output="w.safetensors"):
        code = main(["train", "mdn", str(file), *map(str, arguments), "-o", str(tmp_path / output)])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of the training, which is not done."""
    calls = []

    def recorded(files, region, output, options, report, **more):
        calls.append({"files": files, "region": region, "output": output, "options": options, **more})
        return {"nll": 0.0}

    monkeypatch.setattr(train, "train_mdn", recorded)
    return calls


def test_train_mdn_writes_weights_that_run(train_mdn, tmp_path, clusters_2s):
    code, out, err = train_mdn(*QUICK, "--noise", 50, "--threshold", 300, "--bits", 4, "--json")
    assert code == 0
    assert out.count("\n") == 1
    told = json.loads(out)
    assert set(told) >= {
        "nll", "half_width_68", "standard_deviation", "pull_mean", "pull_sigma", "coverage68", "coverage95",
        "parameters",
        "n_train", "n_validation", "epochs", "history",
    }  # fmt: skip
    assert [line.split()[1] for line in err.splitlines()] == ["1/2", "2/2"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.json", "w.safetensors"]
    network = MdnNetwork.load(str(tmp_path / "w.safetensors"))
    assert network.description["metrics"] == told
    # The same in Python.
    samples = from_clusters(clusters_2s, ReadoutOptions(50.0, 300.0, adc_bits=4), SENSOR, {})
    train_on(
        samples,
        "barrel",
        tmp_path / "own.safetensors",
        TrainMdnOptions(epochs=2, batch_size=256),
        lambda line: None,
    )
    one, two = (load_weights(tmp_path / f"{n}.safetensors", "mdn-columns")[0] for n in ("w", "own"))
    assert all(np.array_equal(one[k], two[k]) for k in one)


def test_without_json_the_numbers_are_lines(train_mdn):
    code, out, _ = train_mdn(*QUICK)
    assert code == 0
    for word in ("half_width_68", "coverage68", "parameters", "history"):
        assert any(line.startswith(word) for line in out.splitlines())


def test_defaults_are_those_of_the_options(train_mdn, asked, bench_file, tmp_path):
    assert train_mdn("--region", "endcap")[0] == 0
    assert asked == [
        {
            "files": [bench_file], "region": "endcap", "output": tmp_path / "w.safetensors",
            "options": TrainMdnOptions(),
            "reading": Reading(), "start": None, "code": "",
        }
    ]  # fmt: skip


def test_every_flag_reaches_the_training(train_mdn, asked):
    flags = (
        "--region", "barrel", "--network", "conv", "--hidden", 11, "--filters", 6, "--batch-norm",
        "--slices", 3, 17,
        "--noise", 1, "--threshold", 2, "--threshold-dispersion", 3, "--bits", 5, "--adc-max", 6000,
        "--type", 7,
        "--epochs", 8, "--batch-size", 9, "--learning-rate", 0.01, "--schedule", "constant", "--patience", 12,
        "--augment", "shift", "mirror-y", "--from", "mdn-barrel", "--train-seed", 13,
    )  # fmt: skip
    assert train_mdn(*flags)[0] == 0
    (call,) = asked
    assert call["options"] == TrainMdnOptions(
        NetworkOptions("conv", hidden=11, filters=6, batch_norm=True),
        8,
        9,
        0.01,
        "constant",
        12,
        ("shift", "mirror-y"),
        13,
    )
    assert call["start"] == "mdn-barrel"
    sensor = {"pitch_x": 0.1, "pitch_y": 0.025, "thickness": 0.15, "field": 3.8}
    assert call["reading"] == Reading([3, 17], ReadoutOptions(1.0, 2.0, 3.0, 5, 6000.0), sensor)


@pytest.mark.parametrize(
    ("flags", "readout"),
    [
        ((), None),
        (("--threshold", 400), ReadoutOptions(0.0, 400.0, adc_bits=0)),
        (("--noise", 0), ReadoutOptions(0.0, 0.0, adc_bits=0)),
        (("--bits", 2, "--threshold", 300), ReadoutOptions(0.0, 300.0, adc_bits=2)),
        (("--threshold", 300, "--threshold-dispersion", 20), ReadoutOptions(0.0, 300.0, 20.0, 0)),
    ],
)
def test_readout_is_what_is_asked_for_and_nothing_else(train_mdn, asked, flags, readout):
    assert train_mdn("--region", "barrel", *flags)[0] == 0
    assert asked[0]["reading"] == Reading(readout=readout)


def test_no_augmentation_can_be_asked_for(train_mdn, asked):
    assert train_mdn("--region", "barrel", "--augment")[0] == 0
    assert asked[0]["options"].augment == ()


def test_training_from_weights_by_path(train_mdn, tmp_path, mdn_weights):
    start = ("--from", mdn_weights["columns"])
    scratch, tuned = (json.loads(train_mdn(*QUICK, *more, "--json")[1]) for more in ((), start))
    assert tuned["history"][0] < scratch["history"][0] - 1
    assert load_weights(tmp_path / "w.safetensors", "mdn-columns")[1]["start"] == "columns.safetensors"
    refused(
        train_mdn(*QUICK, "--network", "mlp", *start),
        "columns.safetensors",
        "kind columns, and kind mlp was asked for",
    )
    refused(
        train_mdn(*QUICK, "--hidden", 20, *start),
        "columns.safetensors",
        "with hidden 0, and hidden 20 was asked for",
    )
    refused(train_mdn(*QUICK, "--from", "mdn-barel"), "'mdn-barel'", "no such shipped weights")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--network", "cnn"), ("'cnn' is unknown", "columns, conv, mlp")), (("--hidden", -1), ("hidden must be at least 0",)),
        (("--filters", 0), ("filters must be at least 1",)), (("--bits", 1), ("adc_bits", "2 to 8")),
        (("--bits", 4), ("threshold above 0",)), (("--noise", -1), ("noise",)), (("--type", 8), ("type 8 is unknown",)),
        (("--bits", 4, "--threshold", 300, "--adc-max", 200), ("adc_max",)),
        (("--epochs", 0), ("epochs must be at least 1",)), (("--batch-size", 0), ("batch_size",)),
        (("--learning-rate", 2), ("learning_rate must be between 0 and 1",)), (("--schedule", "step"), ("cosine, constant",)),
        (("--patience", -1), ("patience must be 0 or more",)), (("--augment", "mirror"), ("mirror-x, mirror-y, shift",)),
        (("--train-seed", -1), ("seed must be 0 or more",)), (("--threads", 0), ("threads must be at least 1",)),
        (("--slices", 5, 19), ("slice", "5")), (("--batch-size", 100_000), ("too few to train on", "100000")),
    ],
)  # fmt: skip
def test_bad_flags_are_one_line_and_code_1(train_mdn, tmp_path, flags, words):
    refused(train_mdn("--region", "barrel", *flags), *words)
    assert list(tmp_path.iterdir()) == []


def test_noise_without_a_threshold_trains_on_what_stands_out_of_it(train_mdn):
    code, out, _ = train_mdn(*QUICK, "--noise", 50, "--json")
    assert code == 0
    assert json.loads(out)["truncated"] < 0.2


def test_files_need_their_region(train_mdn, tmp_path):
    refused(train_mdn(), "give --region")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [("--region", "forward"), ("--region", "barrel", "--epochs", "many")])
def test_usage_errors_are_code_2(train_mdn, capsys, flags):
    with pytest.raises(SystemExit) as stop:
        train_mdn(*flags)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_bad_files_are_one_line_and_code_1(train_mdn, tmp_path, files):
    refused(train_mdn(*QUICK, file=tmp_path / "missing.parquet"), "missing.parquet", "no such file")
    refused(train_mdn(*QUICK, file=tmp_path / "missing.root"), "missing.root")
    refused(train_mdn(*QUICK, file=files["bare"]), "no truth to train on")
    refused(train_mdn(*QUICK, "--threshold", 300, file=files["toy"]), "read out already")
    refused(train_mdn(*QUICK, output="no/w.safetensors"), "no", "does not exist")
    write_clusters(tmp_path / "unknown.parquet", cluster_set(10, slices=(0, 19), shape=(13, 21)), {})
    refused(train_mdn(*QUICK, file=tmp_path / "unknown.parquet"), "does not say what sensor", "--type")


def test_data_set_of_an_unknown_sensor_is_trained_on_with_its_type(train_mdn, tmp_path, clusters_2s):
    write_clusters(tmp_path / "unknown.parquet", clusters_2s, {})
    assert train_mdn(*QUICK, "--type", 6, file=tmp_path / "unknown.parquet")[0] == 0
    sensor = load_weights(tmp_path / "w.safetensors", "mdn-columns")[1]["sensor"]
    assert sensor == {"pitch_x": 0.1, "pitch_y": 0.025, "thickness": 0.1, "field": 3.8}


def test_an_interrupted_training_is_taken_up_by_the_same_command_only(train_mdn, tmp_path, monkeypatch):
    save = train.save_checkpoint

    def then_interrupted(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "save_checkpoint", then_interrupted)
    code, out, err = train_mdn(*QUICK)
    assert (code, out, err) == (130, "", "smartpix: interrupted\n")
    monkeypatch.setattr(train, "save_checkpoint", save)
    refused(train_mdn(*QUICK, "--patience", 1), "w.checkpoint", "other options")
    code, _, err = train_mdn(*QUICK)
    assert code == 0
    assert [line.split()[1] for line in err.splitlines()] == ["2/2"]
    assert not (tmp_path / "w.checkpoint").exists()


@pytest.fixture
def bench_mdn(capsys, monkeypatch, tiny_variants):
    """Runs ``smartpix bench mdn`` with small networks: exit code, stdout, stderr."""
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    monkeypatch.setattr(bench, "NETWORK_REPEATS", 1)

    def call(*arguments):
        code = main(["bench", "mdn", *map(str, arguments)])
        return (code, *capsys.readouterr())

    return call


def test_bench_mdn_prints_exactly_one_json_object(bench_mdn, bench_file, tiny_variants):
    code, out, err = bench_mdn("--file", bench_file, "--clusters", 1000, "--json")
    assert code == 0
    assert out.count("\n") == 1
    told = json.loads(out, parse_constant=pytest.fail)
    assert list(told) == list(tiny_variants)
    for r in told.values():
        assert set(r) >= {
            "half_width_68", "standard_deviation", "nll", "parameters", "pull_mean", "pull_sigma",
            "coverage68", "coverage95",
            "clusters_per_second", "published", "by_abs_cot_alpha", "truncated", "n",
        }  # fmt: skip
    assert len(err.splitlines()) == len(tiny_variants)


def test_bench_mdn_prints_a_table_of_the_chosen_variants(bench_mdn, bench_file):
    code, out, _ = bench_mdn("--file", bench_file, "--clusters", 1000, "--variants", "mlp-tiny", "conv-tiny")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["variant", "mlp-tiny", "conv-tiny"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--variants", "mpl-tiny"), ("'mpl-tiny' is unknown", "Did you mean 'mlp-tiny'?")),
        (("--clusters", 10), ("at least 1000",)), (("--threads", 0), ("threads must be at least 1",)),
        (("--file", "missing.parquet"), ("missing.parquet", "no such file")),
        (("--type", 2), ("give the --file as well",)), (("--type", 9), ("type 9 is unknown",)),
    ],
)  # fmt: skip
def test_bench_mdn_with_bad_flags_is_one_line_and_code_1(bench_mdn, flags, words):
    code, out, err = bench_mdn(*flags)
    refused((code, out, err.splitlines(keepends=True)[-1] if err else ""), *words)


@pytest.mark.parametrize("arguments", [["train", "mdn", "--help"], ["bench", "mdn", "--help"]])
def test_help_is_code_0(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert "--json" in capsys.readouterr().out
