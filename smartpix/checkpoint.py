"""Checkpoints of a training: written after every epoch, taken up by the same command."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from smartpix.files import replace_when_done
from smartpix.schema import InputError

__all__ = ["resume", "save_checkpoint"]


def save_checkpoint(
    path: Path,
    made_with: dict[str, Any],
    epoch: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, Any] | None = None,
) -> None:
    """Write the state after ``epoch`` epochs, and ``more`` with it, whole or not at all."""
    state = {"made_with": made_with, "epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    with replace_when_done(path) as beside:
        torch.save(state | {"more": more or {}}, beside)


def resume(
    path: Path,
    made_with: dict[str, Any],
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, Any] | None = None,
) -> int:
    """Load a checkpoint if there is one, its ``more`` into the given one; returns the epochs done.

    Raises:
        InputError: a damaged checkpoint, or one made with other options.
    """
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
        found = state["made_with"]
    except (RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: damaged checkpoint ({type(error).__name__}); delete it to start again") from error
    if found != made_with:
        differs = _differences(found, made_with)
        raise InputError(f"{path}: was made with other options ({', '.join(differs)}); delete it or give the same options")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if more is not None:
        more.update(state["more"])
    return int(state["epoch"])


def _differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Names of the entries that differ, those inside mappings with a dot."""
    names = []
    for key in sorted({*a, *b}):
        one, other = a.get(key, "missing"), b.get(key, "missing")
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            names += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            names.append(f"{prefix}{key}")
    return names
