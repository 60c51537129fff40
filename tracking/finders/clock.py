"""Wall time by stage: of the chain, of a finder, of a benchmark."""

from __future__ import annotations

import time
from collections.abc import Mapping

__all__ = ["StageClock"]


class StageClock:
    """Adds up wall time by stage.

    Attributes:
        ms: milliseconds by stage, in the order of the first laps.
    """

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap, or since the start, to a stage."""
        now = time.perf_counter()
        self.ms[stage] = self.ms.get(stage, 0.0) + 1e3 * (now - self._last)
        self._last = now

    def adopt(self, stages: Mapping[str, float]) -> None:
        """Take over milliseconds by stage that others measured since the last lap."""
        self.ms.update(stages)
        self._last = time.perf_counter()
