"""How many copies of the trigger's design an event needs, and what rate one of them sustains."""

from __future__ import annotations

import math

__all__ = ["CROSSING_NS", "design_rate"]

CROSSING_NS = 25.0
"""Between two crossings of the bunches, at 40 MHz."""
ROUNDING = 1e-9
"""A clock of 25 / 6 ns is no binary number; what it takes too much of is not another design."""


def design_rate(n_used: float, n_all: int, ii_cycles: int, clock_ns: float) -> dict[str, float]:
    """What a design that takes a sector every ``ii_cycles`` cycles makes of the sectors of an event.

    Args:
        n_used: sectors of an event that have edges, more than none.
        n_all: sectors there are, with edges or without.
        ii_cycles: cycles between two sectors.
        clock_ns: period of the design's clock in ns.

    Returns:
        ``ii_cycles``, ``clock_ns``, ``crossing_ns``; ``event_us``: how long one design takes in an event's
        used sectors; ``events_per_s`` of one design; ``designs``: as many take in an event every crossing, if
        its used sectors are dealt out evenly; ``designs_all``: as many if sectors without edges go in, too.
    """
    sector_ns = ii_cycles * clock_ns
    return {
        "ii_cycles": ii_cycles,
        "clock_ns": clock_ns,
        "crossing_ns": CROSSING_NS,
        "event_us": n_used * sector_ns / 1000,
        "events_per_s": 1e9 / (n_used * sector_ns),
        "designs": math.ceil(n_used * sector_ns / CROSSING_NS - ROUNDING),
        "designs_all": math.ceil(n_all * sector_ns / CROSSING_NS - ROUNDING),
    }
