"""One epoch of the graph network's training, and what comes before and between: the scales of the features,
the screen's cut, the edges that pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch_geometric.data import Data

from smartpix.train.epoch import descend
from tracking.finders.gnn.network import EdgeNetwork, InteractionNetwork
from tracking.finders.training import falling_rate

__all__ = [
    "Answer",
    "Epoch",
    "Pace",
    "all_logits",
    "descend_graphs",
    "mean_loss",
    "screen_cut",
    "screened",
    "standardise",
    "train_epoch",
]

Answer = Callable[..., Tensor]
"""The part of a network that learns: its screen, or the whole. Nodes, pairs and edges in, logits out."""
OUTSIDE = 1e-4
"""Share of a feature's values beyond each end of the range that is stored."""


def standardise(network: EdgeNetwork, graphs: Sequence[Data]) -> None:
    """Set the means, widths and ranges of the features to those of some graphs."""
    for part, values in (("node", [g.x for g in graphs]), ("edge", [g.edge_attr for g in graphs])):
        stacked = torch.cat(values)
        getattr(network, f"{part}_mean").copy_(stacked.mean(0))
        # The floor is for features that never vary, as "barrel" without end-caps.
        getattr(network, f"{part}_std").copy_(stacked.std(0).clamp_min(1e-3))
        low, high = np.quantile(stacked.numpy(), [OUTSIDE, 1 - OUTSIDE], axis=0)
        getattr(network, f"{part}_low").copy_(torch.from_numpy(low))
        getattr(network, f"{part}_high").copy_(torch.from_numpy(high))


class Pace(Protocol):
    """What of a training's options an epoch reads."""

    @property
    def seed(self) -> int:
        """Of the order of the graphs."""
        ...

    @property
    def learning_rate(self) -> float:
        """The largest one."""
        ...


@dataclass(frozen=True)
class Epoch:
    """Where in the training an epoch is.

    Attributes:
        number: of all, the screen's first; with the seed of the training it decides the order of the graphs.
        done, ahead: epochs of this part before it, and all of this part: where on the cosine it is.
    """

    number: int
    done: int
    ahead: int

    def rate(self, largest: float, step: int, steps: int) -> float:
        """The learning rate before a step of the epoch's."""
        return falling_rate(largest, (self.done * steps + step) / (self.ahead * steps))


def train_epoch(
    network: EdgeNetwork,
    answer: Answer,
    optimizer: torch.optim.Optimizer,
    graphs: Sequence[Data],
    epoch: Epoch,
    options: Pace,
) -> float:
    """Mean loss of an epoch; both classes have the same weight in all."""
    # One share for all graphs, so that an edge weighs the same in every event.
    share = float(torch.cat([g.y for g in graphs]).mean())

    def loss_of(graph: Data) -> Tensor:
        logits = answer(graph.x, graph.edge_index, graph.edge_attr)
        return binary_cross_entropy_with_logits(logits, graph.y, _weight(graph.y, share))

    return descend_graphs(network, loss_of, optimizer, graphs, epoch, options)


def descend_graphs(
    network: EdgeNetwork,
    loss_of: Callable[[Data], Tensor],
    optimizer: torch.optim.Optimizer,
    graphs: Sequence[Data],
    epoch: Epoch,
    options: Pace,
) -> float:
    """Mean loss of an epoch with a step for each graph, in random order."""
    order = np.random.default_rng([options.seed, epoch.number]).permutation(len(graphs))
    network.train()
    total = 0.0
    for step, k in enumerate(order):
        for group in optimizer.param_groups:
            group["lr"] = epoch.rate(options.learning_rate, step, len(order))
        loss = loss_of(graphs[k])
        descend(network, optimizer, loss)
        total += float(loss.detach())
    return total / len(order)


@torch.inference_mode()
def all_logits(network: EdgeNetwork, answer: Answer, graphs: Sequence[Data]) -> tuple[Tensor, Tensor]:
    """Logits and labels of the edges of all graphs."""
    network.eval()
    logits = torch.cat([answer(g.x, g.edge_index, g.edge_attr) for g in graphs])
    return logits, torch.cat([g.y for g in graphs])


def mean_loss(network: EdgeNetwork, answer: Answer, graphs: Sequence[Data]) -> float:
    """Mean loss with both classes of the same weight."""
    logits, label = all_logits(network, answer, graphs)
    return float(binary_cross_entropy_with_logits(logits, label, _weight(label, float(label.mean()))))


def _weight(label: Tensor, share: float) -> Tensor | None:
    """Weights of edges, by the share of true ones; true edges are rare, and would hardly count otherwise."""
    return torch.where(label > 0, 0.5 / share, 0.5 / (1 - share)) if 0 < share < 1 else None


def screen_cut(network: InteractionNetwork, graphs: Sequence[Data], keep: float) -> Tensor:
    """The threshold of the screen that a share ``keep`` of the true edges pass."""
    logits, label = all_logits(network, network.screen, graphs)
    true = np.sort(logits[label > 0].numpy())
    return torch.tensor(float(true[int((1 - keep) * len(true))]) if len(true) else -1e30)


@torch.no_grad()
def screened(network: InteractionNetwork, graphs: Sequence[Data]) -> list[Data]:
    """Graphs of the edges that pass the screen."""
    network.eval()
    passed = []
    for g in graphs:
        keep = network.screen(g.x, g.edge_index, g.edge_attr) >= network.cut
        if keep.any():
            passed.append(
                Data(x=g.x, edge_index=g.edge_index[:, keep], edge_attr=g.edge_attr[keep], y=g.y[keep])
            )
    return passed
