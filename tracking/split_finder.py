"""A finder behind the door for finders, with clusters of several particles split first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seeding.hits import make_hits
from smartpix.estimate.base import copied
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import Header
from smartpix.merged.options import SplitOptions
from smartpix.merged.split import Splitter
from smartpix.merged.splitter import choose_splitter
from tracking.finders.clock import StageClock
from tracking.finders.finder import Finder, FinderInput, training_seeds
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import fit_tracks

__all__ = ["SplitFinder", "split_finder"]


@dataclass(frozen=True)
class SplitFinder:
    """A finder that splits clusters itself; tracks without parameters are fitted with their own hits.

    Of hits that are split already it makes no more.

    Attributes:
        finder: of the hits, the chain's or another; header: of the file, in the frame of the beam.
        splitter: which clusters give several hits; slices: that it reads.
    """

    finder: Finder
    header: Header
    splitter: Splitter
    slices: Sequence[int]

    @property
    def training_seeds(self) -> frozenset[int]:
        """Those of the finder of the hits."""
        return training_seeds(self.finder)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event, with parameters."""
        if len(event.hits) != len(event.clusters):
            return self.finder(event)
        clock = StageClock()
        flat, detector = event.pixels(self.slices), self.header.detector
        # The splitter may write into it, and others see the hits too.
        lone = event.lone or copied(event.hits.estimate)
        estimate, cluster = self.splitter(flat, self.header, lone)
        clock.lap("split")
        hits = make_hits(event.clusters, estimate, detector, cluster)
        clock.lap("hits")
        tracks = self.finder(FinderInput(event.clusters, hits, detector, self.header.field))
        clock.adopt(tracks.ms)
        fitted = tracks.parameters
        if fitted is None:
            fitted = fit_tracks(hits, tracks, detector, self.header.field, field_map=self.header.field_map)
            clock.lap("fit")
        return replace(tracks, hits=hits.cluster[tracks.hits], parameters=fitted, ms=clock.ms)


def split_finder(finder: Finder, header: Header, options: SplitOptions) -> Finder:
    """A finder with the splitting that options ask for; itself where nothing is split.

    Args:
        header: of the files, in the frame of the beam.
    """
    estimator = choose_estimator(header, conditions="ignore")
    splitter = choose_splitter(header, estimator, options)
    return finder if splitter is None else SplitFinder(finder, header, splitter, estimator.slices)
