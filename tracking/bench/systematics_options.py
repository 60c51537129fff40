"""Options of ``smartpix study systematics``. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["SystematicsOptions"]


@dataclass(frozen=True)
class SystematicsOptions:
    """Events of the study.

    Attributes:
        pileup: collisions in each event of those that are simulated.
        calibrate_events: events that are calibrated on, the first of the files.
        events: events after these that are judged.
        seed: of the events that are simulated.
    """

    pileup: int = ranged(60, 1, 1000)
    calibrate_events: int = ranged(2, 1, 10_000)
    events: int = ranged(4, 1, 10_000)
    seed: int = ranged(652_301, 0, 2**31)

    def __post_init__(self) -> None:
        check_types("systematics", self)
        check_ranges("systematics", self)
