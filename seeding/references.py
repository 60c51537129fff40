"""What the cones are compared with: searches that know less of each hit, in the same compiled loop or in a k-d tree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from seeding.edges import Edges, search_all
from seeding.hits import Hits
from seeding.kernels import HIGH, LOW, WAA, WBB
from seeding.table import Grid, HitTable, hit_table, layer_grid, max_curvature, search_bounds
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from smartpix.schema import check, check_types

__all__ = ["LengthTable", "WindowOptions", "length_table", "length_window", "tree_window", "window"]

Floats = npt.NDArray[np.float64]

TINY = 1e-3
"""Impact parameter (mm) that takes the place of 0 where the window's edge is sharp."""
UNKNOWN = 1e6
"""Sigma of slopes nothing is known of."""


@dataclass(frozen=True)
class WindowOptions:
    """Reference window: |dphi| of a track of ``min_pt`` (GeV) from the beam line, and |z0| below ``max_z0`` (mm)."""

    min_pt: float = 0.5
    max_z0: float = 150.0
    max_edges: int = 50_000_000

    def __post_init__(self) -> None:
        check_types("window", self)
        check("window", "min_pt", self.min_pt, 0 < self.min_pt < np.inf, "positive (GeV)")
        check("window", "max_z0", self.max_z0, 0 < self.max_z0 < np.inf, "positive (mm)")
        check("window", "max_edges", self.max_edges, self.max_edges > 0, "positive")


def _table(hits: Hits, grid: Grid, field: float, options: WindowOptions) -> HitTable:
    """The hits without what their clusters tell of the direction."""
    nothing = replace(hits, cot_covariance=np.tile([UNKNOWN**2, 0.0, UNKNOWN**2], (len(hits), 1)))
    curvature = max_curvature(field, options.min_pt)
    table = hit_table(nothing, grid, 1.0, options.max_z0, TINY, curvature, 0.0, 1.0)
    table.hits[:, WAA : WBB + 1] = 0
    return table


def _search(
    table: HitTable, grid: Grid, detector: Detector, pairs: LayerPairs, field: float, options: WindowOptions, threads: int
) -> Edges:
    curvature = max_curvature(field, options.min_pt)
    # With no slopes to compare the chi2 is (z0 / max_z0)^2, which must not exceed 1.
    return search_all(table, grid, pairs, detector, 1.0, options.max_z0, TINY, curvature, options.max_edges, threads)


def window(hits: Hits, detector: Detector, pairs: LayerPairs, field: float, options: WindowOptions, threads: int = 1) -> Edges:
    """Edges of the reference window on the same layer pairs: what a tracker without directions would search.

    Raises:
        InputError: more edges than ``options.max_edges``.
    """
    grid = layer_grid(detector)
    return _search(_table(hits, grid, field, options), grid, detector, pairs, field, options, threads)


@dataclass(frozen=True)
class LengthTable:
    """Which |cot alpha| a cluster of so many columns may have: the idea of cluster-shape filters and of ACTS's GBTS.

    Attributes:
        low, high: (2, L) for the barrel and the end-caps, by length; longer clusters count as the longest.
    """

    low: Floats
    high: Floats


def length_table(
    length: npt.NDArray[np.int64], barrel: npt.NDArray[np.bool_], cot_alpha: Floats, quantile: float = 0.997
) -> LengthTable:
    """Table from clusters of known direction (N,): between the quantiles that leave out ``1 - quantile`` altogether."""
    longest = 40
    low, high = np.zeros((2, longest + 1)), np.full((2, longest + 1), np.inf)
    for row, region in enumerate((barrel, ~barrel)):
        for n in range(longest + 1):
            here = region & (length == n if n < longest else length >= n) & np.isfinite(cot_alpha)
            if here.sum() >= 50:
                low[row, n], high[row, n] = np.quantile(np.abs(cot_alpha[here]), [(1 - quantile) / 2, (1 + quantile) / 2])
    return LengthTable(low, high)


def length_window(
    hits: Hits, length: npt.NDArray[np.int64], table: LengthTable, detector: Detector, pairs: LayerPairs, field: float,
    options: WindowOptions, threads: int = 1,
) -> Edges:  # fmt: skip
    """Edges of the window whose slope both clusters' lengths (N,), in columns, allow."""
    grid = layer_grid(detector)
    sorted_hits = _table(hits, grid, field, options)
    region = np.where(detector.barrel[hits.module], 0, 1)
    n = np.minimum(length, table.low.shape[1] - 1)
    low, high = table.low[region, n], table.high[region, n]
    # cot alpha is cot theta on the barrel's modules, but for their tilt and the bend, and tan theta on the disks.
    barrel = region == 0
    with np.errstate(divide="ignore"):
        low, high = np.where(barrel, low, 1 / high), np.where(barrel, high, np.where(low > 0, 1 / low, np.inf))
    high = np.minimum(high, 1e6)
    t, order = sorted_hits.hits, sorted_hits.order
    t[:, LOW] = np.maximum(t[:, LOW], np.where(t[:, LOW] > 0, low[order], -high[order]))
    t[:, HIGH] = np.minimum(t[:, HIGH], np.where(t[:, HIGH] < 0, -low[order], high[order]))
    edges = _search(sorted_hits, grid, detector, pairs, field, options, threads)
    slope = np.abs(edges.cot_theta)
    keep = (slope >= np.maximum(low[edges.source], low[edges.target]) * 0.999) & (
        slope <= np.minimum(high[edges.source], high[edges.target]) * 1.001
    )
    return edges.take(np.flatnonzero(keep))


def tree_window(hits: Hits, detector: Detector, pairs: LayerPairs, field: float, options: WindowOptions) -> npt.NDArray[np.int32]:
    """The window's edges (E, 2) from a k-d tree for each layer (SciPy), as a user without a grid would look them up.

    A straight line from |z0| < ``max_z0`` meets a cylinder within a range of z / r and a disk within a range of log r; a box
    around that in the tree, then the window's own test in NumPy.
    """
    position, bounds = hits.position, search_bounds(pairs, detector)
    radius, phi = np.hypot(position[:, 0], position[:, 1]), np.arctan2(position[:, 1], position[:, 0])
    largest = max_curvature(field, options.min_pt)
    outermost = detector.layers.r_max.max()
    # Paths are longer than radii by at most this.
    stretch = 1 / np.sqrt(1 - min(0.5 * largest * outermost, 0.99) ** 2)
    found = []
    for p, (inner, outer) in enumerate(zip(pairs.inner, pairs.outer, strict=True)):
        a, b = np.flatnonzero(hits.layer == inner), np.flatnonzero(hits.layer == outer)
        if not len(a) or not len(b) or inner == outer:
            continue
        turn = 0.5 * largest * max(radius[b].max() - radius[a].min(), 1.0) * stretch
        if detector.layers.barrel[outer]:
            across = position[b, 2] / radius[b]
            shift = options.max_z0 * (1 / radius[a] - 1 / radius[b].max()) + 0.03 * stretch
            low, high = position[a, 2] / radius[a] - shift, position[a, 2] / radius[a] + shift
        else:
            far, z = np.abs(detector.layers.z[outer]), position[a, 2] * np.sign(detector.layers.z[outer])
            across = np.log(radius[b])
            ends = [
                np.log(radius[a] * (far - z0) / np.maximum(z - z0, 1e-3)) for z0 in (-options.max_z0, options.max_z0)
            ]  # fmt: skip
            slack = 0.02 + np.log(stretch)
            low, high = ends[0] - slack, np.minimum(ends[1], np.log(detector.layers.r_max[outer])) + slack
        reach = 0.5 * (high - low)
        usable = np.flatnonzero(reach > 0)
        unit = np.median(reach[usable]) if len(usable) else 1.0
        tree = KDTree(
            np.column_stack([np.mod(phi[b], 2 * np.pi) / turn, across / unit]), boxsize=np.array([2 * np.pi / turn, 0.0])
        )
        centre = np.column_stack([np.mod(phi[a], 2 * np.pi) / turn, 0.5 * (low + high) / unit])[usable]
        lists = tree.query_ball_point(centre, np.maximum(1, reach[usable] / unit), p=np.inf, return_sorted=False)
        i = a[np.repeat(usable, [len(entry) for entry in lists])]
        j = b[np.concatenate([np.asarray(entry, dtype=np.int64) for entry in lists])]
        inside = _in_window(position[i], position[j], radius[i], radius[j], largest, options.max_z0, bounds[p])
        found.append(np.stack([i[inside], j[inside]], axis=1).astype(np.int32))
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int32)


def _in_window(
    start: Floats, end: Floats, r_start: Floats, r_end: Floats, largest: float, max_z0: float, gap: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """(E,) whether pairs of points (E, 3) are in the window: |curvature| and |z0| of the circle through the beam line."""
    step = end - start
    chord = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)
    curvature = 2 * (start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]) / (r_start * r_end * chord)
    half = np.clip(0.5 * curvature[:, None] * np.stack([r_start, r_end], axis=1), -0.99, 0.99)
    path = np.stack([r_start, r_end], axis=1) * np.where(
        np.abs(half) < 1e-4, 1.0, np.arcsin(half) / np.where(half == 0, 1.0, half)
    )
    rise = np.maximum(path[:, 1] - path[:, 0], 1e-9)
    z0 = start[:, 2] - step[:, 2] / rise * path[:, 0]
    outwards = (r_end > r_start) & (np.einsum("ei,ei->e", step[:, :2], start[:, :2]) > 0)
    kept = outwards & (np.abs(curvature) <= largest) & (np.abs(z0) <= max_z0)
    if gap[2] > 0:
        at = r_start + (r_end - r_start) * (gap[0] - start[:, 2]) / step[:, 2]
        kept &= (at >= gap[1]) & (at <= gap[2])
    return np.asarray(kept)
