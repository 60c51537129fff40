"""The door for finders: one event in, tracks out.

A finder is a function, or anything that can be called like one, from a :class:`FinderInput` to
:class:`tracking.finders.tracks.Tracks`. A *maker* sets one up for the detector and field of a file;
:mod:`tracking.finder_table` has those that there are. ``examples/toy_finder.py`` is one in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from smartpix.schema import InputError, quoted
from tracking.finders.tracks import Parameters, Tracks

if TYPE_CHECKING:
    # Who only lists the finders needs none of these, and importing them takes seconds.
    import awkward as ak

    from seeding.hits import Hits
    from smartpix.clusters import FlatClusters
    from smartpix.estimate.base import Estimate
    from smartpix.geometry import Detector
    from smartpix.io.events import Header

__all__ = ["Finder", "FinderInput", "FinderMaker", "Fit", "checked_tracks", "training_seeds"]


@dataclass(frozen=True)
class FinderInput:
    """What a finder knows of one event; never its truth.

    Attributes:
        clusters: (N,) records as of event files; a field ``truth`` is left out.
        hits: of these clusters, with position, direction and covariance; ``hits.cluster`` tells which is of
            which. A merged cluster may give several.
        detector: of the hits, and like them in the frame of the beam; field: along z in T.
        flat: the clusters' pixels as the estimates have read them, with the charge of ``slices``; None: not
            at hand. :meth:`pixels` gives them in any case.
        lone: the hits' estimates once more, in arrays that the finder may write into, with room for further
            hits, as the estimates of the chain have; None: it copies those of the hits.
    """

    clusters: ak.Array
    hits: Hits
    detector: Detector
    field: float
    flat: FlatClusters | None = None
    slices: Sequence[int] = ()
    lone: Estimate | None = None

    def __post_init__(self) -> None:
        if len(self.clusters) != int(self.hits.cluster.max(initial=-1)) + 1:
            raise InputError(
                f"finder: there are {len(self.clusters)} clusters and {len(self.hits)} hits; give both "
                f"of the same event"
            )
        if self.flat is not None:
            found = len(self.flat), self.flat.charge.shape[1]
            if found != (len(self.clusters), len(self.slices)):
                raise InputError(
                    f"finder: there are {len(self.clusters)} clusters with {len(self.slices)} slices, and plain "
                    f"arrays of {found[0]} with {found[1]}; give both of the same event"
                )
        # Simulated files have the truth in the clusters, where a finder could read it by mistake.
        fields = [name for name in self.clusters.fields if name != "truth"]
        object.__setattr__(self, "clusters", self.clusters[fields])

    def pixels(self, slices: Sequence[int]) -> FlatClusters:
        """The clusters' pixels as plain arrays, with the charge of these slices.

        Raises:
            InputError: the clusters lack a slice.
        """
        if self.flat is None or not set(slices) <= set(self.slices):
            from smartpix.clusters import flatten

            return flatten(self.clusters, slices)
        if tuple(slices) == tuple(self.slices):
            return self.flat
        return replace(self.flat, charge=self.flat.charge[:, [self.slices.index(s) for s in slices]])


class Finder(Protocol):
    """Anything that finds the tracks of an event.

    One that was trained may have an attribute ``training_seeds``, see :func:`training_seeds`.
    """

    def __call__(self, event: FinderInput, /) -> Tracks:
        """Tracks of one event. Rows of the hits, inner first."""
        ...


Fit = Callable[["Hits", Tracks, "Detector", float], Parameters]
"""Fits the tracks of some hits in a detector and field; :func:`tracking.fit.tracks.fit_tracks` is one.
Finders that need parameters on their way are given it: the fit knows tracks, and so finders do not know the
    fit.
"""
FinderMaker = Callable[["Header"], Finder]
"""Sets a finder up for the detector and field of a file: loads weights, makes tables."""


def training_seeds(finder: Finder) -> frozenset[int]:
    """Seeds of the simulated events that a finder was trained on, from its attribute ``training_seeds``.

    None where it has no such attribute: most finders are not trained.
    """
    return frozenset(getattr(finder, "training_seeds", ()))


def checked_tracks(tracks: Tracks, event: FinderInput, name: str) -> Tracks:
    """What a finder gave for an event, once it is sure that these are tracks of its hits.

    Compiled code reads the rows afterwards, and would read beyond the end of the hits.

    Args:
        name: of the finder, for the message.

    Raises:
        InputError: no ``Tracks``, rows beyond the hits, or bounds of the tracks that do not ascend from 0 to
            the number of rows.
    """
    where, fix = f"finder {quoted(name)}", "mend the finder (Tracks.from_rows makes tracks of lists of rows)"
    if not isinstance(tracks, Tracks):
        raise InputError(f"{where}: must give Tracks and gives a {type(tracks).__name__}; {fix}")
    hits, start = np.asarray(tracks.hits), np.asarray(tracks.start)
    if hits.dtype.kind != "i" or start.dtype.kind != "i":
        raise InputError(
            f"{where}: rows and bounds must be whole numbers; found {hits.dtype}, {start.dtype}; {fix}"
        )
    if len(hits) and not (hits.min() >= 0 and hits.max() < len(event.hits)):
        raise InputError(
            f"{where}: the event has {len(event.hits)} hits, and its tracks have rows from {hits.min()} to "
            f"{hits.max()}; {fix}"
        )
    if not len(start) or start[0] != 0 or start[-1] != len(hits) or np.any(np.diff(start) < 0):
        raise InputError(f"{where}: start must ascend from 0 to the {len(hits)} rows; {fix}")
    if len(tracks.score) != len(start) - 1:
        raise InputError(f"{where}: {len(start) - 1} tracks and {len(tracks.score)} scores; {fix}")
    if tracks.parameters is not None and len(tracks.parameters.qop) != len(tracks):
        raise InputError(
            f"{where}: {len(tracks)} tracks and parameters of {len(tracks.parameters.qop)}; {fix}"
        )
    return tracks
