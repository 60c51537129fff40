"""What the kernels of networks of floating point and of whole numbers share (Numba): clusters in blocks, side
by side, from lists of pixels to the first dense layer.

Clusters of the same size lie at the same place of their windows. Blocks are of clusters in the order of their
size, so that little of a window has to be worked out: the patch that holds all pixels of a block. Beyond it a
window is empty, and what an empty window gives is in the biases. All inner loops run over the clusters of a
block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.networks.plan import SPAN

__all__ = [
    "BLOCK", "accumulate", "by_size", "column_lines", "fill_patch", "layer", "line_sums", "patch_of",
]  # fmt: skip

BLOCK = 64
"""Clusters that are worked out together."""


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def accumulate(x: Any, low: int, high: int, weight: Any, out: Any) -> None:
    """out (width, BLOCK) += weight[low:high]^T x[low:high] for x (inputs, BLOCK).

    Inputs are taken by four, from multiples of four on: what a cluster gets does not depend on the others of
    its block, as long as what they do not share is 0.
    """
    width = len(out)
    pairs = width - width % 2
    # Rows that are one array, at a known distance: the compiler sees that no sum is an input, and has both in
    # one loop.
    flat, sums = x.reshape(-1), out.reshape(-1)
    for i in range(low - low % 4, high, 4):
        a = flat[i * BLOCK : (i + 4) * BLOCK]
        # A sum is read and written once for four products, and an input once for two sums.
        for j in range(0, pairs, 2):
            own = sums[j * BLOCK : (j + 2) * BLOCK]
            v0, v1, v2, v3 = weight[i, j], weight[i + 1, j], weight[i + 2, j], weight[i + 3, j]
            k = j + 1
            w0, w1, w2, w3 = weight[i, k], weight[i + 1, k], weight[i + 2, k], weight[i + 3, k]
            for b in range(BLOCK):
                a0, a1, a2, a3 = a[b], a[b + BLOCK], a[b + 2 * BLOCK], a[b + 3 * BLOCK]
                own[b] += v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3
                own[b + BLOCK] += w0 * a0 + w1 * a1 + w2 * a2 + w3 * a3
        for j in range(pairs, width):
            v0, v1, v2, v3 = weight[i, j], weight[i + 1, j], weight[i + 2, j], weight[i + 3, j]
            last = out[j]
            for b in range(BLOCK):
                last[b] += v0 * a[b] + v1 * a[b + BLOCK] + v2 * a[b + 2 * BLOCK] + v3 * a[b + 3 * BLOCK]


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def layer(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """out (width, BLOCK) = bias + weight^T x for x (inputs, BLOCK), inputs padded to a multiple of 4."""
    for j in range(len(bias)):
        for b in range(BLOCK):
            out[j, b] = bias[j]
    accumulate(x, 0, weight.shape[0], weight, out[: len(bias)])


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def by_size(rows: Any, box: Any, n_rows: int, n_columns: int) -> Any:
    """Places in ``rows``, those of clusters of the same size after one another.

    Args:
        box: (N, 4) of :class:`smartpix.outlines.Outlines`.
    """
    size = np.empty(len(rows), dtype=np.int64)
    first = np.zeros((n_columns + 1) * (n_rows + 1) + 1, dtype=np.int64)
    for i in range(len(rows)):
        k = rows[i]
        high = min(max(box[k, 1] - box[k, 0] + 1, 0), n_rows)
        wide = min(max(box[k, 3] - box[k, 2] + 1, 0), n_columns)
        # To and fro, so that neighbours are alike.
        size[i] = wide * (n_rows + 1) + (high if wide % 2 else n_rows - high)
        first[size[i] + 1] += 1
    for s in range(1, len(first)):
        first[s] += first[s - 1]
    order = np.empty(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        order[first[size[i]]] = i
        first[size[i]] += 1
    return order


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def patch_of(block: Any, box: Any, origin: Any, n_rows: int, n_columns: int) -> Any:
    """First row and column, and numbers of both, of what clusters ``block`` span of their windows.

    Args:
        box: (N, 4) of all clusters; origin: (N, 2) row and column where their windows start.
    """
    low_row, high_row, low_column, high_column = n_rows, 0, n_columns, 0
    for b in range(len(block)):
        k = block[b]
        low_row = min(low_row, max(box[k, 0] - origin[k, 0], 0))
        high_row = max(high_row, min(box[k, 1] - origin[k, 0] + 1, n_rows))
        low_column = min(low_column, max(box[k, 2] - origin[k, 1], 0))
        high_column = max(high_column, min(box[k, 3] - origin[k, 1] + 1, n_columns))
    if high_row <= low_row or high_column <= low_column:
        return 0, 0, 0, 0
    return low_row, low_column, high_row - low_row, high_column - low_column


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def fill_patch(
    block: Any, start: Any, counts: Any, row: Any, column: Any, value: Any, origin: Any, row0: int,
    column0: int, margin: int, patch: Any,
) -> None:  # fmt: skip
    """Values (K, S) of pixels of clusters ``block`` in a patch (S, rows, columns + 2 * margin, BLOCK) that
    begins at (row0, column0) of their windows; pixels outside are left out, and the margins are empty.
    """
    n_slices, high, across = patch.shape[:3]
    wide = across - 2 * margin
    flat, slice_size = patch.reshape(-1), high * across * BLOCK
    flat[:] = 0
    for b in range(len(block)):
        k = block[b]
        r0, c0 = origin[k, 0] + row0, origin[k, 1] + column0
        for i in range(start[k], start[k] + counts[k]):
            r, c = np.int64(row[i]) - r0, np.int64(column[i]) - c0
            if 0 <= r < high and 0 <= c < wide:
                at = (r * across + c + margin) * BLOCK + b
                # A loop over one or two slices costs more than what it does.
                flat[at] = value[i, 0]
                if n_slices > 1:
                    flat[at + slice_size] = value[i, 1]
                for s in range(2, n_slices):
                    flat[at + s * slice_size] = value[i, s]


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def column_lines(patch: Any, row0: int, column0: int, first: Any, bias: Any, line: Any) -> Any:
    """A front of filters over columns, before its activation: those rows of ``line`` ((columns + C' - 1) * F,
    BLOCK) that a patch reaches; returns the first of these rows and the end.

    Args:
        patch: of :func:`fill_patch`, of charges or codes, with margins of C' - 1 columns.
        first: (S, R, C' * F) as :attr:`smartpix.networks.fused.FusedNetwork.first`; bias: (F,).
    """
    n_slices, high, across = patch.shape[:3]
    n_filters = len(bias)
    low, end = column0 * n_filters, (column0 + max(across - (SPAN - 1), 0) * (high > 0)) * n_filters
    # Groups of four inputs of the next layer may reach beyond.
    line[low - low % 4 : low] = 0
    line[end : end + (-end) % 4] = 0
    flat = patch.reshape(-1)
    for i in range(low, end):
        q, f, own = i // n_filters - column0, i % n_filters, line[i]
        for b in range(BLOCK):
            own[b] = bias[f]
        for r in range(high):
            for s in range(0, n_slices, 2):
                # Two slices at a time: a sum is read and written once for both.
                t = s + 1 if s + 1 < n_slices else s
                v, w = first[s, row0 + r], first[t, row0 + r]
                # A place sees three columns, the last one first.
                v0, v1, v2 = v[f], v[n_filters + f], v[2 * n_filters + f]
                w0, w1, w2 = w[f], w[n_filters + f], w[2 * n_filters + f]
                if t == s:
                    w0, w1, w2 = w0 - w0, w1 - w1, w2 - w2
                at, also = ((s * high + r) * across + q) * BLOCK, ((t * high + r) * across + q) * BLOCK
                x, y = flat[at : at + SPAN * BLOCK], flat[also : also + SPAN * BLOCK]
                for b in range(BLOCK):
                    own[b] += (
                        v2 * x[b] + v1 * x[b + BLOCK] + v0 * x[b + 2 * BLOCK]
                        + w2 * y[b] + w1 * y[b + BLOCK] + w0 * y[b + 2 * BLOCK]
                    )  # fmt: skip
    return low, end


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def line_sums(patch: Any, first: int, margin: int, over_rows: int, sums: Any) -> Any:
    """Sums of a patch over each of its rows, else columns, in ``sums`` (lines * S, BLOCK), slices of a line
    one after the other; returns the first of these and the end.

    Args:
        first: row, or column, of the window where the patch begins; margin: columns that do not count.
    """
    n_slices, high, wide = patch.shape[0], patch.shape[1], patch.shape[2] - 2 * margin
    lines, across = (high, wide) if over_rows else (wide, high)
    low, end = first * n_slices, (first + lines) * n_slices
    sums[low - low % 4 : end + (-end) % 4] = 0
    for k in range(lines):
        for s in range(n_slices):
            own = sums[low + k * n_slices + s]
            for m in range(across):
                x = patch[s, k, m + margin] if over_rows else patch[s, m, k + margin]
                for b in range(BLOCK):
                    own[b] += x[b]
    return low, end
