"""What other installed packages add to smartpix, through entry points (Python packaging specifications).

A package names an object of its own in a group of ours, such as ``smartpix.formats``. The names are listed
without an import of the package; its object is imported when it is needed.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from smartpix.schema import InputError, one_line

__all__ = ["entry_words", "load_plugin", "plugins"]

T = TypeVar("T")


def plugins(group: str, built_in: tuple[str, ...] = ()) -> dict[str, EntryPoint]:
    """Entry points of a group by their names, sorted; no package is imported.

    Args:
        built_in: names that smartpix itself has, which no package may take.

    Raises:
        InputError: two packages, or a package and smartpix, have the same name.
    """
    entries: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, _package(entry))):
        if entry.name in built_in or entry.name in entries:
            owner = f"package {_package(entries[entry.name])}" if entry.name in entries else "smartpix"
            raise InputError(
                f"package {_package(entry)}: its entry point '{entry.name}' ({group}) has the name of one of "
                f"{owner}; uninstall one of the two packages, or rename the entry point"
            )
        entries[entry.name] = entry
    return entries


def load_plugin(entry: EntryPoint, kind: type[T]) -> T:
    """The object that an entry point names.

    Args:
        kind: what it must be, and its attribute ``name`` the entry point's; ``object`` takes anything.

    Raises:
        InputError: it cannot be imported, or is something else.
    """
    where, fix = entry_words(entry), "mend or uninstall the package"
    try:
        value = entry.load()
    # Whatever the package raises as it is imported: it is another's code, and one line must name it.
    except Exception as error:
        cause = one_line(f"{type(error).__name__}: {error}")
        raise InputError(f"{where} cannot be loaded ({cause}); {fix}") from error
    if not isinstance(value, kind):
        raise InputError(f"{where} must be a {kind.__name__} and is a {type(value).__name__}; {fix}")
    if kind is not object and (name := getattr(value, "name", entry.name)) != entry.name:
        raise InputError(f"{where} must be named '{entry.name}' and is named '{name}'; {fix}")
    return value


def entry_words(entry: EntryPoint) -> str:
    """What messages call an entry point: its package, its name and value, its group."""
    return f"package {_package(entry)}: its entry point '{entry.name} = {entry.value}' ({entry.group})"


def _package(entry: EntryPoint) -> str:
    return "unknown" if entry.dist is None else entry.dist.name
