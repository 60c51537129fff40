"""Ours as it is compiled for any processor of the kind, beside ours as it is compiled for this one.

pyacts comes compiled for any processor, and Numba compiles for the host. A process of its own with
``NUMBA_CPU_NAME=generic`` and a cache of its own says what that is worth.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from smartpix.siblings import AT_START
from tracking.bench.clock import time_in_turn
from tracking.bench.events import load_sample
from tracking.bench.finding import find_in_turn, median_ms
from tracking.bench.seeding_sample import edges_and_seeds, load_seeding_sample
from tracking.chain import chain_finder
from tracking.finders.clock import processor_time

__all__ = ["chain_ms", "generic_ratio", "seeding_ms"]


def chain_ms(path: str, n_events: int) -> float:
    """Processor time in ms of the chain's finder and fit on an event of a file, the mean over events."""
    sample = load_sample(path, n_events)
    runs = find_in_turn({"chain": chain_finder(sample.header)}, sample, lambda line: None)
    return sum(median_ms(runs["chain"]).values())


def seeding_ms(paths: Sequence[str], n_events: int, repeats: int) -> float:
    """Processor time in ms of edges and seeds of the cones on an event of files, the mean over events."""
    sample = load_seeding_sample(paths, n_events, ("mdn",))
    total = 0.0
    for event in sample.events:
        with processor_time():
            times, _ = time_in_turn({"cone": partial(edges_and_seeds, sample, event.hits["mdn"], 1)}, repeats)
        total += 1e3 * times["cone"]
    return total / len(sample.events)


def generic_ratio(measure: Callable[..., float], *arguments: Any) -> dict[str, float]:
    """A time with the generic code over that with the host's, each measured in a process of its own.

    Compiling everything for the generic processor takes a minute or more, outside of the clock.

    Args:
        measure: :func:`chain_ms` or :func:`seeding_ms`, with its ``arguments``.

    Returns:
        ``ms``, ``ms_generic`` and ``ratio_generic``.
    """
    host = _elsewhere({}, measure, *arguments)
    with tempfile.TemporaryDirectory() as cache:
        generic = _elsewhere({"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": cache}, measure, *arguments)
    return {"ms": host, "ms_generic": generic, "ratio_generic": generic / host}


def _elsewhere(environment: dict[str, str], measure: Callable[..., float], *arguments: Any) -> float:
    """What a function returns in a new process with additions to its environment."""
    # Numba reads its environment when it is imported: a fork would have read it already.
    with (
        _environment(environment),
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), **AT_START) as pool,
    ):
        return pool.submit(measure, *arguments).result()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
