"""Options of the track building. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_ranges, check_types, one_of, ranged

__all__ = ["BuildOptions", "DeadOptions"]


@dataclass(frozen=True)
class BuildOptions:
    """Track building.

    Attributes:
        min_score: score below which an edge is dropped, between 0 and 1.
        min_track_score: mean score of its edges below which a track is dropped. Chance strings weak edges
            together; a particle's are strong.
        min_hits: fewest clusters of a track, on distinct layers; three points make a helix.
        share_score: score above which an edge lets a path that is one cluster short of ``min_hits`` take
            another track's cluster at one of its ends. Two particles may have made it. 1 never shares.
        hole_hits: fewest clusters, on distinct layers, of a track that would have another one, were a module
            not known to be dead.
        radiated_pt: transverse momentum in GeV down to which the path of a particle that radiated is followed
            beyond three clusters (:mod:`tracking.finders.radiation`); 0: none is followed.
        radiated_quantile: share of true clusters behind the loss that the test of place and slopes keeps.
        overlap_distance: largest distance in mm between two clusters of a track on one layer, where
            modules overlap.
        overlap_score: score above which an edge ties such a second cluster to another cluster of the
            track.
    """

    # Far below one half: a true edge with a weak score is needed to join two strong parts of a track, and
    # alone it makes none.
    min_score: float = 0.03
    min_track_score: float = ranged(0.5, 0.0, 1.0)
    min_hits: int = ranged(4, 3, 100)
    share_score: float = ranged(0.2, 0.0, 1.0)
    hole_hits: int = ranged(3, 3, 100)
    radiated_pt: float = ranged(0.0, 0.0, 1e3, "GeV")
    radiated_quantile: float = 0.999
    overlap_distance: float = ranged(10.0, 0.0, 1000.0, "mm")
    overlap_score: float = ranged(0.5, 0.0, 1.0)

    def __post_init__(self) -> None:
        check_types("build", self)
        for name in ("min_score", "radiated_quantile"):
            value = getattr(self, name)
            check("build", name, value, 0 < value < 1, "between 0 and 1")
        check_ranges("build", self)


@dataclass(frozen=True)
class DeadOptions:
    """Modules that are known to be dead, over which edges are looked for and tracks may lack a cluster.

    Attributes:
        source: where they are known from: the ``header`` of the file; or the ``data`` besides, where a module
            has no cluster in its first events and its ring has many; ``none``: they are not known.
        events: largest number of events that they are found from.
        chance: largest probability that any live module is called dead by chance.
        modules: rows of the detector's modules that are dead besides, numbered from 0.
    """

    source: str = one_of("header", ("header", "data", "none"))
    events: int = ranged(10, 1, 10_000)
    chance: float = ranged(0.1, 0.0, 1.0)
    modules: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_types("dead", self)
        check_ranges("dead", self)
        good = self.source != "none" or not self.modules
        check("dead", "source", self.source, good, "header or data where modules are given")
