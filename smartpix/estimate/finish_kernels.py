"""Kernels (Numba) behind :mod:`smartpix.estimate.calibrate` and the networks' estimates: raw outputs to
calibrated means and factors.

All work is done in blocks of clusters side by side, so that the loops over them are vectorised. Elementary
functions are plain arithmetic for the same reason; they are good to 1e-12.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.networks.fused_blocks import BLOCK, accumulate

__all__ = ["VALUES", "axes_of_all", "corrections_of_all", "finish_all"]

VALUES = 10
"""Of a cluster, along which there are tables: cot alpha, cot beta, the logarithms of its four sigmas, its
charge and its columns and rows compared with what the slopes let expect, and the columns."""
LN2, LOG2E = float(np.log(2.0)), float(1 / np.log(2.0))
SQRT_HALF = np.int64(0x3FE6A09E667F3BCD)
"""Bits of sqrt(1/2) in double precision."""
LARGEST_EXPONENT = 700.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _exp(x: Any) -> None:
    """In place, of a contiguous array; arguments beyond +-700 count as +-700."""
    for i in range(len(x)):
        y = -LARGEST_EXPONENT if x[i] < -LARGEST_EXPONENT else x[i]
        y = LARGEST_EXPONENT if y > LARGEST_EXPONENT else y
        # Cut off above zero: the whole number below.
        n = np.int32(y * LOG2E + 1100.5) - np.int32(1100)
        r = y - n * LN2
        p = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * (
            1 / 3628800 + r * (1 / 39916800 + r / 479001600))))))  # fmt: skip
        p = 1.0 + r * (1.0 + r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * p))))
        x[i] = p * np.int64((np.int64(n) + np.int64(1023)) << 52).view(np.float64)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _log(x: Any) -> None:
    """In place, of a contiguous array of positive numbers: by the series of 2 artanh((m - 1) / (m + 1))."""
    for i in range(len(x)):
        bits = np.float64(x[i]).view(np.int64)
        # Split into 2^exponent times a mantissa between sqrt(1/2) and sqrt(2).
        exponent = np.int64((bits - SQRT_HALF) >> 52)
        m = np.int64(bits - (exponent << 52)).view(np.float64)
        s = (m - 1.0) / (m + 1.0)
        t = s * s
        p = 1 / 7 + t * (1 / 9 + t * (1 / 11 + t * (1 / 13 + t * (1 / 15 + t * (1 / 17 + t / 19)))))
        p = 2.0 * s * (1.0 + t * (1 / 3 + t * (1 / 5 + t * p)))
        x[i] = np.int32(exponent) * LN2 + p


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _softplus(x: Any, least: float, more: Any) -> None:
    """In place log(1 + exp(x)) + least of a contiguous array, in a form that does not overflow.

    It is the one of the training's likelihood. ``more`` is room for as many.
    """
    for i in range(len(x)):
        more[i] = -abs(x[i])
    _exp(more)
    for i in range(len(x)):
        more[i] += 1.0
    _log(more)
    for i in range(len(x)):
        # This way round, what is no number stays none.
        x[i] = (0.0 if x[i] < 0.0 else x[i]) + more[i] + least


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _load_raw(raw: Any, scale: Any, smallest: float, mean: Any, factor: Any, more: Any) -> None:
    """A block's means (4, B) and factors (10, B), row by row of the triangle, from its outputs (14, B)."""
    for t in range(4):
        diagonal = factor[t * (t + 3) // 2]
        for b in range(BLOCK):
            mean[t, b] = raw[2 * t, b] * scale[t]
            diagonal[b] = raw[2 * t + 1, b]
        _softplus(diagonal, smallest, more)
        for b in range(BLOCK):
            diagonal[b] *= scale[t]
        for c in range(t):
            own, lower = factor[t * (t + 1) // 2 + c], raw[8 + t * (t - 1) // 2 + c]
            for b in range(BLOCK):
                own[b] = lower[b] * scale[t]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _load(low: int, n: int, rows: Any, means: Any, cholesky: Any, mean: Any, factor: Any) -> None:
    """A block's means (4, B) and factors (10, B) from estimates (N, 4) and (N, 4, 4)."""
    for b in range(n):
        k = rows[low + b]
        for t in range(4):
            mean[t, b] = means[k, t]
            for c in range(t + 1):
                factor[t * (t + 1) // 2 + c, b] = cholesky[k, t, c]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _axes(
    low: int, n: int, rows: Any, shape: Any, cells: Any, mean: Any, factor: Any, sigma: Any, value: Any
) -> None:
    """A block's sigmas (4, B) and :data:`VALUES` (10, B).

    Args:
        shape: (N, 3) charge, columns, rows; (0, 3): unknown, their values are not filled.
        cells: (2,) the sensor's thickness in pitches along x and y.
    """
    for t in range(4):
        for b in range(BLOCK):
            square = 0.0
            value[2 + t, b] = square
        for c in range(t + 1):
            for b in range(BLOCK):
                value[2 + t, b] += factor[t * (t + 1) // 2 + c, b] ** 2
        for b in range(BLOCK):
            sigma[t, b] = np.sqrt(value[2 + t, b])
    for b in range(BLOCK):
        alpha, beta = mean[2, b], mean[3, b]
        value[0, b], value[1, b], value[7, b] = alpha, beta, 1.0 + alpha * alpha + beta * beta
    for b in range(n if len(shape) else 0):
        k = rows[low + b]
        value[6, b] = shape[k, 0] if shape[k, 0] > 1.0 else 1.0
        value[8, b], value[9, b] = shape[k, 2], shape[k, 1]
    _log(value[2:8].reshape(-1))
    for t in range(4):
        for b in range(BLOCK):
            value[2 + t, b] *= 0.5
    for b in range(BLOCK):
        # Charge goes as the path in silicon, sqrt(1 + cot^2 alpha + cot^2 beta), and the size as the slopes.
        # What is left tells of delta rays.
        value[6, b] -= 0.5 * value[7, b]
        value[7, b] = value[9, b] - abs(mean[2, b]) * cells[0]
        value[8, b] -= abs(mean[3, b]) * cells[1]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _corrections(
    value: Any, first: Any, axis: Any, at: Any, inverse: Any, together: Any, alone: Any, part: Any, sums: Any
) -> None:
    """A block's sums (8, B) over the tables, without what they are at their first knots; ``part`` (I, B) is
    room. The arrays are of :class:`smartpix.estimate.finish.Tables`.
    """
    for i in range(len(axis)):
        v, own = value[axis[i]], part[i]
        for b in range(BLOCK):
            t = (v[b] - at[i]) * inverse[i]
            t = 0.0 if t < 0.0 else t
            own[b] = np.float32(1.0 if t > 1.0 else t)
    sums[:] = 0.0
    accumulate(part, 0, first[0], together, sums)
    for t in range(4):
        accumulate(part, first[t], first[t + 1], alone, sums[2 * t : 2 * t + 2])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def axes_of_all(means: Any, cholesky: Any, shape: Any, cells: Any, out: Any) -> None:
    """:data:`VALUES` (10, N) of estimates."""
    rows = np.arange(len(means))
    mean, sigma = np.zeros((4, BLOCK)), np.ones((4, BLOCK))
    factor, value = np.ones((10, BLOCK)), np.ones((VALUES, BLOCK))
    for low in range(0, len(means), BLOCK):
        n = min(BLOCK, len(means) - low)
        _load(low, n, rows, means, cholesky, mean, factor)
        _axes(low, n, rows, shape, cells, mean, factor, sigma, value)
        out[:, low : low + n] = value[:, :n]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def corrections_of_all(
    values: Any, base: Any, first: Any, axis: Any, at: Any, inverse: Any, together: Any, alone: Any, out: Any
) -> None:
    """Sums (8, N) over the tables at the values (10, N) of :func:`axes_of_all`: shift and log scale of
    one target after the other.
    """
    value, sums = np.zeros((VALUES, BLOCK)), np.empty((8, BLOCK), dtype=np.float32)
    part = np.empty((len(axis), BLOCK), dtype=np.float32)
    for low in range(0, out.shape[1], BLOCK):
        n = min(BLOCK, out.shape[1] - low)
        value[:, :n] = values[:, low : low + n]
        _corrections(value, first, axis, at, inverse, together, alone, part, sums)
        for j in range(8):
            for b in range(n):
                out[j, low + b] = base[j] + sums[j, b]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_variance(factor: Any, added: Any, covariance: Any) -> None:
    """In place: the lower factor (4, 4) of M M^T with ``added`` (4,) on its diagonal; the last is room."""
    for i in range(4):
        for j in range(i + 1):
            covariance[i, j] = added[i] if i == j else 0.0
            for k in range(j + 1):
                covariance[i, j] += factor[i, k] * factor[j, k]
    for i in range(4):
        for j in range(i + 1):
            left = covariance[i, j]
            for k in range(j):
                left -= factor[i, k] * factor[j, k]
            factor[i, j] = np.sqrt(left) if i == j else left / factor[j, j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _use_length(columns: float, cell: float, length: Any, mean: Any, factor: Any) -> None:
    """In place, of one cluster: see :func:`smartpix.estimate.calibrate.apply_length`."""
    # Within its window the network sees no end of such a cluster. The length gives the size of the slope, but
    # not its sign.
    mean[2] = (-1.0 if mean[2] < 0.0 else 1.0) * (columns - length[1]) / cell
    # Independent of the rest, whose own widths stay.
    factor[3, 3] = np.hypot(factor[3, 3], factor[3, 2])
    factor[3, 2] = factor[2, 0] = factor[2, 1] = 0.0
    factor[2, 2] = length[2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def finish_all(
    raw: Any, rows: Any, shape: Any, truncated: Any, bad: Any, scale: Any, smallest: float, cells: Any,
    base: Any, first: Any, axis: Any, at: Any, inverse: Any, together: Any, alone: Any, wider: Any,
    length: Any, added: Any, means: Any, cholesky: Any,
) -> None:  # fmt: skip
    """Estimates, in place at ``rows`` of ``means`` (N, 4) and ``cholesky`` (N, 4, 4).

    Args:
        raw: (B, 14, BLOCK) outputs for the R rows; (0, 0, 0): the uncalibrated estimates are there.
        shape: (N, 3), or (0, 3) where nothing is known of the pixels.
        truncated, bad: (N,), or (0,): none is.
        scale, smallest: units of the outputs, and floor of the diagonal in these.
        cells: (2,) the sensor's thickness in pitches.
        base, first, axis, at, inverse, together, alone: of :class:`smartpix.estimate.finish.Tables`; ``base``
            is (0,) where there is no calibration.
        wider: (4,) factors on the sigmas of truncated clusters.
        length: (3,) columns from which on a cluster is long, offset and sigma; (0,): not used.
        added: (4,) variances to add, or (0,).
    """
    mean, sigma = np.zeros((4, BLOCK)), np.ones((4, BLOCK))
    factor, value = np.ones((10, BLOCK)), np.ones((VALUES, BLOCK))
    sums, more = np.zeros((8, BLOCK), dtype=np.float32), np.empty(BLOCK)
    part, times = np.empty((len(axis), BLOCK), dtype=np.float32), np.ones((4, BLOCK))
    covariance = np.empty((4, 4))
    for low in range(0, len(rows), BLOCK):
        n = min(BLOCK, len(rows) - low)
        if len(raw):
            _load_raw(raw[low // BLOCK], scale, smallest, mean, factor, more)
        else:
            _load(low, n, rows, means, cholesky, mean, factor)
        if len(base):
            _axes(low, n, rows, shape, cells, mean, factor, sigma, value)
            _corrections(value, first, axis, at, inverse, together, alone, part, sums)
            for t in range(4):
                for b in range(BLOCK):
                    mean[t, b] += (base[2 * t] + sums[2 * t, b]) * sigma[t, b]
                    times[t, b] = base[2 * t + 1] + sums[2 * t + 1, b]
            # A row of M is one target's: scaled as a whole, it changes that sigma and no correlation in
            # M M^T.
            _exp(times.reshape(-1))
        for b in range(n):
            k = rows[low + b]
            own, center = cholesky[k], means[k]
            cut = len(truncated) and truncated[k]
            for t in range(4):
                center[t] = mean[t, b]
                factor_here = times[t, b] * wider[t] if cut else times[t, b]
                for c in range(t + 1):
                    own[t, c] = factor[t * (t + 1) // 2 + c, b] * factor_here
                for c in range(t + 1, 4):
                    own[t, c] = 0.0
            if len(length) and len(shape) and shape[k, 1] > length[0]:
                _use_length(shape[k, 1], cells[0], length, center, own)
            if len(added):
                _add_variance(own, added, covariance)
            if len(bad) and bad[k]:
                # Nothing is known: the middle of the window, with the spread of all that occurs.
                for t in range(4):
                    center[t] = 0.0
                    own[t] = 0.0
                    own[t, t] = 3.0 * scale[t]
