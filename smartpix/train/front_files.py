"""Training of the front's networks on files, and their weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.base import same_sensor, sensor_words
from smartpix.files import as_paths
from smartpix.merged.ecal import FRONT, FrontNetwork, load_front
from smartpix.merged.front import sizes
from smartpix.merged.quality import area_under_curve, found_at
from smartpix.merged.samples import MergedSamples, load_merged
from smartpix.networks.weights import check_output, load_weights, save_weights
from smartpix.provenance import by_path, origin
from smartpix.samples import AS_THEY_ARE, Reading
from smartpix.schema import REGIONS, InputError, quoted
from smartpix.train.front import front_probabilities, train_front
from smartpix.train.front_options import TrainFrontOptions

log = logging.getLogger(__name__)

__all__ = ["train_front_on_files"]

HELD_OUT = 0.2
"""Share of each file's clusters, the last ones, that test the network."""


def train_front_on_files(
    files: str | Path | Sequence[str | Path],
    region: str,
    output: str | Path,
    options: TrainFrontOptions,
    report: Callable[[str], None] = log.info,
    *,
    reading: Reading = AS_THEY_ARE,
    start: str | Path | None = None,
) -> dict[str, Any]:
    """Train a network that tells clusters of one particle from those of more, and save its weights.

    Clusters that are cut neither train nor test.

    Args:
        files: as :func:`smartpix.merged.samples.load_merged`.
        region: ``"barrel"`` or ``"endcap"``.
        output: weights to write (.safetensors).
        options: the clusters give the shape of the network's input.
        report: called with a line per epoch.
        reading: slices, readout and sensor.
        start: weights of the same network to go on from, trained on simpler clusters.

    Returns:
        ``parameters`` and ``moving`` averages, ``n_train`` and ``n_test``; of one against two particles
        ``auc`` and the ``efficiency`` for two of :func:`smartpix.merged.quality.found_at`.

    Raises:
        InputError: unusable files or weights, weights to go on from of another region, sensor or other
            slices, or clusters of one kind only.
    """
    if region not in REGIONS:
        raise InputError(f"region {quoted(region)} is unknown; use {' or '.join(REGIONS)}")
    check_output(output)
    samples = load_merged(as_paths(files), region, reading)
    n_slices, n_rows, n_columns = samples.images.shape[1:]
    network_options = replace(options.network, n_slices=n_slices, n_rows=n_rows, n_columns=n_columns)
    options = replace(options, network=network_options)
    train, test = _rows(samples)
    one, two = (test[samples.count[test] == n] for n in (1, 2))
    if len(one) == 0 or len(two) == 0:
        raise InputError(
            f"train front: {len(one)} clusters of one particle and {len(two)} of two are left to test with; "
            "give files with merged clusters (smartpix simulate crossings --together 1 2 3)"
        )
    label = (samples.count > 1).astype(np.int64)
    begun = None if start is None else _started(start, samples, region)
    network = train_front(samples.images[train], label[train], options, begun, report)
    single, double = (front_probabilities(network, samples.images[rows]) for rows in (one, two))
    size = sizes(network_options)
    metrics = {
        "parameters": size.trained, "moving": size.moving, "n_train": len(train), "n_test": len(test),
        "auc": area_under_curve(double, single), "efficiency": found_at(single, double),
    }  # fmt: skip
    description = {
        "architecture": FRONT, "network": asdict(network_options), "region": region,
        "sensor": dict(samples.sensor), "slices": list(samples.slices), "options": asdict(options),
        "data": dict(samples.made_by), "start": None if start is None else Path(start).name,
        "provenance": origin(by_path(samples.files)), "metrics": metrics,
    }  # fmt: skip
    save_weights(output, {k: v.numpy() for k, v in network.state_dict().items()}, description)
    return metrics


def _started(start: str | Path, samples: MergedSamples, region: str) -> FrontNetwork:
    """The network to go on from, which must be of the same region, sensor and slices."""
    network, (_, known) = load_front(start), load_weights(start, FRONT)
    for what, own, other, same in (
        ("region", known["region"], region, known["region"] == region),
        ("slices", tuple(known["slices"]), samples.slices, tuple(known["slices"]) == tuple(samples.slices)),
        ("sensor", sensor_words(known["sensor"]), sensor_words(samples.sensor),
         same_sensor(samples.sensor, known["sensor"])),
    ):  # fmt: skip
        if not same:
            raise InputError(
                f"{start}: was trained on clusters of the {what} {own}, and these are of {other}; go on from "
                f"weights of the same {what}"
            )
    return network


def _rows(samples: MergedSamples) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Complete clusters to train on, and to test on: the last ones of each file."""
    rows: tuple[list[npt.NDArray[np.int64]], ...] = ([], [])
    first = 0
    for n in samples.parts or (len(samples),):
        middle = first + int((1 - HELD_OUT) * n)
        for part, low, high in zip(rows, (first, middle), (middle, first + n), strict=True):
            part.append(low + np.flatnonzero(~samples.truncated[low:high]))
        first += n
    return np.concatenate(rows[0]), np.concatenate(rows[1])
