"""Training of the front's networks on labelled images: of a cluster's particles, or of ROOT's toy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from smartpix.merged.ecal import FrontNetwork, build_front, front_inputs
from smartpix.schema import InputError
from smartpix.train.epoch import check_batch, check_converges
from smartpix.train.front_options import TrainFrontOptions

log = logging.getLogger(__name__)

__all__ = ["front_probabilities", "shifted", "train_front"]

AT_A_TIME = 4096
"""Images a trained network looks at together."""


def train_front(
    images: npt.NDArray[np.floating],
    label: npt.NDArray[np.integer],
    options: TrainFrontOptions | None = None,
    start: FrontNetwork | None = None,
    report: Callable[[str], None] = log.info,
) -> FrontNetwork:
    """Train a network of the front; the loss is the cross-entropy of the two classes.

    Args:
        images: (N, S, R, C) charge in e, or entries of a toy.
        label: (N,) 0 or 1.
        options: None: the defaults.
        start: trained on simpler images; the training goes on from a copy of its weights.
        report: called with a line per epoch.

    Raises:
        InputError: images that do not fit the options or each other, one class alone, fewer than a batch, a
            start of another network, or a training that diverged.
    """
    options = options or TrainFrontOptions()
    _check(images, label, options, start)
    inputs = front_inputs(images, options.network)
    target = torch.from_numpy(np.asarray(label, dtype=np.float32))
    torch.manual_seed(options.seed)
    network = build_front(options.network)
    if start is None:
        network.standardise(inputs)
    else:
        network.load_state_dict(start.state_dict())
    optimizer = torch.optim.Adam(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    generator = torch.Generator().manual_seed(options.seed)
    for epoch in range(options.epochs):
        started = time.perf_counter()
        loss = _one_epoch(network, optimizer, inputs, target, options, generator)
        check_converges("train front", loss, epoch, options.learning_rate)
        passed = time.perf_counter() - started
        report(f"epoch {epoch + 1}/{options.epochs}  cross-entropy {loss:.4f}  {passed:.1f} s")
    return network.eval()


def _check(
    images: npt.NDArray[np.floating],
    label: npt.NDArray[np.integer],
    options: TrainFrontOptions,
    start: FrontNetwork | None,
) -> None:
    if len(images) != len(label):
        raise InputError(f"train front: {len(images)} images have {len(label)} labels; give one for each")
    classes = set(np.unique(label).tolist())
    if classes != {0, 1}:
        raise InputError(f"train front: labels must be 0 and 1, both of them, and are {sorted(classes)[:5]}")
    check_batch("train front", len(images), options.batch_size)
    if start is not None and start.options != options.network:
        raise InputError(
            f"train front: the network to go on from is {start.options} and not {options.network}; train "
            "with the same network options"
        )


def _one_epoch(
    network: FrontNetwork,
    optimizer: torch.optim.Optimizer,
    inputs: torch.Tensor,
    target: torch.Tensor,
    options: TrainFrontOptions,
    generator: torch.Generator,
) -> float:
    """One pass over whole batches in a new order; its mean loss."""
    network.train()
    n_batches = len(inputs) // options.batch_size
    batches = torch.randperm(len(inputs), generator=generator)[: n_batches * options.batch_size]
    total = 0.0
    for batch in torch.split(batches, options.batch_size):
        seen = inputs[batch]
        if options.shift:
            seen = shifted(seen, options.shift, generator)
        loss = nn.functional.binary_cross_entropy_with_logits(network(seen), target[batch])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        total += float(loss.detach())
    return total / n_batches


def shifted(images: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Copies of images (N, S, R, C), each shifted by whole pixels of its own, up to ``most`` along both axes.

    What is pushed over the edge is lost, and nothing comes in on the other side.
    """
    n_rows, n_columns = images.shape[2:]
    padded = nn.functional.pad(images, (most, most, most, most))
    corner = torch.randint(0, 2 * most + 1, (len(images), 2), generator=generator)
    out = torch.empty_like(images)
    for row in range(2 * most + 1):
        for column in range(2 * most + 1):
            alike = torch.nonzero((corner[:, 0] == row) & (corner[:, 1] == column))[:, 0]
            out[alike] = padded[alike, :, row : row + n_rows, column : column + n_columns]
    return out


@torch.inference_mode()
def front_probabilities(network: FrontNetwork, images: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probability (N,) of the second class of images (N, S, R, C).

    Raises:
        InputError: as :func:`smartpix.merged.ecal.front_inputs`.
    """
    network.eval()
    parts = [
        torch.sigmoid(network(front_inputs(images[first : first + AT_A_TIME], network.options)))
        for first in range(0, max(len(images), 1), AT_A_TIME)
    ]
    return np.asarray(torch.cat(parts).double().numpy())
