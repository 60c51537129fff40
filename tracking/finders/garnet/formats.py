"""Whole numbers of GarNet: the format of each result, and the table of the exponential."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedPoint

__all__ = ["ANSWER", "DISTANCE", "HIDDEN", "INPUT", "MEAN", "N_INPUTS", "OUTPUT", "TOLD", "WEIGHT", "WEIGHT_BITS", "weight_table"]  # fmt: skip

N_INPUTS = 4
"""Numbers of a hit."""
INPUT = FixedPoint(True, 10, 7)
DISTANCE = FixedPoint(True, 10, 7)
"""Of a vertex to an aggregator."""
WEIGHT = FixedPoint(False, 8, 8)
"""Of a vertex for an aggregator, exp(-d^2)."""
TOLD = FixedPoint(True, 10, 7)
MEAN = FixedPoint(True, 15, 12)
"""Over the vertices."""
OUTPUT = INPUT
"""Of a layer, for a vertex. That it saturates is the layer's activation."""
HIDDEN = FixedPoint(False, 10, 7)
"""Of the dense layers: positive numbers, as behind ReLU."""
ANSWER = FixedPoint(True, 18, 12)
WEIGHT_BITS = 8
"""Of the weights that are not ternary."""
FINE = 30
"""Fraction of the exponential before it is cut off."""


def weight_table() -> npt.NDArray[np.int64]:
    """exp(-d^2) in the format WEIGHT (high - low + 1,), for each distance from DISTANCE.low to
    DISTANCE.high.
    """
    d = np.arange(DISTANCE.low, DISTANCE.high + 1) * 2.0**-DISTANCE.fraction
    return WEIGHT.cut(np.floor(np.exp(-(d**2)) * 2.0**FINE).astype(np.int64), FINE)
