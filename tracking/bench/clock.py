"""The one clock of the benchmarks: several calls in turn, after a warm-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tracking.finders.clock import stage_time

__all__ = ["NETWORK_REPEATS", "time_in_turn"]

NETWORK_REPEATS = 7
"""Passes of a network over clusters, which take some ms: their median moves by a per cent or two."""


def time_in_turn(
    runs: Mapping[str, Callable[[], Any]], repeats: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median time in s of each call, and what it returned last.

    A machine that is busy for a while slows all of them alike, since they take turns. It is time of the wall,
    or of the processor inside :func:`tracking.finders.clock.processor_time`.

    Args:
        runs: calls without arguments, by name.
        repeats: timed calls of each. One more goes before them, for compilation and caches.
    """
    now = stage_time()
    times: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, Any] = {}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            started = now()
            results[name] = run()
            if repeat:
                times[name].append(now() - started)
    return {name: float(np.median(values)) for name, values in times.items()}, results
