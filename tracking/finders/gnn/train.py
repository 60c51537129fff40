"""Training of the interaction network on event files, with checkpoints, resume, early stopping and a report.

First its screen learns, from all edges; then the network, from those that pass; then its scores are made
probabilities.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch_geometric.data import Data

from seeding.hits import make_hits
from seeding.seeds import SeedOptions, find_seeds
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator, readout_untold, training_differs
from smartpix.files import as_paths
from smartpix.io.events import iterate, open_events
from smartpix.layers import layer_pairs
from smartpix.networks.weights import check_output, save_weights
from smartpix.schema import InputError
from smartpix.train.checkpoint import resume, save_checkpoint
from tracking.finders.gnn.degrade import degraded
from tracking.finders.gnn.graph import candidate_edges, make_features, make_graph
from tracking.finders.gnn.network import ARCHITECTURE, InteractionNetwork, score
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.metrics import edge_labels, event_truth

__all__ = ["Graphs", "TrainGnnOptions", "load_graphs", "train_gnn"]

OUTSIDE = 1e-4
"""Share of a feature's values beyond each end of the range that is stored."""


@dataclass(frozen=True)
class Graphs:
    """Labelled graphs of events: to train on, to stop by and calibrate with, and to report."""

    train: list[Data] = field(default_factory=list)
    validation: list[Data] = field(default_factory=list)
    test: list[Data] = field(default_factory=list)


def load_graphs(path: str | Path, options: TrainGnnOptions, report: Callable[[str], None] = print) -> Graphs:
    """Labelled graphs of a file's events; ``report`` is called with warnings.

    Raises:
        InputError: the file has no truth, or no estimates fit its sensor.
    """
    opened = open_events(path)
    if not opened.has_truth:
        raise InputError(f"{path}: has no truth to train on; give simulated files")
    detector, field_ = opened.header.detector, opened.header.field
    estimator = choose_estimator(
        opened.header, options.estimates, options.mdn_barrel, options.mdn_endcap, options.shape
    )
    for line in readout_untold(opened.header):
        report(f"warning: {path}: {line}")
    for line in training_differs(opened.header, estimator):
        report(f"warning: {path}: {line}; the graphs are of estimates that are off by that")
    pairs = layer_pairs(detector, skips=options.cone.skips)
    n_held = max(int(options.validation_share * opened.n_events), 1)
    graphs = Graphs()
    for k, (_, events) in enumerate(iterate(path, step=1)):
        record = events[0]
        hits = make_hits(record["clusters"], estimate(record["clusters"], opened.header, estimator), detector)
        truth = event_truth(record["clusters"], record["particles"], hits.layer)
        from_end = opened.n_events - 1 - k
        part = (
            graphs.test if from_end < n_held else graphs.validation if from_end < 2 * n_held else graphs.train
        )
        rows = np.arange(len(hits))
        if part is graphs.train:
            hits, rows = degraded(
                hits, detector, options.degrade, np.random.default_rng([options.seed, k, len(hits)])
            )
        edges = candidate_edges(hits, detector, pairs, field_, options.graph, options.cone, options.window)
        if len(edges) == 0:
            continue
        support = find_seeds(hits, edges, field_, options.cone, SeedOptions()).support
        source, target = rows[edges.source], rows[edges.target]
        labels = (source >= 0) & (target >= 0)
        labels[labels] = edge_labels(truth, source[labels].astype(np.int32), target[labels].astype(np.int32))
        part.append(make_graph(make_features(hits, edges, support, detector, field_), edges, labels))
    return graphs


def train_gnn(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainGnnOptions,
    report: Callable[[str], None] = print,
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
    loaded = []
    files = as_paths(files)
    for path in files:
        loaded.append(load_graphs(path, options, report))
        parts = [getattr(loaded[-1], f.name) for f in fields(Graphs)]
        report(
            f"{path}: {' + '.join(str(len(p)) for p in parts)} graphs, {sum(_n_edges(p) for p in parts)} "
            f"edges"
        )
    train, held, test = ([g for some in loaded for g in getattr(some, f.name)] for f in fields(Graphs))
    if not train or not held or not test:
        raise InputError(
            f"{', '.join(map(str, files))}: too few events to train on; one of the files needs at least 3 "
            f"with tracks"
        )
    for name, part in (("train", train), ("stop", held)):
        true = int(sum(float(g.y.sum()) for g in part))
        if not 0 < true < _n_edges(part):
            raise InputError(
                f"{', '.join(map(str, files))}: {true} of the {_n_edges(part)} edges to {name} by are true, "
                f"and edges of both "
                "kinds are needed; give more events, or wider cones"
            )
    torch.manual_seed(options.seed)
    network = InteractionNetwork(options.hidden, options.passes, options.screen)
    _standardise(network, train)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    made_with = {
        **asdict(options), "files": [str(f) for f in files], "edges": [_n_edges(g) for g in (train, held,
        test)],
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    checkpoint = Path(output).with_suffix(".checkpoint")
    state: dict[str, Any] = {"losses": [], "best": None}
    first = resume(checkpoint, made_with, network, optimizer, state)
    n_screen = options.screen_epochs
    if first < n_screen + options.epochs:
        report(
            "loss: binary cross-entropy, true and false edges with equal weight in all; 0.69 is a guess. Of "
            "the screen first"
        )
    # What each epoch trains on; the network's edges are known once the screen is.
    passed: tuple[list[Data], list[Data]] | None = None
    for epoch in range(first, n_screen + options.epochs):
        screening = epoch < n_screen
        if not screening and passed is None:
            passed = _screened(network, train), _screened(network, held)
        if len(state["losses"]) > options.patience and min(state["losses"][-options.patience :]) > min(
            state["losses"]
        ):
            break
        started = time.perf_counter()
        done, ahead = (epoch, n_screen) if screening else (epoch - n_screen, options.epochs)
        some, others = (train, held) if screening or passed is None else passed
        answer = network.screen if screening else network.forward
        loss = _one_epoch(network, answer, optimizer, some, epoch, done, ahead, options)
        held_loss = _loss(network, answer, others)
        if not math.isfinite(held_loss):
            raise InputError(
                f"train gnn: the training diverged in epoch {done + 1}; lower the learning rate, now "
                f"{options.learning_rate}"
            )
        if screening and epoch == n_screen - 1:
            network.cut.copy_(_cut(network, train, options.keep))
        if not screening:
            state["losses"].append(held_loss)
            if held_loss <= min(state["losses"]):
                state["best"] = {k: v.clone() for k, v in network.state_dict().items()}
        save_checkpoint(checkpoint, made_with, epoch + 1, network, optimizer, state)
        what = "screen" if screening else "epoch"
        report(
            f"{what} {done + 1}/{ahead}  loss {loss:.4f}  held out {held_loss:.4f}  "
            f"{time.perf_counter() - started:.1f} s"
        )
    network.load_state_dict(state["best"])
    _calibrate(network, _screened(network, held))
    metrics = _evaluate(network, test) | {
        "parameters": sum(p.numel() for p in network.parameters()),
        "n_train": _n_edges(train),
        "n_validation": _n_edges(held),
        "n_test": _n_edges(test),
        "epochs": len(state["losses"]),
    }
    save_weights(
        output,
        {k: v.numpy() for k, v in network.state_dict().items()},
        {
            "architecture": ARCHITECTURE,
            "options": asdict(options),
            "data": [dict(open_events(f).header.made_by) for f in files],
            "metrics": metrics,
            "threads": torch.get_num_threads(),
        },
    )
    checkpoint.unlink(missing_ok=True)
    return metrics


def _n_edges(graphs: Sequence[Data]) -> int:
    return sum(int(g.num_edges or 0) for g in graphs)


def _standardise(network: InteractionNetwork, graphs: Sequence[Data]) -> None:
    for part, values in (("node", [g.x for g in graphs]), ("edge", [g.edge_attr for g in graphs])):
        stacked = torch.cat(values)
        getattr(network, f"{part}_mean").copy_(stacked.mean(0))
        getattr(network, f"{part}_std").copy_(stacked.std(0).clamp_min(1e-3))
        low, high = np.quantile(stacked.numpy(), [OUTSIDE, 1 - OUTSIDE], axis=0)
        getattr(network, f"{part}_low").copy_(torch.from_numpy(low))
        getattr(network, f"{part}_high").copy_(torch.from_numpy(high))


def _one_epoch(
    network: InteractionNetwork, answer: Callable[..., Tensor], optimizer: torch.optim.Optimizer,
    graphs: Sequence[Data],
    epoch: int, done: int, ahead: int, options: TrainGnnOptions,
) -> float:  # fmt: skip
    """Mean loss of an epoch; both classes have the same weight in all."""
    share = float(torch.cat([g.y for g in graphs]).mean())
    order = np.random.default_rng([options.seed, epoch]).permutation(len(graphs))
    network.train()
    total = 0.0
    for step, k in enumerate(order):
        progress = (done * len(order) + step) / (ahead * len(order))
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        graph = graphs[k]
        weight = torch.where(graph.y > 0, 0.5 / share, 0.5 / (1 - share)) if 0 < share < 1 else None
        loss = binary_cross_entropy_with_logits(
            answer(graph.x, graph.edge_index, graph.edge_attr), graph.y, weight
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        total += float(loss.detach())
    return total / len(order)


@torch.inference_mode()
def _logits(
    network: InteractionNetwork, answer: Callable[..., Tensor], graphs: Sequence[Data]
) -> tuple[Tensor, Tensor]:
    network.eval()
    logits = torch.cat([answer(g.x, g.edge_index, g.edge_attr) for g in graphs])
    return logits, torch.cat([g.y for g in graphs])


def _loss(network: InteractionNetwork, answer: Callable[..., Tensor], graphs: Sequence[Data]) -> float:
    """Mean loss with both classes of the same weight."""
    logits, label = _logits(network, answer, graphs)
    share = float(label.mean())
    weight = torch.where(label > 0, 0.5 / share, 0.5 / (1 - share)) if 0 < share < 1 else None
    return float(binary_cross_entropy_with_logits(logits, label, weight))


def _cut(network: InteractionNetwork, graphs: Sequence[Data], keep: float) -> Tensor:
    logits, label = _logits(network, network.screen, graphs)
    true = np.sort(logits[label > 0].numpy())
    return torch.tensor(float(true[int((1 - keep) * len(true))]) if len(true) else -1e30)


@torch.no_grad()
def _screened(network: InteractionNetwork, graphs: Sequence[Data]) -> list[Data]:
    """Graphs of the edges that pass the screen."""
    network.eval()
    passed = []
    for g in graphs:
        keep = network.screen(g.x, g.edge_index, g.edge_attr) >= network.cut
        if keep.any():
            passed.append(
                Data(x=g.x, edge_index=g.edge_index[:, keep], edge_attr=g.edge_attr[keep], y=g.y[keep])
            )
    return passed


def _calibrate(network: InteractionNetwork, graphs: Sequence[Data]) -> None:
    """Logits to probabilities by a factor and a shift: J. Platt, Advances in Large Margin Classifiers
    (1999).
    """
    logits, label = _logits(network, network.forward, graphs)
    if 0 < float(label.mean()) < 1:
        # Torch's threads are told with the weights; those of NumPy's and SciPy's libraries must not matter.
        with threadpool_limits(limits=1):
            fitted = LogisticRegression(C=np.inf).fit(
                logits.numpy()[:, None].astype(np.float64), label.numpy()
            )
        network.calibration.copy_(torch.tensor([fitted.coef_[0, 0], fitted.intercept_[0]]))


def _evaluate(network: InteractionNetwork, graphs: Sequence[Data]) -> dict[str, Any]:
    scores = np.concatenate([score(network, g) for g in graphs]).astype(np.float64)
    label = torch.cat([g.y for g in graphs]).numpy() > 0
    kept = np.concatenate(
        [(network.screen(g.x, g.edge_index, g.edge_attr) >= network.cut).numpy() for g in graphs]
    )
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    return {
        "loss": float(-np.mean(np.where(label, np.log(clipped), np.log1p(-clipped)))),
        "auc": float(roc_auc_score(label, scores)) if label.any() and not label.all() else None,
        "calibration_error": _calibration_error(scores[kept], label[kept]),
        "screen_kept": float(kept.mean()),
        "screen_true_kept": float(kept[label].mean()) if label.any() else None,
    }


def _calibration_error(scores: npt.NDArray[np.float64], label: npt.NDArray[np.bool_]) -> float:
    bins = np.array_split(np.argsort(scores, kind="stable"), 20)
    return float(sum(abs(scores[b].sum() - label[b].sum()) for b in bins) / max(len(scores), 1))
