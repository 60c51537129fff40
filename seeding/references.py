"""References that the cones are compared with: searches that know less of each hit.

They run in the same compiled loop, or in a k-d tree, so that a comparison is of methods and not of programs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from seeding.arrays import Grid, HitTable, SearchSettings
from seeding.checks import check_hits, check_search
from seeding.constants import A_FORM, AHEAD, D_FORM, HIGH, LOW, MOST_BENT, NEAREST, OVERLAP, STEEPEST
from seeding.edges import Edges, search_all
from seeding.hits import Hits
from seeding.options import WindowOptions
from seeding.table import hit_table, is_straight, layer_grid, layer_searches, max_curvature, search_bounds
from smartpix.geometry import Detector
from smartpix.io.event_header import Header, placed
from smartpix.layers import LayerPairs, layer_pairs
from smartpix.schema import InputError

__all__ = ["LengthTable", "WindowOptions", "length_table", "length_window", "tree_window", "window"]

Floats = npt.NDArray[np.float64]

TINY = 1e-3
"""Impact parameter (mm) that takes the place of 0 where the window's edge is sharp."""
UNKNOWN = 0.5 * STEEPEST
"""Sigma of slopes of which nothing is known: two of them are not refused."""
LENIENT = 1e-3
"""Relative width by which the slopes of a cluster's length are taken wider."""


def _settings(field: float, options: WindowOptions) -> SearchSettings:
    """With no slopes to compare the chi2 is (z0 / max_z0)^2, which must not exceed 1."""
    return SearchSettings(1.0, options.max_z0, TINY, max_curvature(field, options.min_pt), 0.0, 1.0, STEEPEST)


def _table(hits: Hits, detector: Detector, grid: Grid, field: float, options: WindowOptions) -> HitTable:
    """The hits without what their clusters tell of the direction."""
    nothing = np.tile(np.diag([0.0, 0.0, UNKNOWN, UNKNOWN]), (len(hits), 1, 1))
    blind = replace(hits, estimate=replace(hits.estimate, cholesky=nothing))
    table = hit_table(blind, detector, grid, _settings(field, options))
    # Residuals of 0 take the slopes out of the chi2 and leave the loop as it is: methods are compared, not
    # programs.
    table.hits[:, A_FORM:D_FORM] = 0
    return table


def _search(
    table: HitTable,
    grid: Grid,
    detector: Detector,
    pairs: LayerPairs,
    field: float,
    options: WindowOptions,
    threads: int,
) -> Edges:
    if is_straight(field):
        nothing = np.zeros(0, dtype=np.int32)
        pairs = LayerPairs(nothing, nothing, nothing)
    searches = layer_searches(table, pairs, detector)
    return search_all(table, grid, searches, _settings(field, options), options.max_edges, threads)


def window(
    hits: Hits, detector: Detector | Header, pairs: LayerPairs | None = None, field: float | None = None,
    options: WindowOptions | None = None, threads: int = 1,
) -> Edges:  # fmt: skip
    """Edges of the reference window on the same layer pairs: what a tracker without directions would search.

    Arguments are those of :func:`seeding.edges.find_edges`.

    Raises:
        InputError: hits, layer pairs, field or number of threads that cannot be, or more edges than
            ``options.max_edges``.
    """
    modules, field, _ = placed(detector, field, "edges")
    pairs, options = pairs or layer_pairs(modules), options or WindowOptions()
    check_search(modules, pairs, field, threads)
    check_hits(hits, modules)
    grid = layer_grid(modules)
    return _search(_table(hits, modules, grid, field, options), grid, modules, pairs, field, options, threads)


@dataclass(frozen=True)
class LengthTable:
    """Range of |cot alpha| by a cluster's number of columns: the idea of cluster-shape filters and of ACTS's
    GBTS.

    Attributes:
        low, high: (2, L) for the barrel and the end-caps, by length; longer clusters count as the longest.
    """

    low: Floats
    high: Floats


def length_table(
    length: npt.NDArray[np.int64], barrel: npt.NDArray[np.bool_], cot_alpha: Floats, quantile: float = 0.997
) -> LengthTable:
    """Table from clusters of known direction (N,): between the quantiles that leave out ``1 - quantile``
    altogether.
    """
    # Longer clusters are rare, and too few for quantiles.
    longest = 40
    low, high = np.zeros((2, longest + 1)), np.full((2, longest + 1), np.inf)
    for row, region in enumerate((barrel, ~barrel)):
        for n in range(longest + 1):
            chosen = region & (length == n if n < longest else length >= n) & np.isfinite(cot_alpha)
            # With fewer, the quantiles at 0.15 % would be single clusters. No bound is the safe one then.
            if chosen.sum() >= 50:
                low[row, n], high[row, n] = np.quantile(
                    np.abs(cot_alpha[chosen]), [(1 - quantile) / 2, (1 + quantile) / 2]
                )
    return LengthTable(low, high)


def length_window(
    hits: Hits, length: npt.NDArray[np.int64], table: LengthTable, detector: Detector, pairs: LayerPairs,
    field: float,
    options: WindowOptions, threads: int = 1,
) -> Edges:  # fmt: skip
    """Edges of the window whose slope both clusters' lengths (N,), in columns, allow.

    Raises:
        InputError: as :func:`window`, or lengths that are not one a hit and 0 or more.
    """
    check_search(detector, pairs, field, threads)
    check_hits(hits, detector)
    if np.shape(length) != (len(hits),) or np.any(length < 0):
        raise InputError(
            f"window: length has the shape {np.shape(length)} and there are {len(hits)} hits; give 0 or more "
            f"for each"
        )
    grid = layer_grid(detector)
    sorted_hits = _table(hits, detector, grid, field, options)
    region = np.where(detector.barrel[hits.module], 0, 1)
    n = np.minimum(length, table.low.shape[1] - 1)
    low, high = table.low[region, n], table.high[region, n]
    # cot alpha is cot theta on the barrel's modules, but for their tilt and the bend, and tan theta on the
    # disks.
    barrel = region == 0
    with np.errstate(divide="ignore"):
        low, high = (
            np.where(barrel, low, 1 / high),
            np.where(barrel, high, np.where(low > 0, 1 / low, np.inf)),
        )
    low, high = low * (1 - LENIENT), np.minimum(high * (1 + LENIENT), STEEPEST)
    t, order = sorted_hits.near[: len(hits)], sorted_hits.order
    t[:, LOW] = np.maximum(t[:, LOW], np.where(t[:, LOW] > 0, low[order], -high[order]))
    t[:, HIGH] = np.minimum(t[:, HIGH], np.where(t[:, HIGH] < 0, -low[order], high[order]))
    edges = _search(sorted_hits, grid, detector, pairs, field, options, threads)
    slope = np.abs(edges.cot_theta)
    keep = (slope >= np.maximum(low[edges.source], low[edges.target])) & (
        slope <= np.minimum(high[edges.source], high[edges.target])
    )
    return edges.take(np.flatnonzero(keep))


def tree_window(
    hits: Hits, detector: Detector, pairs: LayerPairs, field: float, options: WindowOptions
) -> npt.NDArray[np.int32]:
    """The window's edges (E, 2) from a k-d tree for each layer (SciPy), as a user without a grid would look
    them up.

    A track from |z0| < ``max_z0`` meets a cylinder within a range of z / r, and a disk within a range of log
    r. The tree gives the hits in a box around that range, and NumPy makes the window's own test.

    Raises:
        InputError: hits, layer pairs or field that cannot be.
    """
    check_search(detector, pairs, field)
    check_hits(hits, detector)
    position, bounds = hits.position, search_bounds(pairs, detector)
    radius, phi = np.hypot(position[:, 0], position[:, 1]), np.arctan2(position[:, 1], position[:, 0])
    largest = max_curvature(field, options.min_pt)
    found = []
    for p, (inner, outer) in enumerate(zip(pairs.inner, pairs.outer, strict=True)):
        a, b = (
            np.flatnonzero((hits.layer == inner) & (radius > NEAREST)),
            np.flatnonzero((hits.layer == outer) & (radius > NEAREST)),
        )
        if not len(a) or not len(b) or is_straight(field):
            continue
        # Azimuths turn, and paths are longer than radii, by at most this.
        bent = min(0.5 * largest * radius[b].max(), float(np.sqrt(MOST_BENT)))
        turn = 0.5 * largest * max(radius[b].max() - radius[a].min(), 1.0) / np.sqrt(1 - bent**2)
        turn, longer = min(turn, float(AHEAD)), np.arcsin(bent) / bent
        if detector.layers.barrel[outer]:
            across = position[b, 2] / radius[b]
            low, high = _cylinder_range(
                position[a, 2] / radius[a], 1 / radius[a], radius[b].max(), longer, options.max_z0
            )
        else:
            across = np.log(radius[b])
            low, high = _disk_range(radius[a], position[a, 2], position[b, 2], longer, options.max_z0)
            high = np.minimum(high, across.max())
        reach = 0.5 * (high - low) + 1e-9
        usable = np.flatnonzero(reach > 0)
        unit = np.median(reach[usable]) if len(usable) else 1.0
        # Each axis in units of its own reach, so that one radius serves both; the azimuth is periodic.
        tree = KDTree(
            np.column_stack([np.mod(phi[b], 2 * np.pi) / turn, across / unit]),
            boxsize=np.array([2 * np.pi / turn, 0.0]),
        )
        centre = np.column_stack([np.mod(phi[a], 2 * np.pi) / turn, 0.5 * (low + high) / unit])[usable]
        lists = tree.query_ball_point(
            centre, np.maximum(1, reach[usable] / unit), p=np.inf, return_sorted=False
        )
        i = a[np.repeat(usable, [len(entry) for entry in lists])]
        j = b[np.concatenate([np.asarray(entry, dtype=np.int64) for entry in [[], *lists]])]
        inside = _in_window(
            position[i], position[j], radius[i], radius[j], largest, options.max_z0, bounds[p]
        )
        if inner == outer and not detector.layers.barrel[outer]:
            inside &= radius[j] - radius[i] <= OVERLAP
        found.append(np.stack([i[inside], j[inside]], axis=1).astype(np.int32))
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int32)


def _cylinder_range(
    ray: Floats, inverse: Floats, r_max: float, longer: float, max_z0: float
) -> tuple[Floats, Floats]:
    """z / r on a cylinder of tracks through points of z / r = ``ray`` (N,) and 1 / r = ``inverse``.

    Along a track z - z0 is as the path, which grows by ``longer`` more than the radius at most.
    """
    shift = max_z0 * (longer * inverse - 1 / r_max)
    return np.minimum(ray, ray * longer) - shift, np.maximum(ray, ray * longer) + shift


def _disk_range(
    radius: Floats, z: Floats, disk: Floats, longer: float, max_z0: float
) -> tuple[Floats, Floats]:
    """log r on a disk with hits at ``disk`` (M,) of tracks through points (N,): paths are as z - z0, to
    either side.
    """
    low, high = np.full(len(z), np.inf), np.full(len(z), -np.inf)
    for z_of, ends in ((z, disk), (-z, -disk)):
        near, far = np.maximum(ends.min() - z_of, 0), ends.max() - z_of
        reachable = (far >= 0) & (z_of + max_z0 > 0)
        least, most = (
            1 + near / np.maximum(z_of + max_z0, 1e-9),
            1 + np.maximum(far, 0) / np.maximum(z_of - max_z0, 1e-9),
        )
        low, high = (
            np.where(reachable, np.minimum(low, least), low),
            np.where(reachable, np.maximum(high, most), high),
        )
    possible = high >= low
    low, high = np.where(possible, low, 1.0), np.where(possible, high, 1e-9)
    return np.log(radius * low / longer), np.log(radius * high)


def _in_window(
    start: Floats,
    end: Floats,
    r_start: Floats,
    r_end: Floats,
    largest: float,
    max_z0: float,
    gap: npt.NDArray[np.float32],
) -> npt.NDArray[np.bool_]:
    """(E,) whether pairs of points (E, 3) are in the window: |curvature| and |z0| of the circle through the
    beam line.
    """
    step = end - start
    chord = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)
    curvature = 2 * (start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]) / (r_start * r_end * chord)
    half = np.clip(0.5 * curvature[:, None] * np.stack([r_start, r_end], axis=1), -0.999, 0.999)
    path = np.stack([r_start, r_end], axis=1) * np.where(
        np.abs(half) < 1e-4, 1.0, np.arcsin(half) / np.where(half == 0, 1.0, half)
    )
    rise = np.maximum(path[:, 1] - path[:, 0], 1e-9)
    z0 = start[:, 2] - step[:, 2] / rise * path[:, 0]
    outwards = (r_end - r_start > NEAREST) & (np.einsum("ei,ei->e", step[:, :2], start[:, :2]) > 0)
    kept = outwards & (half[:, 1] ** 2 <= MOST_BENT) & (np.abs(curvature) <= largest) & (np.abs(z0) <= max_z0)
    if gap[2] > 0:
        ahead, dz = gap[0] - start[:, 2], step[:, 2]
        at = r_start + (r_end - r_start) * ahead / np.where(dz == 0, 1.0, dz)
        kept &= (ahead * dz > 0) & (at >= gap[1]) & (at <= gap[2])
    return np.asarray(kept)
