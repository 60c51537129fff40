"""Fitted tracks as lines in space."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.helix import curvatures
from tracking.chain import EventResult
from tracking.fit.helix import advance, path_on_circle

__all__ = ["HELIX_POINTS", "helix_lines"]

HELIX_POINTS = 25


def helix_lines(result: EventResult, field: float, from_hit: bool = False) -> npt.NDArray[np.float64]:
    """(T, HELIX_POINTS, 3) points of the fitted helices, from the closest approach to the outermost hit, mm.

    Args:
        field: along z in T, signed.
        from_hit: begin at the innermost hit: of a beam of particles the closest approach is far upstream.
    """
    tracks, helices, position = result.tracks, result.helices, result.hits.position
    sin, cos = np.sin(helices.phi), np.cos(helices.phi)
    start = np.stack([-helices.d0 * sin, helices.d0 * cos, helices.z0], axis=1)
    transverse = np.sin(helices.theta)
    curvature = curvatures(helices.qop, field, transverse)
    line = np.zeros((len(tracks), HELIX_POINTS, 3))
    for t, rows in enumerate(tracks.rows()):
        along = [path_on_circle(start[t], cos[t], sin[t], curvature[t], x, y) for x, y in position[rows, :2]]
        # With 1 in the place of the sine, paths are transverse.
        slope = np.cos(helices.theta[t]) / transverse[t]
        helix = (tuple(start[t]), (cos[t], sin[t]), 1.0, slope, curvature[t])
        for k, s in enumerate(np.linspace(min(along) if from_hit else 0.0, max(along), HELIX_POINTS)):
            line[t, k] = advance(helix, s)[0]
    return line
