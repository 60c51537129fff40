"""One pass over the training clusters: the loss, the learning rate and the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from smartpix.chip.compress import Constraint
from smartpix.chip.quantize import QuantizedMdn
from smartpix.networks.modules import expected_negative_log_likelihood, negative_log_likelihood
from smartpix.schema import InputError
from smartpix.train.inputs import augment
from smartpix.train.options import TrainingOptions
from smartpix.train.task import Task

__all__ = [
    "LARGE_LOSS", "check_batch", "check_converges", "cluster_losses", "damped", "descend", "held_out_loss", "learning_rate",
    "one_epoch", "stopped",
]  # fmt: skip

Losses = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LARGE_LOSS = 20.0
"""A cluster's loss grows only with its logarithm from here on: a wild one must not undo the others' work, yet
be learned from.
"""
WARM_UP = 200
"""Steps over which the learning rate rises: Adam's first steps know the gradients' size badly."""
LOWEST_RATE = 0.002
"""Share of the learning rate at the end of the cosine."""
LARGEST_GRADIENT = 5.0
"""Norm to which larger gradients are cut, so that one batch or event cannot throw the weights off."""
HELD_OUT_BATCH = 8192


def one_epoch(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor,
    pixel: torch.Tensor, epoch: int,
    options: TrainingOptions, task: Task[Any], constraint: Constraint | None = None,
) -> float:  # fmt: skip
    """One pass; everything random in it follows from the seed and the epoch, so that a resumed training is
    the same.
    """
    generator = torch.Generator().manual_seed(1000 * options.seed + epoch)
    order = torch.randperm(len(x), generator=generator)
    n_batches = len(x) // options.batch_size
    model.train()
    total = 0.0
    # Before there is rounding, nothing would speak against fewer bits.
    constrained = constraint if isinstance(model, QuantizedMdn) and model.rounding else None
    for b in range(n_batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(options, epoch * n_batches + b, options.epochs * n_batches)
        batch = order[b * options.batch_size : (b + 1) * options.batch_size]
        image, target = augment(x[batch], y[batch], pixel, options.augment, generator, task.moved)
        loss = damped(task.losses(model(image), target)).mean()
        total += float(loss.detach())
        if constrained is not None:
            loss = loss + constrained.loss((epoch + b / n_batches) / options.epochs)
        descend(model, optimizer, loss)
        if constrained is not None:
            constrained.ascend()
    return total / n_batches


def descend(model: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of the optimizer down the gradient of a loss, which is cut to :data:`LARGEST_GRADIENT`."""
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
    optimizer.step()


def check_converges(section: str, loss: float, epoch: int, rate: float) -> None:
    """Check that the loss of an epoch, counted from 0, at a largest learning rate is finite.

    Raises:
        InputError: it is not.
    """
    if not math.isfinite(loss):
        raise InputError(
            f"{section}: the training diverged in epoch {epoch + 1}; lower the learning rate, now {rate}"
        )


def check_batch(section: str, n: int, batch_size: int) -> None:
    """Check that ``n`` images fill a batch.

    Raises:
        InputError: they do not.
    """
    if n < batch_size:
        raise InputError(
            f"{section}: {n} images are fewer than a batch of {batch_size}; give more, or lower batch_size"
        )


def cluster_losses(
    raw: torch.Tensor, target: torch.Tensor, lesson: float = 0.0, focus: Sequence[float] = ()
) -> torch.Tensor:
    """Of targets (N, 4), or of (N, 4, 6): the targets, a teacher's means and its factors."""
    if target.ndim == 2:
        return negative_log_likelihood(raw, target, focus)
    loss = (1 - lesson) * negative_log_likelihood(raw, target[..., 0], focus)
    return loss + lesson * expected_negative_log_likelihood(raw, target[..., 1], target[..., 2:])


def damped(loss: torch.Tensor) -> torch.Tensor:
    """Losses of clusters (N,), the large ones damped."""
    return torch.where(
        loss > LARGE_LOSS, LARGE_LOSS * (1 + torch.log(loss.clamp(min=LARGE_LOSS) / LARGE_LOSS)), loss
    )


@torch.inference_mode()
def held_out_loss(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, losses: Losses) -> float:
    """Mean loss of clusters the network does not learn from."""
    model.eval()
    batches = zip(torch.split(x, HELD_OUT_BATCH), torch.split(y, HELD_OUT_BATCH), strict=True)
    parts = [damped(losses(model(image), target)) for image, target in batches]
    return float(torch.cat(parts).mean())


def learning_rate(options: TrainingOptions, step: int, steps: int) -> float:
    """The learning rate of one of all ``steps``."""
    warm = min(1.0, (step + 1) / WARM_UP)
    if options.schedule == "constant":
        return options.learning_rate * warm
    return (
        options.learning_rate
        * warm
        * (LOWEST_RATE + (1 - LOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * step / steps)))
    )


def stopped(history: Sequence[float], patience: int) -> bool:
    """Whether the held-out loss has not improved for ``patience`` epochs; 0: never."""
    return bool(patience) and len(history) - 1 - int(np.argmin(history or [0.0])) >= patience
