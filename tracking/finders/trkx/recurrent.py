"""A long short-term memory (LSTM) with one bias, and its gradient by hand, which is faster on a processor.

Torch's own has two biases, so that its number of parameters is not the published one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["Lstm", "recurrence"]

N_GATES = 4
"""Input, forget and output gate, and the candidate of the cell, in this order."""


class _Recurrence(torch.autograd.Function):
    """All steps of an LSTM: what gates get from the input, and the recurrent weights, to hidden states.

    Products of matrices are of the type of the first argument, the cell and its gates of 32 bits.
    """

    @staticmethod
    def forward(ctx: Any, projected: Tensor, recurrent: Tensor) -> Tensor:
        """Hidden states (T, N, H) of projected inputs (T, N, 4 H) and recurrent weights (4 H, H)."""
        n_steps, n, n_gates = projected.shape
        size = n_gates // N_GATES
        weight = recurrent.to(projected.dtype)
        hidden = projected.new_empty(n_steps, n, size)
        gates = projected.new_empty(n_steps, n, n_gates, dtype=torch.float32)
        cells = projected.new_zeros(n_steps + 1, n, size, dtype=torch.float32)
        for t in range(n_steps):
            step = gates[t]
            # The first hidden state is zero.
            step.copy_(torch.addmm(projected[t], hidden[t - 1], weight.t()) if t else projected[t])
            step[:, : 3 * size].sigmoid_()
            step[:, 3 * size :].tanh_()
            enter, keep, leave, candidate = step.chunk(N_GATES, dim=1)
            torch.mul(enter, candidate, out=cells[t + 1]).addcmul_(keep, cells[t])
            hidden[t] = cells[t + 1].tanh().mul_(leave)
        ctx.save_for_backward(weight, gates, cells, hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of both arguments."""
        weight, gates, cells, hidden = ctx.saved_tensors
        (of_hidden,) = gradients
        n_steps, n, size = hidden.shape
        of_gates = torch.empty(gates.shape, dtype=weight.dtype)
        of_cell = cells.new_zeros(n, size)
        of_step = gates.new_empty(n, N_GATES * size)
        for t in reversed(range(n_steps)):
            of_state = of_hidden[t]
            if t + 1 < n_steps:
                of_state = torch.addmm(of_state, of_gates[t + 1], weight)
            of_state = of_state.float()
            enter, keep, leave, candidate = gates[t].chunk(N_GATES, dim=1)
            squashed = cells[t + 1].tanh()
            through = of_state * leave
            of_cell.add_(through.addcmul_(through, squashed.square(), value=-1))
            of_enter, of_keep, of_leave, of_candidate = of_step.chunk(N_GATES, dim=1)
            torch.mul(of_cell, candidate, out=of_enter)
            torch.mul(of_cell, cells[t], out=of_keep)
            torch.mul(of_state, squashed, out=of_leave)
            torch.mul(of_cell, enter, out=of_candidate)
            sigmoid = gates[t][:, : 3 * size]
            of_step[:, : 3 * size].mul_(torch.addcmul(sigmoid, sigmoid, sigmoid, value=-1))
            of_candidate.addcmul_(of_candidate, candidate.square(), value=-1)
            of_gates[t] = of_step
            of_cell.mul_(keep)
        before = hidden[:-1].reshape(-1, size)
        of_recurrent = of_gates[1:].reshape(-1, N_GATES * size).t() @ before
        return of_gates, of_recurrent.float()


def recurrence(projected: Tensor, recurrent: Tensor) -> Tensor:
    """Hidden states of an LSTM that starts from zeros.

    Args:
        projected: (T, N, 4 H) what the gates get from the input, with the bias: input gate, forget gate,
            output gate, candidate.
        recurrent: (4 H, H) weights from the hidden state to the gates.

    Returns:
        (T, N, H), of the type of ``projected``.
    """
    hidden: Tensor = _Recurrence.apply(projected, recurrent)  # type: ignore[no-untyped-call]
    return hidden


class Lstm(nn.Module):
    """An LSTM with 4 H (I + H + 1) parameters (Hochreiter and Schmidhuber 1997, with forget gates).

    Weights start as in Keras: uniform as Glorot's, orthogonal from state to state, biases of zero and of one
    for the forget gate.

    Shapes:
        x: (T, N, I) -> (T, N, H).
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.weight = nn.Parameter(torch.empty(N_GATES * n_hidden, n_inputs))
        self.recurrent = nn.Parameter(torch.empty(N_GATES * n_hidden, n_hidden))
        self.bias = nn.Parameter(torch.zeros(N_GATES * n_hidden))
        with torch.no_grad():
            for gate in range(N_GATES):
                rows = slice(gate * n_hidden, (gate + 1) * n_hidden)
                nn.init.xavier_uniform_(self.weight[rows])
                nn.init.orthogonal_(self.recurrent[rows])
            self.bias[n_hidden : 2 * n_hidden] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states after each step."""
        return recurrence(linear(x, self.weight, self.bias), self.recurrent)
