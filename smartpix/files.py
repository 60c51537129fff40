"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartpix.schema import InputError

__all__ = ["check_writable", "replace_when_done"]


def check_writable(path: str | Path) -> None:
    """Check that a file can be written there, before the work that fills it.

    Raises:
        InputError: it is a folder, or its folder does not exist or cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: the folder {path.parent} cannot be written")


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
