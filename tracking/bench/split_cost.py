"""What the splitting of clusters costs the chain where hardly any are merged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from smartpix.io.events import open_events
from tracking.bench.events import records_with_truth
from tracking.chain import WORKING_POINTS, Chain
from tracking.finders.clock import processor_time, stage_time

__all__ = ["POINTS", "split_cost"]

POINTS = ("fastest", "balanced")
"""Working points of the chain; the second has the defaults of ``smartpix run``."""
REPEATS = 9
"""Runs of each chain over each event."""


def split_cost(path: str | Path, limit: int) -> dict[str, dict[str, float]]:
    """The chain with splitting and without, in turn on each of the first events of a file with truth.

    The clock is the processor's, from clusters to vertices, as of ``smartpix run`` less reading and writing.

    Returns:
        By working point ``ms_unsplit`` and ``ms_split``, medians over runs and events; and ``ratio``, the
        median of the ratios of runs that follow each other.

    Raises:
        InputError: a file without truth or events.
    """
    header = open_events(path).header
    records = [record["clusters"] for record in records_with_truth([path], limit)]
    result = {}
    for point in POINTS:
        options = WORKING_POINTS[point]
        chains = {
            mode: Chain.for_header(header, replace(options, split=replace(options.split, mode=mode)))
            for mode in ("off", "auto")
        }
        ms: dict[str, list[float]] = {mode: [] for mode in chains}
        for chain in chains.values():
            chain.warm_up(records[0])
        for _ in range(REPEATS):
            for k, clusters in enumerate(records):
                for mode, chain in chains.items():
                    with processor_time():
                        now = stage_time()
                        start = now()
                        chain.event(k, clusters)
                        ms[mode].append(1e3 * (now() - start))
        unsplit, split = (np.array(ms[mode]) for mode in ("off", "auto"))
        result[point] = {
            "ms_unsplit": float(np.median(unsplit)),
            "ms_split": float(np.median(split)),
            "ratio": float(np.median(split / unsplit)),
        }
    return result
