"""Pixel signals to what the chip sends: noise, threshold, ADC, and clusters of touching pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from smartpix.compiled import njit
from smartpix.schema import InputError
from smartpix.simulate.options import ReadoutOptions, adc_levels

__all__ = ["ReadoutOptions", "adc_levels", "check_adc", "digitise", "label_clusters", "noise_pixel_rate"]


def digitise(
    charge: npt.NDArray[np.float32], options: ReadoutOptions, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Add noise, suppress below threshold, digitise.

    Args:
        charge: (N, S) true induced charge per pixel and slice in e.

    Returns:
        (N, S) float32: 0 below threshold, else the value of the ADC level in e.
    """
    noisy = charge + np.float32(options.noise) * rng.standard_normal(charge.shape, dtype=np.float32)
    threshold = np.full((len(charge), 1), options.threshold * options.threshold_scale, dtype=np.float32)
    if options.threshold_dispersion > 0:
        # A pixel keeps its threshold for all slices.
        threshold += np.float32(options.threshold_dispersion) * rng.standard_normal(
            threshold.shape, dtype=np.float32
        )
        threshold = np.maximum(threshold, np.float32(0.0))
    kept = np.where(np.abs(noisy) >= threshold, noisy, np.float32(0))
    if options.adc_bits == 0:
        return kept.astype(np.float32)
    edges, values = adc_levels(options)
    n_negative = int(np.sum(edges < 0))
    # A charge over its own pixel's threshold is in the lowest level at least.
    above = np.maximum(np.searchsorted(edges[n_negative:], kept, side="right") - 1, 0) + n_negative
    if n_negative == 0:
        return np.where(kept > 0, values[above], 0.0).astype(np.float32)
    below = np.searchsorted(edges[:n_negative], kept, side="left")
    level = np.where(kept > 0, above, np.minimum(below, n_negative - 1))
    return np.where(kept == 0, 0.0, values[level]).astype(np.float32)


def noise_pixel_rate(options: ReadoutOptions, shift: npt.ArrayLike = 0.0) -> npt.NDArray[np.float64]:
    """Probability that noise alone lifts the last slice of a pixel over the threshold.

    Args:
        shift: of the pixels' charge in e, by what a module has in common; of any shape, as the result.
    """
    shift = np.asarray(shift, dtype=np.float64)
    if options.noise == 0:
        return np.zeros(shift.shape)
    # Mean over the pixels' thresholds.
    steps = np.linspace(-8, 8, 4001)
    mean = options.threshold * options.threshold_scale
    thresholds = np.maximum(mean + options.threshold_dispersion * steps, 0.0)
    weight = norm.pdf(steps)
    rate = norm.sf((thresholds - shift[..., None]) / options.noise)
    return np.asarray((weight * rate).sum(axis=-1) / weight.sum())


@njit(cache=True)
def _find(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def _label(key: Any, stride: int) -> Any:
    """Union-find over sorted pixel keys; one spare row and column keep modules and rows apart."""
    n = len(key)
    parent = np.arange(n)
    for i in range(n):
        # Earlier neighbours in (row, column) order: left, and the three of the row before.
        for step in (1, stride - 1, stride, stride + 1):
            neighbour = key[i] - step
            j = np.searchsorted(key, neighbour)
            if j < n and key[j] == neighbour:
                a, b = _find(parent, i), _find(parent, j)
                if a != b:
                    parent[max(a, b)] = min(a, b)
    label = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        root = _find(parent, i)
        if root == i:
            label[i] = count
            count += 1
        else:
            label[i] = label[root]
    return label


def label_clusters(
    module: npt.NDArray[np.int32], row: npt.NDArray[np.int32], column: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Number the clusters of pixels that touch, corners included.

    Args:
        module, row, column: (N,) of distinct pixels, sorted by (module, row, column).

    Returns:
        (N,) cluster numbers from 0, in the order of their first pixel.
    """
    if len(module) == 0:
        return np.zeros(0, dtype=np.int64)
    stride = int(column.max()) + 2
    rows = int(row.max()) + 2
    key = (module.astype(np.int64) * rows + row) * stride + column
    return np.asarray(_label(key, stride))


def check_adc(made_by: Mapping[str, Any], edges: npt.NDArray[np.float64], where: str) -> None:
    """Check that charges which were digitised already, as far as their file says, were so with an ADC's
    edges.

    Args:
        made_by: of the file.
        edges: (K,) in e, of the ADC of a network; float charges fit any.
        where: names the file or command.

    Raises:
        InputError: they had other edges.
    """
    options = made_by.get("options")
    readout = made_by.get("readout") or (options.get("readout") if isinstance(options, Mapping) else None)
    if not isinstance(readout, Mapping) or not readout.get("adc_bits"):
        return
    settings = {k: readout[k] for k in ("threshold", "adc_bits", "adc_max") if k in readout}
    found, _ = adc_levels(ReadoutOptions(**settings))
    if len(found) != len(edges) or not np.allclose(found, edges, rtol=1e-3):
        raise InputError(
            f"{where}: the charges were digitised with the edges {found.round().tolist()} e and the "
            f"network's ADC has {np.round(edges).tolist()}; simulate with the network's (or with --adc-bits "
            "0), or train a network for these"
        )
