"""Checkpoints of a training: written after every epoch, taken up by the same command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smartpix.files import replace_when_done
from smartpix.packed import pack, unpack
from smartpix.schema import InputError

__all__ = ["resume", "save_checkpoint"]

KIND = "checkpoint 1"
SCALARS = ("step", "mu_product")
"""What optimisers keep as one number for each parameter: Nadam a product besides the steps."""


def save_checkpoint(
    path: Path,
    made_with: dict[str, Any],
    epoch: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, Any] | None = None,
) -> None:
    """Write the state after ``epoch`` epochs, and ``more`` with it (numbers, texts, tensors), whole or not at
    all.

    Raises:
        InputError: the file cannot be written.
    """
    of_parameters = {str(number): values for number, values in optimizer.state_dict()["state"].items()}
    state = {
        "made_with": _as_read(made_with),
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": of_parameters,
    }
    content = pack(_arrays(state | {"more": more or {}}), KIND)
    with replace_when_done(path) as beside:
        beside.write_bytes(content)


def resume(
    path: Path,
    made_with: dict[str, Any],
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, Any] | None = None,
) -> int:
    """Load a checkpoint if there is one, its ``more`` into the given one; returns the epochs done.

    Raises:
        InputError: a damaged checkpoint, or one made with other options or of another network.
    """
    if not path.exists():
        return 0
    try:
        state = _tensors(unpack(path.read_bytes(), KIND))
        found, epoch = state["made_with"], state["epoch"]
        if (
            not isinstance(found, dict)
            or type(epoch) is not int
            or epoch < 0
            or not isinstance(state["more"], dict)
        ):
            raise ValueError("its layout is another")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if found != (settings := _as_read(made_with)):
        differs = _differences(found, settings)
        raise InputError(
            f"{path}: was made with other options ({', '.join(differs)}); delete it or give the same options"
        )
    try:
        _load(model, optimizer, state)
        if more is not None:
            for name, value in state["more"].items():
                # What is a dictionary once there is one is a state of the network.
                like = dict(model.state_dict()) if isinstance(value, dict) else more.get(name)
                _check_like(like, value, name)
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error
    if more is not None:
        more.update(state["more"])
    return epoch


def _damaged(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:120]
    return InputError(
        f"{path}: damaged checkpoint, or of another version ({type(error).__name__}: {reason}); delete it to "
        f"start again"
    )


def _load(model: torch.nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put the state into network and optimizer, whose own sizes it must have."""
    _check_like(dict(model.state_dict()), state["model"], "model")
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    of_parameters = {}
    for number, values in state["optimizer"].items():
        parameter = parameters[int(number)]
        for name, value in values.items():
            if value.shape != (torch.Size([]) if name in SCALARS else parameter.shape):
                raise ValueError(f"{name} of parameter {number} has the shape {tuple(value.shape)}")
            if name not in SCALARS:
                # Laid out as the parameter is: fused optimisers take both in the order of the memory.
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        of_parameters[int(number)] = values
    model.load_state_dict(state["model"])
    # What the groups are set to follows from the options, and these are the same.
    optimizer.load_state_dict(
        {"state": of_parameters, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _check_like(expected: Any, found: Any, where: str) -> None:
    """Check dictionaries of tensors against those that are there: names, shapes, types."""
    if isinstance(expected, torch.Tensor):
        if not isinstance(found, torch.Tensor) or (found.shape, found.dtype) != (
            expected.shape,
            expected.dtype,
        ):
            raise ValueError(f"{where} is of another kind or shape")
    elif isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            raise ValueError(f"{where} has other entries")
        for name, value in expected.items():
            _check_like(value, found[name], f"{where}.{name}")
    elif isinstance(expected, list):
        if not isinstance(found, list) or not all(isinstance(value, (float, int, dict)) for value in found):
            raise ValueError(f"{where} is no list of numbers or of their tables")
    elif isinstance(expected, float) and not isinstance(found, (float, int)):
        raise ValueError(f"{where} is no number")


def _as_read(values: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back: tuples are lists."""
    return dict(json.loads(json.dumps(values)))


def _arrays(value: Any) -> Any:
    """With arrays in the place of tensors."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, Mapping):
        return {key: _arrays(inner) for key, inner in value.items()}
    return [_arrays(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _tensors(value: Any) -> Any:
    """With tensors in the place of arrays."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    if isinstance(value, dict):
        return {key: _tensors(inner) for key, inner in value.items()}
    return [_tensors(inner) for inner in value] if isinstance(value, list) else value


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
