"""The compiled solution for the cuts of mixtures: arrays in, arrays out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["joint_tail", "mixture_cuts"]

STEPS = 200
"""Steps at most: halving alone ends long before."""
CLOSE = 1e-10
"""Last step, relative to the cut."""


@njit(cache=True, nogil=True, error_model="numpy")
def joint_tail(chi2: float) -> tuple[float, float]:
    """Probability of a larger chi2 of five degrees of freedom, and the density; all of it below 0."""
    if chi2 <= 0.0:
        return 1.0, 0.0
    half = math.exp(-0.5 * chi2) * math.sqrt(chi2 / (2.0 * math.pi))
    return math.erfc(math.sqrt(0.5 * chi2)) + 2.0 * half * (1.0 + chi2 / 3.0), half * chi2 / 3.0


@njit(cache=True, nogil=True, error_model="numpy")
def mixture_cuts(less: Any, weight: Any, lowest: float, lost: float) -> Any:
    """(R,) cuts c at which sum_k w_k P(chi2 > c - less_k) is ``lost``.

    Newton's steps of the logarithm, which is nearly straight, and halves of the bracket where one leads out.

    Args:
        less, weight: (R, K); a component without weight may have any ``less``.
        lowest: the cut of one component, below which there is none.
    """
    n, n_components = less.shape
    cuts = np.empty(n)
    for row in range(n):
        low = high = lowest
        for k in range(n_components):
            if weight[row, k] > 0.0:
                high = max(high, lowest + less[row, k])
        cut = lowest
        for _ in range(STEPS):
            if high - low <= CLOSE * high:
                break
            tail, density = 0.0, 0.0
            for k in range(n_components):
                if weight[row, k] > 0.0:
                    own = joint_tail(cut - less[row, k])
                    tail += weight[row, k] * own[0]
                    density += weight[row, k] * own[1]
            if tail > lost:
                low = cut
            else:
                high = cut
            step = cut + math.log(tail / lost) * tail / density
            inside = low < step < high
            near = abs(step - cut) <= CLOSE * cut
            cut = step if inside else 0.5 * (low + high)
            if inside and near:
                break
        cuts[row] = cut
    return cuts
