"""Training of the interaction network on event files, with checkpoints, resume, early stopping and a report.

First its screen learns, from all edges; then the network, from those that pass; then its scores are made
probabilities.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data

from smartpix.files import as_paths
from smartpix.networks.weights import check_output
from tracking.finders.gnn.epochs import Epoch, mean_loss, screen_cut, screened, standardise, train_epoch
from tracking.finders.gnn.evaluate import calibrate, evaluate
from tracking.finders.gnn.network import ARCHITECTURE, InteractionNetwork
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.finders.gnn.training_graphs import Graphs, graphs_of_files, n_edges
from tracking.finders.training import EpochLoss, Fit, checkpoint_path, made_with, n_parameters, save_trained

log = logging.getLogger(__name__)

__all__ = ["train_gnn"]


def train_gnn(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainGnnOptions,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train on event files and save the weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads: with another number sums are taken in another order, and the
    weights are not the same to the bit.

    Returns:
        ``loss``, ``auc``, ``calibration_error`` (mean distance of score and share of true edges, in 20 bins
        of equal content), ``screen_kept`` (share of the edges), ``screen_true_kept``, all on events used for
        nothing else; ``parameters``, ``n_train``, ``n_validation``, ``n_test`` (edges), ``epochs`` made.

    Raises:
        InputError: unusable files, or a checkpoint of other options.
    """
    check_output(output)
    files = as_paths(files)
    graphs = graphs_of_files(files, options, report)
    torch.manual_seed(options.seed)
    network = InteractionNetwork(options.hidden, options.passes, options.screen)
    standardise(network, graphs.train)
    edges = [n_edges(part) for part in (graphs.train, graphs.validation, graphs.test)]
    settings = made_with(options, files, edges=edges)
    n_epochs = _fit(network, graphs, options, checkpoint_path(output), settings, report)
    calibrate(network, screened(network, graphs.validation))
    metrics = evaluate(network, graphs.test) | {
        "parameters": n_parameters(network),
        "n_train": n_edges(graphs.train),
        "n_validation": n_edges(graphs.validation),
        "n_test": n_edges(graphs.test),
        "epochs": n_epochs,
    }
    save_trained(output, network, ARCHITECTURE, options, files, metrics)
    return metrics


def _fit(
    network: InteractionNetwork,
    graphs: Graphs,
    options: TrainGnnOptions,
    checkpoint: Path,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> int:
    """Train the screen, then the network on what passes it; the best epoch is kept.

    Returns:
        Epochs of the network that were made.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    n_screen, passed = options.screen_epochs, list[list[Data]]()

    def one_epoch(number: int) -> EpochLoss:
        screening = number < n_screen
        if not screening and not passed:
            # The screen is known from here on, and with it the edges that the network sees.
            passed.extend(screened(network, part) for part in (graphs.train, graphs.validation))
        train, held = (graphs.train, graphs.validation) if screening else passed
        epoch = (
            Epoch(number, number, n_screen) if screening else Epoch(number, number - n_screen, options.epochs)
        )
        answer = network.screen if screening else network.forward
        loss = train_epoch(network, answer, optimizer, train, epoch, options)
        held_loss = mean_loss(network, answer, held)
        if number == n_screen - 1:
            network.cut.copy_(screen_cut(network, train, options.keep))
        part = "screen" if screening else "epoch"
        return EpochLoss(loss, held_loss, epoch.done, epoch.ahead, part, last=not screening)

    fit = Fit(
        "train gnn", network, optimizer, options.learning_rate, checkpoint, settings, report, options.patience
    )
    return fit.run(
        n_screen + options.epochs, one_epoch,
        "loss: binary cross-entropy, true and false edges with equal weight in all; 0.69 is a guess. Of the screen first",
    )  # fmt: skip
