"""The finished units of a run that is not finished, kept beside its output: a run that was stopped goes on
from there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartpix.files import REFUSED, is_marked, replace_when_done, sha256_of, store_text, writing
from smartpix.networks.weights import weights_path
from smartpix.schema import InputError
from smartpix.staging import staging, sweep
from smartpix.text import read_json
from tracking.options import RunOptions
from tracking.runs.part import Part, unpacked
from tracking.runs.units import Unit

__all__ = [
    "WEIGHTS",
    "WRITTEN",
    "Parts",
    "alone_in",
    "begin",
    "clear",
    "load_part",
    "made_with",
    "store_part",
    "store_written",
    "sums_of_weights",
]

log = logging.getLogger(__name__)

LOCK = ".lock"
OF_A_RUN = b"smartpix run\n"
"""Content of the lock, by which it is known."""
RUN = "run.json"
PART = re.compile(r"[0-9a-f]{12}-[0-9a-f]{24}\.part")
OF_A_PART = b"smartpix part "
WRITTEN = "written.json"
"""The sha256 of all results, from the moment before they are moved into their places: what a killed run moved
is known by it.
"""
OF_RESULTS = b'{"results of a smartpix run": '
WEIGHTS = ("gnn", "mdn_barrel", "mdn_endcap", "shape", "fixed_barrel", "fixed_endcap")


@dataclass(frozen=True)
class Parts:
    """A folder of parts, and the beginning of the sha256 of what they are made with, which is in their
    names.
    """

    folder: Path
    made: str


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Hold a folder of results for one run, until its end or the death of its process.

    Raises:
        InputError: another run holds it, its file system has no locks, or something else has the lock's name.
    """
    path = output / LOCK
    lock = _open_lock(path)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file is gone, or a new one, where the run that held it has ended since it was opened.
            alone = os.path.samestat(os.fstat(lock), path.lstat())
        except (BlockingIOError, FileNotFoundError):
            alone = False
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); give a folder on another file system"
            ) from error
        if not alone:
            raise InputError(
                f"{output}: another run is writing into this folder; wait for its end, or give another with "
                f"-o"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    """The lock's file, made where it is not there, with its content from the first moment; no link is
    followed.
    """
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            with writing(path), staging(path.parent) as folder:
                (folder / LOCK).write_bytes(OF_A_RUN)
                # It is there already where another run was quicker.
                with suppress(FileExistsError):
                    _link(folder / LOCK, path)
            continue
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise _not_a_lock(path) from error
            whose = "; the run may be another user's" if error.errno in (errno.EACCES, errno.EPERM) else ""
            raise InputError(
                f"{path}: cannot be opened ({error.strerror}){whose}; give another folder with -o"
            ) from error
        if stat.S_ISREG(os.fstat(lock).st_mode) and os.read(lock, 100) == OF_A_RUN:
            return lock
        os.close(lock)
        raise _not_a_lock(path)


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in REFUSED:
            raise
        raise InputError(
            f"{path}: a hard link cannot be made ({error.strerror}), as on file systems that have none, and "
            f"the lock of a run "
            "is made with one; give a folder on another file system with -o"
        ) from error


def _not_a_lock(path: Path) -> InputError:
    return InputError(
        f"{path}: is not the lock of a run, which needs this name; move it, or give another folder with -o"
    )


def made_with(options: RunOptions, events_per_unit: int) -> dict[str, Any]:
    """What the parts depend on besides the files: version, options and, by name, the sha256 of weights and of
    their JSON.
    """
    weights = sums_of_weights(options)
    told = {
        "version": version("smartpix"),
        "events_per_unit": events_per_unit,
        "options": asdict(options),
        "weights": weights,
    }
    return dict(json.loads(json.dumps(told)))


def sums_of_weights(options: RunOptions) -> dict[str, list[str]]:
    """By name, the sha256 of weights and of their JSON, of those that are there."""
    sums = {}
    for name in WEIGHTS:
        given = getattr(options, name)
        if given == "auto":
            continue
        path = weights_path(given)
        sums[name] = [sha256_of(p) for p in (path, path.with_suffix(".json")) if p.is_file()]
    return sums


def begin(folder: Path, told: Mapping[str, Any]) -> Parts:
    """Make the folder for the parts, or go on with the one that is there.

    Args:
        told: of :func:`made_with`.

    Raises:
        InputError: it holds parts of a run with other options, weights or version, or something that is not
            of a run.
    """
    parts = Parts(folder, hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12])
    if any(folder.glob("*.part")) and not folder.is_symlink():
        before = _read_run(folder)
        old, new = dict(_flat(before)), dict(_flat(told))
        other = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if not other:
            # Once, and not with every part: there may be many.
            sweep(folder)
            return parts
        if other != ["version"]:
            differs = [f"{name} was {old.get(name)}, is {new.get(name)}" for name in other[:3]]
            raise InputError(
                f"{folder}: holds what is done of a run with other options or weights "
                f"({'; '.join(differs)}). "
                "Finish that one, write to another folder, or remove this one to start anew"
            )
        log.info(
            "%s: what is done there is of smartpix %s, and is done anew by %s",
            folder,
            old.get("version"),
            new["version"],
        )
    clear(folder)
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise InputError(
            f"{folder}: is not of a run, which needs this name; move it, or give another folder with -o"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); give another folder with -o"
        ) from error
    with replace_when_done(folder / RUN) as beside:
        store_text(beside, json.dumps(told, indent=1) + "\n")
    return parts


def _read_run(folder: Path) -> Mapping[str, Any]:
    """What the parts that are there were made with."""
    try:
        found = read_json(folder / RUN)
        if not isinstance(found, dict):
            raise ValueError("it is no table")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / RUN}: cannot be read ({error}); remove the folder to start anew"
        ) from error
    return found


def clear(folder: Path) -> None:
    """Remove the parts and what is theirs; the folder stays if it holds anything else."""
    if not folder.is_dir() or folder.is_symlink():
        return
    sweep(folder)
    for path in folder.iterdir():
        if PART.fullmatch(path.name) and is_marked(path, OF_A_PART):
            path.unlink()
    # After the parts, which nobody would know without it.
    with suppress(InputError):
        if (
            is_marked(folder / RUN, b"{")
            and {"version", "events_per_unit", "options"} <= _read_run(folder).keys()
        ):
            (folder / RUN).unlink()
    if is_marked(folder / WRITTEN, OF_RESULTS):
        (folder / WRITTEN).unlink()
    with suppress(OSError):
        folder.rmdir()


def store_part(parts: Parts, unit: Unit, content: bytes) -> None:
    """Keep a packed part, whole or not at all."""
    with replace_when_done(_path(parts, unit), swept=True) as beside:
        beside.write_bytes(content)


def store_written(parts: Parts, sums: Mapping[str, str]) -> None:
    """Keep the sha256 of the results, by name, before they replace those of an earlier run."""
    with replace_when_done(parts.folder / WRITTEN, swept=True) as beside:
        store_text(beside, OF_RESULTS.decode() + json.dumps(True) + ', "sha256": ' + json.dumps(sums) + "}\n")


def load_part(parts: Parts, unit: Unit) -> Part | None:
    """The part of a unit that is done; None where it is not there, damaged, or of another layout, which is
    told on stderr.
    """
    path = _path(parts, unit)
    if not path.is_file():
        return None
    try:
        return unpacked(path.read_bytes())
    except (OSError, ValueError) as error:
        log.info("%s: %s; this part is done anew", path, error)
        return None


def _path(parts: Parts, unit: Unit) -> Path:
    return parts.folder / f"{parts.made}-{unit.key}.part"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
