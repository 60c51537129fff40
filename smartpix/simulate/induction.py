"""What a moving charge induces on the pixels (Shockley-Ramo), tabulated once per sensor and field.

Drift without diffusion is a function of the starting point alone. The table holds, for an electron-hole pair
born at a grid point of the pixel cell, the charge induced on the pixels around up to the end of each time
slice; diffusion is the caller's: it moves the starting points.

In irradiated silicon carriers are trapped on their way, and what they induce stops growing there. The table
holds the mean over when that happens. A pixel's charge is of hundreds to thousands of pairs, and where single
ones end moves it by some 20 e, less than the noise.
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
TRAPS = 16
"""Places along a carrier's path at which it is trapped, as likely each."""
MOST_TABLES = 64
"""Tables kept, of a few MB each: sensors and fields, times how many slices late particles come."""
MOST_SLICES = 32
"""Single slices kept: those that the tables of one event share."""


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
    # Late particles share slices, not tables: each slice is tabulated once.
    parts = [_slice_table(sensor, magnetic, s, induction) for s in slices]
    row_low, column_low = min(p.row_low for p in parts), min(p.column_low for p in parts)
    rows = [slice(p.row_low - row_low, p.row_low - row_low + p.values.shape[3]) for p in parts]
    columns = [slice(p.column_low - column_low, p.column_low - column_low + p.values.shape[4]) for p in parts]
    size = (max(r.stop for r in rows), max(c.stop for c in columns), len(slices))
    values = np.zeros((*parts[0].values.shape[:3], *size), dtype=np.float32)
    for s, (part, r, c) in enumerate(zip(parts, rows, columns, strict=True)):
        values[:, :, :, r, c, s] = part.values[..., 0]
    return ResponseTable(values, row_low, column_low, parts[0].sigma)


def forget_tables() -> None:
    """Give back the memory of tables, which sensors that never come again would fill."""
    response_table.cache_clear()
    _slice_table.cache_clear()


@lru_cache(maxsize=MOST_SLICES)
def _slice_table(
    sensor: Sensor, magnetic: tuple[float, float, float], time_slice: int, induction: Induction
) -> ResponseTable:
    """Table of one slice."""
    drift = drift_tables(sensor, magnetic)
    neighbours = np.array([induction.columns, induction.rows])
    n_depth = max(int(round(sensor.thickness / DEPTH_STEP)), 2) + 1
    start = np.linspace(drift.z[0], drift.z[-1], n_depth)
    pitch = np.array([sensor.pitch_x, sensor.pitch_y])
    time = (time_slice + 1) * SLICE_NS
    carriers = (
        (drift.tau_e, drift.shift_e, 1, drift.trapping_e),
        (drift.tau_h, drift.shift_h, -1, drift.trapping_h),
    )
    n_ends = 1 + (TRAPS if drift.trapping_e > 0 else 0)
    paths, shares = np.zeros((2, n_depth, n_ends, 3)), np.ones((2, n_depth, n_ends))
    for carrier, (tau, shift, sign, rate) in enumerate(carriers):
        # np.interp wants rising abscissae: holes count from the pixel side.
        born = np.interp(start, drift.z, tau)
        ends = np.minimum(born + time, tau.max())[:, None]
        if n_ends > 1:
            ends, shares[carrier] = _with_traps(born, ends[:, 0], rate)
        z = np.interp(ends, tau[::sign], drift.z[::sign])
        paths[carrier, :, :, 2] = z
        for axis in range(2):
            lateral = shift[:, axis]
            origin = np.interp(start, drift.z, lateral)[:, None]
            paths[carrier, :, :, axis] = np.interp(z, drift.z, lateral) - origin
    low = np.floor(np.minimum(paths[..., :2].min(axis=(0, 1, 2)), 0) / pitch).astype(int)
    high = np.ceil(np.maximum(paths[..., :2].max(axis=(0, 1, 2)), 0) / pitch).astype(int)
    # The last cell of a pixel may drift over its edge, the first one not before it: one pixel more on the far
    # side.
    first = low - neighbours
    last = high + neighbours
    values = np.zeros(
        (n_depth, CELLS_Y, CELLS_X, int(last[1] - first[1]) + 1, int(last[0] - first[0]) + 1, 1),
        dtype=np.float32,
    )
    # Where a pair is made its charges cancel; interpolated potentials at the pixels' edges do not quite.
    if time > 0:
        potential = _potential_table(sensor.pitch_x, sensor.pitch_y, sensor.thickness, induction)
        _fill(values[..., 0], paths, shares, potential, pitch, sensor.thickness, first, neighbours)
    variance = drift.variance_e[-1] - np.interp(start, drift.z, drift.variance_e)
    return ResponseTable(values, int(first[1]), int(first[0]), np.sqrt(np.maximum(variance, 0)))


def _with_traps(born: Floats, ends: Floats, rate: float) -> tuple[Floats, Floats]:
    """When carriers end on their way, and how many of them there.

    Args:
        born, ends: (Z,) ns on the clock of the way; rate: of trapping, 1/ns.

    Returns:
        (Z, TRAPS + 1) times, of the traps and of those that are never trapped, and the shares of each.
    """
    survive = np.exp(-rate * (ends - born))
    part = (np.arange(TRAPS) + 0.5) / TRAPS
    trapped = born[:, None] - np.log(1 - part * (1 - survive[:, None])) / rate
    shares = np.repeat((1 - survive[:, None]) / TRAPS, TRAPS, axis=1)
    return np.column_stack([trapped, ends]), np.column_stack([shares, survive])


PER_PITCH = 16
DEPTH_POINTS = 81


@lru_cache(maxsize=6)
def _potential_table(pitch_x: float, pitch_y: float, thickness: float, induction: Induction) -> Floats:
    """Weighting potential for interpolation, (X, Y, K).

    Axes: |x| and |y| up to the neighbours' far edges at PER_PITCH points a pitch; the depth below the pixels
    is quadratic in the index, which resolves the steep part. Voltages and temperature do not matter.
    """
    sensor = Sensor(pitch_x, pitch_y, thickness, bias=1.0, depletion=0.0)
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
def _places(
    cells: int, moved: float, pitch: float, neighbours: int, most: int, place: Any, part: Any
) -> None:
    """Where the potential's grid of one axis is read for each cell and neighbour: interval and share in it.

    Args:
        moved: by how much the carrier is off its cell, mm; most: the grid's intervals.
        place: (cells, 2 neighbours + 1) is filled, -1 beyond the grid; part: likewise.
    """
    for i in range(cells):
        at = (i + 0.5) / cells * pitch + moved
        pixel = int(math.floor(at / pitch))
        for j in range(2 * neighbours + 1):
            f = abs(at - (pixel - neighbours + j + 0.5) * pitch) / pitch * PER_PITCH
            k = int(f)
            place[i, j], part[i, j] = (k, f - k) if k < most else (-1, 0.0)


@njit(cache=True)
def _plane(table: Any, depth: float, plane: Any) -> None:
    """The potential at one depth (0 to 1), (X, Y)."""
    fz = math.sqrt(min(max(depth, 0.0), 1.0)) * (DEPTH_POINTS - 1)
    iz = min(int(fz), DEPTH_POINTS - 2)
    az = fz - iz
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            plane[i, j] = (1.0 - az) * table[i, j, iz] + az * table[i, j, iz + 1]


@njit(cache=True)
def _fill(
    values: Any,
    paths: Any,
    shares: Any,
    table: Any,
    pitch: Any,
    thickness: float,
    first: Any,
    neighbours: Any,
) -> None:
    """Add what electrons and holes induce to values (Z, CELLS_Y, CELLS_X, R, C); of each a share ends at each
    of the points.
    """
    top = 0.5 * thickness
    n_x, n_y = 2 * neighbours[0] + 1, 2 * neighbours[1] + 1
    # All cells of one depth are equally deep at the end: the potential is interpolated in depth once for all.
    plane = np.empty((table.shape[0], table.shape[1]))
    place_x, part_x = np.empty((CELLS_X, n_x), dtype=np.int64), np.empty((CELLS_X, n_x))
    place_y, part_y = np.empty((CELLS_Y, n_y), dtype=np.int64), np.empty((CELLS_Y, n_y))
    for iz in range(values.shape[0]):
        for end in range(2 * paths.shape[2]):
            carrier, k = end // paths.shape[2], end % paths.shape[2]
            x1, y1, z1 = paths[carrier, iz, k, 0], paths[carrier, iz, k, 1], paths[carrier, iz, k, 2]
            collected = z1 >= top * (1.0 - 1e-9) if carrier == 0 else z1 <= -top * (1.0 - 1e-9)
            # A hole on the far side induces nothing any more: the weighting potential is 0 there.
            if carrier == 1 and collected:
                continue
            share = shares[carrier, iz, k]
            sign = share if carrier == 0 else -share
            _plane(table, (top - z1) / thickness, plane)
            _places(CELLS_X, x1, pitch[0], neighbours[0], table.shape[0] - 1, place_x, part_x)
            _places(CELLS_Y, y1, pitch[1], neighbours[1], table.shape[1] - 1, place_y, part_y)
            for iy in range(CELLS_Y):
                row = int(math.floor(((iy + 0.5) / CELLS_Y * pitch[1] + y1) / pitch[1])) - first[1]
                for ix in range(CELLS_X):
                    column = int(math.floor(((ix + 0.5) / CELLS_X * pitch[0] + x1) / pitch[0])) - first[0]
                    if carrier == 0 and collected:
                        values[iz, iy, ix, row, column] += share
                        continue
                    target = values[iz, iy, ix]
                    for r in range(n_y):
                        y, b = place_y[iy, r], part_y[iy, r]
                        if y < 0:
                            continue
                        for c in range(n_x):
                            x, a = place_x[ix, c], part_x[ix, c]
                            if x < 0:
                                continue
                            weight = (1.0 - a) * (1.0 - b) * plane[x, y] + (1.0 - a) * b * plane[x, y + 1]
                            weight += a * (1.0 - b) * plane[x + 1, y] + a * b * plane[x + 1, y + 1]
                            target[row - neighbours[1] + r, column - neighbours[0] + c] += sign * weight
