"""Options of the export of graphs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smartpix.schema import InputError, check_types, one_of, quoted
from tracking.finders.gnn.options import NAMINGS

__all__ = ["FORMATS", "GraphOptions", "event_range"]

FORMATS = ("pyg", "npz", "parquet")
"""Kinds of files, and their endings."""


@dataclass(frozen=True)
class GraphOptions:
    """How graphs are written.

    Attributes:
        format: of the files, one an event: ``pyg`` (``torch.save`` of a torch-geometric ``Data``), ``npz``
            (NumPy arrays) or ``parquet`` (one row of lists, for awkward and others).
        naming: whose field names: ``gnn_tracking`` or ``acorn``.
        events: ``A:B``, of the events of all files together those from number A on and before B, from 0; an
            end that is left out is the first or the last. Empty: all.
    """

    format: str = one_of(FORMATS[0], FORMATS)
    naming: str = one_of(NAMINGS[0], NAMINGS)
    events: str = ""

    def __post_init__(self) -> None:
        check_types("export graphs", self)
        event_range(self.events)


def event_range(text: str) -> tuple[int, int | None]:
    """First event and the one after the last (None: no end) of ``A:B``.

    Raises:
        InputError: another text, or a range without events.
    """
    if not text:
        return 0, None
    found = re.fullmatch(r"(\d*):(\d*)", text, re.ASCII)
    if found is None:
        raise InputError(f"events must be A:B, whole numbers, e.g. 0:100 or 100:, and is {quoted(text)}")
    start, stop = int(found[1] or 0), int(found[2]) if found[2] else None
    if stop is not None and stop <= start:
        raise InputError(f"events: {quoted(text)} has no events; give A:B with A below B")
    return start, stop
