"""Training of GravNet on event files, with checkpoints, resume, early stopping and a report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score
from torch_geometric.data import Data

from smartpix.files import as_paths
from smartpix.networks.weights import check_output
from tracking.finders.gnn.epochs import Epoch, descend_graphs, mean_loss, standardise, train_epoch
from tracking.finders.gnn.evaluate import calibrate, edge_metrics
from tracking.finders.gnn.training_graphs import Graphs, graphs_of_files, n_edges
from tracking.finders.gravnet.condensation import CondensationLoss, condensation_loss
from tracking.finders.gravnet.condense import groups
from tracking.finders.gravnet.network import ARCHITECTURE, GravNetNetwork, gathered, inputs, score_graph
from tracking.finders.gravnet.options import TrainGravnetOptions
from tracking.finders.training import EpochLoss, Fit, checkpoint_path, made_with, n_parameters, save_trained

log = logging.getLogger(__name__)

__all__ = ["pieces", "train_gravnet"]


def train_gravnet(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainGravnetOptions,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train on event files and save the weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads.

    Returns:
        ``loss``, ``auc`` and ``calibration_error`` (:func:`tracking.finders.gnn.evaluate.edge_metrics`) on
        events used for nothing else; with the output ``condensation`` ``loss``, its ``loss_potential``,
        ``loss_missing`` and ``loss_noise``, and ``rand_index``, the adjusted index of Rand of the gatherings
        against the particles, of hits that have one; ``parameters``, ``n_train``, ``n_validation``,
        ``n_test`` (edges), ``epochs`` made.

    Raises:
        InputError: unusable files, or a checkpoint of other options.
    """
    check_output(output)
    files = as_paths(files)
    graphs = graphs_of_files(files, options.graphs(), report)
    torch.manual_seed(options.seed)
    network = GravNetNetwork(options.network, options.condensation)
    standardise(network, graphs.train)
    n_train, n_validation, n_test = (n_edges(part) for part in (graphs.train, graphs.validation, graphs.test))
    settings = made_with(options, files, edges=[n_train, n_validation, n_test])
    held = _learned_from(network, graphs.validation, options) if network.condenses else [
        _seen(network, graph) for graph in graphs.validation
    ]  # fmt: skip
    n_epochs = _fit(network, graphs, held, options, checkpoint_path(output), settings, report)
    if network.condenses:
        metrics = _gathering_metrics(network, _learned_from(network, graphs.test, options))
    else:
        calibrate(network, held)
        scores = np.concatenate([score_graph(network, graph) for graph in graphs.test])
        metrics = edge_metrics(scores, torch.cat([graph.y for graph in graphs.test]).numpy() > 0)
    metrics |= {
        "parameters": n_parameters(network), "n_train": n_train, "n_validation": n_validation,
        "n_test": n_test, "epochs": n_epochs,
    }  # fmt: skip
    save_trained(output, network, ARCHITECTURE, options, files, metrics)
    return metrics


def _fit(
    network: GravNetNetwork,
    graphs: Graphs,
    held: Sequence[Data],
    options: TrainGravnetOptions,
    checkpoint: Path,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> int:
    """Train on pieces of the graphs; the best epoch is kept.

    Returns:
        Epochs that were made.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    train = _learned_from(network, graphs.train, options)

    def one_epoch(number: int) -> EpochLoss:
        epoch = Epoch(number, number, options.epochs)
        if network.condenses:
            loss = descend_graphs(
                network, lambda g: _gathering_loss(network, g).total(options.condensation), optimizer, train, epoch,
                options,
            )  # fmt: skip
            held_loss = _mean_gathering_loss(network, held)["loss"]
        else:
            loss = train_epoch(network, network.forward, optimizer, train, epoch, options)
            held_loss = mean_loss(network, network.forward, held)
        return EpochLoss(loss, held_loss, number, options.epochs)

    report(
        "loss: object condensation, potential and beta; 1 or less is expected" if network.condenses else
        "loss: binary cross-entropy, true and false edges with equal weight in all; 0.69 is a guess"
    )  # fmt: skip
    fit = Fit(
        "train gravnet", network, optimizer, options.learning_rate, checkpoint, settings, report,
        options.patience,
    )  # fmt: skip
    return fit.run(options.epochs, one_epoch)


def _gathering_loss(network: GravNetNetwork, graph: Data) -> CondensationLoss:
    beta, place = network.gathering(graph.x, graph.edge_index)
    return condensation_loss(beta, place, graph.particle, graph.group, network.condensation)


@torch.inference_mode()
def _mean_gathering_loss(network: GravNetNetwork, graphs: Sequence[Data]) -> dict[str, float]:
    """The loss and its parts, a mean over graphs."""
    network.eval()
    losses = [_gathering_loss(network, graph) for graph in graphs]
    return {
        "loss": float(np.mean([float(loss.total(network.condensation)) for loss in losses])),
        **{
            f"loss_{part.name}": float(np.mean([float(getattr(loss, part.name)) for loss in losses]))
            for part in fields(CondensationLoss)
        },
    }


def _gathering_metrics(network: GravNetNetwork, graphs: Sequence[Data]) -> dict[str, Any]:
    """Those of :func:`train_gravnet`; ``x`` of the graphs is as the network takes it."""
    agreement = []
    for graph in graphs:
        of, particle = gathered(network, graph.x, graph.edge_index)[1], graph.particle.numpy()
        # A hit that nobody gathers is alone.
        of = np.where(of < 0, np.arange(len(of)), of)
        agreement.append(adjusted_rand_score(particle[particle >= 0], of[particle >= 0]))
    return {**_mean_gathering_loss(network, graphs), "rand_index": float(np.mean(agreement))}


def _learned_from(
    network: GravNetNetwork, graphs: Sequence[Data], options: TrainGravnetOptions
) -> list[Data]:
    """Graphs in the pieces that are steps of the training."""
    # A hit's neighbours among all hits are those of the whole event.
    n = 1 if options.network.neighbours == "free" else options.pieces
    return [_seen(network, piece) for graph in graphs for piece in pieces(graph, n)]


def _seen(network: GravNetNetwork, graph: Data) -> Data:
    """The graph with its ``x`` as the network takes it, and of the hits that gather the groups."""
    seen = Data(x=inputs(network, graph), edge_index=graph.edge_index, edge_attr=graph.edge_attr, y=graph.y)
    if network.condenses:
        seen.particle = graph.particle
        seen.group = torch.from_numpy(groups(len(graph.x), *graph.edge_index.numpy()))
    return seen


def pieces(graph: Data, n: int) -> list[Data]:
    """A graph in at most ``n`` pieces of whole connected components, of about equal numbers of edges.

    Hits and edges must be in the order of the components, as :func:`tracking.finders.gnn.graph.make_features`
    gives them.
    """
    if not graph.num_edges:
        return []
    ends = graph.edge_index.numpy()
    lowest, highest = ends.min(0), ends.max(0)
    # Where all edges before are among earlier hits than all behind, no component is cut.
    behind = np.minimum.accumulate(lowest[::-1])[::-1]
    whole = np.flatnonzero(np.maximum.accumulate(highest)[:-1] < behind[1:]) + 1
    aims = np.linspace(0, ends.shape[1], n + 1)[1:-1]
    chosen = np.searchsorted(whole, aims).clip(max=max(len(whole) - 1, 0))
    bounds = [0, *(np.unique(whole[chosen]).tolist() if len(whole) else []), ends.shape[1]]
    parts = []
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        low, high = int(lowest[a:b].min()), int(highest[a:b].max()) + 1
        parts.append(
            Data(
                x=graph.x[low:high], azimuth=graph.azimuth[low:high],
                edge_index=graph.edge_index[:, a:b] - low, edge_attr=graph.edge_attr[a:b], y=graph.y[a:b],
                particle=graph.particle[low:high],
            )
        )  # fmt: skip
    return parts
