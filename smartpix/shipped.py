"""What ships with the package: data (detector table, embedded sample, trained weights) and examples."""

from __future__ import annotations

from pathlib import Path

from smartpix.schema import InputError, nearest

__all__ = ["data_path", "example_files"]

PACKAGE = Path(__file__).resolve().parent


def data_path(name: str) -> Path:
    """Path of a file of the embedded data: in the installed package, or in the checkout's ``data/``.

    Raises:
        InputError: the installation lacks it.
    """
    names: list[str] = []
    for folder in _folders("data"):
        if (folder / name).exists():
            return folder / name
        names += [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    raise InputError(
        f"data file '{name}' is not in this installation ({PACKAGE}).{nearest(name, names)} If it should be, "
        "install smartpix again"
    )


def example_files() -> dict[str, Path]:
    """The examples by name: of the installed package, or of the checkout's ``examples/``.

    Raises:
        InputError: the installation has none.
    """
    for folder in _folders("examples"):
        found = sorted(path for path in folder.glob("*.*") if path.is_file())
        if found:
            return {path.name: path for path in found}
    raise InputError(f"this installation ({PACKAGE}) has no examples; install smartpix again")


def _folders(name: str) -> tuple[Path, Path]:
    """Where a folder is in an installed package, and in a checkout."""
    return PACKAGE / name, PACKAGE.parent / name
