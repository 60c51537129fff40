"""Time by stage: of the chain, of a finder, of a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["FIND", "StageClock", "processor_time", "stage_time"]

FIND = "find"
"""The stage of a finder that tells no time of its own."""

_TIME: ContextVar[Callable[[], float]] = ContextVar("stage_time", default=time.perf_counter)


def stage_time() -> Callable[[], float]:
    """What reads the time in s: the wall's, or the processor's inside :func:`processor_time`."""
    return _TIME.get()


@contextmanager
def processor_time() -> Iterator[None]:
    """Stages are measured in time of the processor, which other programs on the machine do not add to.

    It is of all threads of the process together, so that finders are compared in it on one thread.
    """
    token = _TIME.set(time.process_time)
    try:
        yield
    finally:
        _TIME.reset(token)


class StageClock:
    """Adds up time by stage: of the wall, or of the processor inside :func:`processor_time`.

    Attributes:
        ms: milliseconds by stage, in the order of the first laps.
    """

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._now = stage_time()
        self._last = self._now()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap, or since the start, to a stage."""
        now = self._now()
        self.ms[stage] = self.ms.get(stage, 0.0) + 1e3 * (now - self._last)
        self._last = now

    def adopt(self, stages: Mapping[str, float]) -> None:
        """Add milliseconds by stage that a finder measured since the last lap; all the time since then to
        :data:`FIND` where it measured none.
        """
        if not stages:
            self.lap(FIND)
            return
        for stage, ms in stages.items():
            self.ms[stage] = self.ms.get(stage, 0.0) + ms
        self._last = self._now()
