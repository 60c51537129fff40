"""The compiled loops over pairs of edges that share a hit: kinks, support, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from seeding.constants import HALF, ONE, TWO, ZERO
from seeding.kernels import grow
from seeding.pair_kernels import LANES
from smartpix.compiled import FAST, njit

__all__ = ["MISSING", "best_first", "connect", "edge_terms", "hit_terms", "seed_columns", "spread_out"]

# Well beyond the cut on a kink, 18 at the default quantile, and small enough for a feature of the network.
MISSING = np.float32(50.0)
"""Support of an edge with no neighbour on that side, or none that fits any better."""
FOUR = np.float32(4)
BEND, SLOPE, INNER, OUTER = range(4)
"""Columns of the near terms of an edge: curvature, cot theta, and its standard deviations from the inner and
from the outer hit alone.
"""
INVERSE_I, INVERSE_J, CHI2 = range(3)
"""Columns of the rest: 1 / radius of both hits, and chi2."""
(BEND_E, INNER_E, OUTER_E, SLOPES, BEND_F, OUTER_F, SUM, KINK, WIDE, IMPACT) = range(0, 10 * LANES, LANES)
"""Where the rows of a buffer of pairs of edges begin."""
ROOM = 10 * LANES
"""Numbers in the buffer."""
DIGIT_BITS = 11
DIGITS = 2**DIGIT_BITS
NOTHING = np.float32(1e-14)
"""Variance of a curvature (1/mm^2) that keeps a division by 0 away where nothing scatters."""


@njit(cache=True, nogil=True, error_model="numpy")
def hit_terms(first: int, last: int, position: Any, cholesky: Any, axes: Any, terms: Any) -> None:
    """Radius, at least 1 mm, of some hits, and the uncertainty of their x: as it enters z, and per |cot
    theta|; in the first columns of ``terms`` (N, 4).

    x runs along the beam in the barrel and along the radius on the disks, where it counts |cot theta| times
    in z.
    """
    for h in range(first, last):
        # Nearer to the axis, inside every beam pipe, the impact parameter's 1 / r would have no bound.
        terms[h, 0] = max(np.sqrt(position[h, 0] ** 2 + position[h, 1] ** 2), 1.0)
        # As seeding.hits.Hits.upright.
        upright = abs(axes[h, 8]) < np.sqrt(0.5)
        terms[h, 1] = cholesky[h, 0, 0] if upright else 0.0
        terms[h, 2] = 0.0 if upright else cholesky[h, 0, 0]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def edge_terms(
    first: int, last: int, source: Any, target: Any, terms: Any, curvature: Any, cot_theta: Any, chi2: Any, near: Any,
    rest: Any,
) -> None:  # fmt: skip
    """Fill ``near`` (E, 4) and ``rest`` (E, 3) of some edges: what a kink in slope depends on, and what else
    one does.

    Args:
        terms: of :func:`hit_terms`.
    """
    for e in range(first, last):
        i, j = np.uint64(source[e]), np.uint64(target[e])
        r_i, r_j, c = terms[i, 0], terms[j, 0], cot_theta[e]
        # Two hits of one layer may have nearly the same radius.
        inverse = ONE / max(r_j - r_i, ONE)
        near[e, BEND], near[e, SLOPE] = curvature[e], c
        near[e, INNER] = (terms[i, 1] + terms[i, 2] * abs(c)) * inverse
        near[e, OUTER] = (terms[j, 1] + terms[j, 2] * abs(c)) * inverse
        rest[e, INVERSE_I], rest[e, INVERSE_J], rest[e, CHI2] = ONE / r_i, ONE / r_j, chi2[e]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def near_kinks(
    first_hit: int, last_hit: int, arriving: Any, arriving_start: Any, leaving: Any, leaving_start: Any, near: Any,
    scattering: Any, softest: Any, limit: Any,
) -> Any:  # fmt: skip
    """Pairs of edges that share one of some hits and whose slopes agree within a chi2 of ``limit``.

    Returns:
        The shared hit (K,), both edges (K,), the arriving one first, and this chi2 (K,).
    """
    n, size = 0, 2048
    hit, one, two = np.empty(size, np.uint32), np.empty(size, np.uint32), np.empty(size, np.uint32)
    slopes = np.empty(size, np.float32)
    for h in range(first_hit, last_hit):
        begin, end, start, stop = (
            arriving_start[h],
            arriving_start[h + 1],
            leaving_start[h],
            leaving_start[h + 1],
        )
        most = n + (end - begin) * (stop - start)
        if most >= size:
            size = 2 * most
            hit, one, two = grow(hit, size), grow(one, size), grow(two, size)
            slopes = grow(slopes, size)
        for p in range(begin, end):
            e = np.uint64(arriving[p])
            bend, c, there, here = near[e, BEND], near[e, SLOPE], near[e, INNER], near[e, OUTER]
            plane, there = scattering * (ONE + c * c), there * there
            for q in range(start, stop):
                f = np.uint64(leaving[q])
                dc = c - near[f, SLOPE]
                # Both edges measure the momentum, which sets the scattering; a kink changes the mean least.
                k = softest if softest > ZERO else HALF * (bend + near[f, BEND])
                # Added, not in quadrature: a shift of the middle hit raises one slope and lowers the other.
                middle, far = here + near[f, INNER], near[f, OUTER]
                chi2 = dc * dc / (plane * (k * k) + there + middle * middle + far * far)
                at = np.uint64(n)
                hit[at], one[at], two[at], slopes[at] = h, e, f, chi2
                # Without a branch: most pairs end here, which cannot be predicted.
                n += chi2 <= limit
    return hit[:n], one[:n], two[:n], slopes[:n]


@njit(cache=True, nogil=True)
def gather_kinks(begin: int, n: int, one: Any, two: Any, slopes: Any, near: Any, rest: Any, b: Any) -> None:
    """Put n pairs of edges, from the one numbered ``begin`` on, side by side into the buffer."""
    for m in range(n):
        e, f = np.uint64(one[begin + m]), np.uint64(two[begin + m])
        b[BEND_E + m], b[INNER_E + m], b[OUTER_E + m] = near[e, BEND], rest[e, INVERSE_I], rest[e, INVERSE_J]
        b[SLOPES + m] = slopes[begin + m]
        b[BEND_F + m], b[OUTER_F + m] = near[f, BEND], rest[f, INVERSE_J]
        b[SUM + m] = rest[e, CHI2] + rest[f, CHI2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, forceinline=True)
def kink_tests(b: Any, scattering: Any, softest: Any, prompt: Any, displaced: Any) -> None:
    """Kinks of the buffer's pairs of edges: chi2 with the squares ``prompt`` and ``displaced`` of the impact
    parameter's width in mm2, the impact parameter, and the sum of all chi2.
    """
    for m in range(LANES):
        inner, inverse, outer = b[INNER_E + m], b[OUTER_E + m], b[OUTER_F + m]
        dk = b[BEND_E + m] - b[BEND_F + m]
        k = softest if softest > ZERO else HALF * (b[BEND_E + m] + b[BEND_F + m])
        lever = (ONE - outer / inner) * inverse
        # What an impact parameter of 1 mm adds.
        unit = TWO * inverse * (inner - outer)
        squared = unit * unit
        scattered = FOUR * scattering * (k * k) * (outer * outer + lever * lever) + NOTHING
        kink = b[SLOPES + m] + dk * dk / (scattered + prompt * squared)
        b[KINK + m], b[SUM + m] = kink, kink + b[SUM + m]
        b[WIDE + m] = b[SLOPES + m] + dk * dk / (scattered + displaced * squared)
        # Two hits of one radius tell nothing of it.
        b[IMPACT + m] = dk * unit / (squared + NOTHING)


@njit(cache=True, nogil=True)
def lower(support: Any, side: int, e: Any, kink: Any, wide: Any, impact: Any) -> None:
    """Take a kink before an edge (``side`` 0) or after it (1) into its support."""
    support[side, e] = min(support[side, e], kink)
    if wide < support[2 + side, e]:
        support[2 + side, e], support[4 + side, e] = wide, impact


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def connect(
    first_hit: int, last_hit: int, arriving: Any, arriving_start: Any, leaving: Any, leaving_start: Any, near: Any, rest: Any,
    sigma_d0: Any, scattering: Any, cut: Any, softest: Any, per_middle: int, wide_d0: Any, support: Any,
) -> Any:  # fmt: skip
    """Pairs of edges that share one of some hits and agree: at most ``per_middle`` a hit, best first.

    The kink's chi2 has 2 degrees of freedom. Each edge's circle goes through the beam line. With hits at
    r1 < r2 < r3, a kick by theta at the first moves the curvatures apart by 2 theta (1 - r1 / r3) / r2, and
    one at the second by 2 theta / r3. An impact parameter does so by 2 d0 / r2 (1 / r1 - 1 / r3). The slopes
    differ by the kick at the middle hit and by the three hits' uncertainty along the beam. The middle hit's
    enters both slopes.

    Args:
        arriving, arriving_start, leaving, leaving_start: edges by the hit they end and begin at.
        near, rest: of :func:`edge_terms`; scattering: as in :func:`seeding.table.scattering_constant`.
        softest: curvature at which scattering is counted where curvatures say nothing of the momentum; else
            0.
        wide_d0: impact parameter in mm that a displaced kink allows, in place of ``sigma_d0``.
        support: (6, E) transpose of that of :class:`seeding.seeds.Seeds`, lowered in place.

    Returns:
        (S, 2) edge numbers and (S,) chi2: the edges' own plus that of their kink.
    """
    # A chi2 beyond this limit neither makes a seed nor tells of support.
    hit, one, two, slopes = near_kinks(
        first_hit, last_hit, arriving, arriving_start, leaving, leaving_start, near, scattering, softest,
        max(cut, MISSING),
    )  # fmt: skip
    b, n, n_seeds, begun = np.ones(ROOM, np.float32), len(one), 0, 0
    pairs, quality = np.empty((n, 2), np.int32), np.empty(n, np.float32)
    for begin in range(0, n, LANES):
        block = min(LANES, n - begin)
        gather_kinks(begin, block, one, two, slopes, near, rest, b)
        kink_tests(b, scattering, softest, sigma_d0 * sigma_d0, wide_d0 * wide_d0)
        for m in range(block):
            e, f, row = np.uint64(one[begin + m]), np.uint64(two[begin + m]), begin + m
            lower(support, 1, e, b[KINK + m], b[WIDE + m], b[IMPACT + m])
            lower(support, 0, f, b[KINK + m], b[WIDE + m], b[IMPACT + m])
            if row > 0 and hit[row] != hit[row - 1]:
                begun = n_seeds
            if not b[KINK + m] <= cut:
                continue
            # The best seeds of the hit so far lie in order; a better one pushes the last one out.
            at, total = n_seeds, b[SUM + m]
            while at > begun and quality[at - 1] > total:
                at -= 1
            if at - begun >= per_middle:
                continue
            n_seeds = min(n_seeds + 1, begun + per_middle)
            for w in range(n_seeds - 1, at, -1):
                quality[w], pairs[w, 0], pairs[w, 1] = quality[w - 1], pairs[w - 1, 0], pairs[w - 1, 1]
            quality[at], pairs[at, 0], pairs[at, 1] = total, e, f
    return pairs[:n_seeds], quality[:n_seeds]


@njit(cache=True, nogil=True)
def best_first(quality: Any) -> Any:
    """Rows (S,) in the order of chi2 that are not negative; equal ones keep their order.

    By eleven bits at a time: such numbers are in the order of their bits.
    """
    n = len(quality)
    bits, order, other = quality.view(np.uint32), np.arange(n), np.empty(n, np.int64)
    start = np.empty(DIGITS + 1, np.int64)
    for shift in range(0, 32, DIGIT_BITS):
        start[:] = 0
        for s in range(n):
            start[((bits[s] >> shift) & (DIGITS - 1)) + 1] += 1
        for digit in range(DIGITS):
            start[digit + 1] += start[digit]
        for s in range(n):
            digit = (bits[order[s]] >> shift) & (DIGITS - 1)
            other[start[digit]] = order[s]
            start[digit] += 1
        order, other = other, order
    return order


@njit(cache=True, nogil=True)
def spread_out(hits: Any, n_hits: int, shared: int) -> Any:
    """Numbers of the seeds that share at most ``shared`` hits with those kept before, of seeds (S, 3), best
    first.
    """
    used = np.zeros(n_hits, np.bool_)
    kept = np.empty(len(hits), np.int64)
    n = 0
    for s in range(len(hits)):
        if int(used[hits[s, 0]]) + int(used[hits[s, 1]]) + int(used[hits[s, 2]]) <= shared:
            used[hits[s, 0]] = used[hits[s, 1]] = used[hits[s, 2]] = True
            kept[n] = s
            n += 1
    return kept[:n]


@njit(cache=True, nogil=True)
def seed_columns(
    pairs: Any,
    quality: Any,
    source: Any,
    target: Any,
    curvature: Any,
    cot_theta: Any,
    z0: Any,
    n_hits: int,
    shared: int,
) -> Any:
    """Hits (S, 3), curvature, cot theta, z0 and chi2 (S,) of seeds, best first, of which none shares more
    than ``shared`` hits with better ones; from pairs (Q, 2) of edges and their chi2 (Q,).
    """
    order = best_first(quality)
    triplets = np.empty((len(order), 3), np.int32)
    for s in range(len(order)):
        e, f = pairs[order[s], 0], pairs[order[s], 1]
        triplets[s, 0], triplets[s, 1], triplets[s, 2] = source[e], target[e], target[f]
    kept = spread_out(triplets, n_hits, shared)
    n = len(kept)
    hits, columns = np.empty((n, 3), np.int32), np.empty((4, n), np.float32)
    for s in range(n):
        at = order[kept[s]]
        e, f = pairs[at, 0], pairs[at, 1]
        hits[s, 0], hits[s, 1], hits[s, 2] = source[e], target[e], target[f]
        columns[0, s], columns[1, s] = (
            HALF * (curvature[e] + curvature[f]),
            HALF * (cot_theta[e] + cot_theta[f]),
        )
        columns[2, s], columns[3, s] = z0[e], quality[at]
    return hits, columns
