"""Training of autoencoders on clusters of single particles."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from smartpix.merged.autoencoders import Autoencoder, autoencoder_inputs, autoencoder_loss, build_autoencoder
from smartpix.train.anomaly_options import TrainAutoencoderOptions
from smartpix.train.epoch import check_batch, check_converges

log = logging.getLogger(__name__)

__all__ = ["train_autoencoder"]


def train_autoencoder(
    images: npt.NDArray[np.floating],
    options: TrainAutoencoderOptions | None = None,
    report: Callable[[str], None] = log.info,
) -> Autoencoder:
    """Train an autoencoder to reconstruct clusters.

    Args:
        images: (N, S, R, C) charge in e, of clusters that are not to be unusual.
        options: None: the defaults.
        report: called with a line per epoch.

    Raises:
        InputError: images that do not fit the options, fewer than a batch, or a training that diverged.
    """
    options = options or TrainAutoencoderOptions()
    check_batch("train anomaly", len(images), options.batch_size)
    inputs = autoencoder_inputs(images, options.network)
    torch.manual_seed(options.seed)
    network = build_autoencoder(options.network)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    generator = torch.Generator().manual_seed(options.seed)
    n_batches = len(inputs) // options.batch_size
    steps = options.epochs * n_batches
    network.train()
    for epoch in range(options.epochs):
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(inputs), generator=generator)[: n_batches * options.batch_size]
        for b, batch in enumerate(torch.split(order, options.batch_size)):
            course = 0.5 * (1 + math.cos(math.pi * (epoch * n_batches + b) / steps))
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * course
            found = network(inputs[batch], generator if options.network.variational else None)
            loss = autoencoder_loss(inputs[batch], found, options.network)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += float(loss.detach())
        check_converges("train anomaly", total, epoch, options.learning_rate)
        passed = time.perf_counter() - started
        report(f"epoch {epoch + 1}/{options.epochs}  loss {total / n_batches:.5f}  {passed:.1f} s")
    return network.eval()
