"""One GravNet block (S. R. Qasim et al., arXiv 1902.07987, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracking.finders.gravnet.neighbours import squared_distance

__all__ = ["SHARPNESS", "GravNetBlock", "collected"]

SHARPNESS = 10.0
"""The weight of a neighbour at distance d is exp(-10 d^2)."""


def collected(values: Tensor, receiver: Tensor, n: int) -> Tensor:
    """Largest and mean value (n, 2 P) of what each of n receivers is told (M, P); 0 where nothing arrives."""
    index = receiver[:, None].expand_as(values)
    empty = values.new_zeros(n, values.shape[1])
    largest = empty.scatter_reduce(0, index, values, "amax", include_self=False)
    count = torch.bincount(receiver, minlength=n).clamp_min(1)
    return torch.cat([largest, empty.index_add(0, receiver, values) / count[:, None]], dim=1)


class GravNetBlock(nn.Module):
    """Places hits in a learned space and tells each what its neighbours there know, the near ones most.

    Attributes:
        place: input to the S coordinates; tell: input to the P numbers that neighbours are told.
        join: input, largest and mean of these to the F numbers of the output.

    Shapes:
        x: (N, I), receiver and sender (M,) pairs of neighbours, space (N, S) -> (N, F).
    """

    def __init__(self, n_in: int, space: int, passed: int, features: int) -> None:
        super().__init__()
        self.place = nn.Linear(n_in, space)
        self.tell = nn.Linear(n_in, passed)
        self.join = nn.Linear(n_in + 2 * passed, features)

    def forward(self, x: Tensor, space: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
        """Output of the block; ``space`` is ``place(x)``, by which the neighbours were chosen."""
        weight = torch.exp(-SHARPNESS * squared_distance(space, receiver, sender))
        told = self.tell(x)[sender] * weight[:, None]
        joined: Tensor = self.join(torch.cat([x, collected(told, receiver, len(x))], dim=1))
        return torch.tanh(joined)
