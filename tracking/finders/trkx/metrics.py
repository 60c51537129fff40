"""How good the networks of HEP.TrkX are: accuracies of pixels and of hits, and what captions say of lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tracking.finders.trkx.captions import caption_loss, covariance_loss, distances, pulls
from tracking.finders.trkx.options import ToyOptions
from tracking.finders.trkx.toys import ToyEvents, make_toys

__all__ = [
    "ACCURACIES", "COVARIANCE_NUMBERS", "COVERED", "MULTIPLICITIES", "SHARE", "ToldLines", "by_multiplicity", "chosen_hits",
    "chosen_pixels", "exactly", "hit_loss", "images_of", "measured", "measured_lines", "there", "told_lines",
]  # fmt: skip

BATCH = 256
"""Toys that are looked at together."""
ACCURACIES = ("pixel_accuracy", "hit_accuracy", "hit_accuracy_unseeded")
"""Of networks that find a track, by their names in the results."""
SHARE = 4
"""For each number of background tracks or lines, this part of the toys."""
MULTIPLICITIES = (1, 2, 3, 5, 8, 12)
"""Exact numbers of background tracks that an accuracy is also given for."""
COVERED = {"coverage_68": 0.68, "coverage_95": 0.95}
"""Shares of the lines that should lie within an ellipse, by its name in the results."""
COVARIANCE_NUMBERS = ("likelihood_loss", "distance", "pull_means", "pull_widths")
"""What covariances give besides."""


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


def exactly(toy: ToyOptions, n: int) -> ToyOptions:
    """Toys with exactly n background tracks; of the kinds ``lines``, with n lines."""
    return replace(toy, background=float(n), background_exact=True)


def measured(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    """What a network is worth on toys that it did not learn from, in single precision.

    Returns:
        Of networks that find a track: ``loss`` (:func:`hit_loss`); ``pixel_accuracy``: share of the planes
        without seed whose likeliest pixel is the wanted track's; ``hit_accuracy``: share of all planes that
        there are logits of whose likeliest hit is, as published; ``hit_accuracy_unseeded``: that share of the
        planes without seed, which are the same for all networks. Of lines what :func:`measured_lines` gives.
    """
    if toy.has_lines:
        return measured_lines(told_lines(network, toy, n, seed))
    return _measured_hits(network, toy, n, seed)


def by_multiplicity(
    network: nn.Module, toy: ToyOptions, n: int, seed: int, numbers: Iterable[int] = MULTIPLICITIES
) -> dict[str, dict[str, Any]]:
    """What :func:`measured` gives on toys with exactly so many background tracks, or lines."""
    return {str(k): measured(network, exactly(toy, k), n, seed) for k in numbers}


def _answers(
    network: nn.Module, toy: ToyOptions, n: int, seed: int
) -> Iterator[tuple[ToyEvents, Tensor, Tensor]]:
    """Toys in batches, their images and what the network says of these."""
    network.eval()
    for first in range(0, n, BATCH):
        toys = make_toys(toy, min(BATCH, n - first), seed, first)
        images = images_of(toys)
        with torch.inference_mode():
            yield toys, images, network(images).float()


def _measured_hits(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> dict[str, Any]:
    loss = 0.0
    right, asked = dict.fromkeys(ACCURACIES, 0), dict.fromkeys(ACCURACIES, 0)
    for toys, images, logits in _answers(network, toy, n, seed):
        wanted = torch.from_numpy(toys.wanted)
        loss += len(toys) * float(hit_loss(logits, wanted))
        planes = wanted[:, -logits.shape[1] :]
        # A network that predicts the next plane says nothing of the first, whether it is a seed's or not.
        unseeded = slice(max(toy.seed_planes - (wanted.shape[1] - planes.shape[1]), 0), None)
        hits = chosen_hits(logits, images) == planes
        found = ((chosen_pixels(logits) == planes)[:, unseeded], hits, hits[:, unseeded])
        for name, good in zip(ACCURACIES, found, strict=True):
            right[name] += int(good.sum())
            asked[name] += good.numel()
    return {"loss": loss / n} | {name: right[name] / asked[name] for name in ACCURACIES}


@dataclass(frozen=True)
class ToldLines:
    """What a network says of the lines of N images, in double precision.

    Attributes:
        told: (N, T, 2) intercept and slope, or (N, T, 5) with their covariance.
        true: (N, T, 2) parameters of the toys.
        there: (N, T) which rows are lines.
    """

    told: Tensor
    true: Tensor
    there: Tensor


def told_lines(network: nn.Module, toy: ToyOptions, n: int, seed: int) -> ToldLines:
    """The answers of a network of captions on n toys."""
    told, true, lines = [], [], []
    for toys, _, answer in _answers(network, toy, n, seed):
        told.append(answer)
        true.append(torch.from_numpy(toys.parameters))
        lines.append(there(toys))
    return ToldLines(torch.cat(told).double(), torch.cat(true).double(), torch.cat(lines))


def measured_lines(answers: ToldLines) -> dict[str, Any]:
    """What captions are worth.

    Returns:
        ``loss``, the mean squared error, and ``loss_error``, its standard error over images. With covariances
        also ``likelihood_loss``; ``coverage_68``, ``coverage_95``: shares of the lines that their ellipses
        hold, and their binomial ``_error``; ``pull_means`` and ``pull_widths`` of intercept and slope;
        ``distance``: mean square of the Mahalanobis distance, which should be 2. What no line tells is None;
            a width needs two
        lines, and ``loss_error`` two images.
    """
    told, true, mask = answers.told, answers.true, answers.there
    losses = (told[..., :2] - true).square().mean(dim=(1, 2))
    n = len(losses)
    result: dict[str, Any] = {
        "loss": float(caption_loss(told[..., :2], true)),
        "loss_error": float(losses.std() / math.sqrt(n)) if n > 1 else None,
    }
    if told.shape[2] == 2:
        return result
    square = distances(told, true)[mask]
    pull = pulls(told, true)[0][mask]
    n_lines = len(square)
    if not n_lines:
        return result | dict.fromkeys((*COVARIANCE_NUMBERS, *COVERED, *(f"{name}_error" for name in COVERED)))
    for name, share in COVERED.items():
        # The square of the distance has the distribution of chi square with two degrees of freedom.
        held = float((square < -2 * math.log1p(-share)).double().mean())
        result |= {name: held, f"{name}_error": math.sqrt(held * (1 - held) / n_lines)}
    return result | {
        "likelihood_loss": float(covariance_loss(told, true, mask)),
        "distance": float(square.mean()),
        "pull_means": pull.mean(dim=0).tolist(),
        "pull_widths": pull.std(dim=0).tolist() if n_lines > 1 else None,
    }
