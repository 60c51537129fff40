import dataclasses

import numpy as np
import pytest
import torch

from smartpix.networks.weights import describe_weights, save_weights, weights_path
from smartpix.schema import InputError
from tracking.finders.deepcore.network import (
    ARCHITECTURE,
    DeepCoreNetwork,
    load_network,
    trained_with,
)
from tracking.finders.deepcore.options import MapOptions, TargetOptions, TrainDeepCoreOptions
from tracking.finders.training import n_parameters

BY_LAYER = [14750, 25020, 10020, 9018, 2934, *[2934] * 4, 1956, 981, 574, 384]
"""Weights and biases of the published layers: trunk, parameters, probabilities."""


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(3)
    network = DeepCoreNetwork()
    path = tmp_path / "w.safetensors"
    options = dataclasses.asdict(TrainDeepCoreOptions(targets=TargetOptions(momentum="pt")))
    arrays = {k: v.numpy() for k, v in network.state_dict().items()}
    save_weights(path, arrays, {"architecture": ARCHITECTURE, "options": options, "data": [{"seed": 5}, {}]})
    return path, network


@pytest.mark.parametrize(("layers", "total", "first"), [("barrel", 77_373, 14_750), ("all", 84_723, 22_100)])
def test_there_are_as_many_parameters_as_published(layers, total, first):
    network = DeepCoreNetwork(MapOptions(layers=layers))
    found = [
        sum(values.numel() for values in layer.parameters())
        for layer in network.modules()
        if isinstance(layer, torch.nn.Conv2d)
    ]
    assert found == [first, *BY_LAYER[1:]]
    assert n_parameters(network) == total


def test_answers_have_the_published_shapes():
    network = DeepCoreNetwork().eval()
    maps = torch.randn(2, 6, 30, 30, generator=torch.Generator().manual_seed(1))
    parameters, logits = network(maps)
    assert (parameters.shape, logits.shape) == ((2, 3, 6, 30, 30), (2, 3, 2, 30, 30))
    values, probability = network.answer(maps)
    torch.testing.assert_close(values, parameters[:, :, :5])
    torch.testing.assert_close(probability, 1 / (1 + torch.exp(-logits[:, :, 0])))
    # The last layers are linear: both signs come out.
    assert parameters.min() < 0 < parameters.max()
    assert network.answer(maps[:0])[1].shape == (0, 3, 30, 30)


def test_a_cell_sees_as_far_as_the_kernels_reach():
    """7 + 5 + 5 + 5 + 3 and four times 3: 3 + 2 + 2 + 2 + 1 + 4 cells to each side."""
    network = DeepCoreNetwork().eval()
    maps = torch.zeros(1, 6, 30, 30, requires_grad=True)
    with torch.no_grad():
        for values in network.parameters():
            values.abs_()
    network(maps)[1][0, 0, 0, 15, 15].backward()
    rows = torch.nonzero(maps.grad[0].abs().sum((0, 2)))[:, 0]
    assert (rows.min(), rows.max()) == (1, 29)


def test_weights_come_back(weights):
    path, network = weights
    loaded = load_network(str(path), MapOptions())
    for name, values in network.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name], values)
    assert not loaded.training
    assert trained_with(str(path)) == (TargetOptions(momentum="pt"), {5})


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (MapOptions(cell_y=0.05), "cell_y 0.1 and cell_y 0.05 is asked for"),
        (MapOptions(layers="all"), "layers barrel and layers all is asked for"),
    ],
)
def test_weights_of_other_maps_are_refused(weights, maps, message):
    with pytest.raises(InputError, match=message):
        load_network(str(weights[0]), maps)


def test_weights_of_another_network_are_refused(weights, monkeypatch):
    """Before a network is made, whose size weights can name."""
    made = []

    class Kept(DeepCoreNetwork):
        def __init__(self, options=None):
            super().__init__(options)
            made.append(self.first.weight.device.type)

    path, network = weights
    arrays = {k: v.numpy() for k, v in network.state_dict().items()}
    options = dataclasses.asdict(TrainDeepCoreOptions(maps=MapOptions(layers="all")))
    save_weights(path, arrays, {"architecture": ARCHITECTURE, "options": options, "data": []})
    monkeypatch.setattr("tracking.finders.deepcore.network.DeepCoreNetwork", Kept)
    with pytest.raises(InputError, match=r"trunk\.0\.weight"):
        load_network(str(path))
    assert made == ["meta"]
    with pytest.raises(InputError, match="holds weights of 'interaction-network-v2'"):
        load_network("gnn")


def test_shipped_weights_resolve_as_published():
    """44 um and 2.2e-3 are the widths of the published residuals; the report is on jets held out."""
    network = load_network()
    assert (network.options, n_parameters(network)) == (MapOptions(), 77_373)
    description = describe_weights("deepcore")
    assert weights_path("deepcore").stat().st_size < 1_000_000
    metrics = description["metrics"]
    assert max(metrics["core_x_um"], metrics["core_y_um"]) <= 44
    assert max(metrics["core_eta"], metrics["core_phi"]) <= 2.2e-3
    assert metrics["n_test"] >= 300
