"""Scored edges to tracks: best paths, and a hit on two tracks only where one of them would end without it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges, check_same_event
from seeding.hits import Hits
from smartpix.layers import LayerPairs
from smartpix.schema import InputError
from tracking.finders.components import scored_components
from tracking.finders.logarithms import log_odds
from tracking.finders.options import BuildOptions
from tracking.finders.path_kernels import extract_paths, track_rows
from tracking.finders.tracks import Tracks

__all__ = ["build_tracks", "layer_ranks"]

LENGTH_BONUS = 0.1
"""Log-odds that every edge of a path is worth besides its score's: of two paths whose sums differ by less
than that, the one with more clusters is taken, since a particle leaves no layer out for so small a gain."""


def layer_ranks(n_layers: int, pairs: LayerPairs) -> npt.NDArray[np.int32]:
    """(L,) rank of each layer such that every pair of two layers goes to a higher rank (longest path from the
    inside).
    """
    rank = np.zeros(n_layers, dtype=np.int32)
    for _ in range(n_layers):
        for inner, outer in zip(pairs.inner, pairs.outer, strict=True):
            # A layer that overlaps with itself does not come after itself.
            if inner != outer:
                rank[outer] = max(rank[outer], rank[inner] + 1)
    return rank


def build_tracks(
    hits: Hits,
    edges: Edges,
    scores: npt.NDArray[np.float32],
    ranks: npt.NDArray[np.int32],
    options: BuildOptions,
) -> Tracks:
    """Tracks of one event.

    In every connected component of the edges above ``min_score`` the path with the largest sum of weights is
    taken, with the second clusters where modules overlap; its hits are removed, and so on until no path has
    ``min_hits``. Paths that lack one may then share one with those. The result depends on the scores alone,
    not on the order of the edges. Tracks whose mean score is below ``min_track_score`` are left out in the
    end. The weight of an edge is the log-odds of its score less those of
    ``min_score``, plus :data:`LENGTH_BONUS`.

    Args:
        scores: (E,) between 0 and 1; ranks: of :func:`layer_ranks`.

    Raises:
        InputError: the edges are not of these hits, or the scores not of these edges.
    """
    check_same_event(hits, edges, "tracks")
    if len(scores) != len(edges):
        raise InputError(
            f"tracks: there are {len(edges)} edges and {len(scores)} scores; give one for each edge"
        )
    rank = ranks[hits.layer]
    # In double precision, as the option is.
    first, hit, begin, source, score = scored_components(
        rank, edges.source, edges.target, scores, options.min_score, options.min_hits
    )
    weight = np.empty_like(score)
    # A score that single precision rounds to 1 has no finite log-odds.
    log_odds(np.clip(score, np.float32(1e-6), np.float32(1 - 1e-6)), weight)
    # Counted from the odds of min_score, every edge above it adds to a path, so that a weak true edge does
    # not cut it.
    weight += np.float32(LENGTH_BONUS - np.log(options.min_score / (1 - options.min_score)))
    position, rank = hits.position[hit], rank[hit]
    owner, track_score, shared = extract_paths(
        first, begin, source, weight, score, hits.layer[hit], hits.module[hit], position, options.min_hits,
        options.overlap_score, options.overlap_distance, options.share_score,
    )  # fmt: skip
    good = track_score >= options.min_track_score
    rows, start = track_rows(owner, shared, rank, position, good)
    return _without_repeats(hits, Tracks(hits=hit[rows], start=start, score=track_score[good]))


def _without_repeats(hits: Hits, tracks: Tracks) -> Tracks:
    """Tracks without those whose clusters are all another track's too: the two have gone through different
    copies of hits that share an estimate.
    """
    of_shared = np.flatnonzero(hits.shared[tracks.hits])
    if len(of_shared) == 0:
        return tracks
    asked = np.unique(np.searchsorted(tracks.start, of_shared, side="right") - 1)
    sets = {}
    for t in asked.tolist():
        rows = tracks.hits[tracks.start[t] : tracks.start[t + 1]]
        # Hits that share an estimate have their cluster's number, others one that nobody else has.
        sets[t] = frozenset(np.where(hits.shared[rows], hits.cluster[rows], -1 - rows).tolist())
    # Of two that are the same the weaker one goes, which was built later.
    for track in sorted(sets, reverse=True):
        if any(sets[track] <= other for t, other in sets.items() if t != track):
            del sets[track]
    if len(sets) == len(asked):
        return tracks
    return tracks.take(np.setdiff1d(np.arange(len(tracks)), np.setdiff1d(asked, list(sets))))
