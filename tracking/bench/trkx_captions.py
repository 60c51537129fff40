"""Tracks as captions on fresh toys: the loss by the number of lines, and histograms of distances and
pulls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from tracking.finders.trkx.captions import distances, pulls
from tracking.finders.trkx.metrics import SHARE, ToldLines, by_multiplicity
from tracking.finders.trkx.options import ToyOptions

__all__ = ["DISTANCE_EDGES", "PULL_EDGES", "caption_numbers"]

DISTANCE_EDGES = np.linspace(0, 16, 33)
"""Bins of the square of the Mahalanobis distance."""
PULL_EDGES = np.linspace(-5, 5, 41)
"""Bins of the pulls."""


def caption_numbers(network: nn.Module, toy: ToyOptions, answers: ToldLines, seed: int) -> dict[str, Any]:
    """A network of captions in more detail than :func:`tracking.finders.trkx.metrics.measured_lines`.

    Args:
        answers: of the network, on toys of this seed.

    Returns:
        ``by_lines``: where the number of lines varies, what :func:`tracking.finders.trkx.metrics.measured`
            gives
        for each number, on a quarter of the toys. With covariances ``n_lines``, and histograms, whose
        ``above`` and ``below`` count what lies outside: ``distance`` (square of the Mahalanobis distance),
            ``pulls`` of
        intercept and slope.
    """
    made: dict[str, Any] = {}
    if not toy.background_exact:
        fewer = max(len(answers.told) // SHARE, 1)
        made["by_lines"] = by_multiplicity(network, toy, fewer, seed, range(1, toy.max_tracks + 1))
    if answers.told.shape[2] > 2:
        squares = distances(answers.told, answers.true)[answers.there].numpy()
        pull = pulls(answers.told, answers.true)[0][answers.there].numpy()
        made["n_lines"] = len(squares)
        made["distance"] = _histogram(squares, DISTANCE_EDGES)
        made["pulls"] = {
            name: _histogram(values, PULL_EDGES)
            for name, values in zip(("intercept", "slope"), pull.T, strict=True)
        }
    return made


def _histogram(values: Any, edges: Any) -> dict[str, Any]:
    counts, _ = np.histogram(values, edges)
    return {
        "edges": edges.tolist(), "counts": counts.tolist(), "below": int(np.sum(values < edges[0])),
        "above": int(np.sum(values > edges[-1])),
    }  # fmt: skip
