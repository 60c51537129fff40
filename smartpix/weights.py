"""Trained weights on disk: safetensors with a JSON beside them that says what they are and how they were made."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.files import check_writable, replace_when_done
from smartpix.schema import InputError, nearest
from smartpix.text import read_json

__all__ = ["check_output", "data_path", "describe_weights", "load_arrays", "load_weights", "save_weights", "weights_path"]

Arrays = Mapping[str, npt.NDArray[Any]]


def data_path(name: str) -> Path:
    """Path of a file of the embedded data: in the installed package, or in the checkout's ``data/``.

    Raises:
        InputError: the installation lacks it.
    """
    here = Path(__file__).resolve().parent
    known: list[str] = []
    for folder in (here / "data", here.parent / "data"):
        if (folder / name).exists():
            return folder / name
        known += [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    raise InputError(
        f"data file '{name}' is not in this installation ({here}).{nearest(name, known)} If it should be, install smartpix again"
    )


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


def check_output(path: str | Path) -> None:
    """Check that weights can be written there, before the training that makes them.

    Raises:
        InputError: the name does not end in .safetensors, or its folder cannot be written.
    """
    if Path(path).suffix != ".safetensors":
        raise InputError(f"{path}: the output must end in .safetensors; name it {path}.safetensors")
    check_writable(path)


def save_weights(path: str | Path, arrays: Arrays, description: Mapping[str, Any]) -> None:
    """Write weights and, with the same name but for the ending, their JSON, each whole or not at all.

    The JSON has the description, the sha256 of the weights, by which the two are known to belong together, and the git commit.

    Raises:
        InputError: as :func:`check_output`.
    """
    from safetensors.numpy import save_file

    check_output(path)
    path = Path(path)
    with replace_when_done(path) as beside:
        save_file({k: np.array(v, order="C") for k, v in arrays.items()}, beside)
        beside.chmod(0o644)  # safetensors makes files that only their owner reads
        told = {**description, "sha256": _sha256(beside), "commit": _commit()}
    with replace_when_done(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def load_weights(
    name: str | Path, *architectures: str, remedy: str = "give weights of that kind"
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and description of weights, checked against the architectures the caller can run.

    That both are of one training is checked where the JSON has the weights' sha256; those made before it was kept have none.

    Args:
        remedy: what to do about weights of another architecture.

    Raises:
        InputError: missing or damaged file, weights and JSON of different trainings, or weights of another architecture.
    """
    path, arrays, description = _read(name)
    found = description.get("architecture")
    if found not in architectures:
        expected = " or ".join(f"'{a}'" for a in architectures)
        raise InputError(f"{path}: holds weights of '{found}' and {expected} was expected; {remedy}")
    return arrays, description


def describe_weights(name: str | Path) -> dict[str, Any]:
    """What weights are: of which architecture, how they were made, how good they are.

    Raises:
        InputError: missing or damaged file, or weights and JSON of different trainings.
    """
    path, arrays, description = _read(name)
    n = sum(array.size for array in arrays.values())
    return {"file": str(path), "container": "safetensors", "n_values": n, **description}


def _read(name: str | Path) -> tuple[Path, dict[str, npt.NDArray[Any]], dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = weights_path(str(name))
    for wanted in (path, path.with_suffix(".json")):
        if not wanted.is_file():
            raise InputError(f"{wanted}: no such file; weights are a .safetensors with a .json beside it")
    try:
        description: dict[str, Any] = read_json(path.with_suffix(".json"))
        arrays = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it may be cut off, make or copy it again") from error
    if not isinstance(description, dict):
        raise InputError(f"{path.with_suffix('.json')}: is not a description of weights; copy or train them again")
    if description.get("sha256", "") not in ("", _sha256(path)):
        raise InputError(f"{path}: is not what {path.stem}.json describes (its sha256 differs); copy both again, or train again")
    return path, arrays, description


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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _commit() -> str:
    """Of the checkout that this package is in, with "-dirty" if its files differ from it; "unknown" for an installed package.

    Changes in ``data/`` do not count: remaking the weights one after another changes them.
    """
    folder = Path(__file__).resolve().parent.parent
    if _git(folder, "rev-parse", "--show-toplevel") != str(folder):
        return "unknown"
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)data")
    return (_git(folder, "rev-parse", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; nothing if it is not there or fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
