"""Training on toys: what is learned, that it is taken up again to the same bits, and the weights it leaves."""

import dataclasses
import hashlib
import json
import math
import shutil

import numpy as np
import pytest
import torch

from smartpix.networks.weights import describe_weights, load_weights, save_weights
from smartpix.schema import InputError
from tracking.finders.training import n_parameters
from tracking.finders.trkx import metrics, train
from tracking.finders.trkx.metrics import measured
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.networks import make_network
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.toys import make_toys
from tracking.finders.trkx.train import loss_of, train_trkx
from tracking.finders.trkx.trained import ARCHITECTURE, load_network
from tracking.finders.trkx.training_options import TEST_SEED, TrainTrkxOptions, published_options

SMALL = dataclasses.replace(
    published_options("lstm-50"),
    samples=1280, evaluations=4, validation=64, test=64, width=0.2,
    toy=dataclasses.replace(toy_options("2d-noise"), n_planes=8, width=10, seed_planes=3, noise=0.1),
)  # fmt: skip


def small(model, **change):
    """A short training of a narrow network."""
    options = published_options(model)
    toy = dataclasses.replace(options.toy, **change.pop("toy", {}))
    short = {"samples": 64, "batch_size": 32, "evaluations": 2, "validation": 16, "test": 16, "width": 0.05}
    return dataclasses.replace(options, toy=toy, **(short | change))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path, lines = tmp_path_factory.mktemp("trkx") / "w.safetensors", []
    return path, train_trkx(path, SMALL, lines.append), lines


def test_training_writes_weights_that_load(trained):
    path, found, lines = trained
    network, toy = load_network(path)
    assert toy == SMALL.toy
    assert n_parameters(network) == found["parameters"] == describe_weights(path)["n_values"]
    again = measured(network, toy, SMALL.test, SMALL.seed + TEST_SEED)
    assert {name: found[name] for name in again} == again
    assert [point["samples"] for point in found["curve"]] == [256, 640, 896, 1280]
    assert (found["samples"], found["model"], found["toy"]) == (1280, "lstm-50", "2d-noise")
    assert len(lines) == 5
    assert lines[4] == "measuring on 64 toys"
    assert (found["width"], found["n_events"], found["n_curve"]) == (0.2, 64, 64)
    assert found["changed_toy"] == {"n_planes": 8, "width": 10, "seed_planes": 3, "noise": 0.1}
    assert lines[0].startswith("256 of 1,280 toys  loss ")
    assert found["seconds"] > 0
    kept = load_weights(path, ARCHITECTURE)[1]["metrics"]
    assert kept == {name: value for name, value in found.items() if name != "seconds"}
    assert not path.with_suffix(".checkpoint").exists()


@pytest.mark.parametrize("model", ["lstm-50", "caption"])
def test_an_interrupted_training_ends_the_same(model, tmp_path):
    options = SMALL if model == "lstm-50" else small(model, toy={"n_planes": 8, "width": 10})
    whole, path = tmp_path / "whole.safetensors", tmp_path / "w.safetensors"
    expected = train_trkx(whole, options)
    done = []

    def stop(line):
        done.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_trkx(path, options, stop)
    assert path.with_suffix(".checkpoint").exists()
    other = dataclasses.replace(options, learning_rate=0.5, seed=3)
    with pytest.raises(InputError, match=r"other options \(learning_rate, seed\)"):
        train_trkx(path, other)
    found = train_trkx(path, options, done.append)
    assert [line.startswith("measuring") for line in done] == [False] * options.evaluations + [True]
    assert path.read_bytes() == whole.read_bytes()
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}


def test_other_seeds_learn_from_other_toys_and_weights(trained, tmp_path):
    found = train_trkx(tmp_path / "w.safetensors", dataclasses.replace(SMALL, seed=2))
    assert found["curve"] != trained[1]["curve"]
    assert (tmp_path / "w.safetensors").read_bytes() != trained[0].read_bytes()


def test_no_toy_is_met_twice(tmp_path, monkeypatch):
    """Neither in the training, nor in its curve, nor in the numbers in the end."""
    asked = {"learned": [], "measured": []}
    for module, of in ((train, "learned"), (metrics, "measured")):

        def kept(toy, n, seed, first=0, of=of):
            asked[of].append((seed, first, n))
            return make_toys(toy, n, seed, first)

        monkeypatch.setattr(module, "make_toys", kept)
    train_trkx(tmp_path / "w.safetensors", dataclasses.replace(SMALL, seed=5))
    assert asked["learned"] == [(5, 128 * k, 128) for k in range(10)]
    assert asked["measured"] == [(200_005, 0, 64)] * 4 + [(400_005, 0, 64)]


def test_precisions_differ(trained, tmp_path):
    path = tmp_path / "w.safetensors"
    train_trkx(path, dataclasses.replace(SMALL, precision="float32"))
    one, two = (load_weights(p, ARCHITECTURE)[0] for p in (path, trained[0]))
    assert not np.array_equal(one["onward.weight"], two["onward.weight"])
    assert all(values.dtype == np.float32 for values in two.values())


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_an_easy_toy_is_learned(precision, tmp_path):
    """Straight tracks through three planes of six pixels, with some noise behind the first two."""
    toy = dataclasses.replace(toy_options("2d-noise"), n_planes=3, width=6, seed_planes=2, noise=0.1)
    options = dataclasses.replace(
        SMALL,
        toy=toy,
        samples=25_600,
        evaluations=2,
        precision=precision,
        width=0.5,
        learning_rate=2e-2,
        test=512,
    )
    found = train_trkx(tmp_path / "w.safetensors", options)
    first, last = found["curve"]
    assert last["loss"] < first["loss"]
    assert found["pixel_accuracy"] > 0.8
    assert found["hit_accuracy"] > 0.9


@pytest.mark.parametrize("model", [name for name in MODELS if name != "caption-covariance"])
def test_each_model_trains(model, tmp_path):
    # Planes as small as the network allows.
    toy = {"width": 32} if model == "autoencoder" else {"width": 8, "n_planes": 6}
    if model in ("conv-autoencoder-2d",):
        toy = {"width": 16, "n_planes": 16}
    if model == "lstm-variable":
        toy = {}
    found = train_trkx(tmp_path / "w.safetensors", small(model, toy=toy))
    assert np.isfinite(found["loss"])
    assert ("multiplicity" in found) == (found["toy"] == "3d")
    json.dumps(found, allow_nan=False)


def test_the_loss_of_planes_is_that_of_a_loop():
    torch.manual_seed(1)
    toy = SMALL.toy
    network = make_network("lstm-50", toy, 0.1)
    toys = make_toys(toy, 5, 3)
    logits = network(torch.from_numpy(toys.images).float()).detach().double().numpy()
    parts = [
        np.log(np.exp(logits[n, p]).sum()) - logits[n, p, toys.wanted[n, p]]
        for n in range(5)
        for p in range(toy.n_planes)
    ]
    assert float(loss_of(network, toys).detach()) == pytest.approx(np.mean(parts), rel=1e-5)


def test_captions_learn_with_adam_and_all_others_with_nadam():
    """Captions of a batch of 256, as published: their numbers are in tests of the options."""
    for model, kind in (
        ("caption", torch.optim.Adam),
        ("lstm-50", torch.optim.NAdam),
        ("conv", torch.optim.NAdam),
    ):
        options = small(model)
        network = make_network(model, options.toy, options.width)
        optimizer = train._optimizer(network, options)
        assert type(optimizer) is kind
        assert optimizer.param_groups[0]["lr"] == options.learning_rate


@pytest.fixture(scope="module")
def caption(tmp_path_factory):
    path = tmp_path_factory.mktemp("caption") / "caption.safetensors"
    train_trkx(path, small("caption", toy={"width": 12, "n_planes": 10}))
    return path


def test_the_covariance_is_learned_of_a_trained_caption(caption, tmp_path):
    path = tmp_path / "w.safetensors"
    options = small(
        "caption-covariance", start=str(caption), toy={"width": 12, "n_planes": 10}, samples=6400, test=256,
        learning_rate=1e-2, seed=2,
    )  # fmt: skip
    found = train_trkx(path, options)
    before, after = load_weights(caption, ARCHITECTURE)[0], load_weights(path, ARCHITECTURE)[0]
    assert all(np.array_equal(after[f"caption.{name}"], values) for name, values in before.items())
    first, last = found["curve"]
    assert last["likelihood_loss"] < first["likelihood_loss"]
    assert last["loss"] == first["loss"]
    described = describe_weights(path)["started_from"]
    assert described == {
        "sha256": hashlib.sha256(caption.read_bytes()).hexdigest(), "seed": 1, "toy": dataclasses.asdict(options.toy),
    }  # fmt: skip
    # The caption is bad, but how bad is learned.
    assert abs(found["distance"] - 2) < 0.5
    assert abs(found["coverage_68"] - 0.68) < 0.1


def test_a_covariance_does_not_replace_its_caption(caption, tmp_path):
    for ending in (".safetensors", ".json"):
        shutil.copy(caption.with_suffix(ending), tmp_path / f"c{ending}")
    start = tmp_path / "c.safetensors"
    options = small("caption-covariance", start=str(start), toy={"width": 12, "n_planes": 10}, seed=2)
    with pytest.raises(InputError, match=r"c\.safetensors: .*--from.*another name"):
        train_trkx(tmp_path / "." / "c.safetensors", options)
    assert start.read_bytes() == caption.read_bytes()


def test_batches_without_a_line_leave_the_training_finite(tmp_path):
    toy, start = {"width": 12, "n_planes": 10, "background": 0.0}, tmp_path / "caption.safetensors"
    train_trkx(start, small("caption", toy=toy))
    options = small("caption-covariance", start=str(start), toy=toy, samples=64, evaluations=1, seed=2)
    lines = []
    found = train_trkx(tmp_path / "w.safetensors", options, lines.append)
    assert found["coverage_68"] is None
    assert "loss 0.0000" in lines[0]
    assert "coverage" not in lines[0]


def test_a_covariance_needs_a_caption_of_the_same_toys(caption, trained, tmp_path):
    path = tmp_path / "w.safetensors"
    options = small("caption-covariance", toy={"width": 12, "n_planes": 10}, seed=2)
    with pytest.raises(InputError, match=r"--from must name weights of a trained caption.*--model caption"):
        train_trkx(path, options)
    fewer = dataclasses.replace(options.toy, background=2.0)
    for change, words in (
        ({"width": 0.1}, "is a caption of another width; give the same --width"),
        ({"toy": dataclasses.replace(options.toy, width=14)}, r"learned from other toys \(width 12\)"),
        # Of the same shapes.
        ({"toy": fewer}, r"learned from other toys \(background 3\.0\); give the same ones \(--toy, --set\)"),
        ({"seed": 1}, r"learned from toys of seed 1, .*--train-seed"),
    ):
        with pytest.raises(InputError, match=f"caption.safetensors: .*{words}"):
            train_trkx(path, dataclasses.replace(options, start=str(caption), **change))
    with pytest.raises(InputError, match="holds weights of 'lstm-50' and caption was expected"):
        train_trkx(path, dataclasses.replace(options, start=str(trained[0])))
    assert list(tmp_path.iterdir()) == []


def test_a_covariance_is_not_taken_up_with_another_caption_of_the_same_name(caption, tmp_path):
    path, start = tmp_path / "w.safetensors", tmp_path / "c.safetensors"
    toy = {"width": 12, "n_planes": 10}

    def stop(line):
        raise KeyboardInterrupt

    for ending in (".safetensors", ".json"):
        shutil.copy(caption.with_suffix(ending), start.with_suffix(ending))
    options = small("caption-covariance", start=str(start), toy=toy, seed=2)
    with pytest.raises(KeyboardInterrupt):
        train_trkx(path, options, stop)
    train_trkx(start, small("caption", toy=toy, seed=3))
    with pytest.raises(InputError, match=r"other options \(started_from\.seed, started_from\.sha256\)"):
        train_trkx(path, options)


def test_a_training_that_diverges_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "loss_of", lambda network, toys: math.nan * loss_of(network, toys))
    with pytest.raises(InputError, match=r"diverged in epoch 1; lower the learning rate, now 0\.002"):
        train_trkx(tmp_path / "w.safetensors", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_damaged_descriptions_are_refused(trained, tmp_path):
    arrays, description = load_weights(trained[0], ARCHITECTURE)
    path = tmp_path / "w.safetensors"
    for change, words in (
        ({"model": "lstm-51"}, "options.model"),
        ({"width": -1.0}, "options.width"),
        ({"toy": {**description["options"]["toy"], "n_planes": 2.5}}, "options.toy.n_planes"),
        ({"toy": {"kind": "3d"}}, "options.toy"),
    ):
        save_weights(path, arrays, {**description, "options": {**description["options"], **change}})
        with pytest.raises(InputError, match=f"{path.with_suffix('.json')}: .*{words}"):
            load_network(path)
    save_weights(path, {**arrays, "more": np.zeros(1)}, description)
    with pytest.raises(InputError, match="'more' is"):
        load_network(path)
    with pytest.raises(InputError, match="holds weights of 'lstm-50' and conv or lstm was expected"):
        load_network(trained[0], "conv", "lstm")


def test_the_output_must_be_weights(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.safetensors"):
        train_trkx(tmp_path / "w.bin", TrainTrkxOptions())
