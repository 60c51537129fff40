"""Compiled loops cut into parts that threads share; they do not hold Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np

__all__ = ["in_parts"]

Result = TypeVar("Result")

PARTS_PER_THREAD = 6
"""Where parts take unequal times: so many that none waits long for the others."""


@lru_cache(maxsize=4)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process: a forked child inherits the pool, but none of its threads."""
    return ThreadPoolExecutor(threads)


def in_parts(run: Callable[[int, int], Result], n: int, threads: int, even: bool = False) -> list[Result]:
    """``run(first, last)`` on parts of 0 to n, in their order; one part on one thread.

    Args:
        even: equal parts take equal times, so that each thread gets one.
    """
    if threads == 1:
        return [run(0, n)]
    ends = np.linspace(0, n, threads * (1 if even else PARTS_PER_THREAD) + 1).astype(int).tolist()
    return list(_pool(threads, os.getpid()).map(run, ends[:-1], ends[1:]))
