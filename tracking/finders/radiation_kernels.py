"""Compiled: paths of hits followed outwards with more curvature than before
(:mod:`tracking.finders.radiation`). Callers validate.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import FAST, njit

__all__ = ["N_SECTORS", "extend_paths", "reachable", "sector", "sort_by_layer"]

N_SECTORS = 64
"""Of the azimuth, in which the hits of a layer are looked up."""

LEAST_BEND = 0.7
"""Least curvature behind a loss in that of the path before, which may have the loss in it."""
WORST_SLOPES = 9.0
"""chi2 of a cluster's slopes that counts at most. Some are far off, as where an electron is knocked out;
where the search lost an edge to one, its place may still fit."""
EIGHTH, ROUNDING = math.pi / 4, 1e-6
"""rad: the most that a chord turns to the side, and what is added to windows."""
STRAIGHT = 1e-9
"""1/mm: a circle of less curvature is its chord."""


@njit(cache=True, nogil=True, error_model="numpy")
def sector(x: float, y: float) -> int:
    """Of a point, from 0 at phi = -pi: steps of the diamond angle, which rises with phi and needs no arctangent."""
    size = abs(x) + abs(y)
    quarters = 1 - x / size if size > 0 else 0.0
    return min(int((2 + (quarters if y >= 0 else -quarters)) * (N_SECTORS / 4)), N_SECTORS - 1)


@njit(cache=True, nogil=True)
def sort_by_layer(layer: Any, free: Any, position: Any, n_layers: int) -> Any:
    """Rows of the free hits, layer after layer and sector after sector; where each sector of each layer begins,
    (L * N_SECTORS + 1,); and the smallest and largest radius of the layers' free hits, (L, 2) in mm.
    """
    begin, place = np.zeros(n_layers * N_SECTORS + 1, dtype=np.int64), np.empty(len(layer), dtype=np.int64)
    radii = np.empty((n_layers, 2))
    radii[:, 0], radii[:, 1] = np.inf, 0.0
    for i in range(len(layer)):
        if free[i]:
            x, y, m = position[i, 0], position[i, 1], layer[i]
            place[i] = m * N_SECTORS + sector(x, y)
            begin[place[i] + 1] += 1
            r = math.sqrt(x * x + y * y)
            radii[m, 0], radii[m, 1] = min(radii[m, 0], r), max(radii[m, 1], r)
    for k in range(len(begin) - 1):
        begin[k + 1] += begin[k]
    rows, at = np.empty(begin[-1], dtype=np.int64), begin[:-1].copy()
    for i in range(len(layer)):
        if free[i]:
            rows[at[place[i]]] = i
            at[place[i]] += 1
    return rows, begin, radii


@njit(cache=True, nogil=True, error_model="numpy")
def reachable(
    x: float, y: float, tx: float, ty: float, side: float, most: float, near: float, far: float
) -> Any:
    """First and last sector (the last may be beyond all, where they begin anew) of the hits at radii from ``near``
    to ``far`` that a path from (x, y) mm along the unit vector (tx, ty) can reach.

    A chord of length s that turns by an angle of up to asin(most s / 2), and by less than 45 degrees, to ``side``
    (1 or -1). Seen from the beam line, a straight way at an angle a to the radius r ends at the radius R at an
    azimuth of a - asin(r / R sin a) beyond that of its start. For R > r this rises with a and, away from 0, with
    R.
    """
    if far == 0:
        return 0, -1
    r, heading = math.sqrt(x * x + y * y), math.atan2(x * ty - y * tx, x * tx + y * ty)
    if r == 0 or abs(heading) >= EIGHTH:
        return 0, N_SECTORS - 1
    # All ways go outwards.
    if far <= r:
        return 0, -1
    turn = EIGHTH
    for _ in range(3):
        steepest = abs(heading) + turn
        chord = math.sqrt(far * far - (r * math.sin(steepest)) ** 2) - r * math.cos(steepest)
        turn = min(math.asin(min(0.5 * most * chord, 1.0)), turn)
    low, high = math.inf, -math.inf
    for angle in (heading, heading + side * turn):
        for end in (max(near, r), far):
            beyond = angle - math.asin(r / end * math.sin(angle))
            low, high = min(low, beyond), max(high, beyond)
    low, high = low - ROUNDING, high + ROUNDING
    first = sector(x * math.cos(low) - y * math.sin(low), y * math.cos(low) + x * math.sin(low))
    last = sector(x * math.cos(high) - y * math.sin(high), y * math.cos(high) + x * math.sin(high))
    return first, last if last >= first else last + N_SECTORS


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _three_points(position: Any, a: int, b: int, c: int) -> Any:
    """Of the helix through three hits, at the last one: signed curvature (1/mm), azimuth and cot theta, and
    the transverse path from the first.
    """
    ux, uy = position[b, 0] - position[a, 0], position[b, 1] - position[a, 1]
    vx, vy = position[c, 0] - position[b, 0], position[c, 1] - position[b, 1]
    first, second = math.sqrt(ux * ux + uy * uy), math.sqrt(vx * vx + vy * vy)
    whole = math.sqrt((ux + vx) ** 2 + (uy + vy) ** 2)
    k = 2 * (ux * vy - uy * vx) / (first * second * whole)
    half, path = _half_turn(k, second)
    path += _half_turn(k, first)[1]
    return k, math.atan2(vy, vx) + half, (position[c, 2] - position[a, 2]) / path, path


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _half_turn(k: float, chord: float) -> Any:
    """Half the angle that a circle turns over a chord, and the path along it."""
    half = math.asin(min(max(0.5 * k * chord, -1.0), 1.0))
    return half, (2 * half / k if abs(k) > STRAIGHT else chord)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _place_variance(axes: Any, cholesky: Any, i: int, tx: float, ty: float, cot: float) -> float:
    """Variance of a hit's z less cot theta times its path, mm2, from that of its x and y on the module."""
    x = axes[i, 2] - cot * (axes[i, 0] * tx + axes[i, 1] * ty)
    y = axes[i, 5] - cot * (axes[i, 3] * tx + axes[i, 4] * ty)
    first, second = x * cholesky[i, 0, 0] + y * cholesky[i, 1, 0], y * cholesky[i, 1, 1]
    return float(first * first + second * second)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _slopes_chi2(axes: Any, cot: Any, covariance: Any, i: int, tx: float, ty: float, tz: float) -> float:
    """chi2 of a hit's cot alpha and cot beta against a direction; infinite for one from behind."""
    along = axes[i, 6] * tx + axes[i, 7] * ty + axes[i, 8] * tz
    if not along > 0:
        return math.inf
    a = cot[i, 0] - (axes[i, 0] * tx + axes[i, 1] * ty + axes[i, 2] * tz) / along
    b = cot[i, 1] - (axes[i, 3] * tx + axes[i, 4] * ty + axes[i, 5] * tz) / along
    aa, ab, bb = covariance[i, 0], covariance[i, 1], covariance[i, 2]
    return float((a * a * bb - 2 * a * b * ab + b * b * aa) / (aa * bb - ab * ab))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _best(
    a: int, b: int, c: int, rows: Any, begin: Any, radii: Any, follows: Any, free: Any, position: Any, layer: Any, axes: Any,
    cholesky: Any, cot: Any, covariance: Any, most: float, scatter: float, cut: float,
) -> int:  # fmt: skip
    """The free hit that continues the path through three hits best, or -1."""
    k, azimuth, slope, path = _three_points(position, a, b, c)
    if not abs(k) < most:
        return -1
    tx, ty = math.cos(azimuth), math.sin(azimuth)
    length = 1 + slope * slope
    # Of the slope so far: of both ends' places, and of the scattering in between.
    ends = _place_variance(axes, cholesky, a, tx, ty, slope) + _place_variance(
        axes, cholesky, c, tx, ty, slope
    )
    known = ends / (path * path) + scatter * k * k * length
    own = _place_variance(axes, cholesky, c, tx, ty, slope)
    best, found = cut, -1
    side = 1.0 if k > 0 else -1.0
    for m in range(follows.shape[1]):
        if not follows[layer[c], m]:
            continue
        first, last = reachable(position[c, 0], position[c, 1], tx, ty, side, most, radii[m, 0], radii[m, 1])
        for at in range(first, last + 1):
            home = m * N_SECTORS + at % N_SECTORS
            for n in range(begin[home], begin[home + 1]):
                j = rows[n]
                dx, dy = position[j, 0] - position[c, 0], position[j, 1] - position[c, 1]
                ahead, aside = dx * tx + dy * ty, dy * tx - dx * ty
                # It turns as before, only more.
                if not (ahead > abs(aside) and aside * k > 0 and free[j]):
                    continue
                chord2 = ahead * ahead + aside * aside
                bend = 2 * aside / chord2
                if not LEAST_BEND * abs(k) < abs(bend) < most:
                    continue
                way = _half_turn(bend, math.sqrt(chord2))[1]
                off = (position[j, 2] - position[c, 2]) / way - slope
                places = own + _place_variance(axes, cholesky, j, tx, ty, slope)
                chi2 = off * off / (known + places / (way * way) + scatter * bend * bend * length)
                if not chi2 < best:
                    continue
                # A circle turns twice as far as its chord.
                cosine, sine = (ahead * ahead - aside * aside) / chord2, 2 * ahead * aside / chord2
                slopes = _slopes_chi2(
                    axes, cot, covariance, j, tx * cosine - ty * sine, ty * cosine + tx * sine, slope
                )
                chi2 += min(slopes, WORST_SLOPES)
                if chi2 < best:
                    best, found = chi2, j
    return found


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def extend_paths(
    hits: Any, start: Any, order: Any, rows: Any, begin: Any, radii: Any, follows: Any, free: Any, position: Any, layer: Any,
    axes: Any, cholesky: Any, cot: Any, covariance: Any, most: float, scatter: float, cut: float, longest: int,
) -> Any:  # fmt: skip
    """What is found beyond each path: (T, longest) rows of hits, outwards, -1 where there is no more.

    Args:
        hits, start: of the paths, as of :class:`tracking.finders.tracks.Tracks`; order: in which they choose.
        rows, begin, radii: of :func:`sort_by_layer`.
        follows: (L, L) which layer follows which.
        free: (N,) hits that may be taken; those that are taken are so no more.
        position, layer, axes, cholesky, cot, covariance: of the event's hits.
        most: curvature beyond which nothing is followed, 1/mm.
        scatter: variance of the angle of scattering in a layer, of a curvature of 1/mm at cot theta 0.
        cut: largest chi2 of a continuation: the slope along the beam, and both of the cluster.
    """
    found = np.full((len(order), longest), -1, dtype=np.int64)
    for t in order:
        # The last three layers, and of each the last hit.
        a, b, c = -1, -1, hits[start[t + 1] - 1]
        for i in range(start[t + 1] - 2, start[t] - 1, -1):
            h = hits[i]
            if b < 0 and layer[h] != layer[c]:
                b = h
            elif b >= 0 and layer[h] != layer[b]:
                a = h
                break
        if a < 0:
            continue
        for m in range(longest):
            j = _best(
                a, b, c, rows, begin, radii, follows, free, position, layer, axes, cholesky, cot, covariance, most, scatter,
                cut,
            )  # fmt: skip
            if j < 0:
                break
            found[t, m] = j
            free[j] = False
            a, b, c = b, c, j
    return found
