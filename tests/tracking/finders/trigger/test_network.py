"""The float network: sizes of the paper, one graph by hand, scales."""

import pytest
import torch

from tests.tracking.finders.trigger.graphs import random_graphs
from tracking.finders.training import n_parameters
from tracking.finders.trigger.network import InteractionNetwork, feature_scale
from tracking.finders.trigger.quantized import QuantizedInteraction, from_float
from tracking.finders.trigger.shape import InteractionShape


@pytest.mark.parametrize(("hidden", "parameters"), [(8, 528), (40, 6448)])
def test_parameters_of_the_paper(hidden, parameters):
    shape = InteractionShape(hidden=hidden)
    assert n_parameters(InteractionNetwork(shape)) == parameters
    assert n_parameters(QuantizedInteraction(shape)) == parameters


def graphs_of(shape, *sizes):
    return [torch.from_numpy(a) for a in random_graphs(shape, *sizes)]


def test_edge_by_edge():
    torch.manual_seed(3)
    network = InteractionNetwork().double()
    network.node_scale.copy_(torch.tensor([2.0, 1.0, 0.5]))
    nodes, edges, senders, receivers, valid = graphs_of(network.shape, 3, 6, 9)
    nodes, edges = nodes.double(), edges.double()
    logits = network(nodes, edges, senders, receivers, valid)
    for s in range(3):
        x = nodes[s] * network.node_scale
        messages = [
            network.r1(torch.cat([x[i], x[j], e]))
            for i, j, e in zip(receivers[s], senders[s], edges[s], strict=True)
        ]
        y = []
        for i in range(6):
            mine = [m for m, to, v in zip(messages, receivers[s], valid[s], strict=True) if v and to == i]
            y.append(network.o(torch.cat([x[i], sum(mine, torch.zeros(4, dtype=torch.float64))])))
        for e in torch.nonzero(valid[s])[:, 0]:
            i, j = receivers[s, e], senders[s, e]
            expected = network.r2(torch.cat([y[i], y[j], messages[e]]))[0]
            assert torch.allclose(logits[s, e], expected, rtol=1e-12)


def test_scales_are_powers_of_two():
    values = torch.tensor([[0.3, -5.0, 0.0, 1e-9], [0.1, 1.0, 0.0, 1e-9]])
    assert feature_scale(values).tolist() == [2.0, 0.125, 1.0, 4096.0]
    assert feature_scale(values[:0]).tolist() == [1.0] * 4
    network = InteractionNetwork()
    nodes, edges, senders, receivers, valid = graphs_of(network.shape, 5, 6, 9)
    nodes[:, 5] = 100.0
    receivers, senders = receivers.clamp(max=4), senders.clamp(max=4)
    network.fit_scales(nodes, edges, senders, receivers, valid)
    # A node without edges does not count.
    assert (network.node_scale > 0.1).all()


def test_quantised_without_rounding_is_the_float_network():
    torch.manual_seed(3)
    network = InteractionNetwork()
    model = QuantizedInteraction()
    graphs = graphs_of(network.shape, 5, 6, 9)
    network.fit_scales(*graphs)
    from_float(model, network)
    model.begin_epoch(0, 10, 1)
    # Extreme features saturate; these do not.
    graphs[:2] = [g.clamp(-0.4, 0.4) for g in graphs[:2]]
    assert torch.allclose(model(*graphs), network(*graphs), atol=1e-5)
    model.begin_epoch(1, 10, 1)
    rounded = model(*graphs)
    assert 0 < (rounded - network(*graphs)).abs().max() < 0.01
    rounded.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
