"""The compiled search over pairs of hits: arrays in, arrays out. Callers validate; nothing here does.

Geometry used throughout: a helix through the beam line, signed curvature k (1/mm, counter-clockwise
positive). At radius r the azimuth has turned by asin(k r / 2) from the start, the path in the transverse
plane is 2 asin(k r / 2) / k.

Memory traffic and mispredicted branches limit the search, not arithmetic (docs/speed.md). All that the first
tests of a candidate need lies in one cache line, candidates of a source lie side by side, and each test leaves
fewer for the next. The small functions here cost nothing: the compiler puts them where they are
called.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seeding.arrays import Grid, HitTable, LayerSearches, SearchSettings
from smartpix.compiled import FAST, njit

__all__ = [
    "AHEAD",
    "CURVATURE_PER_TESLA",
    "HIGH",
    "LOW",
    "MOST_BENT",
    "NEAREST",
    "N_PHI",
    "OVERLAP",
    "SHARPEST",
    "TIE",
    "WA",
    "WB",
    "group_by",
    "grow",
    "grow_rows",
    "search",
]

CURVATURE_PER_TESLA = 0.299792458e-3
"""Curvature in 1/mm of a particle of pT = 1 GeV in 1 T."""


# A cell is 12 mrad wide. The softest track (0.48 GeV in 3.8 T) turns by 47 mrad between the first two barrel
# layers, so that few hits in the cells under its box lie outside the box.
N_PHI = 512
"""Azimuthal cells of the grid."""
PHI_SCALE = N_PHI / (2 * math.pi)

X, Y, Z, R, PHI, A, B, WA, TIE, WB, LOW, HIGH, SA, SB = range(14)
"""Columns of the hit table, see :func:`seeding.table_kernels.fill_table`."""
FAR = np.float32(1e9)
"""Beyond every slope and every length (mm)."""
# Literals would be double precision, and what they touch too: half as many numbers in a register.
HALF, ONE, TWO = np.float32(0.5), np.float32(1), np.float32(2)
BENT = np.float32(0.1)
"""Squares of a sine below take the series: its first term left out is 4e-6 of the arc there."""
SIXTH, FORTIETHS, LAST = np.float32(1 / 6), np.float32(3 / 40), np.float32(15 / 336)
"""Coefficients of asin(u) / u in u^2."""
EIGHTH, SIXTEENTH, LAST_COS = np.float32(1 / 8), np.float32(1 / 16), np.float32(5 / 128)
"""Coefficients of sqrt(1 - s) in s, from the second on."""
NEAREST = np.float32(1e-3)
"""A target lies further out than its source by more than this, and a source from the beam line (mm)."""
MOST_BENT = np.float32(0.98)
"""Largest square of the sine of half the turn: a track that is about to turn back is none."""
OVERLAP = np.float32(20)
"""How much further out (mm) a track may meet a second module of the same disk."""
SHARPEST = 1e-6
"""Smallest width of the impact parameter, mm."""
MOST_TURN = 1.0
"""Largest spread (rad) of a direction by the impact parameter, which cannot exceed the radius."""
AHEAD = np.float32(0.5 * math.pi + 1e-4)
"""Azimuth between two hits of an edge, at most: its target lies beyond the tangent at its source."""
PI = np.float32(math.pi)


@njit(cache=True, nogil=True)
def grow(values: Any, size: int) -> Any:
    """A 1-D array's values in a longer one."""
    longer = np.empty(size, dtype=values.dtype)
    longer[: len(values)] = values
    return longer


@njit(cache=True, nogil=True)
def grow_rows(values: Any, size: int) -> Any:
    """The rows of a 2-D array in a longer one."""
    longer = np.empty((size, values.shape[1]), dtype=values.dtype)
    longer[: len(values)] = values
    return longer


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def cos_of_sin(s2: Any) -> Any:
    """Cosine from the square of the sine; a square root takes longer than everything else in the test of a
    pair.
    """
    if s2 < BENT:
        return ONE - s2 * (HALF + s2 * (EIGHTH + s2 * (SIXTEENTH + s2 * LAST_COS)))
    return math.sqrt(ONE - s2)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def arc_ratio(u: Any, u2: Any) -> Any:
    """asin(u) / u."""
    if u2 < BENT:
        return ONE + u2 * (SIXTH + u2 * (FORTIETHS + u2 * LAST))
    return math.asin(u) / u


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def gap_slopes(gaps: Any, p: int, zi: Any, ri: Any, stretch: Any, low: Any, high: Any) -> Any:
    """The part of a range of slopes that leads through a pair's gap; if there is none, the lowest is above
    the highest.
    """
    ahead, inner_edge, outer_edge = gaps[p, 0] - zi, gaps[p, 1] - ri, gaps[p, 2] - ri
    if outer_edge <= 0 or ahead == 0:
        return FAR, -FAR
    steep = abs(ahead) / inner_edge if inner_edge > NEAREST else FAR
    flat = abs(ahead) / (outer_edge * stretch)
    if ahead > 0:
        return max(low, flat), min(high, steep)
    return max(low, -steep), min(high, -flat)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def cylinder_range(zi: Any, ri: Any, r_min: Any, r_max: Any, stretch: Any, low: Any, high: Any) -> Any:
    """Lowest and highest z at which slopes from ``low`` to ``high`` meet a cylinder of hits."""
    near, reach = max(r_min - ri, np.float32(0)), (r_max - ri) * stretch
    return zi + min(low * near, low * reach), zi + max(high * near, high * reach)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def disk_range(zi: Any, ri: Any, z_min: Any, z_max: Any, same: Any, stretch: Any, low: Any, high: Any) -> Any:
    """Least and largest radius at which slopes from ``low`` to ``high`` meet a disk of hits; the least is
    beyond every hit where none does.

    Args:
        same: the source lies on this disk, too.
    """
    near, reach = z_min - zi, z_max - zi
    if near <= 0 <= reach:
        # Another module of the same disk, or one beside it, to either side.
        return ri, ri + OVERLAP if same else FAR
    if near < 0:
        # Backwards is forwards in a mirror.
        near, reach, low, high = -reach, -near, -high, -low
    if high <= 0:
        return FAR, -FAR
    # A path is up to ``stretch`` longer than the radius it gains. A flat slope reaches every radius.
    return ri + near / high / stretch, ri + reach / low if low > np.float32(1e-3) else FAR


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def cell_along(along: Any, grid: Grid, k: int) -> int:
    """Number of a layer's cell at a place along z or r; the first or the last beyond its ends."""
    place, last = (along - grid.low[k]) / grid.width[k], np.float32(grid.n_along[k] - 1)
    return int(min(max(place, np.float32(0)), last))


@njit(cache=True, nogil=True, error_model="numpy")
def azimuth_run(part: int, first: int, last: int) -> Any:
    """First and last cell in azimuth of a range's two parts, as it may wrap around; (0, -1) if there is none.

    Cells side by side are one run of hits, so that the second part is needed only where the range wraps.
    """
    if part == 0:
        return max(first, 0), min(last, N_PHI - 1)
    if first < 0:
        return first + N_PHI, N_PHI - 1
    if last >= N_PHI:
        return 0, last - N_PHI
    return 0, -1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def residuals(t: Any, f: Any, s: int, sine: Any, cosine: Any, slope: Any) -> Any:
    """A hit's cot alpha and cot beta less those of an edge, and the chi2 of both.

    The edge's direction at the hit is (cosine, sine, slope) along the radius, the azimuth and the beam.
    """
    inverse = ONE / (f[s, 6] * cosine + f[s, 7] * sine + f[s, 8] * slope)
    a = t[s, A] - (f[s, 0] * cosine + f[s, 1] * sine + f[s, 2] * slope) * inverse
    b = t[s, B] - (f[s, 3] * cosine + f[s, 4] * sine + f[s, 5] * slope) * inverse
    # Two terms instead of a matrix: cot beta is compared at known cot alpha.
    return a, b, (a * t[s, WA]) ** 2 + ((b - t[s, TIE] * a) * t[s, WB]) ** 2


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
        source, target (E,) in the table's order, pair (E,), values (E, 8): chi2, curvature, slope, z0, four
        pulls; and the numbers of candidates looked at, of full tests, and of edges, stored or not.
    """
    t, f, start = table.hits, table.axes, table.cell_start
    inner, outer, gaps, envelope = searches.inner, searches.outer, searches.gaps, table.envelope
    cut, max_curvature = np.float32(settings.cut), np.float32(settings.max_curvature)
    # A sharp impact parameter would divide by 0.
    inverse_z0 = np.float32(1 / settings.sigma_z0)
    inverse_d0 = np.float32(0.5 / max(settings.sigma_d0, SHARPEST))
    size = 4096
    source, target, pair = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    values = np.empty((size, 8), np.float32)
    n_edges = n_looked = n_tested = 0
    if first_item >= last_item:
        return source[:0], target[:0], pair[:0], values[:0], n_looked, n_tested, n_edges
    gate = math.sqrt(cut) / inverse_d0
    # The sine of half the turn at the outermost hit: k r / 2, where the impact parameter adds gate / (r_i
    # r_j) to k.
    sharpest = HALF * (max_curvature * envelope[:, 1].max() + gate / table.innermost)
    # A pair with a sine above 0.99 fails MOST_BENT in any case.
    stretch = ONE / math.sqrt(ONE - min(sharpest, np.float32(0.99)) ** 2)
    shrink = ONE / stretch
    p = 0
    for item in range(first_item, last_item):
        while item >= searches.items[p + 1]:
            p += 1
        i, k = table.first[inner[p]] + item - searches.items[p], outer[p]
        on_barrel, same = grid.barrel[k], inner[p] == k
        xi, yi, zi, ri, phi_i = t[i, X], t[i, Y], t[i, Z], t[i, R], t[i, PHI]
        r_min, r_max, z_min, z_max = envelope[k, 0], envelope[k, 1], envelope[k, 2], envelope[k, 3]
        if ri <= NEAREST or r_max <= ri:
            # On the beam line there is no circle, and beyond the layer there is nothing.
            continue
        slope_low, slope_high = t[i, LOW], t[i, HIGH]
        if gaps[p, 2] > 0:
            slope_low, slope_high = gap_slopes(gaps, p, zi, ri, stretch, slope_low, slope_high)
        if slope_low > slope_high:
            continue
        # The box, along z on a cylinder and along r on a disk.
        if on_barrel:
            along_low, along_high = cylinder_range(zi, ri, r_min, r_max, stretch, slope_low, slope_high)
            if along_high < z_min or along_low > z_max:
                continue
            far, nearest = r_max, max(r_min, ri)
        else:
            along_low, along_high = disk_range(zi, ri, z_min, z_max, same, stretch, slope_low, slope_high)
            if along_low > r_max or along_high < r_min:
                continue
            far, nearest = min(along_high, r_max), max(along_low, ri)
        widest = max_curvature + gate / (ri * nearest)
        # asin(k r / 2) grows by at most the stretch times its argument.
        turn = min(HALF * widest * (far - ri) * stretch + np.float32(1e-4), AHEAD)
        a_first = cell_along(along_low - table.margin, grid, k)
        a_last = cell_along(along_high + table.margin, grid, k)
        p_first = int(math.floor((phi_i - turn + PI) * PHI_SCALE))
        p_last = int(math.floor((phi_i + turn + PI) * PHI_SCALE))
        for a in range(a_first, a_last + 1):
            row = grid.first_cell[k] + a * N_PHI
            for part in range(2):
                begin, end = azimuth_run(part, p_first, p_last)
                for j in range(start[row + begin], start[row + end + 1]):
                    n_looked += 1
                    rj = t[j, R]
                    dr, dz = rj - ri, t[j, Z] - zi
                    if dr <= NEAREST or (same and not on_barrel and dr > OVERLAP):
                        continue
                    # The slope along the path is at most dz / dr and at least that over the stretch; times
                    # dr, since a division takes longer than the four comparisons.
                    least, most = min(dz, dz * shrink), max(dz, dz * shrink)
                    if (
                        most < slope_low * dr
                        or least > slope_high * dr
                        or most < t[j, LOW] * dr
                        or least > t[j, HIGH] * dr
                    ):
                        continue
                    if gaps[p, 2] > 0:
                        at_gap = ri + dr * (gaps[p, 0] - zi) / dz
                        if at_gap < gaps[p, 1] or at_gap > gaps[p, 2]:
                            continue
                    dx, dy = t[j, X] - xi, t[j, Y] - yi
                    if dx * xi + dy * yi <= 0:
                        continue
                    # The circle through the axis and both hits: 1 / R is four times the triangle's area over
                    # the product of its sides.
                    curvature = TWO * (xi * t[j, Y] - yi * t[j, X]) / (ri * rj * math.sqrt(dx * dx + dy * dy))
                    # The impact parameter shifts the curvature by 2 d0 / (ri rj).
                    over = max(abs(curvature) - max_curvature, np.float32(0)) * inverse_d0 * ri * rj
                    chi2 = over * over
                    sin_i, sin_j = HALF * curvature * ri, HALF * curvature * rj
                    si2, sj2 = sin_i * sin_i, sin_j * sin_j
                    if chi2 > cut or sj2 > MOST_BENT:
                        continue
                    # Cheap terms first: those of curvature and z0 need no axes of a module. Of 6.4 candidates
                    # a hit, 3.1 come to the angles (docs/speed.md).
                    path_i, path_j = ri * arc_ratio(sin_i, si2), rj * arc_ratio(sin_j, sj2)
                    slope = dz / (path_j - path_i)
                    z0 = zi - slope * path_i
                    chi2 += (z0 * inverse_z0) ** 2
                    if chi2 > cut:
                        continue
                    n_tested += 1
                    # The target first: the source's slopes have already narrowed the box.
                    aj, bj, of_target = residuals(t, f, j, sin_j, cos_of_sin(sj2), slope)
                    chi2 += of_target
                    if chi2 > cut:
                        continue
                    ai, bi, of_source = residuals(t, f, i, sin_i, cos_of_sin(si2), slope)
                    chi2 += of_source
                    # Not ">": a chi2 that is not a number must not pass.
                    if not chi2 <= cut:
                        continue
                    if n_edges >= limit:
                        # Counted on, so that the caller can say how many there are.
                        n_edges += 1
                        continue
                    if n_edges == size:
                        size *= 2
                        source, target, pair = grow(source, size), grow(target, size), grow(pair, size)
                        values = grow_rows(values, size)
                    source[n_edges], target[n_edges], pair[n_edges] = i, j, p
                    values[n_edges, 0], values[n_edges, 1] = chi2, curvature
                    values[n_edges, 2], values[n_edges, 3] = slope, z0
                    # The chi2 has the correlation of both slopes. The pulls are for the graph network, which
                    # sees them one by one.
                    values[n_edges, 4], values[n_edges, 5] = ai * t[i, SA], bi * t[i, SB]
                    values[n_edges, 6], values[n_edges, 7] = aj * t[j, SA], bj * t[j, SB]
                    n_edges += 1
    n = min(n_edges, limit)
    return source[:n], target[:n], pair[:n], values[:n], n_looked, n_tested, n_edges


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
