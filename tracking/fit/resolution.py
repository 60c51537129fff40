"""How good fitted track parameters are: the true ones at the beam line, residuals, pulls and their widths."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import hist
import numpy as np
import numpy.typing as npt
from scipy import stats

from smartpix.estimate.quality import CORE, half_width
from smartpix.helix import curvatures
from smartpix.schema import PARAMETERS
from tracking.fit.tracks import Helices
from tracking.metrics import EventTruth, TrackScore
from tracking.metrics.counts import LEVEL

__all__ = [
    "RESOLUTIONS",
    "TrackResiduals",
    "joined",
    "pull_histogram",
    "pull_sigma_interval",
    "pull_width",
    "residuals_and_pulls",
    "resolution",
    "resolution_interval",
    "track_residuals",
    "true_parameters",
]

RESOLUTIONS = {
    "d0": ("d0_um", 1e3),
    "z0": ("z0_um", 1e3),
    "phi": ("phi_mrad", 1e3),
    "theta": ("theta_mrad", 1e3),
    "qop": ("qop_rel", 1.0),
}
"""Of each parameter the name and the unit that residuals are told in; that of q/p is relative to its
truth.
"""
PULL_RANGE = 5.0
MANY_PULLS = 50
"""From these on the interval of their width holds the true one nearly as often as it says."""
"""Pulls further from 0 are left out of means, standard deviations and histograms."""

Floats = npt.NDArray[np.float64]


def true_parameters(vertex: Floats, momentum: Floats, charge: Floats, field: float) -> Floats:
    """(P, 5) d0, z0, phi, theta, qop of particles at the closest approach of their helix to the z axis.

    The convention is that of :mod:`tracking.fit.tracks`: the point of closest approach is d0 * (-sin phi, cos
    phi). Of a helix that passes often the approach within half a turn of the vertex is meant. There is
    neither scattering nor energy loss.

    With the turn per path k, and the vertex at (a, b) along and left of its momentum, k times the vector to
    the circle's centre is (k a, 1 + k b) and of length U = 1 + k d0. So d0 = (2 b + k (a^2 + b^2)) / (1 + U),
    and the direction turns by atan2(-k a, 1 + k b) to the closest approach: all without a difference of large
    numbers, down to k = 0.

    Args:
        vertex: (P, 3) mm; momentum: (P, 3) GeV; charge: (P,) e.
        field: along z in T, signed.

    Returns:
        mm, mm, rad in (-pi, pi], rad, 1/GeV; not finite where pT is 0.
    """
    pt, p = np.hypot(momentum[:, 0], momentum[:, 1]), np.linalg.norm(momentum, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cos, sin = momentum[:, 0] / pt, momentum[:, 1] / pt
        k = curvatures(charge, field, pt)
        a, b = vertex[:, 0] * cos + vertex[:, 1] * sin, vertex[:, 1] * cos - vertex[:, 0] * sin
        u = np.hypot(k * a, 1 + k * b)
        turn = np.arctan2(-k * a, 1 + k * b)
        # The path turn / k: sinc is sin(turn) / turn, and sin(turn) = -k a / u.
        path = np.where(np.abs(turn) < 1, -a / u / np.sinc(turn / np.pi), turn / k)
        d0 = (2 * b + k * (a**2 + b**2)) / (1 + u)
        phi = np.arctan2(sin, cos) + turn
        columns = [
            d0, vertex[:, 2] + path * momentum[:, 2] / pt, np.arctan2(np.sin(phi), np.cos(phi)),
            np.arctan2(pt, momentum[:, 2]), charge / p,
        ]  # fmt: skip
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class TrackResiduals:
    """Fitted less true parameters of N tracks.

    Attributes:
        pt, eta: (N,) true, at production, GeV.
        residual: (N, 5) in um, um, mrad, mrad, and of q/p relative to its truth; NaN where the parameter was
            not fitted.
        pull: (N, 5) over the fitted standard deviation.
    """

    pt: npt.NDArray[np.float32]
    eta: npt.NDArray[np.float32]
    residual: npt.NDArray[np.float32]
    pull: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pt)


def residuals_and_pulls(
    fitted: Any,
    tracks: npt.NDArray[np.integer[Any]],
    truth: EventTruth,
    particle: npt.NDArray[np.int64],
    field: float,
) -> tuple[Floats, Floats]:
    """Fitted less true parameters of some tracks of an event.

    Args:
        fitted: anything with d0, z0, phi, theta, qop (T,) and covariance (T, 5, 5), such as
            :class:`tracking.fit.tracks.Helices`.
        tracks: (N,) rows of the tracks; particle: (N,) rows of their particles.
        field: along z in T, signed.

    Returns:
        Residuals (N, 5) in mm, mm, rad, rad and of q/p relative to its truth, and pulls (N, 5): over the
        standard deviation. NaN where a parameter was not fitted and its variance is 0, as that of q/p without
        field.
    """
    true = true_parameters(truth.vertex[particle], truth.momentum[particle], truth.charge[particle], field)
    residual = np.stack([getattr(fitted, name)[tracks] for name in PARAMETERS], axis=1) - true
    # Across the cut at pi.
    residual[:, 2] = np.arctan2(np.sin(residual[:, 2]), np.cos(residual[:, 2]))
    sigma = np.sqrt(np.diagonal(fitted.covariance[tracks], axis1=1, axis2=2))
    residual[sigma == 0] = np.nan
    with np.errstate(invalid="ignore"):
        pull = residual / sigma
    residual[:, 4] /= true[:, 4]
    return residual, pull


def track_residuals(helices: Helices, score: TrackScore, truth: EventTruth, field: float) -> TrackResiduals:
    """Residuals of the tracks of an event that are matched to findable particles, duplicates among them."""
    tracks = np.flatnonzero((score.particle >= 0) & np.append(truth.findable, False)[score.particle])
    who = score.particle[tracks]
    residual, pull = residuals_and_pulls(helices, tracks, truth, who, field)
    scaled = residual * [scale for _, scale in RESOLUTIONS.values()]
    columns = (truth.pt[who], truth.eta[who], scaled, pull)
    return TrackResiduals(*(column.astype(np.float32) for column in columns))


def joined(parts: list[TrackResiduals]) -> TrackResiduals:
    """Residuals of several events; at least one."""
    return TrackResiduals(
        *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(TrackResiduals))
    )


def resolution(residuals: npt.ArrayLike) -> float | None:
    """68 % half width about 0 of the finite ones; None if there are none."""
    values = np.asarray(residuals, dtype=np.float64)
    values = values[np.isfinite(values)]
    return half_width(values) if len(values) else None


def resolution_interval(residuals: npt.ArrayLike) -> tuple[float, float] | None:
    """68 % interval of :func:`resolution` of independent residuals of any distribution; None for too few.

    It reaches from one order statistic of their sizes to another: a binomial number of all lies below the true
    half width (H. A. David and H. N. Nagaraja, Order Statistics, section 7.1).
    """
    values = np.asarray(residuals, dtype=np.float64)
    size = np.sort(np.abs(values[np.isfinite(values)]))
    low, high = (
        int(stats.binom.ppf(level, len(size), CORE / 100)) for level in (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
    )
    # Ranks from 1.
    return (float(size[low - 1]), float(size[high])) if low >= 1 and high < len(size) else None


def pull_width(pulls: npt.ArrayLike) -> tuple[float, float] | None:
    """Mean and standard deviation of the pulls within ``PULL_RANGE``; None for fewer than two.

    What lies further out, such as a track with another particle's hit, would decide the standard deviation
    alone.
    """
    values = np.asarray(pulls, dtype=np.float64)
    values = values[np.abs(values) <= PULL_RANGE]
    return (float(values.mean()), float(values.std())) if len(values) > 1 else None


def pull_sigma_interval(pulls: npt.ArrayLike) -> tuple[float, float] | None:
    """68 % interval of the standard deviation of :func:`pull_width`; None for fewer than :data:`MANY_PULLS`.

    From the variance of the variance of many independent numbers, (m4 - s^4) / n for a fourth moment m4 about
    the mean (H. Cramér, Mathematical Methods of Statistics, section 27.4). Of few it would be too narrow.
    """
    found = pull_width(pulls)
    values = np.asarray(pulls, dtype=np.float64)
    values = values[np.abs(values) <= PULL_RANGE]
    if found is None or found[1] == 0 or len(values) < MANY_PULLS:
        return None
    mean, sigma = found
    error = float(np.sqrt((np.mean((values - mean) ** 4) - sigma**4) / len(values))) / (2 * sigma)
    return sigma - error, sigma + error


def pull_histogram(residuals: TrackResiduals) -> hist.Hist:
    """Pulls in 60 bins within ``PULL_RANGE`` by ``parameter``."""
    histogram = hist.Hist(
        hist.axis.StrCategory(PARAMETERS, name="parameter"), hist.axis.Regular(60, -PULL_RANGE, PULL_RANGE,
        name="pull"),
        storage=hist.storage.Int64(),
    )  # fmt: skip
    for k, name in enumerate(PARAMETERS):
        values = residuals.pull[:, k]
        histogram.fill(name, values[np.isfinite(values)])
    return histogram
