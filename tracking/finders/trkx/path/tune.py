"""The Kalman filter's options by likelihood: of the crossings of true paths in the filter's own cones.

What the learned cone is compared with is so tuned as hard as the network, with the same loss, weights and
events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from smartpix.train.epoch import LARGE_LOSS
from tracking.finders.trkx.path.dataset import PathData, PathEvent, follow_truth, joined
from tracking.finders.trkx.path.filter import PathFilter
from tracking.finders.trkx.path.options import FilterOptions
from tracking.finders.trkx.path.train import path_weights

__all__ = ["TUNED", "filter_loss", "followed", "tuned_filter"]

TUNED = (
    "thickness", "thickness_disk", "sigma_d0", "curvature_pt", "slope_scale", "slope_outlier", "outlier", "softest",
)  # fmt: skip
"""Options that are tuned."""
FIRST_STEP, LAST_STEP = 0.25, 0.03
"""Of the options' logarithms."""
ENOUGH = 2e-5
"""Gain in the loss that makes a change worth while."""


def followed(events: Sequence[PathEvent], options: FilterOptions) -> PathData:
    """True paths of events, followed by a filter of such options."""
    return joined(
        [follow_truth(e.paths, e.hits, PathFilter(e.field, options, e.beam), e.collisions) for e in events]
    )


def filter_loss(data: PathData, weight_power: float) -> float:
    """Mean negative logarithm of the Gaussian density of crossings (1/mm2), less that of 2 pi^2; chi2 of
    those far off is damped, as in the network's training.

    Args:
        weight_power: see :class:`tracking.finders.trkx.path.options.TrainPathOptions`.
    """
    half = 0.5 * np.sum(data.crossing.astype(np.float64) ** 2, axis=2)
    far = half > LARGE_LOSS
    half[far] = LARGE_LOSS * (1 + np.log(half[far] / LARGE_LOSS))
    share = data.known * path_weights(data.pt, weight_power)[:, None]
    return float(np.sum((np.log(data.area) + half) * share) / share.sum())


def tuned_filter(
    events: Sequence[PathEvent],
    start: FilterOptions,
    weight_power: float,
    report: Callable[[str], object],
    names: Sequence[str] = TUNED,
) -> tuple[FilterOptions, float]:
    """Options of least loss, and that loss.

    Each option in turn is made larger or smaller by a factor, as often as it helps. Where nothing helps any
    more, the factor's logarithm is halved.
    """
    best, loss = start, filter_loss(followed(events, start), weight_power)
    step = FIRST_STEP
    while step > LAST_STEP:
        before = loss
        for name in names:
            for sign in (1, -1):
                was = loss
                while True:
                    trial = replace(best, **{name: getattr(best, name) * math.exp(sign * step)})
                    value = filter_loss(followed(events, trial), weight_power)
                    if not value < loss - ENOUGH:
                        break
                    best, loss = trial, value
                    report(f"{name} {getattr(best, name):.4g}  loss {loss:.5f}")
                if loss < was:
                    break
        if loss == before:
            step /= 2
    return best, loss
