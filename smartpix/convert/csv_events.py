"""Folders and archives of CSV tables, one set of tables for each event: which events a path means.

TrackML and ACTS name their tables alike: ``event000000001-hits.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from smartpix.archives import PACKED, files_in, is_folder
from smartpix.schema import InputError
from smartpix.tables import find_csv

__all__ = ["INPUTS", "all_or_none", "event_number", "event_tables", "is_table", "sorted_prefixes"]

INPUTS = ("*.csv", *(f"*.csv{ending}" for ending in PACKED), "*.json")
"""Patterns of the files that CSV formats read: tables, and ACTS's digitisation."""
_TABLE = re.compile(r"(event\d{1,18})-([A-Za-z0-9_-]+)\.csv(" + "|".join(map(re.escape, PACKED)) + r")?$")


def is_table(path: Path) -> bool:
    """Whether a path is called as a table of one event."""
    return _TABLE.match(path.name) is not None


def event_tables(path: Path) -> tuple[Path, dict[str, set[str]]]:
    """The folder that a path means, and the names of its tables (``hits``) by the beginnings of their events'
    names.

    Args:
        path: a folder or a zip archive, whose events are all meant; a table, or the common beginning of one
            event's tables, which mean this event alone.

    Raises:
        InputError: an archive cannot be read.
    """
    table = _TABLE.match(path.name)
    whole = table is None and is_folder(path)
    folder = path if whole else path.parent
    if not is_folder(folder) or (path.is_file() and not whole and table is None):
        return folder, {}
    events: dict[str, set[str]] = {}
    for file in files_in(folder):
        if match := _TABLE.match(file.name):
            events.setdefault(match.group(1), set()).add(match.group(2))
    if whole:
        return folder, events
    prefix = table.group(1) if table else path.name
    return folder, {prefix: events[prefix]} if prefix in events else {}


def event_number(prefix: str) -> int:
    """The number of the event whose tables begin with ``event000000001``."""
    return int(prefix.removeprefix("event"))


def sorted_prefixes(prefixes: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Beginnings of events' names in the order of their numbers.

    Raises:
        InputError: two events have the same number.
    """
    by_number: dict[int, str] = {}
    for prefix in sorted(prefixes):
        number = event_number(prefix)
        if number in by_number:
            raise InputError(
                f"{folder}: '{by_number[number]}' and '{prefix}' have the same number; give the events other "
                "numbers"
            )
        by_number[number] = prefix
    return tuple(by_number[n] for n in sorted(by_number))


def all_or_none(
    folder: Path, prefixes: Iterable[str], tables: Mapping[str, tuple[str, ...]], names: str
) -> bool:
    """Whether all events have some tables, or none has any of them.

    Args:
        tables: what each of the tables may be called, by the name that messages use.
        names: of the tables together, for messages.

    Raises:
        InputError: some are there and some are not.
    """
    parts = [(f"{prefix}-{name}", prefix, stems) for prefix in prefixes for name, stems in tables.items()]
    missing = [
        part for part, prefix, stems in parts
        if all(find_csv(folder, f"{prefix}-{stem}") is None for stem in stems)
    ]  # fmt: skip
    if missing and len(missing) < len(parts):
        raise InputError(
            f"{folder}: '{missing[0]}.csv' (or .csv.gz) is missing; give {names} for every event, or for none"
        )
    return not missing
