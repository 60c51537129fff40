"""Kernels (Numba) of :mod:`smartpix.estimate.shape`: clusters to features, features to estimates."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit
from smartpix.networks.fused_blocks import BLOCK, layer

__all__ = ["features_of_all", "perceptron", "take_factors"]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _along(low: int, high: int, index: Any, charge: Any, features: Any, axis: int) -> Any:
    """Features of one cluster's pixels low to high along columns (``axis`` 0) or rows (1); returns the mean
    place, the charge, and the number of columns or rows.
    """
    first = last = np.int64(index[low])
    total, moment = 0.0, 0.0
    for i in range(low, high):
        first, last = min(first, np.int64(index[i])), max(last, np.int64(index[i]))
        # This way round, what is no number stays none.
        q = 0.0 if charge[i] < 0.0 else np.float64(charge[i])
        total += q
        moment += q * index[i]
    total = 1e-12 if total < 1e-12 else total
    mean = moment / total
    square, cube, in_first, in_last = 0.0, 0.0, 0.0, 0.0
    for i in range(low, high):
        q = 0.0 if charge[i] < 0.0 else np.float64(charge[i])
        d = index[i] - mean
        square += q * d * d
        cube += q * d * d * d
        in_first += q if index[i] == first else 0.0
        in_last += q if index[i] == last else 0.0
    width = np.sqrt(square / total)
    # Clusters of one column have no width: the floor keeps 0 / 0 away.
    floored = 0.1 if width < 0.1 else width
    features[axis] = last - first + 1
    # The logarithm shortens the Landau tail, which would stretch the standardisation.
    features[2] = np.log10(total)
    features[3 + axis] = width
    features[7 + 2 * axis], features[8 + 2 * axis] = in_first / total, in_last / total
    features[11 + axis] = cube / total / floored**3
    return mean, total, last - first + 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def features_of_all(
    first: Any, counts: Any, row: Any, column: Any, charge: Any, most_columns: int, most_rows: int,
    features: Any, size_class: Any,
) -> None:  # fmt: skip
    """Fill features (C, 13) and covariance classes (C,) of clusters given as lists of pixels.

    Args:
        charge: (K,) in e; most_columns, most_rows: clusters at least this long share a class.
    """
    for k in range(len(first)):
        low, high, own = first[k], first[k] + counts[k], features[k]
        x, total, columns = _along(low, high, column, charge, own, 0)
        y, total, rows = _along(low, high, row, charge, own, 1)
        product = 0.0
        for i in range(low, high):
            q = 0.0 if charge[i] < 0.0 else np.float64(charge[i])
            product += q * (column[i] - x) * (row[i] - y)
        widths = own[3] * own[4]
        own[6] = product / total
        own[5] = own[6] / (0.05 if widths < 0.05 else widths)
        # The residuals' spread follows the size above all: a slope of one column is hardly known.
        size_class[k] = (min(columns, most_columns) - 1) * most_rows + min(rows, most_rows) - 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def perceptron(
    rows: Any, features: Any, mean: Any, std: Any, weights: Any, biases: Any, target_mean: Any,
    target_std: Any, out: Any,
) -> None:  # fmt: skip
    """Outputs at ``rows`` of out (N, 4): standardise, ReLU layers, linear output.

    Args:
        features: (N, F); mean, std: (F,) of them; weights, biases: of each layer, the inputs padded to a
            multiple of 4; target_mean, target_std: (4,) of the outputs.
    """
    widest = 0
    for k in range(len(weights)):
        widest = max(widest, weights[k].shape[0])
    x, h = np.zeros((widest, BLOCK)), np.zeros((max(widest, len(target_mean)), BLOCK))
    for low in range(0, len(rows), BLOCK):
        n = min(BLOCK, len(rows) - low)
        for i in range(len(mean)):
            for b in range(n):
                x[i, b] = (features[rows[low + b], i] - mean[i]) / std[i]
        x[len(mean) : weights[0].shape[0]] = 0.0
        for k in range(len(weights)):
            width = len(biases[k])
            layer(x, weights[k], biases[k], h)
            if k < len(weights) - 1:
                for j in range(width):
                    for b in range(BLOCK):
                        x[j, b] = 0.0 if h[j, b] < 0.0 else h[j, b]
                x[width : weights[k + 1].shape[0]] = 0.0
        for j in range(len(target_mean)):
            for b in range(n):
                out[rows[low + b], j] = h[j, b] * target_std[j] + target_mean[j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def take_factors(rows: Any, size_class: Any, factors: Any, cholesky: Any) -> None:
    """Factors (classes, 4, 4) of clusters' classes (N,) at ``rows`` of cholesky (N, 4, 4)."""
    for i in range(len(rows)):
        k = rows[i]
        for t in range(4):
            for u in range(4):
                cholesky[k, t, u] = factors[size_class[k], t, u]
