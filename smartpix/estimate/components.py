"""Several Gaussian components for one cluster, and how good they are.

Of a **set** each component is a particle of its own, in an order that nobody knows. Of a **mixture** each
is one possibility for the same particle, and the weights say how likely it is.

What belongs to which component is drawn with the probability that the components themselves give it. If
they are right, the truth that is drawn for a component is distributed as that component says, however close
the components are to each other. The likelier assignment would always be the nearer one, and its pulls too
narrow.
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

__all__ = [
    "APART",
    "MIN_SHARE_LONE",
    "REGION_SHARES",
    "Components",
    "chosen",
    "density_rank",
    "log_densities",
    "normal_scores",
    "ordered",
    "separation",
]

Floats = npt.NDArray[np.float64]

APART = 2.0
"""Sigmas of their difference in x and y from which on two components can be told apart."""
MIN_SHARE_LONE = 0.95
"""Share of its charge that one particle made in a cluster that counts as its alone."""
REGION_SHARES = {"within_68": 0.6827, "within_95": 0.9545}
"""Shares of the truth that regions should hold, of one and two sigmas, by name in results."""
DRAWS = 400
"""Points of each mixture, by which the density at the truth is ranked: the share is good to 2.5 %, and that
of thousands of clusters far better."""
FURTHEST = 1e-300
"""Probability that counts as none: 37 sigmas."""
CHUNK = 2000
"""Clusters whose points are drawn at a time."""


class Components(NamedTuple):
    """K components of N clusters in their sensor frames.

    Attributes:
        mean: (N, K, 4) x and y in mm, cot alpha, cot beta.
        cholesky: (N, K, 4, 4) lower-triangular factors of the covariances.
        weight: (N, K); of a mixture they add up to 1, of a set each is 1.
    """

    mean: Floats
    cholesky: Floats
    weight: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> Components:
        """The components of some clusters, in the order of ``rows``."""
        return Components(self.mean[rows], self.cholesky[rows], self.weight[rows])


def log_densities(components: Components, targets: Floats) -> Floats:
    """(N, K, P) logarithms of each component's density at P points (N, P, 4), without weights."""
    delta = targets[:, None] - components.mean[:, :, None]
    factor = components.cholesky
    whitened = np.linalg.solve(factor, np.swapaxes(delta, 2, 3))
    volume = np.log(np.diagonal(factor, axis1=2, axis2=3)).sum(2)
    return np.asarray(-0.5 * (whitened**2).sum(2) - volume[:, :, None] - 2 * np.log(2 * np.pi))


def ordered(components: Components, targets: Floats, rng: np.random.Generator | None) -> Floats:
    """The particles (N, K, 4) in the order of a set's components.

    Args:
        rng: draws the order with its probability; None: the likelier one, which makes pulls too narrow where
            particles cannot be told apart.
    """
    n = targets.shape[1]
    each = log_densities(components, targets)
    orders = np.array(list(permutations(range(n))))
    together = np.stack([each[:, np.arange(n), order].sum(1) for order in orders], axis=1)
    picked = orders[_picked(together, rng)]
    return np.take_along_axis(targets, picked[:, :, None], axis=1)


def chosen(components: Components, target: Floats, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(N,) which component of a mixture the particle (N, 4) belongs to, drawn with its probability."""
    with np.errstate(divide="ignore"):
        logs = np.log(components.weight) + log_densities(components, target[:, None])[:, :, 0]
    return _picked(logs, rng)


def _picked(logs: Floats, rng: np.random.Generator | None) -> npt.NDArray[np.int64]:
    """(N,) the largest of each row of (N, M), after noise of Gumbel's distribution, which draws with exp."""
    noise = 0.0 if rng is None else rng.gumbel(size=logs.shape)
    return np.asarray(np.argmax(logs + noise, axis=1))


def normal_scores(components: Components, target: Floats) -> Floats:
    """(N, 4) pulls of a mixture: the normal quantile of the probability below the truth, by target.

    Of one component it is (truth - mean) / sigma. Standard normal if the mixture is right.
    """
    sigma = np.linalg.norm(components.cholesky, axis=3)
    pull = (target[:, None] - components.mean) / sigma
    below, above = (np.einsum("nk,nkt->nt", components.weight, ndtr(z)) for z in (pull, -pull))
    # Of the smaller side, which keeps its digits.
    smaller = ndtri(np.maximum(np.minimum(below, above), FURTHEST))
    return np.asarray(np.where(below < above, smaller, -smaller))


def density_rank(components: Components, target: Floats, rng: np.random.Generator) -> Floats:
    """(N,) share of a mixture's probability where its density is higher than at the truth (N, 4).

    Even between 0 and 1 if the mixture is right: the truth is in the smallest region that holds 68 %, which
    may have several parts, if its rank is below 0.68.
    """
    rank = np.empty(len(target))
    for low in range(0, len(target), CHUNK):
        part = components.take(np.arange(low, min(low + CHUNK, len(target))))
        n, k = part.weight.shape
        of = (rng.random((n, DRAWS, 1)) > np.cumsum(part.weight, axis=1)[:, None, : k - 1]).sum(2)
        factor = np.take_along_axis(part.cholesky, of[:, :, None, None], axis=1)
        mean = np.take_along_axis(part.mean, of[:, :, None], axis=1)
        points = mean + np.einsum("ndij,ndj->ndi", factor, rng.normal(size=(n, DRAWS, 4)))
        with np.errstate(divide="ignore"):
            weight = np.log(part.weight)[:, :, None]
        points = np.concatenate([target[low : low + n, None], points], axis=1)
        density = np.logaddexp.reduce(weight + log_densities(part, points), axis=1)
        rank[low : low + n] = (density[:, 1:] > density[:, :1]).mean(axis=1)
    return rank


def separation(components: Components) -> Floats:
    """(N,) distance in x and y of each cluster's two nearest components, in sigmas of their difference."""
    k = components.mean.shape[1]
    factor = components.cholesky[:, :, :2, :2]
    covariance = factor @ np.swapaxes(factor, 2, 3)
    nearest = np.full(len(components.mean), np.inf)
    for a in range(k):
        for b in range(a):
            delta = components.mean[:, a, :2] - components.mean[:, b, :2]
            both = covariance[:, a] + covariance[:, b]
            square = np.einsum("ni,ni->n", delta, np.linalg.solve(both, delta[:, :, None])[:, :, 0])
            nearest = np.minimum(nearest, np.sqrt(square))
    return nearest
