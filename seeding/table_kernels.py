"""Compiled: an event's hits checked, sorted into cells and prepared for the search.

Loops over many hits go by blocks: a block's numbers are gathered into rows of a buffer, worked out side by
    side
without branches, so that the compiler vectorises that, and written.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seeding.arrays import Grid, SearchSettings
from seeding.constants import (
    A_FORM,
    ALONG,
    FAR,
    HALF,
    HIGH,
    LARGEST,
    LOW,
    N_PHI,
    ONE,
    PHI_SCALE,
    PI,
    RADIUS,
    SHARPEST,
    SINGULAR,
    STEEPEST,
    R,
    X,
    Y,
    Z,
)  # fmt: skip
from smartpix.compiled import FAST, njit

__all__ = ["azimuth", "envelopes", "fill_table", "find_cells", "slope_range", "sort_cells"]

MOST_TURN = 1.0
"""Largest spread (rad) of a direction by the impact parameter, which cannot exceed the radius."""
TINY = np.float32(1e-30)
"""Keeps a division by 0 away on the beam line (mm)."""
TURN = tuple(
    np.float32(c)
    for c in (
        0.9999998977538, -0.3333195972433, 0.1996923539485, -0.1401658504232, 0.0990609689664, -0.0593671007968,
        0.0241661895273, -0.0046687733090,
    )
)  # fmt: skip
"""Coefficients of atan(t) / t in t^2 up to 1, by Chebyshev's polynomials: good to 8e-8."""
BLOCK = 32
"""Hits that are worked out side by side."""
(
    X_IN, Y_IN, Z_IN, R_IN, XX, XY, XZ, YX, YY, YZ, ZX, ZY, ZZ, COT_A, COT_B, M20, M21, M22, M30, M31, M32, M33,
    LOWEST, HIGHEST, A_R, A_P, A_Z, B_R, B_P, B_Z, D_R, D_P, D_Z, TIED, UNTIED, WRONG,
) = range(0, 36 * BLOCK, BLOCK)  # fmt: skip
"""Where the rows of a block begin: position, axes of the module, slopes and two rows of the factor of their
covariance; then what is worked out, see :func:`fill_table`.
"""
ROOM = 36 * BLOCK
"""Numbers in the buffer."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def azimuth(x: Any, y: Any) -> Any:
    """atan2(y, x) in single precision."""
    c0, c1, c2, c3, c4, c5, c6, c7 = TURN
    across, along = abs(y), abs(x)
    steep = across > along
    t = min(across, along) / max(max(across, along), TINY)
    u = t * t
    a = t * (c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * (c6 + u * c7)))))))
    a = HALF * PI - a if steep else a
    a = PI - a if x < 0 else a
    return a if y >= 0 else -a


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def find_cells(
    first: int, last: int, position: Any, module: Any, layer: Any, layer_of: Any, grid: Grid, radius: Any,
    phi: Any, cell: Any,
) -> int:  # fmt: skip
    """Radius, phi and (layer, along, phi) cell of some hits, filled into (N,) arrays.

    Args:
        layer_of: (M,) layer of each module.

    Returns:
        How many hits have a module, a layer or a position that cannot be; their cell is the first.
    """
    bad, n_modules = 0, len(layer_of)
    for i in range(first, last):
        x, y, z = position[i, 0], position[i, 1], position[i, 2]
        # What is no number fails every comparison.
        good = (abs(x) <= LARGEST) & (abs(y) <= LARGEST) & (abs(z) <= LARGEST)
        good = good and 0 <= module[i] < n_modules and layer_of[module[i]] == layer[i]
        if not good:
            bad += 1
            cell[i], radius[i], phi[i] = 0, ONE, ONE
            continue
        k = layer[i]
        radius[i] = math.sqrt(x * x + y * y)
        phi[i] = azimuth(np.float32(x), np.float32(y))
        along = np.float32(z) if grid.barrel[k] else radius[i]
        a = min(max(int((along - grid.low[k]) / grid.width[k]), 0), grid.n_along[k] - 1)
        p = min(int((phi[i] + PI) * PHI_SCALE), N_PHI - 1)
        cell[i] = grid.first_cell[k] + a * N_PHI + p
    return bad


@njit(cache=True, nogil=True, error_model="numpy")
def sort_cells(cell: Any, n_cells: int) -> Any:
    """Counting sort: order (N,), where each hit comes in it (N,), and start (cells + 1,)."""
    n = len(cell)
    start = np.zeros(n_cells + 1, np.int32)
    for i in range(n):
        start[cell[i] + 1] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    free = start.copy()
    order, place = np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(n):
        place[i] = free[cell[i]]
        order[place[i]] = i
        free[cell[i]] += 1
    return order, place, start


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def slope_range(
    a: float, half: float, reach: float, xr: float, xp: float, xz: float, zr: float, zp: float, zz: float
) -> Any:
    """Range of the slope dz/ds that gives a cot alpha within ``half`` of ``a``, for directions within
    ``reach`` (sine) of the radius; of the axes x and z along radius, azimuth and beam.

    With the slope c, cot alpha = (x_r ct + x_p st + x_z c) / (z_r ct + z_p st + z_z c); this is solved for c.
    Nothing is known where a direction along the module lies within the range.
    """
    low, high = 1e9, -1e9
    cosine = math.sqrt(1 - reach * reach)
    below, above = xz - (a - half) * zz, xz - (a + half) * zz
    for side in range(2):
        edge, slope = (a + half, above) if side else (a - half, below)
        # c = p ct + q st: largest at the ends of the range, or in between where st = q / sqrt(p^2 + q^2).
        p, q = (edge * zr - xr) / slope, (edge * zp - xp) / slope
        top = math.sqrt(p * p + q * q)
        inside = abs(q) < reach * top
        least, most = p * cosine - abs(q) * reach, p * cosine + abs(q) * reach
        low = min(low, -top if inside and p < 0 else least)
        high = max(high, top if inside and p >= 0 else most)
    unknown = (abs(below) < 1e-6) | (abs(above) < 1e-6) | ((below > 0) != (above > 0))
    return (-1e9, 1e9) if unknown else (low, high)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def fill_table(
    first: int, last: int, place: Any, position: Any, radius: Any, phi: Any, axes: Any, mean: Any, cholesky: Any,
    settings: SearchSettings, innermost: float, lever: float, near: Any, sorted_phi: Any, table: Any,
) -> int:  # fmt: skip
    """Prepare some of the hits for the search: read in the event's order, written to their ``place``.

    The covariance includes multiple scattering in the hit's layer. It also includes the spread of the
    direction by the impact parameter, sigma_d0 / r times the ``lever`` and at most ``MOST_TURN``.

    Fills ``near`` and ``sorted_phi`` of :class:`seeding.arrays.HitTable`, and ``table`` (N, 16), in this
    order:
        x, y, z, r;
        three forms of a direction along the radius, the azimuth and the beam. The first two, over the third,
        are the residuals of cot alpha, and of cot beta at known cot alpha, in sigmas;
        the correlation of both slopes, and the root of one less its square: with these both residuals give
        that of cot beta;
        one unused.

    Args:
        mean: (N, 4) estimates, cholesky: (N, 4, 4) factor of their covariance.
        innermost: radius of the innermost hit in mm.
        lever: largest length of an edge over its radius, at most 1: an impact parameter d0 turns an edge by
            d0 (1 / r_i - 1 / r_j).

    Returns:
        How many hits have slopes or covariances that cannot be.
    """
    rows = np.ones(ROOM)
    bad = 0
    for begin in range(first, last, BLOCK):
        n = min(BLOCK, last - begin)
        for e in range(n):
            i = begin + e
            for q in range(3):
                rows[X_IN + q * BLOCK + e] = position[i, q]
            rows[R_IN + e] = radius[i]
            for q in range(9):
                rows[XX + q * BLOCK + e] = axes[i, q]
            for q in range(2):
                rows[COT_A + q * BLOCK + e] = mean[i, 2 + q]
            for q in range(3):
                rows[M20 + q * BLOCK + e] = cholesky[i, 2, q]
            for q in range(4):
                rows[M30 + q * BLOCK + e] = cholesky[i, 3, q]
        prepare(rows, settings, innermost, lever)
        for e in range(n):
            s = place[begin + e]
            bad += int(rows[WRONG + e])
            near[s, RADIUS], near[s, ALONG] = rows[R_IN + e], rows[Z_IN + e]
            near[s, LOW], near[s, HIGH] = rows[LOWEST + e], rows[HIGHEST + e]
            sorted_phi[s] = phi[begin + e]
            table[s, X], table[s, Y], table[s, Z], table[s, R] = (
                rows[X_IN + e],
                rows[Y_IN + e],
                rows[Z_IN + e],
                rows[R_IN + e],
            )
            for q in range(11):
                table[s, A_FORM + q] = rows[A_R + q * BLOCK + e]
            table[s, 15] = 0
    return bad


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def prepare(rows: Any, settings: SearchSettings, innermost: float, lever: float) -> None:
    """The numbers of :func:`fill_table` of one block, and 1 for each hit whose slopes or covariance cannot
    be.
    """
    scale, cut = settings.sigma_scale**2, settings.cut
    curvature, sigma_z0, sigma_d0 = settings.max_curvature, settings.sigma_z0, settings.sigma_d0
    thickness, gate = settings.scattering * curvature * curvature, math.sqrt(cut)
    widest = 2 * max(sigma_d0, SHARPEST) * gate / innermost
    for e in range(BLOCK):
        x, y, z, r = rows[X_IN + e], rows[Y_IN + e], rows[Z_IN + e], rows[R_IN + e]
        a, b = rows[COT_A + e], rows[COT_B + e]
        aa = rows[M20 + e] ** 2 + rows[M21 + e] ** 2 + rows[M22 + e] ** 2
        ab = rows[M20 + e] * rows[M30 + e] + rows[M21 + e] * rows[M31 + e] + rows[M22 + e] * rows[M32 + e]
        bb = rows[M30 + e] ** 2 + rows[M31 + e] ** 2 + rows[M32 + e] ** 2 + rows[M33 + e] ** 2
        # What is no number fails every comparison.
        good = (abs(a) <= STEEPEST) & (abs(b) <= STEEPEST) & (aa > 0)
        good &= (aa * bb - ab * ab > SINGULAR * aa * bb) & (aa + bb <= STEEPEST**2)
        rows[WRONG + e] = 0.0 if good else 1.0
        # Axes in the frame of the hit's own azimuth: there an edge's direction is the sine and cosine of its
        # turn, and no pair needs a rotation.
        ux, uy = x / r, y / r
        xr, xp, xz = (
            rows[XX + e] * ux + rows[XY + e] * uy,
            rows[XY + e] * ux - rows[XX + e] * uy,
            rows[XZ + e],
        )
        yr, yp, yz = (
            rows[YX + e] * ux + rows[YY + e] * uy,
            rows[YY + e] * ux - rows[YX + e] * uy,
            rows[YZ + e],
        )
        zr, zp, zz = (
            rows[ZX + e] * ux + rows[ZY + e] * uy,
            rows[ZY + e] * ux - rows[ZX + e] * uy,
            rows[ZZ + e],
        )
        c = z / r
        # A kick by theta in either direction across (a, b, 1), seen in the slopes.
        # Of the softest track, since weights are made once for each hit, before an edge tells the momentum.
        kick = thickness / (1 + c * c) * (1 + a * a + b * b)
        # Derivatives of the slopes by the azimuth of the direction, along the ray from the origin.
        along = zr + zz * c
        along = 1e-3 if abs(along) < 1e-3 else along
        turn = min(sigma_d0 / r * lever, MOST_TURN)
        at = (xp - (xr + xz * c) / along * zp) / along * turn
        bt = (yp - (yr + yz * c) / along * zp) / along * turn
        # Two independent angles across a track as slopes: E. J. Wolin and L. L. Ho, NIM A 329 (1993) 493.
        aa = aa * scale + kick * (1 + a * a)
        ab = ab * scale + kick * a * b
        bb = bb * scale + kick * (1 + b * b)
        # The determinant with the impact parameter's part, which may be so large that aa bb - ab ab would
        # cancel.
        det = aa * bb - ab * ab + aa * bt * bt - 2 * ab * at * bt + bb * at * at
        aa, ab, bb = aa + at * at, ab + at * bt, bb + bt * bt
        # The impact parameter may add to the curvature, see search().
        reach = min(0.5 * (r * curvature + widest), 0.99)
        low, high = slope_range(a, math.sqrt(cut * aa), reach, xr, xp, xz, zr, zp, zz)
        # |z0| alone may not use up the chi2; the path to r is at most this much longer than r.
        z_reach, shrink = gate * sigma_z0, math.sqrt(1 - reach * reach)
        from_low, from_high = (z - z_reach) / r, (z + z_reach) / r
        # A little wider than what the joint test asks for in single precision.
        limit = 1.0001 * settings.steepest
        rows[LOWEST + e] = max(low, from_low if from_low < 0 else from_low * shrink, -limit)
        rows[HIGHEST + e] = min(high, from_high if from_high > 0 else from_high * shrink, limit)
        # Two terms instead of a matrix: cot beta is compared at known cot alpha.
        wa, tie, wb = 1 / math.sqrt(aa), ab / aa, math.sqrt(aa / det)
        # With x, y and z of a direction in the module's frame, cot alpha less x / z is (cot alpha z - x) / z.
        ar, ap, az = a * zr - xr, a * zp - xp, a * zz - xz
        rows[A_R + e], rows[A_P + e], rows[A_Z + e] = wa * ar, wa * ap, wa * az
        rows[B_R + e] = wb * (b * zr - yr - tie * ar)
        rows[B_P + e] = wb * (b * zp - yp - tie * ap)
        rows[B_Z + e] = wb * (b * zz - yz - tie * az)
        rows[D_R + e], rows[D_P + e], rows[D_Z + e] = zr, zp, zz
        rows[TIED + e], rows[UNTIED + e] = ab * wa / math.sqrt(bb), math.sqrt(det / aa / bb)


@njit(cache=True, nogil=True, error_model="numpy")
def envelopes(first: Any, near: Any) -> Any:
    """(L, 4) r_min, r_max, z_min, z_max in mm of each layer's hits; inside out where it has none.

    Args:
        first: (L + 1,) first hit of each layer; near: of :func:`fill_table`.
    """
    out = np.empty((len(first) - 1, 4), np.float32)
    for k in range(len(out)):
        r_min, r_max, z_min, z_max = FAR, -FAR, FAR, -FAR
        for s in range(first[k], first[k + 1]):
            r, z = near[s, RADIUS], near[s, ALONG]
            r_min, r_max, z_min, z_max = min(r_min, r), max(r_max, r), min(z_min, z), max(z_max, z)
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = r_min, r_max, z_min, z_max
    return out
