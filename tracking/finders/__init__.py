"""Finders: from an event's edges to tracks.

:mod:`tracking.finders.paths` builds tracks from scored edges; :mod:`tracking.finders.gnn` scores them.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.options import BuildOptions
    from tracking.finders.paths import Tracks, build_tracks, layer_ranks

__all__ = ["BuildOptions", "Tracks", "build_tracks", "layer_ranks"]

__getattr__ = public_names(
    __name__,
    options="BuildOptions",
    paths="Tracks build_tracks layer_ranks",
)
