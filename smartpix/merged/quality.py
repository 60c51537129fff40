"""How well particles of a cluster are counted: separation, calibration, and what is found at which
distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from smartpix.merged.samples import MOST_PARTICLES, MergedSamples
from smartpix.schema import InputError

__all__ = [
    "DISTANCES", "WRONG", "area_under_curve", "count_quality", "found_at", "pair_distances", "reliability",
    "separable", "threshold_at",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WRONG = 0.05
"""Share of clusters of one particle that are called merged at the usual working point."""
BINS = 10
DISTANCES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Edges of the bins of two particles' distance along an axis, in pitches."""
FEWEST = 30
"""Clusters of a bin whose efficiency is told."""


def area_under_curve(signal: npt.ArrayLike, background: npt.ArrayLike) -> float:
    """Probability that a score of the signal is above one of the background; equal ones count half.

    The area under the curve of efficiencies, by the ranks of Mann and Whitney.
    """
    signal, background = np.asarray(signal), np.asarray(background)
    ranks = rankdata(np.concatenate([signal, background]))
    n = len(signal)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(background)))


def threshold_at(scores: npt.ArrayLike, share: float) -> float:
    """Score that ``share`` of these are above."""
    return float(np.quantile(np.asarray(scores, dtype=np.float64), 1 - share))


def found_at(single: npt.ArrayLike, merged: npt.ArrayLike, share: float = WRONG) -> float:
    """Share of the scores of merged clusters above the score that ``share`` of those of single ones are
    above.
    """
    return float(np.mean(np.asarray(merged) > threshold_at(single, share)))


def pair_distances(samples: MergedSamples) -> tuple[Floats, Floats]:
    """How far apart along x and y, (N, 2), the first two particles of each cluster cross, in pitches and in
    widths of a cluster; nan where there is one.

    The width of a particle's cluster is a pitch and what its path through the sensor spans.
    """
    sensor = samples.sensor
    pitch = np.array([sensor["pitch_x"], sensor["pitch_y"]])
    apart = np.abs(samples.targets[:, 0, :2] - samples.targets[:, 1, :2])
    width = pitch + sensor["thickness"] * np.abs(samples.targets[:, 0, 2:])
    return apart / pitch, apart / width


def separable(samples: MergedSamples) -> Bools:
    """Which clusters (N,) are of two particles that cross farther from each other than half a pitch along y,
    and closer than the width of a cluster.
    """
    pitches, widths = pair_distances(samples)
    return np.asarray((samples.count == 2) & (pitches[:, 1] > 0.5) & (np.hypot(*widths.T) < 1))


def reliability(probabilities: npt.NDArray[Any], count: npt.NDArray[np.int64]) -> list[dict[str, float]]:
    """What was predicted and what is true, in ten bins of equally many predictions of each class.

    Returns:
        Of each class and bin ``particles``, ``n``, ``predicted`` (mean) and ``true`` (share).
    """
    table = []
    for k in range(MOST_PARTICLES):
        predicted = probabilities[:, k].astype(np.float64)
        for rows in np.array_split(np.argsort(predicted, kind="stable"), BINS):
            if len(rows):
                true = float(np.mean(count[rows] == k + 1))
                mean = float(predicted[rows].mean())
                table.append({"particles": k + 1, "n": len(rows), "predicted": mean, "true": true})
    return table


def count_quality(samples: MergedSamples, probabilities: npt.NDArray[Any]) -> dict[str, Any]:
    """How well a network counts the particles of clusters.

    Returns:
        ``n`` clusters; ``auc`` of two particles against one; ``nll``; ``accuracy``; ``threshold`` on the
        probability of more than one particle that :data:`WRONG` of the single ones are above; ``found``:
        share of pairs above it, of those that are :func:`separable` (``found_separable``), and by the
        distance along y and x in pitches (``curves``); ``reliability`` and the largest ``miscalibration`` in
        it. A share of none is None.

    Raises:
        InputError: there is no cluster of one particle, or none of two.
    """
    count, merged = samples.count, 1.0 - probabilities[:, 0].astype(np.float64)
    one, two = count == 1, count == 2
    if not (one.any() and two.any()):
        raise InputError(
            f"counting: {int(one.sum())} clusters of one particle and {int(two.sum())} of two are too few to "
            f"tell how well they are told apart; give more"
        )
    threshold = threshold_at(merged[one], WRONG)
    above = merged > threshold
    pitches, _ = pair_distances(samples)
    likely = probabilities[np.arange(len(count)), count - 1].astype(np.float64)
    table = reliability(probabilities, count)
    return {
        "n": len(samples),
        "auc": area_under_curve(merged[two], merged[one]),
        "nll": float(-np.log(np.maximum(likely, 1e-12)).mean()),
        "accuracy": float(np.mean(probabilities.argmax(axis=1) + 1 == count)),
        "threshold": threshold,
        "found": found_at(merged[one], merged[two]),
        "found_separable": _share(above[separable(samples)]),
        "n_separable": int(separable(samples).sum()),
        "curves": {name: _curve(pitches[:, axis], two, above) for axis, name in ((1, "y"), (0, "x"))},
        "reliability": table,
        "miscalibration": max(abs(row["predicted"] - row["true"]) for row in table),
    }


def _share(chosen: Bools) -> float | None:
    return float(chosen.mean()) if len(chosen) else None


def _curve(distance: Floats, pairs: Bools, above: Bools) -> list[dict[str, float]]:
    """Share found by distance: ``low`` and ``high`` of each bin, ``n`` and ``found``."""
    rows = []
    for low, high in zip(DISTANCES, DISTANCES[1:], strict=False):
        chosen = pairs & (distance >= low) & (distance < high)
        if chosen.sum() >= FEWEST:
            found = float(above[chosen].mean())
            rows.append({"low": low, "high": high, "n": int(chosen.sum()), "found": found})
    return rows
