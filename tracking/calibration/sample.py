"""Hits of well-known tracks, and what these tracks say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.calibration import Calibration
from smartpix.geometry import Detector
from smartpix.helix import curvatures, half_turns
from tracking.calibration.options import CalibrateOptions
from tracking.finders.tracks import Parameters, Tracks
from tracking.fit.options import FitOptions
from tracking.fit.tracks import Helices, fit_tracks

__all__ = [
    "EventTracks",
    "Seen",
    "chosen_tracks",
    "measured_alone",
    "placed",
    "seen",
    "slopes_on_modules",
    "without_worst",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EventTracks:
    """Tracks of one event that calibrate, and their hits alone.

    Attributes:
        hits: (K,) of the tracks, track after track; tracks: of these.
        charge: (K,) of the hits' clusters in e.
        lone: (K,) the cluster is whole and gives one hit, so that its estimate is what a network was trained
            for.
    """

    hits: Hits
    tracks: Tracks
    charge: Floats
    lone: npt.NDArray[np.bool_]

    def taken(self, good: npt.NDArray[np.bool_]) -> EventTracks:
        """Those of its T tracks that are good, (T,), and their hits."""
        size = np.diff(self.tracks.start)
        kept = np.repeat(good, size)
        start = np.concatenate([[0], np.cumsum(size[good])]).astype(np.int64)
        rows = np.arange(int(kept.sum()))
        return EventTracks(
            replace(self.hits.take(np.flatnonzero(kept)), cluster=rows),
            Tracks(rows, start, self.tracks.score[good]), self.charge[kept], self.lone[kept],
        )  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What a fit says of the hits of all events, K in all.

    Attributes:
        module: (K,) rows of the detector's modules; cot: (K, 2) slopes of the track on it.
        place: (K, 2) x and y where it crosses the module, mm.
        residual: (K, 2) measured less fitted x and y, mm, the hit in the fit; weight: (K, 2, 2) inverse
            covariance of the measurement.
        variance: (K, 2) of the residuals; 0 where the fit could not do without the hit.
        track: (K,) numbers of the tracks, of all events.
        chi2: of all tracks.
    """

    module: npt.NDArray[np.int32]
    cot: Floats
    place: Floats
    residual: Floats
    weight: Floats
    variance: Floats
    track: npt.NDArray[np.int64]
    chi2: float


def chosen_tracks(
    hits: Hits, tracks: Tracks, helices: Helices, charge: Floats, options: CalibrateOptions
) -> EventTracks:
    """The tracks of an event that calibrate, without their outliers.

    Args:
        charge: (C,) of the event's clusters in e.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        pt = np.abs(np.sin(helices.theta) / helices.qop)
    good = (pt > options.min_pt) & (helices.chi2 <= options.max_chi2 * np.maximum(helices.ndf, 1))
    size = np.diff(tracks.start)
    inside = ~helices.outlier
    # Of a cluster's several hits nobody knows for sure which one a track made.
    whole = hits.n_parts[tracks.hits] == 1
    owner = np.repeat(np.arange(len(tracks)), size)
    left = np.bincount(owner, inside & whole, len(tracks))
    kept = inside & whole & (good & (left >= options.min_hits))[owner]
    rows = tracks.hits[kept]
    number = np.unique(owner[kept], return_counts=True)[1]
    start = np.concatenate([[0], np.cumsum(number)]).astype(np.int64)
    of_tracks = replace(hits.take(rows), mixed=None)
    lone = ~of_tracks.estimate.flagged
    return EventTracks(
        replace(of_tracks, cluster=np.arange(len(rows))),
        Tracks(np.arange(len(rows)), start, np.ones(len(number), dtype=np.float32)),
        charge[hits.cluster[rows]], lone,
    )  # fmt: skip


def measured_alone(hits: Hits, calibration: Calibration) -> Hits:
    """The same hits with the errors of their clusters alone, less those that a calibration gave to the places
    of their modules: a module's error is the same for all of its hits, and what alignment is to find.
    """
    if not np.any(calibration.position_error):
        return hits
    factor = hits.estimate.cholesky
    covariance = factor @ factor.swapaxes(1, 2)
    covariance[:, [0, 1], [0, 1]] -= calibration.position_error[hits.module] ** 2
    alone = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    return replace(hits, estimate=replace(hits.estimate, cholesky=alone))


def placed(hits: Hits, detector: Detector) -> Hits:
    """The same hits where a detector has their modules."""
    position = detector.to_global(hits.module, hits.estimate.mean[:, :2])
    axes = detector.axes[hits.module].swapaxes(1, 2).reshape(-1, 9)
    return replace(hits, position=np.ascontiguousarray(position), axes=np.ascontiguousarray(axes))


def seen(
    events: Sequence[EventTracks], detector: Detector, field: float, options: FitOptions, threads: int = 1
) -> Seen:
    """Fit the tracks with their modules where a detector has them.

    All hits stay in the fit, so that chi2 is a smooth function of where the modules are.
    """
    options = replace(options, outlier_chi2=np.inf, angles=False)
    parts: list[Seen] = []
    n_tracks = 0
    for event in events:
        hits = placed(event.hits, detector)
        helices = fit_tracks(hits, event.tracks, detector, field, options, threads)
        residual, pull = helices.residual, helices.pull
        sigma = np.divide(residual, pull, out=np.zeros_like(pull), where=pull != 0)
        used = ~helices.outlier[:, None]
        factor = hits.estimate.cholesky[:, :2, :2]
        parts.append(
            Seen(
                hits.module, slopes_on_modules(helices, event.tracks, hits, field), hits.estimate.mean[:, :2] - residual,
                residual * used, np.asarray(np.linalg.inv(factor @ factor.swapaxes(1, 2)), dtype=np.float64),
                sigma**2 * used, n_tracks + np.repeat(np.arange(len(event.tracks)), np.diff(event.tracks.start)),
                float(helices.chi2.sum()),
            )
        )  # fmt: skip
        n_tracks += len(event.tracks)
    names = ("module", "cot", "place", "residual", "weight", "variance", "track")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Seen(**joined, chi2=sum(part.chi2 for part in parts))


def without_worst(
    events: Sequence[EventTracks],
    detector: Detector,
    field: float,
    options: FitOptions,
    most: float,
    threads: int = 1,
) -> list[EventTracks]:
    """The events without tracks whose chi2 over the degrees of freedom is above ``most`` times the median of
    all.
    """
    options = replace(options, outlier_chi2=np.inf, angles=False)
    fits = [fit_tracks(placed(e.hits, detector), e.tracks, detector, field, options, threads) for e in events]
    ratios = [helices.chi2 / np.maximum(helices.ndf, 1) for helices in fits]
    limit = most * np.median(np.concatenate(ratios))
    return [event.taken(ratio <= limit) for event, ratio in zip(events, ratios, strict=True)]


def slopes_on_modules(helices: Parameters, tracks: Tracks, hits: Hits, field: float) -> Floats:
    """(K, 2) cot alpha and cot beta of the helices where they are nearest to the tracks' hits.

    Of a circle, the direction at the end of a chord is turned by twice the angle whose sine is half of chord
    times curvature.
    """
    owner = np.repeat(np.arange(len(tracks)), np.diff(tracks.start))
    phi, d0, sine = helices.phi[owner], helices.d0[owner], np.sin(helices.theta[owner])
    position = hits.position[tracks.hits]
    chord = np.hypot(position[:, 0] + d0 * np.sin(phi), position[:, 1] - d0 * np.cos(phi))
    turned = phi + 2 * half_turns(curvatures(helices.qop[owner], field, sine), chord)
    direction = np.stack([sine * np.cos(turned), sine * np.sin(turned), np.cos(helices.theta[owner])], axis=1)
    local = np.einsum("kij,kj->ki", hits.axes[tracks.hits].reshape(-1, 3, 3), direction)
    steep = np.where(np.abs(local[:, 2]) < 1e-3, 1e-3, local[:, 2])
    return np.asarray(local[:, :2] / steep[:, None])
