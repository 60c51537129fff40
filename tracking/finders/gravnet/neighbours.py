"""Who is whose neighbour: the nearest in the learned space, among the ends of edges or among all hits."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

__all__ = ["along_edges", "nearest", "nearest_of_all", "squared_distance"]


def along_edges(edge_index: Tensor) -> tuple[Tensor, Tensor]:
    """Receivers and senders (2 E,) of edges (2, E), which carry messages both ways."""
    source, target = edge_index[0], edge_index[1]
    return torch.cat([target, source]), torch.cat([source, target])


def squared_distance(space: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
    """Squared distances (M,) of pairs of hits with places (N, S)."""
    return (space[receiver] - space[sender]).square().sum(1)


def nearest(space: Tensor, receiver: Tensor, sender: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The pairs of each receiver's k nearest senders, all of one that has no more; of equally near ones the
    first.
    """
    count = torch.bincount(receiver, minlength=len(space))
    if len(receiver) == 0 or int(count.max()) <= k:
        return receiver, sender
    # Which neighbours there are has no gradient; how near they are has.
    with torch.no_grad():
        by_distance = torch.argsort(squared_distance(space, receiver, sender), stable=True)
        order = by_distance[torch.argsort(receiver[by_distance], stable=True)]
        first = torch.cumsum(count, 0) - count
        rank = torch.arange(len(order)) - first[receiver[order]]
        # In the order in which they came, so that sums are the same where nothing is left out.
        kept = torch.sort(order[rank < k]).values
    return receiver[kept], sender[kept]


def nearest_of_all(space: Tensor, k: int, there: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The pairs of each hit's k nearest other hits, by a k-d tree.

    Args:
        there: rows of the hits that have neighbours and are some; None: all. Others may fill a graph up.
    """
    if there is not None and len(there) < len(space):
        receiver, sender = nearest_of_all(space[there], k)
        return there[receiver], there[sender]
    places = space.detach().numpy().astype(np.float64)
    n = len(places)
    k = min(k, n - 1)
    if k < 1:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    found = np.asarray(cKDTree(places).query(places, k + 1)[1])
    # A hit need not be the first of its own list, where others are at the same place.
    other = found != np.arange(n)[:, None]
    other[other.all(1), k] = False
    return torch.from_numpy(np.repeat(np.arange(n), k)), torch.from_numpy(found[other].astype(np.int64))
