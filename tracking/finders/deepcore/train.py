"""Training of DeepCore on simulated event files, with checkpoints and a report."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smartpix.files import as_paths
from smartpix.networks.weights import check_output
from smartpix.train.epoch import descend
from tracking.finders.deepcore.batches import PT_UNIT, JetEvent, batches, jet_events
from tracking.finders.deepcore.loss import deepcore_loss
from tracking.finders.deepcore.network import ARCHITECTURE, DeepCoreNetwork
from tracking.finders.deepcore.options import TrainDeepCoreOptions
from tracking.finders.deepcore.report import seed_report
from tracking.finders.training import (
    EpochLoss,
    Fit,
    checkpoint_path,
    falling_rate,
    made_with,
    n_parameters,
    save_trained,
)

log = logging.getLogger(__name__)

__all__ = ["train_deepcore"]


def train_deepcore(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainDeepCoreOptions,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train on event files and save the weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads.

    Returns:
        ``loss`` and what :func:`tracking.finders.deepcore.report.seed_report` gives, on events used for
        nothing else; ``parameters``, ``n_train``, ``n_test`` (jets), ``epochs``.

    Raises:
        InputError: unusable files, files without jets, or a checkpoint of other options.
    """
    check_output(output)
    files = as_paths(files)
    train, held = jet_events(files, options, report)
    torch.manual_seed(options.seed)
    network = DeepCoreNetwork(options.maps)
    n_train, n_test = (sum(len(event.jets) for event in part) for part in (train, held))
    settings = made_with(options, files, jets=[n_train, n_test])
    _fit(network, train, held, options, checkpoint_path(output), settings, report)
    loss = _held_out_loss(network, held, options)
    with torch.no_grad():
        network.first.weight[:, -1] /= PT_UNIT
    metrics = {
        "loss": loss, **seed_report(network, held, options), "parameters": n_parameters(network),
        "n_train": n_train, "n_test": n_test, "epochs": options.epochs,
    }  # fmt: skip
    save_trained(output, network, ARCHITECTURE, options, files, metrics)
    return metrics


def _fit(
    network: DeepCoreNetwork,
    train: Sequence[JetEvent],
    held: Sequence[JetEvent],
    options: TrainDeepCoreOptions,
    checkpoint: Path,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> None:
    """All epochs that are left."""
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    n_steps = max(sum(len(event.jets) for event in train) // options.batch_size, 1)

    def one_epoch(epoch: int) -> EpochLoss:
        total, step = 0.0, 0
        rng = np.random.default_rng([options.seed, epoch])
        network.train()
        for maps, target in batches(train, options, rng, mirror=True):
            progress = min((epoch + step / n_steps) / options.epochs, 1.0)
            for group in optimizer.param_groups:
                group["lr"] = falling_rate(options.learning_rate, progress)
            loss = deepcore_loss(network(maps), target)
            descend(network, optimizer, loss)
            total, step = total + float(loss.detach()), step + 1
        held_loss = _held_out_loss(network, held, options)
        return EpochLoss(total / max(step, 1), held_loss, epoch, options.epochs)

    Fit("train deepcore", network, optimizer, options.learning_rate, checkpoint, settings, report).run(
        options.epochs, one_epoch
    )


@torch.inference_mode()
def _held_out_loss(
    network: DeepCoreNetwork, held: Sequence[JetEvent], options: TrainDeepCoreOptions
) -> float:
    """Mean loss of the batches of held-out jets, always about the same axes."""
    network.eval()
    rng = np.random.default_rng(options.seed)
    losses = [
        float(deepcore_loss(network(maps), target))
        for maps, target in batches(held, options, rng, mirror=False)
    ]
    return float(np.mean(losses)) if losses else math.nan
