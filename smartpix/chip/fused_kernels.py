"""Kernels of :mod:`smartpix.chip.fused` (Numba): whole numbers in, whole numbers out.

They are kept in floating point, which holds and adds them exactly up to 2^24 (single) or 2^53 (double) and
multiplies faster than whole registers do; :func:`smartpix.chip.fused.fuse_fixed` picks what holds the
network's largest sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.networks.fused_blocks import (
    BLOCK,
    accumulate,
    column_lines,
    fill_patch,
    layer,
    line_sums,
    patch_of,
)
from smartpix.networks.fused_kernels import COLUMNS, CONVOLUTION
from smartpix.networks.plan import POOL, SPAN, WINDOW

__all__ = ["codes_of", "run_fixed"]

PART = 2048
"""Charges that the edges are gone through for together: few enough to stay in the cache."""

NINE, ONE, ZERO = np.float32(POOL**2), np.float32(1.0), np.float32(0.0)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _cut(x: Any, to: Any) -> None:
    """In place: times ``to[0]``, a power of two, cut off; saturated between ``to[1]`` and ``to[2]``."""
    scale, low, high = to[0], to[1], to[2]
    for i in range(len(x)):
        x[i] = min(max(np.floor(x[i] * scale), low), high)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _convolution(
    image: Any, pooled_rows: int, pooled_columns: int, depthwise: Any, pointwise: Any, bias: Any, mix: Any,
    mix_bias: Any, cuts: Any, x: Any, depth: Any, hidden: Any, mixed: Any,
) -> None:  # fmt: skip
    """Fill x (inputs, BLOCK) with the pooled maps of codes (S, R, C, BLOCK): all inner loops run over
    clusters.

    Every place is worked out: places beside each other in different clusters are one instruction, which
    following each cluster's pixels, as :func:`smartpix.networks.fused_kernels._convolution` does, is not.
    There the tanh, dear and not needed here, decides.
    """
    n_slices, n_mixed = image.shape[0], len(mix_bias)
    n = pooled_rows * pooled_columns * n_mixed
    x[:n] = ZERO
    for r in range(POOL * pooled_rows):
        for c in range(POOL * pooled_columns):
            for s in range(n_slices):
                for b in range(BLOCK):
                    depth[s, b] = ZERO
                for i in range(WINDOW):
                    w0, w1, w2 = depthwise[s, i, 0], depthwise[s, i, 1], depthwise[s, i, 2]
                    for b in range(BLOCK):
                        depth[s, b] += (
                            w0 * image[s, r + i, c, b]
                            + w1 * image[s, r + i, c + 1, b]
                            + w2 * image[s, r + i, c + 2, b]
                        )
            layer(depth, pointwise, bias, hidden)
            _cut(hidden.reshape(-1), cuts[0])
            layer(hidden, mix, mix_bias, mixed)
            _cut(mixed.reshape(-1), cuts[1])
            at = ((r // POOL) * pooled_columns + c // POOL) * n_mixed
            for g in range(n_mixed):
                for b in range(BLOCK):
                    x[at + g, b] += mixed[g, b]
    # A quotient that is not whole is a ninth away from the next whole number, far more than it is rounded by.
    more = cuts[4, 0]
    for i in range(n):
        for b in range(BLOCK):
            x[i, b] = np.floor(x[i, b] * more / NINE)
    _cut(x[:n].reshape(-1), cuts[5])


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def codes_of(charge: Any, below: Any, above: Any, code: Any) -> None:
    """Codes of charges: edge by edge and without branches, so that the inner loops are vectorised.

    Args:
        below, above: negative edges, descending, and positive ones, ascending (e, single precision).
    """
    for low in range(0, len(charge), PART):
        part, own = charge[low : low + PART], code[low : low + PART]
        for i in range(len(part)):
            own[i] = ZERO
        for k in range(len(above)):
            edge = above[k]
            for i in range(len(part)):
                own[i] += ONE if part[i] >= edge else ZERO
        for k in range(len(below)):
            edge = below[k]
            for i in range(len(part)):
                own[i] -= ONE if part[i] <= edge else ZERO


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def run_fixed(
    rows: Any, start: Any, counts: Any, row: Any, column: Any, code: Any, origin: Any, box: Any, shape: Any,
    layout: Any, first: Any, pointwise: Any, first_bias: Any, mix: Any, mix_bias: Any,
    dense: Any, cuts: Any, out: Any,
) -> None:  # fmt: skip
    """Clusters ``rows`` (R,) of lists of pixels to outputs ``out``, (O, BLOCK) of each block.

    Args:
        rows: best in the order of :meth:`smartpix.networks.lists.PixelLists.by_size`.
        origin: (N, 2) row and column where the windows start; box: (N, 4) of
            :class:`smartpix.outlines.Outlines`; others: of :class:`smartpix.chip.fused.FusedFixedNetwork`.
        code: (K, S) codes of the charges.
        layout: see :attr:`smartpix.networks.plan.Plan.layout`.
        cuts: (7, 3): of the first layer, the second, and both hidden dense layers: scale, lowest, highest;
            then the scale before the division by nine; then of the averages, and of the outputs.
    """
    n_slices, n_rows, n_columns = shape
    front, map_rows, map_columns, of_columns, of_rows = layout
    kind_of = dense[0].dtype
    n_filters, n_front = len(first_bias), len(dense.front)
    margin = SPAN - 1 if front == COLUMNS else 0
    room = np.empty(n_slices * n_rows * (n_columns + 2 * margin) * BLOCK, dtype=kind_of)
    line = np.zeros((n_front, BLOCK), dtype=kind_of)
    columns = np.zeros((len(dense.column_sums), BLOCK), dtype=kind_of)
    lines = np.zeros((len(dense.row_sums), BLOCK), dtype=kind_of)
    # Rows of zeros where the next layer's weights are padded.
    h1 = np.zeros((len(dense.weight2), BLOCK), dtype=kind_of)
    h2 = np.zeros((len(dense.weight3), BLOCK), dtype=kind_of)
    depth = np.zeros((pointwise.shape[0], BLOCK), dtype=kind_of)
    hidden = np.zeros((mix.shape[0], BLOCK), dtype=kind_of)
    mixed = np.empty((len(mix_bias), BLOCK), dtype=kind_of)
    quiet = first_bias.copy()
    _cut(quiet, cuts[0])
    for low in range(0, len(rows), BLOCK):
        block = rows[low : low + BLOCK]
        row0, column0, high, wide = patch_of(block, box, origin, n_rows, n_columns)
        if front == CONVOLUTION:
            # Whose constants are not the same at all places, so that none is left out.
            row0, column0, high, wide = 0, 0, n_rows, n_columns
        across = wide + 2 * margin if wide else 0
        patch = room[: n_slices * high * across * BLOCK].reshape((n_slices, high, across, BLOCK))
        fill_patch(block, start, counts, row, column, code, origin, row0, column0, margin, patch)
        for j in range(len(dense.bias1)):
            for b in range(BLOCK):
                h1[j, b] = dense.bias1[j]
        h = h1[: len(dense.bias1)]
        if front == COLUMNS:
            begins, ends = column_lines(patch, row0, column0, first, first_bias, line)
            _cut(line[begins:ends].reshape(-1), cuts[0])
            # What an empty window gives is in the biases: where no charge reaches, nothing is left.
            for i in range(begins, ends):
                for b in range(BLOCK):
                    line[i, b] -= quiet[i % n_filters]
            accumulate(line, begins, ends, dense.front, h)
        elif front == CONVOLUTION:
            _convolution(
                patch, map_rows, map_columns, first, pointwise, first_bias, mix, mix_bias, cuts, line, depth,
                hidden, mixed,
            )  # fmt: skip
            accumulate(line, 0, n_front, dense.front, h)
        if of_columns:
            begins, ends = line_sums(patch, column0, margin, False, columns)
            accumulate(columns, begins, ends, dense.column_sums, h)
        if of_rows:
            begins, ends = line_sums(patch, row0, margin, True, lines)
            accumulate(lines, begins, ends, dense.row_sums, h)
        _cut(h.reshape(-1), cuts[2])
        layer(h1, dense.weight2, dense.bias2, h2)
        _cut(h2[: len(dense.bias2)].reshape(-1), cuts[3])
        layer(h2, dense.weight3, dense.bias3, out[low // BLOCK])
        _cut(out[low // BLOCK].reshape(-1), cuts[6])
