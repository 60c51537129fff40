"""Training of the learned cone on the embedded sample."""

import dataclasses
import json

import numpy as np
import pytest

from smartpix.merged.options import SplitOptions
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.finders.trkx.path.network import ARCHITECTURE, load_network, trained_with
from tracking.finders.trkx.path.options import FilterOptions, TrainPathOptions
from tracking.finders.trkx.path.train import path_weights, train_path

SAMPLE = data_path("sample.root")
OPTIONS = TrainPathOptions(
    epochs=2, batch_size=128, hidden=12, head=12, validation_share=0.1, split=SplitOptions(mode="off")
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("path") / "w.safetensors"
    lines = []
    return path, train_path(SAMPLE, SAMPLE, path, OPTIONS, lines.append), lines


def test_training_writes_weights_that_load(trained):
    path, metrics, lines = trained
    arrays, description = load_weights(path, ARCHITECTURE)
    assert metrics["parameters"] == sum(v.size for k, v in arrays.items() if k != "gates")
    assert metrics["loss"] < metrics["loss_filter"]
    assert metrics["n_train"] > 8 * metrics["n_held"] > 100
    assert description["metrics"]["loss"] == metrics["loss"]
    assert len(lines) == 3
    network, filter = load_network(str(path))
    assert filter == FilterOptions()
    assert network.hidden == 12
    assert (arrays["gates"] != 1).any()
    assert trained_with(str(path)) == {2026}
    assert not path.with_suffix(".checkpoint").exists()


def test_coverage_is_right_where_the_gates_were_measured(trained):
    result = trained[1]
    assert abs(result["coverage68"] - 0.68) < 0.02
    assert abs(result["coverage95_kalman"] - 0.95) < 0.02


def test_an_interrupted_training_ends_the_same(trained, tmp_path):
    path = tmp_path / "w.safetensors"

    def stop(line):
        if line.startswith("epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_path(SAMPLE, SAMPLE, path, OPTIONS, stop)
    assert path.with_suffix(".checkpoint").exists()
    with pytest.raises(InputError, match=r"other options \(batch_size\)"):
        train_path(SAMPLE, SAMPLE, path, dataclasses.replace(OPTIONS, batch_size=64))
    metrics = train_path(SAMPLE, SAMPLE, path, OPTIONS)
    assert metrics["loss"] == trained[1]["loss"]
    assert path.read_bytes() == trained[0].read_bytes()
    data = json.loads(path.with_suffix(".json").read_text())["data"]
    assert [made["seed"] for made in data] == [2026, 2026]


def test_weights_count_octaves_alike():
    pt = np.array([0.3] * 90 + [3.0] * 10)
    even, like = path_weights(pt, 1.0), path_weights(pt, 0.0)
    assert np.isclose(even[:90].sum(), even[90:].sum())
    assert (like == 1).all()
    assert np.isclose(path_weights(pt, 0.5).mean(), 1)


def test_other_outputs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.safetensors"):
        train_path(SAMPLE, SAMPLE, tmp_path / "w.npz", OPTIONS)
