"""Finders: from an event's hits to its tracks.

:mod:`tracking.finders.finder` is the door: what a finder is. :mod:`tracking.finder_table` has all of them.
:mod:`tracking.finders.gnn` has ours: candidate edges, their scores by a graph network, and the tracks that
:mod:`tracking.finders.paths` builds of them.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.finder import Finder, FinderInput
    from tracking.finders.options import BuildOptions
    from tracking.finders.paths import build_tracks, layer_ranks
    from tracking.finders.tracks import GraphSize, Parameters, Tracks

__all__ = [
    "BuildOptions",
    "Finder",
    "FinderInput",
    "GraphSize",
    "Parameters",
    "Tracks",
    "build_tracks",
    "layer_ranks",
]

__getattr__ = public_names(
    __name__,
    finder="Finder FinderInput",
    options="BuildOptions",
    paths="build_tracks layer_ranks",
    tracks="GraphSize Parameters Tracks",
)
