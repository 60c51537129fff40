"""The interaction network of arXiv 2112.02048 (DeZoort's interaction_network_paper), in floating point.

With receiver i, sender j and edge features e_ij, each batch being graphs that are padded to one size:

    m_ij = R1(x_i, x_j, e_ij),   a_i = sum over j of m_ij,   y_i = O(x_i, a_i),   w_ij = R2(y_i, y_j, m_ij)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tracking.finders.trigger.shape import MLPS, InteractionShape

__all__ = ["ARCHITECTURE", "InteractionNetwork", "feature_scale", "pass_messages"]

ARCHITECTURE = "interaction-v1"
INSIDE = 0.999
"""Share of a feature's values that its scale brings between -1 and 1."""
FINEST, COARSEST = 12, -12
"""Powers of two that a scale may be."""

Parts = Callable[[str, list[Tensor]], Tensor]


class InteractionNetwork(nn.Module):
    """The float network. With 3 + 4 features it has 528 parameters for 8 hidden outputs, 6,448 for 40.

    Shapes:
        nodes (S, N, F), edges (S, M, E), senders and receivers (S, M), valid (S, M) -> logits (S, M), those
        of padded edges being without meaning.
    """

    node_scale: Tensor
    edge_scale: Tensor

    def __init__(self, shape: InteractionShape | None = None) -> None:
        super().__init__()
        self.shape = shape or InteractionShape()
        for mlp in MLPS:
            widths = self.shape.widths(mlp)
            layers: list[nn.Module] = []
            for n_in, n_out in zip(widths, widths[1:], strict=False):
                layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            self.add_module(mlp, nn.Sequential(*layers[:-1]))
        self.register_buffer("node_scale", torch.ones(self.shape.node_features))
        self.register_buffer("edge_scale", torch.ones(self.shape.edge_features))

    @torch.no_grad()
    def fit_scales(
        self, nodes: Tensor, edges: Tensor, senders: Tensor, receivers: Tensor, valid: Tensor
    ) -> None:
        """Take scales that bring the features of valid edges and of their nodes between -1 and 1."""
        rows = torch.arange(len(nodes))[:, None].expand_as(senders)[valid]
        ends = torch.cat([nodes[rows, senders[valid]], nodes[rows, receivers[valid]]])
        self.node_scale.copy_(feature_scale(ends))
        self.edge_scale.copy_(feature_scale(edges[valid]))

    def forward(
        self, nodes: Tensor, edges: Tensor, senders: Tensor, receivers: Tensor, valid: Tensor
    ) -> Tensor:
        """Logits (S, M)."""

        def perceptron(mlp: str, parts: list[Tensor]) -> Tensor:
            return self.get_submodule(mlp)(torch.cat(parts, dim=-1))

        return pass_messages(
            perceptron, nodes * self.node_scale, edges * self.edge_scale, senders, receivers, valid
        )


def pass_messages(
    perceptron: Parts, nodes: Tensor, edges: Tensor, senders: Tensor, receivers: Tensor, valid: Tensor
) -> Tensor:
    """The steps of the network around its three perceptrons; logits (S, M).

    Args:
        perceptron: gives the results of a perceptron by name for the parts of its input, each (S, n, k).
    """

    def ends(values: Tensor) -> list[Tensor]:
        return [
            values.gather(1, at[:, :, None].expand(-1, -1, values.shape[2])) for at in (receivers, senders)
        ]

    messages = perceptron("r1", [*ends(nodes), edges]) * valid[:, :, None]
    sums = messages.new_zeros(*nodes.shape[:2], messages.shape[2])
    sums = sums.scatter_add(1, receivers[:, :, None].expand_as(messages), messages)
    effects = perceptron("o", [nodes, sums])
    return perceptron("r2", [*ends(effects), messages])[:, :, 0]


def feature_scale(values: Tensor) -> Tensor:
    """For each feature of values (n, F) the largest power of two that keeps nearly all between -1 and 1.

    Powers of two cost nothing in logic. One for a feature that is always zero.
    """
    if len(values) == 0:
        return torch.ones(values.shape[1])
    largest = torch.sort(values.abs(), dim=0).values[math.ceil(INSIDE * (len(values) - 1))]
    power = torch.floor(-torch.log2(largest.clamp(min=2.0**-FINEST))).clamp(COARSEST, FINEST)
    return torch.where(largest > 0, 2.0**power, torch.ones_like(largest))
