"""Candidate edges: pairs of hits on layers that follow one another, consistent with both hits' estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.arrays import EdgeColumns, Grid, HitTable, LayerSearches, SearchSettings
from seeding.arrival import time_terms
from seeding.checks import check_search
from seeding.cones import ConeOptions
from seeding.hits import Hits
from seeding.kernels import copy_edges, edge_columns, search
from seeding.local_field import check_frame, in_local, in_strongest
from seeding.table import hit_table, layer_grid, layer_searches, max_curvature, scattering_constant
from seeding.threads import in_parts
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.io.event_header import Header, placed
from smartpix.layers import LayerPairs, layer_pairs
from smartpix.notebook import span, words_and_table
from smartpix.rows import Rows
from smartpix.schema import InputError
from smartpix.thumbnails import histogram

__all__ = ["Edges", "check_same_event", "cone_settings", "find_edges", "find_edges_within", "search_all"]

Single = npt.NDArray[np.float32]

FAINTER = 1e-3
"""Share of the curvature that stands for no field which tracks of a beam of particles may have."""


@words_and_table
@dataclass(frozen=True)
class Edges(Rows):
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

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Rows of the hits and of the pair of layers, chi2, curvature (1/mm), cot theta, z0 (mm)."""
        names = ("source", "target", "pair", "chi2", "curvature", "cot_theta", "z0")
        return {name: getattr(self, name) for name in names}

    def in_words(self) -> dict[str, str]:
        """How many, of how many candidates, and where they point."""
        return {
            "edges": f"{len(self):,} edges between {self.n_hits:,} hits, {self.n_looked:,} looked at",
            "chi2": span(self.chi2),
            "z0": span(self.z0, "mm"),
            "curvature": span(self.curvature, "1/mm"),
        }

    def thumbnails(self) -> str:
        """Histograms of chi2 and z0."""
        return histogram(self.chi2, "chi2") + histogram(self.z0, "z0 in mm")


def find_edges(
    hits: Hits, detector: Detector | Header, pairs: LayerPairs | None = None, field: float | None = None,
    options: ConeOptions | None = None, threads: int = 1, field_map: FieldMap | None = None,
) -> Edges:  # fmt: skip
    """Edges of one event whose joint chi2 passes ``options.joint_cut()``, all of them.

    The circle through the beam line and both hits gives curvature and slope of an edge, far better than
    either cluster does. Each cluster's slopes are compared with the edge's, in the cluster's own frame and
    with its own covariance. z0 is a measurement with the width of the luminous region. Curvatures are equally
    likely up to that of ``min_pt``. Beyond it the width decides that the impact parameter gives the
    curvature. The covariances include what multiple scattering and the impact parameter do to the direction.

    Args:
        detector: that the hits were made with, or the header of the file, which has the field too.
        pairs: None: :func:`smartpix.layers.layer_pairs` of the detector.
        field: along z in T.
        options: None: the defaults.
        threads: the result does not depend on it.
        field_map: table of the field, whose Bz at the origin is ``field``: the largest curvature of an
            edge is then that in the field on its way. None: it is uniform.

    The search assumes tracks from the beam line, the z axis, with the widths of ``options``. Hits on the axis
    itself make no edges. Tracks parallel to it make none either, unless the detector's frame is that of a
    beam of particles (:class:`smartpix.beam.BeamSpot`), in which they are lines from a far origin. Without
    field (below 1 mT) tracks are straight, and ``min_pt`` is the momentum at which scattering is counted.

    Raises:
        InputError: hits, layer pairs, field or number of threads that cannot be, or more edges than
            ``options.max_edges``.
    """
    modules, field, field_map = placed(detector, field, "edges", field_map)
    pairs, options = pairs or layer_pairs(modules), options or ConeOptions()
    return find_edges_within(options.joint_cut(), hits, modules, pairs, field, options, threads, field_map)


def find_edges_within(
    cut: float, hits: Hits, detector: Detector, pairs: LayerPairs, field: float, options: ConeOptions,
    threads: int = 1, field_map: FieldMap | None = None,
) -> Edges:  # fmt: skip
    """:func:`find_edges` with another largest chi2 than that of the options."""
    check_search(detector, pairs, field, threads)
    grid = layer_grid(detector)
    settings = cone_settings(options, field)._replace(cut=cut)
    if detector.frame.distance:
        # So far from the origin even the faint bend that stands for no field is an angle. Only the scattering
        # counts at it, which stays.
        settings = settings._replace(
            max_curvature=FAINTER * settings.max_curvature, scattering=settings.scattering / FAINTER**2
        )
    strongest, share = settings, None
    if field_map is not None:
        check_frame(detector.frame, "edges")
        strongest, share = in_strongest(settings, field_map, field, hits, detector.frame)
    table = hit_table(hits, detector, grid, strongest, threads)
    edges = search_all(
        table, grid, layer_searches(table, pairs, detector), strongest, options.max_edges, threads
    )
    if share is not None:
        chi2 = in_local(_columns(edges), hits, share, settings, strongest)
        edges = replace(edges, chi2=chi2).take(np.flatnonzero(chi2 <= cut))
    if options.time_sigma:
        # Edges keep the chi2 without times, which graph networks were trained on.
        edges = edges.take(np.flatnonzero(edges.chi2 + edge_times(edges, hits, field, options) <= cut))
    return edges


def edge_times(edges: Edges, hits: Hits, field: float, options: ConeOptions) -> npt.NDArray[np.float64]:
    """:func:`seeding.arrival.time_terms` of the edges of a search."""
    return time_terms(_columns(edges), hits, field, options)


def _columns(edges: Edges) -> EdgeColumns:
    return EdgeColumns(*(getattr(edges, name) for name in EdgeColumns._fields))


def cone_settings(options: ConeOptions, field: float) -> SearchSettings:
    """The options as the compiled search takes them, in a field along z in T."""
    return SearchSettings(
        sigma_scale=options.sigma_scale,
        sigma_z0=options.sigma_z0,
        sigma_d0=options.sigma_d0,
        max_curvature=max_curvature(field, options.min_pt),
        scattering=scattering_constant(field, options.radiation_length),
        cut=options.joint_cut(),
        steepest=options.max_cot_theta,
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


def search_all(
    table: HitTable, grid: Grid, searches: LayerSearches, settings: SearchSettings, limit: int, threads: int
) -> Edges:
    """Edges from every hit of the table to every layer that follows its own; see :func:`find_edges`.

    Raises:
        InputError: more edges than ``limit``.
    """

    parts = in_parts(
        lambda first, last: search(first, last, searches, grid, table, settings, limit),
        int(searches.items[-1]),
        threads,
    )
    looked, tested, n_edges = (sum(part[k] for part in parts) for k in (1, 2, 3))
    if n_edges > limit:
        raise InputError(
            f"edges: the event has {n_edges} edges, more than max_edges = {limit}; raise min_pt or "
            f"max_edges, "
            "or lower the cones' quantile"
        )
    columns = _joined([(part[0], part[3]) for part in parts], threads)
    return Edges(*columns, looked, tested, len(table.order))


def _joined(parts: list[tuple[EdgeColumns, int]], threads: int) -> EdgeColumns:
    """Columns of all parts, one after the other, of which each has so many edges."""
    if len(parts) == 1:
        edges, n = parts[0]
        return EdgeColumns._make(column[:n] for column in edges)
    ends = np.cumsum([0, *(n for _, n in parts)])
    out: EdgeColumns = edge_columns(int(ends[-1]))

    def copy(first: int, last: int) -> None:
        for k in range(first, last):
            copy_edges(*parts[k], out, ends[k])

    in_parts(copy, len(parts), threads, even=True)
    return out
