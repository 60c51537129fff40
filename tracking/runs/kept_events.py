"""Single events for the figures, kept as they go by, so that the chain need not run them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracking.runs.plan import Plan
from tracking.runs.sources import Sources
from tracking.runs.totals import Totals
from tracking.runs.units import ScoredEvent, Unit, scored_events

__all__ = ["N_STUDY", "KeptEvents", "Place"]

N_STUDY = 3
"""Events of the cone study: its points need some hundred edges, and every one costs eleven searches."""

Place = tuple[Unit, int]
"""A unit and the place of an event in it."""


class KeptEvents:
    """The events that figures may show, of those that this process ran.

    These are the first ``N_STUDY``, and the first with a track or, while there is none, the last one.
    """

    def __init__(self) -> None:
        self._study: dict[Place, ScoredEvent] = {}
        self._shown: tuple[Place, ScoredEvent] | None = None

    def watch(self, unit: Unit, entry: int, event: ScoredEvent) -> None:
        """Look at an event that goes by."""
        place = unit, entry
        # No more than the figures need: an event brings all its hits and edges along.
        if len(self._study) < N_STUDY:
            self._study[place] = event
        if self._shown is None or not len(self._shown[1].result.tracks):
            self._shown = place, event

    def leave_out(self, path: str) -> None:
        """Forget the events of a file that is not used."""
        self._study = {place: event for place, event in self._study.items() if place[0].path != path}
        if self._shown is not None and self._shown[0][0].path == path:
            self._shown = None

    def event(self, plan: Plan, sources: Sources, place: Place) -> ScoredEvent:
        """The event at a place; it is run again where it was not kept.

        Other processes, or this command before it was stopped, ran those.
        """
        if place in self._study:
            return self._study[place]
        if self._shown is not None and self._shown[0] == place:
            return self._shown[1]
        unit, entry = place
        start = unit.start + entry
        reader = sources.reader(Path(unit.path))
        return next(scored_events(plan.chain, reader, Totals(), start, start + 1))

    def study(self, plan: Plan, sources: Sources, units: Sequence[Unit]) -> list[ScoredEvent]:
        """The first events of the units, where there is truth."""
        if not plan.has_truth:
            return []
        places = [(unit, entry) for unit in units[:N_STUDY] for entry in range(len(unit))]
        return [self.event(plan, sources, place) for place in places[:N_STUDY]]
