"""Trained weights calibrated on clusters of other files: what is alike for all networks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from smartpix.estimate.base import same_sensor, sensor_words
from smartpix.estimate.calibrate_components import FEWEST
from smartpix.estimate.conditions import calibrated_elsewhere
from smartpix.estimate.descriptions import Weights
from smartpix.files import check_writable
from smartpix.networks.weights import check_output, save_weights, weights_path
from smartpix.provenance import by_path, origin
from smartpix.samples import Reading
from smartpix.schema import InputError
from smartpix.simulate.readout import check_adc
from smartpix.train.inputs import split
from smartpix.train.task import Finish, S

__all__ = ["save_recalibrated"]

log = logging.getLogger(__name__)


def save_recalibrated(
    weights: str | Path,
    output: str | Path,
    reading: Reading,
    *,
    command: str,
    load: Callable[[str | Path], Weights],
    read: Callable[[Mapping[str, Any], Reading], S],
    finish: Finish[S],
) -> dict[str, Any]:
    """Calibrate trained weights on half of each part of some clusters, test them on the other half, and save
    them.

    Args:
        weights, output, reading: as of :func:`smartpix.train.calibrate.recalibrate`.
        command: of ``smartpix train``, which makes such weights.
        load: weights by name or path, checked in full.
        read: the clusters for a description's network.
        finish: as of :class:`smartpix.train.task.Task`.

    Returns:
        What ``finish`` found in the test, and ``n_calibration``.

    Raises:
        InputError: unusable files or weights, or clusters of another sensor or ADC, or too few.
    """
    check_output(output)
    source = weights_path(str(weights))
    check_writable(output, [source])
    arrays, description = load(weights)
    samples = read(description, Reading(description["slices"], reading.readout, reading.sensor))
    if not same_sensor(samples.sensor, description["sensor"]):
        raise InputError(
            f"{samples.files[0]}: clusters of {sensor_words(samples.sensor)}, and {weights} was trained for "
            f"{sensor_words(description['sensor'])}; train others (smartpix train {command})"
        )
    if "fixed" in description:
        check_adc(samples.made_by, arrays["edges"], str(weights))
    if far := calibrated_elsewhere(samples.made_by, description):
        log.warning("%s: %s; pulls are of unit width in the latter alone", weights, far)
    _, tuning, test = split(samples, 1.0)
    complete, needed = int((~samples.truncated[tuning]).sum()), FEWEST * int(description.get("components", 1))
    if complete < needed:
        raise InputError(
            f"{samples.files[0]}: has {len(samples)} {description['region']} clusters such as {weights} was "
            f"trained on. Half of them leave {complete} complete ones to calibrate with, and {needed} are "
            "needed; give more events, or groups of crossings (smartpix simulate crossings --together 1 2 3)"
        )
    calibrated, metrics = finish(arrays, description, samples, tuning, test)
    metrics["n_calibration"] = complete
    calibrated |= {
        "calibrated_on": dict(samples.made_by),
        "provenance": origin(by_path(samples.files) | {source.name: source}),
        # What the training told of itself stays.
        "metrics": dict(description.get("metrics", {})) | metrics,
    }
    save_weights(output, arrays, calibrated)
    return metrics
