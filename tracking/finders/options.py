"""Options of the track building. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_types

__all__ = ["BuildOptions"]


@dataclass(frozen=True)
class BuildOptions:
    """Track building.

    Attributes:
        min_score: edges below are dropped.
        min_hits: shortest track, in clusters on distinct layers.
        share_score: where two particles made one cluster: a path that lacks one to ``min_hits`` takes another
            track's, if an edge above this ties it to one of its ends; 1: never.
        overlap_distance: where modules of a layer overlap, a second cluster is taken along if it lies this
            near (mm) to the track's and an edge above ``overlap_score`` ties it to another of the track's.
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
