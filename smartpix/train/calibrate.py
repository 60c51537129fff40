"""What comes after a training: calibration on clusters held out, and the test on others; and calibration of
weights in the conditions of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fused import FusedFixedNetwork
from smartpix.estimate.base import same_sensor, sensor_words
from smartpix.estimate.calibrate import fit_calibration, fit_length
from smartpix.estimate.descriptions import load_network_weights
from smartpix.estimate.mdn import TRUNCATED_SCALE, MdnNetwork, shapes_of_images
from smartpix.estimate.quality import quality
from smartpix.files import check_writable
from smartpix.networks.weights import check_output, save_weights, weights_path
from smartpix.provenance import by_path, origin
from smartpix.samples import AS_THEY_ARE, Reading, Samples, load_samples
from smartpix.schema import InputError
from smartpix.simulate.readout import check_adc
from smartpix.train.inputs import split

__all__ = ["calibrate_and_test", "recalibrate"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

RARE = 5e-4
"""Share of outputs that may saturate on the link, at either end."""
FEWEST_TRUNCATED = 100
"""Truncated clusters from which the factor on their sigmas is measured."""
SMALLEST_INFLATION = 1.5


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
    description = {
        k: v
        for k, v in description.items()
        if k not in ("calibration", "truncated_scale", "length", "metrics", "output_range")
    }
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
    held = np.concatenate([tuning, test])
    cut = held[samples.truncated[held]]
    description["truncated_scale"] = _truncated_scale(calibrated, samples.images[cut], samples.targets[cut])
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
    check_output(output)
    source = weights_path(str(weights))
    check_writable(output, [source])
    arrays, description = load_network_weights(weights, "mdn", "fixed")
    reading = Reading(description["slices"], reading.readout, reading.sensor)
    samples = load_samples(files, description["region"], reading)
    if not same_sensor(samples.sensor, description["sensor"]):
        raise InputError(
            f"{samples.files[0]}: clusters of {sensor_words(samples.sensor)}, and {weights} was trained for "
            f"{sensor_words(description['sensor'])}; train others (smartpix train mdn)"
        )
    raw = MdnNetwork.from_arrays(arrays, description)
    if isinstance(raw.fused, FusedFixedNetwork):
        check_adc(samples.made_by, raw.fused.network.edges, str(weights))
    _, tuning, test = split(samples, 1.0)
    calibrated, metrics = calibrate_and_test(arrays, description, samples, tuning, test)
    metrics["n_calibration"] = int((~samples.truncated[tuning]).sum())
    calibrated |= {
        "calibrated_on": dict(samples.made_by),
        "provenance": origin(by_path(samples.files) | {source.name: source}),
        # What the training told of itself stays.
        "metrics": dict(description.get("metrics", {})) | metrics,
    }
    save_weights(output, arrays, calibrated)
    return metrics


def _truncated_scale(network: MdnNetwork, images: npt.NDArray[np.float32], targets: Floats) -> list[float]:
    """Factors on the sigmas, never below 1.5, with which 95 % of the truncated clusters are within two of
    them.
    """
    if len(images) < FEWEST_TRUNCATED:
        return [TRUNCATED_SCALE] * 4
    mean, cholesky = network.predict_images(images)
    pull = np.abs(targets - mean) / np.linalg.norm(cholesky, axis=2)
    return [float(v) for v in np.maximum(np.percentile(pull, 95.45, axis=0) / 2, SMALLEST_INFLATION)]
