"""The files that a command line or a call names: patterns, and the mistakes in them.

Nothing heavy is imported, so that a command tells such a mistake at once.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from smartpix.files import as_paths
from smartpix.schema import InputError, quoted

__all__ = [
    "check_folder",
    "check_one_usable",
    "check_there",
    "event_slice",
    "expand",
    "none_usable",
    "range_of",
]

SLICE = re.compile(r"([+-]?\d*):([+-]?\d*)", re.ASCII)
"""What :func:`event_slice` reads."""


def expand(files: str | Path | Sequence[str | Path]) -> list[Path]:
    """Paths, and those that patterns match, sorted by name.

    Raises:
        InputError: a pattern matches nothing, a file comes twice, or there is none.
    """
    paths: list[Path] = []
    for file in as_paths(files):
        if glob.has_magic(str(file)) and not Path(file).exists():
            found = sorted(glob.glob(str(file), recursive=True))
            if not found:
                raise InputError(f"{file}: no file matches; give the path of a file or a pattern of its name")
            paths += map(Path, found)
        else:
            paths.append(file)
    if not paths:
        raise InputError("no file was given; name at least one")
    seen: set[Path] = set()
    for path in paths:
        if path.absolute() in seen:
            raise InputError(f"{path}: was given twice; its events would count twice")
        seen.add(path.absolute())
    return paths


def check_one_usable(paths: Sequence[Path]) -> None:
    """Check that one of the paths is a file. The run checks the rest, and leaves out what it cannot use.

    Raises:
        InputError: none is one.
    """
    if any(path.is_file() for path in paths):
        return
    if len(paths) == 1:
        check_there(paths)
    from smartpix.io.events import open_events

    failed = {}
    for path in paths:
        try:
            open_events(path)
        except InputError as error:
            failed[str(path)] = str(error)
    if failed:
        raise none_usable(failed)


def check_there(paths: Sequence[Path]) -> None:
    """Check that files are there, before the imports that take seconds; readers check the rest.

    Raises:
        InputError: names the first that is not.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file")


def check_folder(output: Path) -> None:
    """Check that results can be put into a folder of this name.

    Raises:
        InputError: a file has it.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; give a folder for the results")


def none_usable(failed: Mapping[str, str]) -> InputError:
    """The error where all files failed; by path, what is wrong with each."""
    first = next(iter(failed.values()))
    return InputError(
        first if len(failed) == 1 else f"none of the {len(failed)} files can be used; the first: {first}"
    )


def event_slice(text: str) -> slice:
    """The events that ``A:B`` names, as a slice of Python: from A, without B; of an end that is left out,
    all; a negative one counts from the last event.

    Raises:
        InputError: it is no slice of whole numbers without a step.
    """
    found = SLICE.fullmatch(text.strip())
    if found is None or {found[1], found[2]} & {"+", "-"}:
        raise InputError(
            f"--events {quoted(text)}: write A:B, as a slice of Python without step: 0:100 are the first hundred, "
            "100: all after them, -10: the last ten"
        )
    start, stop = (int(end) if end else None for end in found.groups())
    return slice(start, stop)


def range_of(events: slice | None, n_events: int) -> range:
    """Numbers of the entries, from 0, that a slice takes of some events.

    Raises:
        InputError: an end is beyond them, there is none between the ends, or the slice has a step.
    """
    if events is None:
        return range(n_events)
    name = f"{'' if events.start is None else events.start}:{'' if events.stop is None else events.stop}"
    if events.step not in (None, 1):
        raise InputError(f"events {name}:{events.step}: a step cannot be; give a range of events")
    for end in (events.start, events.stop):
        if end is not None and not -n_events <= end <= n_events:
            raise InputError(
                f"events {name}: {end} is beyond the {n_events} events that there are; give less"
            )
    chosen = range(n_events)[events]
    if not chosen:
        raise InputError(
            f"events {name}: there is none between these ends, of {n_events} events (0:{n_events} are all)"
        )
    return chosen
