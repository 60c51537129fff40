"""The compiled loops over hits and pairs of hits: arrays in, arrays out. Callers validate; nothing here does.

Geometry used throughout: a helix through the beam line, signed curvature k (1/mm, counter-clockwise
positive). At radius r the azimuth has turned by asin(k r / 2) from the start, the path in the transverse
plane is 2 asin(k r / 2) / k.

What limits the search is memory traffic and mispredicted branches, not arithmetic (docs/speed.md): all that
the first tests of a candidate need lies in one cache line, candidates of a source lie side by side, and each
test leaves fewer for the next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import njit

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
    "envelopes",
    "fill_table",
    "find_cells",
    "group_by",
    "grow",
    "grow_rows",
    "search",
    "sort_cells",
]

CURVATURE_PER_TESLA = 0.299792458e-3
"""Curvature in 1/mm of a particle of pT = 1 GeV in 1 T."""


N_PHI = 512
"""Azimuthal cells of the grid."""
PHI_SCALE = N_PHI / (2 * math.pi)

X, Y, Z, R, PHI, A, B, WA, TIE, WB, LOW, HIGH, SA, SB = range(14)
"""Columns of the hit table, see :func:`fill_table`."""
FAR = np.float32(1e9)
"""Beyond every slope and every length (mm)."""
HALF, ONE, TWO = np.float32(0.5), np.float32(1), np.float32(2)
SIXTH, FORTIETHS, LAST = np.float32(1 / 6), np.float32(3 / 40), np.float32(15 / 336)
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
EIGHTH, SIXTEENTH, LAST_COS, BENT = (
    np.float32(1 / 8),
    np.float32(1 / 16),
    np.float32(5 / 128),
    np.float32(0.1),
)
PI = np.float32(math.pi)
FAST = {"contract", "arcp", "nsz", "reassoc"}
"""Liberties with rounding, none with what is not finite."""


@njit(cache=True, nogil=True, error_model="numpy")
def find_cells(
    first: int, last: int, position: Any, layer: Any, barrel: Any, low: Any, width: Any, n_along: Any,
    first_cell: Any,
    radius: Any, phi: Any, cell: Any,
) -> None:  # fmt: skip
    """Radius, phi and (layer, along, phi) cell of some hits, filled into (N,) arrays."""
    for i in range(first, last):
        k = layer[i]
        x, y = position[i, 0], position[i, 1]
        radius[i], phi[i] = math.sqrt(x * x + y * y), math.atan2(y, x)
        along = position[i, 2] if barrel[k] else radius[i]
        a = min(max(int((along - low[k]) / width[k]), 0), n_along[k] - 1)
        p = min(int((phi[i] + math.pi) * PHI_SCALE), N_PHI - 1)
        cell[i] = first_cell[k] + a * N_PHI + p


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
    """Which dz/ds (s along the transverse path) give a cot alpha within ``half`` of ``a``, for directions
    within ``reach`` (sine) of the radius; f (N, 9) are axes along radius, azimuth and beam.

    cot alpha = (x_r ct + x_p st + x_z c) / (z_r ct + z_p st + z_z c), solved for c; nothing is known where a
    direction along the module lies within the range.
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
    covariance: Any, scale: float,
    sigma_z0: float, sigma_d0: float, curvature: float, scattering: float, cut: float, innermost: float,
    table: Any, f: Any,
) -> None:  # fmt: skip
    """What the search needs of some of the hits, in its order.

    Fills ``table`` (N, 16): x, y, z, r, phi; cot alpha and cot beta; one over the sigma of cot alpha, the
    slope of cot beta by cot alpha in their covariance and one over the sigma of cot beta at known cot alpha;
    the lowest and highest slope dz/ds of an edge that can pass; one over the sigmas of cot alpha and cot
    beta; two unused. And ``f``
    (N, 9): axes along radius, azimuth and beam. The covariance holds multiple scattering in the hit's layer
    and the spread of the direction that the impact parameter brings, sigma_d0 / r and at most ``MOST_TURN``.

    Args:
        covariance: (N, 3) of (cot alpha, cot beta): aa, ab, bb; times ``scale``.
        scattering: theta0^2 = scattering * k^2 / (1 + cot^2 theta), at k = ``curvature``.
        cut: largest chi2 of an edge.
        innermost: radius of the innermost hit in mm.
    """
    for s in range(first, last):
        i = order[s]
        r = radius[i]
        ux, uy = position[i, 0] / r, position[i, 1] / r
        for k in range(0, 9, 3):
            f[s, k] = axes[i, k] * ux + axes[i, k + 1] * uy
            f[s, k + 1] = axes[i, k + 1] * ux - axes[i, k] * uy
            f[s, k + 2] = axes[i, k + 2]
        a, b = cot[i, 0], cot[i, 1]
        c = position[i, 2] / r
        # A kick by theta in either direction across (a, b, 1), seen in the slopes.
        kick = scattering * curvature * curvature / (1 + c * c) * (1 + a * a + b * b)
        # Derivatives of the slopes by the azimuth of the direction, along the ray from the origin.
        z = f[s, 6] + f[s, 8] * c
        if abs(z) < 1e-3:
            z = 1e-3
        turn = min(sigma_d0 / r, MOST_TURN)
        at = (f[s, 1] - (f[s, 0] + f[s, 2] * c) / z * f[s, 7]) / z * turn
        bt = (f[s, 4] - (f[s, 3] + f[s, 5] * c) / z * f[s, 7]) / z * turn
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
def search(
    first_item: int, last_item: int, items: Any, inner: Any, outer: Any, bounds: Any, first: Any, t: Any,
    f: Any, start: Any,
    barrel: Any, low: Any, width: Any, n_along: Any, first_cell: Any, envelope: Any, margin: Any,
    innermost: Any, cut: Any,
    inverse_z0: Any, max_curvature: Any, inverse_d0: Any, limit: int,
) -> Any:  # fmt: skip
    """Edges of some of the searches, each from one hit to one layer.

    The slopes a hit allows (from its own cot alpha and from z0) and the largest curvature give a box on the
    target layer; of the hits in the cells under it those are kept whose joint chi2 with the source passes.
    The box is wide enough for everything that passes.

    Args:
        first_item, last_item, items: which searches, in the list of all: pair p has those from items[p] to
            items[p + 1].
        inner, outer, bounds: layer pairs and the gaps they pass (P, 3).
        first: (L + 1,) first hit of each layer; t, f, start: see :func:`fill_table` and :func:`sort_cells`.
        barrel ... first_cell: of the grid; envelope: of :func:`envelopes`; margin: of rounding, in mm.
        innermost: radius of the innermost hit in mm.
        cut: largest chi2; inverse_z0: 1 / sigma; max_curvature: 1/mm;
            inverse_d0: 1 / (2 sigma) of the impact parameter.
        limit: store no more edges than this.

    Returns:
        source, target (E,) in the table's order, pair (E,), values (E, 8): chi2, curvature, slope, z0, four
        pulls; and the numbers of candidates looked at, of full tests, and of edges, stored or not.
    """
    size = 4096
    source, target, pair = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    values = np.empty((size, 8), np.float32)
    n_edges = n_looked = n_tested = 0
    if first_item >= last_item:
        return source[:0], target[:0], pair[:0], values[:0], n_looked, n_tested, n_edges
    gate = math.sqrt(cut) / inverse_d0
    # The sine of half the turn at the outermost hit: k r / 2, where the impact parameter adds gate / (r_i
    # r_j) to k.
    sharpest = HALF * (max_curvature * envelope[:, 1].max() + gate / innermost)
    stretch = ONE / math.sqrt(ONE - min(sharpest, np.float32(0.99)) ** 2)
    shrink = ONE / stretch
    p = 0
    for item in range(first_item, last_item):
        while item >= items[p + 1]:
            p += 1
        i = first[inner[p]] + item - items[p]
        k = outer[p]
        xi, yi, zi, ri, phi_i = t[i, X], t[i, Y], t[i, Z], t[i, R], t[i, PHI]
        if ri <= NEAREST or envelope[k, 1] <= ri:
            # On the beam line there is no circle, and beyond the layer there is nothing.
            continue
        slope_low, slope_high = t[i, LOW], t[i, HIGH]
        r_min, r_max, z_min, z_max = envelope[k, 0], envelope[k, 1], envelope[k, 2], envelope[k, 3]
        if bounds[p, 2] > 0:
            # Only slopes that lead through the gap.
            ahead, inner_edge, outer_edge = bounds[p, 0] - zi, bounds[p, 1] - ri, bounds[p, 2] - ri
            if outer_edge <= 0 or ahead == 0:
                continue
            steep = abs(ahead) / inner_edge if inner_edge > NEAREST else FAR
            flat = abs(ahead) / (outer_edge * stretch)
            if ahead > 0:
                slope_low, slope_high = max(slope_low, flat), min(slope_high, steep)
            else:
                slope_low, slope_high = max(slope_low, -steep), min(slope_high, -flat)
        if slope_low > slope_high:
            continue
        # The box, along z on a cylinder and along r on a disk.
        if barrel[k]:
            near, reach = max(r_min - ri, np.float32(0)), (r_max - ri) * stretch
            along_low = zi + min(slope_low * near, slope_low * reach)
            along_high = zi + max(slope_high * near, slope_high * reach)
            if along_high < z_min or along_low > z_max:
                continue
            far, nearest = r_max, max(r_min, ri)
        else:
            near, reach = z_min - zi, z_max - zi
            within = near <= 0 <= reach
            flattest, steepest = slope_low, slope_high
            if near < 0 and not within:
                near, reach, flattest, steepest = -reach, -near, -slope_high, -slope_low
            if within:
                # Another module of the same disk, or one beside it, to either side.
                along_low, along_high = ri, ri + OVERLAP if inner[p] == k else FAR
            elif steepest <= 0:
                continue
            else:
                along_low = ri + near / steepest / stretch
                along_high = ri + reach / flattest if flattest > np.float32(1e-3) else FAR
            if along_low > r_max or along_high < r_min:
                continue
            far, nearest = min(along_high, r_max), max(along_low, ri)
        widest = max_curvature + gate / (ri * nearest)
        # asin(k r / 2) grows by at most the stretch times its argument.
        turn = min(HALF * widest * (far - ri) * stretch + np.float32(1e-4), AHEAD)
        last_along = n_along[k] - 1
        a_first = int(
            min(max((along_low - margin - low[k]) / width[k], np.float32(0)), np.float32(last_along))
        )
        a_last = int(
            min(max((along_high + margin - low[k]) / width[k], np.float32(0)), np.float32(last_along))
        )
        p_first = int(math.floor((phi_i - turn + PI) * PHI_SCALE))
        p_last = int(math.floor((phi_i + turn + PI) * PHI_SCALE))
        for a in range(a_first, a_last + 1):
            row = first_cell[k] + a * N_PHI
            for part in range(2):
                # Cells side by side are one run of hits; two runs where the range wraps.
                if part == 0:
                    begin, end = max(p_first, 0), min(p_last, N_PHI - 1)
                elif p_first < 0:
                    begin, end = p_first + N_PHI, N_PHI - 1
                elif p_last >= N_PHI:
                    begin, end = 0, p_last - N_PHI
                else:
                    continue
                for j in range(start[row + begin], start[row + end + 1]):
                    n_looked += 1
                    dr, dz = t[j, R] - ri, t[j, Z] - zi
                    if dr <= NEAREST or (inner[p] == k and not barrel[k] and dr > OVERLAP):
                        continue
                    # The slope along the path is at most dz / dr and at least that over the stretch; times
                    # dr.
                    least, most = min(dz, dz * shrink), max(dz, dz * shrink)
                    if (
                        most < slope_low * dr
                        or least > slope_high * dr
                        or most < t[j, LOW] * dr
                        or least > t[j, HIGH] * dr
                    ):
                        continue
                    rj = t[j, R]
                    if bounds[p, 2] > 0:
                        at_gap = ri + dr * (bounds[p, 0] - zi) / dz
                        if at_gap < bounds[p, 1] or at_gap > bounds[p, 2]:
                            continue
                    dx, dy = t[j, X] - xi, t[j, Y] - yi
                    if dx * xi + dy * yi <= 0:
                        continue
                    curvature = TWO * (xi * t[j, Y] - yi * t[j, X]) / (ri * rj * math.sqrt(dx * dx + dy * dy))
                    # The impact parameter shifts the curvature by 2 d0 / (ri rj).
                    over = max(abs(curvature) - max_curvature, np.float32(0)) * inverse_d0 * ri * rj
                    chi2 = over * over
                    sin_i, sin_j = HALF * curvature * ri, HALF * curvature * rj
                    si2, sj2 = sin_i * sin_i, sin_j * sin_j
                    if chi2 > cut or sj2 > MOST_BENT:
                        continue
                    path_i, path_j = ri * arc_ratio(sin_i, si2), rj * arc_ratio(sin_j, sj2)
                    slope = dz / (path_j - path_i)
                    z0 = zi - slope * path_i
                    chi2 += (z0 * inverse_z0) ** 2
                    if chi2 > cut:
                        continue
                    n_tested += 1
                    cosine = cos_of_sin(sj2)
                    inverse = ONE / (f[j, 6] * cosine + f[j, 7] * sin_j + f[j, 8] * slope)
                    aj = t[j, A] - (f[j, 0] * cosine + f[j, 1] * sin_j + f[j, 2] * slope) * inverse
                    bj = t[j, B] - (f[j, 3] * cosine + f[j, 4] * sin_j + f[j, 5] * slope) * inverse
                    chi2 += (aj * t[j, WA]) ** 2 + ((bj - t[j, TIE] * aj) * t[j, WB]) ** 2
                    if chi2 > cut:
                        continue
                    cosine = cos_of_sin(si2)
                    inverse = ONE / (f[i, 6] * cosine + f[i, 7] * sin_i + f[i, 8] * slope)
                    ai = t[i, A] - (f[i, 0] * cosine + f[i, 1] * sin_i + f[i, 2] * slope) * inverse
                    bi = t[i, B] - (f[i, 3] * cosine + f[i, 4] * sin_i + f[i, 5] * slope) * inverse
                    chi2 += (ai * t[i, WA]) ** 2 + ((bi - t[i, TIE] * ai) * t[i, WB]) ** 2
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
