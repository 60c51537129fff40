"""Likelihoods of several Gaussian components: a set of particles in one cluster, or one particle's choice.

A network of K components has 14 outputs for each, in the order and with the positive diagonal of
:func:`smartpix.networks.modules.negative_log_likelihood`. They are used in two ways:

- ``set``: a cluster of exactly K particles. The components have an order of their own, and nobody knows which
  particle each of them means. The likelihood is the mean over all orders of the product of the Gaussians.
- ``mixture``: one particle, and K possibilities with weights (C. M. Bishop, Mixture Density Networks,
  NCRG-94-004, 1994). K - 1 more outputs are the logarithms of the weights relative to the first's.
"""

from __future__ import annotations

import math
from itertools import permutations

import torch
from torch import Tensor

from smartpix.networks.modules import negative_log_likelihood
from smartpix.networks.plan import N_OUTPUTS

__all__ = [
    "component_likelihoods",
    "log_weights",
    "mixture_negative_log_likelihood",
    "order_likelihoods",
    "ordered_negative_log_likelihood",
    "set_negative_log_likelihood",
]


def component_likelihoods(raw: Tensor, target: Tensor, n: int) -> Tensor:
    """(N, n, P) negative log-likelihoods of P scaled targets (N, P, 4) under each of n components.

    Args:
        raw: (N, at least 14 n) outputs.
    """
    rows, particles = len(raw), target.shape[1]
    own = raw[:, : n * N_OUTPUTS].reshape(rows, n, 1, N_OUTPUTS).expand(rows, n, particles, N_OUTPUTS)
    wanted = target[:, None].expand(rows, n, particles, 4)
    # Rows are independent: all pairs of component and particle go as clusters of one.
    flat = negative_log_likelihood(own.reshape(-1, N_OUTPUTS), wanted.reshape(-1, 4))
    return flat.reshape(rows, n, particles)


def order_likelihoods(raw: Tensor, target: Tensor) -> Tensor:
    """(N, K!) negative log-likelihoods of the K particles (N, K, 4) in each order of the components.

    Orders are those of :func:`itertools.permutations`: particle ``order[k]`` is that of component k.
    """
    n = target.shape[1]
    each = component_likelihoods(raw, target, n)
    orders = torch.tensor(list(permutations(range(n))))
    # (N, K!, K): of component k, what particle order[k] costs.
    return torch.stack([each[:, k, orders[:, k]] for k in range(n)], dim=2).sum(2)


def set_negative_log_likelihood(raw: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood (N,) of the K particles (N, K, 4) of each cluster, in whatever order.

    It is that of one given order of the particles, whose probability is the mean over all K! orders.

    Args:
        raw: (N, 14 K) outputs.
        target: scaled.
    """
    orders = order_likelihoods(raw, target)
    return math.log(orders.shape[1]) - torch.logsumexp(-orders, dim=1)


def ordered_negative_log_likelihood(raw: Tensor, target: Tensor, key: Tensor) -> Tensor:
    """Negative log-likelihood (N,) of the K particles (N, K, 4), which the components have in rising order of
    a ``key`` (N, K).
    """
    order = key.argsort(dim=1)[:, :, None].expand_as(target)
    each = component_likelihoods(raw, torch.gather(target, 1, order), target.shape[1])
    return each.diagonal(dim1=1, dim2=2).sum(1)


def log_weights(raw: Tensor, n: int) -> Tensor:
    """(N, n) logarithms of the components' weights, of outputs (N, 14 n + n - 1)."""
    more = raw[:, n * N_OUTPUTS :]
    return torch.log_softmax(torch.cat([torch.zeros_like(raw[:, :1]), more], dim=1), dim=1)


def mixture_negative_log_likelihood(raw: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood (N,) of one particle (N, 4) under components with weights.

    Args:
        raw: (N, 15 K - 1) outputs of K components.
        target: scaled.
    """
    n = (raw.shape[1] + 1) // (N_OUTPUTS + 1)
    each = component_likelihoods(raw, target[:, None], n)[..., 0]
    return -torch.logsumexp(log_weights(raw, n) - each, dim=1)
