"""How layers start: the ranges of Glorot and Bengio (2010), and the layout of convolutions."""

import math

import pytest
import torch

from tracking.finders.trkx.layers import start_layers


@pytest.mark.parametrize(("layer", "n_in", "n_out"), [
    (torch.nn.Linear(300, 200), 300, 200),
    (torch.nn.Conv2d(8, 16, 3), 8 * 9, 16 * 9),
    (torch.nn.Conv3d(8, 16, 3), 8 * 27, 16 * 27),
])  # fmt: skip
def test_weights_are_uniform_and_biases_zero(layer, n_in, n_out):
    torch.manual_seed(1)
    start_layers(torch.nn.Sequential(layer))
    limit = math.sqrt(6 / (n_in + n_out))
    weight = layer.weight.detach()
    assert 0.98 * limit < float(weight.abs().max()) <= limit
    assert float(weight.var()) == pytest.approx(limit**2 / 3, rel=0.06)
    assert bool((layer.bias == 0).all())


def test_convolutions_may_start_for_rectified_signals():
    torch.manual_seed(2)
    network = torch.nn.Sequential(torch.nn.Conv3d(8, 16, 3), torch.nn.Linear(300, 200))
    start_layers(network, rectified=True)
    # He et al.: a variance of 2 over the inputs of a unit.
    assert float(network[0].weight.detach().var()) == pytest.approx(2 / (8 * 27), rel=0.06)
    assert float(network[1].weight.detach().var()) == pytest.approx(2 / 500, rel=0.06)


def test_channels_are_last_in_memory():
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3), torch.nn.Conv3d(4, 4, 3))
    start_layers(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert network[1].weight.is_contiguous(memory_format=torch.channels_last_3d)
