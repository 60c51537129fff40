"""What the trainings of finders on event files share: what a checkpoint must match, the learning rate, and
the weights they leave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from smartpix.io.events import open_events
from smartpix.networks.weights import save_weights
from smartpix.provenance import by_path, origin
from smartpix.schema import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "checkpoint_path", "event_seed", "falling_rate", "made_with", "n_parameters", "save_trained",
    "trained_description",
]  # fmt: skip

LAST_RATE = 0.01
"""Share of the learning rate that is left at the end of the cosine."""


def checkpoint_path(output: str | Path) -> Path:
    """Where a training that writes these weights keeps its checkpoint."""
    return Path(output).with_suffix(".checkpoint")


def made_with(options: DataclassInstance, files: Sequence[Path], **more: Any) -> dict[str, Any]:
    """What decides the weights to the bit: a checkpoint of anything else is not taken up.

    Args:
        more: numbers of what was read of the files.
    """
    names = [str(file) for file in files]
    return {**asdict(options), "files": names, **more, "threads": torch.get_num_threads()}


def event_seed(file: str | Path) -> int:
    """The seed that the events of a file were simulated with, by which fresh ones are known.

    Raises:
        InputError: unusable file, or one that does not name its seed.
    """
    seed = dict(open_events(file).header.made_by).get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(
            f"{file}: does not name the seed of its events, so that it may hold events of a training; give "
            f"a file of smartpix simulate, or of smartpix convert from one"
        )
    return seed


def falling_rate(largest: float, progress: float) -> float:
    """The learning rate at a share ``progress`` of a training: a cosine from the largest down to 1 %."""
    return largest * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def save_trained(
    output: str | Path,
    network: torch.nn.Module,
    architecture: str,
    options: DataclassInstance,
    files: Sequence[Path],
    metrics: dict[str, Any],
    **more: Any,
) -> None:
    """Save a trained network with what it was made of, and remove its checkpoint.

    Args:
        more: what else the description says.

    Raises:
        InputError: the weights cannot be written.
    """
    description = trained_description(architecture, options, files, metrics, **more)
    save_weights(output, {k: v.numpy() for k, v in network.state_dict().items()}, description)
    checkpoint_path(output).unlink(missing_ok=True)


def trained_description(
    architecture: str,
    options: DataclassInstance,
    files: Sequence[Path],
    metrics: dict[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """What the JSON of weights says that were trained on event files; arguments as of :func:`save_trained`."""
    return {
        "architecture": architecture,
        "options": asdict(options),
        "data": [dict(open_events(file).header.made_by) for file in files],
        "metrics": metrics,
        **more,
        "threads": torch.get_num_threads(),
        "provenance": origin(by_path(files)),
    }


def n_parameters(network: torch.nn.Module) -> int:
    """Parameters of a network, those that its training left alone with them."""
    return sum(values.numel() for values in network.parameters())
