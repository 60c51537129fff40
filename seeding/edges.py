"""Candidate edges: pairs of hits on layers that follow one another, consistent with both hits' estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.arrays import Grid, HitTable, LayerSearches, SearchSettings
from seeding.cones import ConeOptions
from seeding.hits import Hits, check_modules
from seeding.kernels import search
from seeding.table import LARGEST, hit_table, layer_grid, layer_searches, max_curvature, scattering_constant
from seeding.threads import in_parts
from smartpix.geometry import Detector, Layers
from smartpix.layers import LayerPairs
from smartpix.notebook import one_line_and_table
from smartpix.schema import InputError, check, check_field

__all__ = ["Edges", "check_same_event", "check_search", "cone_settings", "find_edges", "search_all"]

Single = npt.NDArray[np.float32]

STEEPEST = 1e6
"""Largest slope of an estimate, and largest sigma of one."""
SINGULAR = 1e-12
"""Smallest determinant of a covariance, over the product of its diagonal: single precision has 7 digits."""


@one_line_and_table
@dataclass(frozen=True)
class Edges:
    """Edges of one event.

    Attributes:
        source, target: (E,) rows of the hits, inner first.
        pair: (E,) rows of the layer-pair list; edges are sorted by it.
        chi2: (E,) of the joint test.
        curvature, cot_theta, z0: (E,) of the edge with the beam line; 1/mm, -, mm.
        pulls: (E, 4) slope residuals in sigmas: cot alpha, cot beta at the source, then at the target.
        n_looked, n_tested: candidates in the cells the hits allow, and those the whole joint test was made
            for.
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

    def __post_init__(self) -> None:
        n = len(self.source)
        for name in ("target", "pair", "chi2", "curvature", "cot_theta", "z0", "pulls"):
            if len(getattr(self, name)) != n:
                raise InputError(
                    f"edges: {name} has {len(getattr(self, name))} rows and source {n}; give one for each "
                    f"edge"
                )
        for name, rows in (("source", self.source), ("target", self.target)):
            if n and not 0 <= rows.min() <= rows.max() < self.n_hits:
                row = int(np.argmax((rows < 0) | (rows >= self.n_hits)))
                raise InputError(
                    f"edges: {name} of edge {row} is {rows[row]} and there are {self.n_hits} hits, numbered "
                    f"from 0; "
                    "give rows of the event's hits"
                )

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: npt.NDArray[np.int64]) -> Edges:
        """Some of the edges, in the order of ``rows``."""
        columns = ("source", "target", "pair", "chi2", "curvature", "cot_theta", "z0", "pulls")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})


def find_edges(
    hits: Hits, detector: Detector, pairs: LayerPairs, field: float, options: ConeOptions, threads: int = 1
) -> Edges:
    """Edges of one event whose joint chi2 passes ``options.joint_cut()``, all of them.

    The circle through the beam line and both hits gives curvature and slope of an edge, far better than
    either cluster does. Each cluster's slopes are compared with the edge's, in the cluster's own frame and
    with its own covariance. z0 is a measurement with the width of the luminous region. Curvatures are equally
    likely up to that of ``min_pt``. Beyond it the width decides that the impact parameter gives the
    curvature. The covariances include what multiple scattering and the impact parameter do to the direction.

    Args:
        pairs: from :func:`smartpix.layers.layer_pairs`.
        field: along z in T.
        threads: the result does not depend on it.

    The search assumes tracks from the beam line, the z axis, with the widths of ``options``. Hits on the axis
    itself make no edges, and the tracks of a beam parallel to it make none either. Without field (below
    1 mT) tracks are straight, and ``min_pt`` is the momentum at which scattering is counted.

    Raises:
        InputError: hits, layer pairs, field or number of threads that cannot be, or more edges than
            ``options.max_edges``.
    """
    check_search(hits, detector, pairs, field, threads)
    grid = layer_grid(detector)
    settings = cone_settings(options, field)
    table = hit_table(hits, grid, settings, threads)
    return search_all(
        table, grid, layer_searches(table, pairs, detector), settings, options.max_edges, threads
    )


def cone_settings(options: ConeOptions, field: float) -> SearchSettings:
    """The options as the compiled search takes them, in a field along z in T."""
    return SearchSettings(
        sigma_scale=options.sigma_scale,
        sigma_z0=options.sigma_z0,
        sigma_d0=options.sigma_d0,
        max_curvature=max_curvature(field, options.min_pt),
        scattering=scattering_constant(field, options.radiation_length),
        cut=options.joint_cut(),
    )


def check_same_event(hits: Hits, edges: Edges, where: str) -> None:
    """Check that edges can be of these hits; compiled code would read beyond their end.

    Raises:
        InputError: they were found among another number of hits.
    """
    if edges.n_hits != len(hits):
        raise InputError(
            f"{where}: the edges were found among {edges.n_hits} hits and {len(hits)} hits are given; give "
            f"those of one event"
        )


def check_search(hits: Hits, detector: Detector, pairs: LayerPairs, field: float, threads: int) -> None:
    """Check what a search is given: compiled code would read beyond arrays, and one bad hit spoil its
    neighbours' search.

    Raises:
        InputError: hits or layer pairs of another detector, hits that are not finite, or a field or number of
            threads that cannot be.
    """
    check_field("edges", field)
    check("edges", "threads", threads, threads >= 1, "at least 1")
    check_modules(hits, detector, "edges")
    _check_pairs(pairs, detector.layers)
    # What is no number fails every comparison below: one test finds all.
    aa, ab, bb = hits.cot_covariance.T
    good = (np.abs(hits.position) <= LARGEST).all(axis=1) & (np.abs(hits.cot) <= STEEPEST).all(axis=1)
    good &= (aa > 0) & (aa * bb - ab * ab > SINGULAR * aa * bb) & (aa + bb <= STEEPEST**2)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"edges: hit {hits.hit_id[row]} (row {row}; {int(np.sum(~good))} such hits) has the position "
            f"{hits.position[row]}, "
            f"the slopes {hits.cot[row]} and their covariance {hits.cot_covariance[row]}; all must be finite "
            f"(positions to "
            f"{LARGEST:g} mm, slopes and their sigmas to {STEEPEST:g}) and the covariance positive definite: "
            "estimate its cluster again or leave it out"
        )


def _check_pairs(pairs: LayerPairs, layers: Layers) -> None:
    n_layers, gap = len(layers), pairs.skipped[pairs.skipped >= 0]
    for name, least in (("inner", 0), ("outer", 0), ("skipped", -2)):
        rows = getattr(pairs, name)
        bad = rows[(rows < least) | (rows >= n_layers)]
        if len(rows) != len(pairs) or len(bad):
            raise InputError(
                f"edges: the layer pairs have {len(rows)} {name} layers for {len(pairs)} pairs, "
                f"{bad[:3].tolist()} among them, "
                f"and the detector has {n_layers}, numbered from 0; give smartpix.layers.layer_pairs of this "
                f"detector"
            )
    if not np.all(layers.gap_high[gap] > layers.gap_low[gap]):
        raise InputError(
            f"edges: a layer pair goes through the gap of a layer of {sorted(set(gap.tolist()))} and one of "
            f"those has none; "
            "give smartpix.layers.layer_pairs of this detector"
        )


def search_all(
    table: HitTable, grid: Grid, searches: LayerSearches, settings: SearchSettings, limit: int, threads: int
) -> Edges:
    """Edges from every hit of the table to every layer that follows its own; see :func:`find_edges`.

    Raises:
        InputError: more edges than ``limit``.
    """

    def part(first: int, last: int) -> Any:
        source, target, pair, values, *counts = search(first, last, searches, grid, table, settings, limit)
        columns = [values[:, k].copy() for k in range(4)]
        # Here and not at the end, so that threads share this work too.
        return [table.order[source], table.order[target], pair, *columns, values[:, 4:].copy()], counts

    parts = in_parts(part, int(searches.items[-1]), threads)
    looked, tested, n_edges = (sum(counts[k] for _, counts in parts) for k in range(3))
    if n_edges > limit:
        raise InputError(
            f"edges: the event has {n_edges} edges, more than max_edges = {limit}; raise min_pt or "
            f"max_edges, "
            "or lower the cones' quantile"
        )
    columns = (
        parts[0][0]
        if len(parts) == 1
        else [np.concatenate(c) for c in zip(*(p[0] for p in parts), strict=True)]
    )
    source, target, pair, chi2, bend, slope, z0, pulls = columns
    return Edges(source, target, pair, chi2, bend, slope, z0, pulls, looked, tested, len(table.order))
