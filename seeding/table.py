"""An event's hits in the order in which the kernels search them: by layer, then by cell of a grid, in single
precision.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.arrays import Grid, HitTable, LayerSearches, SearchSettings
from seeding.checks import check_hits
from seeding.constants import LARGEST, N_COLUMNS, N_PHI, NEAREST, SOURCES
from seeding.hits import Hits
from seeding.table_kernels import envelopes, fill_table, find_cells, sort_cells
from seeding.threads import in_parts
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from smartpix.physics import CURVATURE_PER_TESLA, HIGHLAND

__all__ = [
    "hit_table",
    "is_straight",
    "layer_grid",
    "layer_searches",
    "max_curvature",
    "scattering_constant",
    "search_bounds",
]

GRID_Z, GRID_R = 24.0, 18.0
"""Cell size along z (barrel) and r (disks), mm; along phi there are ``N_PHI`` cells.

Smaller cells hold fewer candidates in vain and cost more jumps between them; these were fastest.
"""
MOST_CELLS = 2**22
"""Of the whole grid, shared by its layers; those of a larger detector have wider cells. 16 MB an event."""
WEAKEST = 1e-3
"""Field (T) below which tracks count as straight: that of 1 GeV then bends by 1 um over the pixels."""
GAP_MARGIN = 0.8
"""A track may pass this far (mm) from the gap between two rings: their modules lie at different z."""

Singles = npt.NDArray[np.float32]


def layer_grid(detector: Detector) -> Grid:
    """The grid of a detector's layers, of at most ``MOST_CELLS`` cells or one ring of cells per layer.

    A hit beyond its layer's ends belongs to the cells at that end.
    """
    layers = detector.layers
    low = np.clip(np.where(layers.barrel, layers.z_min, layers.r_min), -LARGEST, LARGEST)
    high = np.clip(np.where(layers.barrel, layers.z_max, layers.r_max), -LARGEST, LARGEST)
    width = np.where(layers.barrel, GRID_Z, GRID_R)
    most = max(MOST_CELLS // (N_PHI * max(len(layers), 1)), 1)
    n_along = np.minimum(((high - low) / width).astype(np.int64) + 1, most)
    width = np.maximum(width, (high - low) / n_along)
    return Grid(
        barrel=layers.barrel,
        low=low.astype(np.float32),
        width=width.astype(np.float32),
        n_along=n_along,
        first_cell=np.concatenate([[0], np.cumsum(n_along * N_PHI)]),
    )


def is_straight(field: float) -> bool:
    """Whether a field (T) is too weak to bend tracks: their curvature then says nothing of their momentum."""
    return abs(field) < WEAKEST


def max_curvature(field: float, min_pt: float) -> float:
    """Curvature (1/mm) of a track of ``min_pt`` (GeV) in a field (T); at least that in ``WEAKEST``."""
    return max(abs(field), WEAKEST) * CURVATURE_PER_TESLA / min_pt


def scattering_constant(field: float, radiation_length: float) -> float:
    """theta0^2 = constant * curvature^2 / (1 + cot^2 theta): Highland's formula without its logarithm.

    The logarithm lowers the angle by 13 % at 3 % of a radiation length. The search must not lose edges,
    and takes the wider angle; the fit has the logarithm (:mod:`tracking.fit.material`).

    With p = pT sqrt(1 + cot^2) and pT = 0.3 B / curvature, for a layer of ``radiation_length`` at any
    incidence.
    """
    return (HIGHLAND / max_curvature(field, 1.0)) ** 2 * radiation_length


def hit_table(
    hits: Hits, detector: Detector, grid: Grid, settings: SearchSettings, threads: int = 1
) -> HitTable:
    """Check, sort and prepare an event's hits.

    Raises:
        InputError: hits of another detector, or hits that are not finite.
    """
    n = len(hits)
    radius, phi = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    cell = np.empty(n, dtype=np.int32)
    places = (hits.position, hits.module, hits.layer, detector.layer_index, grid, radius, phi, cell)
    bad = in_parts(lambda first, last: find_cells(first, last, *places), n, threads, even=True)
    # Within a cell the event's order stays, so that results repeat.
    order, place, start = sort_cells(cell, grid.first_cell[-1])
    innermost = max(float(radius.min(initial=np.inf)), float(NEAREST))
    outermost = np.float32(radius.max(initial=0.0))
    # Seen from the far origin of a beam of particles, all edges are short.
    lever = max(float(outermost) / innermost - 1, 0.0) if detector.frame.distance else 1.0
    near, azimuths = np.zeros((n + SOURCES, 4), dtype=np.float32), np.zeros(n + SOURCES, dtype=np.float32)
    table = np.empty((n, N_COLUMNS), dtype=np.float32)
    columns = (
        place, hits.position, radius, phi, hits.axes, hits.estimate.mean, hits.estimate.cholesky, settings,
        innermost, min(lever, 1.0), near, azimuths, table,
    )  # fmt: skip
    bad += in_parts(lambda first, last: fill_table(first, last, *columns), n, threads, even=True)
    if sum(bad):
        # Slower, and with the words for it.
        check_hits(hits, detector)
    first = start[grid.first_cell]
    envelope = envelopes(first, near)
    # A few steps of single precision at the largest coordinate.
    margin = np.float32(max(0.01, 1e-6 * float(np.abs(near[:, :2]).max(initial=0.0))))
    envelope += np.array([-margin, margin, -margin, margin])
    return HitTable(
        order,
        start,
        first,
        near,
        azimuths,
        table,
        envelope,
        margin,
        np.float32(innermost),
        outermost + margin,
    )


def search_bounds(pairs: LayerPairs, detector: Detector) -> Singles:
    """(P, 3) z of the layer whose gap a pair passes, and between which radii; the last is 0 where there is
    none.
    """
    layers = detector.layers
    bounds = np.zeros((len(pairs), 3), dtype=np.float32)
    gap = np.flatnonzero(pairs.skipped >= 0)
    skipped = pairs.skipped[gap]
    bounds[gap] = np.stack(
        [layers.z[skipped], layers.gap_low[skipped] - GAP_MARGIN, layers.gap_high[skipped] + GAP_MARGIN],
        axis=1,
    )
    return bounds


def layer_searches(table: HitTable, pairs: LayerPairs, detector: Detector) -> LayerSearches:
    """The list of all searches: one from each hit of a pair's inner layer."""
    sources = table.first[pairs.inner + 1] - table.first[pairs.inner]
    items = np.concatenate([[0], np.cumsum(sources)])
    return LayerSearches(items, pairs.inner, pairs.outer, search_bounds(pairs, detector))
