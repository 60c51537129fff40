"""Compiled: where on the target layer the hits lie that a source can make an edge with.

Boxes of :data:`SOURCES` sources are worked out side by side, without branches, so that the compiler
vectorises the loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seeding.arrays import Grid
from seeding.constants import (
    AHEAD,
    ALONG,
    FAR,
    HALF,
    HIGH,
    LOW,
    N_PHI,
    NEAREST,
    ONE,
    OVERLAP,
    PHI_SCALE,
    PI,
    RADIUS,
    SOURCES,
    ZERO,
)  # fmt: skip
from smartpix.compiled import FAST, njit

__all__ = ["BOX_ROOM", "find_boxes", "load_sources", "through_gap", "whole"]

(RI, ZI, PHI_I, FLAT, STEEP, FAR_R, NEAR_R, FIRST, LAST, LEFT_PHI, RIGHT_PHI) = range(
    0, 11 * SOURCES, SOURCES
)
"""Where the rows of the buffer begin: sources, their slopes, radii between which they are met, and cells."""
BOX_ROOM = 11 * SOURCES
"""Numbers in the buffer."""

SHALLOW = np.float32(1e-3)
"""A flatter slope reaches every radius of a disk."""
A_TURN = np.float32(N_PHI)
SLACK = np.float32(1e-4)
"""Azimuth (rad) that a box is wider by, against rounding."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def load_sources(first: int, near: Any, phi: Any, b: Any) -> None:
    """Put ``SOURCES`` hits from row ``first`` on side by side into the buffer."""
    for s in range(SOURCES):
        b[RI + s], b[ZI + s], b[PHI_I + s] = near[first + s, RADIUS], near[first + s, ALONG], phi[first + s]
        b[FLAT + s], b[STEEP + s] = near[first + s, LOW], near[first + s, HIGH]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def through_gap(at: Any, inner_edge: Any, outer_edge: Any, stretch: Any, b: Any) -> None:
    """Narrow the buffer's ranges of slopes to those that lead through a gap at z = ``at`` between two radii;
    if there are none, the lowest is above the highest.
    """
    for s in range(SOURCES):
        ahead = at - b[ZI + s]
        inner, outer = inner_edge - b[RI + s], outer_edge - b[RI + s]
        steep = abs(ahead) / inner if inner > NEAREST else FAR
        flat = abs(ahead) / (outer * stretch)
        none = (outer <= ZERO) | (ahead == ZERO)
        least, most = (flat, steep) if ahead > ZERO else (-steep, -flat)
        b[FLAT + s] = FAR if none else max(b[FLAT + s], least)
        b[STEEP + s] = -FAR if none else min(b[STEEP + s], most)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def find_boxes(
    grid: Grid, k: int, same: bool, envelope: Any, margin: Any, stretch: Any, widest: Any, gate: Any, b: Any
) -> None:
    """Put the first and last cell along and in azimuth into the buffer, of the slopes in it.

    The last cell along is before the first where no hit can be met. Cells in azimuth run beyond 0 and
    ``N_PHI`` where the box wraps.

    Args:
        k: target layer; same: the sources lie on it, too.
        margin: of :class:`seeding.arrays.HitTable`.
        stretch: how much longer a path may be than the radius it gains.
        widest: largest curvature; gate: how much wider it is at r_i r_j = 1 mm^2, for the impact parameter.
    """
    r_min, r_max, z_min, z_max = envelope[k, 0], envelope[k, 1], envelope[k, 2], envelope[k, 3]
    begin, inverse, last = grid.low[k], ONE / grid.width[k], np.float32(grid.n_along[k] - 1)
    if grid.barrel[k]:
        for s in range(SOURCES):
            ri, zi, flat, steep = b[RI + s], b[ZI + s], b[FLAT + s], b[STEEP + s]
            near, reach = max(r_min - ri, ZERO), (r_max - ri) * stretch
            along_low, along_high = zi + min(flat * near, flat * reach), zi + max(steep * near, steep * reach)
            # On the beam line there is no circle, and beyond the layer there is nothing.
            good = (ri > NEAREST) & (r_max > ri) & (flat <= steep)
            good &= (along_high >= z_min) & (along_low <= z_max)
            first = min(max((along_low - margin - begin) * inverse, ZERO), last)
            after = min(max((along_high + margin - begin) * inverse, ZERO), last)
            b[FIRST + s], b[LAST + s] = first if good else ZERO, after if good else -ONE
            b[FAR_R + s], b[NEAR_R + s] = r_max, max(r_min, ri)
    else:
        beyond, shrink = OVERLAP if same else FAR, ONE / stretch
        for s in range(SOURCES):
            ri, zi, flat, steep = b[RI + s], b[ZI + s], b[FLAT + s], b[STEEP + s]
            # Backwards is forwards in a mirror.
            back = z_max < zi
            near, reach = (zi - z_max, zi - z_min) if back else (z_min - zi, z_max - zi)
            least, most = (-steep, -flat) if back else (flat, steep)
            # A path is up to ``stretch`` longer than the radius it gains. A flat slope reaches every radius.
            along_low = ri + near / most * shrink if most > ZERO else FAR
            along_high = ri + reach / least if least > SHALLOW else FAR
            # Another module of the same disk, or one beside it, to either side.
            beside = near <= ZERO
            along_low, along_high = (ri, ri + beyond) if beside else (along_low, along_high)
            good = (ri > NEAREST) & (r_max > ri) & (flat <= steep)
            good &= (along_high >= r_min) & (along_low <= r_max)
            first = min(max((along_low - margin - begin) * inverse, ZERO), last)
            after = min(max((along_high + margin - begin) * inverse, ZERO), last)
            b[FIRST + s], b[LAST + s] = first if good else ZERO, after if good else -ONE
            b[FAR_R + s], b[NEAR_R + s] = min(along_high, r_max), max(along_low, ri)
    for s in range(SOURCES):
        ri, phi = b[RI + s], b[PHI_I + s] + PI
        curvature = widest + gate / (max(ri, NEAREST) * max(b[NEAR_R + s], NEAREST))
        # asin(k r / 2) grows by at most the stretch times its argument.
        turn = min(HALF * curvature * (b[FAR_R + s] - ri) * stretch + SLACK, AHEAD)
        b[LEFT_PHI + s], b[RIGHT_PHI + s] = (phi - turn) * PHI_SCALE, (phi + turn) * PHI_SCALE


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def whole(b: Any, cells: Any) -> None:
    """The buffer's cells as whole numbers (4, SOURCES)."""
    for c in range(4 * SOURCES):
        # Cut off at 0, which is the floor of what is not negative.
        cells[c] = np.int32(b[FIRST + c] + A_TURN) - N_PHI
