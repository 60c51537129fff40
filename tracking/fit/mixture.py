"""Several Gaussians joined into one of the same mean and covariance: compiled.

Sums are those of the weights, of the parameters' differences from a reference, and of their products.
Weights are taken over the largest one, since a bend of some mm makes one more probable than another by
more than numbers hold.
"""

from __future__ import annotations

import math
from typing import Any

from smartpix.compiled import FAST, njit

__all__ = ["N_SUMS", "add", "joined"]

WEIGHT, BEST, CHI2, MEAN, SECOND, N_SUMS = 0, 1, 2, 3, 8, 23
"""Where the sums are: of the weights; the logarithm of the largest, and its chi2; of 5 differences; of 15
products.
"""
PHI = 2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def add(sums: Any, reference: Any, parameters: Any, covariance: Any, chi2: float, log_weight: float) -> None:
    """Add one Gaussian: its parameters (5) and the upper triangle of their covariance (15).

    Args:
        reference: (5,) parameters that differences are taken from, the same for all.
    """
    if sums[WEIGHT] == 0 or log_weight > sums[BEST]:
        less = math.exp(sums[BEST] - log_weight) if sums[WEIGHT] > 0 else 0.0
        for i in range(N_SUMS):
            sums[i] *= less
        sums[BEST], sums[CHI2] = log_weight, chi2
    weight = math.exp(log_weight - sums[BEST])
    sums[WEIGHT] += weight
    m = 0
    for i in range(5):
        a = parameters[i] - reference[i]
        if i == PHI:
            a -= 2 * math.pi * math.floor(a / (2 * math.pi) + 0.5)
        sums[MEAN + i] += weight * a
        for j in range(i, 5):
            b = parameters[j] - reference[j]
            if j == PHI:
                b -= 2 * math.pi * math.floor(b / (2 * math.pi) + 0.5)
            sums[SECOND + m] += weight * (covariance[m] + a * b)
            m += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def joined(sums: Any, reference: Any) -> Any:
    """chi2 of the most probable Gaussian; parameters and covariance of all of them together."""
    share = 1 / sums[WEIGHT]
    a, b, c, d, e = (
        sums[MEAN] * share, sums[MEAN + 1] * share, sums[MEAN + 2] * share, sums[MEAN + 3] * share,
        sums[MEAN + 4] * share,
    )  # fmt: skip
    off = (a, b, c, d, e)
    m = 0
    for i in range(5):
        for j in range(i, 5):
            sums[SECOND + m] = sums[SECOND + m] * share - off[i] * off[j]
            m += 1
    covariance = (
        sums[8], sums[9], sums[10], sums[11], sums[12], sums[13], sums[14], sums[15], sums[16], sums[17], sums[18],
        sums[19], sums[20], sums[21], sums[22],
    )  # fmt: skip
    phi = reference[2] + c
    phi -= 2 * math.pi * math.floor(phi / (2 * math.pi) + 0.5)
    return (
        sums[CHI2], (reference[0] + a, reference[1] + b, phi, reference[3] + d, reference[4] + e), covariance
    )  # fmt: skip
