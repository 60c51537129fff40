"""Kernels of :mod:`smartpix.fixed_inference` (Numba): whole numbers in, whole numbers out.

They are kept in floating point, which holds and adds them exactly up to 2^24 (single) or 2^53 (double) and multiplies faster than
whole registers do; :func:`smartpix.fixed_inference.fuse_fixed` picks what holds the network's largest sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from smartpix.kernels import BLOCK, layer, projections

__all__ = ["run_fixed"]

NINE, ONE, ZERO = np.float32(9.0), np.float32(1.0), np.float32(0.0)
LANES = 8
"""Filters of the convolutions are padded to a multiple of it: a loop of known length is one instruction."""


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _cut(x: Any, to: Any) -> None:
    """In place: times ``to[0]``, a power of two, cut off; saturated between ``to[1]`` and ``to[2]``."""
    scale, low, high = to[0], to[1], to[2]
    for i in range(len(x)):
        x[i] = min(max(np.floor(x[i] * scale), low), high)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _columns(
    n: int, where: Any, code: Any, n_rows: int, n_columns: int, first: Any, bias: Any, cuts: Any, x: Any, line: Any
) -> None:
    """Fill x with the activated columns and the row sums, in one unit; see :func:`smartpix.kernels._columns`."""
    n_slices, length, n_filters = first.shape[0], first.shape[2], len(bias)
    span = length // n_filters
    flat = (n_columns - span + 1) * n_filters
    before = (span - 1) * n_filters
    for p in range(n_columns + span - 1):
        for f in range(n_filters):
            line[p * n_filters + f] = bias[f]
    x[flat : flat + n_slices * n_rows] = 0
    whole = length & ~3
    for i in range(n):
        r, at = where[i, 0], where[i, 1] * n_filters
        for s in range(n_slices):
            v = code[i, s]
            if v == 0:
                continue
            x[flat + s * n_rows + r] += v * cuts[4, 1]
            # Groups of four: a loop of known length is one instruction.
            for g in range(0, whole, 4):
                for f in range(4):
                    line[at + g + f] += v * first[s, r, g + f]
            for f in range(whole, length):
                line[at + f] += v * first[s, r, f]
    x[:flat] = line[before : before + flat]
    _cut(x[:flat], cuts[0])
    for i in range(flat):
        x[i] *= cuts[4, 0]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _convolution(
    n: int, where: Any, code: Any, n_rows: int, n_columns: int, first: Any, bias: Any, mix: Any, mix_bias: Any, cuts: Any, x: Any,
    maps: Any, hidden: Any, mixed: Any, quiet: Any,
) -> None:  # fmt: skip
    """Fill x with the pooled map; see :func:`smartpix.kernels._convolution`. Filters are padded, but for those of ``quiet``."""
    n_slices, n_first, n_mixed = first.shape[0], len(bias), len(quiet)
    lanes = len(mix_bias)
    length = 3 * n_first
    pooled_rows, pooled_columns = (n_rows - 2) // 3, (n_columns - 2) // 3
    used_rows, used_columns = 3 * pooled_rows, 3 * pooled_columns
    low_r, high_r, low_c, high_c = n_rows, 0, n_columns, 0
    for i in range(n):
        low_r, high_r = min(low_r, where[i, 0] - 2), max(high_r, where[i, 0] + 1)
        low_c, high_c = min(low_c, where[i, 1] - 2), max(high_c, where[i, 1] + 1)
    low_r, high_r = max(low_r, 0), min(high_r, used_rows)
    for r in range(low_r, high_r):
        for c in range(low_c + 2, high_c + 2):
            for g in range(0, n_first, LANES):
                for f in range(LANES):
                    maps[r, c * n_first + g + f] = bias[g + f]
    for i in range(n):
        at = where[i, 1] * n_first
        for s in range(n_slices):
            v = code[i, s]
            if v == 0:
                continue
            for dr in range(3):
                r = where[i, 0] - dr
                if 0 <= r < used_rows:
                    for g in range(0, length, LANES):
                        for f in range(LANES):
                            maps[r, at + g + f] += v * first[s, dr, g + f]
    for p in range(pooled_rows * pooled_columns):
        for g in range(n_mixed):
            x[p * n_mixed + g] = NINE * quiet[g]
    low_c, high_c = max(low_c, 0), min(high_c, used_columns)
    width = high_c - low_c
    if width > 0 and high_r > low_r:
        size = width * (high_r - low_r)
        scale, low, high = cuts[0, 0], cuts[0, 1], cuts[0, 2]
        for r in range(low_r, high_r):
            for c in range(width):
                for g in range(0, n_first, LANES):
                    for f in range(LANES):
                        v = np.floor(maps[r, (low_c + c + 2) * n_first + g + f] * scale)
                        hidden[(r - low_r) * width + c, g + f] = min(max(v, low), high)
        for p in range(size):
            for g in range(0, lanes, LANES):
                for k in range(LANES):
                    mixed[p, g + k] = mix_bias[g + k]
                for f in range(len(mix)):
                    h = hidden[p, f]
                    for k in range(LANES):
                        mixed[p, g + k] += h * mix[f, g + k]
        _cut(mixed[:size].reshape(-1), cuts[1])
        for r in range(low_r, high_r):
            for c in range(width):
                at = ((r // 3) * pooled_columns + (low_c + c) // 3) * n_mixed
                p = (r - low_r) * width + c
                for g in range(n_mixed):
                    x[at + g] += mixed[p, g] - quiet[g]
    more = cuts[4, 0]
    for i in range(pooled_rows * pooled_columns * n_mixed):
        # A quotient that is not whole is a ninth away from the next whole number, far more than it is rounded by.
        x[i] = np.floor(x[i] * more / NINE)
    _cut(x[: pooled_rows * pooled_columns * n_mixed], cuts[5])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _quiet(bias: Any, mix: Any, mix_bias: Any, cuts: Any) -> Any:
    """Output of the convolution network's second layer where every code is 0."""
    hidden = bias.copy()
    _cut(hidden, cuts[0])
    out = mix_bias.copy()
    for g in range(len(out)):
        for f in range(mix.shape[0]):
            out[g] += hidden[f] * mix[f, g]
    _cut(out, cuts[1])
    return out


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
    start: Any, counts: Any, row: Any, column: Any, charge: Any, shape: Any, kind: int, below: Any, above: Any, first: Any,
    first_bias: Any, mix: Any, mix_bias: Any, n_mixed: int, dense: Any, cuts: Any,
) -> Any:  # fmt: skip
    """Lists of pixels (charge in e) to outputs (N, 14).

    Args:
        n_mixed: filters of the second layer, without those it is padded with.
        below, above: negative edges, descending, and positive ones, ascending (e, single precision).
        cuts: (7, 3): of the first layer, the second, and both hidden dense layers: scale, lowest, highest; then two scales
            (to the unit of the first dense layer, or before the division by nine); then of the averages, and of the outputs.
    """
    n_slices, n_rows, n_columns = shape
    total = len(start)
    kind_of = dense[0].dtype
    out = np.empty((total, len(dense[5])), dtype=kind_of)
    n_inputs = dense[0].shape[0]
    rows = np.zeros((BLOCK, n_inputs), dtype=kind_of)
    x = np.empty((n_inputs, BLOCK), dtype=kind_of)
    # Rows of zeros where the next layer's weights are padded.
    h1 = np.zeros((dense[2].shape[0], BLOCK), dtype=kind_of)
    h2 = np.zeros((dense[4].shape[0], BLOCK), dtype=kind_of)
    h3 = np.empty((len(dense[5]), BLOCK), dtype=kind_of)
    maps = np.zeros((n_rows, (n_columns + 2) * max(len(first_bias), 1)), dtype=kind_of)
    hidden = np.empty((n_rows * n_columns, len(first_bias)), dtype=kind_of)
    mixed = np.empty((n_rows * n_columns, len(mix_bias)), dtype=kind_of)
    quiet = _quiet(first_bias, mix, mix_bias, cuts)[:n_mixed] if kind == 0 else first_bias
    where = np.empty((n_rows * n_columns, 2), dtype=np.int64)
    value = np.empty((n_rows * n_columns, n_slices), dtype=np.float32)
    code = np.empty((n_rows * n_columns, n_slices), dtype=kind_of)
    for low in range(0, total, BLOCK):
        high = min(low + BLOCK, total)
        for k in range(low, high):
            n = 0
            for i in range(start[k], start[k] + counts[k]):
                if 0 <= row[i] < n_rows and 0 <= column[i] < n_columns and n < len(where):
                    where[n, 0], where[n, 1] = row[i], column[i]
                    for s in range(n_slices):
                        value[n, s] = charge[i, s]
                    n += 1
            _code(value[:n].reshape(-1), below, above, code[:n].reshape(-1))
            inputs = rows[k - low]
            if kind == 0:
                _convolution(
                    n, where, code, n_rows, n_columns, first, first_bias, mix, mix_bias, cuts, inputs, maps, hidden, mixed, quiet
                )
            elif kind == 1:
                projections(n, where, code, n_slices, n_rows, n_columns, inputs)
            else:
                _columns(n, where, code, n_rows, n_columns, first, first_bias, cuts, inputs, maps[0])
        for i in range(n_inputs):
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
