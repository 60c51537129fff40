"""Scored edges to tracks: best paths, and a hit on two tracks only where one of them would end without it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges, check_same_event
from seeding.hits import Hits
from smartpix.layers import LayerPairs
from smartpix.schema import InputError
from tracking.finders.options import BuildOptions
from tracking.finders.path_kernels import extract_paths
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
    keep = np.flatnonzero(scores > options.min_score)
    rank = ranks[hits.layer]
    # Hits in the order of their layers' ranks: every edge then goes forward.
    order = np.argsort(rank, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    source, target = place[edges.source[keep]], place[edges.target[keep]]
    by_target = np.lexsort((source, target))
    kept = scores[keep][by_target].astype(np.float64)
    # A score that single precision rounds to 1 has no finite log-odds.
    clipped = np.clip(kept, 1e-6, 1 - 1e-6)
    # Counted from the odds of min_score, every edge above it adds to a path, so that a weak true edge does
    # not cut it.
    weight = (
        np.log(clipped / (1 - clipped)) - np.log(options.min_score / (1 - options.min_score)) + LENGTH_BONUS
    )
    owner_in_order, score, shared = extract_paths(
        len(hits), source[by_target], target[by_target], weight, kept, hits.layer[order], hits.module[order],
        hits.position[order], options.min_hits, options.overlap_score, options.overlap_distance,
        options.share_score,
    )  # fmt: skip
    owner = owner_in_order[place]
    rows = np.flatnonzero(owner >= 0)
    track, rows = np.concatenate([owner[rows], shared[:, 0]]), np.concatenate([rows, order[shared[:, 1]]])
    distance = np.linalg.norm(hits.position[rows], axis=1)
    rows = rows[np.lexsort((distance, rank[rows], track))]
    sizes, good = np.bincount(track, minlength=len(score)), score >= options.min_track_score
    rows, sizes = rows[np.repeat(good, sizes)], sizes[good]
    return Tracks(
        hits=rows, start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), score=score[good]
    )
