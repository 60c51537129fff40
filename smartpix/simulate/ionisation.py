"""Ionisation along a crossing: groups of electron-hole pairs, and the random numbers behind them (Numba).

Soft collisions are added up along the track; hard ones are spread along the electron's own path.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.simulate.deposit import (
    BETA_GAMMA,
    ELECTRON_EV,
    FANO,
    LARGEST_EXPONENT,
    N_QUANTILES,
    PAIR_ENERGY,
    RARE,
    delta_range,
)

__all__ = ["N_NORMAL", "ionise", "normal_table", "range_table", "uniform"]

STEP = 2.0
"""Path length in um over which soft collisions are added up."""
GROUP = 40
"""Pairs that drift together."""
DELTA_RAY = 5_000.0
"""Transfers above this (eV) are spread along the delta ray's own path; its range is 0.2 um."""
MOST_PARTS = 1000
LONGEST = 20.0
"""A grazing track is followed over this length at most, mm."""
N_RANGE = 256
RANGE_LOW, RANGE_HIGH = math.log(1e3), math.log(1.1e6)
N_NORMAL = 4096

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def range_table() -> Floats:
    """Logarithm of the range (mm) on a uniform grid of the logarithm of the energy (eV)."""
    return np.asarray(np.log(delta_range(np.exp(np.linspace(RANGE_LOW, RANGE_HIGH, N_RANGE)))))


@lru_cache(maxsize=1)
def normal_table() -> Floats:
    """Mean of a standard normal in each of N_NORMAL parts of equal probability, scaled to unit variance."""
    from scipy.stats import norm

    edges = norm.pdf(norm.ppf(np.linspace(0, 1, N_NORMAL + 1)))
    values = (edges[:-1] - edges[1:]) * N_NORMAL
    return np.asarray(values / values.std())


@njit(cache=True)
def uniform(state: Any) -> float:
    """Random number in [0, 1): SplitMix64 (G. L. Steele et al., OOPSLA 2014), a fifth of the time of NumPy's
    generator.
    """
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def _lookup(values: Any, index: float) -> float:
    i = min(max(int(index), 0), len(values) - 2)
    return float(values[i] + (index - i) * (values[i + 1] - values[i]))


@njit(cache=True)
def _transfer(common: Any, rare: Any, state: Any) -> float:
    """Random energy transfer in eV from the rows of :func:`smartpix.simulate.deposit.collision_tables`."""
    u = uniform(state)
    if u < 1.0 - RARE:
        at = u * N_QUANTILES
        k = int(at)
        return float(common[k] + (at - k) * (common[k + 1] - common[k]))
    at = -math.log((1.0 - u) / RARE) * (N_QUANTILES / LARGEST_EXPONENT)
    k = min(int(at), N_QUANTILES - 1)
    return float(rare[k] + min(at - k, 1.0) * (rare[k + 1] - rare[k]))


@njit(cache=True)
def _pairs(energy: float, normal: Any, state: Any) -> int:
    """Number of pairs that an energy loss in eV makes."""
    mean = energy / PAIR_ENERGY
    if mean <= 0.0:
        return 0
    spread = math.sqrt(FANO * mean) * normal[int(uniform(state) * N_NORMAL)]
    # A random number before cutting off keeps the mean right, also where an energy makes less than one pair.
    return max(int(math.floor(mean + spread + uniform(state))), 0)


@njit(cache=True)
def _longer(groups: Any) -> Any:
    wider = np.empty((2 * len(groups), 4))
    wider[: len(groups)] = groups
    return wider


@njit(cache=True)
def ionise(
    groups: Any, x0: float, y0: float, direction: Any, beta_gamma: float, half: Any, ends_at_array: bool,
    thickness: float,
    rates: Any, common: Any, rare: Any, ranges: Any, normal: Any, state: Any,
) -> Any:  # fmt: skip
    """Groups of pairs (x, y, z, number) of one crossing; returns the (grown) buffer, the groups used and the
    pairs.
    """
    cot_a, cot_b = direction[0] / direction[2], direction[1] / direction[2]
    slope = math.sqrt(1.0 + cot_a * cot_a + cot_b * cot_b)
    reach = min(0.5 * thickness, 0.5 * LONGEST / slope)
    if ends_at_array:
        # A track cannot leave more of itself in the silicon than that is long.
        reach = min(reach, 2 * half[0] / max(abs(cot_a), 1e-9), 2 * half[1] / max(abs(cot_b), 1e-9))
    path = 2e3 * reach * slope
    n_steps = max(int(math.ceil(path / STEP)), 1)
    low = min(max(int(np.searchsorted(BETA_GAMMA, beta_gamma)) - 1, 0), len(BETA_GAMMA) - 2)
    upper = math.log(beta_gamma / BETA_GAMMA[low]) / math.log(BETA_GAMMA[low + 1] / BETA_GAMMA[low])
    t_kin = 2 * ELECTRON_EV * beta_gamma * beta_gamma
    forward = 1.0 if direction[2] > 0 else -1.0
    tx, ty, tz = forward * cot_a / slope, forward * cot_b / slope, forward / slope
    # Two unit vectors across the track.
    norm = math.sqrt(tx * tx + tz * tz)
    ax, az = tz / norm, -tx / norm
    bx, by, bz = ty * az, tz * ax - tx * az, -ty * ax
    used, total = 0, 0
    soft = np.zeros(n_steps)
    for _ in range(np.random.poisson((rates[low] + upper * (rates[low + 1] - rates[low])) * path)):
        # Each collision is drawn from one of the two nearest tables, which interpolates between them.
        row = low + 1 if uniform(state) < upper else low
        loss = min(_transfer(common[row], rare[row], state), t_kin)
        at = uniform(state)
        if loss < DELTA_RAY:
            # A softer electron stays within 0.2 um, less than the diffusion: only its step counts.
            soft[int(at * n_steps)] += loss
            continue
        z = reach * (2 * at - 1)
        x, y = x0 + cot_a * z, y0 + cot_b * z
        if ends_at_array and (abs(x) > half[0] or abs(y) > half[1]):
            continue
        # Kinematics gives the angle to the track, the azimuth is free.
        cosine = math.sqrt(min(loss * (t_kin + 2 * ELECTRON_EV) / (t_kin * (loss + 2 * ELECTRON_EV)), 1.0))
        sine = math.sqrt(1.0 - cosine * cosine)
        azimuth = 2 * math.pi * uniform(state)
        c, s = math.cos(azimuth) * sine, math.sin(azimuth) * sine
        dx, dy, dz = cosine * tx + c * ax + s * bx, cosine * ty + s * by, cosine * tz + c * az + s * bz
        place = (math.log(loss) - RANGE_LOW) / (RANGE_HIGH - RANGE_LOW) * (N_RANGE - 1)
        length = math.exp(_lookup(ranges, place))
        n = _pairs(loss, normal, state)
        parts = min(max(n // GROUP, 1), MOST_PARTS)
        for j in range(parts):
            # The range grows as E^1.75, so the pairs crowd at the end of the path.
            along = length * (1.0 - (1.0 - (j + 0.5) / parts) ** 1.75)
            xj, yj, zj = x + dx * along, y + dy * along, z + dz * along
            if abs(zj) > 0.5 * thickness or (ends_at_array and (abs(xj) > half[0] or abs(yj) > half[1])):
                break
            if used == len(groups):
                groups = _longer(groups)
            number = n // parts + (1 if j < n % parts else 0)
            groups[used, 0], groups[used, 1], groups[used, 2], groups[used, 3] = xj, yj, zj, number
            used += 1
            total += number
    for i in range(n_steps):
        z = reach * (2 * (i + 0.5) / n_steps - 1)
        x, y = x0 + cot_a * z, y0 + cot_b * z
        if ends_at_array and (abs(x) > half[0] or abs(y) > half[1]):
            continue
        n = _pairs(soft[i], normal, state)
        total += n
        while n > 0:
            if used == len(groups):
                groups = _longer(groups)
            number = min(n, GROUP)
            groups[used, 0], groups[used, 1], groups[used, 2], groups[used, 3] = x, y, z, number
            used += 1
            n -= number
    return groups, used, total
