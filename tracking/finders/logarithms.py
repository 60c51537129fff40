"""Compiled: logarithms in single precision, of plain arithmetic alone.

A loop that calls the processor's own library does one number after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit

__all__ = ["asinh", "log", "log_odds"]

ZERO, ONE = np.float32(0.0), np.float32(1.0)
LOG_TERMS = tuple(np.float32(2 / k) for k in (1, 3, 5, 7, 9))
"""log m = sum of them times ((m - 1) / (m + 1))^k: good to 1e-9 between 2/3 and 4/3."""
LOG_TWO = np.float32(np.log(2.0))
TWO_THIRDS = np.int32(0x3F2AAAAB)
"""Bits of 2/3 in single precision."""
LARGEST = np.float32(1e18)
"""Largest number whose square is finite in single precision, with room."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def log(x: Any) -> Any:
    """Of a positive number in single precision: plain arithmetic, so that loops over it are vectorised."""
    c1, c3, c5, c7, c9 = LOG_TERMS
    # Split into 2^exponent times a mantissa between 2/3 and 4/3.
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - TWO_THIRDS) >> 23)
    mantissa = np.int32(bits - (exponent << 23)).view(np.float32)
    s = (mantissa - ONE) / (mantissa + ONE)
    t = s * s
    return np.float32(exponent) * LOG_TWO + s * (c1 + t * (c3 + t * (c5 + t * (c7 + t * c9))))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def asinh(x: Any) -> Any:
    """Of a number in single precision, likewise; of those beyond 1e18 that of 1e18."""
    size = min(abs(x), LARGEST)
    value = log(size + np.sqrt(size * size + ONE))
    return value if x >= ZERO else -value


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def log_odds(score: Any, out: Any) -> None:
    """Fills ``out`` with log(p / (1 - p)) of scores between 0 and 1, both ends left out."""
    for k in range(len(score)):
        out[k] = log(score[k]) - log(ONE - score[k])
