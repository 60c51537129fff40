"""The compiled search over pairs of hits: arrays in, arrays out. Callers validate; nothing here does.

Three passes, each over what the last one left, and each without branches that could not be predicted: boxes
    of
many sources side by side, the slopes of all hits in the cells under these boxes, and the joint test of many
pairs side by side (docs/speed.md). The small functions cost nothing: the compiler puts them where they are
called.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seeding.arrays import EdgeColumns, Grid, HitTable, LayerSearches, SearchSettings
from seeding.box_kernels import BOX_ROOM, find_boxes, load_sources, through_gap, whole
from seeding.constants import (
    FAR,
    HALF,
    N_COLUMNS,
    N_PHI,
    ONE,
    OVERLAP,
    SHARPEST,
    SOURCES,
    ZERO,
)  # fmt: skip
from seeding.pair_kernels import LANES, ROOM, gather, joint_tests, passing, side_by_side, slope_tests, write
from smartpix.compiled import FAST, njit

__all__ = [
    "edge_columns",
    "group_by",
    "search",
]

CANDIDATES = 1024
"""Hits under boxes that are kept before their slopes are tested."""
RUN = 8
"""Hits of a run that are copied at a time, wanted or not."""


@njit(cache=True, nogil=True)
def edge_columns(size: int) -> EdgeColumns:
    """Room for edges."""
    return EdgeColumns(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32),
        np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32),
        np.empty((size, 4), np.float32),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def copy_edges(edges: EdgeColumns, n: int, out: EdgeColumns, at: int) -> None:
    """Copy the first n edges into others' rows from ``at`` on."""
    out.source[at : at + n], out.target[at : at + n] = edges.source[:n], edges.target[:n]
    out.pair[at : at + n], out.chi2[at : at + n] = edges.pair[:n], edges.chi2[:n]
    out.curvature[at : at + n], out.cot_theta[at : at + n] = edges.curvature[:n], edges.cot_theta[:n]
    out.z0[at : at + n], out.pulls[at : at + n] = edges.z0[:n], edges.pulls[:n]


@njit(cache=True, nogil=True)
def grow(values: Any, size: int) -> Any:
    """A 1-D array's values in a longer one."""
    longer = np.empty(size, dtype=values.dtype)
    longer[: len(values)] = values
    return longer


@njit(cache=True, nogil=True, error_model="numpy")
def azimuth_run(part: int, first: int, last: int) -> Any:
    """First cell in azimuth of a range's two parts and that after the last, as the range may wrap around.

    Cells side by side are one run of hits, so that the second part is needed only where the range wraps.
    """
    if part == 0:
        return max(first, 0), min(last + 1, N_PHI)
    if first < 0:
        return first + N_PHI, N_PHI
    return 0, last + 1 - N_PHI


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def search(
    first_item: int, last_item: int, searches: LayerSearches, grid: Grid, table: HitTable,
    settings: SearchSettings, limit: int,
) -> Any:  # fmt: skip
    """Edges of some of the searches.

    The slopes that a hit allows, from its own cot alpha and from z0, and the largest curvature give a box on
    the target layer. Of the hits in the cells under it those are kept whose joint chi2 with the source
    passes. The box is wide enough for everything that passes.

    Args:
        first_item, last_item: which searches, in the list of all.
        limit: store no more edges than this.

    Returns:
        The edges' columns, of which some rows may be unused; and the numbers of candidates looked at, of full
        tests, and of edges, stored or not.
    """
    near, start, envelope = table.near, table.cell_start, table.envelope
    cut, max_curvature = np.float32(settings.cut), np.float32(settings.max_curvature)
    steepest = np.float32(settings.steepest)
    # A sharp impact parameter would divide by 0.
    inverse_z0 = np.float32(1 / settings.sigma_z0)
    inverse_d0 = np.float32(0.5 / max(settings.sigma_d0, SHARPEST))
    gate = math.sqrt(cut) / inverse_d0
    # The sine of half the turn at the outermost hit: k r / 2, where the impact parameter adds gate / (r_i
    # r_j) to k.
    sharpest = HALF * (max_curvature * table.outermost + gate / table.innermost)
    # A pair with a sine above 0.99 fails MOST_BENT in any case.
    stretch = ONE / math.sqrt(ONE - min(sharpest, np.float32(0.99)) ** 2)
    shrink = ONE / stretch
    boxes, cells = np.ones(BOX_ROOM, np.float32), np.empty(4 * SOURCES, np.int32)
    candidates = np.empty(CANDIDATES, np.int64)
    source, target = np.empty(CANDIDATES + LANES, np.uint32), np.empty(CANDIDATES + LANES, np.uint32)
    # Lanes without a pair are worked out, too, and must not be slow for what happens to lie there.
    b, lanes = np.ones(ROOM, np.float32), np.empty(LANES, np.uint32)
    quads, rows = table.hits.view(np.complex128), np.ones(2 * N_COLUMNS * LANES, np.float32)
    size = last_item - first_item + LANES
    out = edge_columns(size)
    n_edges = n_looked = n_tested = 0
    for p in range(len(searches.inner)):
        begin, end = max(first_item, searches.items[p]), min(last_item, searches.items[p + 1])
        k, same = searches.outer[p], searches.inner[p] == searches.outer[p]
        gap = searches.gaps[p, 2]
        most_apart = OVERLAP if same and not grid.barrel[k] else FAR
        n_pairs = 0
        for item in range(begin, end, SOURCES):
            first = table.first[searches.inner[p]] + item - searches.items[p]
            load_sources(first, near, table.phi, boxes)
            if gap > ZERO:
                through_gap(searches.gaps[p, 0], searches.gaps[p, 1], gap, stretch, boxes)
            find_boxes(grid, k, same, envelope, table.margin, stretch, max_curvature, gate, boxes)
            whole(boxes, cells)
            n = 0
            for s in range(min(SOURCES, end - item)):
                first_row, after_row = cells[s], cells[SOURCES + s] + 1
                first_phi, last_phi = cells[2 * SOURCES + s], cells[3 * SOURCES + s]
                for part in range(2 if first_phi < 0 or last_phi >= N_PHI else 1):
                    left, right = azimuth_run(part, first_phi, last_phi)
                    row = grid.first_cell[k] + first_row * N_PHI
                    for _ in range(first_row, after_row):
                        j, after = start[np.uint64(row + left)], start[np.uint64(row + right)]
                        if n + max(after - j, RUN) > len(candidates):
                            candidates = grow(candidates, 2 * (n + after - j))
                        packed = np.int64(s) << 32 | j
                        # Most runs are shorter than this; how many hits they have cannot be predicted.
                        for m in range(RUN):
                            candidates[np.uint64(n + m)] = packed + m
                        for m in range(RUN, after - j):
                            candidates[np.uint64(n + m)] = packed + m
                        n += after - j
                        row += N_PHI
            n_looked += n
            if n_pairs + n >= len(source):
                source, target = grow(source, 2 * (n_pairs + n)), grow(target, 2 * (n_pairs + n))
            n_pairs = slope_tests(
                n,
                candidates,
                first,
                boxes,
                near,
                searches.gaps,
                p,
                shrink,
                most_apart,
                source,
                target,
                n_pairs,
            )
            # Full blocks of pairs, and what is left of a layer pair.
            done, least = 0, 1 if item + SOURCES >= end else LANES
            while n_pairs - done >= least:
                m = min(n_pairs - done, LANES)
                gather(done, m, source, target, quads, rows.view(np.complex128))
                side_by_side(rows, b)
                joint_tests(b, max_curvature, steepest, inverse_z0, inverse_d0)
                kept = passing(m, b, cut, lanes)
                stored = min(kept, max(limit - n_edges, 0))
                if stored > 0 and n_edges + stored > size:
                    size *= 2
                    longer = edge_columns(size)
                    copy_edges(out, n_edges, longer, 0)
                    out = longer
                write(stored, lanes, b, done, source, target, p, table.order, n_edges, out)
                done, n_tested, n_edges = done + m, n_tested + m, n_edges + kept
            for m in range(done, n_pairs):
                source[m - done], target[m - done] = source[m], target[m]
            n_pairs -= done
    return out, n_looked, n_tested, n_edges


@njit(cache=True, nogil=True)
def group_by(key: Any, n_keys: int) -> Any:
    """Counting sort: rows in the order of their key, and where each key starts (n_keys + 1,)."""
    start = np.zeros(n_keys + 1, dtype=np.int32)
    for e in range(len(key)):
        start[key[e] + 1] += 1
    for h in range(n_keys):
        start[h + 1] += start[h]
    rows = np.empty(len(key), dtype=np.int32)
    place = start.copy()
    for e in range(len(key)):
        rows[place[key[e]]] = e
        place[key[e]] += 1
    return rows, start
