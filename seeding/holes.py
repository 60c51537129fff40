"""Edges over dead modules: pairs of hits on layers with one between them, where the track crossed a module that
gives no clusters.

All pairs of layers with one between them would double the search. A module that is known to be dead is a small
part of its layer: only hits within its reach are searched, and of their edges those are kept whose helix goes
through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.table import max_curvature
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs

__all__ = ["Holes", "crosses_dead", "find_holes", "with_hole_edges"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MARGIN = 1.0
"""mm: a helix that misses a dead module by less may have crossed it. The helix is through the beam line, which a
track misses by the width of the luminous region."""
REACH = 1e-3
"""rad: added to the azimuth within which hits are looked at, for rounding."""


@dataclass(frozen=True)
class Holes:
    """Dead modules of a detector, and the searches over them.

    Attributes:
        modules: (D,) their rows; layer: (D,) of these.
        pairs: inner and outer layers of the searches, each once; ``skipped`` is -2.
        middle: of each of these pairs, the layers between that have dead modules.
    """

    modules: Ints
    layer: npt.NDArray[np.int32]
    pairs: LayerPairs
    middle: tuple[tuple[int, ...], ...]


def find_holes(detector: Detector, pairs: LayerPairs) -> Holes | None:
    """The searches that the dead modules of a detector ask for beside those over the pairs of layers that there are;
    None where no module is dead.

    Args:
        pairs: from :func:`smartpix.layers.layer_pairs`.
    """
    modules = np.asarray(detector.dead, dtype=np.int64)
    if not len(modules):
        return None
    layer = detector.layer_index[modules]
    searched = {
        (int(a), int(b)): int(between)
        for a, b, between in zip(pairs.inner, pairs.outer, pairs.skipped, strict=True)
    }
    direct = [(a, b) for (a, b), between in searched.items() if between == -1 and a != b]
    middle: dict[tuple[int, int], set[int]] = {}
    for a, b in direct:
        for c, d in direct:
            # Of a pair through a gap only the edges through it are there; of all others every edge.
            if b == c and b in layer and searched.get((a, d), 0) >= 0:
                middle.setdefault((a, d), set()).add(b)
    rows = np.array(sorted(middle), dtype=np.int32).reshape(-1, 2)
    inner, outer = (np.ascontiguousarray(column) for column in rows.T)
    over = LayerPairs(inner, outer, np.full(len(rows), -2, dtype=np.int32))
    return Holes(modules, layer, over, tuple(tuple(sorted(middle[a, b])) for a, b in rows.tolist()))


def with_hole_edges(
    edges: Edges, hits: Hits, detector: Detector, field: float, min_pt: float, holes: Holes, n_pairs: int,
    search: Callable[[Hits, LayerPairs], Edges],
) -> Edges:  # fmt: skip
    """The edges of an event, and after them those over dead modules.

    Args:
        field: along z in T; min_pt: of the softest track, GeV.
        n_pairs: layer pairs of the search that made ``edges``; those of the holes are numbered after them.
        search: makes edges of hits over some pairs of layers.
    """
    if not len(holes.pairs):
        return edges
    rows = _near(hits, detector, max_curvature(field, min_pt), holes)
    if len(rows) < 2:
        return edges
    found = search(hits.take(rows), holes.pairs)
    keep = np.zeros(len(found), dtype=bool)
    source, target = rows[found.source], rows[found.target]
    outer_radius = np.hypot(*hits.position[target, :2].T)
    for p, layers in enumerate(holes.middle):
        of_pair = np.flatnonzero(found.pair == p)
        between = holes.modules[np.isin(holes.layer, layers)]
        keep[of_pair] = crosses_dead(
            hits.position[source[of_pair]], found.curvature[of_pair], found.cot_theta[of_pair], detector, between,
            np.hypot(*hits.position[source[of_pair], :2].T), outer_radius[of_pair],
        )  # fmt: skip
    # A disk's gap lets the same pair of hits be an edge without a hole.
    known = edges.source.astype(np.int64) * len(hits) + edges.target
    keep &= ~np.isin(source * len(hits) + target, known)
    chosen = found.take(np.flatnonzero(keep))
    moved = replace(
        chosen, source=source[keep].astype(np.int32), target=target[keep].astype(np.int32),
        pair=(chosen.pair + n_pairs).astype(np.int32), n_hits=len(hits),
    )  # fmt: skip
    return _joined(edges, moved)


def _joined(first: Edges, second: Edges) -> Edges:
    """Edges of one event, one after the other, with the counts of both."""
    columns = {}
    for column in fields(Edges):
        a, b = getattr(first, column.name), getattr(second, column.name)
        columns[column.name] = np.concatenate([a, b]) if isinstance(a, np.ndarray) else a + b
    return Edges(**columns | {"n_hits": first.n_hits})


def _near(hits: Hits, detector: Detector, bend: float, holes: Holes) -> Ints:
    """Rows of hits of the searches' layers that tracks of at most this curvature may have left on their way over a
    dead module, by azimuth alone.
    """
    radius = np.hypot(*hits.position[:, :2].T)
    phi = np.arctan2(hits.position[:, 1], hits.position[:, 0])
    # Of a circle through the beam line: its azimuth at the radius r is that at 0 plus asin(k r / 2).
    turn = np.arcsin(np.minimum(0.5 * bend * radius, 1.0))
    chosen = np.zeros(len(hits), dtype=bool)
    searched = [
        (layer, middle)
        for p, middle in enumerate(holes.middle)
        for layer in (holes.pairs.inner[p], holes.pairs.outer[p])
    ]
    for layer, middle in set(searched):
        rows = np.flatnonzero(hits.layer == layer)
        for module in holes.modules[np.isin(holes.layer, middle)]:
            corners = _corners(detector, int(module))
            center = np.arctan2(detector.center[module, 1], detector.center[module, 0])
            at = np.arctan2(corners[:, 1], corners[:, 0])
            half = np.abs(_wrapped(at - center)).max()
            far = np.arcsin(min(0.5 * bend * float(np.hypot(*corners[:, :2].T).max()), 1.0))
            near = np.arcsin(min(0.5 * bend * float(np.hypot(*corners[:, :2].T).min()), 1.0))
            room = half + np.maximum(np.abs(turn[rows] - near), np.abs(turn[rows] - far)) + REACH
            chosen[rows[np.abs(_wrapped(phi[rows] - center)) < room]] = True
    return np.flatnonzero(chosen)


def _corners(detector: Detector, module: int) -> Floats:
    """(4, 3) corners of a module, widened by the margin."""
    local = np.array([[sx, sy] for sx in (-1.0, 1.0) for sy in (-1.0, 1.0)])
    half = np.array([detector.half_x[module], detector.half_y[module]]) + MARGIN
    return detector.to_global(np.full(4, module), local * half)


def _wrapped(angle: Floats) -> Floats:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def crosses_dead(
    point: Floats, curvature: npt.ArrayLike, cot_theta: npt.ArrayLike, detector: Detector, modules: Ints,
    beyond: Floats, before: Floats,
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """(N,) which helices through the beam line cross one of some modules, within :data:`MARGIN` of its edges.

    The helix is followed to the radius of the module's centre (of a disk's module: to its z), and from there
    straight to its plane.

    Args:
        point: (N, 3) on each helix, mm; curvature: (N,) signed as that of edges, 1/mm; cot_theta: (N,).
        modules: (D,) rows of the detector.
        beyond, before: (N,) radii in mm between which the crossing must lie.
    """
    hit = np.zeros(len(point), dtype=bool)
    k = np.asarray(curvature, dtype=np.float64)
    k = np.where(np.abs(k) < 1e-12, 1e-12, k)
    cot = np.asarray(cot_theta, dtype=np.float64)
    radius, phi = np.hypot(point[:, 0], point[:, 1]), np.arctan2(point[:, 1], point[:, 0])
    at = _half_turn(k, radius)
    for module in modules.tolist():
        center, axes = detector.center[module], detector.axes[module]
        if detector.barrel[module]:
            r = np.full(len(point), float(np.hypot(center[0], center[1])))
            half = _half_turn(k, r)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                path = 2 * at / k + (center[2] - point[:, 2]) / cot
            half = 0.5 * k * path
            r = 2 / k * np.sin(half)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            azimuth = phi + half - at
            z = point[:, 2] + cot * 2 * (half - at) / k
            place = np.stack([r * np.cos(azimuth), r * np.sin(azimuth), z], axis=1)
            # The direction turns by twice the angle of the chord.
            ahead = azimuth + half
            direction = np.stack([np.cos(ahead), np.sin(ahead), cot], axis=1)
            step = (center - place) @ axes[:, 2] / (direction @ axes[:, 2])
            local = (place + step[:, None] * direction - center) @ axes
            inside = (np.abs(local[:, 0]) < detector.half_x[module] + MARGIN) & (
                np.abs(local[:, 1]) < detector.half_y[module] + MARGIN
            )
            hit |= inside & (r > beyond) & (r < before) & np.isfinite(half)
    return hit


def _half_turn(curvature: Floats, radius: Floats) -> Floats:
    """Half the angle that a circle through the axis turns up to a radius; NaN where it does not get there."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.arcsin(0.5 * curvature * radius))
