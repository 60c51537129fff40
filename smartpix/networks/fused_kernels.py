"""Kernels of :mod:`smartpix.networks.fused` (Numba): arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.networks.plan import CONV_FILTERS, FRONTS, POOL, WINDOW

__all__ = ["BLOCK", "COLUMNS", "CONVOLUTION", "columns", "layer", "projections", "run", "tanh_terms"]

Singles = npt.NDArray[np.float32]

# 1 - tanh(8) is 2e-7, about what single precision rounds by.
TANH_REACH = np.float32(8.0)
TANH_TERMS = 6
BLOCK = 64
"""Clusters whose dense layers are worked out together."""
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
def _tanh(x: Any, t: Any) -> None:
    """In place, of a contiguous array."""
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
def layer(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """out (width, BLOCK) = bias + weight^T x for x (inputs, BLOCK): the inner loop runs over clusters."""
    for j in range(len(bias)):
        for b in range(BLOCK):
            out[j, b] = bias[j]
    # Four inputs at a time: a sum is read and written once for four products.
    for i in range(0, weight.shape[0], 4):
        for j in range(len(bias)):
            w0, w1, w2, w3 = weight[i, j], weight[i + 1, j], weight[i + 2, j], weight[i + 3, j]
            for b in range(BLOCK):
                out[j, b] += w0 * x[i, b] + w1 * x[i + 1, b] + w2 * x[i + 2, b] + w3 * x[i + 3, b]


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _dense(rows: Any, n: int, dense: Any, x: Any, h1: Any, h2: Any, h3: Any, terms: Any, out: Any) -> None:
    """Dense layers of the first n rows (BLOCK, inputs) into out (n, 14); the rest is room for what lies
    between.
    """
    for i in range(x.shape[0]):
        for b in range(BLOCK):
            x[i, b] = rows[b, i]
    layer(x, dense[0], dense[1], h1)
    _tanh(h1.reshape(-1), terms)
    layer(h1, dense[2], dense[3], h2)
    _tanh(h2.reshape(-1), terms)
    layer(h2, dense[4], dense[5], h3)
    for b in range(n):
        for j in range(out.shape[1]):
            out[b, j] = h3[j, b]


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _encode(charge: Any, scale: Any, factor: Any) -> None:
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
def columns(
    n: int, where: Any, value: Any, n_rows: int, n_columns: int, first: Any, bias: Any, x: Any, sums: Any,
    line: Any,
) -> Any:  # fmt: skip
    """Fill the start of x with the columns' sums before their activation, and ``sums`` with the row sums,
    wanted or not; returns how many of x are filled.

    Charge or codes, in the type of ``line``. Both sums come from one pass over the pixels: a second one takes
    a tenth of the network's time, and asking at each pixel half of that. ``line`` is room for the columns
    with those beyond both edges.
    """
    n_slices, length, n_filters = first.shape[0], first.shape[2], len(bias)
    span = length // n_filters
    flat = (n_columns - span + 1) * n_filters
    before = (span - 1) * n_filters
    for p in range(n_columns + span - 1):
        for f in range(n_filters):
            line[p * n_filters + f] = bias[f]
    sums[:] = 0
    whole = length & ~3
    for i in range(n):
        r, at = where[i, 0], where[i, 1] * n_filters
        for s in range(n_slices):
            v = value[i, s]
            if v == 0:
                continue
            sums[s * n_rows + r] += v
            # Groups of four: a loop of known length is one instruction.
            for g in range(0, whole, 4):
                for f in range(4):
                    line[at + g + f] += v * first[s, r, g + f]
            for f in range(whole, length):
                line[at + f] += v * first[s, r, f]
    x[:flat] = line[before : before + flat]
    return flat


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def projections(
    n: int, where: Any, value: Any, n_rows: int, n_columns: int, of_columns: int, of_rows: int, x: Any
) -> None:
    """Fill x with the sums of each slice over each column, over each row, or first one and then the other."""
    n_slices = value.shape[1]
    rows = n_slices * n_columns * of_columns
    x[:] = ZERO
    for i in range(n):
        for s in range(n_slices):
            if of_columns:
                x[s * n_columns + where[i, 1]] += value[i, s]
            if of_rows:
                x[rows + s * n_rows + where[i, 0]] += value[i, s]


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
    _tanh(hidden[:size].reshape(-1), terms)
    for p in range(size):
        for g in range(CONV_FILTERS):
            total = mix_bias[g]
            for f in range(CONV_FILTERS):
                total += hidden[p, f] * mix[f, g]
            mixed[p, g] = total
    _tanh(mixed[:size].reshape(-1), terms)
    for r in range(low_r, high_r):
        for c in range(width):
            at = ((r // POOL) * pooled_columns + (low_c + c) // POOL) * CONV_FILTERS
            for g in range(CONV_FILTERS):
                x[at + g] += (mixed[(r - low_r) * width + c, g] - quiet[g]) * NINTH


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _quiet(bias: Any, mix: Any, mix_bias: Any, terms: Any) -> Any:
    """Output of the convolution network's second layer where there is no charge."""
    hidden = bias.copy()
    _tanh(hidden, terms)
    out = mix_bias.copy()
    for g in range(len(out)):
        for f in range(mix.shape[0]):
            out[g] += hidden[f] * mix[f, g]
    _tanh(out, terms)
    return out


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def run(
    images: Any, start: Any, counts: Any, row: Any, column: Any, charge: Any, shape: Any, layout: Any,
    scale: Any, factor: Any, first: Any, first_bias: Any, mix: Any, mix_bias: Any, dense: Any, terms: Any,
) -> Any:  # fmt: skip
    """Images (N, S, R, C), or with N = 0 the lists of pixels, to raw outputs.

    ``layout`` is :attr:`smartpix.networks.plan.Plan.layout`.
    """
    n_slices, n_rows, n_columns = shape
    front, map_rows, map_columns, of_columns, of_rows = layout
    n_front = map_rows * map_columns * len(first_bias)
    total = len(images) if len(images) else len(start)
    out = np.empty((total, len(dense[5])), dtype=np.float32)
    n_inputs = dense[0].shape[0]
    # The row sums have a fixed place: among the inputs or, where the network does not read them, behind.
    sums_at = n_front + n_slices * n_columns * of_columns if of_rows else n_inputs
    sums_end = sums_at + n_slices * n_rows
    rows = np.zeros((BLOCK, max(n_inputs, sums_end)), dtype=np.float32)
    x = np.empty((n_inputs, BLOCK), dtype=np.float32)
    # Rows of zeros where the next layer's weights are padded.
    h1 = np.zeros((dense[2].shape[0], BLOCK), dtype=np.float32)
    h2 = np.zeros((dense[4].shape[0], BLOCK), dtype=np.float32)
    h3 = np.empty((len(dense[5]), BLOCK), dtype=np.float32)
    maps = np.zeros((n_rows, (n_columns + 2) * len(first_bias)), dtype=np.float32)
    hidden = np.empty((n_rows * n_columns, len(mix_bias)), dtype=np.float32)
    mixed = np.empty((n_rows * n_columns, len(mix_bias)), dtype=np.float32)
    quiet = _quiet(first_bias, mix, mix_bias, terms) if front == CONVOLUTION else first_bias
    where = np.empty((n_rows * n_columns, 2), dtype=np.int64)
    value = np.empty((n_rows * n_columns, n_slices), dtype=np.float32)
    for low in range(0, total, BLOCK):
        high = min(low + BLOCK, total)
        for k in range(low, high):
            n = 0
            if len(images):
                for r in range(n_rows):
                    # Most rows are empty, and a sum is vectorised.
                    charged = ZERO
                    for s in range(n_slices):
                        for c in range(n_columns):
                            charged += abs(images[k, s, r, c])
                    if charged == ZERO:
                        continue
                    for c in range(n_columns):
                        fired = False
                        for s in range(n_slices):
                            fired = fired or images[k, s, r, c] != ZERO
                        if fired:
                            where[n, 0], where[n, 1] = r, c
                            for s in range(n_slices):
                                value[n, s] = images[k, s, r, c]
                            n += 1
            else:
                for i in range(start[k], start[k] + counts[k]):
                    if 0 <= row[i] < n_rows and 0 <= column[i] < n_columns and n < len(where):
                        where[n, 0], where[n, 1] = row[i], column[i]
                        for s in range(n_slices):
                            value[n, s] = charge[i, s]
                        n += 1
            _encode(value[:n].reshape(-1), scale, factor)
            inputs = rows[k - low]
            if front == CONVOLUTION:
                _convolution(
                    n,
                    where,
                    value,
                    n_rows,
                    map_rows,
                    map_columns,
                    first,
                    first_bias,
                    mix,
                    mix_bias,
                    inputs[:n_front],
                    terms,
                    maps,
                    hidden,
                    mixed,
                    quiet,
                )
            if of_columns or (of_rows and front != COLUMNS):
                projections(n, where, value, n_rows, n_columns, of_columns, of_rows, inputs[n_front:n_inputs])
            if front == COLUMNS:
                sums = inputs[sums_at:sums_end]
                filled = columns(n, where, value, n_rows, n_columns, first, first_bias, inputs, sums, maps[0])
                _tanh(inputs[:filled], terms)
        _dense(rows, high - low, dense, x, h1, h2, h3, terms, out[low:high])
    return out
