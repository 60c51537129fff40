"""Compiled: the tests of pairs of hits.

Geometry used throughout: a helix through the beam line, signed curvature k (1/mm, counter-clockwise
    positive).
At radius r the azimuth has turned by asin(k r / 2) from the start, the path in the transverse plane is
2 asin(k r / 2) / k.

The whole test of a pair takes six divisions and five square roots. It is made for ``LANES`` pairs side by
side, without branches, so that the compiler vectorises it. All its numbers lie in one buffer, of which every
row has ``LANES`` numbers: with arrays of their own it could not know that none overlaps another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seeding.box_kernels import FLAT, RI, STEEP, ZI
from seeding.constants import (
    A_FORM,
    ALONG,
    B_FORM,
    D_FORM,
    FAR,
    HALF,
    HIGH,
    LEFT,
    LOW,
    MOST_BENT,
    N_COLUMNS,
    NEAREST,
    ONE,
    PI,
    RADIUS,
    TIE,
    TWO,
    ZERO,
    R,
    X,
    Y,
    Z,
)  # fmt: skip
from smartpix.compiled import FAST, njit

__all__ = [
    "LANES",
    "ROOM",
    "arc_ratio",
    "gather",
    "joint_tests",
    "passing",
    "side_by_side",
    "slope_tests",
    "write",
]

LANES = 64
"""Pairs whose joint test is worked out side by side."""
QUAD = 4
"""Numbers of a hit that are copied at a time."""
SOURCE, TARGET = 0, N_COLUMNS * LANES
"""Where the columns of the hits begin in the buffer, each side by side."""
CHI2, CURVATURE, SLOPE, Z0, PULL_A_I, PULL_B_I, PULL_A_J, PULL_B_J = range(
    2 * N_COLUMNS * LANES, (2 * N_COLUMNS + 8) * LANES, LANES
)
"""Where the results begin."""
ROOM = (2 * N_COLUMNS + 8) * LANES
"""Numbers in the buffer."""

QUARTER = np.float32(0.25)
ARC = tuple(np.float32(c) for c in (0.16666673, 0.07498809, 0.04501069, 0.02649434, 0.03820634))
"""Coefficients of (asin(u) / u - 1) / u^2 in u^2 up to 1/4, by Chebyshev's polynomials: good to 2e-8."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def arc_ratio(u: Any, u2: Any) -> Any:
    """asin(u) / u, for a square ``u2`` of at most 1."""
    c0, c1, c2, c3, c4 = ARC
    size, beyond = abs(u), u2 > QUARTER
    # Above a half the arc is a right angle less twice that of sqrt((1 - u) / 2).
    v = HALF * (ONE - size) if beyond else u2
    series = ONE + v * (c0 + v * (c1 + v * (c2 + v * (c3 + v * c4))))
    rest = (HALF * PI - TWO * np.sqrt(v) * series) / max(size, HALF)
    return rest if beyond else series


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def slope_tests(
    n: int, candidates: Any, first: int, boxes: Any, near: Any, gaps: Any, p: int, shrink: Any,
    most_apart: Any, source: Any, target: Any, n_pairs: int,
) -> int:  # fmt: skip
    """Append to ``source`` and ``target`` the pairs whose slope both hits allow; returns how many there are.

    Args:
        candidates: n pairs of a source, counted from ``first``, and a hit: the source times 2^32, and the
            hit.
        boxes: the buffer of :mod:`seeding.box_kernels`, with the slopes that sources and gap allow.
        shrink: least share of a path that the radius gains; most_apart: largest gain of radius.
    """
    at, inner_edge, outer_edge = gaps[p, 0], gaps[p, 1], gaps[p, 2]
    for c in range(n):
        s, j = candidates[c] >> 32, np.uint64(candidates[c] & 0xFFFFFFFF)
        ri, zi = boxes[np.uint64(RI + s)], boxes[np.uint64(ZI + s)]
        dr, dz = near[j, RADIUS] - ri, near[j, ALONG] - zi
        # The slope along the path is at most dz / dr and at least that over the stretch; times dr, since a
        # division takes longer than the comparisons.
        shorter = dz * shrink
        good = (dr > NEAREST) & (dr <= most_apart)
        good &= max(dz, shorter) >= max(boxes[np.uint64(FLAT + s)], near[j, LOW]) * dr
        good &= min(dz, shorter) <= min(boxes[np.uint64(STEEP + s)], near[j, HIGH]) * dr
        if outer_edge > ZERO:
            lever, height = dr * abs(at - zi), abs(dz)
            good &= (lever >= (inner_edge - ri) * height) & (lever <= (outer_edge - ri) * height)
        # Without a branch, which could not be predicted.
        source[np.uint64(n_pairs)], target[np.uint64(n_pairs)] = first + s, j
        n_pairs += good
    return n_pairs


@njit(cache=True, nogil=True)
def gather(begin: int, n: int, source: Any, target: Any, quads: Any, rows: Any) -> None:
    """Copy the hits of n pairs, from the one numbered ``begin`` on.

    Args:
        quads: (N, 4) of four numbers of a hit each, to the copy single ones; rows: room, first for the quads
            of all sources, then for those of all targets.
    """
    for e in range(n):
        i, j = np.uint64(source[np.uint64(begin + e)]), np.uint64(target[np.uint64(begin + e)])
        for q in range(QUAD):
            rows[q * LANES + e] = quads[i, q]
            rows[(QUAD + q) * LANES + e] = quads[j, q]


@njit(cache=True, nogil=True)
def side_by_side(rows: Any, b: Any) -> None:
    """Put the columns of hits from :func:`gather` side by side into the buffer.

    Copied by quads and separated here, where the compiler does it in registers, hits take half of the time
    that single numbers would take.
    """
    for group in range(2 * QUAD):
        quad, column = rows[group * QUAD * LANES :], b[group * QUAD * LANES :]
        for e in range(LANES):
            column[e], column[LANES + e] = quad[QUAD * e], quad[QUAD * e + 1]
            column[2 * LANES + e], column[3 * LANES + e] = quad[QUAD * e + 2], quad[QUAD * e + 3]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _residuals(b: Any, h: int, cosine: Any, sine: Any, slope: Any) -> Any:
    """A hit's residuals of cot alpha, and of cot beta at known cot alpha, in sigmas: two of its forms over
    the third, at a direction along the radius, the azimuth and the beam.
    """
    inverse = ONE / _form(b, h + D_FORM * LANES, cosine, sine, slope)
    return (
        _form(b, h + A_FORM * LANES, cosine, sine, slope) * inverse,
        _form(b, h + B_FORM * LANES, cosine, sine, slope) * inverse,
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _form(b: Any, at: int, cosine: Any, sine: Any, slope: Any) -> Any:
    return b[at] * cosine + b[at + LANES] * sine + b[at + 2 * LANES] * slope


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, forceinline=True)
def joint_tests(b: Any, max_curvature: Any, steepest: Any, inverse_z0: Any, inverse_d0: Any) -> None:
    """The joint test of the buffer's pairs: chi2, beyond every cut where there is no track, and what belongs
    to it.

    Args:
        max_curvature: up to it curvatures are equally likely; steepest: largest slope; inverse_z0,
            inverse_d0: 1 / sigma of z0, and half of that of the impact parameter.
    """
    for e in range(LANES):
        i, j = SOURCE + e, TARGET + e
        xi, yi, zi, ri = b[i + X * LANES], b[i + Y * LANES], b[i + Z * LANES], b[i + R * LANES]
        xj, yj, zj, rj = b[j + X * LANES], b[j + Y * LANES], b[j + Z * LANES], b[j + R * LANES]
        dx, dy = xj - xi, yj - yi
        # The circle through the axis and both hits: 1 / R is four times the triangle's area over the product
        # of its sides.
        sides = ri * rj
        curvature = TWO * (xi * yj - yi * xj) / (sides * np.sqrt(dx * dx + dy * dy))
        # The impact parameter shifts the curvature by 2 d0 / (ri rj).
        over = max(abs(curvature) - max_curvature, ZERO) * inverse_d0 * sides
        sin_i, sin_j = HALF * curvature * ri, HALF * curvature * rj
        si2, sj2 = sin_i * sin_i, sin_j * sin_j
        path_i = ri * arc_ratio(sin_i, si2)
        slope = (zj - zi) / (rj * arc_ratio(sin_j, sj2) - path_i)
        z0 = zi - slope * path_i
        along = z0 * inverse_z0
        a_i, b_i = _residuals(b, i, np.sqrt(ONE - si2), sin_i, slope)
        a_j, b_j = _residuals(b, j, np.sqrt(ONE - sj2), sin_j, slope)
        chi2 = over * over + along * along + a_i * a_i + b_i * b_i + a_j * a_j + b_j * b_j
        good = (dx * xi + dy * yi > ZERO) & (sj2 <= MOST_BENT) & (abs(slope) <= steepest)
        b[CHI2 + e] = chi2 if good else FAR
        b[CURVATURE + e], b[SLOPE + e], b[Z0 + e] = curvature, slope, z0
        # The chi2 has the correlation of both slopes. The pulls are for the graph network, which sees them
        # one by one.
        b[PULL_A_I + e], b[PULL_B_I + e] = a_i, b[i + TIE * LANES] * a_i + b[i + LEFT * LANES] * b_i
        b[PULL_A_J + e], b[PULL_B_J + e] = a_j, b[j + TIE * LANES] * a_j + b[j + LEFT * LANES] * b_j


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def passing(n: int, b: Any, cut: Any, lanes: Any) -> int:
    """Fill the numbers of the first n pairs whose chi2 passes; returns how many do."""
    kept = 0
    for e in range(n):
        lanes[np.uint64(kept)] = e
        # Not ">": a chi2 that is not a number must not pass.
        kept += b[CHI2 + e] <= cut
    return kept


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def write(
    n: int, lanes: Any, b: Any, begin: int, source: Any, target: Any, p: int, order: Any, at: int, out: Any
) -> None:
    """Write n pairs, the buffer's ``lanes``, into the columns ``out`` of edges from row ``at`` on."""
    for m in range(n):
        e, row = np.int64(lanes[m]), np.uint64(at + m)
        i, j = np.uint64(source[np.uint64(begin + e)]), np.uint64(target[np.uint64(begin + e)])
        out.source[row], out.target[row], out.pair[row] = order[i], order[j], p
        out.chi2[row], out.curvature[row] = b[np.uint64(CHI2 + e)], b[np.uint64(CURVATURE + e)]
        out.cot_theta[row], out.z0[row] = b[np.uint64(SLOPE + e)], b[np.uint64(Z0 + e)]
        out.pulls[row, 0], out.pulls[row, 1] = b[np.uint64(PULL_A_I + e)], b[np.uint64(PULL_B_I + e)]
        out.pulls[row, 2], out.pulls[row, 3] = b[np.uint64(PULL_A_J + e)], b[np.uint64(PULL_B_J + e)]
