"""Pixel signals to what the chip sends: noise, threshold, ADC, and clusters of touching pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from smartpix.compiled import njit
from smartpix.schema import InputError, check, check_types
from smartpix.simulate.induction import N_SLICES

__all__ = ["ReadoutOptions", "adc_levels", "check_adc", "digitise", "label_clusters", "noise_pixel_rate"]

MOST_CHARGE = 1e7
"""e. A particle leaves some 8,000 in 100 um; beyond, the unit is another."""


@dataclass(frozen=True)
class ReadoutOptions:
    """Front-end of the chip; the same for every sampled slice.

    Attributes:
        noise: equivalent noise charge in e.
        threshold: a slice of a pixel below this magnitude (e) reads 0.
        threshold_dispersion: standard deviation of the threshold from pixel to pixel in e.
        adc_bits: levels of the ADC as a power of two, see :func:`adc_levels`; 0 keeps the analogue charge.
        adc_max: charge in e above which the ADC saturates.
        slices: sampled slices of 200 ps, 0 to 19, ascending; the last one decides what is a hit.
    """

    noise: float = 50.0
    threshold: float = 300.0
    threshold_dispersion: float = 0.0
    adc_bits: int = 4
    adc_max: float = 16_000.0
    slices: tuple[int, ...] = (0, 19)

    def __post_init__(self) -> None:
        check_types("readout", self)
        for name in ("noise", "threshold", "threshold_dispersion"):
            check(
                "readout",
                name,
                getattr(self, name),
                0 <= getattr(self, name) <= MOST_CHARGE,
                f"from 0 to {MOST_CHARGE:g} e",
            )
        if self.adc_bits and not 2 <= self.adc_bits <= 8:
            raise InputError(f"readout: adc_bits must be 0 (analogue) or 2 to 8 and is {self.adc_bits}")
        if self.adc_bits and self.threshold <= 0:
            raise InputError("readout: the logarithmic ADC starts at the threshold; give a threshold above 0")
        check(
            "readout",
            "adc_max",
            self.adc_max,
            0 < self.adc_max <= MOST_CHARGE,
            f"positive and at most {MOST_CHARGE:g} e",
        )
        if self.adc_bits and self.adc_max <= self.threshold:
            raise InputError(
                f"readout: adc_max must lie above the threshold of {self.threshold} e and is {self.adc_max}"
            )
        if list(self.slices) != sorted(set(self.slices)) or not self.slices:
            raise InputError(f"readout: slices must ascend and is {self.slices}")
        if self.slices[0] < 0 or self.slices[-1] >= N_SLICES:
            raise InputError(f"readout: slices go from 0 to {N_SLICES - 1} and are {self.slices}")


def adc_levels(options: ReadoutOptions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower edges and values (e) of the levels above 0 and, negative, below it.

    One code is 0. With more than 2 bits a quarter of the codes are for the negative lobes that moving
    carriers induce on neighbours, with 2 bits all three are for positive charge; edges are equidistant in the
    logarithm, from the threshold to ``adc_max``; the value of a level is the geometric mean of its edges.
    """
    n_negative = 2**options.adc_bits // 4 if options.adc_bits > 2 else 0
    n_positive = 2**options.adc_bits - 1 - n_negative
    ratio = (options.adc_max / options.threshold) ** (1 / n_positive)
    edges = options.threshold * ratio ** np.arange(n_positive)
    values = edges * math.sqrt(ratio)
    return (
        np.concatenate([-edges[:n_negative][::-1], edges]),
        np.concatenate([-values[:n_negative][::-1], values]),
    )


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
    threshold = np.full((len(charge), 1), options.threshold, dtype=np.float32)
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


def noise_pixel_rate(options: ReadoutOptions) -> float:
    """Probability that noise alone lifts the last slice of a pixel over the threshold."""
    if options.noise == 0:
        return 0.0
    # Mean over the pixels' thresholds.
    steps = np.linspace(-8, 8, 4001)
    thresholds = np.maximum(options.threshold + options.threshold_dispersion * steps, 0.0)
    weight = norm.pdf(steps)
    return float((weight * norm.sf(thresholds / options.noise)).sum() / weight.sum())


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
            wanted = key[i] - step
            j = np.searchsorted(key, wanted)
            if j < n and key[j] == wanted:
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
    told = made_by.get("readout") or (options.get("readout") if isinstance(options, Mapping) else None)
    if not isinstance(told, Mapping) or not told.get("adc_bits"):
        return
    given = {k: told[k] for k in ("threshold", "adc_bits", "adc_max") if k in told}
    found, _ = adc_levels(ReadoutOptions(**given))
    if len(found) != len(edges) or not np.allclose(found, edges, rtol=1e-3):
        raise InputError(
            f"{where}: the charges were digitised with the edges {found.round().tolist()} e and the "
            f"network's ADC has "
            f"{np.round(edges).tolist()}; simulate with the network's (or with --adc-bits 0), or train a "
            f"network for these"
        )
