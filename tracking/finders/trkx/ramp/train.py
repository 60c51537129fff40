"""Training of the RAMP challenge's learned finders, on events that are made anew for each epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from smartpix.networks.weights import check_output
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.epoch import check_converges, descend
from tracking.finders.training import checkpoint_path, falling_rate, made_with, n_parameters, save_trained
from tracking.finders.trkx.ramp.events import RampEvents, make_ramp
from tracking.finders.trkx.ramp.finders import network_finder, new_network
from tracking.finders.trkx.ramp.graph import RampGraphNetwork, pair_labels
from tracking.finders.trkx.ramp.options import HELD_OUT_SEED, RampOptions, TrainRampOptions
from tracking.finders.trkx.ramp.phi_lstm import seed_targets
from tracking.finders.trkx.ramp.score import clusters_of, event_scores, mean_score

log = logging.getLogger(__name__)

__all__ = ["train_ramp"]

HELD_OUT = 200
"""Events of the report, for each mean number of tracks."""


def train_ramp(
    output: str | Path, options: TrainRampOptions, report: Callable[[str], None] = log.info
) -> dict[str, Any]:
    """Train a finder and save its weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads.

    Returns:
        ``loss`` and ``score_N``, the challenge's score at a mean of N tracks, on events used for nothing
        else; ``parameters``, ``epochs``.

    Raises:
        InputError: the output cannot be written, or a checkpoint of other options.
    """
    check_output(output)
    torch.manual_seed(options.seed)
    network, architecture = new_network(options.finder, options.hidden, options.passes)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    checkpoint, settings = checkpoint_path(output), made_with(options, [])
    held = [
        make_ramp(RampOptions(tracks=n), HELD_OUT, HELD_OUT_SEED + k) for k, n in enumerate(options.tracks)
    ]
    for epoch in range(resume(checkpoint, settings, network, optimizer), options.epochs):
        started = time.perf_counter()
        loss = _train_epoch(network, optimizer, options, epoch)
        held_loss = _held_out_loss(network, held)
        check_converges("train ramp", held_loss, epoch, options.learning_rate)
        save_checkpoint(checkpoint, settings, epoch + 1, network, optimizer)
        report(
            f"epoch {epoch + 1}/{options.epochs}  loss {loss:.4f}  held out {held_loss:.4f}  "
            f"{time.perf_counter() - started:.1f} s"
        )
    network.eval()
    finder = network_finder(options.finder, network)
    scores = {
        f"score_{n:g}": mean_score(event_scores(e.event, e.track, clusters_of(finder, e)))[0]
        for n, e in zip(options.tracks, held, strict=True)
    }
    metrics = {
        "loss": _held_out_loss(network, held), **scores,
        "parameters": n_parameters(network), "epochs": options.epochs,
    }  # fmt: skip
    save_trained(output, network, architecture, options, [], metrics)
    return metrics


def _train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, options: TrainRampOptions, epoch: int
) -> float:
    """Mean loss of an epoch's steps."""
    network.train()
    n_steps = options.events // options.batch_size
    total = 0.0
    for step, events in enumerate(_batches(options, epoch, n_steps)):
        for group in optimizer.param_groups:
            group["lr"] = falling_rate(options.learning_rate, (epoch + step / n_steps) / options.epochs)
        loss = _loss(network, events)
        descend(network, optimizer, loss)
        total += float(loss.detach())
    return total / n_steps


def _batches(options: TrainRampOptions, epoch: int, n_steps: int) -> Iterator[RampEvents]:
    """Events of the steps, the mean numbers of tracks in turn."""
    for step in range(n_steps):
        law = RampOptions(tracks=options.tracks[step % len(options.tracks)])
        # From 1: zeros behind a seed do not change it, and other events may have been made with it alone.
        yield make_ramp(law, options.batch_size, (options.seed, epoch + 1, step + 1))


def _loss(network: nn.Module, events: RampEvents) -> Tensor:
    """Mean cross-entropy: of pairs for the graph network, of the circles with hits for the LSTM."""
    if isinstance(network, RampGraphNetwork):
        graph, label = pair_labels(events)
        return binary_cross_entropy_with_logits(network.of_graph(graph), torch.from_numpy(label))
    images, targets = seed_targets(events)
    logits = network(torch.from_numpy(images))
    return cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).flatten(), ignore_index=-1)


@torch.inference_mode()
def _held_out_loss(network: nn.Module, held: list[RampEvents]) -> float:
    network.eval()
    return float(np.mean([float(_loss(network, events)) for events in held]))
