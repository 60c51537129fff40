"""What a foreign format is to ``smartpix convert``: two functions, one to recognise a path, one to read it.

One module holds one format: a function ``find``, a function ``read``, and :data:`FORMAT` that names both.
docs/formats.md shows how another package adds one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smartpix.geometry import Detector
from smartpix.schema import Container, check, check_field, check_types, one_of

if TYPE_CHECKING:
    # At run time the reader of a format imports it, with Awkward; the description of a format does not.
    from smartpix.convert.hit_tables import HitTables

__all__ = ["EVENT_FILE", "VOLUMES", "ConvertOptions", "Format", "Found", "JoinedTable", "Source"]

EVENT_FILE = "smartpix"
"""What the command line calls our own event files, beside the foreign formats."""
VOLUMES = ("pixels", "all")
"""Which hits are taken."""


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        detector: module table (CSV); for ACTS also its geometric digitisation (JSON); for TrackML its
            detectors.csv, if that lies elsewhere; or a detector in memory. None: what the folder holds.
        field: solenoid field in T, which the files of ACTS do not tell; None: the format's (TrackML: 2 T), of
            event files their own.
        electrons: charge in e of a cell of value 1; None takes values for path lengths in mm.
        container: ``ttree`` or ``rntuple``; None: TTree, of event files the other one.
        truth: whether to read the truth, where there is one.
        volumes: ``pixels``, or ``all``: hits of strips too, as far as the detector table has their modules.
            They come without pixels.
    """

    detector: Path | Detector | None = None
    field: float | None = None
    electrons: float | None = None
    container: Container | None = None
    truth: bool = True
    volumes: str = one_of("pixels", VOLUMES)

    def __post_init__(self) -> None:
        check_types("convert", self)
        if self.field is not None:
            check_field("convert", self.field)
        if self.electrons is not None:
            check("convert", "electrons", self.electrons, 0 < self.electrons < 1e9, "positive and below 1e9")


@dataclass(frozen=True)
class Source:
    """Opened files of a foreign format, of which events are read one by one.

    Attributes:
        detector: the modules that hits may be on; hits elsewhere are counted and left out.
        numbers: of the events, in the order in which they are converted.
        read_event: the hits, cells and truth of the event with a number.
        has_truth: whether the events come with truth.
        field: solenoid field in T; None where the files do not tell it.
        has_cells: whether hits come with their cells.
        has_particles: whether there are particles where there is no truth.
        has_times: whether hits come with times.
        electrons: charge in e of a cell of value 1; None: values are path lengths in mm.
    """

    detector: Detector
    numbers: tuple[int, ...]
    read_event: Callable[[int], HitTables]
    has_truth: bool
    field: float | None = None
    has_cells: bool = True
    has_particles: bool = False
    has_times: bool = False
    electrons: float | None = None


@dataclass(frozen=True)
class JoinedTable:
    """The CSV table ``eventNUMBER-name.csv`` with a row for each hit of an event.

    Attributes:
        name: what the names of the tables end with.
        id: the column with the ids of the hits, which become ``hit_id``.
    """

    name: str
    id: str


@dataclass(frozen=True)
class Format:
    """A foreign format.

    Attributes:
        name: what the command line calls it: letters, digits and hyphens.
        title: what messages call its events, as in ``TrackML events (CSV)``.
        known_by: the files by which it is known, for messages, as in ``event*-hits.csv``.
        find: recognises a path. The path may be a folder, a zip archive, a file, or the common beginning of
            the names of one event's files. It gives None where the path holds nothing of the format. It
            raises :class:`smartpix.schema.InputError` where the path is of the format and cannot be used.
            Every format sees every path, so it looks at names or at the first bytes alone.
        read: opens what ``find`` gave.
        inputs: patterns of the names of the files that are read from a folder. The output of a conversion may
            replace none of these.
        table: the table of hits that stands beside each event's other tables, if events are tables of CSV;
            ``smartpix run --join`` then writes the tracks of its rows. None: tracks cannot be joined.
    """

    name: str
    title: str
    known_by: str
    find: Callable[[Path], Found | None]
    read: Callable[[Found, ConvertOptions], Source]
    inputs: tuple[str, ...] = ("*",)
    table: JoinedTable | None = None


@dataclass(frozen=True)
class Found:
    """What a path holds.

    Attributes:
        format: None for our own event files.
        path: the folder, the zip archive or the file.
        prefixes: beginnings of the names of the events' files, sorted; empty where names do not tell events
            apart.
    """

    format: Format | None
    path: Path
    prefixes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What the command line calls the format."""
        return EVENT_FILE if self.format is None else self.format.name

    @property
    def title(self) -> str:
        """What messages call it."""
        return "an event file of smartpix (ROOT)" if self.format is None else self.format.title

    def __str__(self) -> str:
        events = f", {len(self.prefixes)} of them" if self.prefixes else ""
        return f"{self.path}: {self.title}{events}"
