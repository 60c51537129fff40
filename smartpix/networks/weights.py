"""Trained weights on disk: safetensors, and beside them a JSON that says what they are."""

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
from smartpix.provenance import origin
from smartpix.schema import InputError, nearest, quoted
from smartpix.shipped import data_path
from smartpix.text import read_json

__all__ = [
    "REPAIR", "check_output", "checksum", "describe_weights", "load_arrays", "load_weights",
    "save_description",
    "save_weights", "weights_path",
]  # fmt: skip

Arrays = Mapping[str, npt.NDArray[Any]]

REPAIR = "copy both files again, or train again"
"""What to do about weights that are damaged."""


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
        raise InputError(
            f"weights {quoted(name)}: no such shipped weights; there are {', '.join(shipped)}; or give a "
            f".safetensors path.{nearest(str(name), shipped)}"
        )
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

    The JSON has the description, the sha256 of the weights, by which the two are known to belong together,
    the git commit, the versions that made them (:func:`smartpix.provenance.origin`, unless it is in the
    description, with inputs), and a checksum of itself.

    Raises:
        InputError: as :func:`check_output`, or the disk is full.
    """
    from safetensors.numpy import save

    check_output(path)
    path = Path(path)
    # Not safetensors' own writing: it hides why a file cannot be written.
    content = save({k: np.array(v, order="C") for k, v in arrays.items()})
    with replace_when_done(path) as beside:
        beside.write_bytes(content)
    save_description(path, {"provenance": origin(), **description, "commit": _commit()})


def save_description(path: str | Path, description: Mapping[str, Any]) -> None:
    """Write the JSON of weights that are there, with their sha256 and a checksum of the description.

    Also the way to change a description on purpose.

    Args:
        path: of the weights (.safetensors).
    """
    path = Path(path)
    signed = {k: v for k, v in description.items() if k != "checksum"} | {
        "sha256": _sha256(path.read_bytes())
    }
    with replace_when_done(path.with_suffix(".json")) as beside:
        beside.write_text(
            json.dumps(signed | {"checksum": checksum(signed)}, indent=1) + "\n", encoding="utf-8"
        )


def checksum(description: Mapping[str, Any]) -> str:
    """Sha256 of a description in its canonical form (sorted keys, no spaces, ASCII), without ``checksum``
    itself.
    """
    unsigned = {k: v for k, v in description.items() if k != "checksum"}
    return _sha256(json.dumps(unsigned, sort_keys=True, separators=(",", ":")).encode())


MADE_BY = {
    "mdn": "smartpix train mdn",
    "fixed": "smartpix compress",
    "count": "smartpix train count",
    "fixedcount": "smartpix compress --learn count",
    "set": "smartpix train mixture --particles",
    "mixture": "smartpix train mixture --components",
    "front": "smartpix train front",
    "deepcore": "smartpix train deepcore",
    "trkx": "smartpix train trkx",
    "rampgraph": "smartpix train ramp --finder graph",
    "ramplstm": "smartpix train ramp --finder phi-lstm",
    "path": "smartpix train path",
    "link": "smartpix train link",
    "fixedinteraction": "smartpix train gnn --network interaction --bits",
    "gravnet": "smartpix train gravnet",
    "garnet": "smartpix train garnet",
}
"""Commands that make weights, by the first part of the architecture."""


def load_weights(
    name: str | Path, *architectures: str, remedy: str = "give weights of that kind"
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and description of weights, checked against the architectures the caller can run.

    That both are of one training and as they were written is checked by the JSON's sha256 and its checksum.

    Args:
        remedy: what to do about weights of another architecture.

    Raises:
        InputError: missing or damaged file, weights and JSON of different trainings, or weights of another
            architecture.
    """
    path, arrays, description = _read(name)
    found = description.get("architecture")
    if found not in architectures:
        made = MADE_BY.get(str(found).split("-")[0])
        commands = dict.fromkeys(MADE_BY.get(a.split("-")[0], "") for a in architectures)
        expected = " or ".join(commands if all(commands) else [f"'{a}'" for a in architectures])
        raise InputError(
            f"{path}: holds weights of '{found}'{f' ({made})' if made else ''} and {expected} was expected; "
            f"{remedy}"
        )
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
    from safetensors.numpy import load

    path = weights_path(str(name))
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise InputError(f"{file}: no such file; weights are a .safetensors with a .json beside it")
    try:
        description = read_json(beside)
    except (OSError, ValueError) as error:
        raise InputError(f"{beside}: cannot be read ({error}); it may be cut off, {REPAIR}") from error
    if not isinstance(description, dict):
        raise InputError(f"{beside}: is not a description of weights; {REPAIR}")
    try:
        content = path.read_bytes()
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it may be cut off, {REPAIR}") from error
    for key in ("checksum", "sha256"):
        if key not in description:
            raise InputError(f"{beside}: has no '{key}', so that nothing tells whether it is whole; {REPAIR}")
    if description["checksum"] != checksum(description):
        raise InputError(f"{beside}: was changed after it was written (its checksum differs); {REPAIR}")
    if description["sha256"] != _sha256(content):
        raise InputError(f"{path}: is not what {beside.name} describes (its sha256 differs); {REPAIR}")
    for key, values in arrays.items():
        if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
            raise InputError(f"{path}: '{key}' has values that are not finite; {REPAIR}")
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
        raise InputError(
            f"{name}: the weights do not fit the network ({reason}); train or copy them again"
        ) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _commit() -> str:
    """The commit of the checkout that this package is in; "unknown" for an installed package.

    It ends in "-dirty" if files of the checkout differ from the commit.

    Changes in ``data/`` do not count: remaking the weights one after another changes them.
    """
    folder = Path(__file__).resolve().parents[2]
    if _git(folder, "rev-parse", "--show-toplevel") != str(folder):
        return "unknown"
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)data")
    return (_git(folder, "rev-parse", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; nothing if it is not there or fails."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
