"""Tracks that lack a cluster because a module on their way is dead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.holes import DeadModules
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks
from tracking.finders.tracks import Tracks

__all__ = ["with_short_tracks"]


def with_short_tracks(
    tracks: Tracks, hits: Hits, edges: Edges, scores: npt.NDArray[np.float32], ranks: npt.NDArray[np.int32],
    options: BuildOptions, dead: DeadModules,
) -> Tracks:  # fmt: skip
    """The tracks of an event, and after them shorter ones of the clusters that are left.

    A particle whose module is dead on one of its layers has a cluster fewer. A path of ``hole_hits`` clusters
    is a track if a dead module lies on its way: on a layer where it has no cluster, and before, between or
        right after
    its own. Chance makes short paths more often, but seldom where a module is dead.

    Args:
        tracks: of :func:`tracking.finders.paths.build_tracks`; ranks: of the layers.
    """
    if options.hole_hits >= options.min_hits:
        return tracks
    free = np.ones(len(hits), dtype=np.bool_)
    free[tracks.hits] = False
    left = np.flatnonzero(free[edges.source] & free[edges.target])
    few = edges.take(left)
    shorter = replace(options, min_hits=options.hole_hits, share_score=1.0)
    short = build_tracks(hits, few, scores[left], ranks, shorter)
    if not len(short):
        return tracks
    short = short.take(np.flatnonzero(_cross_dead(short, hits, few, ranks, dead)))
    return replace(
        tracks,
        hits=np.concatenate([tracks.hits, short.hits]),
        start=np.concatenate([tracks.start, tracks.start[-1] + short.start[1:]]),
        score=np.concatenate([tracks.score, short.score]),
    )


def _cross_dead(
    tracks: Tracks, hits: Hits, edges: Edges, ranks: npt.NDArray[np.int32], dead: DeadModules
) -> npt.NDArray[np.bool_]:
    """(T,) tracks on whose way a module is dead, on a layer without a cluster of theirs and at most one
    behind their last; their helix is that of their longest edge.
    """
    n = np.diff(tracks.start)
    owner = np.full(len(hits), -1)
    owner[tracks.hits] = np.repeat(np.arange(len(tracks)), n)
    on_track = np.flatnonzero((owner[edges.source] >= 0) & (owner[edges.source] == owner[edges.target]))
    source, target = edges.source[on_track], edges.target[on_track]
    by_length = np.argsort(
        np.linalg.norm(hits.position[target] - hits.position[source], axis=1), kind="stable"
    )
    helix = np.zeros(len(tracks), dtype=np.int64)
    helix[owner[source[by_length]]] = on_track[by_length]
    last = hits.layer[tracks.hits[tracks.start[1:] - 1]]
    wanted = ranks <= ranks[last][:, None] + 1
    wanted[np.repeat(np.arange(len(tracks)), n), hits.layer[tracks.hits]] = False
    anywhere = np.zeros(len(tracks)), np.full(len(tracks), np.inf)
    return dead.crossed(
        hits.position[edges.source[helix]], edges.curvature[helix], edges.cot_theta[helix], wanted,
        np.arange(len(tracks)), *anywhere,
    )  # fmt: skip
