"""The finished units of a run that is not finished, kept beside its output: a run that was stopped goes on from there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from smartpix.schema import InputError
from smartpix.text import read_json
from smartpix.weights import weights_path
from tracking.options import RunOptions
from tracking.units import Part, Unit, unpacked

__all__ = ["Parts", "alone_in", "begin", "clear", "is_done", "load_part", "made_with", "store_part"]

LOCK = ".lock"
RUN = "run.json"
WEIGHTS = ("gnn", "mdn_barrel", "mdn_endcap", "shape", "fixed_barrel", "fixed_endcap")


@dataclass(frozen=True)
class Parts:
    """A folder of parts, and the beginning of the sha256 of what they are made with, which is in their names."""

    folder: Path
    made: str


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Hold a folder of results for one run, until its end or the death of its process.

    Raises:
        InputError: another run holds it, or its file system has no locks.
    """
    path = output / LOCK
    with path.open("w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file is gone, or a new one, where the run that held it has ended since it was opened.
            alone = os.path.samestat(os.fstat(stream.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):
            alone = False
        except OSError as error:
            raise InputError(f"{path}: cannot be locked ({error.strerror}); give a folder on another file system") from error
        if not alone:
            raise InputError(f"{output}: another run is writing into this folder; wait for its end, or give another with -o")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def made_with(options: RunOptions, events_per_unit: int) -> dict[str, Any]:
    """What the parts depend on besides the files: version, options and, by name, the sha256 of weights and of their JSON."""
    weights = {}
    for name in WEIGHTS:
        given = getattr(options, name)
        if given == "auto":
            continue
        path = weights_path(given)
        weights[name] = [_sha256(p) for p in (path, path.with_suffix(".json")) if p.is_file()]
    told = {"version": version("smartpix"), "events_per_unit": events_per_unit, "options": asdict(options), "weights": weights}
    return dict(json.loads(json.dumps(told)))


def begin(folder: Path, told: Mapping[str, Any]) -> Parts:
    """Make the folder for the parts, or go on with the one that is there.

    Args:
        told: of :func:`made_with`.

    Raises:
        InputError: it holds parts of a run with other options, weights or version, or something that is not of a run.
    """
    parts = Parts(folder, hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12])
    if not any(folder.glob("*.part")):
        clear(folder)
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise InputError(
                f"{folder}: is not of a run, which needs this name; move it, or give another folder with -o"
            ) from error
        with replace_when_done(folder / RUN) as beside:
            beside.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return parts
    try:
        before = read_json(folder / RUN)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / RUN}: cannot be read ({error}); remove the folder to start anew") from error
    old, new = dict(_flat(before)), dict(_flat(told))
    other = [f"{name} was {old.get(name)}, is {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)]
    if other:
        raise InputError(
            f"{folder}: holds what is done of a run with other options, weights or version ({'; '.join(other[:3])}). "
            "Finish that one, write to another folder, or remove this one to start anew"
        )
    return parts


def clear(folder: Path) -> None:
    """Remove the parts and what is theirs; the folder stays if it holds anything else."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.suffix == ".part" or path.name == RUN:
            path.unlink()
        elif path.name.startswith(f".{RUN}.") or (path.name.startswith(".") and ".part." in path.name):
            # What was being written beside when the run was killed.
            shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()


def is_done(parts: Parts, unit: Unit) -> bool:
    """Whether the unit's part is there."""
    return _path(parts, unit).is_file()


def store_part(parts: Parts, unit: Unit, content: bytes) -> None:
    """Keep a packed part, whole or not at all."""
    with replace_when_done(_path(parts, unit)) as beside:
        beside.write_bytes(content)


def load_part(parts: Parts, unit: Unit) -> Part:
    """A part that is done.

    Raises:
        InputError: it is damaged.
    """
    path = _path(parts, unit)
    try:
        return unpacked(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); remove it and run again, which does the missing part anew"
        ) from error


def _path(parts: Parts, unit: Unit) -> Path:
    return parts.folder / f"{parts.made}-{unit.key}.part"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
