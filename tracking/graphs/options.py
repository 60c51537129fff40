"""Options of the export of graphs."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check_types, one_of
from tracking.finders.gnn.options import NAMINGS
from tracking.inputs import event_slice

__all__ = ["FORMATS", "GraphOptions"]

FORMATS = ("pyg", "npz", "parquet")
"""Kinds of files, and their endings."""


@dataclass(frozen=True)
class GraphOptions:
    """How graphs are written.

    Attributes:
        format: of the files, one an event: ``pyg`` (``torch.save`` of a torch-geometric ``Data``), ``npz``
            (NumPy arrays) or ``parquet`` (one row of lists, for awkward and others).
        naming: whose field names: ``gnn_tracking`` or ``acorn``.
        events: ``A:B`` of the events of all files together, as a slice of Python; empty: all.
    """

    format: str = one_of(FORMATS[0], FORMATS)
    naming: str = one_of(NAMINGS[0], NAMINGS)
    events: str = ""

    def __post_init__(self) -> None:
        check_types("export graphs", self)
        if self.events:
            event_slice(self.events)
