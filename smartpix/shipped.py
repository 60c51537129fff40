"""The data that ship with the package: detector table, embedded sample, trained weights."""

from __future__ import annotations

from pathlib import Path

from smartpix.schema import InputError, nearest

__all__ = ["data_path"]


def data_path(name: str) -> Path:
    """Path of a file of the embedded data: in the installed package, or in the checkout's ``data/``.

    Raises:
        InputError: the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    names: list[str] = []
    for folder in (package / "data", package.parent / "data"):
        if (folder / name).exists():
            return folder / name
        names += [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    raise InputError(
        f"data file '{name}' is not in this installation ({package}).{nearest(name, names)} If it should be, "
        "install smartpix again"
    )
