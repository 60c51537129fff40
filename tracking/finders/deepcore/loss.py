"""DeepCore's loss: cross-entropy of the probabilities, and squared errors of the parameters near a
particle.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from tracking.finders.deepcore.options import N_PARAMETERS

__all__ = [
    "CROSSED",
    "ELSEWHERE",
    "LARGEST_ERROR",
    "NEAR",
    "deepcore_loss",
    "parameter_loss",
    "probability_loss",
]

CROSSED, NEAR, ELSEWHERE = 10.0, 1.0, 0.01
"""Weights of a cell in the cross-entropy, as published: a particle crosses it; it is near one; neither. In
the code the first two are 1.01 times as large: it adds the last to the 1 of a cell that is near, and takes
what is crossed ten times.
"""
LARGEST_ERROR = 25.0
"""Squared error of a parameter from which on it does not grow."""


def probability_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Weighted cross-entropy over all cells, over the number of those that are near a particle.

    Args:
        logits: (J, 3, 2, 30, 30); target: of the same shape: whether the overlap's particle crosses the cell,
            and whether there is one near.
    """
    crossed, near = target[:, :, 0], target[:, :, 1]
    weight = torch.full_like(crossed, ELSEWHERE).masked_fill(near > 0, NEAR).masked_fill(crossed > 0, CROSSED)
    entropy = binary_cross_entropy_with_logits(logits[:, :, 0], crossed, reduction="none")
    # Windows without a particle are all far cells, and the quotient of the others would be infinite.
    return (weight * entropy).sum() / near.sum().clamp(min=1.0)


def parameter_loss(parameters: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, cut at :data:`LARGEST_ERROR`, of the parameters in cells that a particle crosses or
    is near.

    Args:
        parameters, target: (J, 3, 6, 30, 30); the target's last channel says where a particle is near.
    """
    near = target[:, :, N_PARAMETERS:]
    error = (parameters[:, :, :N_PARAMETERS] - target[:, :, :N_PARAMETERS]).square()
    return (error.clamp(max=LARGEST_ERROR) * near).sum() / (N_PARAMETERS * near.sum().clamp(min=1.0))


def deepcore_loss(answer: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """Both losses together, of the network's two maps and theirs."""
    return parameter_loss(answer[0], target[0]) + probability_loss(answer[1], target[1])
