"""What comes after a training: calibration on clusters held out, and the test on others; and calibration of
weights in the conditions of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.calibrate import fit_calibration, fit_length
from smartpix.estimate.descriptions import load_network_weights
from smartpix.estimate.mdn import TRUNCATED_SCALE, MdnNetwork, shapes_of_images
from smartpix.estimate.quality import quality
from smartpix.samples import AS_THEY_ARE, Reading, Samples, load_samples
from smartpix.train.recalibrate import save_recalibrated

__all__ = ["calibrate_and_test", "recalibrate", "truncated_scale", "uncalibrated"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

RARE = 5e-4
"""Share of outputs that may saturate on the link, at either end."""
FEWEST_TRUNCATED = 100
"""Truncated clusters from which the factor on their sigmas is measured."""
SMALLEST_INFLATION = 1.5
CALIBRATED = ("calibration", "reliability", "truncated_scale", "length", "output_range", "metrics")
"""What calibration and test write into a description."""


def uncalibrated(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description without what an older calibration and its test left there."""
    return {k: v for k, v in description.items() if k not in CALIBRATED}


def truncated_scale(
    samples: Samples, held: Rows, pulls: Callable[[npt.NDArray[np.float32], Floats], Floats]
) -> list[float]:
    """Factors on the sigmas, never below 1.5, with which 95 % of the truncated clusters are within two of
    them.

    Args:
        held: rows that were not trained on. Of fewer than 100 truncated clusters among them, the factors are
            those of networks where none were measured.
        pulls: of images (N, S, R, C) and targets, (M, 4).
    """
    cut = held[samples.truncated[held]]
    if len(cut) < FEWEST_TRUNCATED:
        return [TRUNCATED_SCALE] * 4
    pull = np.abs(pulls(samples.images[cut], samples.targets[cut]))
    return [float(v) for v in np.maximum(np.percentile(pull, 95.45, axis=0) / 2, SMALLEST_INFLATION)]


def calibrate_and_test(
    arrays: Mapping[str, npt.NDArray[Any]],
    description: Mapping[str, Any],
    samples: Samples,
    tuning: Rows,
    test: Rows,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Calibrate trained weights on some clusters they were not trained on, test them on others.

    Args:
        arrays, description: of the network; an older calibration is replaced.
        tuning, test: rows of the samples, see :func:`smartpix.train.inputs.split`.

    Returns:
        The description with ``calibration``, ``truncated_scale`` and, if clusters longer than the window are
        known, ``length``; and :func:`smartpix.estimate.quality.quality` of the test.
    """
    description = uncalibrated(description)
    raw = MdnNetwork.from_arrays(arrays, description)
    complete = tuning[~samples.truncated[tuning]]
    images = samples.images[complete]
    if "fixed" in description:
        outputs = raw.fused.images(images)
        ends = np.percentile(outputs, (100 * RARE, 100 * (1 - RARE)), axis=0)
        description["output_range"] = [[float(low), float(high)] for low, high in ends.T]
    mean, cholesky = raw.predict_images(images)
    # Of a chip's cluster the host has the outputs, not the pixels.
    shapes = None if "fixed" in description else shapes_of_images(images)
    description["calibration"] = fit_calibration(mean, cholesky, samples.targets[complete], shapes, raw.cells)
    calibrated = MdnNetwork.from_arrays(arrays, description)

    def pulls(images: npt.NDArray[np.float32], targets: Floats) -> Floats:
        mean, cholesky = calibrated.predict_images(images)
        return np.asarray((targets - mean) / np.linalg.norm(cholesky, axis=2))

    description["truncated_scale"] = truncated_scale(samples, np.concatenate([tuning, test]), pulls)
    long = np.flatnonzero(samples.columns > samples.images.shape[3])
    length = fit_length(samples.columns[long], samples.targets[long, 2], raw.cells[0])
    if length is not None and shapes is not None:
        description["length"] = length
    images, truncated = samples.images[test], samples.truncated[test]
    mean, cholesky = calibrated.predict_images(images, truncated)
    sizes = shapes_of_images(images)[:, 1:]
    return description, quality(
        mean, cholesky, samples.targets[test], truncated, description["region"], sizes
    )


def recalibrate(
    weights: str | Path,
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    reading: Reading = AS_THEY_ARE,
) -> dict[str, Any]:
    """Calibrate trained weights on clusters of other files, and save them.

    Weights trained where conditions vary have wider sigmas than clusters of one condition need. Half of each
    part of the files calibrates, and the other half is the test.

    Args:
        weights: shipped ones by name, or others by path, of either kind of network.
        files: event files or data sets, as :func:`smartpix.samples.load_samples` takes them.
        output: weights to write (.safetensors); they may not be those to read.
        reading: readout and sensor of data sets; slices are those of the weights.

    Returns:
        :func:`smartpix.estimate.quality.quality` of the test, and ``n_calibration``.

    Raises:
        InputError: unusable files or weights, clusters of another sensor, or too few.
    """

    def read(description: Mapping[str, Any], reading: Reading) -> Samples:
        return load_samples(files, description["region"], reading)

    return save_recalibrated(
        weights, output, reading, command="mdn", read=read, finish=calibrate_and_test,
        load=lambda name: load_network_weights(name, "mdn", "fixed"),
    )  # fmt: skip
