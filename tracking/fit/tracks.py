"""Track parameters with covariance: a Kalman filter and smoother over the modules, with multiple scattering.

Parameters are those of ACTS and ATLAS at the z axis of the hits, which is the beam line: the point of closest approach is d0 * (-sin phi, cos
    phi).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from seeding.kernels import CURVATURE_PER_TESLA
from smartpix.geometry import Detector
from smartpix.notebook import one_line_and_table
from tracking.finders.tracks import Parameters, Tracks
from tracking.fit.kalman import USED, fit_all
from tracking.fit.options import FitOptions

__all__ = ["FitOptions", "Helices", "fit_tracks"]

Floats = npt.NDArray[np.float64]


@one_line_and_table
@dataclass(frozen=True)
class Helices(Parameters):
    """Fitted parameters of T tracks with K hits in all, and what the fit says of each hit.

    Attributes:
        residual: (K, 2) measured less smoothed x and y on the module, mm, aligned with the tracks' hits;
            pull: over their standard deviations, 0 where the fit could not do without the hit. Those of
            outliers are against the track of the others.
        outlier: (K,) not in the fit.
    """

    residual: Floats
    pull: Floats
    outlier: npt.NDArray[np.bool_]

    def sigma(self) -> Floats:
        """(T, 5) standard deviations of d0, z0, phi, theta, qop."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def fit_tracks(
    hits: Hits, tracks: Tracks, detector: Detector, field: float, options: FitOptions | None = None
) -> Helices:
    """Fit all tracks of an event.

    The start is V. Karimaki's circle and a line (NIM A 305 (1991) 187), about which the filter (R.
    Fruehwirth, NIM A 262 (1987) 444) is linear; scattering is Highland's, for pions of the start's momentum.
    Energy loss is not in the fit. Hits are taken in their order along the start, in whatever order they come.

    Where the scattering angles are Gaussian, so are the pulls. Fatras draws a Gaussian polar angle in a
    random plane: its projections have the same variance, but a narrower core and longer tails, and so have
        the pulls of soft tracks.

    All results are finite. A track of fewer than three different positions does not fix a helix. It starts
    from the line through them, and what they do not fix stays as wide as it started: 0.3 rad, 10 / GeV. A
    hit that is not finite, or whose module the track does not reach, is an outlier with residual 0. A
    track without any other hit gets the parameters 0, theta pi / 2, and wide errors. Of a curling track half
    a turn either way from the closest approach is looked at.

    Args:
        field: along z in T, signed; at 0 there is no qop: it is 0 with variance 0, and ndf counts four
            parameters.
    """
    options = options or FitOptions()
    n, k = len(tracks), len(tracks.hits)
    parameters, covariance = np.empty((n, 5)), np.empty((n, 5, 5))
    chi2, n_used = np.empty(n), np.empty(n, dtype=np.int64)
    residual, pull, status = np.zeros((k, 2)), np.zeros((k, 2)), np.full(k, USED, dtype=np.int8)
    size = 4 if options.angles else 2
    fit_all(
        hits.position, hits.axes, hits.estimate.cholesky, hits.cot, tracks.hits, tracks.start,
        _surfaces(detector, options),
        options.sensor, field * CURVATURE_PER_TESLA, options.straight_momentum, options.outlier_chi2, size,
        parameters, covariance, chi2, n_used, residual, pull, status,
    )  # fmt: skip
    d0, z0, phi, theta, qop = (np.ascontiguousarray(column) for column in parameters.T)
    phi = np.arctan2(np.sin(phi), np.cos(phi))
    ndf = np.maximum(size * n_used - (5 if field != 0 else 4), 0)
    return Helices(d0, z0, phi, theta, qop, covariance, chi2, ndf, residual, pull, status != USED)


def _surfaces(detector: Detector, options: FitOptions) -> Floats:
    """(S, 5) supports and beam pipe, see :func:`tracking.fit.kalman.fit_all`."""
    layers, gap = detector.layers, options.support_gap
    rows = np.zeros((len(layers) + 1, 5))
    rows[:-1, 0] = layers.barrel
    rows[:-1, 1] = np.where(layers.barrel, layers.r_max + gap, layers.z)
    rows[:-1, 2] = np.where(layers.barrel, layers.z_min, layers.r_min) - gap
    rows[:-1, 3] = np.where(layers.barrel, layers.z_max, layers.r_max) + gap
    rows[:-1, 4] = options.support
    rows[-1] = 1, options.pipe_radius, -np.inf, np.inf, options.pipe
    return rows[rows[:, 4] > 0]
