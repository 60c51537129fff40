"""Training of networks of several components: sets of particles, and one particle's possibilities."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from smartpix.chip.options import QuantizedOptions
from smartpix.estimate.mixture import MIXTURE, MOST_COMPONENTS, load_mixture_weights, outputs_of
from smartpix.files import as_paths
from smartpix.networks.mixtures import (
    mixture_negative_log_likelihood,
    ordered_negative_log_likelihood,
    set_negative_log_likelihood,
)
from smartpix.networks.weights import check_output
from smartpix.samples import AS_THEY_ARE, Reading, Samples
from smartpix.schema import REGIONS, InputError, check, quoted
from smartpix.train.components import calibrate_components, component_samples
from smartpix.train.inputs import scaled_targets
from smartpix.train.loop import train_task
from smartpix.train.options import TrainMixtureOptions
from smartpix.train.task import Task

log = logging.getLogger(__name__)

__all__ = ["mixture_task", "train_mixture", "train_mixture_on"]

Report = Callable[[str], None]


def mixture_task(sort: str, n: int, order: str = "any") -> Task[Samples]:
    """What networks of ``n`` components learn: of a ``set`` each particle, of a ``mixture`` one particle's
    possibilities.

    Args:
        order: of the particles of a set, as of :class:`smartpix.train.options.TrainMixtureOptions`.
    """

    def losses(raw: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if sort == MIXTURE:
            return mixture_negative_log_likelihood(raw, target)
        if order == "any":
            return set_negative_log_likelihood(raw, target)
        return ordered_negative_log_likelihood(raw, target, target[:, :, 1])

    return Task(
        sort, "", outputs_of(sort, n), scaled_targets, losses, _moved, load_mixture_weights,
        calibrate_components,
    )  # fmt: skip


def _moved(target: torch.Tensor, signs: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Targets (..., 4) of mirrored and shifted clusters."""
    target = target * signs
    target[..., :2] += step
    return target


def train_mixture(
    files: str | Path | Sequence[str | Path],
    region: str,
    output: str | Path,
    options: TrainMixtureOptions,
    sort: str,
    n: int,
    report: Report = log.info,
    *,
    reading: Reading = AS_THEY_ARE,
    start: str | Path | None = None,
) -> dict[str, Any]:
    """Train on files, calibrate on held-out clusters, and save the weights.

    Args:
        files: event files or data sets.
        region: ``"barrel"`` or ``"endcap"``.
        output: weights to write (.safetensors).
        sort: ``"set"``: each component is a particle of a cluster of ``n`` (3: or more); ``"mixture"``: each
            is one possibility of a single particle.
        n: components, 2 or 3.
        report: called with a line per epoch.
        reading: slices, readout and sensor.
        start: weights of the same network to start from.

    Returns:
        As :func:`smartpix.train.loop.train_task`, with :func:`smartpix.train.components.component_quality`.

    Raises:
        InputError: unusable files or options, or a checkpoint of other options.
    """
    if region not in REGIONS:
        raise InputError(f"region {quoted(region)} is unknown; use {' or '.join(REGIONS)}")
    check("train mixture", "components", n, 2 <= n <= MOST_COMPONENTS, f"2 to {MOST_COMPONENTS}")
    check_output(output)
    samples = component_samples(as_paths(files), region, sort, n, reading, options.min_share)
    return train_mixture_on(samples, region, output, options, sort, n, report, start)


def train_mixture_on(
    samples: Samples,
    region: str,
    output: str | Path,
    options: TrainMixtureOptions,
    sort: str,
    n: int,
    report: Report = log.info,
    start: str | Path | None = None,
) -> dict[str, Any]:
    """Train on clusters in memory; arguments and results of :func:`train_mixture`.

    Raises:
        InputError: as :func:`smartpix.train.loop.train_task`, or a network of whole numbers.
    """
    if isinstance(options.network, QuantizedOptions):
        raise InputError("train mixture: networks of whole numbers give one estimate; train a float one")
    task = mixture_task(sort, n, options.order)
    return train_task(task, samples, region, output, options, report, start, {"components": n})
