"""Which tracks of a finder count, what they match, and how well their parameters are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.acts.fits import acts_fits
from tracking.bench.events import Event
from tracking.finders.tracks import Parameters, Tracks
from tracking.fit.resolution import RESOLUTIONS, pull_width, residuals_and_pulls, resolution
from tracking.fit.tracks import FitOptions, fit_tracks
from tracking.metrics import MAX_ETA, MIN_LAYERS, EventTruth, TrackScore, score_tracks

__all__ = ["Judgement", "compare_fits", "judge", "rates", "residual_parts", "resolutions"]

LEAST_PT = 0.5
"""Fitted pT in GeV of a track that counts: where the tuned cuts of ACTS's seeding end, so that both are asked
for the same tracks.
"""


@dataclass(frozen=True)
class Judgement:
    """The tracks of one event that count, and what they match.

    Attributes:
        parameters: of all its tracks; rows: (T,) of those that count; score: of these.
    """

    parameters: Parameters
    rows: npt.NDArray[np.int64]
    score: TrackScore
    truth: EventTruth

    def matched(self) -> npt.NDArray[np.bool_]:
        """(P,) findable particles with a track."""
        return self.score.found & self.truth.findable


def judge(events: Sequence[Event], found: Sequence[Tracks]) -> list[Judgement]:
    """Tracks with enough hits and momentum, matched.

    Args:
        found: tracks of each event, with parameters.

    Raises:
        InputError: the tracks are not fitted.
    """
    judgements = []
    for event, tracks in zip(events, found, strict=True):
        parameters = tracks.parameters
        if parameters is None:
            raise InputError("judge: tracks count by their momentum; give tracks with fitted parameters")
        # A track whose fit failed may have no momentum at all, and does not count.
        with np.errstate(divide="ignore", invalid="ignore"):
            pt = np.abs(np.sin(parameters.theta) / parameters.qop)
        rows = tracks.rows()
        n_layers = np.array([len(np.unique(event.hits.layer[r])) for r in rows], dtype=np.int64)
        chosen = np.flatnonzero((n_layers >= MIN_LAYERS) & (pt > LEAST_PT))
        score = score_tracks(event.truth, [rows[k] for k in chosen])
        judgements.append(Judgement(parameters, chosen, score, event.truth))
    return judgements


def rates(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Efficiency of findable particles; fakes and duplicates among the tracks that count."""
    findable = sum(int(j.truth.findable.sum()) for j in judgements)
    n_tracks = sum(len(j.rows) for j in judgements)
    # ACTS's seeding ends at cot theta 10, so that rates over all tracks are of different particles.
    central = [np.abs(1 / np.tan(j.parameters.theta[j.rows])) < np.sinh(MAX_ETA) for j in judgements]
    central_fakes = sum(
        int(np.sum(c & (j.score.particle < 0))) for j, c in zip(judgements, central, strict=True)
    )
    return {
        "efficiency": sum(int(j.matched().sum()) for j in judgements) / max(findable, 1),
        "n_findable": findable,
        "fake_rate": sum(int(np.sum(j.score.particle < 0)) for j in judgements) / max(n_tracks, 1),
        "fake_rate_central": central_fakes / max(sum(int(c.sum()) for c in central), 1),
        "duplicate_rate": sum(int(j.score.duplicate.sum()) for j in judgements) / max(n_tracks, 1),
        "n_tracks": n_tracks,
    }


def resolutions(
    judgements: Sequence[Judgement], particles: Sequence[npt.NDArray[np.bool_]], field: float
) -> dict[str, Any]:
    """Half widths of residuals and standard deviations of pulls of some particles' first tracks; None where
    there are none.
    """
    residual, pull = residual_parts(judgements, particles, field)
    result: dict[str, Any] = {"n_resolution": len(residual)}
    for k, (name, (key, factor)) in enumerate(RESOLUTIONS.items()):
        result[f"resolution_{key}"] = resolution(factor * residual[:, k])
        width = pull_width(pull[:, k])
        result[f"pull_{name}"] = width[1] if width else None
        result[f"pull_half_width_{name}"] = resolution(pull[:, k])
    return result


def residual_parts(
    judgements: Sequence[Judgement], particles: Sequence[npt.NDArray[np.bool_]], field: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Residuals and pulls (K, 5) of some particles' first tracks (:func:`residuals_and_pulls`)."""
    parts = []
    for judgement, choice in zip(judgements, particles, strict=True):
        particle = judgement.score.particle
        good = (particle >= 0) & ~judgement.score.duplicate & np.append(choice, False)[particle]
        rows = judgement.rows[good]
        parts.append(residuals_and_pulls(judgement.parameters, rows, judgement.truth, particle[good], field))
    residual, pull = (np.concatenate([part[k] for part in parts]) for k in range(2))
    return residual, pull


def compare_fits(
    events: Sequence[Event],
    found: Sequence[Tracks],
    judgements: Sequence[Judgement],
    detector: Detector,
    field: float,
) -> dict[str, Any]:
    """The chain's fit beside ACTS's Kalman fitter on the same tracks and hits.

    Args:
        found: tracks of each event; judgements: of these.

    Returns:
        ``ours`` and ``acts``: ``resolution_*`` and ``pull_*`` of the particles whose track both fitted, all
            its hits in it.
    """
    hits = [event.hits for event in events]
    # Not the parameters that the tracks come with: a finder may have fitted them itself.
    fitted_by_us = [
        fit_tracks(of_event, tracks, detector, field, FitOptions())
        for of_event, tracks in zip(hits, found, strict=True)
    ]
    fits = acts_fits(hits, found, fitted_by_us, detector, field)
    ours, theirs, whole = [], [], []
    for judgement, tracks, fitted, values, n_fitted in zip(
        judgements, found, fitted_by_us, fits.parameters, fits.n_fitted, strict=True
    ):
        ours.append(replace(judgement, parameters=fitted))
        theirs.append(replace(judgement, parameters=values))
        complete = np.zeros(len(judgement.truth.findable), dtype=bool)
        # ACTS's fitter takes out no outlier.
        without_outlier = np.add.reduceat(np.append(fitted.outlier, False), tracks.start[:-1]) == 0
        good = (judgement.score.particle >= 0) & (without_outlier & (n_fitted == np.diff(tracks.start)))[
            judgement.rows
        ]
        complete[judgement.score.particle[good]] = True
        whole.append(complete & judgement.matched())
    return {"ours": resolutions(ours, whole, field), "acts": resolutions(theirs, whole, field)}
