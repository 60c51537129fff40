"""Tracks that lack a cluster because a module on their way is dead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.holes import crosses_dead
from smartpix.geometry import Detector
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks
from tracking.finders.tracks import Tracks

__all__ = ["with_short_tracks"]


def with_short_tracks(
    tracks: Tracks, hits: Hits, edges: Edges, scores: npt.NDArray[np.float32], ranks: npt.NDArray[np.int32],
    options: BuildOptions, detector: Detector,
) -> Tracks:  # fmt: skip
    """The tracks of an event, and after them shorter ones of the clusters that are left.

    A particle whose module is dead on one of its layers has a cluster fewer. A path of ``hole_hits`` clusters is a
    track if a dead module lies on its way, on a layer where it has no cluster and before, between or right after
    its own, and if its edges are sure: chance makes short paths more often.

    Args:
        tracks: of :func:`tracking.finders.paths.build_tracks`; ranks: of the layers.
        detector: with its dead modules.
    """
    if options.hole_hits >= options.min_hits:
        return tracks
    free = np.ones(len(hits), dtype=bool)
    free[tracks.hits] = False
    left = np.flatnonzero(free[edges.source] & free[edges.target])
    shorter = replace(
        options, min_hits=options.hole_hits, share_score=1.0,
        min_track_score=max(options.hole_score, options.min_track_score),
    )  # fmt: skip
    short = build_tracks(hits, edges.take(left), scores[left], ranks, shorter)
    short = short.take(np.flatnonzero(_lack_dead(short, hits, edges.take(left), ranks, detector)))
    return replace(
        tracks,
        hits=np.concatenate([tracks.hits, short.hits]),
        start=np.concatenate([tracks.start, tracks.start[-1] + short.start[1:]]),
        score=np.concatenate([tracks.score, short.score]),
    )


def _lack_dead(
    tracks: Tracks, hits: Hits, edges: Edges, ranks: npt.NDArray[np.int32], detector: Detector
) -> npt.NDArray[np.bool_]:
    """(T,) tracks on whose way is a dead module, on a layer without a cluster of theirs, at most one layer beyond
    their last.
    """
    lacks = np.zeros(len(tracks), dtype=bool)
    if len(tracks) == 0:
        return lacks
    first, last = tracks.hits[tracks.start[:-1]], tracks.hits[tracks.start[1:] - 1]
    # The edge from the first cluster is the helix: any with that source on the track.
    owner = np.full(len(hits), -1)
    owner[tracks.hits] = np.repeat(np.arange(len(tracks)), np.diff(tracks.start))
    of_track = np.flatnonzero((owner[edges.source] >= 0) & (owner[edges.source] == owner[edges.target]))
    longest = np.full(len(tracks), -1)
    span = ranks[hits.layer[edges.target[of_track]]] - ranks[hits.layer[edges.source[of_track]]]
    longest[owner[edges.source[of_track]][np.argsort(span, kind="stable")]] = of_track[
        np.argsort(span, kind="stable")
    ]
    point = hits.position[edges.source[longest]]
    curvature, cot = edges.curvature[longest], edges.cot_theta[longest]
    on = np.zeros((len(tracks), len(ranks)), dtype=bool)
    on[np.repeat(np.arange(len(tracks)), np.diff(tracks.start)), hits.layer[tracks.hits]] = True
    dead = np.asarray(detector.dead, dtype=np.int64)
    nowhere, anywhere = np.zeros(len(tracks)), np.full(len(tracks), np.inf)
    for layer in np.unique(detector.layer_index[dead]):
        near = ~on[:, layer] & (ranks[layer] <= ranks[hits.layer[last]] + 1)
        rows = np.flatnonzero(near & ~lacks)
        modules = dead[detector.layer_index[dead] == layer]
        lacks[rows] |= crosses_dead(
            point[rows], curvature[rows], cot[rows], detector, modules, nowhere[rows], anywhere[rows]
        )
    return lacks & (np.hypot(*hits.position[first, :2].T) > 0)
