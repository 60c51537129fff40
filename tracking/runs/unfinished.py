"""The finished units of a run, kept in a folder beside its output until all are done.

A run that was stopped goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartpix.beam import CENTRED, BeamSpot
from smartpix.files import is_marked, replace_when_done, store_text
from smartpix.schema import InputError
from smartpix.staging import sweep
from smartpix.text import read_json
from tracking.options import RunOptions, flat
from tracking.provenance import sums_of_weights
from tracking.runs.part import Part, unpacked
from tracking.runs.units import Unit

__all__ = [
    "WRITTEN",
    "Parts",
    "dependencies",
    "is_stored",
    "load_part",
    "open_parts",
    "remove_parts",
    "store_part",
    "store_written",
]

log = logging.getLogger(__name__)

RUN = "run.json"
"""The dependencies of the parts."""
PART = re.compile(r"[0-9a-f]{12}-[0-9a-f]{24}\.part")
PART_MAGIC = b"smartpix part "
WRITTEN = "written.json"
"""The sha256 of all results, from the moment before they are moved into their places. The next run knows by
it what a killed run moved.
"""
WRITTEN_MAGIC = b'{"results of a smartpix run": '


@dataclass(frozen=True)
class Parts:
    """A folder of parts.

    Attributes:
        digest: beginning of the sha256 of the dependencies, in the names of the parts: a part that was made
            with others is never taken.
    """

    folder: Path
    digest: str


def dependencies(
    options: RunOptions, events_per_unit: int, beam: BeamSpot = CENTRED, dead: Sequence[int] = ()
) -> dict[str, Any]:
    """What the parts depend on besides the event files: version, options, beam, dead modules and the sha256
    of weights.
    """
    content = {
        "version": version("smartpix"),
        "events_per_unit": events_per_unit,
        "options": asdict(options),
        "beam_spot": asdict(beam),
        "weights": sums_of_weights(options),
        "dead_modules": list(dead),
    }
    # As it is read back: tuples are lists there.
    return dict(json.loads(json.dumps(content)))


def open_parts(folder: Path, needed: Mapping[str, Any]) -> Parts:
    """Make the folder for the parts, or go on with the one that is there.

    Args:
        needed: the :func:`dependencies` of the parts of this run.

    Raises:
        InputError: it holds parts of a run with other options or weights, or something that is not of a run.
    """
    parts = Parts(folder, hashlib.sha256(json.dumps(needed, sort_keys=True).encode()).hexdigest()[:12])
    if any(folder.glob("*.part")) and not folder.is_symlink():
        before = _read_run(folder)
        old, new = dict(flat(before)), dict(flat(needed))
        different = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if not different:
            # Once, and not with every part: there may be many.
            sweep(folder)
            return parts
        if different != ["version"]:
            changes = [f"{name} was {old.get(name)}, is {new.get(name)}" for name in different[:3]]
            raise InputError(
                f"{folder}: holds what is done of a run with other options or weights "
                f"({'; '.join(changes)}). "
                "Finish that one, write to another folder, or remove this one to start anew"
            )
        log.info(
            "%s: what is done there is of smartpix %s, and is done anew by %s",
            folder,
            old.get("version"),
            new["version"],
        )
    remove_parts(folder)
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
        store_text(beside, json.dumps(needed, indent=1) + "\n")
    return parts


def _read_run(folder: Path) -> Mapping[str, Any]:
    """The dependencies of the parts that are there."""
    try:
        content = read_json(folder / RUN)
        if not isinstance(content, dict):
            raise ValueError("it is no table")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / RUN}: cannot be read ({error}); remove the folder to start anew"
        ) from error
    return content


def remove_parts(folder: Path) -> None:
    """Remove the parts and the other files of the run; the folder stays if it holds anything else."""
    if not folder.is_dir() or folder.is_symlink():
        return
    sweep(folder)
    for path in folder.iterdir():
        if PART.fullmatch(path.name) and is_marked(path, PART_MAGIC):
            path.unlink()
    # After the parts, which nobody would know without it.
    with suppress(InputError):
        if (
            is_marked(folder / RUN, b"{")
            and {"version", "events_per_unit", "options"} <= _read_run(folder).keys()
        ):
            (folder / RUN).unlink()
    if is_marked(folder / WRITTEN, WRITTEN_MAGIC):
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
        store_text(beside, f'{WRITTEN_MAGIC.decode()}true, "sha256": {json.dumps(sums)}}}\n')


def is_stored(parts: Parts, unit: Unit) -> bool:
    """Whether there is a part of the unit; it may be damaged."""
    return _path(parts, unit).is_file()


def load_part(parts: Parts, unit: Unit) -> Part | None:
    """The part of a unit that is done.

    None where it is not there, or is damaged or of another layout, which is logged.
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
    return parts.folder / f"{parts.digest}-{unit.key}.part"
