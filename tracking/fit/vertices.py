"""Primary vertices along z from the fitted tracks: a check of the fit, and for the display.

DBSCAN in two rounds did best of scikit-learn's clusterings: one round alone finds fewer or splits more,
MeanShift is far slower, and HDBSCAN splits most vertices. Along one axis it is a sort and two searches, which
take a small part of scikit-learn's time. ``smartpix run`` prints the shares found, false and split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.notebook import span, words_and_table
from smartpix.rows import Rows
from smartpix.thumbnails import histogram
from tracking.finders.tracks import Parameters
from tracking.fit.options import VertexOptions
from tracking.metrics import EventTruth

__all__ = [
    "MIN_FINDABLE",
    "VertexOptions",
    "VertexScore",
    "Vertices",
    "find_vertices",
    "lesser_vertices",
    "score_vertices",
    "true_vertices",
    "vertices_along",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SEED_SIGMA, SEED_GAP = 0.15, 0.05
"""First round, mm: two tracks with z0 known better than this make a vertex if they are not further apart.

At pile-up 200 collisions lie 0.6 mm apart in the middle of the luminous region. A wider gap would join them.
"""
LATE_SIGMA, LATE_GAP = 0.5, 0.3
"""Second round, mm: of the tracks that are at no vertex yet, soft and forward ones for the most part."""
WORST_SIGMA = 1.0
"""Tracks with z0 (mm) known less well agree with every vertex, and say nothing about any."""
MIN_FINDABLE, MAX_RADIUS, MAX_DISTANCE = 3, 1.0, 0.5
"""Of a true vertex: findable particles, and mm from the z axis; of one found: mm along z from the true
one.
"""


@words_and_table
@dataclass(frozen=True)
class Vertices(Rows):
    """V vertices of an event in order of z.

    Attributes:
        z, sigma: (V,) mm.
        n_tracks: (V,)
        label: (T,) vertex of each track, -1 for none.
    """

    z: Floats
    sigma: Floats
    n_tracks: Ints
    label: Ints

    def __len__(self) -> int:
        return len(self.z)

    def take(self, rows: Ints) -> Vertices:
        """Some of the vertices; tracks of others are at none."""
        new = np.full(len(self) + 1, -1)
        new[rows] = np.arange(len(rows))
        values = {name: getattr(self, name)[rows] for name in ("z", "sigma", "n_tracks")}
        return replace(self, label=new[self.label], **values)

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """z and its standard deviation (mm), and tracks."""
        return {"z": self.z, "sigma": self.sigma, "n_tracks": self.n_tracks}

    def in_words(self) -> dict[str, str]:
        """How many, where they are, and their tracks."""
        return {
            "vertices": f"{len(self):,} vertices with {self.n_tracks.sum():,} of {len(self.label):,} tracks",
            "z": span(self.z, "mm"),
            "sigma": span(self.sigma, "mm"),
            "tracks": f"{span(self.n_tracks)} each",
        }

    def thumbnails(self) -> str:
        """Histogram of z."""
        return histogram(self.z, "z in mm")


def find_vertices(helices: Parameters, options: VertexOptions | None = None) -> Vertices:
    """Find the vertices of an event from its fitted tracks; see :func:`vertices_along`."""
    return vertices_along(helices.z0, helices.sigma()[:, 1], options)


def vertices_along(z0: Floats, sigma_z0: Floats, options: VertexOptions | None = None) -> Vertices:
    """Find vertices from places along the beam line.

    Clusters of well-known tracks (DBSCAN) give first vertices, at the mean of their tracks weighted with 1 /
    sigma^2. Then, twice, neighbours that agree are merged, and every track goes to the nearest vertex if it
    agrees with it. A second round does the same with clusters of the tracks that are left.

    Args:
        z0, sigma_z0: (T,) at the beam line, mm; tracks with numbers that are not finite are at no vertex.
    """
    options = options or VertexOptions()
    usable = np.isfinite(z0) & (sigma_z0 < WORST_SIGMA)
    z = np.where(usable, z0, 0.0)
    # Along z all searches are among neighbours, and NumPy is fast there.
    order = np.argsort(z, kind="stable")
    z, sigma = z[order], np.where(usable, np.hypot(sigma_z0, options.blur), np.inf)[order]
    weight = 1 / (sigma * sigma)
    label = np.full(len(z), -1, dtype=np.int64)
    total = moment = np.zeros(0)  # of each vertex the sums of the weights, and of the weights times z
    rounds = (
        (SEED_SIGMA, SEED_GAP, 2),
        (LATE_SIGMA, LATE_GAP, options.late_tracks),
    )
    for max_sigma, gap, n_near in rounds:
        rows = np.flatnonzero((sigma < max_sigma) & (label < 0))
        if len(rows) == 0:
            continue
        cluster = _clusters(z[rows], gap, n_near)
        rows, cluster = rows[cluster >= 0], cluster[cluster >= 0]
        total = np.append(total, _sums(cluster, weight[rows]))
        moment = np.append(moment, _sums(cluster, (weight * z)[rows]))
        # Tracks that are attached move their vertex; the second time they are attached to where it is then.
        for _ in range(2):
            total, moment = _merged(total, moment, options.merge)
            label = _attached(z, sigma, moment / total, options.attach)
            at = label >= 0
            keep = np.bincount(label[at], minlength=len(total)) >= options.min_tracks
            # The last number is that of no vertex.
            number = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)
            label = number[label]
            at = label >= 0
            total = _sums(label[at], weight[at])
            moment = _sums(label[at], (weight * z)[at])
    n_tracks = np.bincount(label[label >= 0], minlength=len(total))
    of_track = np.empty_like(label)
    of_track[order] = label
    return Vertices(moment / total, 1 / np.sqrt(total), n_tracks, of_track)


def _clusters(z: Floats, gap: float, n_near: int) -> Ints:
    """(T,) numbers of the clusters of DBSCAN (M. Ester et al., KDD 1996) of sorted places, -1 for none.

    A core has so many tracks within the gap, itself among them. Cores no further apart are in one cluster,
    and other tracks are in that of the nearest core within the gap.
    """
    core = z[np.searchsorted(z, z + gap, "right") - np.searchsorted(z, z - gap) >= n_near]
    if len(core) == 0:
        return np.full(len(z), -1, dtype=np.int64)
    number = np.concatenate([[0], np.cumsum(np.diff(core) > gap)])
    at = _nearest(core, z)
    return np.where(np.abs(z - core[at]) <= gap, number[at], -1)


def _nearest(places: Floats, z: Floats) -> Ints:
    """(T,) nearest of the sorted places: halfway between neighbours, without all distances."""
    return np.searchsorted((places[1:] + places[:-1]) / 2, z)


def _merged(total: Floats, moment: Floats, closer: float) -> tuple[Floats, Floats]:
    """Sums of vertices sorted by z, neighbours joined while any two are closer than that many standard
    deviations.
    """
    order = np.argsort(moment / total)
    total, moment = total[order], moment[order]
    while len(total) > 1:
        apart = np.diff(moment / total) / np.sqrt(1 / total[1:] + 1 / total[:-1])
        around = np.concatenate([[np.inf], apart, [np.inf]])
        # Pairs that are nearer to each other than to their neighbours: no vertex is in two of them.
        joined = (apart < closer) & (apart < around[:-2]) & (apart <= around[2:])
        if not np.any(joined):
            break
        group = np.concatenate([[0], np.cumsum(~joined)])
        total, moment = _sums(group, total), _sums(group, moment)
    return total, moment


def _sums(of: npt.NDArray[np.integer[Any]], values: Floats) -> Floats:
    """Sums of the values by number."""
    return np.bincount(of, values).astype(np.float64)


def _attached(z: Floats, sigma: Floats, vertex: Floats, within: float) -> Ints:
    """(T,) nearest of the sorted vertices, -1 if it is further than that many sigmas."""
    if len(vertex) == 0:
        return np.full(len(z), -1, dtype=np.int64)
    nearest = _nearest(vertex, z)
    return np.where(np.isfinite(sigma) & (np.abs(z - vertex[nearest]) < within * sigma), nearest, -1)


@dataclass(frozen=True)
class VertexScore:
    """The vertices of one event against truth.

    A true vertex is a production point within 1 mm of the z axis with at least 3 findable particles. A vertex
    belongs to the production point that most of its tracks are from. It is false if fewer than two tracks are
    from there, and split if another vertex has more tracks from that point. A true vertex is found if a
    vertex within 0.5 mm belongs to it that is neither false nor split.

    Attributes:
        n_findable: (W,) findable particles of the true vertices; found: (W,) bool.
        residual, sigma: (F,) z less true z of the found, and its standard deviation, mm.
        n_false, n_split: counts.
    """

    n_findable: Ints
    found: npt.NDArray[np.bool_]
    residual: Floats
    sigma: Floats
    n_false: int
    n_split: int


def true_vertices(truth: EventTruth) -> Floats:
    """(W, 3) true vertices in mm, as :class:`VertexScore` has them."""
    points, _, _, true = _production(truth)
    return points[true]


def lesser_vertices(truth: EventTruth) -> Floats:
    """(V, 3) production points at the beam, in mm, of two particles or more, with too few findable ones for a
    true vertex.
    """
    points, point, n_findable, _ = _production(truth)
    some = (np.bincount(point, minlength=len(points)) >= 2) & (n_findable < MIN_FINDABLE)
    return points[some & (np.hypot(points[:, 0], points[:, 1]) < MAX_RADIUS)]


def _production(truth: EventTruth) -> tuple[Floats, Ints, Ints, npt.NDArray[np.bool_]]:
    """Production points (Q, 3), that of each particle (P,), their findable particles (Q,), and which are true
    vertices (Q,).
    """
    points, point = np.unique(truth.vertex, axis=0, return_inverse=True)
    point = point.reshape(-1)
    n_findable = np.bincount(point[truth.findable], minlength=len(points))
    return (
        points,
        point,
        n_findable,
        (n_findable >= MIN_FINDABLE) & (np.hypot(points[:, 0], points[:, 1]) < MAX_RADIUS),
    )


def score_vertices(vertices: Vertices, particle: Ints, truth: EventTruth) -> VertexScore:
    """Compare the vertices of one event with truth.

    Args:
        particle: (T,) rows of the particles the tracks are matched to, -1 for fakes.
    """
    points, point, n_findable, true = _production(truth)
    at = (vertices.label >= 0) & (particle >= 0)
    pairs, shared = np.unique(np.stack([vertices.label[at], point[particle[at]]]), axis=1, return_counts=True)
    # Of each vertex the point with the most tracks: the last one written.
    most = np.argsort(shared, kind="stable")
    leading, n_leading = np.full(len(vertices), -1, dtype=np.int64), np.zeros(len(vertices), dtype=np.int64)
    leading[pairs[0, most]], n_leading[pairs[0, most]] = pairs[1, most], shared[most]
    good = np.flatnonzero(n_leading >= 2)
    good = good[np.argsort(-n_leading[good], kind="stable")]
    origin, first = np.unique(leading[good], return_index=True)
    best = good[first]
    residual = vertices.z[best] - points[origin, 2]
    near = true[origin] & (np.abs(residual) < MAX_DISTANCE)
    found = np.zeros(len(points), dtype=bool)
    found[origin[near]] = True
    return VertexScore(
        n_findable=n_findable[true], found=found[true], residual=residual[near],
        sigma=vertices.sigma[best][near],
        n_false=len(vertices) - len(good), n_split=len(good) - len(best),
    )  # fmt: skip
