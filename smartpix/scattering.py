"""Multiple scattering in one surface: compiled, for simulation and fit."""

from __future__ import annotations

import math

from smartpix.compiled import FAST, njit
from smartpix.physics import HIGHLAND

__all__ = ["theta2_behind"]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def theta2_behind(thickness: float, momentum2: float, beta2: float) -> float:
    """Variance of the projected scattering angle behind ``thickness`` radiation lengths; momentum2 is 1 /
    (beta p)^2.

    Highland's formula with the logarithm (PDG, Passage of Particles Through Matter, eq. 34.16).
    """
    if thickness <= 0:
        return 0.0
    # The logarithm turns negative in layers thinner than the formula holds for.
    factor = max(1 + 0.038 * math.log(thickness / beta2), 0.0)
    return HIGHLAND * HIGHLAND * momentum2 * thickness * factor * factor
