"""The arrays and numbers that the compiled loops of a search share, as named tuples.

Numba takes a named tuple apart at compile time, so that a field costs as much as an argument would. It takes
no dataclass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["EdgeColumns", "Grid", "HitTable", "LayerSearches", "SearchSettings"]

# Single precision holds 7 digits: 0.06 um in 1 m, far below the resolution. It halves the memory traffic,
# which limits the search (docs/speed.md).
Singles = npt.NDArray[np.float32]


class Grid(NamedTuple):
    """Cells of every layer, along z (barrel) or r (disks) and phi.

    Attributes:
        barrel: (L,) kind of each layer; low, width, n_along: (L,) its first edge, cell size in mm and number
            of cells.
        first_cell: (L + 1,) number of each layer's first cell.
    """

    barrel: npt.NDArray[np.bool_]
    low: Singles
    width: Singles
    n_along: npt.NDArray[np.int64]
    first_cell: npt.NDArray[np.int64]


class HitTable(NamedTuple):
    """Hits sorted by cell.

    Attributes:
        order: (N,) row of each in the event's hits.
        cell_start: (cells + 1,) where each cell begins.
        first: (L + 1,) where each layer begins.
        near: (N + SOURCES, 4) what decides which hits can make an edge: r and z in mm, and the lowest and
            highest slope dz/ds of an edge that can pass.
        phi: (N + SOURCES,) azimuth.
        hits: (N, 16) a cache line for each hit, see :func:`seeding.table_kernels.fill_table`.
        envelope: (L, 4) r_min, r_max, z_min, z_max of each layer's hits in mm, and a margin; inside out where
            it has none.
        margin: what rounding may move a coordinate by, in mm.
        innermost, outermost: least and largest radius of a hit in mm.
    """

    order: npt.NDArray[np.int32]
    cell_start: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    near: Singles
    phi: Singles
    hits: Singles
    envelope: Singles
    margin: np.float32
    innermost: np.float32
    outermost: np.float32


class EdgeColumns(NamedTuple):
    """Columns of :class:`seeding.edges.Edges`, in their order; pulls are (E, 4)."""

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    pair: npt.NDArray[np.int32]
    chi2: Singles
    curvature: Singles
    cot_theta: Singles
    z0: Singles
    pulls: Singles


class LayerSearches(NamedTuple):
    """The list of all searches, each from one hit to one layer, by layer pair.

    Attributes:
        items: (P + 1,) pair p has the searches from items[p] to items[p + 1].
        inner, outer: (P,) layers of each pair.
        gaps: (P, 3) z of the layer whose gap a pair passes, and the radii of the gap's edges; the last is 0
            where it passes none.
    """

    items: npt.NDArray[Any]
    inner: npt.NDArray[np.int32]
    outer: npt.NDArray[np.int32]
    gaps: Singles


class SearchSettings(NamedTuple):
    """Priors of a search, and how unlikely an edge may be.

    Attributes:
        sigma_scale: factor on the estimates' sigmas.
        sigma_z0, sigma_d0: widths of the luminous region along the beam and of the impact parameter, mm.
        max_curvature: of the softest track, 1/mm; multiple scattering is counted at it.
        scattering: theta0^2 = scattering * curvature^2 / (1 + cot^2 theta), of
            :func:`seeding.table.scattering_constant`.
        cut: largest chi2 of an edge; it sets how steep or flat an edge from a hit can be.
        steepest: largest absolute slope dz/ds of an edge.
    """

    sigma_scale: float
    sigma_z0: float
    sigma_d0: float
    max_curvature: float
    scattering: float
    cut: float
    steepest: float
