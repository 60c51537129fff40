"""Tracks as captions on fresh toys: errors of the loss, the loss by the number of lines, and pulls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracking.finders.trkx.captions import distances, pulls
from tracking.finders.trkx.metrics import images_of, measured, there
from tracking.finders.trkx.options import ToyOptions
from tracking.finders.trkx.toys import make_toys

__all__ = ["DISTANCE_EDGES", "PULL_EDGES", "caption_numbers"]

BATCH = 256
"""Toys that are looked at together."""
SHARE = 4
"""For each number of lines, this part of the toys."""
DISTANCE_EDGES = np.linspace(0, 16, 33)
"""Bins of the square of the Mahalanobis distance."""
PULL_EDGES = np.linspace(-5, 5, 41)
"""Bins of the pulls."""


def caption_numbers(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    """A network of captions on n toys.

    Returns:
        ``loss_error``: standard error of the mean squared error, over events; ``by_lines``: where the number of
        lines varies, what :func:`tracking.finders.trkx.metrics.measured` gives for each number, on a quarter of
        the toys. With covariances ``n_lines``, and histograms, whose ``above`` and ``below`` count what lies
        outside: ``distance`` (square of the Mahalanobis distance), ``pulls`` of intercept and slope.
    """
    losses, squares, pull = _answers(network, toy, n, seed)
    made: dict[str, Any] = {"loss_error": float(losses.std() / np.sqrt(n)) if n > 1 else None}
    if not toy.background_exact:
        fewer = max(n // SHARE, 1)
        made["by_lines"] = {
            str(k): measured(network, replace(toy, background=float(k), background_exact=True), fewer, seed)
            for k in range(1, toy.max_tracks + 1)
        }
    if squares is not None and pull is not None:
        made["n_lines"] = len(squares)
        made["distance"] = _histogram(squares, DISTANCE_EDGES)
        made["pulls"] = {
            name: _histogram(values, PULL_EDGES)
            for name, values in zip(("intercept", "slope"), pull.T, strict=True)
        }
    return made


def _answers(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> tuple[Any, Any, Any]:
    """Mean squared error of each toy (N,); of lines the squares of their distances (L,) and pulls (L, 2), or None."""
    network.eval()
    losses: list[Tensor] = []
    squares: list[Tensor] = []
    pull: list[Tensor] = []
    for first in range(0, n, BATCH):
        toys = make_toys(toy, min(BATCH, n - first), seed, first)
        with torch.inference_mode():
            told = network(images_of(toys)).double()
        true, lines = torch.from_numpy(toys.parameters).double(), there(toys)
        losses.append((told[..., :2] - true).square().mean(dim=(1, 2)))
        if told.shape[2] > 2:
            squares.append(distances(told, true)[lines])
            pull.append(pulls(told, true)[0][lines])
    return (
        torch.cat(losses).numpy(),
        torch.cat(squares).numpy() if squares else None,
        torch.cat(pull).numpy() if pull else None,
    )


def _histogram(values: Any, edges: Any) -> dict[str, Any]:
    counts, _ = np.histogram(values, edges)
    return {
        "edges": edges.tolist(), "counts": counts.tolist(), "below": int(np.sum(values < edges[0])),
        "above": int(np.sum(values > edges[-1])),
    }  # fmt: skip
