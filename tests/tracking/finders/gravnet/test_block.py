import math

import numpy as np
import pytest
import torch
from torch_geometric.nn import MultiAggregation

from tracking.finders.gravnet.block import GravNetBlock, collected


@pytest.fixture
def block():
    torch.manual_seed(1)
    return GravNetBlock(5, space=3, passed=4, features=6).double()


def in_a_loop(block, x, receiver, sender):
    """The block, hit by hit."""
    w = {k: v.detach().numpy() for k, v in block.state_dict().items()}
    x = x.numpy()
    place = x @ w["place.weight"].T + w["place.bias"]
    told = x @ w["tell.weight"].T + w["tell.bias"]
    out = []
    for hit in range(len(x)):
        messages = [
            math.exp(-10 * sum((place[hit] - place[s]) ** 2)) * told[s]
            for r, s in zip(receiver.tolist(), sender.tolist(), strict=True)
            if r == hit
        ]
        none = np.zeros(told.shape[1])
        largest, mean = (np.max(messages, 0), np.mean(messages, 0)) if messages else (none, none)
        joined = np.concatenate([x[hit], largest, mean])
        out.append(np.tanh(joined @ w["join.weight"].T + w["join.bias"]))
    return np.stack(out)


def test_a_block_is_that_of_the_paper(block):
    random = np.random.default_rng(0)
    x = torch.from_numpy(0.3 * random.normal(size=(9, 5)))
    # The last hit is told nothing.
    receiver, sender = (
        torch.from_numpy(random.integers(0, 8, 30)),
        torch.from_numpy(random.integers(0, 9, 30)),
    )
    out = block(x, block.place(x), receiver, sender).detach().numpy()
    np.testing.assert_allclose(out, in_a_loop(block, x, receiver, sender), rtol=1e-12)


def test_messages_are_joined_as_in_torch_geometric():
    random = np.random.default_rng(1)
    receiver, values = (
        torch.from_numpy(random.integers(0, 9, 40)),
        torch.from_numpy(random.normal(size=(40, 3))),
    )
    # As its GravNetConv has it, the mean first.
    mean, largest = MultiAggregation(["mean", "max"])(values, receiver, dim_size=10, dim=0).chunk(2, dim=1)
    torch.testing.assert_close(collected(values, receiver, 10), torch.cat([largest, mean], dim=1))


def test_gradients_are_finite_and_reach_every_weight(block):
    torch.manual_seed(2)
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    receiver, sender = torch.tensor([0, 0, 1, 2, 3]), torch.tensor([1, 2, 0, 5, 6])
    block(x, block.place(x), receiver, sender).square().sum().backward()
    for values in (x, *block.parameters()):
        assert torch.all(torch.isfinite(values.grad))
        assert torch.any(values.grad != 0)


def test_gradients_are_those_of_differences(block):
    torch.manual_seed(3)
    x = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    pairs = torch.tensor([0, 0, 1, 2, 3]), torch.tensor([1, 2, 0, 5, 4])
    assert torch.autograd.gradcheck(lambda v: block(v, block.place(v), *pairs), (x,))


def test_no_neighbours_at_all():
    torch.manual_seed(4)
    none = torch.zeros(0, dtype=torch.int64)
    assert collected(torch.zeros(0, 3), none, 2).tolist() == [[0.0] * 6] * 2
