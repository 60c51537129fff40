"""Kernels of :mod:`tracking.finders.gnn.fused` (Numba): edges and hits go through the layers in blocks.

Inner loops run over a block: it stays in the cache, and a vector instruction takes several of its edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit
from tracking.finders.components import join, root

__all__ = ["TILE", "chunks", "count_outside", "run_network", "run_screen"]

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
def run_screen(node: Any, edge: Any, source: Any, target: Any, layers: Any, cut: Any) -> Any:
    """Numbers of the edges whose logit is not below ``cut``.

    Args:
        node: (features, N); edge: (features, E).
        layers: weights and biases of two layers, w1, b1, w2, b2; the first one's inputs are those of the
            source, of the target and of the edge, each padded to a multiple of TILE.
    """
    n_edges, n_node = edge.shape[1], node.shape[0] + -node.shape[0] % TILE
    kept, n_kept = np.empty(n_edges, dtype=np.int32), 0
    inputs = np.zeros((layers[0].shape[0], ROW), dtype=np.float32)
    hidden = np.empty((layers[2].shape[0], ROW), dtype=np.float32)
    out = np.empty((len(layers[3]), ROW), dtype=np.float32)
    for low in range(0, n_edges, BLOCK):
        size = min(BLOCK, n_edges - low)
        _columns(node, source, low, size, inputs)
        _columns(node, target, low, size, inputs[n_node:])
        for k in range(edge.shape[0]):
            inputs[2 * n_node + k, :size] = edge[k, low : low + size]
        _block(inputs, layers, hidden, out)
        for b in range(size):
            kept[n_kept] = low + b
            n_kept += out[0, b] >= cut
    return kept[:n_kept].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def chunks(n_hits: int, source: Any, target: Any) -> Any:
    """Edges and their hits in the order of connected components, and where to cut both: a chunk is as many
    whole components as fill a block, or one that is larger.

    No message leaves a component, so that a chunk goes through all passes by itself and stays in the cache.

    Returns:
        Edges (E,) and hits in that order; of each chunk where its edges and its hits start (C + 1,); and of
        the edges, in that order, source and target among the chunk's hits.
    """
    n_edges = len(source)
    parent = np.arange(n_hits).astype(np.int32)
    has_edge = np.zeros(n_hits, dtype=np.bool_)
    for e in range(n_edges):
        has_edge[source[e]] = has_edge[target[e]] = True
        join(parent, source[e], target[e])
    edge_start, node_start = np.zeros(n_hits + 1, dtype=np.int32), np.zeros(n_hits + 1, dtype=np.int32)
    for h in range(n_hits):
        parent[h] = root(parent, h)
        node_start[parent[h] + 1] += has_edge[h]
    for e in range(n_edges):
        edge_start[parent[source[e]] + 1] += 1
    first_edge, first_node = [0], [0]
    for h in range(n_hits):
        # Components of no edge are hits by themselves, and begin and end nowhere.
        if edge_start[h] > first_edge[-1] and edge_start[h] + edge_start[h + 1] - first_edge[-1] > BLOCK:
            first_edge.append(edge_start[h])
            first_node.append(node_start[h])
        edge_start[h + 1] += edge_start[h]
        node_start[h + 1] += node_start[h]
    first_edge.append(n_edges)
    first_node.append(node_start[n_hits])
    nodes, place = np.empty(node_start[n_hits], dtype=np.int32), np.empty(n_hits, dtype=np.int32)
    for h in range(n_hits):
        if has_edge[h]:
            place[h] = node_start[parent[h]]
            nodes[place[h]] = h
            node_start[parent[h]] += 1
    order = np.empty(n_edges, dtype=np.int32)
    for e in range(n_edges):
        c = parent[source[e]]
        order[edge_start[c]] = e
        edge_start[c] += 1
    a, z = np.empty(n_edges, dtype=np.int32), np.empty(n_edges, dtype=np.int32)
    for c in range(len(first_edge) - 1):
        for k in range(first_edge[c], first_edge[c + 1]):
            a[k] = place[source[order[k]]] - first_node[c]
            z[k] = place[target[order[k]]] - first_node[c]
    return order, nodes, np.array(first_edge), np.array(first_node), a, z


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
    first: int, last: int, node: Any, edge: Any, order: Any, nodes: Any, first_edge: Any, first_node: Any,
    a: Any, z: Any, encode_node: Any, encode_edge: Any, edge_blocks: Any, node_blocks: Any, classify: Any,
    scores: Any,
) -> None:  # fmt: skip
    """Fills the scores of the edges of some chunks.

    Args:
        order, nodes: columns of ``edge`` and ``node``, in the order of the chunks; first_edge, first_node, a,
            z: of :func:`chunks`.
        encode_node, encode_edge, edge_blocks, node_blocks, classify: weights and biases of two layers each,
            w1, b1, w2, b2. The blocks have one more axis in front: the passes.
    """
    pw1, pb1, pw2, pb2 = edge_blocks
    qw1, qb1, qw2, qb2 = node_blocks
    width, n_passes = pb2.shape[1], pb2.shape[0]
    most_edges = most_nodes = 0
    for c in range(first, last):
        most_edges = max(most_edges, first_edge[c + 1] - first_edge[c])
        most_nodes = max(most_nodes, first_node[c + 1] - first_node[c])
    inputs = np.zeros((max(3 * width, encode_node[0].shape[0], encode_edge[0].shape[0]), ROW), np.float32)
    hidden, out = np.empty((width, ROW), dtype=np.float32), np.empty((width, ROW), dtype=np.float32)
    h = np.zeros(((most_nodes + BLOCK - 1) // BLOCK, width, ROW), dtype=np.float32)
    e = np.zeros(((most_edges + BLOCK - 1) // BLOCK, width, ROW), dtype=np.float32)
    arriving, leaving = np.zeros_like(h), np.zeros_like(h)
    from_, to = np.empty(most_edges, dtype=np.int64), np.empty(most_edges, dtype=np.int64)
    for c in range(first, last):
        edge_low, n_edges = first_edge[c], first_edge[c + 1] - first_edge[c]
        node_low, n_nodes = first_node[c], first_node[c + 1] - first_node[c]
        for k in range(n_edges):
            s, t = a[edge_low + k], z[edge_low + k]
            from_[k] = s // BLOCK * (width * ROW) + s % BLOCK
            to[k] = t // BLOCK * (width * ROW) + t % BLOCK
        for low in range(0, n_nodes, BLOCK):
            _columns(node, nodes, node_low + low, min(BLOCK, n_nodes - low), inputs)
            # What was there before must not meet weights of 0: it may be infinite.
            inputs[node.shape[0] : encode_node[0].shape[0]] = ZERO
            _block(inputs, encode_node, hidden, h[low // BLOCK])
        for low in range(0, n_edges, BLOCK):
            _columns(edge, order, edge_low + low, min(BLOCK, n_edges - low), inputs)
            inputs[edge.shape[0] : encode_edge[0].shape[0]] = ZERO
            _block(inputs, encode_edge, hidden, e[low // BLOCK])
        for step in range(n_passes):
            for block in range((n_nodes + BLOCK - 1) // BLOCK):
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
            for block in range((n_nodes + BLOCK - 1) // BLOCK):
                _copy(h[block], inputs)
                _copy(arriving[block], inputs[width:])
                _copy(leaving[block], inputs[2 * width :])
                _block(inputs, (qw1[step], qb1[step], qw2[step], qb2[step]), hidden, out)
                _increase(h[block], out)
        for low in range(0, n_edges, BLOCK):
            size = min(BLOCK, n_edges - low)
            _gather(h, from_, low, size, inputs)
            _gather(h, to, low, size, inputs[width:])
            _copy(e[low // BLOCK], inputs[2 * width :])
            _block(inputs, classify, hidden, out)
            for b in range(size):
                scores[order[edge_low + low + b]] = ONE / (ONE + np.exp(-out[0, b]))


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def count_outside(values: Any, low: Any, high: Any, counts: Any) -> None:
    """Fills (features,) with how many of (features, ...) are below or above a range."""
    for k in range(values.shape[0]):
        n = 0
        for b in range(values.shape[1]):
            n += (values[k, b] < low[k]) | (values[k, b] > high[k])
        counts[k] = n
