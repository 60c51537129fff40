"""The networks of HEP.TrkX in the study: what is listed, measured and refused."""

import json
import math
import shlex
import shutil

import numpy as np
import pytest

from smartpix.networks.weights import save_description
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.tracking.bench.tiny_trkx import tiny_network, training_result
from tracking.bench.trkx_models import event_error, model_numbers, weights_by_name
from tracking.bench.trkx_options import TrkxStudyOptions
from tracking.bench.trkx_published import published
from tracking.cli.main import parser
from tracking.finders.trkx.metrics import exactly, measured
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.trained import load_network

OPTIONS = TrkxStudyOptions(parts=("models",), events=24, caption_events=36, seed=600_301)
CONTRACT = {"parameters", "pixel_accuracy", "hit_accuracy", "published"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of three networks: a published pair of network and toys, square planes, and captions."""
    path = tmp_path_factory.mktemp("weights")
    tiny_network(path / "a.safetensors", "lstm", "3d")
    tiny_network(path / "b.safetensors", "lstm-50", "2d-tracks", 0.2)
    tiny_network(path / "c.safetensors", "caption", "lines-poisson")
    return path


@pytest.fixture(scope="module")
def numbers(folder):
    return model_numbers(OPTIONS, folder, None, lambda line: None)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """Without the weights that ship."""
    (tmp_path / "none").mkdir()
    monkeypatch.setattr("tracking.bench.trkx_models.data_path", lambda name: tmp_path / "none")


def test_every_network_is_listed_in_order_with_the_keys_of_the_contract(numbers):
    names = [name for name in numbers if name in MODELS]
    assert names == list(MODELS)
    assert set(numbers) - set(MODELS) >= {"lstm-50-2d-tracks", "caption-lines-poisson"}
    for r in numbers.values():
        assert set(r) >= CONTRACT
        assert set(r) == set(numbers["bidirectional"]) | set(r)
    json.dumps(numbers, allow_nan=False)


def test_networks_without_weights_have_the_published_size_and_a_command(bare):
    found = model_numbers(OPTIONS, None, None, lambda line: None)
    assert set(found) == set(MODELS)
    for name, r in found.items():
        assert r["parameters"] == MODELS[name].parameters
        assert r["published"]["parameters"] == (None if name == "lstm-variable" else r["parameters"])
        assert (r["pixel_accuracy"], r["hit_accuracy"], r["loss"], r["source"]) == (None,) * 4
        assert r["command"] in r["note"]
        options = parser().parse_args(shlex.split(r["command"])[1:])
        assert options.model == name


def test_published_numbers():
    """Of the table in the notebooks, and none where none was printed."""
    for name, accuracies in {
        "lstm-50": (0.914, 0.925), "lstm-100": (0.886, 0.897), "conv-autoencoder-2d": (0.683, 0.906),
    }.items():  # fmt: skip
        told = published(name, MODELS[name].toy)
        assert (told["pixel_accuracy"], told["hit_accuracy"]) == accuracies
    assert [published("caption", f"lines-{k}")["loss"] for k in (1, 3, "poisson")] == [0.0117, 0.51, 1.6]
    of_others = published("lstm-50", "2d-tracks")
    assert set(of_others.values()) == {None}
    for name in ("lstm", "deep-lstm", "bidirectional", "next-layer", "conv", "autoencoder"):
        told = published(name, "3d")
        assert told["parameters"] == MODELS[name].parameters
        assert (told["pixel_accuracy"], told["hit_accuracy"]) == (None, None)


def test_numbers_are_those_of_the_metrics_with_binomial_errors_over_events(folder, numbers):
    network, toy = load_network(folder / "b.safetensors")
    expected = measured(network, toy, 24, OPTIONS.seed)
    r = numbers["lstm-50-2d-tracks"]
    for key, value in expected.items():
        assert r[key] == value
    for key in ("hit_accuracy", "hit_accuracy_unseeded"):
        draws = np.random.default_rng(1).binomial(24, expected[key], 100_000) / 24
        assert r[f"{key}_error"] == pytest.approx(draws.std(), rel=0.02)
    assert event_error(1.0, 10) == 0
    assert (r["source"], r["width"], r["samples"], r["n_events"]) == ("b.safetensors", 0.2, 256, 24)
    assert r["note"] == "0.2 times as wide as published"
    assert len(r["curve"]) == 2
    assert r["n_curve"] == 2048


def test_square_planes_are_measured_by_background_tracks_and_captions_by_lines(folder, numbers):
    rows = numbers["lstm"]["multiplicity"]
    assert list(rows) == ["1", "2", "3", "5", "8", "12"]
    for row in rows.values():
        p = row["pixel_accuracy"]
        assert row["pixel_accuracy_error"] == pytest.approx(math.sqrt(p * (1 - p) / 6))
        assert row["n_events"] == 6
    caption = numbers["caption-lines-poisson"]
    assert caption["pixel_accuracy"] is None
    assert (caption["n_events"], numbers["lstm"]["n_events"]) == (36, 24)
    network, toy = load_network(folder / "c.safetensors")
    expected = measured(network, toy, 36, OPTIONS.seed)
    assert {key: caption[key] for key in expected} == expected
    assert caption["lines"]["by_lines"]["2"] == measured(network, exactly(toy, 2), 9, OPTIONS.seed)
    assert caption["loss_error"] > 0
    assert caption["published"]["loss"] == 1.6
    assert numbers["lstm-50-2d-tracks"]["multiplicity"] is None


def test_results_of_trainings_stand_in_for_weights_that_are_not_at_hand(folder, tmp_path):
    rows = {k: {"loss": 1.0, "pixel_accuracy": 0.5, "hit_accuracy": 0.8} for k in ("1", "12")}
    command = "smartpix train trkx --model deep-lstm --set validation=300 --set test=1000 -o d.safetensors"
    training_result(
        tmp_path / "deep.json", "deep-lstm", "3d", multiplicity=rows, command=command, published={}
    )
    training_result(tmp_path / "lstm.json", "lstm", "3d")
    lines = []
    found = model_numbers(OPTIONS, folder, tmp_path, lines.append)
    deep = found["deep-lstm"]
    assert (deep["hit_accuracy"], deep["parameters"], deep["n_events"]) == (0.9, 1234, 1000)
    assert deep["hit_accuracy_error"] == pytest.approx(math.sqrt(0.9 * 0.1 / 1000))
    assert deep["multiplicity"]["12"]["pixel_accuracy_error"] == pytest.approx(math.sqrt(0.25 / 250))
    assert (deep["source"], deep["command"], deep["n_curve"]) == ("deep.json", command, 300)
    assert "on other toys; 0.000107 of the published parameters" in deep["note"]
    assert deep["published"]["parameters"] == 11_541_504
    training_result(tmp_path / "deep.json", "deep-lstm", "3d", command=command, n_events=77)
    assert model_numbers(OPTIONS, folder, tmp_path, lines.append)["deep-lstm"]["n_events"] == 77
    lines.clear()
    # Weights win.
    assert found["lstm"]["source"] == "a.safetensors"
    assert (found["lstm"]["samples"], found["lstm"]["seconds"]) == (256, None)
    # What a training took is taken from its own result alone.
    own = {key: found["lstm"][key] for key in ("samples", "parameters", "curve")}
    training_result(tmp_path / "lstm.json", "lstm", "3d", **own)
    assert model_numbers(OPTIONS, folder, tmp_path, lines.append)["lstm"]["seconds"] == 60.0
    assert len(lines) == len(weights_by_name(folder))


def test_toys_that_are_not_the_published_ones_are_told_and_compared_with_nothing(bare, tmp_path):
    weights, trained = tmp_path / "weights", tmp_path / "trained"
    weights.mkdir()
    trained.mkdir()
    tiny_network(weights / "w.safetensors", "lstm-50", "2d-noise", 0.2, toy={"noise": 0.1})
    counted = {"n_events": 50, "n_curve": 20, "width": 1.0}
    training_result(trained / "r.json", "lstm-100", "2d-tracks", **counted, changed_toy={"background": 2.0})
    found = model_numbers(OPTIONS, weights, trained, lambda line: None)
    for name, said in (("lstm-50", "noise 0.1"), ("lstm-100", "background 2.0")):
        assert found[name]["note"].endswith(f"; on other toys than published ({said})")
        assert set(found[name]["published"]) == set(published("lstm-50", "2d-noise"))
        assert set(found[name]["published"].values()) == {None}
    r = found["lstm-100"]
    assert (r["n_events"], r["n_curve"], r["changed_toy"]) == (50, 20, {"background": 2.0})
    assert found["lstm-50"]["changed_toy"] == {"noise": 0.1}
    assert r["hit_accuracy_error"] == pytest.approx(math.sqrt(0.9 * 0.1 / 50))


def test_unusable_folders_are_refused(folder, tmp_path):
    def refused(*words, weights=None, trained=None, options=OPTIONS):
        with pytest.raises(InputError) as error:
            model_numbers(options, weights, trained, lambda line: None)
        for word in words:
            assert word in str(error.value)

    refused(str(tmp_path), "no *.safetensors", weights=tmp_path)
    refused(str(tmp_path), "no *.json", trained=tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    for ending in (".safetensors", ".json"):
        shutil.copy(data_path(f"weights/gnn{ending}"), other / f"gnn{ending}")
    refused("gnn.safetensors", "smartpix train trkx", weights=other)
    twice = tmp_path / "twice"
    shutil.copytree(folder, twice)
    tiny_network(twice / "again.safetensors", "lstm", "3d")
    refused("again.safetensors", "a.safetensors", "leave one of the two", weights=twice)
    for offset in (0, 200_000, 400_000):
        refused(
            "trained on events of seed", "--seed", weights=folder, options=TrkxStudyOptions(seed=3 + offset)
        )
    started = tmp_path / "started"
    started.mkdir()
    path = started / "c.safetensors"
    tiny_network(path, "caption-covariance", "lines-3")
    told = json.loads(path.with_suffix(".json").read_text())
    save_description(path, told | {"options": told["options"] | {"start": "caption"}})
    refused("c.safetensors", "does not say which toys its caption learned from", weights=started)
    start = {"sha256": "0", "seed": 9, "toy": {}}
    save_description(path, told | {"options": told["options"] | {"start": "caption"}, "started_from": start})
    for seed in (9, 200_009, 400_009, 3):
        refused("trained on events of seed", weights=started, options=TrkxStudyOptions(seed=seed))
    save_description(path, told | {"started_from": {}})
    refused("c.json", "started_from", weights=started)
    bad = tmp_path / "bad"
    bad.mkdir()
    training_result(bad / "x.json", "lstm", "3d", hit_accuracy=1.5)
    refused("x.json", "'hit_accuracy' must be", "train trkx --json", trained=bad)
    (bad / "x.json").write_text("{")
    refused("x.json", "JSON", trained=bad)


ROW = {"loss": 1.0, "pixel_accuracy": 0.5, "hit_accuracy": 0.8}


@pytest.mark.parametrize(
    ("model", "toy", "change", "words"),
    [
        ("lstm", "3d", {"command": "smartpix train trkx --set test=0"}, "'command.test' must be a whole number"),
        ("lstm", "3d", {"command": "a --set validation=0"}, "'command.validation' must be"),
        ("lstm", "3d", {"command": "test=" + 5000 * "9"}, "'command.test' must be"),
        ("lstm", "3d", {"multiplicity": {"1": {"loss": 1.0}}}, "'multiplicity.1.pixel_accuracy'"),
        ("lstm-50", "2d-noise", {"multiplicity": {"1": ROW}}, "'multiplicity' is unknown"),
        ("lstm", "3d", {"n_events": 0}, "'n_events' must be a whole number from 1"),
        ("lstm", "3d", {"changed_toy": {"noise": "much"}}, "'changed_toy.noise' must be a finite number"),
        ("lstm", "3d", {"changed_toy": {"hits": 1}}, "'changed_toy' must be an object with any of kind, n_planes"),
        ("lstm", "3d", {"about": "?"}, "'about' is unknown"),
        ("lstm", "3d", {"hit_accuracy_error": "zz"}, "'hit_accuracy_error' is unknown"),
        ("lstm", "3d", {"lines": {}}, "'lines' is unknown"),
        ("lstm", "3d", {"hit_accuracy": None}, "'hit_accuracy' must be"),
        ("lstm", "3d", {"curve": [{"samples": 5, "loss": 1.0}]}, "'curve[0].pixel_accuracy'"),
        ("lstm", "3d", {"curve": [ROW | {"samples": 5, "more": 1}]}, "'curve[0].more'"),
        ("caption", "lines-1", {}, "accuracy' is unknown"), ("autoencoder", "2d-noise", {}, "toy.kind must be 3d"),
        ("lstm", "2d", {}, "'toy' must be"),
    ],
)  # fmt: skip
def test_results_of_trainings_that_cannot_be_are_refused_by_name(tmp_path, model, toy, change, words):
    training_result(tmp_path / "x.json", model, toy, **change)
    with pytest.raises(InputError) as refused:
        model_numbers(OPTIONS, None, tmp_path, lambda line: None)
    assert str(refused.value).startswith(f"{tmp_path / 'x.json'}: ")
    assert words in str(refused.value)
    assert "train trkx --json" in str(refused.value)


def test_results_of_captions_without_a_line_are_taken(bare, tmp_path):
    result = training_result(tmp_path / "x.json", "caption-covariance", "lines-3")
    nothing = dict.fromkeys(
        ("likelihood_loss", "coverage_68", "coverage_95", "distance", "pull_means", "pull_widths")
    )
    kept = {key: result[key] for key in ("model", "toy", "parameters", "samples", "loss", "seconds")}
    (tmp_path / "x.json").write_text(json.dumps(kept | nothing))
    found = model_numbers(OPTIONS, None, tmp_path, lambda line: None)["caption-covariance"]
    assert (found["loss"], found["coverage_68"], found["about"]) == (
        1.5,
        None,
        MODELS["caption-covariance"].about,
    )


def test_weights_of_a_folder_come_before_those_that_ship(folder, monkeypatch, tmp_path):
    for ending in (".safetensors", ".json"):
        shutil.copy(folder / f"a{ending}", tmp_path / f"trkx-lstm{ending}")
        shutil.copy(folder / f"b{ending}", tmp_path / f"trkx-b{ending}")
    monkeypatch.setattr("tracking.bench.trkx_models.data_path", lambda name: tmp_path)
    assert weights_by_name(None) == {
        "lstm": tmp_path / "trkx-lstm.safetensors", "lstm-50-2d-tracks": tmp_path / "trkx-b.safetensors",
    }  # fmt: skip
    with_folder = weights_by_name(folder)
    assert with_folder["lstm"] == folder / "a.safetensors"
    assert toy_options("3d") == load_network(with_folder["lstm"])[1]
