"""What finders make of the events of a sample: in turn in one process, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seeding.hits import estimated_hits, make_hits
from smartpix.clusters import flatten
from smartpix.estimate.base import copied
from smartpix.schema import InputError, quoted
from tracking.bench.events import Sample
from tracking.finders.clock import FIND, StageClock, processor_time
from tracking.finders.finder import Finder, FinderInput, checked_tracks
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import FitOptions, fit_tracks

__all__ = [
    "FINDER_REPEATS",
    "FinderRun",
    "check_fresh",
    "estimate_ms",
    "find_in_turn",
    "median_ms",
    "run_finder",
]

FINDER_REPEATS = 3
"""Runs of every finder, of which the median is taken."""


@dataclass(frozen=True)
class FinderRun:
    """What a finder made of all events: tracks with parameters, and the mean time by stage in ms."""

    tracks: Sequence[Tracks]
    ms: Mapping[str, float]


def run_finder(name: str, finder: Finder, sample: Sample) -> FinderRun:
    """All events through one finder.

    Its time goes from clusters with estimates to tracks with parameters: making the hits, finding, and the
    chain's fit. Of a finder that fits its tracks itself (ACTS's) only its own time counts, which goes from
    measurements to tracks with parameters.

    Raises:
        InputError: the finder gives something else than tracks of the event.
    """
    detector, field = sample.header.detector, sample.header.field
    found: list[Tracks] = []
    total: dict[str, float] = {}
    for event in sample.events:
        # The estimates have read the pixels as plain arrays and found the outlines of the clusters, which stay with
        # these, and lie in arrays with room for further hits: :func:`estimate_ms` has that time.
        slices = tuple(sample.estimator.slices)
        flat = flatten(event.clusters, slices)
        _ = flat.outlines
        lone = copied(event.hits.estimate)
        clock = StageClock()
        # Made again, so that its time is known and no finder keeps anything of another one.
        hits = make_hits(event.clusters, event.hits.estimate, detector, event.hits.cluster)
        clock.lap("hits")
        seen = FinderInput(event.clusters, hits, detector, field, flat, slices, lone)
        clock.lap("blind")
        tracks = finder(seen)
        clock.lap(FIND)
        tracks = checked_tracks(tracks, seen, name)
        clock.lap("check")
        stages = dict(tracks.ms) or {FIND: clock.ms[FIND]}
        if tracks.parameters is None:
            fitted = fit_tracks(
                hits, tracks, detector, field, FitOptions(), field_map=sample.header.field_map
            )
            clock.lap("fit")
            tracks = replace(tracks, parameters=fitted)
            stages = {"hits": clock.ms["hits"], **stages, "fit": clock.ms["fit"]}
        found.append(tracks)
        for stage, ms in stages.items():
            total[stage] = total.get(stage, 0.0) + ms / len(sample.events)
    return FinderRun(found, total)


def find_in_turn(
    finders: Mapping[str, Finder],
    sample: Sample,
    report: Callable[[str], None],
    repeats: int = FINDER_REPEATS,
) -> dict[str, list[FinderRun]]:
    """Runs of each finder, in turn, so that what else the machine does hits all alike; in processor time.

    The first event goes through each of them before, so that nothing is compiled inside the clock.
    """
    first = Sample(sample.header, sample.estimator, sample.events[:1])
    for name, finder in finders.items():
        run_finder(name, finder, first)
    runs: dict[str, list[FinderRun]] = {name: [] for name in finders}
    for repeat in range(repeats):
        report(f"{len(sample.events)} events, run {repeat + 1} of {repeats}")
        for name, finder in finders.items():
            with processor_time():
                runs[name].append(run_finder(name, finder, sample))
    return runs


def check_fresh(
    command: str, seed: int, trained_on: Mapping[str, frozenset[int]], what: str = "finder"
) -> None:
    """Check that no finder was trained on the events of a seed.

    Args:
        what: they are, for the message.

    Raises:
        InputError: one was.
    """
    for name, seeds in trained_on.items():
        if seed in seeds:
            raise InputError(
                f"{command}: the {what} {quoted(name)} was trained on events of seed {seed}; give another --seed"
            )


def estimate_ms(sample: Sample) -> dict[str, float]:
    """What ``estimate`` and ``hits`` of an event take from its cluster records, in ms of processor time.

    It is the median of :data:`FINDER_REPEATS` means on one core, after one event outside the clock.
    """
    estimated_hits(sample.events[0].clusters, sample.header, sample.estimator)
    means: dict[str, list[float]] = {"estimate": [], "hits": []}
    for _ in range(FINDER_REPEATS):
        with processor_time():
            clock = StageClock()
        for event in sample.events:
            estimated_hits(event.clusters, sample.header, sample.estimator, clock.lap)
        for step, values in means.items():
            values.append(clock.ms[step] / len(sample.events))
    return {step: float(np.median(values)) for step, values in means.items()}


def median_ms(runs: Sequence[FinderRun]) -> dict[str, float]:
    """Median over runs of the mean time of an event, by stage."""
    return {stage: float(np.median([run.ms.get(stage, 0.0) for run in runs])) for stage in runs[0].ms}
