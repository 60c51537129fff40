"""How good the networks of HEP.TrkX are: accuracies of pixels and of hits, and what captions say of lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tracking.finders.trkx.captions import caption_loss, covariance_loss, distances, pulls
from tracking.finders.trkx.options import ToyOptions
from tracking.finders.trkx.toys import ToyEvents, make_toys

__all__ = [
    "COVERED", "MULTIPLICITIES", "by_multiplicity", "chosen_hits", "chosen_pixels", "hit_loss", "images_of", "measured",
    "there",
]  # fmt: skip

BATCH = 256
"""Toys that are looked at together."""
MULTIPLICITIES = (1, 2, 3, 5, 8, 12)
"""Exact numbers of background tracks that an accuracy is also given for."""
COVERED = {"coverage_68": 0.68, "coverage_95": 0.95}
"""Shares of the lines that should lie within an ellipse, by its name in the results."""


def images_of(toys: ToyEvents) -> Tensor:
    """Hits as a network reads them: (N, P, W) or (N, P, W, W) of 32 bits."""
    return torch.from_numpy(toys.images).float()


def there(toys: ToyEvents) -> Tensor:
    """Which rows of the parameters are lines (N, T)."""
    rows = torch.arange(toys.parameters.shape[1])
    return rows < torch.from_numpy(toys.n_tracks)[:, None]


def chosen_pixels(logits: Tensor) -> Tensor:
    """The likeliest pixel of each plane (N, P), of logits (N, P, pixels)."""
    return logits.argmax(dim=2)


def chosen_hits(logits: Tensor, images: Tensor) -> Tensor:
    """The likeliest of the pixels that have a hit: of the prediction times the hits.

    Args:
        logits: (N, P, pixels); images: (N, P', ...), whose last P planes they are of.
    """
    hits = images[:, -logits.shape[1] :].flatten(2)
    return logits.masked_fill(hits == 0, -torch.inf).argmax(dim=2)


def hit_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy over the planes that there are logits of, those of the seed with them, as published.

    Args:
        logits: (N, P, pixels); wanted: (N, P') pixels of the wanted track, whose last P planes they are of.
    """
    planes = wanted[:, -logits.shape[1] :]
    return cross_entropy(logits.float().flatten(0, 1), planes.flatten())


def measured(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    """What a network is worth on toys that it did not learn from, in single precision.

    Returns:
        Of networks that find a track: ``loss`` (:func:`hit_loss`); ``pixel_accuracy``: share of the planes
        without seed whose likeliest pixel is the wanted track's; ``hit_accuracy``: share of all planes that
        there are logits of whose likeliest hit is. Of captions: ``loss``, the mean squared error. With
        covariances also ``likelihood_loss``, ``coverage_68``, ``coverage_95``: shares of the lines that their
        ellipses hold; ``pull_means`` and ``pull_widths`` of intercept and slope, ``distance``: mean square
        of the Mahalanobis distance, which should be 2. What no line tells is None; a width needs two.
    """
    network.eval()
    if toy.has_lines:
        return _measured_lines(network, toy, n, seed)
    return _measured_hits(network, toy, n, seed)


def by_multiplicity(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, dict[str, float]]:
    """What :func:`measured` gives on toys with exactly 1, 2, 3, 5, 8 and 12 background tracks."""
    return {
        str(k): measured(network, replace(toy, background=float(k), background_exact=True), n, seed)
        for k in MULTIPLICITIES
    }


def _answers(
    network: nn.Module, toy: ToyOptions, n: int, seed: int
) -> Iterator[tuple[ToyEvents, Tensor, Tensor]]:
    """Toys in batches, their images and what the network says of these."""
    for first in range(0, n, BATCH):
        toys = make_toys(toy, min(BATCH, n - first), seed, first)
        images = images_of(toys)
        with torch.inference_mode():
            yield toys, images, network(images).float()


def _measured_hits(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    loss = 0.0
    right_pixels, n_pixels, right_hits, n_hits = 0, 0, 0, 0
    for toys, images, logits in _answers(network, toy, n, seed):
        wanted = torch.from_numpy(toys.wanted)
        loss += len(toys) * float(hit_loss(logits, wanted))
        planes = wanted[:, -logits.shape[1] :]
        # A network that predicts the next plane says nothing of the first.
        unseeded = slice(toy.seed_planes - (wanted.shape[1] - planes.shape[1]), None)
        pixels = (chosen_pixels(logits) == planes)[:, unseeded]
        hits = chosen_hits(logits, images) == planes
        right_pixels, n_pixels = right_pixels + int(pixels.sum()), n_pixels + pixels.numel()
        right_hits, n_hits = right_hits + int(hits.sum()), n_hits + hits.numel()
    return {
        "loss": loss / n,
        "pixel_accuracy": right_pixels / n_pixels,
        "hit_accuracy": right_hits / n_hits,
    }


def _measured_lines(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    told, true, lines = [], [], []
    for toys, _, answer in _answers(network, toy, n, seed):
        told.append(answer)
        true.append(torch.from_numpy(toys.parameters))
        lines.append(there(toys))
    answers, parameters, mask = torch.cat(told).double(), torch.cat(true).double(), torch.cat(lines)
    result: dict[str, Any] = {"loss": float(caption_loss(answers[..., :2], parameters))}
    if answers.shape[2] == 2:
        return result
    square = distances(answers, parameters)[mask]
    pull = pulls(answers, parameters)[0][mask]
    if not len(square):
        names = ("likelihood_loss", *COVERED, "distance", "pull_means", "pull_widths")
        return result | dict.fromkeys(names)
    result["likelihood_loss"] = float(covariance_loss(answers, parameters, mask))
    for name, share in COVERED.items():
        # The square of the distance has the distribution of chi square with two degrees of freedom.
        result[name] = float((square < -2 * math.log1p(-share)).double().mean())
    return result | {
        "distance": float(square.mean()),
        "pull_means": pull.mean(dim=0).tolist(),
        "pull_widths": pull.std(dim=0).tolist() if len(pull) > 1 else None,
    }
