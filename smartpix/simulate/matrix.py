"""Readout of the pixel matrix: the signals of crossings to digitised pixels with their clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.cluster_records import Pixels
from smartpix.geometry import Detector
from smartpix.schema import InputError
from smartpix.simulate.options import ReadoutOptions
from smartpix.simulate.readout import digitise, label_clusters, noise_pixel_rate

__all__ = ["Signals", "read_out"]


@dataclass(frozen=True)
class Signals:
    """Charge (K, S) in e that crossings (K,) induce in pixels."""

    crossing: npt.NDArray[Any]
    row: npt.NDArray[Any]
    column: npt.NDArray[Any]
    charge: npt.NDArray[np.float32]


def read_out(
    signals: Signals, module: npt.NDArray[np.int32], detector: Detector, readout: ReadoutOptions,
    rng: np.random.Generator,
) -> tuple[Pixels, npt.NDArray[np.int64]]:  # fmt: skip
    """All pixels with a signal or noise over the threshold, cluster -1 where they are in none; and (K,) the
    pixel of each signal.

    Args:
        module: of each crossing.
    """
    # Sum over particles on each pixel.
    width, height = int(detector.n_columns.max()), int(detector.n_rows.max())
    key = (module[signals.crossing].astype(np.int64) * height + signals.row) * width + signals.column
    common = np.zeros((len(detector), len(readout.slices)), dtype=np.float32)
    if readout.common_mode > 0:
        common += np.float32(readout.common_mode) * rng.standard_normal(common.shape, dtype=np.float32)
    noise_keys = _noise_pixels(detector, readout, common[:, -1], width, height, rng)
    keys, inverse = np.unique(np.concatenate([key, noise_keys]), return_inverse=True)
    n_slices = len(readout.slices)
    total = np.zeros((len(keys), signals.charge.shape[1]), dtype=np.float32)
    np.add.at(total, inverse[: len(key)], signals.charge)
    slow, dead = (
        _marked(keys, mark, share) for mark, share in ((1, readout.slow_pixels), (2, readout.dead_pixels))
    )
    if readout.slow_pixels > 0:
        total = np.where(slow[:, None], total[:, n_slices:], total[:, :n_slices])
    charge = digitise(total + common[keys // (width * height)], readout, rng)
    # A pixel drawn as one that noise lifts over the threshold is read, if with the smallest charge there is.
    forced = inverse[len(key) :]
    quiet = forced[charge[forced, -1] == 0]
    mean_threshold = readout.threshold * readout.threshold_scale
    smallest = np.full((1, len(readout.slices)), mean_threshold, dtype=np.float32)
    charge[quiet, -1] = digitise(smallest, _noiseless(readout), rng)[0, -1]
    charge[dead] = 0
    place = (
        (keys // (width * height)).astype(np.int32),
        (keys // width % height).astype(np.int32),
        (keys % width).astype(np.int32),
    )
    return Pixels(_cluster_numbers(*place, charge), *place, charge), inverse[: len(key)]


def _marked(keys: npt.NDArray[np.int64], mark: int, share: float) -> npt.NDArray[np.bool_]:
    """(P,) a share of all pixels, the same ones in every event and file: the hash of their number is small.

    Hash: the mixing step of SplitMix64 (G. L. Steele et al., OOPSLA 2014).
    """
    if share == 0:
        return np.zeros(len(keys), dtype=bool)
    z = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(mark)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray(z / 2.0**64 < share)


def _cluster_numbers(
    module: npt.NDArray[np.int32],
    row: npt.NDArray[np.int32],
    column: npt.NDArray[np.int32],
    charge: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """(P,) number of each pixel's cluster, -1 for pixels in none."""
    fired = np.any(charge != 0, axis=1)
    label = np.full(len(module), -1, dtype=np.int64)
    label[fired] = label_clusters(module[fired], row[fired], column[fired])
    # A cluster needs a hit: a pixel over threshold at the end of the charge collection.
    n_labels = int(label.max()) + 1 if len(label) else 0
    hit = np.zeros(n_labels, dtype=bool)
    hit[label[fired & (charge[:, -1] > 0)]] = True
    number = np.where(hit, np.cumsum(hit) - 1, -1)
    return np.where(label >= 0, number[label], -1) if n_labels else label


def _noiseless(readout: ReadoutOptions) -> ReadoutOptions:
    return replace(readout, noise=0.0, threshold_dispersion=0.0)


def _noise_pixels(
    detector: Detector, readout: ReadoutOptions, common: npt.NDArray[np.float32], width: int, height: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:  # fmt: skip
    """Keys of the pixels that noise, with the shift ``common`` (M,) of their module in e, lifts over the
    threshold.
    """
    n_pixels = detector.n_rows.astype(np.int64) * detector.n_columns
    weight = n_pixels / n_pixels.sum()
    if readout.common_mode > 0:
        # The rate on a grid of shifts, interpolated in its logarithm, which is nearly a parabola.
        grid = np.linspace(common.min(), common.max(), 101)
        with np.errstate(divide="ignore"):
            rates = np.exp(np.interp(common, grid, np.log(noise_pixel_rate(readout, grid))))
        expected = float((n_pixels * rates).sum())
        weight = n_pixels * rates / expected if expected > 0 else weight
    else:
        expected = float(n_pixels.sum()) * float(noise_pixel_rate(readout))
    if expected > 1e6:
        raise InputError(
            f"readout: noise {readout.noise} e, threshold {readout.threshold} e and its dispersion "
            f"{readout.threshold_dispersion} e would fire {expected:.2g} empty pixels an event; raise the "
            "threshold to at least 4.5 x noise, dispersion and common mode added in quadrature"
        )
    count = int(rng.poisson(expected))
    module = rng.choice(len(detector), count, p=weight)
    row = (rng.random(count) * detector.n_rows[module]).astype(np.int64)
    column = (rng.random(count) * detector.n_columns[module]).astype(np.int64)
    return (module.astype(np.int64) * height + row) * width + column
