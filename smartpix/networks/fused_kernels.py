"""Kernels of :mod:`smartpix.networks.fused` (Numba): arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

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
from smartpix.networks.plan import CONV_FILTERS, FRONTS, POOL, SPAN, WINDOW

__all__ = ["BLOCK", "COLUMNS", "CONVOLUTION", "encode", "layer", "run", "tanh_terms"]

Singles = npt.NDArray[np.float32]

# 1 - tanh(8) is 2e-7, about what single precision rounds by.
TANH_REACH = np.float32(8.0)
TANH_TERMS = 6
LOG_TERMS = tuple(np.float32(2 / np.log(2) / k) for k in (1, 3, 5, 7, 9))
"""log2 m = sum of them times ((m - 1) / (m + 1))^k: good to 1e-9 between 2/3 and 4/3."""
TWO_THIRDS = np.int32(0x3F2AAAAB)
"""Bits of 2/3 in single precision."""
CONV_RUN = WINDOW * CONV_FILTERS
CONVOLUTION, COLUMNS = FRONTS.index("convolution"), FRONTS.index("columns")
ONE, ZERO, NINTH = np.float32(1.0), np.float32(0.0), np.float32(1.0 / POOL**2)


@lru_cache(maxsize=1)
def tanh_terms() -> Singles:
    """Coefficients of u P(u^2) / Q(u^2) = tanh(u * TANH_REACH), |u| <= 1, by least squares: 6 in P, then 6 in
    Q.

    Good to 1e-11, so that single precision sets the accuracy; plain arithmetic, so that loops over it are
    vectorised.
    """
    u = np.cos(np.pi * (np.arange(4000) + 0.5) / 4000) * 0.5 + 0.5
    y = np.tanh(u * float(TANH_REACH))
    powers = u[:, None] ** (2 * np.arange(TANH_TERMS))
    weight = np.ones_like(u)
    q = np.ones(TANH_TERMS)
    for _ in range(30):
        matrix = np.hstack([u[:, None] * powers, -y[:, None] * powers[:, 1:]]) * weight[:, None]
        solved = np.linalg.lstsq(matrix, y * weight, rcond=None)[0]
        p, q[1:] = solved[:TANH_TERMS], solved[TANH_TERMS:]
        # Multiplied by its denominator the fit is linear, but weighted with it. The last round's denominator
        # takes the weight out again (C. Sanathanan and J. Koerner, IEEE Trans. Autom. Control 8 (1963) 56).
        weight = 1 / np.abs(powers @ q)
    return np.concatenate([p, q]).astype(np.float32)


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _activate(x: Any, t: Any) -> None:
    """tanh by its terms, or ReLU where there are none, in place, of a contiguous array."""
    if len(t) == 0:
        for i in range(len(x)):
            x[i] = max(x[i], ZERO)
        return
    a0, a1, a2, a3, a4, a5 = t[0], t[1], t[2], t[3], t[4], t[5]
    b0, b1, b2, b3, b4, b5 = t[6], t[7], t[8], t[9], t[10], t[11]
    scale = ONE / TANH_REACH
    for i in range(len(x)):
        u = x[i] * scale
        u = ONE if u > ONE else u
        u = -ONE if u < -ONE else u
        v = u * u
        top = a0 + v * (a1 + v * (a2 + v * (a3 + v * (a4 + v * a5))))
        x[i] = u * top / (b0 + v * (b1 + v * (b2 + v * (b3 + v * (b4 + v * b5)))))


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def encode(charge: Any, scale: Any, factor: Any) -> None:
    """In place sign * log2(1 + |q| scale) * factor of a contiguous array; plain arithmetic, so that the loop
    is vectorised.
    """
    c1, c3, c5, c7, c9 = LOG_TERMS
    for i in range(len(charge)):
        q = charge[i]
        # Split into 2^exponent times a mantissa between 2/3 and 4/3.
        bits = np.float32(ONE + abs(q) * scale).view(np.int32)
        exponent = np.int32((bits - TWO_THIRDS) >> 23)
        mantissa = np.int32(bits - (exponent << 23)).view(np.float32)
        s = (mantissa - ONE) / (mantissa + ONE)
        t = s * s
        value = (np.float32(exponent) + s * (c1 + t * (c3 + t * (c5 + t * (c7 + t * c9))))) * factor
        charge[i] = value if q >= ZERO else -value


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _convolution(
    n: int, where: Any, value: Any, n_rows: int, pooled_rows: int, pooled_columns: int, first: Any,
    bias: Any, mix: Any, mix_bias: Any, x: Any, terms: Any, maps: Any, hidden: Any, mixed: Any, quiet: Any,
) -> None:  # fmt: skip
    """Fill x with the pooled map; places no fired pixel reaches have the constant output ``quiet``.

    ``maps`` (rows, (columns + 2) * filters), ``hidden`` and ``mixed`` (rows * columns, filters) are room for
    the layers.
    """
    n_slices = first.shape[0]
    used_rows, used_columns = POOL * pooled_rows, POOL * pooled_columns
    low_r, high_r, low_c, high_c = used_rows, 0, used_columns, 0
    for i in range(n):
        low_r, high_r = min(low_r, where[i, 0] - 2), max(high_r, where[i, 0] + 1)
        low_c, high_c = min(low_c, where[i, 1] - 2), max(high_c, where[i, 1] + 1)
    low_r, high_r = max(low_r, 0), min(high_r, used_rows)
    # A place of the map is two further right than its column, so that a pixel's three places always exist.
    for r in range(low_r, high_r):
        for c in range(low_c + 2, high_c + 2):
            for f in range(CONV_FILTERS):
                maps[r, c * CONV_FILTERS + f] = bias[f]
    for i in range(n):
        at = where[i, 1] * CONV_FILTERS
        for s in range(n_slices):
            v = value[i, s]
            if v == ZERO:
                continue
            for dr in range(WINDOW):
                r = where[i, 0] - dr
                if 0 <= r < used_rows:
                    for f in range(CONV_RUN):
                        maps[r, at + f] += v * first[s, dr, f]
    for p in range(pooled_rows * pooled_columns):
        for f in range(CONV_FILTERS):
            x[p * CONV_FILTERS + f] = quiet[f]
    low_c, high_c = max(low_c, 0), min(high_c, used_columns)
    width = high_c - low_c
    if width <= 0 or high_r <= low_r:
        return
    size = width * (high_r - low_r)
    for r in range(low_r, high_r):
        for c in range(width):
            for f in range(CONV_FILTERS):
                hidden[(r - low_r) * width + c, f] = maps[r, (low_c + c + 2) * CONV_FILTERS + f]
    _activate(hidden[:size].reshape(-1), terms)
    for p in range(size):
        for g in range(CONV_FILTERS):
            total = mix_bias[g]
            for f in range(CONV_FILTERS):
                total += hidden[p, f] * mix[f, g]
            mixed[p, g] = total
    _activate(mixed[:size].reshape(-1), terms)
    for r in range(low_r, high_r):
        for c in range(width):
            at = ((r // POOL) * pooled_columns + (low_c + c) // POOL) * CONV_FILTERS
            for g in range(CONV_FILTERS):
                x[at + g] += (mixed[(r - low_r) * width + c, g] - quiet[g]) * NINTH


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _quiet(bias: Any, mix: Any, mix_bias: Any, terms: Any) -> Any:
    """Output of the convolution network's second layer where there is no charge."""
    hidden = bias.copy()
    _activate(hidden, terms)
    out = mix_bias.copy()
    for g in range(len(out)):
        for f in range(mix.shape[0]):
            out[g] += hidden[f] * mix[f, g]
    _activate(out, terms)
    return out


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def _in_window(
    low: int, high: int, row: Any, column: Any, value: Any, row0: int, column0: int, n_rows: int,
    n_columns: int, place: Any, own: Any,
) -> int:  # fmt: skip
    """Rows and columns (K, 2) and values (K, S) of a cluster's pixels low to high within its window; returns
    how many.
    """
    n = 0
    for i in range(low, high):
        r, c = np.int64(row[i]) - row0, np.int64(column[i]) - column0
        if 0 <= r < n_rows and 0 <= c < n_columns and n < len(place):
            place[n, 0], place[n, 1] = r, c
            own[n] = value[i]
            n += 1
    return n


@njit(cache=True, fastmath=FAST, error_model="numpy", nogil=True)
def run(
    rows: Any, start: Any, counts: Any, row: Any, column: Any, value: Any, origin: Any, box: Any, shape: Any,
    layout: Any, first: Any, first_bias: Any, mix: Any, mix_bias: Any, dense: Any, terms: Any, out: Any,
) -> None:  # fmt: skip
    """Clusters ``rows`` (R,) of lists of pixels to raw outputs ``out``, (O, BLOCK) of each block.

    Args:
        rows: best in the order of :meth:`smartpix.networks.lists.PixelLists.by_size`.
        value: (K, S) encoded charges.
        origin: (N, 2) row and column where the windows start; box: (N, 4) of
            :class:`smartpix.outlines.Outlines`; others: of :class:`smartpix.networks.fused.FusedNetwork`.
        layout: :attr:`smartpix.networks.plan.Plan.layout`.
        terms: of :func:`tanh_terms`; none for ReLU.
    """
    n_slices, n_rows, n_columns = shape
    front, map_rows, map_columns, of_columns, of_rows = layout
    n_filters, n_front, n_pixels = len(first_bias), len(dense.front), n_rows * n_columns
    margin = SPAN - 1 if front == COLUMNS else 0
    room = np.empty(n_slices * n_rows * (n_columns + 2 * margin) * BLOCK, dtype=np.float32)
    line = np.zeros((n_front, BLOCK), dtype=np.float32)
    columns = np.zeros((len(dense.column_sums), BLOCK), dtype=np.float32)
    lines = np.zeros((len(dense.row_sums), BLOCK), dtype=np.float32)
    # Rows of zeros where the next layer's weights are padded.
    h1 = np.zeros((len(dense.weight2), BLOCK), dtype=np.float32)
    h2 = np.zeros((len(dense.weight3), BLOCK), dtype=np.float32)
    of_lists = front == CONVOLUTION
    place = np.empty((n_pixels * of_lists, 2), dtype=np.int64)
    own = np.empty((n_pixels * of_lists, n_slices), dtype=np.float32)
    maps = np.zeros((n_rows * of_lists, (n_columns + 2) * n_filters), dtype=np.float32)
    hidden = np.empty((n_pixels * of_lists, len(mix_bias)), dtype=np.float32)
    mixed, inputs = hidden.copy(), np.empty(map_rows * map_columns * n_filters, dtype=np.float32)
    constant = _quiet(first_bias, mix, mix_bias, terms) if front == CONVOLUTION else first_bias
    quiet = np.empty((n_filters, BLOCK), dtype=np.float32)
    for f in range(n_filters):
        quiet[f] = first_bias[f]
    _activate(quiet.reshape(-1), terms)
    for low in range(0, len(rows), BLOCK):
        block = rows[low : low + BLOCK]
        n = len(block)
        row0, column0, high, wide = patch_of(block, box, origin, n_rows, n_columns)
        across = wide + 2 * margin if wide else 0
        patch = room[: n_slices * high * across * BLOCK].reshape((n_slices, high, across, BLOCK))
        for j in range(len(dense.bias1)):
            for b in range(BLOCK):
                h1[j, b] = dense.bias1[j]
        h = h1[: len(dense.bias1)]
        if front != CONVOLUTION or of_columns or of_rows:
            fill_patch(block, start, counts, row, column, value, origin, row0, column0, margin, patch)
        if front == COLUMNS:
            begins, ends = column_lines(patch, row0, column0, first, first_bias, line)
            _activate(line[begins:ends].reshape(-1), terms)
            # What an empty window gives is in the biases: where no charge reaches, nothing is left.
            for i in range(begins, ends):
                for b in range(BLOCK):
                    line[i, b] -= quiet[i % n_filters, b]
            accumulate(line, begins, ends, dense.front, h)
        elif front == CONVOLUTION:
            for b in range(n):
                k = block[b]
                fired = _in_window(
                    start[k], start[k] + counts[k], row, column, value, origin[k, 0], origin[k, 1], n_rows,
                    n_columns, place, own,
                )  # fmt: skip
                _convolution(
                    fired, place, own, n_rows, map_rows, map_columns, first, first_bias, mix, mix_bias,
                    inputs, terms, maps, hidden, mixed, constant,
                )  # fmt: skip
                for i in range(len(inputs)):
                    line[i, b] = inputs[i]
            accumulate(line, 0, n_front, dense.front, h)
        if of_columns:
            begins, ends = line_sums(patch, column0, margin, False, columns)
            accumulate(columns, begins, ends, dense.column_sums, h)
        if of_rows:
            begins, ends = line_sums(patch, row0, margin, True, lines)
            accumulate(lines, begins, ends, dense.row_sums, h)
        _activate(h.reshape(-1), terms)
        layer(h1, dense.weight2, dense.bias2, h2)
        _activate(h2[: len(dense.bias2)].reshape(-1), terms)
        layer(h2, dense.weight3, dense.bias3, out[low // BLOCK])
