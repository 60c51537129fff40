"""The interaction network on the CPU, fused (Numba): features in, scores out.

They are torch's to 1e-4; only an edge within rounding of the screen's cut may be dropped by one and scored by
the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.threads import in_parts
from smartpix.notebook import words_and_table
from tracking.finders.gnn.fused_kernels import TILE, count_outside, run_network
from tracking.finders.gnn.graph import Features
from tracking.finders.gnn.network import InteractionNetwork

__all__ = ["FusedInteractionNetwork", "fuse_network"]

Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Layers = tuple[Singles, Singles, Singles, Singles]
"""Weights (inputs, outputs) and biases of the two layers of a block, with zeros up to multiples of TILE; of
several blocks, one more axis in front.
"""


@words_and_table
@dataclass(frozen=True)
class FusedInteractionNetwork:
    """An interaction network's weights in the order in which the kernels read them, standardisation and
    calibration folded in.

    Attributes:
        screen: of the screen; cut: its threshold.
        encode_node, encode_edge, edge_blocks, node_blocks, classify: as of
            :class:`tracking.finders.gnn.network.InteractionNetwork`.
        node_range, edge_range: (2, features) of the training.
    """

    screen: Layers
    cut: float
    encode_node: Layers
    encode_edge: Layers
    edge_blocks: Layers
    node_blocks: Layers
    classify: Layers
    node_range: Singles
    edge_range: Singles

    def scores(self, features: Features, n_edges: int, threads: int = 1) -> Singles:
        """Scores (n_edges,) of all edges of an event: of those in the graph as of
        :func:`tracking.finders.gnn.network.score`, 0 of the others.
        """
        f, scores = features, np.empty(len(features.rows), dtype=np.float32)
        in_parts(
            lambda first, last: run_network(
                first, last, f.node, f.edge, f.source, f.target, f.edge_start, f.hit_start, self.screen,
                np.float32(self.cut), self.encode_node, self.encode_edge, self.edge_blocks, self.node_blocks,
                self.classify, scores,
            ),
            len(f.edge_start) - 1,
            threads,
        )  # fmt: skip
        out = np.zeros(n_edges, dtype=np.float32)
        out[f.rows] = scores
        return out

    def outside(self, features: Features) -> npt.NDArray[np.int64]:
        """(25,) how many values of each feature, of the hits and then of the edges in the graph, are beyond
        the range of the training.
        """
        n = len(features.node)
        counts = np.empty(n + len(features.edge), dtype=np.int64)
        count_outside(features.node, *self.node_range, counts[:n])
        count_outside(features.edge, *self.edge_range, counts[n:])
        return counts


def fuse_network(network: InteractionNetwork) -> FusedInteractionNetwork:
    """Fold standardisation and calibration into the layers beside them."""
    # In double precision, and rounded once at the end.
    a = {k: v.double().numpy() for k, v in network.state_dict().items()}
    n_node, n_edge, hidden = len(a["node_mean"]), len(a["edge_mean"]), len(a["encode_node.2.bias"])
    shift, scale = ({p: a[f"{p}_{name}"] for p in ("node", "edge")} for name in ("mean", "std"))

    def layers(name: str, parts: list[int], inputs: tuple[str, ...] = (), factor: float = 1.0) -> Layers:
        w1, b1, w2, b2 = (a[f"{name}.{k}"] for k in ("0.weight", "0.bias", "2.weight", "2.bias"))
        if inputs:
            w1 = w1 / np.concatenate([scale[p] for p in inputs])
            b1 = b1 - w1 @ np.concatenate([shift[p] for p in inputs])
        by_part = np.split(w1.T, np.cumsum(parts)[:-1])
        first = np.concatenate([_padded(_padded(part).T).T for part in by_part])
        second = _padded(_padded(factor * w2.T).T).T
        return _single(first), _single(_padded(b1)), _single(second), _single(_padded(factor * b2))

    def blocks(name: str) -> Layers:
        each = [layers(f"{name}.{k}", 3 * [hidden]) for k in range(len(network.edge_blocks))]
        w1, b1, w2, b2 = (np.stack(part) for part in zip(*each, strict=True))
        return w1, b1, w2, b2

    factor, offset = a["calibration"]
    w1, b1, w2, b2 = layers("classify", 3 * [hidden], factor=factor)
    return FusedInteractionNetwork(
        screen=layers("screen_blocks", [n_node, n_node, n_edge], ("node", "node", "edge")),
        cut=float(a["cut"]),
        encode_node=layers("encode_node", [n_node], ("node",)),
        encode_edge=layers("encode_edge", [n_edge], ("edge",)),
        edge_blocks=blocks("edge_blocks"),
        node_blocks=blocks("node_blocks"),
        classify=(w1, b1, w2, _single(b2 + offset)),
        node_range=_single(np.stack([a["node_low"], a["node_high"]])),
        edge_range=_single(np.stack([a["edge_low"], a["edge_high"]])),
    )


def _padded(values: Doubles) -> Doubles:
    """Rows of zeros up to a multiple of TILE, which the kernels take at a time."""
    return np.concatenate([values, np.zeros((-len(values) % TILE, *values.shape[1:]))])


def _single(values: npt.NDArray[np.float64]) -> Singles:
    return np.ascontiguousarray(values, dtype=np.float32)
