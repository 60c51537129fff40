"""Trainings that go on from weights."""

import numpy as np
import pytest

from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import save_weights
from smartpix.schema import InputError
from smartpix.train import epoch as one_pass
from smartpix.train.loop import train_on
from smartpix.train.options import TrainMdnOptions
from tests.smartpix.train.quick_trainings import (
    QUICK,
    PowerCutError,
    cut_after,
    save_start,
    silent,
    weights_of,
)


def test_training_from_weights_goes_on_from_them(tmp_path, few, trained):
    options = TrainMdnOptions(epochs=1, batch_size=256, seed=3)
    scratch = train_on(few, "barrel", tmp_path / "a.safetensors", options, silent)
    tuned = train_on(few, "barrel", tmp_path / "b.safetensors", options, silent, start=trained[0])
    assert tuned["history"][0] < scratch["history"][0] - 1
    assert weights_of(tmp_path / "b.safetensors")[1]["start"] == "w.safetensors"
    assert weights_of(tmp_path / "a.safetensors")[1]["start"] is None


def test_training_from_weights_begins_with_exactly_those(tmp_path, few, monkeypatch):
    monkeypatch.setattr(one_pass, "learning_rate", lambda options, step, steps: 0.0)
    save_start(tmp_path / "start.safetensors", NetworkOptions(), seed=9)
    train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=tmp_path / "start.safetensors")
    one, two = (weights_of(tmp_path / f"{n}.safetensors")[0] for n in ("start", "w"))
    assert all(np.array_equal(one[k], two[k]) for k in one)


def test_interrupted_training_from_weights_ends_with_identical_weights(tmp_path, few, trained):
    for name in ("whole", "parts"):
        if name == "parts":
            with pytest.raises(PowerCutError):
                train_on(few, "barrel", tmp_path / "parts.safetensors", QUICK, cut_after(1), start=trained[0])
        train_on(few, "barrel", tmp_path / f"{name}.safetensors", QUICK, silent, start=trained[0])
    one, two = (weights_of(tmp_path / f"{n}.safetensors")[0] for n in ("whole", "parts"))
    assert all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize(
    ("network", "message"),
    [(NetworkOptions("conv"), "holds a network with kind conv, and kind columns was asked for"),
     (NetworkOptions(hidden=15, filters=5), "holds a network with hidden 15, filters 5, and hidden 0, filters 4 was asked for"),
     (NetworkOptions(n_slices=3), "n_slices 3"), (NetworkOptions(reference=100.0), "with reference 100.0, and")],
)  # fmt: skip
def test_weights_of_another_network_are_no_start(tmp_path, few, network, message):
    save_start(tmp_path / "start.safetensors", network)
    with pytest.raises(InputError, match=message):
        train_on(
            few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=tmp_path / "start.safetensors"
        )


def test_start_that_is_missing_or_damaged_is_refused(tmp_path, few):
    with pytest.raises(InputError, match="no such file"):
        train_on(
            few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=tmp_path / "none.safetensors"
        )
    path = tmp_path / "start.safetensors"
    save_start(path, NetworkOptions())
    arrays, description = weights_of(path)
    save_weights(path, {k: v for k, v in arrays.items() if k != "dense2.bias"}, description)
    with pytest.raises(InputError, match=r"start\.safetensors: 'dense2\.bias' is missing, expected \(14,\)"):
        train_on(few, "barrel", tmp_path / "w.safetensors", QUICK, silent, start=path)
