"""How far estimates are off the tracks: biases, true over stated errors, and the most probable charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.quality import clipped, half_width
from smartpix.geometry import Detector
from smartpix.schema import InputError
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.sample import EventTracks, Seen

__all__ = ["Offsets", "most_probable", "offsets"]

Floats = npt.NDArray[np.float64]

FARTHEST_PULL = 4.0
"""Standard deviations that a residual counts with at most: 6 in 100,000 of a Gaussian's are beyond."""
LARGEST_ERROR = 0.1
"""Of a variance, in units of the residuals': one that is known less well stays."""
KERNEL, GRID = 0.15, 0.002
"""Of the logarithm of charge per path: width of the kernel, and steps of the search for its maximum.
Straggling in 100 um of silicon is 0.3 wide; a narrower kernel finds the steps of a 4-bit ADC."""
FEWEST_CHARGES = 100


@dataclass(frozen=True)
class Offsets:
    """What tracks say of the estimates.

    Attributes:
        bias: (L, 2) estimated less track's cot alpha and cot beta, by layer.
        scale: (L, 2) true over stated standard deviation of cot alpha and cot beta.
        excess: (L, 2) true less stated variance of x and y, mm^2.
        charge: most probable charge in e for each mm of the path in the sensor, in the barrel if there is
            one.
        n_hits: (L,) hits of each layer.
    """

    bias: Floats
    scale: Floats
    excess: Floats
    charge: float
    n_hits: npt.NDArray[np.int64]


def offsets(
    events: Sequence[EventTracks], fitted: Seen, detector: Detector, options: CalibrateOptions
) -> Offsets:
    """Biases and errors of the estimates by layer, and their charge.

    Slopes of tracks are known far better than those of clusters, and stand for the truth. x and y are not: of
        a
    residual's variance the share f is the measurement's, V. If that is V + d, the mean square of a pull is 1
    + f d / V: d is the slope of a straight line through the origin in f / V. Where all hits are alike, d is
    found too large, and the next pass finds it smaller.

    Args:
        fitted: of the events, with their modules where they are taken to be.

    Raises:
        InputError: too few hits for a most probable charge.
    """
    lone = np.concatenate([event.lone for event in events])
    mean = np.concatenate([event.hits.estimate.mean for event in events])
    sigma = np.concatenate([event.hits.estimate.sigma() for event in events])
    charge = np.concatenate([event.charge for event in events])
    layer = detector.layer_index[fitted.module]
    barrel = detector.layers.barrel
    off = mean[:, 2:] - fitted.cot
    share = fitted.variance * np.diagonal(fitted.weight, axis1=1, axis2=2)
    known = fitted.variance > 0
    pull = np.divide(fitted.residual, np.sqrt(fitted.variance), out=np.zeros_like(share), where=known)
    bias, scale, excess = np.zeros((len(barrel), 2)), np.ones((len(barrel), 2)), np.zeros((len(barrel), 2))
    inverse = np.diagonal(fitted.weight, axis1=1, axis2=2)
    n_hits = np.bincount(layer[lone], minlength=len(barrel))
    for k in range(len(barrel)):
        chosen = lone & (layer == k)
        region = lone & (barrel[layer] == barrel[k])
        if n_hits[k] < options.fewest:
            chosen = region
        if not np.any(chosen):
            continue
        for target in range(2):
            in_sigma = off[chosen, target] / sigma[chosen, 2 + target]
            # In units of each estimate's own error, so that those that are known best count most.
            middle = float(clipped(in_sigma).mean())
            bias[k, target] = middle * float(np.median(sigma[chosen, 2 + target]))
            scale[k, target] = half_width(in_sigma - middle)
            excess[k, target] = _excess(
                pull[:, target], share[:, target] * inverse[:, target], (chosen, region)
            )
    path = detector.thickness[fitted.module] * np.sqrt(1 + (fitted.cot**2).sum(axis=1))
    # Small clusters of disks show the steps of the ADC, of which one is the most probable charge.
    counted = lone & barrel[layer] if np.any(lone & barrel[layer]) else lone
    return Offsets(bias, scale, excess, most_probable(charge[counted] / path[counted]), n_hits)


def _excess(pull: Floats, slope: Floats, samples: Sequence[npt.NDArray[np.bool_]]) -> float:
    """True less stated variance, mm^2, from the first of the samples that tells it.

    Args:
        pull, slope: (K,) pulls, and f / V.
    """
    for chosen in samples:
        f = slope[chosen]
        square = np.minimum(np.abs(pull[chosen]), FARTHEST_PULL) ** 2
        weight = float((f**2).sum())
        if weight == 0:
            continue
        found = float((f * (square - 1)).sum() / weight)
        # The variance of a squared pull is 2.
        stated = float(np.median(1 / f[f > 0])) if np.any(f > 0) else np.inf
        if np.sqrt(2 / weight) < LARGEST_ERROR * stated:
            return found
    return 0.0


def most_probable(values: npt.NDArray[Any]) -> float:
    """The most probable of positive values, whose logarithms are smoothed by a Gaussian kernel.

    Raises:
        InputError: fewer than 100 values.
    """
    logs = np.log(values[values > 0])
    if len(logs) < FEWEST_CHARGES:
        raise InputError(
            f"calibrate: {len(logs)} hits of good tracks have a charge and {FEWEST_CHARGES} are needed; give more events"
        )
    low, high = logs.min() - 5 * KERNEL, logs.max() + 5 * KERNEL
    counts, edges = np.histogram(logs, bins=max(int((high - low) / GRID), 1), range=(low, high))
    step = edges[1] - edges[0]
    reach = np.arange(-int(4 * KERNEL / step), int(4 * KERNEL / step) + 1) * step
    density = np.convolve(counts, np.exp(-0.5 * (reach / KERNEL) ** 2), mode="same")
    k = int(np.argmax(density))
    # The maximum of the parabola through three points.
    before, at, after = density[max(k - 1, 0)], density[k], density[min(k + 1, len(density) - 1)]
    bend = before - 2 * at + after
    between = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(np.exp((edges[k] + edges[k + 1]) / 2 + between * step))
