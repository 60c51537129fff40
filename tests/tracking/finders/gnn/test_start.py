"""Trainings that start from other weights."""

import pytest
import torch

from smartpix.schema import InputError
from tracking.finders.gnn.network import InteractionNetwork, load_network
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.finders.gnn.train import _take_over


def test_a_network_begins_with_the_weights_and_scales_that_it_starts_from():
    network = InteractionNetwork()
    _take_over(network, TrainGnnOptions(start="gnn"))
    asked = load_network("gnn").state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, asked[name]), name


def test_weights_of_another_size_or_graph_are_refused():
    with pytest.raises(InputError, match="of another size than hidden = 8"):
        _take_over(InteractionNetwork(8), TrainGnnOptions(start="gnn", hidden=8))
    with pytest.raises(InputError, match="edges of the window"):
        _take_over(InteractionNetwork(), TrainGnnOptions(start="gnn-window"))
