"""The loss of object condensation (J. Kieseler, arXiv 2002.03605): hits of a particle attract one another in
learned coordinates, those of others repel, and one hit of each particle comes to stand for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tracking.finders.gravnet.options import CondensationOptions

__all__ = ["MAX_BETA", "CondensationLoss", "charges", "condensation_loss"]

MAX_BETA = 1 - 1e-4
"""Beta at which charges end; they would be infinite at 1."""


@dataclass(frozen=True)
class CondensationLoss:
    """Parts of the loss: of the potential, of the particles that nobody stands for, and of noise that stands
    up.
    """

    potential: Tensor
    missing: Tensor
    noise: Tensor

    def total(self, options: CondensationOptions) -> Tensor:
        """The sum that a training lowers."""
        return self.potential + self.missing + options.noise * self.noise


def charges(beta: Tensor, min_charge: float) -> Tensor:
    """Charges (N,) of hits, equation 3: artanh(beta)^2 + q_min."""
    return torch.atanh(beta.clamp(max=MAX_BETA)).square() + min_charge


def condensation_loss(
    beta: Tensor, place: Tensor, particle: Tensor, group: Tensor, options: CondensationOptions
) -> CondensationLoss:
    """Equations 4 to 9, but that hits of different groups do not feel one another: no edges lead from one to
    the other, so that they cannot get on one track. A particle in several groups counts as several.

    Args:
        beta: (N,) between 0 and 1; place: (N, C) coordinates.
        particle: (N,) number of the particle, -1 for none; group: (N,) number of the group.
    """
    owned = torch.nonzero(particle >= 0).squeeze(1)
    zero = beta.sum() * 0
    noise = beta[particle < 0].mean() if len(owned) < len(beta) else zero
    if len(owned) == 0:
        return CondensationLoss(zero, zero, noise)
    q = charges(beta, options.min_charge)
    # One number for each pair of particle and group.
    key = group[owned] * (int(particle.max()) + 1) + particle[owned]
    number = torch.unique(key, return_inverse=True)[1]
    point = owned[_first_largest(q.detach()[owned], number)]
    near = (place[owned] - place[point[number]]).square().sum(1)
    attraction = (q[owned] * q[point[number]] * near).sum()
    mine = torch.full_like(particle, -1)
    mine[owned] = number
    foreign = (group[point][:, None] == group[None]) & (torch.arange(len(point))[:, None] != mine[None])
    hinge = torch.relu(1 - torch.cdist(place[point], place)) * foreign
    repulsion = (hinge * q[point][:, None] * q[None]).sum()
    return CondensationLoss((attraction + repulsion) / len(beta), (1 - beta[point]).mean(), noise)


def _first_largest(values: Tensor, number: Tensor) -> Tensor:
    """Of each number the place (K,) of its largest value; of equal ones the first."""
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(number[order], stable=True)]
    count = torch.bincount(number)
    return order[torch.cumsum(count, 0) - count]
