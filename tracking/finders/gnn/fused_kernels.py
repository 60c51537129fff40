"""Kernels of :mod:`tracking.finders.gnn.fused` (Numba): edges and hits go through the layers in blocks.

Inner loops run over a block: it stays in the cache, and a vector instruction takes several of its edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit
from smartpix.networks.fused_kernels import BLOCK, layer

__all__ = ["run_network", "run_screen"]

ZERO, ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _block(inputs: Any, layers: Any, hidden: Any, out: Any) -> None:
    """Two layers, (features, BLOCK) to (features, BLOCK); ``hidden`` has rows of zeros where the second
    layer's weights are padded.
    """
    w1, b1, w2, b2 = layers
    layer(inputs, w1, b1, hidden)
    for k in range(len(b1)):
        for b in range(BLOCK):
            hidden[k, b] = max(hidden[k, b], ZERO)
    layer(hidden, w2, b2, out)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def run_screen(node: Any, edge: Any, source: Any, target: Any, w_nodes: Any, layers: Any, cut: float) -> Any:
    """Numbers of the edges whose logit is not below ``cut``.

    Args:
        node: (features, N); edge: (features, E).
        w_nodes: both ends' part of the first layer, which is worked out once a hit: a hit has tens of edges.
        layers: weights and biases of the edges' part of the first layer, and of the second.
    """
    w1, b1, w2, b2 = layers
    n_nodes, n_edges, width = node.shape[1], edge.shape[1], len(b1)
    inputs = np.zeros((w_nodes.shape[0], BLOCK), dtype=np.float32)
    of_ends = np.empty((2 * width, BLOCK), dtype=np.float32)
    ends = np.empty((n_nodes, 2 * width), dtype=np.float32)
    nothing = np.zeros(2 * width, dtype=np.float32)
    for low in range(0, n_nodes, BLOCK):
        size = min(BLOCK, n_nodes - low)
        for k in range(node.shape[0]):
            inputs[k, :size] = node[k, low : low + size]
        layer(inputs, w_nodes, nothing, of_ends)
        for b in range(size):
            for k in range(2 * width):
                ends[low + b, k] = of_ends[k, b]
    kept, n_kept = np.empty(n_edges, dtype=np.int64), 0
    inputs = np.zeros((w1.shape[0], BLOCK), dtype=np.float32)
    hidden = np.zeros((w2.shape[0], BLOCK), dtype=np.float32)
    out = np.empty((1, BLOCK), dtype=np.float32)
    for low in range(0, n_edges, BLOCK):
        size = min(BLOCK, n_edges - low)
        for k in range(edge.shape[0]):
            inputs[k, :size] = edge[k, low : low + size]
        layer(inputs, w1, b1, hidden)
        for b in range(size):
            s, t = source[low + b], target[low + b]
            for k in range(width):
                hidden[k, b] = max(hidden[k, b] + ends[s, k] + ends[t, width + k], ZERO)
        layer(hidden, w2, b2, out)
        for b in range(size):
            if out[0, b] >= cut:
                kept[n_kept] = low + b
                n_kept += 1
    return kept[:n_kept]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _encode(features: Any, rows: Any, layers: Any) -> Any:
    """(len(rows), width) of some columns of (features, ...)."""
    w1, _, w2, b2 = layers
    width = len(b2)
    inputs = np.zeros((w1.shape[0], BLOCK), dtype=np.float32)
    hidden = np.zeros((w2.shape[0], BLOCK), dtype=np.float32)
    out = np.empty((width, BLOCK), dtype=np.float32)
    encoded = np.empty((len(rows), width), dtype=np.float32)
    for low in range(0, len(rows), BLOCK):
        size = min(BLOCK, len(rows) - low)
        for k in range(features.shape[0]):
            for b in range(size):
                inputs[k, b] = features[k, rows[low + b]]
        _block(inputs, layers, hidden, out)
        for b in range(size):
            for k in range(width):
                encoded[low + b, k] = out[k, b]
    return encoded


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def run_network(
    node: Any, edge: Any, source: Any, target: Any, kept: Any, encode_node: Any, encode_edge: Any,
    edge_blocks: Any, node_blocks: Any, classify: Any,
) -> Any:  # fmt: skip
    """Scores of the edges ``kept``, in a graph of these and their hits alone.

    Args:
        encode_node, encode_edge, edge_blocks, node_blocks, classify: weights and biases of two layers each,
            w1, b1, w2, b2. The blocks have one more axis in front: the passes.
    """
    pw1, pb1, pw2, pb2 = edge_blocks
    qw1, qb1, qw2, qb2 = node_blocks
    # Hits with an edge, in their order.
    # The screen leaves few edges, and many hits with none: those are not encoded.
    place = np.full(node.shape[1], -1, dtype=np.int64)
    for e in kept:
        place[source[e]] = place[target[e]] = 0
    rows = np.flatnonzero(place == 0)
    for k in range(len(rows)):
        place[rows[k]] = k
    n_nodes, n_edges, width = len(rows), len(kept), encode_node[3].shape[0]
    a, z = np.empty(n_edges, dtype=np.int64), np.empty(n_edges, dtype=np.int64)
    for k in range(n_edges):
        a[k], z[k] = place[source[kept[k]]], place[target[kept[k]]]
    h, e = _encode(node, rows, encode_node), _encode(edge, kept, encode_edge)
    inputs = np.zeros((pw1.shape[1], BLOCK), dtype=np.float32)
    hidden = np.zeros((pw2.shape[1], BLOCK), dtype=np.float32)
    out = np.empty((width, BLOCK), dtype=np.float32)
    for step in range(pw1.shape[0]):
        arriving, leaving = np.zeros_like(h), np.zeros_like(h)
        for low in range(0, n_edges, BLOCK):
            size = min(BLOCK, n_edges - low)
            _gather(h, a, h, z, e, low, size, inputs)
            _block(inputs, (pw1[step], pb1[step], pw2[step], pb2[step]), hidden, out)
            for b in range(size):
                s, t = a[low + b], z[low + b]
                for k in range(width):
                    e[low + b, k] += out[k, b]
                    arriving[t, k] += e[low + b, k]
                    leaving[s, k] += e[low + b, k]
        every = np.arange(n_nodes)
        for low in range(0, n_nodes, BLOCK):
            size = min(BLOCK, n_nodes - low)
            _gather(h, every, arriving, every, leaving, low, size, inputs)
            _block(inputs, (qw1[step], qb1[step], qw2[step], qb2[step]), hidden, out)
            for b in range(size):
                for k in range(width):
                    h[low + b, k] += out[k, b]
    scores = np.empty(n_edges, dtype=np.float32)
    for low in range(0, n_edges, BLOCK):
        size = min(BLOCK, n_edges - low)
        _gather(h, a, h, z, e, low, size, inputs)
        _block(inputs, classify, hidden, out[:1])
        for b in range(size):
            scores[low + b] = ONE / (ONE + np.exp(-out[0, b]))
    return scores


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _gather(first: Any, i: Any, second: Any, j: Any, third: Any, low: int, size: int, inputs: Any) -> None:
    """Rows ``i`` of the first, ``j`` of the second and a run of the third, one below the other, into
    (features, BLOCK).
    """
    width = first.shape[1]
    for b in range(size):
        r, s = i[low + b], j[low + b]
        for k in range(width):
            inputs[k, b] = first[r, k]
            inputs[width + k, b] = second[s, k]
            inputs[2 * width + k, b] = third[low + b, k]
