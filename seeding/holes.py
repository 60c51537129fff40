"""Edges over dead modules: pairs of hits on layers with one between them, where the track crossed a module
that gives no clusters.

All pairs of layers with one between them would double the search. A module that is known to be dead is a
small part of its layer: only hits within its reach are searched, and of their edges those are kept whose
    helix goes
through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.hole_kernels import cross_modules
from seeding.table import max_curvature
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs

__all__ = ["DeadModules", "Holes", "find_holes", "with_hole_edges"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MARGIN = 1.0
"""mm: a helix that misses a dead module by less may have crossed it. The helix is through the beam line,
which a track misses by the width of the luminous region."""
BINS = 2048
"""Of the azimuth, for the hits that may have edges over a dead module."""


@dataclass(frozen=True)
class DeadModules:
    """Places of the dead modules of a detector.

    Attributes:
        rows: (D,) of the detector, by layer; layer: (D,); barrel: (D,).
        places: (D, 15) centre, axes x, y, z, and half lengths in mm, widened by :data:`MARGIN`; and the
            centre's radius times the cosine of the largest azimuth from it at which a hit may be on a track
            through it.
        n_layers: of the detector.
    """

    rows: Ints
    layer: npt.NDArray[np.int32]
    barrel: Bools
    places: Floats
    n_layers: int

    @classmethod
    def of(cls, detector: Detector, bend: float) -> DeadModules:
        """Those of a detector, for tracks of at most this curvature in 1/mm."""
        rows = np.asarray(detector.dead, dtype=np.int64)
        rows = rows[np.argsort(detector.layer_index[rows], kind="stable")]
        half = np.stack([detector.half_x[rows], detector.half_y[rows]], axis=1) + MARGIN
        axes = np.swapaxes(detector.axes[rows], 1, 2).reshape(-1, 9)
        places = np.concatenate([detector.center[rows], axes, half], axis=1)
        farthest = float(detector.layers.r_max.max())
        reach = np.array([_half_width(place)[1] + _turn(bend, farthest) for place in places]).reshape(-1)
        cosine = np.hypot(places[:, 0], places[:, 1]) * np.cos(np.minimum(reach, np.pi))
        return cls(
            rows, detector.layer_index[rows], detector.barrel[rows],
            np.column_stack([places, cosine]), len(detector.layers),
        )  # fmt: skip

    def crossed(
        self, point: Floats, curvature: npt.ArrayLike, cot_theta: npt.ArrayLike, wanted: Bools, kind: npt.NDArray[np.integer[Any]],
        low: Floats, high: Floats,
    ) -> Bools:  # fmt: skip
        """(N,) which helices through the beam line cross a dead module, within :data:`MARGIN` of its edges.

        The helix is followed to the radius of the module's centre (of a disk's module: to its z), and from
        there straight to its plane.

        Args:
            point: (N, 3) on each helix, mm; curvature: (N,) signed as that of edges, 1/mm; cot_theta: (N,).
            wanted: (K, L) choices of layers, of whose modules some must be crossed; kind: (N,) which choice.
            low, high: (N,) radii in mm between which the crossing must lie.
        """
        of_helix = (
            np.asarray(values, dtype=np.float64) for values in (point, curvature, cot_theta)
        )  # fmt: skip
        return np.asarray(
            cross_modules(*of_helix, self.places, self.barrel, self.layer, wanted, kind, low, high)
        )


@dataclass(frozen=True)
class Holes:
    """The searches over the dead modules of a detector.

    Attributes:
        pairs: inner and outer layers of the searches, each once; ``skipped`` is -2.
        gaps: rows of the other pairs of layers that are some of these pairs, through the gap of a disk.
        middle: (P, L) of each of these pairs, the layers between that have dead modules.
        near: (L, BINS) azimuths from -pi on at which a hit of a layer may have an edge over a dead module.
    """

    dead: DeadModules
    pairs: LayerPairs
    gaps: Ints
    middle: Bools
    near: Bools


def find_holes(detector: Detector, pairs: LayerPairs, field: float, min_pt: float) -> Holes | None:
    """The searches that the dead modules of a detector ask for beside those over the pairs of layers that
    there are; None where no module is dead.

    Args:
        pairs: from :func:`smartpix.layers.layer_pairs`.
        field: along z in T; min_pt: of the softest track that is looked for, GeV.
    """
    if not detector.dead:
        return None
    bend = max_curvature(field, min_pt)
    dead = DeadModules.of(detector, bend)
    searched = {
        (int(a), int(b)): int(between)
        for a, b, between in zip(pairs.inner, pairs.outer, pairs.skipped, strict=True)
    }
    direct = [(a, b) for (a, b), between in searched.items() if between == -1 and a != b]
    middle: dict[tuple[int, int], set[int]] = {}
    for a, b in direct:
        for c, d in direct:
            # Of a pair through a gap only the edges through it are there; of all others every edge.
            if b == c and b in dead.layer and searched.get((a, d), 0) >= 0:
                middle.setdefault((a, d), set()).add(b)
    rows = np.array(sorted(middle), dtype=np.int32).reshape(-1, 2)
    inner, outer = (np.ascontiguousarray(column) for column in rows.T)
    between = np.zeros((len(rows), len(detector.layers)), dtype=np.bool_)
    for p, pair in enumerate(sorted(middle)):
        between[p, sorted(middle[pair])] = True
    over = LayerPairs(inner, outer, np.full(len(rows), -2, dtype=np.int32))
    gaps = np.array([row for row, pair in enumerate(searched) if pair in middle], dtype=np.int64)
    return Holes(dead, over, gaps, between, _near(detector, dead, over, between, bend))


def _near(detector: Detector, dead: DeadModules, pairs: LayerPairs, middle: Bools, bend: float) -> Bools:
    """Azimuths of hits that tracks of at most this curvature may leave on their way over a dead module, see
    :class:`Holes`.
    """
    layers = detector.layers
    near = np.zeros((len(layers), BINS), dtype=np.bool_)
    width = 2 * np.pi / BINS
    for d, place in enumerate(dead.places):
        center, half, radius = _half_width(place)
        # A circle through the beam line turns up to the radius r by asin(k r / 2).
        own = _turn(bend, radius)
        of_module = np.flatnonzero(middle[:, dead.layer[d]])
        for k in {*pairs.inner[of_module].tolist(), *pairs.outer[of_module].tolist()}:
            other = _turn(bend, np.array([layers.r_min[k], layers.r_max[k]]))
            room = half + max(abs(other[1] - own[0]), abs(own[1] - other[0])) + width
            first, last = (int(np.floor((center + side * room + np.pi) / width)) for side in (-1, 1))
            near[k, np.arange(first, min(last, first + BINS - 1) + 1) % BINS] = True
    return near


def _half_width(place: Floats) -> tuple[float, float, Floats]:
    """Azimuth of a module's centre, the largest from it to a corner, and its smallest and largest radius."""
    signs = np.array([[sx, sy] for sx in (-1.0, 0.0, 1.0) for sy in (-1.0, 0.0, 1.0)])
    points = place[:3] + (signs * place[12:14]) @ place[3:9].reshape(2, 3)
    center = float(np.arctan2(place[1], place[0]))
    turns = np.arctan2(points[:, 1], points[:, 0]) - center
    radius = np.hypot(*points[:, :2].T)
    half = float(np.abs((turns + np.pi) % (2 * np.pi) - np.pi).max())
    return center, half, np.array([radius.min(), radius.max()])


def _turn(curvature: float, radius: npt.ArrayLike) -> Floats:
    return np.arcsin(np.minimum(0.5 * curvature * np.asarray(radius), 1.0))


def with_hole_edges(
    edges: Edges, hits: Hits, holes: Holes, n_pairs: int, search: Callable[[Hits, LayerPairs], Edges]
) -> Edges:
    """The edges of an event, and after them those over dead modules.

    Args:
        n_pairs: layer pairs of the search that made ``edges``; those of the holes are numbered after them.
        search: makes edges of hits over some pairs of layers.
    """
    azimuth = np.arctan2(hits.position[:, 1], hits.position[:, 0])
    cell = ((azimuth + np.pi) * (BINS / (2 * np.pi))).astype(np.int64) % BINS
    rows = np.flatnonzero(holes.near[hits.layer, cell])
    if len(rows) < 2:
        return edges
    found = search(hits.take(rows), holes.pairs)
    source, target = rows[found.source], rows[found.target]
    low, high = (np.hypot(*hits.position[end, :2].T) for end in (source, target))
    keep = holes.dead.crossed(
        hits.position[source], found.curvature, found.cot_theta, holes.middle, found.pair, low, high
    )
    chosen = np.flatnonzero(keep)
    # A disk's gap lets the same pair of hits be an edge without a hole.
    known = np.flatnonzero(np.isin(np.arange(n_pairs), holes.gaps)[edges.pair])
    known = edges.source[known].astype(np.int64) * len(hits) + edges.target[known]
    chosen = chosen[~np.isin(source[chosen] * len(hits) + target[chosen], known)]
    moved = replace(
        found.take(chosen), source=source[chosen].astype(np.int32), target=target[chosen].astype(np.int32),
        pair=(found.pair[chosen] + n_pairs).astype(np.int32), n_hits=len(hits),
    )  # fmt: skip
    return _joined(edges, moved)


def _joined(first: Edges, second: Edges) -> Edges:
    """Edges of one event, one after the other, with the counts of both."""
    columns: dict[str, Any] = {}
    for column in fields(Edges):
        a, b = getattr(first, column.name), getattr(second, column.name)
        columns[column.name] = np.concatenate([a, b]) if isinstance(a, np.ndarray) else a + b
    return Edges(**columns | {"n_hits": first.n_hits})
