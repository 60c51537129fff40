"""The LSTM against torch's own, against a loop over single numbers, and its gradients against differences."""

import math

import pytest
import torch

from tracking.finders.trkx.recurrent import Lstm, recurrence


def torchs_own(lstm):
    """Torch's LSTM with the same weights: its gates come in another order, and its second bias is zero."""
    other = torch.nn.LSTM(lstm.weight.shape[1], lstm.n_hidden)

    def reordered(values):
        enter, keep, leave, candidate = values.chunk(4)
        return torch.cat((enter, keep, candidate, leave))

    with torch.no_grad():
        other.weight_ih_l0.copy_(reordered(lstm.weight))
        other.weight_hh_l0.copy_(reordered(lstm.recurrent))
        other.bias_ih_l0.copy_(reordered(lstm.bias))
        other.bias_hh_l0.zero_()
    return other, reordered


@pytest.mark.parametrize(("n_steps", "n", "n_inputs", "n_hidden"), [(6, 3, 5, 7), (1, 2, 3, 1), (2, 1, 1, 4)])
def test_states_and_gradients_are_those_of_torch(n_steps, n, n_inputs, n_hidden):
    torch.manual_seed(1)
    lstm = Lstm(n_inputs, n_hidden)
    other, reordered = torchs_own(lstm)
    x = torch.randn(n_steps, n, n_inputs, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    found, expected = lstm(x), other(y)[0]
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    for mine, theirs in (("weight", "weight_ih_l0"), ("recurrent", "weight_hh_l0"), ("bias", "bias_ih_l0")):
        torch.testing.assert_close(reordered(getattr(lstm, mine).grad), getattr(other, theirs).grad)


def test_states_are_those_of_a_loop_over_numbers():
    torch.manual_seed(2)
    lstm = Lstm(2, 3)
    x = torch.randn(4, 1, 2)
    found = lstm(x)[:, 0].tolist()
    weight, recurrent, bias = (v.tolist() for v in (lstm.weight, lstm.recurrent, lstm.bias))
    hidden, cell = [0.0] * 3, [0.0] * 3
    for t in range(4):
        total = [
            bias[k]
            + sum(w * float(v) for w, v in zip(weight[k], x[t, 0], strict=True))
            + sum(w * v for w, v in zip(recurrent[k], hidden, strict=True))
            for k in range(12)
        ]
        gate = [1 / (1 + math.exp(-v)) for v in total[:9]] + [math.tanh(v) for v in total[9:]]
        cell = [gate[3 + k] * cell[k] + gate[k] * gate[9 + k] for k in range(3)]
        hidden = [gate[6 + k] * math.tanh(cell[k]) for k in range(3)]
        assert found[t] == pytest.approx(hidden, abs=1e-6)


def test_products_of_16_bits_give_nearly_the_same():
    torch.manual_seed(3)
    lstm = Lstm(20, 30)
    x = torch.randn(5, 8, 20)
    exact = lstm(x)
    exact.square().sum().backward()
    gradient = lstm.recurrent.grad.clone()
    lstm.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        rough = lstm(x)
    assert rough.dtype == torch.bfloat16
    rough.float().square().sum().backward()
    assert lstm.recurrent.grad.dtype == torch.float32
    assert float((rough.float() - exact).detach().abs().max()) < 0.02
    assert float((lstm.recurrent.grad - gradient).norm() / gradient.norm()) < 0.03


def test_one_bias_and_weights_as_in_keras():
    torch.manual_seed(4)
    lstm = Lstm(6, 5)
    assert sum(v.numel() for v in lstm.parameters()) == 4 * 5 * (6 + 5 + 1)
    for gate in lstm.recurrent.chunk(4):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(5), atol=1e-5, rtol=0)
    assert float(lstm.weight.detach().abs().max()) < math.sqrt(6 / (6 + 5))
    assert [float(b.unique().item()) for b in lstm.bias.chunk(4)] == [0, 1, 0, 0]


def test_no_step_knows_of_later_ones():
    torch.manual_seed(5)
    projected, recurrent = torch.randn(5, 2, 12), torch.randn(12, 3)
    before = recurrence(projected, recurrent)
    projected[3] += 1
    after = recurrence(projected, recurrent)
    assert torch.equal(before[:3], after[:3])
    assert not torch.equal(before[3], after[3])
