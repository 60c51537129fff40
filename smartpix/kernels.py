"""Kernels of :mod:`smartpix.inference` (Numba): arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["log_table", "run", "tanh_terms"]

Singles = npt.NDArray[np.float32]

TANH_REACH = np.float32(8.0)
TANH_TERMS = 6
LOG_POINTS = 2048
BLOCK = 64
"""Clusters whose dense layers are worked out together."""
ONE, ZERO, NINTH = np.float32(1.0), np.float32(0.0), np.float32(1.0 / 9.0)


@lru_cache(maxsize=1)
def log_table() -> Singles:
    """log2 of 1 to 2 on a uniform grid."""
    return np.log2(1 + np.arange(LOG_POINTS + 1) / LOG_POINTS).astype(np.float32)


@lru_cache(maxsize=1)
def tanh_terms() -> Singles:
    """Coefficients of u P(u^2) / Q(u^2) = tanh(u * TANH_REACH), |u| <= 1, by least squares: 6 in P, then 6 in Q.

    Good to 1e-11, so that single precision sets the accuracy; plain arithmetic, so that loops over it are vectorised.
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
def _layer(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """out (width, BLOCK) = bias + weight^T x for x (inputs, BLOCK): the inner loop runs over clusters."""
    for j in range(len(bias)):
        for b in range(BLOCK):
            out[j, b] = bias[j]
    for i in range(0, weight.shape[0], 4):
        for j in range(len(bias)):
            w0, w1, w2, w3 = weight[i, j], weight[i + 1, j], weight[i + 2, j], weight[i + 3, j]
            for b in range(BLOCK):
                out[j, b] += w0 * x[i, b] + w1 * x[i + 1, b] + w2 * x[i + 2, b] + w3 * x[i + 3, b]


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _dense(rows: Any, n: int, dense: Any, x: Any, h1: Any, h2: Any, h3: Any, terms: Any, out: Any) -> None:
    """Dense layers of the first n rows (BLOCK, inputs) into out (n, 14); the rest is room for what lies between."""
    for i in range(rows.shape[1]):
        for b in range(BLOCK):
            x[i, b] = rows[b, i]
    _layer(x, dense[0], dense[1], h1)
    _tanh(h1.reshape(-1), terms)
    _layer(h1, dense[2], dense[3], h2)
    _tanh(h2.reshape(-1), terms)
    _layer(h2, dense[4], dense[5], h3)
    for b in range(n):
        for j in range(out.shape[1]):
            out[b, j] = h3[j, b]


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _encode(q: Any, scale: Any, factor: Any, logs: Any) -> Any:
    """sign * log2(1 + |q| scale) * factor, the logarithm from the exponent's bits and a table of the mantissa's."""
    bits = np.float32(ONE + abs(q) * scale).view(np.int32)
    at = np.float32(bits & 0x7FFFFF) * np.float32(LOG_POINTS / 2**23)
    k = int(at)
    value = (np.float32((bits >> 23) - 127) + logs[k] + (at - np.float32(k)) * (logs[k + 1] - logs[k])) * factor
    return value if q >= 0 else -value


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _columns(n: int, where: Any, value: Any, n_rows: int, n_columns: int, first: Any, bias: Any, x: Any, terms: Any) -> None:
    """Fill x with the activated columns and the row sums."""
    span, n_filters = first.shape[2], first.shape[3]
    places = n_columns - span + 1
    n_slices = first.shape[0]
    flat = places * n_filters
    for p in range(places):
        for f in range(n_filters):
            x[p * n_filters + f] = bias[f]
    x[flat : flat + n_slices * n_rows] = ZERO
    for i in range(n):
        r, c = where[i, 0], where[i, 1]
        for s in range(n_slices):
            v = value[i, s]
            if v == ZERO:
                continue
            x[flat + s * n_rows + r] += v
            for k in range(span):
                p = c - k
                if 0 <= p < places:
                    for f in range(n_filters):
                        x[p * n_filters + f] += v * first[s, r, k, f]
    _tanh(x[:flat], terms)


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _projections(n: int, where: Any, value: Any, n_slices: int, n_rows: int, n_columns: int, x: Any) -> None:
    x[:] = ZERO
    for i in range(n):
        for s in range(n_slices):
            x[s * n_columns + where[i, 1]] += value[i, s]
            x[n_slices * n_columns + s * n_rows + where[i, 0]] += value[i, s]


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _convolution(
    n: int, where: Any, value: Any, n_rows: int, n_columns: int, first: Any, bias: Any, mix: Any, mix_bias: Any, x: Any,
    terms: Any, maps: Any, room: Any, quiet: Any,
) -> None:  # fmt: skip
    """Fill x with the pooled map; places no fired pixel reaches have the constant output ``quiet``."""
    n_slices, n_filters = first.shape[0], first.shape[3]
    pooled_rows, pooled_columns = (n_rows - 2) // 3, (n_columns - 2) // 3
    used_rows, used_columns = 3 * pooled_rows, 3 * pooled_columns
    low_r, high_r, low_c, high_c = used_rows, 0, used_columns, 0
    for i in range(n):
        low_r, high_r = min(low_r, where[i, 0] - 2), max(high_r, where[i, 0] + 1)
        low_c, high_c = min(low_c, where[i, 1] - 2), max(high_c, where[i, 1] + 1)
    low_r, high_r = max(low_r, 0), min(high_r, used_rows)
    low_c, high_c = max(low_c, 0), min(high_c, used_columns)
    for r in range(low_r, high_r):
        for c in range(low_c, high_c):
            for f in range(n_filters):
                maps[r, c, f] = bias[f]
    for i in range(n):
        for s in range(n_slices):
            v = value[i, s]
            if v == ZERO:
                continue
            for dr in range(3):
                r = where[i, 0] - dr
                if r < 0 or r >= used_rows:
                    continue
                for dc in range(3):
                    c = where[i, 1] - dc
                    if c < 0 or c >= used_columns:
                        continue
                    for f in range(n_filters):
                        maps[r, c, f] += v * first[s, dr, dc, f]
    for p in range(pooled_rows * pooled_columns):
        for f in range(n_filters):
            x[p * n_filters + f] = quiet[f]
    for r in range(low_r, high_r):
        if high_c <= low_c:
            break
        line = maps[r, low_c:high_c]
        _tanh(line.reshape(-1), terms)
        width = high_c - low_c
        mixed = room[:width]
        for c in range(width):
            for g in range(n_filters):
                total = mix_bias[g]
                for f in range(n_filters):
                    total += line[c, f] * mix[f, g]
                mixed[c, g] = total
        _tanh(mixed.reshape(-1), terms)
        for c in range(width):
            at = ((r // 3) * pooled_columns + (low_c + c) // 3) * n_filters
            for g in range(n_filters):
                x[at + g] += (mixed[c, g] - quiet[g]) * NINTH


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
    images: Any, start: Any, counts: Any, row: Any, column: Any, charge: Any, shape: Any, kind: int, scale: Any, factor: Any,
    first: Any, first_bias: Any, mix: Any, mix_bias: Any, dense: Any, terms: Any, logs: Any,
) -> Any:  # fmt: skip
    """Images (N, S, R, C), or with N = 0 the lists of pixels, to raw outputs."""
    n_slices, n_rows, n_columns = shape
    total = len(images) if len(images) else len(start)
    out = np.empty((total, len(dense[5])), dtype=np.float32)
    n_inputs = dense[0].shape[0]
    rows = np.zeros((BLOCK, n_inputs), dtype=np.float32)
    x = np.empty((n_inputs, BLOCK), dtype=np.float32)
    # Rows of zeros where the next layer's weights are padded.
    h1 = np.zeros((dense[2].shape[0], BLOCK), dtype=np.float32)
    h2 = np.zeros((dense[4].shape[0], BLOCK), dtype=np.float32)
    h3 = np.empty((len(dense[5]), BLOCK), dtype=np.float32)
    maps = np.empty((n_rows, n_columns, len(first_bias)), dtype=np.float32)
    room = np.empty((n_columns, len(mix_bias)), dtype=np.float32)
    quiet = _quiet(first_bias, mix, mix_bias, terms) if kind == 0 else first_bias
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
            for i in range(n):
                for s in range(n_slices):
                    value[i, s] = _encode(value[i, s], scale, factor, logs)
            inputs = rows[k - low]
            if kind == 0:
                _convolution(
                    n, where, value, n_rows, n_columns, first, first_bias, mix, mix_bias, inputs, terms, maps, room, quiet
                )
            elif kind == 1:
                _projections(n, where, value, n_slices, n_rows, n_columns, inputs)
            else:
                _columns(n, where, value, n_rows, n_columns, first, first_bias, inputs, terms)
        _dense(rows, high - low, dense, x, h1, h2, h3, terms, out[low:high])
    return out
