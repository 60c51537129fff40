"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from smartpix.schema import InputError

__all__ = ["as_paths", "check_writable", "replace_folder_when_done", "replace_when_done"]


def as_paths(files: str | Path | Sequence[str | Path]) -> list[Path]:
    """One path, or several, as a list."""
    return [Path(f) for f in ([files] if isinstance(files, (str, Path)) else files)]


def check_writable(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file can be written there, before the work that fills it.

    Args:
        inputs: what it is made from; none of them may be replaced by it, under whatever name.

    Raises:
        InputError: it is a folder, or its folder does not exist or cannot be written, or it is one of the inputs.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: the folder {path.parent} cannot be written; change its permissions or choose another")
    for given in inputs if path.exists() else ():
        if Path(given).exists() and path.samefile(given):
            same = "" if Path(given) == path else f", by another name: {given}"
            raise InputError(f"{path}: is an input{same}, and would be replaced by what is made from it; give another output")


@contextmanager
def replace_when_done(path: str | Path) -> Iterator[Path]:
    """Give a path to write to, in a folder beside ``path``; move it there on success, drop it on failure.

    The name of the file stays the same, since ROOT writes it into the file.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    path = Path(path)
    check_writable(path)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder / path.name
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replace_folder_when_done(path: str | Path, ours: tuple[str, ...]) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; it becomes ``path`` on success and is dropped on failure.

    A folder that is there is replaced if it is empty or holds all files of ``ours``, by which one of the same kind is known.

    Raises:
        InputError: a file or another folder is there, or the folder around it does not exist or cannot be written.
    """
    path = Path(path)
    # Of a/b/.. or . there is no name to write beside.
    path = path if path.name not in ("", "..") else path.resolve()
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give the name of a folder")
    if path.is_dir() and any(path.iterdir()) and not all((path / name).is_file() for name in ours):
        raise InputError(f"{path}: holds something else and is not overwritten; give another name or remove it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: the folder {path.parent} cannot be written; change its permissions or choose another")
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new, old = beside / "new", beside / "old"
    new.mkdir()
    try:
        yield new
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        shutil.rmtree(beside, ignore_errors=True)
