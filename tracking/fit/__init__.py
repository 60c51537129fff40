"""Track fit and vertices: Kalman filter and smoother with material, resolutions and pulls."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.fit.follow import Followed, follow_tracks
    from tracking.fit.helix_match import HelixScore, match_helices
    from tracking.fit.options import FitOptions, HelixMatchOptions, VertexOptions
    from tracking.fit.resolution import TrackResiduals, track_residuals, true_parameters
    from tracking.fit.tracks import Helices, fit_tracks
    from tracking.fit.vertices import Vertices, find_vertices, lesser_vertices, score_vertices, true_vertices

__all__ = [
    "FitOptions",
    "Followed",
    "Helices",
    "HelixMatchOptions",
    "HelixScore",
    "TrackResiduals",
    "VertexOptions",
    "Vertices",
    "find_vertices",
    "fit_tracks",
    "follow_tracks",
    "lesser_vertices",
    "match_helices",
    "score_vertices",
    "track_residuals",
    "true_parameters",
    "true_vertices",
]

__getattr__ = public_names(
    __name__,
    follow="Followed follow_tracks",
    helix_match="HelixScore match_helices",
    options="FitOptions HelixMatchOptions VertexOptions",
    resolution="TrackResiduals track_residuals true_parameters",
    tracks="Helices fit_tracks",
    vertices="Vertices find_vertices lesser_vertices score_vertices true_vertices",
)
