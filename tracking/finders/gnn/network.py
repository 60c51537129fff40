"""The interaction network that scores edges, behind a screen that drops most false ones first.

After P. Battaglia et al., arXiv 1612.00222; for tracks G. DeZoort et al., arXiv 2103.16701.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.geometry import Detector
from smartpix.networks.fused import check_shapes
from smartpix.networks.options import WIDEST
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, items, text, whole
from smartpix.schema import InputError
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.finders.gnn.options import GRAPHS, MOST_PASSES, OVER_HOLES

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = [
    "ARCHITECTURE", "EdgeNetwork", "InteractionNetwork", "check_scales", "load_network", "mlp", "score",
]  # fmt: skip

ARCHITECTURE = "interaction-network-v2"
SIZE = ("hidden", "passes", "screen")
DESCRIPTION = fields(
    {
        "options": fields(
            {
                "hidden": whole(1, WIDEST), "passes": whole(1, MOST_PASSES), "screen": whole(1, WIDEST),
                "graph": text(*GRAPHS),
            },
            more=True,
        ),
        "data": items(fields({}, more=True)),
    },
    more=True,
)  # fmt: skip
"""What the JSON of its weights must say."""


def mlp(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """Two layers with ReLU between them."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))


class EdgeNetwork(nn.Module):
    """What networks that score edges have in common: the scales of their features, and of their scores.

    Attributes:
        node_mean, node_std, edge_mean, edge_std: standardisation of the features.
        node_low, node_high, edge_low, edge_high: range of the features in training.
        calibration: (2,) factor and shift of the logits that make scores probabilities.

    Shapes:
        x: (N, 9), edge_index: (2, E), edge_attr: (E, 16) -> logits (E,).
    """

    node_mean: Tensor
    node_std: Tensor
    node_low: Tensor
    node_high: Tensor
    edge_mean: Tensor
    edge_std: Tensor
    edge_low: Tensor
    edge_high: Tensor
    calibration: Tensor

    def __init__(self) -> None:
        super().__init__()
        for part, n in (("node", len(NODE_FEATURES)), ("edge", len(EDGE_FEATURES))):
            self.register_buffer(f"{part}_mean", torch.zeros(n))
            self.register_buffer(f"{part}_std", torch.ones(n))
            self.register_buffer(f"{part}_low", torch.full((n,), -1e30))
            self.register_buffer(f"{part}_high", torch.full((n,), 1e30))
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def standardised(self, x: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        """Features as the layers take them."""
        return (x - self.node_mean) / self.node_std, (edge_attr - self.edge_mean) / self.edge_std

    def probabilities(self, logits: Tensor) -> Tensor:
        """Scores of logits, calibrated."""
        return torch.sigmoid(self.calibration[0] * logits + self.calibration[1])


class InteractionNetwork(EdgeNetwork):
    """Screen the edges; encode the rest, pass messages a few times, classify.

    Attributes:
        cut: logit of the screen below which an edge is dropped.
    """

    cut: Tensor

    def __init__(self, hidden: int = 16, passes: int = 2, screen: int = 16) -> None:
        super().__init__()
        n_node, n_edge = len(NODE_FEATURES), len(EDGE_FEATURES)
        self.register_buffer("cut", torch.tensor(-1e30))
        self.screen_blocks = mlp(2 * n_node + n_edge, screen, 1)
        self.encode_node = mlp(n_node, hidden, hidden)
        self.encode_edge = mlp(n_edge, hidden, hidden)
        self.edge_blocks = nn.ModuleList(mlp(3 * hidden, hidden, hidden) for _ in range(passes))
        self.node_blocks = nn.ModuleList(mlp(3 * hidden, hidden, hidden) for _ in range(passes))
        self.classify = mlp(3 * hidden, hidden, 1)

    def screen(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits (E,) of the screen, from an edge and its two hits alone."""
        node, edge = self.standardised(x, edge_attr)
        logits: Tensor = self.screen_blocks(
            torch.cat([node[edge_index[0]], node[edge_index[1]], edge], dim=1)
        ).squeeze(1)
        return logits

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits (E,), before calibration, of edges that passed the screen."""
        source, target = edge_index[0], edge_index[1]
        node, edge = self.standardised(x, edge_attr)
        h, e = self.encode_node(node), self.encode_edge(edge)
        for edge_block, node_block in zip(self.edge_blocks, self.node_blocks, strict=True):
            e = e + edge_block(torch.cat([h[source], h[target], e], dim=1))
            # Apart, since a hit of a track has one edge on either side.
            arriving, leaving = (
                torch.zeros_like(h).scatter_add(0, end[:, None].expand_as(e), e) for end in (target, source)
            )
            h = h + node_block(torch.cat([h, arriving, leaving], dim=1))
        logits: Tensor = self.classify(torch.cat([h[source], h[target], e], dim=1)).squeeze(1)
        return logits


SHIPPED = {"cone": "gnn", "window": "gnn-window"}
"""Weights by the edges they score."""


def network_name(name: str, graph: str, detector: Detector) -> str:
    """The weights that take the place of some where modules of the detector are known to be dead."""
    return OVER_HOLES.get(name, name) if detector.dead and graph == "cone" else name


def load_network(name: str = "gnn", graph: str | None = None) -> InteractionNetwork:
    """Shipped weights by name, or others by path.

    Args:
        graph: of :data:`tracking.finders.gnn.graph.GRAPHS`, which they must have been trained on; None:
            either.

    Raises:
        InputError: missing or damaged files, weights of another architecture or for other graphs.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    size = [int(description["options"][option]) for option in SIZE]
    # Before anything of that size is made.
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in InteractionNetwork(*size).state_dict().items()}
    check_shapes(arrays, shapes, name)
    check_scales(arrays, name)
    network = InteractionNetwork(*size)
    trained_on = description["options"]["graph"]
    if graph not in (None, trained_on):
        raise InputError(
            f"{name}: was trained on the edges of the {trained_on} and not of the {graph}; give both "
            f"together, "
            f"--set graph={graph} --set gnn={SHIPPED.get(graph, 'W.safetensors')}"
        )
    load_arrays(network, arrays, name)
    return network.eval()


def check_scales(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> None:
    """Check the scales of an edge network's features.

    Raises:
        InputError: widths that are not positive, or ranges upside down; names the weights.
    """
    for part in ("node", "edge"):
        if not np.all(arrays[f"{part}_std"] > 0) or not np.all(
            arrays[f"{part}_low"] <= arrays[f"{part}_high"]
        ):
            raise InputError(
                f"{name}: '{part}_std' must be positive and '{part}_low' not above '{part}_high'; {REPAIR}"
            )


@torch.inference_mode()
def score(network: InteractionNetwork, graph: Data) -> npt.NDArray[np.float32]:
    """Scores (E,): probabilities that the edges are true, 0 for those the screen drops.

    The plain reference of :mod:`tracking.finders.gnn.fused`, which the chain runs.
    """
    out = np.zeros(graph.edge_index.shape[1], dtype=np.float32)
    if len(out) == 0:
        return out
    keep = network.screen(graph.x, graph.edge_index, graph.edge_attr) >= network.cut
    logits = network(graph.x, graph.edge_index[:, keep], graph.edge_attr[keep])
    out[keep.numpy()] = network.probabilities(logits).numpy()
    return out
