"""Kernels of :mod:`tracking.finders.gnn.fused` (Numba): edges and hits go through the layers in blocks.

Inner loops run over a block: it stays in the cache, and a vector instruction takes several of its edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["BLOCK", "TILE", "count_outside", "run_network"]

BLOCK = 256
"""Edges or hits that go through the layers together. Fewer, and what stands around the loops takes as long as
they do."""
ROW = BLOCK + 16
"""Room for a block. Rows of a power of two would all lie in the same few lines of the cache."""
TILE = 4
"""Inputs and outputs of a layer that are read and written once for all products of theirs."""
ZERO, ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _layer(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """out (outputs, ROW) = bias + weight^T x for x (inputs, ROW); both numbers are multiples of TILE."""
    for j in range(len(bias)):
        for b in range(BLOCK):
            out[j, b] = bias[j]
    for i in range(0, weight.shape[0], TILE):
        r0, r1, r2, r3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        for j in range(0, len(bias), TILE):
            w00, w01, w02, w03 = r0[j], r0[j + 1], r0[j + 2], r0[j + 3]
            w10, w11, w12, w13 = r1[j], r1[j + 1], r1[j + 2], r1[j + 3]
            w20, w21, w22, w23 = r2[j], r2[j + 1], r2[j + 2], r2[j + 3]
            w30, w31, w32, w33 = r3[j], r3[j + 1], r3[j + 2], r3[j + 3]
            for b in range(BLOCK):
                x0, x1, x2, x3 = x[i, b], x[i + 1, b], x[i + 2, b], x[i + 3, b]
                out[j, b] += w00 * x0 + w10 * x1 + w20 * x2 + w30 * x3
                out[j + 1, b] += w01 * x0 + w11 * x1 + w21 * x2 + w31 * x3
                out[j + 2, b] += w02 * x0 + w12 * x1 + w22 * x2 + w32 * x3
                out[j + 3, b] += w03 * x0 + w13 * x1 + w23 * x2 + w33 * x3


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _block(inputs: Any, layers: Any, hidden: Any, out: Any) -> None:
    """Two layers, (inputs, ROW) to (outputs, ROW)."""
    w1, b1, w2, b2 = layers
    _layer(inputs, w1, b1, hidden)
    for k in range(len(b1)):
        for b in range(BLOCK):
            hidden[k, b] = max(hidden[k, b], ZERO)
    _layer(hidden, w2, b2, out)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _columns(features: Any, rows: Any, low: int, size: int, inputs: Any) -> None:
    """Some columns of (features, ...) into (features, ROW)."""
    for k in range(features.shape[0]):
        for b in range(size):
            inputs[k, b] = features[k, rows[low + b]]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _screen(
    node: Any, edge: Any, source: Any, target: Any, low: int, high: int, layers: Any, cut: Any, inputs: Any,
    hidden: Any, out: Any, kept: Any,
) -> int:  # fmt: skip
    """How many of the edges from ``low`` to ``high`` have a logit not below ``cut``; fills their numbers."""
    n_kept, n_node = 0, node.shape[0] + -node.shape[0] % TILE
    for first in range(low, high, BLOCK):
        size = min(BLOCK, high - first)
        _columns(node, source, first, size, inputs)
        _columns(node, target, first, size, inputs[n_node:])
        for k in range(edge.shape[0]):
            for b in range(size):
                inputs[2 * n_node + k, b] = edge[k, first + b]
        _block(inputs, layers, hidden, out)
        for b in range(size):
            kept[n_kept] = first + b
            n_kept += out[0, b] >= cut
    return n_kept


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _gather(values: Any, place: Any, low: int, size: int, inputs: Any) -> None:
    """Some columns of blocks into (width, ROW): ``place`` is that of their first number among all."""
    flat = values.reshape(-1)
    for k in range(values.shape[1]):
        for b in range(size):
            inputs[k, b] = flat[place[low + b] + k * ROW]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(values: Any, source: Any, target: Any, low: int, size: int, leaving: Any, arriving: Any) -> None:
    """Add (width, ROW) to columns of two arrays of blocks."""
    out, into = leaving.reshape(-1), arriving.reshape(-1)
    for b in range(size):
        s, t = source[low + b], target[low + b]
        # Not the longer loop inside: edges of one hit follow each other, and each would wait for the sum of
        # the last.
        for k in range(values.shape[0]):
            out[s + k * ROW] += values[k, b]
            into[t + k * ROW] += values[k, b]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _copy(values: Any, inputs: Any) -> None:
    """A block (width, ROW) into the first rows of the inputs."""
    for k in range(values.shape[0]):
        for b in range(BLOCK):
            inputs[k, b] = values[k, b]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _increase(block: Any, values: Any) -> None:
    for k in range(values.shape[0]):
        for b in range(BLOCK):
            block[k, b] += values[k, b]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def run_network(
    first: int, last: int, node: Any, edge: Any, source: Any, target: Any, edge_start: Any, hit_start: Any,
    screen: Any, cut: Any, encode_node: Any, encode_edge: Any, edge_blocks: Any, node_blocks: Any,
    classify: Any, scores: Any,
) -> None:  # fmt: skip
    """Fills the scores of the edges of some chunks, 0 for those that the screen drops.

    No message leaves a component, so that a chunk goes through all passes by itself and stays in the cache.

    Args:
        node, edge, source, target, edge_start, hit_start: as of
            :class:`tracking.finders.gnn.graph.Features`.
        screen, encode_node, encode_edge, edge_blocks, node_blocks, classify: weights and biases of two layers
            each, w1, b1, w2, b2, inputs of each kind padded to a multiple of TILE. The blocks have one more
            axis in front: the passes.
        cut: logit of the screen below which an edge is dropped.
    """
    pw1, pb1, pw2, pb2 = edge_blocks
    qw1, qb1, qw2, qb2 = node_blocks
    width, n_passes = pb2.shape[1], pb2.shape[0]
    most_edges = most_hits = 0
    for c in range(first, last):
        most_edges = max(most_edges, edge_start[c + 1] - edge_start[c])
        most_hits = max(most_hits, hit_start[c + 1] - hit_start[c])
    # Rows of zeros where weights are padded: what a network before has left there may be infinite.
    screened = np.zeros((screen[0].shape[0], ROW), dtype=np.float32)
    of_hits = np.zeros((encode_node[0].shape[0], ROW), dtype=np.float32)
    of_edges = np.zeros((encode_edge[0].shape[0], ROW), dtype=np.float32)
    inputs = np.zeros((3 * width, ROW), dtype=np.float32)
    hidden = np.empty((max(width, screen[2].shape[0]), ROW), dtype=np.float32)
    out = np.empty((max(width, TILE), ROW), dtype=np.float32)
    h = np.zeros(((most_hits + BLOCK - 1) // BLOCK, width, ROW), dtype=np.float32)
    e = np.zeros(((most_edges + BLOCK - 1) // BLOCK, width, ROW), dtype=np.float32)
    arriving, leaving = np.zeros_like(h), np.zeros_like(h)
    kept = np.empty(most_edges, dtype=np.int32)
    from_, to = np.empty(most_edges, dtype=np.int64), np.empty(most_edges, dtype=np.int64)
    for c in range(first, last):
        scores[edge_start[c] : edge_start[c + 1]] = ZERO
        n_edges = _screen(
            node, edge, source, target, edge_start[c], edge_start[c + 1], screen, cut, screened, hidden, out,
            kept,
        )  # fmt: skip
        hit_low, n_hits = hit_start[c], hit_start[c + 1] - hit_start[c]
        for k in range(n_edges):
            s, t = source[kept[k]] - hit_low, target[kept[k]] - hit_low
            from_[k] = s // BLOCK * (width * ROW) + s % BLOCK
            to[k] = t // BLOCK * (width * ROW) + t % BLOCK
        for low in range(0, n_hits, BLOCK):
            for k in range(node.shape[0]):
                for b in range(min(BLOCK, n_hits - low)):
                    of_hits[k, b] = node[k, hit_low + low + b]
            _block(of_hits, encode_node, hidden, h[low // BLOCK])
        for low in range(0, n_edges, BLOCK):
            _columns(edge, kept, low, min(BLOCK, n_edges - low), of_edges)
            _block(of_edges, encode_edge, hidden, e[low // BLOCK])
        for step in range(n_passes):
            for block in range((n_hits + BLOCK - 1) // BLOCK):
                arriving[block] = ZERO
                leaving[block] = ZERO
            for low in range(0, n_edges, BLOCK):
                size, of_block = min(BLOCK, n_edges - low), e[low // BLOCK]
                _gather(h, from_, low, size, inputs)
                _gather(h, to, low, size, inputs[width:])
                _copy(of_block, inputs[2 * width :])
                _block(inputs, (pw1[step], pb1[step], pw2[step], pb2[step]), hidden, out)
                _increase(of_block, out)
                _add(of_block, from_, to, low, size, leaving, arriving)
            for block in range((n_hits + BLOCK - 1) // BLOCK):
                _copy(h[block], inputs)
                _copy(arriving[block], inputs[width:])
                _copy(leaving[block], inputs[2 * width :])
                _block(inputs, (qw1[step], qb1[step], qw2[step], qb2[step]), hidden, out)
                _increase(h[block], out)
        for low in range(0, n_edges, BLOCK):
            _gather(h, from_, low, min(BLOCK, n_edges - low), inputs)
            _gather(h, to, low, min(BLOCK, n_edges - low), inputs[width:])
            _copy(e[low // BLOCK], inputs[2 * width :])
            _block(inputs, classify, hidden, out)
            for b in range(min(BLOCK, n_edges - low)):
                scores[kept[low + b]] = ONE / (ONE + np.exp(-out[0, b]))


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def count_outside(values: Any, low: Any, high: Any, counts: Any) -> None:
    """Fills (features,) with how many of (features, ...) are below or above a range."""
    for k in range(values.shape[0]):
        n = 0
        for b in range(values.shape[1]):
            n += (values[k, b] < low[k]) | (values[k, b] > high[k])
        counts[k] = n
