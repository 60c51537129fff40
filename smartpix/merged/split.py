"""A cluster of several particles becomes several hits: the interface, and how estimates are put together."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.estimate.base import Estimate, longer
from smartpix.io.events import Header

__all__ = ["Splitter", "numbers_of_alike", "with_parts"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Splitter(Protocol):
    """Anything that tells which clusters give several hits, and their estimates."""

    def __call__(self, clusters: FlatClusters, header: Header, lone: Estimate) -> tuple[Estimate, Ints]:
        """Estimates of the hits, and the cluster row of each: a hit of every cluster in their order, then the
        further hits of those that give several.

        Args:
            clusters: with the slices of the estimator that made ``lone``.
            lone: (C,) of each cluster as of one particle. Its arrays may be changed and used again.
        """
        ...


def with_parts(
    lone: Estimate, rows: Ints, n_parts: Ints, mean: Floats, cholesky: Floats
) -> tuple[Estimate, Ints]:
    """Estimates with several hits for some clusters, and the cluster row of each, as of :class:`Splitter`.

    Args:
        lone: (C,) of all clusters; those that are not among ``rows`` keep it. Where its arrays have room for
            the further hits (:func:`smartpix.estimate.base.with_room`), these are written there: copying the
            covariances of all clusters takes longer than all else here.
        rows: (R,) clusters, rising; n_parts: (R,) hits of each, two or more.
        mean, cholesky: (P, 4) and (P, 4, 4) of these hits, cluster after cluster.

    Raises:
        ValueError: a cluster with fewer than two hits, or another number of estimates than of hits.
    """
    if np.any(n_parts < 2) or n_parts.sum() != len(mean):
        raise ValueError(
            f"{len(mean)} estimates for clusters of {n_parts.tolist()} hits: each must have two or more"
        )
    first = np.cumsum(n_parts) - n_parts
    is_further = np.ones(len(mean), dtype=bool)
    is_further[first] = False
    further = np.flatnonzero(is_further)
    of_further = np.repeat(rows, n_parts - 1)
    means, factors = (longer(array, len(further)) for array in (lone.mean, lone.cholesky))
    for array, parts in ((means, mean), (factors, cholesky)):
        array[rows] = parts[first]
        array[len(lone) :] = parts[further]
    cluster = np.arange(len(means))
    cluster[len(lone) :] = of_further
    return Estimate(means, factors, np.concatenate([lone.flagged, lone.flagged[of_further]])), cluster


def numbers_of_alike(cluster: Ints, mean: Floats) -> Ints:
    """(N,) a number for each hit: hits of one cluster that share an estimate have the same one, all others
    have their own.

    Args:
        cluster: (N,) cluster row of each hit; mean: (N, 4) of their estimates.
    """
    order = np.lexsort((*mean.T, cluster))
    other = np.ones(len(cluster), dtype=bool)
    other[1:] = np.any(mean[order[1:]] != mean[order[:-1]], axis=1) | (np.diff(cluster[order]) != 0)
    numbers = np.empty(len(cluster), dtype=np.int64)
    numbers[order] = np.cumsum(other) - 1
    return numbers
