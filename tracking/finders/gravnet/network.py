"""The network: GravNet blocks over the hits, then a score for each edge from what its two hits know, or
coordinates in which the hits of a particle gather.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.networks.fused import check_shapes
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, items, optional, real, text, whole
from tracking.finders.gnn.fused_kernels import count_outside
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES, Features, make_graph
from tracking.finders.gnn.network import EdgeNetwork, check_scales, mlp
from tracking.finders.gravnet.block import GravNetBlock
from tracking.finders.gravnet.condense import condense, gathered_scores, groups
from tracking.finders.gravnet.neighbours import along_edges, nearest, nearest_of_all
from tracking.finders.gravnet.options import (
    LARGEST_BLOCK,
    MOST_BLOCKS,
    MOST_COORDINATES,
    NEIGHBOURS,
    OUTPUTS,
    CondensationOptions,
    GravNetOptions,
)  # fmt: skip

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = [
    "ARCHITECTURE",
    "GravNetNetwork",
    "GravNetScorer",
    "gathered",
    "inputs",
    "load_gravnet",
    "score_graph",
]

ARCHITECTURE = "gravnet-v1"
AZIMUTH = 2
"""Cosine and sine of a hit's azimuth, without which hits all round the beam would look alike."""
SIZES = ("k", "space", "features", "passed", "hidden")
DESCRIPTION = fields(
    {
        "options": fields(
            {
                "network": fields(
                    {
                        "neighbours": text(*NEIGHBOURS), "blocks": whole(0, MOST_BLOCKS),
                        **{name: whole(1, LARGEST_BLOCK) for name in SIZES},
                        "output": optional(text(*OUTPUTS)), "coordinates": optional(whole(1, MOST_COORDINATES)),
                    }
                ),
                "condensation": optional(
                    fields(
                        {
                            "min_charge": real(0, 100), "noise": real(0, 1000), "min_beta": real(0, 1),
                            "radius": real(0, 10),
                        }
                    )
                ),
            },
            more=True,
        ),
        "data": items(fields({}, more=True)),
    },
    more=True,
)  # fmt: skip
"""What the JSON of its weights must say."""


class GravNetNetwork(EdgeNetwork):
    """GravNet blocks one after the other; an edge is scored from its features and from all blocks' outputs
    for its two hits, as the authors' model joins the outputs of all blocks.

    With the output ``condensation`` a hit's beta and coordinates follow from all blocks' outputs and from
    what the hit itself is, and no edge's features are read.

    Attributes:
        condensation: how hits gather; of the output ``condensation``.

    Shapes:
        x: (N, 9), where hits know their azimuth (N, 11), the last two its cosine and sine;
        edge_index: (2, E), edge_attr: (E, 16) -> logits (E,).
    """

    def __init__(self, options: GravNetOptions, condensation: CondensationOptions | None = None) -> None:
        super().__init__()
        self.options = options
        self.condensation = condensation or CondensationOptions()
        n_node, f = len(NODE_FEATURES), options.features
        if self.knows_azimuth:
            n_node += AZIMUTH
        self.encode = nn.Linear(n_node, f)
        self.blocks = nn.ModuleList(
            GravNetBlock(f, options.space, options.passed, f) for _ in range(options.blocks)
        )
        known = f * (1 + options.blocks)
        if self.condenses:
            self.gather = mlp(n_node + known, options.hidden, 1 + options.coordinates)
        else:
            self.classify = mlp(2 * known + len(EDGE_FEATURES), options.hidden, 1)

    @property
    def condenses(self) -> bool:
        """Whether it says where hits gather, instead of scores of edges."""
        return self.options.output == "condensation"

    @property
    def knows_azimuth(self) -> bool:
        """Whether hits know their azimuth: where hits that no edges join would else look alike."""
        return self.condenses or self.options.neighbours == "free"

    def gravnet_blocks(self) -> list[GravNetBlock]:
        """The blocks."""
        return [module for module in self.blocks if isinstance(module, GravNetBlock)]

    def node(self, x: Tensor) -> Tensor:
        """What hits are, standardised."""
        n = len(NODE_FEATURES)
        return torch.cat([(x[:, :n] - self.node_mean) / self.node_std, x[:, n:]], dim=1)

    def known(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """What hits know (N, F (1 + blocks)) of themselves and, block by block, of their neighbours."""
        h = torch.tanh(self.encode(self.node(x)))
        known, free = [h], self.options.neighbours == "free"
        pairs, k = along_edges(edge_index), self.options.k
        # Hits without an edge may fill a graph up, and change nothing.
        there = torch.unique(edge_index) if free else None
        for block in self.gravnet_blocks():
            space = block.place(h)
            chosen = nearest_of_all(space, k, there) if free else nearest(space, *pairs, k)
            h = block(h, space, *chosen)
            known.append(h)
        return torch.cat(known, dim=1)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits (E,), before calibration."""
        known = self.known(x, edge_index)
        edge = (edge_attr - self.edge_mean) / self.edge_std
        seen = torch.cat([known[edge_index[0]], known[edge_index[1]], edge], dim=1)
        logits: Tensor = self.classify(seen).squeeze(1)
        return logits

    def gathering(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """Beta (N,) and coordinates (N, C) of the hits."""
        out = self.gather(torch.cat([self.node(x), self.known(x, edge_index)], dim=1))
        return torch.sigmoid(out[:, 0]), out[:, 1:]


def inputs(network: GravNetNetwork, graph: Data) -> Tensor:
    """``x`` of a graph as the network takes it."""
    return torch.cat([graph.x, graph.azimuth], dim=1) if network.knows_azimuth else graph.x


@torch.inference_mode()
def gathered(
    network: GravNetNetwork, x: Tensor, edge_index: Tensor
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Coordinates (N, C) of hits, and of each the hit (N,) that gathers it, -1 for none.

    Args:
        x, edge_index: as the network takes them.
    """
    beta, place = network.gathering(x, edge_index)
    group, options = groups(len(beta), *edge_index.numpy()), network.condensation
    return place.numpy(), condense(beta.numpy(), place.numpy(), group, options.min_beta, options.radius)


@torch.inference_mode()
def score_graph(network: GravNetNetwork, graph: Data) -> npt.NDArray[np.float32]:
    """Scores (E,) of a graph's edges: probabilities that they are true; of hits that gather
    :func:`tracking.finders.gravnet.condense.gathered_scores`.
    """
    if not graph.num_edges:
        return np.zeros(0, dtype=np.float32)
    if network.condenses:
        place, point = gathered(network, inputs(network, graph), graph.edge_index)
        source, target = graph.edge_index.numpy()
        return gathered_scores(place, point, source, target, network.condensation.radius)
    logits = network(inputs(network, graph), graph.edge_index, graph.edge_attr)
    scores: npt.NDArray[np.float32] = network.probabilities(logits).numpy()
    return scores


@dataclass(frozen=True)
class GravNetScorer:
    """The network in the place of the interaction network in
    :class:`tracking.finders.gnn.finder.GraphFinder`.

    Attributes:
        network: in floating point, run by torch.
    """

    network: GravNetNetwork

    def scores(self, features: Features, n_edges: int, threads: int = 1) -> npt.NDArray[np.float32]:
        """Scores (n_edges,) of all edges of an event, 0 of those that no other edge continues.

        Args:
            threads: torch's own number is used, since its threads belong to the process.
        """
        out = np.zeros(n_edges, dtype=np.float32)
        out[features.rows] = score_graph(self.network, make_graph(features))
        return out

    def outside(self, features: Features) -> npt.NDArray[np.int64]:
        """(25,) how many values of each feature are beyond the range of the training."""
        n = len(features.node)
        counts = np.empty(n + len(features.edge), dtype=np.int64)
        for part, values, into in (("node", features.node, counts[:n]), ("edge", features.edge, counts[n:])):
            low, high = (getattr(self.network, f"{part}_{end}").numpy() for end in ("low", "high"))
            count_outside(values, low, high, into)
        return counts


def load_gravnet(name: str = "gravnet") -> GravNetNetwork:
    """Shipped weights by name, or others by path.

    Raises:
        InputError: missing or damaged files, or weights of another architecture.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    options = GravNetOptions(**description["options"]["network"])
    condensation = CondensationOptions(**description["options"].get("condensation", {}))
    # Before anything of that size is made.
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in GravNetNetwork(options, condensation).state_dict().items()}
    check_shapes(arrays, shapes, name)
    check_scales(arrays, name)
    network = GravNetNetwork(options, condensation)
    load_arrays(network, arrays, name)
    return network.eval()
