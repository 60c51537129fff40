"""Options of the track building. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_types

__all__ = ["BuildOptions"]


@dataclass(frozen=True)
class BuildOptions:
    """Track building.

    Attributes:
        min_score: score below which an edge is dropped, between 0 and 1.
        min_hits: fewest clusters of a track, on distinct layers.
        share_score: score above which an edge lets a path that is one cluster short of ``min_hits`` take
            another track's cluster at one of its ends. Two particles may have made it. 1 never shares.
        overlap_distance: largest distance in mm between two clusters of a track on one layer, where
            modules overlap.
        overlap_score: score above which an edge ties such a second cluster to another cluster of the
            track.
    """

    min_score: float = 0.03
    min_hits: int = 4
    share_score: float = 0.2
    overlap_distance: float = 10.0
    overlap_score: float = 0.5

    def __post_init__(self) -> None:
        check_types("build", self)
        check("build", "min_score", self.min_score, 0 < self.min_score < 1, "between 0 and 1")
        check("build", "min_hits", self.min_hits, 2 <= self.min_hits <= 100, "at least 2 and at most 100")
        check("build", "share_score", self.share_score, 0 <= self.share_score <= 1, "between 0 and 1")
        check(
            "build",
            "overlap_distance",
            self.overlap_distance,
            0 <= self.overlap_distance <= 1000,
            "from 0 to 1000 mm",
        )
        check("build", "overlap_score", self.overlap_score, 0 <= self.overlap_score <= 1, "between 0 and 1")
