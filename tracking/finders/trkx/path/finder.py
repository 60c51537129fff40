"""A finder that follows seeds with the learned cone, and shares the hits out among the paths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.edges import find_edges
from seeding.hits import Hits
from seeding.seeds import find_seeds
from smartpix.compiled import njit
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs, layer_pairs
from tracking.finders.clock import StageClock
from tracking.finders.finder import FinderInput
from tracking.finders.paths import layer_ranks
from tracking.finders.tracks import Tracks
from tracking.finders.trkx.path.filter import PathFilter
from tracking.finders.trkx.path.follow import Follower, first_seeds
from tracking.finders.trkx.path.network import PathNetwork, load_network, trained_with
from tracking.finders.trkx.path.options import PathOptions

__all__ = ["PathFinder", "shared_out"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FULL = 8.0
"""Mean log-likelihood ratio of a hit on the best tracks, whose score is 1."""


@dataclass(frozen=True)
class PathFinder:
    """A finder: edges and seeds of the cones, paths of the learned cone, and of these the best.

    Attributes:
        detector: of the hits; pairs: layers that follow each other; ranks: (L,) of the layers, from the
            inside.
    """

    detector: Detector
    filter: PathFilter
    network: PathNetwork
    pairs: LayerPairs
    ranks: npt.NDArray[np.int32]
    options: PathOptions = dataclass_field(default_factory=PathOptions)

    @classmethod
    def for_detector(cls, detector: Detector, field: float, options: PathOptions | None = None) -> PathFinder:
        """The finder that options ask for, about the beam of the detector's frame.

        Raises:
            InputError: weights that cannot be used.
        """
        options = options or PathOptions()
        network, filter = load_network(options.weights)
        pairs = layer_pairs(detector, skips=options.cone.skips)
        options = replace(options, cone=options.cone.at_beam(detector.frame))
        follower = PathFilter(field, filter, detector.frame)
        return cls(detector, follower, network, pairs, layer_ranks(len(detector.layers), pairs), options)

    @property
    def training_seeds(self) -> frozenset[int]:
        """Of the simulated events that the network was trained and its gates were measured on.

        Raises:
            InputError: the weights' files are missing or damaged.
        """
        return trained_with(self.options.weights)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event, with the wall time of the stages ``cone``, ``seed``, ``follow`` and
        ``build``.
        """
        return self.find(event.hits)

    def find(self, hits: Hits) -> Tracks:
        """Tracks of one event's hits."""
        clock, options, field = StageClock(), self.options, self.filter.field
        edges = find_edges(hits, self.detector, self.pairs, field, options.cone)
        clock.lap("cone")
        seeds = find_seeds(hits, edges, field, options.cone, options.seed).hits
        clock.lap("seed")
        follower = Follower.of(hits, edges, self.filter, self.network, options)
        first = first_seeds(seeds)
        paths = follower.follow(seeds[first])
        rows, score = [paths.rows[k, : paths.count[k]] for k in range(len(paths))], paths.score
        # Seeds inside of a path are followed already; where a path went elsewhere, they are not.
        later = seeds[~first]
        later = later[~_inside(later, paths.rows, len(hits))]
        if len(later):
            paths = follower.follow(later)
            rows += [paths.rows[k, : paths.count[k]] for k in range(len(paths))]
            score = np.concatenate([score, paths.score])
        clock.lap("follow")
        tracks = self._built(hits, rows, score)
        clock.lap("build")
        return replace(tracks, ms=clock.ms)

    def _built(self, hits: Hits, rows: list[Ints], score: Floats) -> Tracks:
        """The best paths, each hit on few of them, inner hits first."""
        options = self.options
        size = np.array([len(r) for r in rows], dtype=np.int64)
        start = np.concatenate([[0], np.cumsum(size)])
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        mean = score / np.maximum(size, 1)
        good = mean >= options.min_score
        order = np.argsort(-score, kind="stable")
        order = order[good[order]]
        taken = shared_out(order, start, flat, hits.layer, len(hits), options.max_shared, options.min_layers)
        chosen = []
        for k in taken:
            far = np.linalg.norm(hits.position[rows[k]], axis=1)
            chosen.append(rows[k][np.lexsort((far, self.ranks[hits.layer[rows[k]]]))])
        return Tracks.from_rows(chosen, np.clip(mean[taken] / FULL, 0.0, 1.0))


def _inside(seeds: npt.NDArray[np.int32], rows: Ints, n_hits: int) -> npt.NDArray[np.bool_]:
    """(S,) seeds whose hits follow one another on paths (N, M), with overlaps between them or without."""
    pairs = []
    for lag in (1, 2, 3):
        a, b = rows[:, :-lag], rows[:, lag:]
        pairs.append(a[b >= 0] * n_hits + b[b >= 0])
    known = np.unique(np.concatenate(pairs))
    inner, outer = (seeds[:, k].astype(np.int64) * n_hits + seeds[:, k + 1] for k in range(2))
    return np.isin(inner, known) & np.isin(outer, known)


@njit(cache=True, nogil=True)
def shared_out(
    order: Any, start: Any, flat: Any, layer: Any, n_hits: int, max_shared: int, min_layers: int
) -> Any:
    """Numbers of the paths that are kept, best first.

    A path is kept if no more than ``max_shared`` of its hits are on those kept before, and the others lie on
    more layers than one less than ``min_layers``.

    Args:
        order: numbers of the paths, best first; start, flat: rows of their hits, path after path; layer: (N,)
            of the hits.
    """
    owned = np.zeros(n_hits, dtype=np.bool_)
    seen = np.full(layer.max() + 1 if n_hits else 1, -1, dtype=np.int64)
    kept = []
    for k in order:
        n_shared, n_layers, n_free = 0, 0, 0
        for i in range(start[k], start[k + 1]):
            n_shared += owned[flat[i]]
            if seen[layer[flat[i]]] != k:
                seen[layer[flat[i]]] = k
                n_layers += 1
                n_free += not owned[flat[i]]
        if n_shared <= max_shared and n_layers >= min_layers and n_free >= min_layers - 1:
            kept.append(k)
            for i in range(start[k], start[k + 1]):
                owned[flat[i]] = True
    return np.array(kept, dtype=np.int64)
