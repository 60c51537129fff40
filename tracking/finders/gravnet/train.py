"""Training of GravNet on event files, with checkpoints, resume, early stopping and a report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from smartpix.files import as_paths
from smartpix.networks.weights import check_output
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.epoch import check_converges
from tracking.finders.gnn.epochs import Epoch, mean_loss, standardise, train_epoch
from tracking.finders.gnn.evaluate import calibrate, edge_metrics
from tracking.finders.gnn.training_graphs import Graphs, graphs_of_files, n_edges
from tracking.finders.gravnet.network import ARCHITECTURE, GravNetNetwork, inputs, score_graph
from tracking.finders.gravnet.options import TrainGravnetOptions
from tracking.finders.training import checkpoint_path, made_with, n_parameters, save_trained

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
        events used for nothing else; ``parameters``, ``n_train``, ``n_validation``, ``n_test`` (edges),
        ``epochs`` made.

    Raises:
        InputError: unusable files, or a checkpoint of other options.
    """
    check_output(output)
    files = as_paths(files)
    graphs = graphs_of_files(files, options.graphs(), report)
    torch.manual_seed(options.seed)
    network = GravNetNetwork(options.network)
    standardise(network, graphs.train)
    n_train, n_validation, n_test = (n_edges(part) for part in (graphs.train, graphs.validation, graphs.test))
    settings = made_with(options, files, edges=[n_train, n_validation, n_test])
    held = [_seen(network, graph) for graph in graphs.validation]
    n_epochs = _fit(network, graphs, held, options, checkpoint_path(output), settings, report)
    calibrate(network, held)
    scores = np.concatenate([score_graph(network, graph) for graph in graphs.test])
    label = torch.cat([graph.y for graph in graphs.test]).numpy() > 0
    metrics = edge_metrics(scores, label) | {
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
    state: dict[str, Any] = {"losses": [], "best": None}
    first, losses = resume(checkpoint, settings, network, optimizer, state), state["losses"]
    # A hit's neighbours among all hits are those of the whole event.
    n = 1 if options.network.neighbours == "free" else options.pieces
    train = [_seen(network, piece) for graph in graphs.train for piece in pieces(graph, n)]
    report("loss: binary cross-entropy, true and false edges with equal weight in all; 0.69 is a guess")
    for number in range(first, options.epochs):
        if len(losses) > options.patience and min(losses[-options.patience :]) > min(losses):
            break
        started = time.perf_counter()
        loss = train_epoch(
            network, network.forward, optimizer, train, Epoch(number, number, options.epochs), options
        )
        held_loss = mean_loss(network, network.forward, held)
        check_converges("train gravnet", held_loss, number, options.learning_rate)
        losses.append(held_loss)
        if held_loss <= min(losses):
            state["best"] = {k: v.clone() for k, v in network.state_dict().items()}
        save_checkpoint(checkpoint, settings, number + 1, network, optimizer, state)
        report(
            f"epoch {number + 1}/{options.epochs}  loss {loss:.4f}  held out {held_loss:.4f}  "
            f"{time.perf_counter() - started:.1f} s"
        )
    network.load_state_dict(state["best"])
    return len(losses)


def _seen(network: GravNetNetwork, graph: Data) -> Data:
    """The graph with its ``x`` as the network takes it."""
    return Data(x=inputs(network, graph), edge_index=graph.edge_index, edge_attr=graph.edge_attr, y=graph.y)


def pieces(graph: Data, n: int) -> list[Data]:
    """A graph in at most ``n`` pieces of whole connected components, of about equal numbers of edges.

    Hits and edges must be in the order of the components, as :func:`tracking.finders.gnn.graph.make_features` gives
    them.
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
            )
        )  # fmt: skip
    return parts
