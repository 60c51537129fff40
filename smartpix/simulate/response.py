"""Crossings of a sensor to induced charge on its pixels, in time slices (Numba).

Each crossing becomes groups of a few electron-hole pairs: along the track for soft collisions, along the
electron's own path for hard ones. Every group is displaced by the diffusion its electrons will have when
collected, and adds its row of the response table to the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.simulate.deposit import (
    BETA_GAMMA,
    ELECTRON_MASS,
    FANO,
    LARGEST_EXPONENT,
    N_QUANTILES,
    PAIR_ENERGY,
    RARE,
    collision_tables,
    delta_range,
)
from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.induction import CELLS_X, CELLS_Y, N_SLICES, SLICE_NS, response_table
from smartpix.simulate.passages import FINE, Passages, SignalPrecision

__all__ = ["induced_charge"]

STEP = 2.0
"""Path length in um over which soft collisions are added up."""
GROUP = 40
"""Pairs that drift together."""
TAIL = 0.02
"""Share of the pairs, those that diffuse farthest along the rows, which drift alone."""
MOST_CELLS = 8
"""Bound on the cells of a group: one, and at most TAIL of the pairs of the largest delta rays' parts."""
DELTA_RAY = 5_000.0
"""Transfers above this (eV) are spread along the delta ray's own path; its range is 0.2 um."""
MOST_PARTS = 1000
LONGEST = 20.0
"""A grazing track is followed over this length at most, mm."""

Floats = npt.NDArray[np.float64]


Induced = tuple[
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.float32],
    npt.NDArray[np.int64],
]


def induced_charge(
    passages: Passages,
    sensor: Sensor,
    magnetic: tuple[float, float, float],
    slices: Sequence[float],
    seed: int,
    precision: SignalPrecision = FINE,
) -> Induced:
    """Noise-free induced charge of N crossings.

    Args:
        magnetic: field in the sensor frame, T.
        slices: which of the 20 slices of 200 ps; charge is cumulative up to the end of each. Between two
            slices, and for passages that are late, the charge is interpolated in time.
        seed: of the straggling and the diffusion.
        precision: how finely signals are followed.

    Returns:
        crossing, row, column: (K,) int32 each; charge: (K, S) float32 in electrons; pairs: (N,) electron-hole
            pairs made.
    """
    on_grid = all(float(s).is_integer() for s in slices)
    if on_grid and passages.late is None:
        return _induced_in(passages, sensor, magnetic, [int(s) for s in slices], seed, precision)
    late = np.zeros(len(passages)) if passages.late is None else passages.late
    whole = np.floor(-late / SLICE_NS)
    part = -late / SLICE_NS - whole
    pairs = np.zeros(len(passages), dtype=np.int64)
    found: list[Induced] = []
    # Those that are as late, to a slice, share the response's table.
    for k, shift in enumerate(np.unique(whole)):
        rows = np.flatnonzero(whole == shift)
        at = np.array(slices, dtype=np.float64)[None, :] + shift + part[rows, None]
        # Before the first slice begins nothing has been induced, after the last one nothing changes.
        at = np.clip(at, -1, N_SLICES - 1)
        before = np.unique(np.floor(at).astype(int))
        needed = sorted({*before.tolist(), *np.minimum(before + 1, N_SLICES - 1).tolist()})
        crossing, row, column, charge, pairs[rows] = _induced_in(
            passages.take(rows), sensor, magnetic, needed, seed + k, precision
        )
        found.append(
            (rows[crossing].astype(np.int32), row, column, _between(charge, needed, at[crossing]), pairs)
        )
    if not found:
        empty = np.zeros(0, dtype=np.int32)
        return empty, empty, empty, np.zeros((0, len(slices)), dtype=np.float32), pairs
    crossing, row, column, charge = (np.concatenate([part_[c] for part_ in found]) for c in range(4))
    return crossing, row, column, charge, pairs


def _between(charge: npt.NDArray[np.float32], slices: Sequence[int], at: Floats) -> npt.NDArray[np.float32]:
    """(K, S) charge at times ``at`` (K, S), in slices, of charge (K, T) at whole slices."""
    place = np.searchsorted(slices, np.floor(at))
    after = np.minimum(place + 1, len(slices) - 1)
    part = (at - np.floor(at)).astype(np.float32)
    rows = np.arange(len(charge))[:, None]
    return np.asarray((1 - part) * charge[rows, place] + part * charge[rows, after])


def _induced_in(
    passages: Passages,
    sensor: Sensor,
    magnetic: tuple[float, float, float],
    slices: Sequence[int],
    seed: int,
    precision: SignalPrecision,
) -> Induced:
    """The same for passages at 0, in whole slices; -1 is before the first."""
    # Once the slowest carrier has arrived nothing changes: later slices are copies of the first quiet one.
    times = np.array([(s + 1) * SLICE_NS for s in slices])
    quiet = int(np.searchsorted(times, drift_tables(sensor, magnetic).longest()))
    table = response_table(sensor, magnetic, tuple(slices[: quiet + 1]), precision.induction)
    pitch = np.array([sensor.pitch_x, sensor.pitch_y])
    shape = table.values.shape
    beta, half_size = np.asarray(passages.beta), passages.half_size
    beta_gamma = np.clip(beta / np.sqrt(np.maximum(1 - beta**2, 1e-12)), BETA_GAMMA[0], BETA_GAMMA[-1])
    crossing, row, column, charge, pairs = _induce(
        np.ascontiguousarray(passages.position, dtype=np.float64),
        np.ascontiguousarray(passages.direction, dtype=np.float64),
        beta_gamma,
        np.ascontiguousarray(half_size, dtype=np.float64),
        np.rint(2 * half_size / pitch).astype(np.int32),
        passages.ends_at_array,
        sensor.thickness,
        pitch,
        table.values.reshape(*shape[:4], shape[4] * shape[5]),
        (table.row_low, table.column_low),
        table.sigma,
        shape[5],
        *collision_tables(),
        _range_table(),
        _normal_table(),
        precision.smallest,
        seed,
    )
    copies = np.minimum(np.arange(len(slices)), shape[5] - 1)
    return crossing, row, column, charge[:, copies] if len(slices) > shape[5] else charge, pairs


N_RANGE = 256
RANGE_LOW, RANGE_HIGH = math.log(1e3), math.log(1.1e6)
N_NORMAL = 4096


@lru_cache(maxsize=1)
def _range_table() -> Floats:
    """Logarithm of the range (mm) on a uniform grid of the logarithm of the energy (eV)."""
    return np.asarray(np.log(delta_range(np.exp(np.linspace(RANGE_LOW, RANGE_HIGH, N_RANGE)))))


@lru_cache(maxsize=1)
def _normal_table() -> Floats:
    """Mean of a standard normal in each of N_NORMAL parts of equal probability, scaled to unit variance."""
    from scipy.stats import norm

    edges = norm.pdf(norm.ppf(np.linspace(0, 1, N_NORMAL + 1)))
    values = (edges[:-1] - edges[1:]) * N_NORMAL
    return np.asarray(values / values.std())


@njit(cache=True)
def _uniform(state: Any) -> float:
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
    u = _uniform(state)
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
    spread = math.sqrt(FANO * mean) * normal[int(_uniform(state) * N_NORMAL)]
    # A random number before cutting off keeps the mean right, also where an energy makes less than one pair.
    return max(int(math.floor(mean + spread + _uniform(state))), 0)


@njit(cache=True)
def _longer(groups: Any) -> Any:
    wider = np.empty((2 * len(groups), 4))
    wider[: len(groups)] = groups
    return wider


@njit(cache=True)
def _ionise(
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
    t_kin = 2 * ELECTRON_MASS * beta_gamma * beta_gamma
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
        row = low + 1 if _uniform(state) < upper else low
        loss = min(_transfer(common[row], rare[row], state), t_kin)
        at = _uniform(state)
        if loss < DELTA_RAY:
            # A softer electron stays within 0.2 um, less than the diffusion: only its step counts.
            soft[int(at * n_steps)] += loss
            continue
        z = reach * (2 * at - 1)
        x, y = x0 + cot_a * z, y0 + cot_b * z
        if ends_at_array and (abs(x) > half[0] or abs(y) > half[1]):
            continue
        # Kinematics gives the angle to the track, the azimuth is free.
        cosine = math.sqrt(
            min(loss * (t_kin + 2 * ELECTRON_MASS) / (t_kin * (loss + 2 * ELECTRON_MASS)), 1.0)
        )
        sine = math.sqrt(1.0 - cosine * cosine)
        azimuth = 2 * math.pi * _uniform(state)
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


@njit(cache=True)
def _diffuse(
    groups: Any, used: int, cells: Any, half: Any, pitch: Any, thickness: float, sigma: Any, normal: Any,
    state: Any,
) -> int:  # fmt: skip
    """Number of pairs and cells of the response table (depth, row, column, cell y, cell x) after diffusion;
    returns how many.

    The displacements follow an additive recurrence with irrational steps, which fills the normal distribution
    more
    evenly than chance: groups of 40 pairs then share charge as smoothly as single pairs do. Along the short
    pitch the outermost pairs leave their group and go alone, since single electrons are what the last pixel
    of a cluster collects.
    """
    u, v = _uniform(state), _uniform(state)
    n_depth = len(sigma)
    n = 0
    for g in range(used):
        number = int(groups[g, 3])
        alone = min(int(number * TAIL + _uniform(state)), number - 1)
        at = (groups[g, 2] / thickness + 0.5) * (n_depth - 1)
        for k in range(alone + 1):
            if k == 0:
                # 1 / p and 1 / p^2 of the plastic number, p^3 = p + 1: what the golden ratio is in one
                # dimension.
                u = (u + 0.7548776662466927) % 1.0
                v = (v + 0.5698402909980532) % 1.0
                across, along = u, 0.5 * TAIL + (1.0 - TAIL) * v
                pairs = number - alone
            else:
                across = _uniform(state)
                along = (_uniform(state) - 0.5) * TAIL
                along = along if along >= 0 else 1.0 + along
                pairs = 1
            # Rounding up or down at random interpolates between depths.
            iz = min(max(int(at + _uniform(state)), 0), n_depth - 1)
            x = (groups[g, 0] + sigma[iz] * normal[int(across * N_NORMAL)] + half[0]) / pitch[0]
            y = (
                groups[g, 1] + sigma[iz] * normal[min(int(along * N_NORMAL), N_NORMAL - 1)] + half[1]
            ) / pitch[1]
            column, row = int(math.floor(x)), int(math.floor(y))
            cells[n, 0], cells[n, 1], cells[n, 2] = iz, row, column
            cells[n, 3] = min(int((y - row) * CELLS_Y), CELLS_Y - 1)
            cells[n, 4] = min(int((x - column) * CELLS_X), CELLS_X - 1)
            cells[n, 5] = pairs
            n += 1
    return n


@njit(cache=True, fastmath=True)
def _add_up(
    patch: Any, cells: Any, used: int, table: Any, row_low: int, column_low: int, n_slices: int
) -> None:
    n_rows, width = table.shape[3], table.shape[4]
    for g in range(used):
        number = np.float32(cells[g, 5])
        values = table[cells[g, 0], cells[g, 3], cells[g, 4]]
        row, start = cells[g, 1] - row_low, (cells[g, 2] - column_low) * n_slices
        for r in range(n_rows):
            target = patch[row + r, start : start + width]
            source = values[r]
            for j in range(width):
                target[j] += number * source[j]


@njit(cache=True)
def _induce(
    position: Any, direction: Any, beta_gamma: Any, half_size: Any, n_pixels: Any, ends_at_array: bool,
    thickness: float,
    pitch: Any, table: Any, low: Any, sigma: Any, n_slices: int, rates: Any, common: Any, rare: Any,
    ranges: Any, normal: Any,
    smallest: float, seed: int,
) -> Any:  # fmt: skip
    np.random.seed(seed)
    state = np.array([seed], dtype=np.uint64)
    capacity = 64 * len(position) + 1024
    where = np.empty((capacity, 3), dtype=np.int32)
    charge = np.empty((capacity, n_slices), dtype=np.float32)
    pairs = np.zeros(len(position), dtype=np.int64)
    groups = np.empty((4096, 4))
    n_out = 0
    n_rows, n_columns = table.shape[3], table.shape[4] // n_slices
    for k in range(len(position)):
        groups, used, pairs[k] = _ionise(
            groups, position[k, 0], position[k, 1], direction[k], beta_gamma[k], half_size[k], ends_at_array,
            thickness,
            rates, common, rare, ranges, normal, state,
        )  # fmt: skip
        if used == 0:
            continue
        cells = np.empty((MOST_CELLS * used, 6), dtype=np.int32)
        used = _diffuse(groups, used, cells, half_size[k], pitch, thickness, sigma, normal, state)
        row_low = cells[:used, 1].min() + low[0]
        column_low = cells[:used, 2].min() + low[1]
        row_high = cells[:used, 1].max() + low[0] + n_rows
        column_high = cells[:used, 2].max() + low[1] + n_columns
        patch = np.zeros((row_high - row_low, (column_high - column_low) * n_slices), dtype=np.float32)
        _add_up(patch, cells, used, table, row_low - low[0], column_low - low[1], n_slices)
        for r in range(max(row_low, 0), min(row_high, n_pixels[k, 1])):
            for c in range(max(column_low, 0), min(column_high, n_pixels[k, 0])):
                signal = patch[r - row_low, (c - column_low) * n_slices : (c - column_low + 1) * n_slices]
                largest = np.float32(0.0)
                for s in range(n_slices):
                    largest = max(largest, abs(signal[s]))
                if largest < smallest:
                    continue
                if n_out == len(where):
                    bigger = np.empty((2 * n_out, 3), dtype=np.int32)
                    bigger[:n_out] = where
                    where = bigger
                    wider = np.empty((2 * n_out, n_slices), dtype=np.float32)
                    wider[:n_out] = charge
                    charge = wider
                where[n_out, 0], where[n_out, 1], where[n_out, 2] = k, r, c
                charge[n_out] = signal
                n_out += 1
    return (
        where[:n_out, 0].copy(),
        where[:n_out, 1].copy(),
        where[:n_out, 2].copy(),
        charge[:n_out].copy(),
        pairs,
    )
