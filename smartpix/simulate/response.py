"""Crossings of a sensor to induced charge on its pixels, in time slices (Numba)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from smartpix.simulate.deposit import ELECTRON_MASS, N_QUANTILES, PAIR_ENERGY, T_MAX, collision_quantiles, collision_rate
from smartpix.simulate.drift import (
    NEAR_COLUMNS,
    NEAR_ROWS,
    TABLE_DEPTH,
    TABLE_PER_PITCH,
    DriftTables,
    Sensor,
    drift_tables,
    weighting_table,
)

__all__ = ["N_SLICES", "SLICE_NS", "induced_charge"]

N_SLICES = 20
SLICE_NS = 0.2
STEP = 0.005
"""Path length per charge element in mm."""
DELTA_RAY = 20_000.0
"""Transfers above this (eV) are spread along the delta ray's own path."""
DELTA_REACH = 0.1
"""A delta ray is followed this far, mm; beyond (transfers above about 180 keV) its charge is left out."""
SMALLEST = 5.0
"""Pixels whose signal never exceeds this many electrons are not kept."""

Floats = npt.NDArray[np.float64]


def induced_charge(
    position: Floats,
    direction: Floats,
    beta: Floats,
    half_size: Floats,
    sensor: Sensor,
    magnetic: tuple[float, float, float],
    slices: Sequence[int],
    seed: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Noise-free induced charge of N crossings.

    Args:
        position: (N, 2) crossing of the midplane in the sensor frame, mm from the module centre.
        direction: (N, 3) direction in the sensor frame, any length, z component not 0.
        beta: (N,) v / c.
        half_size: (N, 2) half lengths of the module along x and y, mm.
        magnetic: field in the sensor frame, T.
        slices: which of the 20 slices of 200 ps; charge is cumulative up to the end of each.
        seed: of the straggling.

    Returns:
        crossing, row, column: (K,) int32 each; charge: (K, S) float32 in electrons.
    """
    tables = drift_tables(sensor, magnetic)
    times = np.array([(s + 1) * SLICE_NS for s in slices])
    pitch = np.array([sensor.pitch_x, sensor.pitch_y])
    n_pixels = np.rint(2 * half_size / pitch).astype(np.int32)
    out = _induce(
        np.ascontiguousarray(position, dtype=np.float64),
        np.ascontiguousarray(direction, dtype=np.float64),
        np.ascontiguousarray(beta, dtype=np.float64),
        np.ascontiguousarray(half_size, dtype=np.float64),
        n_pixels,
        sensor.thickness,
        pitch,
        times,
        *_table_arrays(tables),
        weighting_table(sensor),
        collision_quantiles(),
        collision_rate(),
        seed,
    )
    return out[0], out[1], out[2], out[3]


def _table_arrays(tables: DriftTables) -> tuple[Any, ...]:
    return (
        tables.z,
        np.ascontiguousarray(tables.tau_e),
        np.ascontiguousarray(tables.tau_h),
        np.ascontiguousarray(tables.shift_e),
        np.ascontiguousarray(tables.shift_h),
        np.ascontiguousarray(tables.variance_e),
    )


@njit(cache=True)
def _weight(table: Any, dx: float, dy: float, distance: float, pitch: Any, thickness: float) -> float:
    """Trilinear interpolation of the weighting potential."""
    fx = abs(dx) / pitch[0] * TABLE_PER_PITCH
    fy = abs(dy) / pitch[1] * TABLE_PER_PITCH
    ix, iy = int(fx), int(fy)
    if ix >= table.shape[0] - 1 or iy >= table.shape[1] - 1:
        return 0.0
    fz = math.sqrt(min(max(distance / thickness, 0.0), 1.0)) * (TABLE_DEPTH - 1)
    iz = min(int(fz), TABLE_DEPTH - 2)
    ax, ay, az = fx - ix, fy - iy, fz - iz
    total = 0.0
    for i in range(2):
        wx = ax if i else 1.0 - ax
        for j in range(2):
            wy = ay if j else 1.0 - ay
            total += wx * wy * ((1.0 - az) * table[ix + i, iy + j, iz] + az * table[ix + i, iy + j, iz + 1])
    return float(total)


@njit(cache=True)
def _lookup(values: Any, index: float) -> float:
    i = min(max(int(index), 0), len(values) - 2)
    return float(values[i] + (index - i) * (values[i + 1] - values[i]))


@njit(cache=True)
def _place(tau: Any, time: float, ascending: bool) -> float:
    """Fractional grid index where the cumulative drift time is ``time`` (clipped to the ends)."""
    low, high = 0, len(tau) - 1
    if ascending:
        if time >= tau[high]:
            return float(high)
        while high - low > 1:
            middle = (low + high) // 2
            if tau[middle] <= time:
                low = middle
            else:
                high = middle
    else:
        if time >= tau[0]:
            return 0.0
        while high - low > 1:
            middle = (low + high) // 2
            if tau[middle] >= time:
                low = middle
            else:
                high = middle
    return float(low + (time - tau[low]) / (tau[high] - tau[low]))


@njit(cache=True)
def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@njit(cache=True)
def _spread_collected(
    patch: Any, slice_index: int, x: float, y: float, sigma: float, amount: float, origin: Any, pitch: Any
) -> None:
    """Share collected electrons among pixels by the Gaussian of their diffusion."""
    n_rows, n_columns = patch.shape[1], patch.shape[2]
    column = int(math.floor((x - origin[0]) / pitch[0]))
    row = int(math.floor((y - origin[1]) / pitch[1]))
    reach = int(3.5 * sigma / pitch[1]) + 1
    for c in range(max(column - 1, 0), min(column + 2, n_columns)):
        left = origin[0] + c * pitch[0]
        share_x = _normal_cdf((left + pitch[0] - x) / sigma) - _normal_cdf((left - x) / sigma)
        if share_x < 1e-4:
            continue
        for r in range(max(row - reach, 0), min(row + reach + 1, n_rows)):
            low = origin[1] + r * pitch[1]
            share_y = _normal_cdf((low + pitch[1] - y) / sigma) - _normal_cdf((low - y) / sigma)
            patch[slice_index, r, c] += amount * share_x * share_y


@njit(cache=True)
def _spread_moving(
    patch: Any,
    slice_index: int,
    x: float,
    y: float,
    distance: float,
    amount: float,
    origin: Any,
    pitch: Any,
    table: Any,
    thickness: float,
) -> None:
    """Add ``amount`` times the weighting potential at the carrier's place, pixel by pixel."""
    n_rows, n_columns = patch.shape[1], patch.shape[2]
    column = int(math.floor((x - origin[0]) / pitch[0]))
    row = int(math.floor((y - origin[1]) / pitch[1]))
    for c in range(max(column - NEAR_COLUMNS, 0), min(column + NEAR_COLUMNS + 1, n_columns)):
        dx = x - (origin[0] + (c + 0.5) * pitch[0])
        for r in range(max(row - NEAR_ROWS, 0), min(row + NEAR_ROWS + 1, n_rows)):
            dy = y - (origin[1] + (r + 0.5) * pitch[1])
            patch[slice_index, r, c] += amount * _weight(table, dx, dy, distance, pitch, thickness)


@njit(cache=True)
def _deposit(
    patch: Any,
    x: float,
    y: float,
    z: float,
    pairs: float,
    times: Any,
    grid: Any,
    tau_e: Any,
    tau_h: Any,
    shift_e: Any,
    shift_h: Any,
    variance_e: Any,
    table: Any,
    origin: Any,
    pitch: Any,
    thickness: float,
) -> None:
    """Signal of ``pairs`` electron-hole pairs born at one point, in every slice (Shockley-Ramo)."""
    top = len(grid) - 1
    start = (z - grid[0]) / (grid[1] - grid[0])
    start = min(max(start, 0.0), float(top))
    time_e, time_h = _lookup(tau_e, start), _lookup(tau_h, start)
    for s in range(len(times)):
        at = _place(tau_e, time_e + times[s], True)
        xe = x + _lookup(shift_e[:, 0], at) - _lookup(shift_e[:, 0], start)
        ye = y + _lookup(shift_e[:, 1], at) - _lookup(shift_e[:, 1], start)
        if at >= top:
            sigma = math.sqrt(max(variance_e[top] - _lookup(variance_e, start), 1e-8))
            _spread_collected(patch, s, xe, ye, sigma, pairs, origin, pitch)
        else:
            depth = grid[top] - (grid[0] + at * (grid[1] - grid[0]))
            _spread_moving(patch, s, xe, ye, depth, pairs, origin, pitch, table, thickness)
        at = _place(tau_h, time_h + times[s], False)
        if at > 0.0:
            xh = x + _lookup(shift_h[:, 0], at) - _lookup(shift_h[:, 0], start)
            yh = y + _lookup(shift_h[:, 1], at) - _lookup(shift_h[:, 1], start)
            depth = grid[top] - (grid[0] + at * (grid[1] - grid[0]))
            _spread_moving(patch, s, xh, yh, depth, -pairs, origin, pitch, table, thickness)


@njit(cache=True)
def _transfer(quantiles: Any) -> float:
    """One energy transfer in eV from the inverse complementary distribution."""
    index = -math.log(1.0 - np.random.random()) * N_QUANTILES / 12.0
    i = int(index)
    if i >= N_QUANTILES:
        return float(quantiles[N_QUANTILES])
    return float(quantiles[i] + (index - i) * (quantiles[i + 1] - quantiles[i]))


@njit(cache=True)
def _delta_range(energy: float) -> float:
    """Practical range in silicon in mm (L. Katz and A. S. Penfold, Rev. Mod. Phys. 24 (1952) 28)."""
    mev = energy * 1e-6
    return float(412.0 * mev ** (1.265 - 0.0954 * math.log(mev)) / 2.33 * 1e-2)


@njit(cache=True)
def _induce(
    position: Any,
    direction: Any,
    beta: Any,
    half_size: Any,
    n_pixels: Any,
    thickness: float,
    pitch: Any,
    times: Any,
    grid: Any,
    tau_e: Any,
    tau_h: Any,
    shift_e: Any,
    shift_h: Any,
    variance_e: Any,
    table: Any,
    quantiles: Any,
    rate: float,
    seed: int,
) -> Any:
    np.random.seed(seed)
    n_slices = len(times)
    capacity = 64 * len(position) + 1024
    crossing = np.empty(capacity, dtype=np.int32)
    rows = np.empty(capacity, dtype=np.int32)
    columns = np.empty(capacity, dtype=np.int32)
    charge = np.empty((capacity, n_slices), dtype=np.float32)
    n_out = 0
    margin_y = abs(shift_e[-1, 1]) + (NEAR_ROWS + 2) * pitch[1] + DELTA_REACH
    margin_x = abs(shift_e[-1, 0]) + (NEAR_COLUMNS + 1) * pitch[0] + DELTA_REACH
    for k in range(len(position)):
        nx, ny, nz = direction[k, 0], direction[k, 1], direction[k, 2]
        cot_a, cot_b = nx / nz, ny / nz
        hx, hy = half_size[k, 0], half_size[k, 1]
        # A grazing track cannot leave more of itself on the module than the module is long.
        reach = min(0.5 * thickness, 2 * hx / max(abs(cot_a), 1e-9), 2 * hy / max(abs(cot_b), 1e-9))
        x_low = position[k, 0] - abs(cot_a) * reach - margin_x
        x_high = position[k, 0] + abs(cot_a) * reach + margin_x
        y_low = position[k, 1] - abs(cot_b) * reach - margin_y
        y_high = position[k, 1] + abs(cot_b) * reach + margin_y
        column_low = max(int(math.floor((x_low + hx) / pitch[0])), 0)
        column_high = min(int(math.floor((x_high + hx) / pitch[0])), n_pixels[k, 0] - 1)
        row_low = max(int(math.floor((y_low + hy) / pitch[1])), 0)
        row_high = min(int(math.floor((y_high + hy) / pitch[1])), n_pixels[k, 1] - 1)
        if column_high < column_low or row_high < row_low:
            continue
        patch = np.zeros((n_slices, row_high - row_low + 1, column_high - column_low + 1))
        origin = np.array([column_low * pitch[0] - hx, row_low * pitch[1] - hy])

        slope = math.sqrt(1.0 + cot_a * cot_a + cot_b * cot_b)
        path = 2 * reach * slope
        n_steps = max(int(math.ceil(path / STEP)), 1)
        step = path / n_steps
        mean = rate * step * 1e3 / max(beta[k] * beta[k], 0.01)
        gamma2 = 1.0 / max(1.0 - beta[k] * beta[k], 1e-9)
        # Largest transfer to an electron by a much heavier particle; the spectrum ends at T_MAX before.
        t_kin = 2 * ELECTRON_MASS * beta[k] * beta[k] * gamma2
        t_max = min(t_kin, T_MAX)
        # The particle travels along (nx, ny, nz), which may be towards -z.
        forward = 1.0 if nz > 0 else -1.0
        for i in range(n_steps):
            z = -reach + 2 * reach * (i + 0.5) / n_steps
            x, y = position[k, 0] + cot_a * z, position[k, 1] + cot_b * z
            energy = 0.0
            for _ in range(np.random.poisson(mean)):
                loss = _transfer(quantiles)
                while loss > t_max:
                    loss = _transfer(quantiles)
                if loss < DELTA_RAY:
                    energy += loss
                    continue
                # A hard collision: kinematics gives the angle to the track, the azimuth is free.
                cos_angle = math.sqrt(min(loss * (t_kin + 2 * ELECTRON_MASS) / (t_kin * (loss + 2 * ELECTRON_MASS)), 1.0))
                sin_angle = math.sqrt(1.0 - cos_angle * cos_angle)
                azimuth = 2 * math.pi * np.random.random()
                tx, ty, tz = forward * cot_a / slope, forward * cot_b / slope, forward / slope
                # Two unit vectors across the track.
                norm = math.sqrt(tx * tx + tz * tz)
                ax, az = tz / norm, -tx / norm
                bx, by, bz = ty * az, tz * ax - tx * az, -ty * ax
                c, s = math.cos(azimuth) * sin_angle, math.sin(azimuth) * sin_angle
                dx, dy, dz = cos_angle * tx + c * ax + s * bx, cos_angle * ty + s * by, cos_angle * tz + c * az + s * bz
                # Scattering shortens the straight reach of an electron to about 0.6 of its range.
                length = 0.6 * _delta_range(loss)
                n_parts = max(int(length / STEP) + 1, 2)
                for j in range(n_parts):
                    at = length * (j + 0.5) / n_parts
                    if at > DELTA_REACH:
                        break
                    zj = z + dz * at
                    if abs(zj) > 0.5 * thickness:
                        break
                    _deposit(
                        patch, x + dx * at, y + dy * at, zj, loss / n_parts / PAIR_ENERGY, times, grid, tau_e,
                        tau_h, shift_e, shift_h, variance_e, table, origin, pitch, thickness,
                    )  # fmt: skip
            if energy > 0.0:
                _deposit(
                    patch, x, y, z, energy / PAIR_ENERGY, times, grid, tau_e, tau_h, shift_e, shift_h,
                    variance_e, table, origin, pitch, thickness,
                )  # fmt: skip

        for r in range(patch.shape[1]):
            for c2 in range(patch.shape[2]):
                largest = 0.0
                for s2 in range(n_slices):
                    largest = max(largest, abs(patch[s2, r, c2]))
                if largest < SMALLEST:
                    continue
                if n_out == capacity:
                    capacity *= 2
                    crossing = _grow(crossing, capacity)
                    rows = _grow(rows, capacity)
                    columns = _grow(columns, capacity)
                    wider = np.empty((capacity, n_slices), dtype=np.float32)
                    wider[:n_out] = charge
                    charge = wider
                crossing[n_out] = k
                rows[n_out] = row_low + r
                columns[n_out] = column_low + c2
                for s2 in range(n_slices):
                    charge[n_out, s2] = patch[s2, r, c2]
                n_out += 1
    return crossing[:n_out].copy(), rows[:n_out].copy(), columns[:n_out].copy(), charge[:n_out].copy()


@njit(cache=True)
def _grow(values: Any, capacity: int) -> Any:
    wider = np.empty(capacity, dtype=values.dtype)
    wider[: len(values)] = values
    return wider
