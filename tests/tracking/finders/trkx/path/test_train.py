"""Training of the learned cone on the embedded sample."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from smartpix.merged.options import SplitOptions
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.tracking.finders.trkx.path.truths import filter_of, of_seed, toy_paths
from tracking.finders.trkx.path.dataset import follow_truth
from tracking.finders.trkx.path.network import ARCHITECTURE, PathNetwork, load_network, trained_with
from tracking.finders.trkx.path.options import FilterOptions, TrainPathOptions
from tracking.finders.trkx.path.report import cones_of
from tracking.finders.trkx.path.train import path_loss, path_weights, train_path

SAMPLE = data_path("sample.root")
OPTIONS = TrainPathOptions(
    epochs=2,
    batch_size=128,
    hidden=12,
    head=12,
    validation_share=0.1,
    area_weight=0.0,
    split=SplitOptions(mode="off"),
)


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    return of_seed(tmp_path_factory.mktemp("gates") / "gates.root", 2027)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, gates):
    path = tmp_path_factory.mktemp("path") / "w.safetensors"
    lines = []
    return path, train_path(SAMPLE, gates, path, OPTIONS, lines.append), lines


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
    assert trained_with(str(path)) == {2026, 2027}
    assert not path.with_suffix(".checkpoint").exists()


def test_coverage_is_right_where_the_gates_were_measured(trained):
    result = trained[1]
    assert abs(result["coverage68"] - 0.68) < 0.02
    assert abs(result["coverage95_kalman"] - 0.95) < 0.02


def test_an_interrupted_training_ends_the_same(trained, gates, tmp_path):
    path = tmp_path / "w.safetensors"

    def stop(line):
        if line.startswith("epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_path(SAMPLE, gates, path, OPTIONS, stop)
    assert path.with_suffix(".checkpoint").exists()
    with pytest.raises(InputError, match=r"other options \(batch_size\)"):
        train_path(SAMPLE, gates, path, dataclasses.replace(OPTIONS, batch_size=64))
    metrics = train_path(SAMPLE, gates, path, OPTIONS)
    assert metrics["loss"] == trained[1]["loss"]
    assert path.read_bytes() == trained[0].read_bytes()
    data = json.loads(path.with_suffix(".json").read_text())["data"]
    assert [made["seed"] for made in data] == [2026, 2027]


def test_gates_of_events_that_are_learned_from_are_refused(gates, tmp_path):
    path, linked = tmp_path / "w.safetensors", tmp_path / "linked.root"
    linked.symlink_to(gates)
    again, unnamed = (
        of_seed(tmp_path / f"{name}.root", seed) for name, seed in (("again", 2027), ("none", None))
    )
    for files, tuning, words in (
        ([SAMPLE], [SAMPLE], "sample.root: is both a file of the training and one of the gates"),
        ([SAMPLE, gates], [linked], "linked.root: is both a file of the training"),
        ([SAMPLE, gates], [again], "again.root: has events of seed 2027, as .*gates.root of the training"),
        ([SAMPLE], [unnamed], "none.root: does not name the seed"),
        ([unnamed], [SAMPLE], "none.root: does not name the seed"),
    ):
        with pytest.raises(InputError, match=words):
            train_path(files, tuning, path, OPTIONS)
    assert not path.exists()


def test_weights_count_octaves_alike():
    pt = np.array([0.3] * 90 + [3.0] * 10)
    even, like = path_weights(pt, 1.0), path_weights(pt, 0.0)
    assert np.isclose(even[:90].sum(), even[90:].sum())
    assert (like == 1).all()
    assert np.isclose(path_weights(pt, 0.5).mean(), 1)


def test_other_outputs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.safetensors"):
        train_path(SAMPLE, SAMPLE, tmp_path / "w.npz", OPTIONS)


def test_the_loss_is_of_predictions_that_there_are():
    hits, paths = toy_paths(30)
    data = follow_truth(paths, hits, filter_of())
    assert not data.known.all()
    wild = dataclasses.replace(data, crossing=np.where(data.known[:, :, None], data.crossing, 1e3))
    network, weight = PathNetwork(4, 4), path_weights(data.pt, 0.5)
    losses = [float(path_loss(network, d, weight).detach()) for d in (data, wild)]
    assert losses[0] == losses[1]
    steps = 0.5 * np.sum(data.crossing.astype(np.float64) ** 2, axis=2)
    share = data.known * weight[:, None]
    steps = np.where(steps > 20, 20 * (1 + np.log(np.maximum(steps, 20) / 20)), steps)
    assert np.isclose(losses[0], np.sum(steps * share) / share.sum(), rtol=1e-4)


def test_the_loss_has_the_cones_areas():
    hits, paths = toy_paths(30)
    data = follow_truth(paths, hits, filter_of())
    torch.manual_seed(1)
    network = PathNetwork(6, 6)
    torch.nn.init.normal_(network.head[-1].weight, std=0.5)
    weight = path_weights(data.pt, 0.5)
    log_area, _ = cones_of(network, data)
    share = data.known * weight[:, None]
    expected = np.sum(np.exp(log_area) * share) / share.sum()
    added = path_loss(network, data, weight, 0.3) - path_loss(network, data, weight)
    assert float(added.detach()) == pytest.approx(0.3 * expected, rel=1e-4)
    assert abs(expected - 1) > 0.01
