"""Training of the networks that count the particles of a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

from smartpix.chip.options import QuantizedOptions
from smartpix.files import as_paths
from smartpix.merged.count import CountNetwork
from smartpix.merged.descriptions import COUNT, COUNT_ON_CHIP, load_count_weights
from smartpix.merged.quality import count_quality
from smartpix.merged.samples import MOST_PARTICLES, MergedSamples, load_merged
from smartpix.networks.weights import check_output
from smartpix.samples import AS_THEY_ARE, Reading
from smartpix.schema import REGIONS, InputError, quoted
from smartpix.simulate.readout import check_adc
from smartpix.train.loop import train_task
from smartpix.train.options import TrainCountOptions
from smartpix.train.recalibrate import save_recalibrated
from smartpix.train.start import Start
from smartpix.train.task import Task

log = logging.getLogger(__name__)

__all__ = ["COUNT_TASK", "fit_scaling", "recalibrate_count", "train_count"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Report = Callable[[str], None]


def train_count(
    files: str | Path | Sequence[str | Path],
    region: str,
    output: str | Path,
    options: TrainCountOptions,
    report: Report = log.info,
    *,
    reading: Reading = AS_THEY_ARE,
    start: str | Path | Start | None = None,
) -> dict[str, Any]:
    """Train on files, calibrate on held-out clusters, and save the weights.

    Args:
        files: event files, or data sets of several particles, see :func:`smartpix.merged.load_merged`.
        region: ``"barrel"`` or ``"endcap"``.
        output: weights to write (.safetensors).
        report: called with a line per epoch.
        reading: slices, readout and sensor.
        start: weights of the same network to start from; of the same kind and sizes in floating point, for a
            quantised one.

    Returns:
        What :func:`smartpix.train.loop.train_task` does, with
        :func:`smartpix.merged.quality.count_quality` of the last held-out clusters.

    Raises:
        InputError: unusable files or weights, a checkpoint of other options, or clusters of which none is of
            one, two or three particles.
    """
    if region not in REGIONS:
        raise InputError(f"region {quoted(region)} is unknown; use {' or '.join(REGIONS)}")
    check_output(output)
    samples = load_merged(files, region, reading)
    missing = sorted(set(range(1, MOST_PARTICLES + 1)) - set(samples.count.tolist()))
    if missing:
        raise InputError(
            f"{as_paths(files)[0]}: has no {region} cluster of {missing[0]} particles, and all numbers are "
            f"needed; simulate groups of crossings (--together 1 2 3)"
        )
    if isinstance(options.network, QuantizedOptions):
        check_adc(samples.made_by, np.array(options.network.edges), str(as_paths(files)[0]))
    return train_task(COUNT_TASK, samples, region, output, options, report, start)


def _targets(samples: MergedSamples, rows: Rows) -> torch.Tensor:
    return torch.from_numpy(samples.count[rows] - 1)


def _losses(raw: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(raw, target, reduction="none")


def _unmoved(target: torch.Tensor, signs: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """A mirrored or shifted cluster is of as many particles."""
    return target


def fit_scaling(raw: Floats, count: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Weights (3, 3) and biases (3,) of the most likely probabilities, the softmax of their sums, of raw
    outputs (N, 3).

    Matrix scaling (C. Guo et al., arXiv 1706.04599): temperature and vector scaling are special cases. So
    many clusters per parameter leave nothing to regularise.
    """
    inputs, rows = np.concatenate([raw, np.ones((len(raw), 1))], axis=1), np.arange(len(raw))
    wanted = np.eye(MOST_PARTICLES)[count - 1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        scores = inputs @ flat.reshape(MOST_PARTICLES, -1).T
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        total = p.sum(axis=1, keepdims=True)
        value = np.mean(np.log(total[:, 0]) - scores[rows, count - 1])
        return float(value), ((p / total - wanted).T @ inputs / len(raw)).reshape(-1)

    first = np.concatenate([np.eye(MOST_PARTICLES), np.zeros((MOST_PARTICLES, 1))], axis=1)
    found = minimize(loss, first.reshape(-1), jac=True, method="BFGS", options={"gtol": 1e-7}).x
    table = found.reshape(MOST_PARTICLES, -1)
    return table[:, :-1], table[:, -1]


def _calibrate_and_test(
    arrays: Mapping[str, npt.NDArray[Any]],
    description: Mapping[str, Any],
    samples: MergedSamples,
    tuning: Rows,
    test: Rows,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description with ``scaling`` and ``mixture``, and the quality of complete clusters of the test."""
    tuning, test = (rows[~samples.truncated[rows]] for rows in (tuning, test))
    raw = CountNetwork.from_arrays(arrays, description).fused.images(samples.images[tuning])
    count = samples.count[tuning]
    weight, bias = fit_scaling(raw.astype(np.float64), count)
    found = dict(description) | {
        "scaling": {"weight": weight.tolist(), "bias": bias.tolist()},
        "mixture": (np.bincount(count, minlength=MOST_PARTICLES + 1)[1:] / len(count)).tolist(),
    }
    tested = samples.take(test)
    return found, count_quality(tested, CountNetwork.from_arrays(arrays, found).of_images(tested.images))


def recalibrate_count(
    weights: str | Path,
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    reading: Reading = AS_THEY_ARE,
) -> dict[str, Any]:
    """Calibrate trained weights on clusters of other files, and save them.

    Arguments and errors as of :func:`smartpix.train.calibrate.recalibrate`.

    Returns:
        :func:`smartpix.merged.quality.count_quality` of the test, and ``n_calibration``.
    """

    def read(description: Mapping[str, Any], reading: Reading) -> MergedSamples:
        return load_merged(files, description["region"], reading)

    return save_recalibrated(
        weights, output, reading, command="count", load=load_count_weights, read=read,
        finish=_calibrate_and_test,
    )  # fmt: skip


COUNT_TASK: Task[MergedSamples] = Task(
    COUNT, COUNT_ON_CHIP, MOST_PARTICLES, _targets, _losses, _unmoved, load_count_weights, _calibrate_and_test
)
"""What they learn: the number of particles of a cluster, by cross-entropy."""
