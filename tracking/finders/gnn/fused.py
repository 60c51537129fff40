"""The interaction network on the CPU, fused (Numba): features in, scores out.

They are torch's to 1e-4; only an edge within rounding of the screen's cut may be dropped by one and scored by
the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from smartpix.networks.fused import padded
from tracking.finders.gnn.fused_kernels import run_network, run_screen
from tracking.finders.gnn.graph import Features
from tracking.finders.gnn.network import InteractionNetwork

__all__ = ["FusedInteractionNetwork", "fuse_network"]

Singles = npt.NDArray[np.float32]
Layers = tuple[Singles, Singles, Singles, Singles]
"""Weights (inputs, outputs) and biases of the two layers of a block; of several blocks, one more axis in
front.
"""


@dataclass(frozen=True)
class FusedInteractionNetwork:
    """An interaction network's weights in the order in which the kernels read them, standardisation and
    calibration folded in.

    Attributes:
        screen_nodes: (9 padded, 2 * width) what the hits at both ends add to the screen's first layer.
        screen: the rest of it; cut: its threshold.
        encode_node, encode_edge, edge_blocks, node_blocks, classify: as of
            :class:`tracking.finders.gnn.network.InteractionNetwork`.
        node_range, edge_range: (2, features) of the training.
    """

    screen_nodes: Singles
    screen: Layers
    cut: float
    encode_node: Layers
    encode_edge: Layers
    edge_blocks: Layers
    node_blocks: Layers
    classify: Layers
    node_range: Singles
    edge_range: Singles

    def scores(self, features: Features, edges: Edges) -> Singles:
        """Scores (E,) as of :func:`tracking.finders.gnn.network.score`."""
        out = np.zeros(len(edges), dtype=np.float32)
        kept = run_screen(
            features.node,
            features.edge,
            edges.source,
            edges.target,
            self.screen_nodes,
            self.screen,
            np.float32(self.cut),
        )
        if len(kept):
            out[kept] = run_network(
                features.node, features.edge, edges.source, edges.target, kept, self.encode_node,
                self.encode_edge, self.edge_blocks, self.node_blocks, self.classify,
            )  # fmt: skip
        return out

    def outside(self, features: Features) -> npt.NDArray[np.int64]:
        """(25,) how many values of each feature, of the hits and then of the edges, are beyond the range of
        the training.
        """
        counts = [
            np.count_nonzero((values < low[:, None]) | (values > high[:, None]), axis=1)
            for values, (low, high) in ((features.node, self.node_range), (features.edge, self.edge_range))
        ]
        return np.concatenate(counts)


def fuse_network(network: InteractionNetwork) -> FusedInteractionNetwork:
    """Fold standardisation and calibration into the layers beside them."""
    # In double precision, and rounded once at the end.
    a = {k: v.double().numpy() for k, v in network.state_dict().items()}
    n = len(a["node_mean"])

    def layers(
        name: str, mean: npt.NDArray[np.float64] | None = None, std: npt.NDArray[np.float64] | None = None
    ) -> Layers:
        w1, b1, w2, b2 = (a[f"{name}.{k}"] for k in ("0.weight", "0.bias", "2.weight", "2.bias"))
        if mean is not None and std is not None:
            w1 = w1 / std
            b1 = b1 - w1 @ mean
        return _single(padded(w1.T)), _single(b1), _single(padded(w2.T)), _single(b2)

    def blocks(name: str, n_blocks: int) -> Layers:
        w1, b1, w2, b2 = (
            np.stack(part) for part in zip(*(layers(f"{name}.{k}") for k in range(n_blocks)), strict=True)
        )
        return w1, b1, w2, b2

    scaling = {part: (a[f"{part}_mean"], a[f"{part}_std"]) for part in ("node", "edge")}
    stacked = [np.concatenate([scaling["node"][k], scaling["node"][k], scaling["edge"][k]]) for k in range(2)]
    w1, b1, w2, b2 = layers("screen_blocks", *stacked)
    c1, d1, c2, d2 = layers("classify")
    factor, shift = a["calibration"]
    passes = len(network.edge_blocks)
    return FusedInteractionNetwork(
        screen_nodes=_single(padded(np.concatenate([w1[:n], w1[n : 2 * n]], axis=1))),
        screen=(_single(padded(w1[2 * n :][: len(scaling["edge"][0])])), b1, w2, b2),
        cut=float(a["cut"]),
        encode_node=layers("encode_node", *scaling["node"]),
        encode_edge=layers("encode_edge", *scaling["edge"]),
        edge_blocks=blocks("edge_blocks", passes),
        node_blocks=blocks("node_blocks", passes),
        classify=(c1, d1, _single(c2 * factor), _single(d2 * factor + shift)),
        node_range=_single(np.stack([a["node_low"], a["node_high"]])),
        edge_range=_single(np.stack([a["edge_low"], a["edge_high"]])),
    )


def _single(values: npt.NDArray[np.float64]) -> Singles:
    return np.ascontiguousarray(values, dtype=np.float32)
