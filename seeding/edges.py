"""Candidate edges: pairs of hits on layers that follow one another, consistent with both hits' estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.hits import Hits
from seeding.kernels import search
from seeding.table import (
    Grid,
    HitTable,
    hit_table,
    layer_grid,
    max_curvature,
    scattering_constant,
    search_bounds,
    work_items,
)
from seeding.threads import in_parts
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from smartpix.schema import InputError, check

__all__ = ["Edges", "check_same_event", "find_edges", "search_all"]

Single = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Edges:
    """Edges of one event.

    Attributes:
        source, target: (E,) rows of the hits, inner first.
        pair: (E,) rows of the layer-pair list; edges are sorted by it.
        chi2: (E,) of the joint test.
        curvature, cot_theta, z0: (E,) of the edge with the beam line; 1/mm, -, mm.
        pulls: (E, 4) slope residuals in sigmas: cot alpha, cot beta at the source, then at the target.
        n_looked, n_tested: candidates in the cells the hits allow, and those the whole joint test was made for.
        n_hits: of the event.
    """

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    pair: npt.NDArray[np.int32]
    chi2: Single
    curvature: Single
    cot_theta: Single
    z0: Single
    pulls: Single
    n_looked: int
    n_tested: int
    n_hits: int

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: npt.NDArray[np.int64]) -> Edges:
        """Some of the edges, in the order of ``rows``."""
        columns = ("source", "target", "pair", "chi2", "curvature", "cot_theta", "z0", "pulls")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})


def find_edges(hits: Hits, detector: Detector, pairs: LayerPairs, field: float, options: ConeOptions, threads: int = 1) -> Edges:
    """Edges of one event whose joint chi2 passes ``options.joint_cut()``, all of them.

    The circle through the beam line and both hits gives curvature and slope of an edge, far better than either cluster does;
    each cluster's slopes are then compared with the edge's in its own frame and with its own covariance. z0 is a measurement
    with the width of the luminous region. Curvatures are equally likely up to that of ``min_pt``; beyond, the width that the
    impact parameter gives the curvature decides. What multiple scattering and the impact parameter do to the
    direction is part of the covariances.

    Args:
        pairs: from :func:`smartpix.layers.layer_pairs`.
        field: along z in T.
        threads: the result does not depend on it.

    Raises:
        InputError: a hit, its covariance or the field is not finite, no thread, or more edges than ``options.max_edges``.
    """
    _check(hits, field, threads)
    grid = layer_grid(detector)
    cut, curvature = options.joint_cut(), max_curvature(field, options.min_pt)
    scattering = scattering_constant(field, options.radiation_length)
    table = hit_table(
        hits, grid, options.sigma_scale, options.sigma_z0, options.sigma_d0, curvature, scattering, cut,
        threads,
    )  # fmt: skip
    return search_all(
        table, grid, pairs, detector, cut, options.sigma_z0, options.sigma_d0, curvature, options.max_edges, threads
    )


def check_same_event(hits: Hits, edges: Edges, where: str) -> None:
    """Check that edges can be of these hits; compiled code would read beyond their end.

    Raises:
        InputError: they were found among another number of hits.
    """
    if edges.n_hits != len(hits):
        raise InputError(
            f"{where}: the edges were found among {edges.n_hits} hits and {len(hits)} hits are given; give those of one event"
        )


def _check(hits: Hits, field: float, threads: int) -> None:
    """One bad hit would spoil its neighbours' search without a word."""
    check("edges", "field", field, isinstance(field, Real) and bool(np.isfinite(field)), "a number (T)")
    check("edges", "threads", threads, threads >= 1, "at least 1")
    aa, ab, bb = hits.cot_covariance.T
    good = np.isfinite(hits.position).all(axis=1) & np.isfinite(hits.cot).all(axis=1) & (aa > 0) & (aa * bb > ab * ab)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"edges: hit {hits.hit_id[row]} (row {row}; {int(np.sum(~good))} such hits) has the position {hits.position[row]}, "
            f"the slopes {hits.cot[row]} and their covariance {hits.cot_covariance[row]}; all must be finite and the covariance "
            "positive definite: estimate its cluster again or leave it out"
        )


def search_all(
    table: HitTable, grid: Grid, pairs: LayerPairs, detector: Detector, cut: float, sigma_z0: float, sigma_d0: float,
    curvature: float, limit: int, threads: int,
) -> Edges:  # fmt: skip
    """Edges from every hit of the table to every layer that follows its own; see :func:`find_edges`.

    Raises:
        InputError: more edges than ``limit``.
    """
    items, bounds = work_items(table, pairs), search_bounds(pairs, detector)

    def part(first: int, last: int) -> Any:
        source, target, pair, values, *counts = search(
            first, last, items, pairs.inner, pairs.outer, bounds, table.first, table.hits, table.axes, table.cell_start,
            grid.barrel, grid.low, grid.width, grid.n_along, grid.first_cell, grid.envelope,
            np.float32(cut), np.float32(1 / sigma_z0), np.float32(curvature), np.float32(0.5 / max(sigma_d0, 1e-6)), limit,
        )  # fmt: skip
        columns = [values[:, k].copy() for k in range(4)]
        return [table.order[source], table.order[target], pair, *columns, values[:, 4:].copy()], counts

    parts = in_parts(part, int(items[-1]), threads)
    looked, tested, n_edges = (sum(counts[k] for _, counts in parts) for k in range(3))
    if n_edges > limit:
        raise InputError(
            f"edges: the event has {n_edges} edges, more than max_edges = {limit}; raise min_pt or max_edges, "
            "or lower the cones' quantile"
        )
    columns = parts[0][0] if len(parts) == 1 else [np.concatenate(c) for c in zip(*(p[0] for p in parts), strict=True)]
    source, target, pair, chi2, bend, slope, z0, pulls = columns
    return Edges(source, target, pair, chi2, bend, slope, z0, pulls, looked, tested, len(table.order))
