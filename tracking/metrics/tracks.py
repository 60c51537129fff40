"""Tracks against truth: double majority, duplicates, fakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from smartpix.notebook import words_and_table
from smartpix.thumbnails import histogram
from tracking.metrics.truth import EventTruth, makers_of_hits

__all__ = ["RowsOfTracks", "TrackScore", "match_tracks", "score_tracks"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@words_and_table
@dataclass(frozen=True)
class TrackScore:
    """Matching of one event's tracks.

    Attributes:
        particle: (T,) row of the matched particle, -1 for fakes.
        hit_fraction: (T,) share of the track's clusters the best particle made.
        duplicate: (T,) matched, and not the first track of its particle.
        found: (P,) particles with a matched track.
    """

    particle: Ints
    hit_fraction: Floats
    duplicate: npt.NDArray[np.bool_]
    found: npt.NDArray[np.bool_]

    def in_words(self) -> dict[str, str]:
        """Tracks that match, and those that do not."""
        n_fakes = int(np.sum(self.particle < 0))
        return {
            "tracks": f"{len(self.particle):,} tracks, {n_fakes:,} fakes and {self.duplicate.sum():,} duplicates",
            "particles": f"{self.found.sum():,} of {len(self.found):,} have a track",
        }

    def thumbnails(self) -> str:
        """Histogram of the hit fractions."""
        return histogram(self.hit_fraction, "share of a track's clusters")


class RowsOfTracks(Protocol):
    """Tracks as rows of the hits, one array a track: :class:`tracking.finders.tracks.Tracks`, or a list."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[npt.NDArray[np.int64]]: ...


def match_tracks(truth: EventTruth, tracks: RowsOfTracks) -> tuple[Ints, Floats]:
    """Double-majority match of tracks given as rows of the hits: particle rows (-1: fake) and hit fractions.

    Clusters count. Which of a cluster's hits a track has is not asked, and several of them count once. Of
    particles that made equally many of a track's clusters, it is matched to one that no other track has.
    """
    particle, fraction = np.full(len(tracks), -1, dtype=np.int64), np.zeros(len(tracks))
    if len(tracks) == 0 or len(truth.hit) == 0:
        return particle, fraction
    clusters = [truth.clusters_of(t) for t in tracks]
    size, rows = np.array([len(t) for t in clusters]), np.concatenate(clusters)
    start, count = makers_of_hits(truth, int(max(truth.hit.max(), rows.max())) + 1)
    n = count[rows]
    maker = truth.particle[np.repeat(start[rows] - (np.cumsum(n) - n), n) + np.arange(n.sum())]
    # Of every track its makers, by the hits they share with it, then by row.
    key = np.repeat(np.repeat(np.arange(len(tracks)), size), n) * len(truth.n_hits) + maker
    unique, shared = np.unique(key, return_counts=True)
    order = np.argsort(-shared, kind="stable")
    order = order[np.argsort(unique[order] // len(truth.n_hits), kind="stable")]
    on_track, who = np.divmod(unique[order], len(truth.n_hits))
    shared = shared[order]
    track, best = np.unique(on_track, return_index=True)
    fraction[track] = shared[best] / size[track]
    good = np.flatnonzero((shared > 0.5 * size[on_track]) & (shared >= 0.5 * truth.n_hits[who]))
    track, best, of_track = np.unique(on_track[good], return_index=True, return_inverse=True)
    particle[track] = who[good][best]
    ties = good[shared[good] == shared[good][best][of_track]]
    _untie(particle, on_track[ties], who[ties])
    return particle, fraction


def _untie(particle: Ints, track: Ints, who: Ints) -> None:
    """Give each track of several equal makers one that no other track has, as far as there is one.

    Two particles whose clusters all merged make all clusters of either's track.

    Args:
        particle: (T,) of the tracks, changed in place; track, who: (K,) tracks, ascending, and their equal
            makers.
    """
    first, count = np.unique(track, return_index=True, return_counts=True)[1:]
    taken = set(particle[track[first[count == 1]]])
    for k, n in zip(first[count > 1], count[count > 1], strict=True):
        makers = who[k : k + n].tolist()
        chosen = next((maker for maker in makers if maker not in taken), makers[0])
        particle[track[k]] = chosen
        taken.add(chosen)


def score_tracks(truth: EventTruth, tracks: RowsOfTracks) -> TrackScore:
    """Match the tracks of one event and find fakes and duplicates."""
    particle, fraction = match_tracks(truth, tracks)
    duplicate = np.zeros(len(tracks), dtype=bool)
    found = np.zeros(len(truth.particle_id), dtype=bool)
    for t, who in enumerate(particle):
        if who >= 0:
            duplicate[t] = found[who]
            found[who] = True
    return TrackScore(particle, fraction, duplicate, found)
