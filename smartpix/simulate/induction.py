"""What a moving charge induces on the pixels (Shockley-Ramo), tabulated once per sensor and field.

Drift without diffusion is a function of the starting point alone. The table holds, for an electron-hole pair
born at a grid point of the pixel cell, the charge induced on the pixels around up to the end of each time
slice; diffusion is the caller's: it moves the starting points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.simulate.dataset_options import FULL, INDUCTIONS, PIXELAV, Induction
from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.options import N_SLICES

__all__ = [
    "FULL",
    "INDUCTIONS",
    "N_SLICES",
    "PIXELAV",
    "SLICE_NS",
    "Induction",
    "ResponseTable",
    "response_table",
    "weighting_potential",
]

Floats = npt.NDArray[np.float64]

SLICE_NS = 0.2


# Cells of 3.1 x 0.8 um and steps of 2 um in depth: about as fine as the diffusion, 2 um.
CELLS_X, CELLS_Y = 16, 16
"""Starting cells per pitch."""
DEPTH_STEP = 0.002  # mm
MOST_TABLES = 64
"""Tables kept, of a few MB each: sensors and fields, times how many slices late particles come."""


def weighting_potential(
    x: npt.ArrayLike, y: npt.ArrayLike, distance: npt.ArrayLike, sensor: Sensor, n_images: int = 10
) -> Floats:
    """Weighting potential of one pixel, closed form with mirror charges.

    Source: W. Riegler and G. Aglieri Rinella, NIM A 767 (2014) 267, eq. for a rectangular pixel in a plane
    condenser.

    Args:
        x, y: from the pixel's centre, mm.
        distance: from the pixel plane into the sensor, mm, > 0.
        n_images: mirror pairs summed.
    """
    x, y, u = np.broadcast_arrays(
        np.asarray(x, dtype=np.float64),
        np.asarray(y, dtype=np.float64),
        np.asarray(distance, dtype=np.float64),
    )
    x1, x2 = x - sensor.pitch_x / 2, x + sensor.pitch_x / 2
    y1, y2 = y - sensor.pitch_y / 2, y + sensor.pitch_y / 2

    def solid(d: Floats) -> Floats:
        def part(a: Floats, b: Floats) -> Floats:
            return np.asarray(np.arctan(a * b / (d * np.sqrt(a * a + b * b + d * d))))

        return part(x1, y1) + part(x2, y2) - part(x1, y2) - part(x2, y1)

    total = solid(u)
    for n in range(1, n_images + 1):
        pair = solid(2 * n * sensor.thickness + u) - solid(2 * n * sensor.thickness - u)
        # The sum alternates: half of its last term is nearer to its limit.
        total = total + (pair if n < n_images else pair / 2)
    return total / (2 * np.pi)


@dataclass(frozen=True)
class ResponseTable:
    """Induced charge of one electron-hole pair.

    Attributes:
        values: (Z, CELLS_Y, CELLS_X, R, C, S) float32, charge on pixel (row_low + r, column_low + c), counted
            from the pixel of the starting point, up to the end of slice s. Starting heights are Z points from
            the far to the pixel side.
        row_low, column_low: of the first tabulated pixel.
        sigma: (Z,) diffusion of the electrons until they are collected, per axis, mm.
    """

    values: npt.NDArray[np.float32]
    row_low: int
    column_low: int
    sigma: Floats


@lru_cache(maxsize=MOST_TABLES)
def response_table(
    sensor: Sensor, magnetic: tuple[float, float, float], slices: tuple[int, ...], induction: Induction
) -> ResponseTable:
    """Table for one sensor in one field.

    Args:
        magnetic: field in the sensor frame, T.
        slices: which of the 20 slices of 200 ps; charge is cumulative up to the end of each, and 0 in -1.
        induction: how far it is followed.
    """
    drift = drift_tables(sensor, magnetic)
    neighbours = np.array([induction.columns, induction.rows])
    n_depth = max(int(round(sensor.thickness / DEPTH_STEP)), 2) + 1
    start = np.linspace(drift.z[0], drift.z[-1], n_depth)
    pitch = np.array([sensor.pitch_x, sensor.pitch_y])
    times = np.array([(s + 1) * SLICE_NS for s in slices])
    paths = np.zeros((2, n_depth, len(times), 3))
    for carrier, (tau, shift, sign) in enumerate(
        ((drift.tau_e, drift.shift_e, 1), (drift.tau_h, drift.shift_h, -1))
    ):
        # np.interp wants rising abscissae: holes count from the pixel side.
        born = np.interp(start, drift.z, tau)
        at = np.minimum(born[:, None] + times, tau.max())
        z = np.interp(at, tau[::sign], drift.z[::sign])
        paths[carrier, :, :, 2] = z
        for axis in range(2):
            lateral = shift[:, axis]
            paths[carrier, :, :, axis] = (
                np.interp(z, drift.z, lateral) - np.interp(start, drift.z, lateral)[:, None]
            )
    low = np.floor(np.minimum(paths[..., :2].min(axis=(0, 1, 2)), 0) / pitch).astype(int)
    high = np.ceil(np.maximum(paths[..., :2].max(axis=(0, 1, 2)), 0) / pitch).astype(int)
    # The last cell of a pixel may drift over its edge, the first one not before it: one pixel more on the far
    # side.
    first = low - neighbours
    last = high + neighbours
    values = np.zeros(
        (n_depth, CELLS_Y, CELLS_X, int(last[1] - first[1]) + 1, int(last[0] - first[0]) + 1, len(times)),
        dtype=np.float32,
    )
    _fill(values, paths, _potential_table(sensor, induction), pitch, sensor.thickness, first, neighbours)
    # Where a pair is made its charges cancel; interpolated potentials at the pixels' edges do not quite.
    values[..., times <= 0] = 0
    variance = drift.variance_e[-1] - np.interp(start, drift.z, drift.variance_e)
    return ResponseTable(values, int(first[1]), int(first[0]), np.sqrt(np.maximum(variance, 0)))


PER_PITCH = 16
DEPTH_POINTS = 81


@lru_cache(maxsize=6)
def _potential_table(sensor: Sensor, induction: Induction) -> Floats:
    """Weighting potential for interpolation, (X, Y, K).

    Axes: |x| and |y| up to the neighbours' far edges at PER_PITCH points a pitch; the depth below the pixels
    is quadratic in the index, which resolves the steep part.
    """
    x = np.arange((induction.columns + 1) * PER_PITCH + 2) * sensor.pitch_x / PER_PITCH
    y = np.arange((induction.rows + 1) * PER_PITCH + 2) * sensor.pitch_y / PER_PITCH
    depth = sensor.thickness * (np.arange(DEPTH_POINTS) / (DEPTH_POINTS - 1)) ** 2
    # The closed form divides by the distance.
    depth[0] = 1e-6 * sensor.thickness
    # Mirrored pixels farther away than two thicknesses add nothing: the potential falls as exp(-pi r /
    # thickness).
    reach_x, reach_y = (
        int(np.ceil(2 * sensor.thickness / (induction.period * p))) if induction.period else 0
        for p in (sensor.pitch_x, sensor.pitch_y)
    )
    total = np.zeros((len(x), len(y), len(depth)))
    for i in range(-reach_x, reach_x + 1):
        for j in range(-reach_y, reach_y + 1):
            dx, dy = i * induction.period * sensor.pitch_x, j * induction.period * sensor.pitch_y
            total += weighting_potential(
                x[:, None, None] + dx, y[None, :, None] + dy, depth[None, None, :], sensor
            )
    return total


@njit(cache=True)
def _potential(table: Any, dx: float, dy: float, depth: float, pitch: Any, thickness: float) -> float:
    """Trilinear interpolation."""
    fx = abs(dx) / pitch[0] * PER_PITCH
    fy = abs(dy) / pitch[1] * PER_PITCH
    ix, iy = int(fx), int(fy)
    if ix >= table.shape[0] - 1 or iy >= table.shape[1] - 1:
        return 0.0
    fz = math.sqrt(min(max(depth / thickness, 0.0), 1.0)) * (DEPTH_POINTS - 1)
    iz = min(int(fz), DEPTH_POINTS - 2)
    ax, ay, az = fx - ix, fy - iy, fz - iz
    total = 0.0
    for i in range(2):
        wx = ax if i else 1.0 - ax
        for j in range(2):
            wy = ay if j else 1.0 - ay
            total += wx * wy * ((1.0 - az) * table[ix + i, iy + j, iz] + az * table[ix + i, iy + j, iz + 1])
    return float(total)


@njit(cache=True)
def _fill(
    values: Any, paths: Any, table: Any, pitch: Any, thickness: float, first: Any, neighbours: Any
) -> None:
    top = 0.5 * thickness
    for iz in range(values.shape[0]):
        for s in range(values.shape[5]):
            for carrier in range(2):
                x1, y1, z1 = paths[carrier, iz, s, 0], paths[carrier, iz, s, 1], paths[carrier, iz, s, 2]
                collected = z1 >= top * (1.0 - 1e-9) if carrier == 0 else z1 <= -top * (1.0 - 1e-9)
                # A hole on the far side induces nothing any more: the weighting potential is 0 there.
                if carrier == 1 and collected:
                    continue
                for iy in range(CELLS_Y):
                    y = (iy + 0.5) / CELLS_Y * pitch[1] + y1
                    row = int(math.floor(y / pitch[1]))
                    for ix in range(CELLS_X):
                        x = (ix + 0.5) / CELLS_X * pitch[0] + x1
                        column = int(math.floor(x / pitch[0]))
                        if carrier == 0 and collected:
                            values[iz, iy, ix, row - first[1], column - first[0], s] += 1.0
                            continue
                        sign = 1.0 if carrier == 0 else -1.0
                        for r in range(row - neighbours[1], row + neighbours[1] + 1):
                            dy = y - (r + 0.5) * pitch[1]
                            for c in range(column - neighbours[0], column + neighbours[0] + 1):
                                dx = x - (c + 0.5) * pitch[0]
                                weight = _potential(table, dx, dy, top - z1, pitch, thickness)
                                values[iz, iy, ix, r - first[1], c - first[0], s] += sign * weight
