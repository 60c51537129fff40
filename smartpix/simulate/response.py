"""Crossings of a sensor to induced charge on its pixels, in time slices (Numba).

Each crossing becomes groups of a few electron-hole pairs: along the track for soft collisions, along the
electron's own path for hard ones. Every group is displaced by the diffusion its electrons will have when
collected, and adds its row of the response table to the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.simulate.deposit import BETA_GAMMA, collision_tables
from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.induction import CELLS_X, CELLS_Y, N_SLICES, SLICE_NS, response_table
from smartpix.simulate.ionisation import N_NORMAL, ionise, normal_table, range_table, uniform
from smartpix.simulate.passages import FINE, Passages, SignalPrecision

__all__ = ["induced_charge"]

TAIL = 0.02
"""Share of the pairs, those that diffuse farthest along the rows, which drift alone."""
MOST_CELLS = 8
"""Bound on the cells of a group: one, and at most TAIL of the pairs of the largest delta rays' parts."""
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
        range_table(),
        normal_table(),
        precision.smallest,
        seed,
    )
    copies = np.minimum(np.arange(len(slices)), shape[5] - 1)
    return crossing, row, column, charge[:, copies] if len(slices) > shape[5] else charge, pairs


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
    u, v = uniform(state), uniform(state)
    n_depth = len(sigma)
    n = 0
    for g in range(used):
        number = int(groups[g, 3])
        alone = min(int(number * TAIL + uniform(state)), number - 1)
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
                across = uniform(state)
                along = (uniform(state) - 0.5) * TAIL
                along = along if along >= 0 else 1.0 + along
                pairs = 1
            # Rounding up or down at random interpolates between depths.
            iz = min(max(int(at + uniform(state)), 0), n_depth - 1)
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
        groups, used, pairs[k] = ionise(
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
