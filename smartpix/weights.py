"""Trained weights on disk: safetensors with a JSON beside them that says what they are and how they were made."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError

__all__ = ["data_path", "load_arrays", "load_weights", "save_weights", "weights_path"]

Arrays = Mapping[str, npt.NDArray[Any]]


def data_path(name: str) -> Path:
    """Path of a file of the embedded data: in the installed package, or in the checkout's ``data/``.

    Raises:
        InputError: the installation lacks it.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "data", here.parent / "data"):
        if (folder / name).exists():
            return folder / name
    raise InputError(f"data file '{name}' is missing from this installation ({here}); install smartpix again")


def weights_path(name: str) -> Path:
    """A path as it is, or the name of weights that ship with the package (without ending).

    Raises:
        InputError: neither; lists the shipped names.
    """
    path = Path(name)
    if path.suffix == ".safetensors":
        return path
    shipped = sorted(p.stem for p in data_path("weights").glob("*.safetensors"))
    if name not in shipped:
        raise InputError(f"weights '{name}': no such shipped weights; there are {shipped}, or give a .safetensors path")
    return data_path("weights") / f"{name}.safetensors"


def save_weights(path: str | Path, arrays: Arrays, description: Mapping[str, Any]) -> None:
    """Write PATH.safetensors and its JSON, each whole or not at all; the git commit is added where there is one."""
    from safetensors.numpy import save_file

    from smartpix.files import replace_when_done

    path = Path(path).with_suffix(".safetensors")
    with replace_when_done(path) as beside:
        save_file({k: np.array(v, order="C") for k, v in arrays.items()}, beside)
        beside.chmod(0o644)  # safetensors makes files that only their owner reads
    with replace_when_done(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps({**description, "commit": _commit()}, indent=1) + "\n")


def load_weights(name: str | Path, *architectures: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and description of weights, checked against the architectures the caller can run.

    Raises:
        InputError: missing or damaged file, or weights of another architecture.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = weights_path(str(name))
    for wanted in (path, path.with_suffix(".json")):
        if not wanted.is_file():
            raise InputError(f"{wanted}: no such file; weights are a .safetensors with a .json beside it")
    try:
        description: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        arrays = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it may be cut off, make or copy it again") from error
    found = description.get("architecture") if isinstance(description, dict) else None
    if found not in architectures:
        expected = " or ".join(f"'{a}'" for a in architectures)
        raise InputError(f"{path}: holds weights of '{found}' and {expected} was expected; give weights of that kind")
    return arrays, description


def load_arrays(module: Any, arrays: Arrays, name: str | Path) -> None:
    """Put arrays into a torch module.

    Raises:
        InputError: an array is missing, superfluous or of another shape.
    """
    import torch

    try:
        module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: the weights do not fit the network ({reason}); train or copy them again") from error


def _commit() -> str:
    try:
        out = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=os.path.dirname(__file__), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return out.stdout.strip()
