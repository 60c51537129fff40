"""The compiled loops that sort an event's hits into cells and prepare them for the search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seeding.arrays import Grid, SearchSettings
from seeding.kernels import (
    FAR,
    HIGH,
    LOW,
    MOST_TURN,
    N_PHI,
    PHI,
    PHI_SCALE,
    SA,
    SB,
    SHARPEST,
    TIE,
    WA,
    WB,
    A,
    B,
    R,
    X,
    Y,
    Z,
)  # fmt: skip
from smartpix.compiled import FAST, njit

__all__ = ["envelopes", "fill_table", "find_cells", "slope_range", "sort_cells"]


@njit(cache=True, nogil=True, error_model="numpy")
def find_cells(
    first: int, last: int, position: Any, layer: Any, grid: Grid, radius: Any, phi: Any, cell: Any
) -> None:
    """Radius, phi and (layer, along, phi) cell of some hits, filled into (N,) arrays."""
    for i in range(first, last):
        k = layer[i]
        x, y = position[i, 0], position[i, 1]
        radius[i], phi[i] = math.sqrt(x * x + y * y), math.atan2(y, x)
        along = position[i, 2] if grid.barrel[k] else radius[i]
        a = min(max(int((along - grid.low[k]) / grid.width[k]), 0), grid.n_along[k] - 1)
        p = min(int((phi[i] + math.pi) * PHI_SCALE), N_PHI - 1)
        cell[i] = grid.first_cell[k] + a * N_PHI + p


@njit(cache=True, nogil=True, error_model="numpy")
def sort_cells(cell: Any, n_cells: int) -> Any:
    """Counting sort: order (N,) and start (cells + 1,)."""
    n = len(cell)
    start = np.zeros(n_cells + 1, np.int32)
    for i in range(n):
        start[cell[i] + 1] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    place = start.copy()
    order = np.empty(n, np.int32)
    for i in range(n):
        order[place[cell[i]]] = i
        place[cell[i]] += 1
    return order, start


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def slope_range(a: float, half: float, reach: float, f: Any, s: int) -> Any:
    """Range of the slope dz/ds that gives a cot alpha within ``half`` of ``a``, for directions within
    ``reach`` (sine) of the radius; f (N, 9) are axes along radius, azimuth and beam.

    With the slope c, cot alpha = (x_r ct + x_p st + x_z c) / (z_r ct + z_p st + z_z c); this is solved for c.
    Nothing is known where a direction along the module lies within the range.
    """
    low, high = 1e9, -1e9
    cosine = math.sqrt(1 - reach * reach)
    below, above = f[s, 2] - (a - half) * f[s, 8], f[s, 2] - (a + half) * f[s, 8]
    if abs(below) < 1e-6 or abs(above) < 1e-6 or (below > 0) != (above > 0):
        return -1e9, 1e9
    for side in range(2):
        edge, slope = (a + half, above) if side else (a - half, below)
        # c = p ct + q st: largest at the ends of the range, or in between where st = q / sqrt(p^2 + q^2).
        p, q = (edge * f[s, 6] - f[s, 0]) / slope, (edge * f[s, 7] - f[s, 1]) / slope
        low, high = min(low, p * cosine - abs(q) * reach), max(high, p * cosine + abs(q) * reach)
        top = math.sqrt(p * p + q * q)
        if abs(q) < reach * top:
            low, high = (min(low, -top), high) if p < 0 else (low, max(high, top))
    return low, high


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def fill_table(
    first: int, last: int, order: Any, position: Any, radius: Any, phi: Any, axes: Any, cot: Any,
    covariance: Any, settings: SearchSettings, innermost: float, table: Any, f: Any,
) -> None:  # fmt: skip
    """Prepare some of the hits for the search, in its order.

    The covariance includes multiple scattering in the hit's layer. It also includes the spread of the
    direction by the impact parameter, sigma_d0 / r and at most ``MOST_TURN``.

    Fills ``f`` (N, 9), the axes along radius, azimuth and beam, and ``table`` (N, 16), in this order:
        x, y, z, r, phi;
        cot alpha and cot beta;
        1 / sigma of cot alpha, the slope of cot beta by cot alpha in their covariance, and 1 / sigma of cot
        beta at known cot alpha;
        the lowest and highest slope dz/ds of an edge that can pass;
        1 / sigma of cot alpha and of cot beta; two unused.

    Args:
        covariance: (N, 3) of (cot alpha, cot beta): aa, ab, bb.
        innermost: radius of the innermost hit in mm.
    """
    scale, curvature, cut = settings.sigma_scale**2, settings.max_curvature, settings.cut
    sigma_z0, sigma_d0 = settings.sigma_z0, settings.sigma_d0
    for s in range(first, last):
        i = order[s]
        r = radius[i]
        # Axes in the frame of the hit's own azimuth: there an edge's direction is the sine and cosine of its
        # turn, and no pair needs a rotation.
        ux, uy = position[i, 0] / r, position[i, 1] / r
        for k in range(0, 9, 3):
            f[s, k] = axes[i, k] * ux + axes[i, k + 1] * uy
            f[s, k + 1] = axes[i, k + 1] * ux - axes[i, k] * uy
            f[s, k + 2] = axes[i, k + 2]
        a, b = cot[i, 0], cot[i, 1]
        c = position[i, 2] / r
        # A kick by theta in either direction across (a, b, 1), seen in the slopes.
        # Of the softest track, since weights are made once for each hit, before an edge tells the momentum.
        kick = settings.scattering * curvature * curvature / (1 + c * c) * (1 + a * a + b * b)
        # Derivatives of the slopes by the azimuth of the direction, along the ray from the origin.
        z = f[s, 6] + f[s, 8] * c
        if abs(z) < 1e-3:
            z = 1e-3
        turn = min(sigma_d0 / r, MOST_TURN)
        at = (f[s, 1] - (f[s, 0] + f[s, 2] * c) / z * f[s, 7]) / z * turn
        bt = (f[s, 4] - (f[s, 3] + f[s, 5] * c) / z * f[s, 7]) / z * turn
        # Two independent angles across a track as slopes: E. J. Wolin and L. L. Ho, NIM A 329 (1993) 493.
        aa = covariance[i, 0] * scale + kick * (1 + a * a)
        ab = covariance[i, 1] * scale + kick * a * b
        bb = covariance[i, 2] * scale + kick * (1 + b * b)
        # The determinant with the impact parameter's part, which may be so large that aa bb - ab ab would
        # cancel.
        det = aa * bb - ab * ab + aa * bt * bt - 2 * ab * at * bt + bb * at * at
        aa, ab, bb = aa + at * at, ab + at * bt, bb + bt * bt
        # The impact parameter may add to the curvature, see search().
        reach = min(
            0.5 * r * (curvature + 2 * max(sigma_d0, SHARPEST) * math.sqrt(cut) / (r * innermost)), 0.99
        )
        low, high = slope_range(a, math.sqrt(cut * aa), reach, f, s)
        # |z0| alone may not use up the chi2; the path to r is at most this much longer than r.
        z_reach, stretch = math.sqrt(cut) * sigma_z0, 1 / math.sqrt(1 - reach * reach)
        from_low, from_high = (position[i, 2] - z_reach) / r, (position[i, 2] + z_reach) / r
        low = max(low, from_low if from_low < 0 else from_low / stretch)
        high = min(high, from_high if from_high > 0 else from_high / stretch)
        table[s, X], table[s, Y], table[s, Z] = position[i, 0], position[i, 1], position[i, 2]
        table[s, R], table[s, PHI] = r, phi[i]
        table[s, A], table[s, B] = a, b
        table[s, WA], table[s, TIE], table[s, WB] = 1 / math.sqrt(aa), ab / aa, math.sqrt(aa / det)
        table[s, LOW], table[s, HIGH] = low, high
        table[s, SA], table[s, SB] = 1 / math.sqrt(aa), 1 / math.sqrt(bb)
        table[s, 14] = table[s, 15] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def envelopes(first: Any, table: Any, margin: float) -> Any:
    """(L, 4) r_min, r_max, z_min, z_max in mm of each layer's hits, wider by ``margin``; inside out where it
    has none.

    Args:
        first: (L + 1,) first hit of each layer; table: of :func:`fill_table`.
    """
    out = np.empty((len(first) - 1, 4), np.float32)
    for k in range(len(out)):
        out[k, 0] = out[k, 2] = FAR
        out[k, 1] = out[k, 3] = -FAR
        for s in range(first[k], first[k + 1]):
            r, z = table[s, R], table[s, Z]
            out[k, 0], out[k, 1] = min(out[k, 0], r - margin), max(out[k, 1], r + margin)
            out[k, 2], out[k, 3] = min(out[k, 2], z - margin), max(out[k, 3], z + margin)
    return out
