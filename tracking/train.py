"""Training of the interaction network on event files, with checkpoints, resume and a report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch_geometric.data import Data

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.hits import make_hits
from seeding.seeds import SeedOptions, find_seeds
from smartpix.checkpoint import resume, save_checkpoint
from smartpix.estimate import choose_estimator, estimate
from smartpix.io import iterate, open_events
from smartpix.layers import layer_pairs
from smartpix.schema import InputError, check
from smartpix.weights import check_output, save_weights
from tracking.graph import make_graph
from tracking.metrics import edge_labels, event_truth
from tracking.model import ARCHITECTURE, InteractionNetwork

__all__ = ["TrainGnnOptions", "load_graphs", "train_gnn"]


@dataclass(frozen=True)
class TrainGnnOptions:
    """Options of the training.

    Attributes:
        epochs: passes over the events.
        learning_rate: of Adam; falls to 1 % along a cosine.
        hidden, passes: size of the network.
        seed: of the initial weights and of the order.
        validation_share: events held out, the last of every file.
        estimates: see :class:`tracking.options.RunOptions`.
        cone: of the graphs.
    """

    epochs: int = 30
    learning_rate: float = 2e-3
    hidden: int = 32
    passes: int = 3
    seed: int = 1
    validation_share: float = 0.15
    estimates: str = "auto"
    cone: ConeOptions = field(default_factory=ConeOptions)

    def __post_init__(self) -> None:
        for name in ("epochs", "hidden", "passes"):
            check("train gnn", name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        check("train gnn", "learning_rate", self.learning_rate, 0 < self.learning_rate < 1, "between 0 and 1")
        check("train gnn", "seed", self.seed, self.seed >= 0, "0 or more")
        check("train gnn", "validation_share", self.validation_share, 0 < self.validation_share < 1, "between 0 and 1")


def load_graphs(path: str | Path, options: TrainGnnOptions) -> list[Data]:
    """Labelled graphs of all events of a file.

    Raises:
        InputError: the file has no truth, or no estimates fit its sensor.
    """
    opened = open_events(path)
    if not opened.has_truth:
        raise InputError(f"{path}: has no truth to train on; give simulated files")
    header = opened.header
    estimator = choose_estimator(header, options.estimates)
    pairs = layer_pairs(header.detector, skips=options.cone.skips)
    graphs = []
    for _, events in iterate(path, step=1):
        record = events[0]
        hits = make_hits(record["clusters"], estimate(record["clusters"], header, estimator), header.detector)
        edges = find_edges(hits, header.detector, pairs, header.field, options.cone)
        if len(edges) == 0:
            continue
        truth = event_truth(record["clusters"], record["particles"], hits.layer)
        graphs.append(
            make_graph(
                hits, edges, find_seeds(hits, edges, header.field, options.cone, SeedOptions()).support,
                header.detector, header.field, edge_labels(truth, edges.source, edges.target),
            )
        )  # fmt: skip
    return graphs


def train_gnn(
    files: Sequence[str | Path], output: str | Path, options: TrainGnnOptions, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train on event files and save the weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the same options.

    Returns:
        ``loss``, ``auc`` on the held-out events, ``parameters``, ``n_train``, ``n_validation`` (edges).

    Raises:
        InputError: unusable files, or a checkpoint of other options.
    """
    check_output(output)
    train: list[Data] = []
    held: list[Data] = []
    for path in files:
        graphs = load_graphs(path, options)
        n_held = max(int(options.validation_share * len(graphs)), 1)
        train += graphs[:-n_held]
        held += graphs[-n_held:]
        report(f"{path}: {len(graphs)} graphs, {sum(g.edge_index.shape[1] for g in graphs)} edges")
    if not train:
        raise InputError(f"{[str(f) for f in files]}: too few events to train on; at least 2 with tracks are needed in a file")
    torch.manual_seed(options.seed)
    network = InteractionNetwork(options.hidden, options.passes)
    for part, values in (("node", [g.x for g in train]), ("edge", [g.edge_attr for g in train])):
        stacked = torch.cat(values)
        getattr(network, f"{part}_mean").copy_(stacked.mean(0))
        getattr(network, f"{part}_std").copy_(stacked.std(0).clamp_min(1e-3))
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    made_with = {**asdict(options), "files": [str(f) for f in files]}
    checkpoint = Path(output).with_suffix(".checkpoint")
    first = resume(checkpoint, made_with, network, optimizer)
    for epoch in range(first, options.epochs):
        started = time.perf_counter()
        order = np.random.default_rng([options.seed, epoch]).permutation(len(train))
        network.train()
        total = 0.0
        for step, k in enumerate(order):
            progress = (epoch * len(order) + step) / (options.epochs * len(order))
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
            graph = train[k]
            logits = network(graph.x, graph.edge_index, graph.edge_attr)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, graph.y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            total += float(loss.detach())
        metrics = _evaluate(network, held)
        save_checkpoint(checkpoint, made_with, epoch + 1, network, optimizer)
        report(
            f"epoch {epoch + 1}/{options.epochs}  loss {total / len(order):.4f}  held out {metrics['loss']:.4f}  "
            f"auc {metrics['auc']:.4f}  {time.perf_counter() - started:.1f} s"
        )
    metrics = _evaluate(network, held) | {
        "parameters": sum(p.numel() for p in network.parameters()),
        "n_train": sum(len(g.y) for g in train),
        "n_validation": sum(len(g.y) for g in held),
    }
    save_weights(
        output,
        {k: v.numpy() for k, v in network.state_dict().items()},
        {
            "architecture": ARCHITECTURE,
            "options": asdict(options),
            "data": [dict(open_events(f).header.made_by) for f in files],
            "metrics": metrics,
        },
    )
    checkpoint.unlink(missing_ok=True)
    return metrics


@torch.inference_mode()
def _evaluate(network: InteractionNetwork, graphs: Sequence[Data]) -> dict[str, Any]:
    network.eval()
    logits = torch.cat([network(g.x, g.edge_index, g.edge_attr) for g in graphs])
    label = torch.cat([g.y for g in graphs])
    loss = float(torch.nn.functional.binary_cross_entropy_with_logits(logits, label))
    both = 0 < float(label.sum()) < len(label)
    return {"loss": loss, "auc": float(roc_auc_score(label.numpy(), logits.numpy())) if both else None}
