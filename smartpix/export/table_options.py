"""Options of the table of errors. Without NumPy, as the command line is."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check_ranges, check_types, one_of, ranged

__all__ = ["SOURCES", "ErrorTableOptions"]

SOURCES = ("truth", "estimates")
"""What positions are compared with."""


@dataclass(frozen=True)
class ErrorTableOptions:
    """How the table is made.

    Attributes:
        source: what positions are compared with: ``truth``, of simulated files, or ``estimates``, of any.
        columns: largest number of columns with an entry of its own.
        rows: largest number of rows with an entry of its own.
        charges: bins of charge, by quantiles of a region's clusters; 1: none.
        least: with fewer clusters than this a bin has no entry, and the entry of all charges stands for it.
    """

    source: str = one_of(SOURCES[0], SOURCES)
    columns: int = ranged(12, 1, 100)
    rows: int = ranged(8, 1, 100)
    charges: int = ranged(3, 1, 100)
    least: int = ranged(50, 2, 1_000_000)

    def __post_init__(self) -> None:
        check_types("error table", self)
        check_ranges("error table", self)
