"""Kernels of :mod:`smartpix.chip.fused` (Numba): whole numbers in, whole numbers out.

They are kept in floating point, which holds and adds them exactly up to 2^24 (single) or 2^53 (double) and
multiplies faster than whole registers do; :func:`smartpix.chip.fused.fuse_fixed` picks what holds the
network's largest sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit
from smartpix.networks.fused_kernels import BLOCK, COLUMNS, CONVOLUTION, columns, layer, projections
from smartpix.networks.plan import POOL, WINDOW

__all__ = ["run_fixed"]

NINE, ONE, ZERO = np.float32(POOL**2), np.float32(1.0), np.float32(0.0)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _cut(x: Any, to: Any) -> None:
    """In place: times ``to[0]``, a power of two, cut off; saturated between ``to[1]`` and ``to[2]``."""
    scale, low, high = to[0], to[1], to[2]
    for i in range(len(x)):
        x[i] = min(max(np.floor(x[i] * scale), low), high)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
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


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _code(charge: Any, below: Any, above: Any, code: Any) -> None:
    """Codes of charges: edge by edge and without branches, so that the inner loops are vectorised."""
    for i in range(len(charge)):
        code[i] = ZERO
    for k in range(len(above)):
        edge = above[k]
        for i in range(len(charge)):
            code[i] += ONE if charge[i] >= edge else ZERO
    for k in range(len(below)):
        edge = below[k]
        for i in range(len(charge)):
            code[i] -= ONE if charge[i] <= edge else ZERO


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def run_fixed(
    start: Any, counts: Any, row: Any, column: Any, charge: Any, shape: Any, layout: Any,
    below: Any, above: Any, first: Any, pointwise: Any, first_bias: Any, mix: Any, mix_bias: Any,
    dense: Any, cuts: Any,
) -> Any:  # fmt: skip
    """Lists of pixels (charge in e) to outputs (N, 14).

    Args:
        layout: see :attr:`smartpix.networks.plan.Plan.layout`.
        below, above: negative edges, descending, and positive ones, ascending (e, single precision).
        cuts: (7, 3): of the first layer, the second, and both hidden dense layers: scale, lowest, highest;
            then the scale before the division by nine; then of the averages, and of the outputs.
    """
    n_slices, n_rows, n_columns = shape
    front, map_rows, map_columns, of_columns, of_rows = layout
    total = len(start)
    kind_of = dense[0].dtype
    n_front = map_rows * map_columns * (len(mix_bias) if front == CONVOLUTION else len(first_bias))
    out = np.empty((total, len(dense[5])), dtype=kind_of)
    n_inputs = dense[0].shape[0]
    # The row sums have a fixed place: among the inputs or, where the network does not read them, behind.
    sums_at = n_front + n_slices * n_columns * of_columns if of_rows else n_inputs
    sums_end = sums_at + n_slices * n_rows
    rows = np.zeros((BLOCK, max(n_inputs, sums_end)), dtype=kind_of)
    # Rows of zeros where the next layer's weights are padded.
    x = np.zeros((n_inputs, BLOCK), dtype=kind_of)
    h1 = np.zeros((dense[2].shape[0], BLOCK), dtype=kind_of)
    h2 = np.zeros((dense[4].shape[0], BLOCK), dtype=kind_of)
    h3 = np.empty((len(dense[5]), BLOCK), dtype=kind_of)
    line = np.empty((n_columns + 2) * max(len(first_bias), 1), dtype=kind_of)
    image = np.zeros((n_slices, n_rows, n_columns, BLOCK if front == CONVOLUTION else 0), dtype=kind_of)
    depth = np.zeros((pointwise.shape[0], BLOCK), dtype=kind_of)
    hidden = np.zeros((mix.shape[0], BLOCK), dtype=kind_of)
    mixed = np.empty((len(mix_bias), BLOCK), dtype=kind_of)
    # The pixels of a block, one cluster after the other: edges are gone through once for all of them.
    n_pixels = n_rows * n_columns
    begin = np.zeros(BLOCK + 1, dtype=np.int64)
    where = np.empty((BLOCK * n_pixels, 2), dtype=np.int64)
    value = np.empty((BLOCK * n_pixels, n_slices), dtype=np.float32)
    code = np.empty((BLOCK * n_pixels, n_slices), dtype=kind_of)
    for low in range(0, total, BLOCK):
        high = min(low + BLOCK, total)
        n = 0
        for k in range(low, high):
            most = n + n_pixels
            for i in range(start[k], start[k] + counts[k]):
                if 0 <= row[i] < n_rows and 0 <= column[i] < n_columns and n < most:
                    where[n, 0], where[n, 1] = row[i], column[i]
                    for s in range(n_slices):
                        value[n, s] = charge[i, s]
                    n += 1
            begin[k - low + 1] = n
        _code(value[:n].reshape(-1), below, above, code[:n].reshape(-1))
        if front == CONVOLUTION:
            image[:] = ZERO
            for b in range(high - low):
                for i in range(begin[b], begin[b + 1]):
                    for s in range(n_slices):
                        image[s, where[i, 0], where[i, 1], b] = code[i, s]
            _convolution(
                image,
                map_rows,
                map_columns,
                first,
                pointwise,
                first_bias,
                mix,
                mix_bias,
                cuts,
                x,
                depth,
                hidden,
                mixed,
            )
        if front == COLUMNS or of_columns or of_rows:
            for b in range(high - low):
                n = begin[b + 1] - begin[b]
                places, codes = where[begin[b] : begin[b + 1]], code[begin[b] : begin[b + 1]]
                if of_columns or (of_rows and front != COLUMNS):
                    projections(
                        n, places, codes, n_rows, n_columns, of_columns, of_rows, rows[b, n_front:n_inputs]
                    )
                if front == COLUMNS:
                    sums = rows[b, sums_at:sums_end]
                    filled = columns(
                        n, places, codes, n_rows, n_columns, first, first_bias, rows[b], sums, line
                    )
                    _cut(rows[b, :filled], cuts[0])
            # The convolution has filled its part for all clusters at once.
            for i in range(n_front if front == CONVOLUTION else 0, n_inputs):
                for b in range(BLOCK):
                    x[i, b] = rows[b, i]
        layer(x, dense[0], dense[1], h1)
        _cut(h1[: len(dense[1])].reshape(-1), cuts[2])
        layer(h1, dense[2], dense[3], h2)
        _cut(h2[: len(dense[3])].reshape(-1), cuts[3])
        layer(h2, dense[4], dense[5], h3)
        _cut(h3.reshape(-1), cuts[6])
        for b in range(high - low):
            for j in range(out.shape[1]):
                out[low + b, j] = h3[j, b]
    return out
