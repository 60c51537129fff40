"""When tracks were at the beam line, from the times of their hits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.helix import curvatures, half_turns
from smartpix.physics import PION_MASS, SPEED_OF_LIGHT
from tracking.finders.tracks import Parameters, Tracks

__all__ = ["TrackTimes", "track_times"]

Floats = npt.NDArray[np.float64]

GAUSSIAN = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""


@dataclass(frozen=True)
class TrackTimes:
    """Times of T tracks at their closest approach to the beam line.

    Attributes:
        time, sigma: (T,) ns; NaN where no hit of the track has a time.
    """

    time: Floats
    sigma: Floats


def track_times(
    hits: Hits, tracks: Tracks, helices: Parameters, field: float, resolution: float
) -> TrackTimes | None:
    """The means of the hits' times less the flight, of pions with the fitted momentum along the fitted
    helix.

    Args:
        field: along z in T.
        resolution: of a hit in ps. 0: it is found from how far the event's hits are from their tracks'
            means, by the median.

    Returns:
        None where hits have no times.
    """
    if hits.time is None:
        return None
    n = len(tracks)
    owner, rows = np.repeat(np.arange(n), np.diff(tracks.start)), tracks.hits
    phi, d0, theta = helices.phi[owner], helices.d0[owner], helices.theta[owner]
    sine = np.sin(theta)
    dx, dy = hits.position[rows, 0] + d0 * np.sin(phi), hits.position[rows, 1] - d0 * np.cos(phi)
    chord = np.hypot(dx, dy)
    half = half_turns(curvatures(helices.qop[owner], field, np.maximum(sine, 1e-9)), chord)
    turned = np.divide(half, np.sin(half), out=np.ones_like(half), where=np.abs(half) > 1e-9)
    ahead = np.where(dx * np.cos(phi) + dy * np.sin(phi) < 0, -1.0, 1.0)
    # Both ways along the helix: across the beam there is none in z, and along it none across.
    path = ahead * chord * turned * sine + (hits.position[rows, 2] - helices.z0[owner]) * np.cos(theta)
    flight = path / SPEED_OF_LIGHT * np.hypot(1.0, PION_MASS * helices.qop[owner])
    start = hits.time[rows].astype(np.float64) - flight
    known = np.isfinite(start)
    number = np.bincount(owner[known], minlength=n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(owner[known], start[known], n) / number
        sigma = 1e-3 * resolution or _spread(start[known] - mean[owner[known]], number[owner[known]])
        return TrackTimes(mean, np.where(number > 0, sigma / np.sqrt(number), np.nan))


def _spread(off: Floats, number: npt.NDArray[np.int64]) -> float:
    """Standard deviation of single hits, ns, from how far they are off the means of so many; NaN where
    each is alone.
    """
    several = number > 1
    if not np.any(several):
        return float("nan")
    return float(GAUSSIAN * np.median(np.abs(off[several]) / np.sqrt(1 - 1 / number[several])))
