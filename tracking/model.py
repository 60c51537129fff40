"""The interaction network that scores edges.

After P. Battaglia et al., arXiv 1612.00222; for tracks G. DeZoort et al., arXiv 2103.16701.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from smartpix.schema import InputError
from smartpix.weights import load_arrays, load_weights
from tracking.graph import EDGE_FEATURES, NODE_FEATURES

__all__ = ["ARCHITECTURE", "InteractionNetwork", "load_network", "score"]

ARCHITECTURE = "interaction-network-v1"


def _mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))


class InteractionNetwork(nn.Module):
    """Encode, pass messages a few times, classify the edges.

    Shapes:
        x: (N, 11), edge_index: (2, E), edge_attr: (E, 12) -> logits (E,).
    """

    def __init__(self, hidden: int = 32, passes: int = 3) -> None:
        super().__init__()
        # Standardisation of the features, stored with the weights.
        self.node_mean: Tensor
        self.node_std: Tensor
        self.edge_mean: Tensor
        self.edge_std: Tensor
        self.register_buffer("node_mean", torch.zeros(len(NODE_FEATURES)))
        self.register_buffer("node_std", torch.ones(len(NODE_FEATURES)))
        self.register_buffer("edge_mean", torch.zeros(len(EDGE_FEATURES)))
        self.register_buffer("edge_std", torch.ones(len(EDGE_FEATURES)))
        self.encode_node = _mlp(len(NODE_FEATURES), hidden, hidden)
        self.encode_edge = _mlp(len(EDGE_FEATURES), hidden, hidden)
        self.edge_blocks = nn.ModuleList(_mlp(3 * hidden, hidden, hidden) for _ in range(passes))
        self.node_blocks = nn.ModuleList(_mlp(3 * hidden, hidden, hidden) for _ in range(passes))
        self.classify = _mlp(3 * hidden, hidden, 1)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits of the edges."""
        source, target = edge_index
        h = self.encode_node((x - self.node_mean) / self.node_std)
        e = self.encode_edge((edge_attr - self.edge_mean) / self.edge_std)
        for edge_block, node_block in zip(self.edge_blocks, self.node_blocks, strict=True):
            e = e + edge_block(torch.cat([h[source], h[target], e], dim=1))
            arriving = scatter(e, target, dim=0, dim_size=len(h), reduce="sum")
            leaving = scatter(e, source, dim=0, dim_size=len(h), reduce="sum")
            h = h + node_block(torch.cat([h, arriving, leaving], dim=1))
        logits: Tensor = self.classify(torch.cat([h[source], h[target], e], dim=1)).squeeze(1)
        return logits


def load_network(name: str = "gnn") -> InteractionNetwork:
    """Shipped weights by name, or others by path.

    Raises:
        InputError: missing file or weights of another architecture.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    try:
        network = InteractionNetwork(int(description["options"]["hidden"]), int(description["options"]["passes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: its JSON lacks options 'hidden' and 'passes'; train it again") from error
    load_arrays(network, arrays, name)
    return network.eval()


@torch.inference_mode()
def score(network: InteractionNetwork, graph: Data) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Scores (E,) between 0 and 1."""
    if graph.edge_index.shape[1] == 0:
        return np.zeros(0, dtype=np.float32)
    return np.asarray(torch.sigmoid(network(graph.x, graph.edge_index, graph.edge_attr)).numpy())
