"""Training of the trigger's network on sectors of simulated events, in floating point or in whole numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from smartpix.files import as_paths
from smartpix.networks.weights import check_output, load_arrays, load_weights, save_weights
from smartpix.schema import InputError
from smartpix.train.epoch import descend
from tracking.finders.gnn.evaluate import platt
from tracking.finders.training import (
    EpochLoss,
    Fit,
    checkpoint_path,
    falling_rate,
    made_with,
    n_parameters,
    save_trained,
    trained_description,
)
from tracking.finders.trigger import whole
from tracking.finders.trigger.dataset import SectorTensors, sectors_of_files
from tracking.finders.trigger.graphs import feature_counts
from tracking.finders.trigger.network import ARCHITECTURE, InteractionNetwork
from tracking.finders.trigger.options import TrainTriggerOptions
from tracking.finders.trigger.quantized import QuantizedInteraction, calibrate, from_float
from tracking.finders.trigger.shape import InteractionBits, InteractionShape

log = logging.getLogger(__name__)

__all__ = ["auc_of", "fit_network", "logits_of", "quantized_network", "train_trigger"]

Network = InteractionNetwork | QuantizedInteraction

CALIBRATED_ON = 4096
"""Sectors that the formats of results are taken from."""
AT_A_TIME = 4096
"""Sectors that are scored together."""
FREE = 0.3
"""Share of the epochs without rounding, where the training starts from no weights."""


def train_trigger(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainTriggerOptions,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train on event files and save the weights: in floating point, or with ``options.bits`` in whole
    numbers.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads.

    Returns:
        ``loss`` and ``auc`` of the edges of sectors that were used for nothing else, an edge counting as
        often as it is in a sector; ``parameters``, ``n_train``, ``n_test`` (sectors), ``epochs``.

    Raises:
        InputError: unusable files, weights to start from that are of another network, or a checkpoint of
            other options.
    """
    check_output(output)
    files = as_paths(files)
    network = _new_network(options)
    train, held = sectors_of_files(files, options, report)
    settings = made_with(options, files, sectors=[len(train), len(held)])
    _begin(network, train, options)
    fit_network(network, train, held, options, checkpoint_path(output), settings, report)
    loss, auc = _loss(network, held), auc_of(network, held)
    metrics = {
        "loss": loss, "auc": auc, "parameters": n_parameters(network), "n_train": len(train),
        "n_test": len(held), "epochs": options.epochs,
    }  # fmt: skip
    # On the host, behind the logic: it takes no part in what is compared bit for bit.
    calibration = platt(logits_of(network, held)[held.valid], held.label[held.valid])
    if isinstance(network, InteractionNetwork):
        save_trained(output, network, ARCHITECTURE, options, files, metrics, calibration=calibration)
    else:
        fixed = whole.to_whole(network)
        description = trained_description(
            whole.ARCHITECTURE, options, files, metrics, calibration=calibration
        )
        save_weights(output, whole.to_arrays(fixed), description | whole.describe(fixed))
        checkpoint_path(output).unlink(missing_ok=True)
    return metrics


def _new_network(options: TrainTriggerOptions) -> Network:
    torch.manual_seed(options.seed)
    network = InteractionNetwork(InteractionShape(*feature_counts(options.graph.features), options.hidden))
    if options.start:
        load_arrays(network, _start(options), options.start)
    return quantized_network(network, options.bits) if options.bits else network


def _start(options: TrainTriggerOptions) -> dict[str, Any]:
    """Arrays of the weights to start from.

    Raises:
        InputError: they were trained on another graph.
    """
    arrays, description = load_weights(options.start, ARCHITECTURE)
    trained, asked = description.get("options", {}), asdict(options)
    for name in ("hidden", "graph"):
        if trained.get(name) != asked[name]:
            raise InputError(
                f"{options.start}: was trained with other options of '{name}'; give the same ones, or train "
                f"without --start"
            )
    return dict(arrays)


def quantized_network(network: InteractionNetwork, bits: int) -> QuantizedInteraction:
    """A network of whole numbers, all of so many bits, with the weights of one in floating point."""
    model = QuantizedInteraction(network.shape, InteractionBits(bits, (bits,), (bits,)))
    from_float(model, network)
    return model


def _begin(network: Network, train: SectorTensors, options: TrainTriggerOptions) -> None:
    """Before the first epoch: scales of the features, and formats of the results."""
    if isinstance(network, InteractionNetwork):
        if not options.start:
            network.fit_scales(*train.inputs)
        return
    if not options.start:
        plain = InteractionNetwork(network.shape)
        plain.fit_scales(*train.inputs)
        network.node_scale.copy_(plain.node_scale)
        network.edge_scale.copy_(plain.edge_scale)
    calibrate(network, *train.take(torch.arange(min(CALIBRATED_ON, len(train)))).inputs)


def fit_network(
    network: Network,
    train: SectorTensors,
    held: SectorTensors,
    options: TrainTriggerOptions,
    checkpoint: Path,
    settings: dict[str, Any],
    report: Callable[[str], None] = log.info,
) -> None:
    """All epochs that are left; true and false edges have the same weight in all."""
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    share = float(train.label.sum() / train.valid.sum())
    n_steps = max(len(train) // options.batch_size, 1)
    free = 0 if options.start else int(FREE * options.epochs)

    def one_epoch(epoch: int) -> EpochLoss:
        total = 0.0
        order = torch.from_numpy(np.random.default_rng([options.seed, epoch]).permutation(len(train)))
        if isinstance(network, QuantizedInteraction):
            network.begin_epoch(epoch, options.epochs, free)
            if epoch == free and free:
                calibrate(network, *train.take(order[:CALIBRATED_ON]).inputs)
        network.train()
        for step, rows in enumerate(torch.tensor_split(order, n_steps)):
            for group in optimizer.param_groups:
                progress = (epoch + step / n_steps) / options.epochs
                group["lr"] = falling_rate(options.learning_rate, progress)
            batch = train.take(rows)
            loss = _edge_loss(network(*batch.inputs), batch, share)
            descend(network, optimizer, loss)
            total += float(loss.detach())
        return EpochLoss(total / n_steps, _loss(network, held), epoch, options.epochs)

    Fit("train trigger", network, optimizer, options.learning_rate, checkpoint, settings, report).run(
        options.epochs, one_epoch
    )


def _edge_loss(logits: Tensor, batch: SectorTensors, share: float) -> Tensor:
    """Mean over the edges that are there; ``share`` of them are true, and both kinds weigh the same in
    all.
    """
    label, weight = batch.label[batch.valid], None
    if 0 < share < 1:
        weight = torch.where(label > 0, 0.5 / share, 0.5 / (1 - share))
    return binary_cross_entropy_with_logits(logits[batch.valid], label, weight)


@torch.inference_mode()
def logits_of(network: Network, sectors: SectorTensors) -> Tensor:
    """(S, M) logits of sectors; those of padded edges mean nothing."""
    network.eval()
    parts = torch.split(torch.arange(len(sectors)), AT_A_TIME)
    return torch.cat([network(*sectors.take(rows).inputs) for rows in parts])


def _loss(network: Network, sectors: SectorTensors) -> float:
    share = float(sectors.label.sum() / sectors.valid.sum())
    return float(_edge_loss(logits_of(network, sectors), sectors, share))


def auc_of(network: Network, sectors: SectorTensors) -> float:
    """Area under the curve of the edges of sectors, true against false."""
    logits = logits_of(network, sectors)[sectors.valid].numpy()
    return float(roc_auc_score(sectors.label[sectors.valid].numpy() > 0, logits))
