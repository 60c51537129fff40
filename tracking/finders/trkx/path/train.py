"""Training of the learned cone on true paths of simulated events, with checkpoints, gates and a report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from smartpix.files import as_paths
from smartpix.networks.weights import check_output
from smartpix.schema import InputError
from smartpix.train.epoch import damped, descend
from tracking.finders.training import (
    EpochLoss,
    Fit,
    checkpoint_path,
    event_seed,
    falling_rate,
    made_with,
    n_parameters,
    save_trained,
)
from tracking.finders.trkx.path.dataset import PathData, path_data
from tracking.finders.trkx.path.gates import cells, gate_table, levelled
from tracking.finders.trkx.path.network import ARCHITECTURE, PathNetwork, crossing_losses
from tracking.finders.trkx.path.options import TrainPathOptions
from tracking.finders.trkx.path.report import cones_of, coverage_report, measured

log = logging.getLogger(__name__)

__all__ = ["path_loss", "path_weights", "set_gates", "train_path"]

EVALUATED = 4096
"""Paths that are evaluated at a time."""


def train_path(
    files: str | Path | Sequence[str | Path],
    tuning: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainPathOptions,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train on event files, measure the gates on others, and save the weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads.

    Args:
        files: that are learned from; tuning: that the gates of the network and of the filter are measured on.

    Returns:
        ``loss``, and ``loss_filter`` of the filter's own cones on the same paths; what
        :func:`tracking.finders.trkx.path.report.coverage_report` gives on the tuning files, on which coverage
        is right by construction; ``parameters``, ``n_train``, ``n_held``, ``n_tune`` (paths), ``epochs``.

    Raises:
        InputError: unusable files, files without paths, events that are in both lists, or a checkpoint of
            other options.
    """
    check_output(output)
    files, tuning = as_paths(files), as_paths(tuning)
    _check_apart(files, tuning)
    pt = (options.min_pt, options.max_pt)
    data = path_data(files, options.filter, options.split, pt, options.min_hits)
    tune = path_data(tuning, options.filter, options.split, pt, options.min_hits)
    shuffled = np.random.default_rng(options.seed).permutation(len(data))
    n_held = max(int(options.validation_share * len(data)), 1)
    train, held = data.take(shuffled[n_held:]), data.take(shuffled[:n_held])
    report(f"{len(train)} paths to train on, {len(held)} held out, {len(tune)} for the gates")
    torch.manual_seed(options.seed)
    network = PathNetwork(options.hidden, options.head)
    settings = made_with(options, files, tuning=[str(file) for file in tuning], paths=[len(train), len(held)])
    _fit(network, train, held, options, checkpoint_path(output), settings, report)
    set_gates(network, tune)
    metrics = {
        "loss": _mean_loss(network, held, options),
        "loss_filter": _mean_loss(PathNetwork(options.hidden, options.head), held, options),
        **coverage_report(network, tune),
        "parameters": n_parameters(network), "n_train": len(train), "n_held": len(held), "n_tune": len(tune),
        "epochs": options.epochs,
    }  # fmt: skip
    save_trained(output, network, ARCHITECTURE, options, [*files, *tuning], metrics)
    return metrics


def _check_apart(files: Sequence[Path], tuning: Sequence[Path]) -> None:
    """Check that no event is both learned from and measured for the gates, which would be too narrow.

    Raises:
        InputError: a file or a seed of events is in both lists, or a file does not name its seed.
    """
    fix = "give gates other events, of another seed"
    learned = {path.resolve() for path in files}
    for path in tuning:
        if path.resolve() in learned:
            raise InputError(f"{path}: is both a file of the training and one of the gates (--gates); {fix}")
    seeds = {event_seed(path): path for path in files}
    for path in tuning:
        if (seed := event_seed(path)) in seeds:
            raise InputError(
                f"{path}: has events of seed {seed}, as {seeds[seed]} of the training has; {fix}"
            )


def path_weights(pt: npt.NDArray[np.float64], power: float) -> npt.NDArray[np.float32]:
    """(P,) weights of particles, of mean 1: the inverse of how many there are in their octave of pT, to a
    power.
    """
    octave = np.floor(np.log2(pt)).astype(np.int64)
    _, row, n = np.unique(octave, return_inverse=True, return_counts=True)
    weight = (1.0 / n[row]) ** power
    return np.asarray(weight / weight.mean(), dtype=np.float32)


def set_gates(network: PathNetwork, tune: PathData) -> None:
    """Measure the gates of the network and of the filter alone on the same paths."""
    _, chi2 = cones_of(network, tune)
    known, count = tune.known, measured(tune)
    of = cells(count[known], tune.path_pt[known], tune.upright[known], tune.overlap[known])
    alone = np.sum(tune.crossing.astype(np.float64) ** 2, axis=2)
    pt = np.broadcast_to(tune.pt[:, None], known.shape)[known]
    tables = [levelled(gate_table(v[known], of), v[known], of, pt) for v in (chi2, alone)]
    network.gates.copy_(torch.from_numpy(np.stack(tables)))


def _fit(
    network: PathNetwork,
    train: PathData,
    held: PathData,
    options: TrainPathOptions,
    checkpoint: Path,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> None:
    """All epochs that are left."""
    optimizer = torch.optim.NAdam(network.parameters(), lr=options.learning_rate)
    n_steps = max(len(train) // options.batch_size, 1)
    weight = path_weights(train.pt, options.weight_power)

    def one_epoch(epoch: int) -> EpochLoss:
        total, step = 0.0, 0
        rng = np.random.default_rng([options.seed, epoch])
        network.train()
        for rows in _batches(train, options.batch_size, rng):
            progress = min((epoch + step / n_steps) / options.epochs, 1.0)
            for group in optimizer.param_groups:
                group["lr"] = falling_rate(options.learning_rate, progress)
            loss = path_loss(network, train.take(rows), weight[rows], options.area_weight)
            descend(network, optimizer, loss)
            total, step = total + float(loss.detach()), step + 1
        return EpochLoss(total / max(step, 1), _mean_loss(network, held, options), epoch, options.epochs)

    Fit("train path", network, optimizer, options.learning_rate, checkpoint, settings, report).run(
        options.epochs, one_epoch
    )


def _batches(data: PathData, size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Rows of paths about as long as one another, in random order."""
    order = rng.permutation(len(data))
    length = data.known[order].sum(axis=1)
    # Sorted within stretches of many batches, so that no batch is long because of one path.
    stretch = np.arange(len(order)) // (16 * size)
    order = order[np.lexsort((length, stretch))]
    starts = np.arange(0, max(len(order) - size + 1, 1), size)
    for first in rng.permutation(starts):
        yield order[first : first + size]


def path_loss(
    network: PathNetwork, data: PathData, weight: npt.NDArray[np.float32], area_weight: float = 0.0
) -> Tensor:
    """Mean loss of all predictions of some paths, those of each path weighted alike.

    Args:
        area_weight: of the cones' areas over the filter's.
    """
    longest = max(int(data.known.sum(axis=1).max()), 1)
    hit, target, crossing = (torch.from_numpy(v[:, :longest]) for v in (data.hit, data.target, data.crossing))
    share = torch.from_numpy(data.known[:, :longest] * weight[:, None])
    memory, losses = network.blank(len(data)), []
    for k in range(longest):
        memory = network.remember(hit[:, k], memory)
        cone = network(memory, target[:, k])
        losses.append(damped(crossing_losses(cone, crossing[:, k])))
        if area_weight:
            losses[-1] = losses[-1] + area_weight * torch.exp(cone[:, 2] + cone[:, 3])
    return (torch.stack(losses, dim=1) * share).sum() / share.sum()


@torch.inference_mode()
def _mean_loss(network: PathNetwork, data: PathData, options: TrainPathOptions) -> float:
    network.eval()
    weight = path_weights(data.pt, options.weight_power)
    total = norm = 0.0
    for first in range(0, len(data), EVALUATED):
        rows = np.arange(first, min(first + EVALUATED, len(data)))
        share = float((data.known[rows] * weight[rows, None]).sum())
        total += share * float(path_loss(network, data.take(rows), weight[rows]))
        norm += share
    return total / norm
