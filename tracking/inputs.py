"""The files that a command line or a call names: patterns, and the mistakes in them.

Nothing heavy is imported, so that a command tells such a mistake at once.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from smartpix.files import as_paths
from smartpix.schema import InputError

__all__ = ["check_folder", "check_one_usable", "check_there", "expand", "none_usable"]


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
