"""The work of a run in units: ranges of a file's entries that are run, kept and merged as a whole.

The units merged in their order give the same numbers, whichever processes ran them and in whatever order.
One process runs them in turn.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import awkward as ak

from smartpix.io.events import EventFile, EventReader, reading_events
from smartpix.provenance import PACKAGES
from smartpix.schema import InputError, check, one_line
from tracking import metrics
from tracking.chain import Chain, EventResult
from tracking.inputs import range_of
from tracking.options import RunOptions
from tracking.runs.outputs import joined_outputs, outputs_of
from tracking.runs.part import Part, packed
from tracking.runs.sources import Sources
from tracking.runs.totals import Totals

__all__ = [
    "FinishedUnit",
    "Outcome",
    "ScoredEvent",
    "Unit",
    "check_unchanged",
    "finished_unit",
    "plan_units",
    "run_events",
    "run_here",
    "run_unit",
    "scored_events",
]

READ = 10
"""Events read at a time."""

_warm: set[tuple[RunOptions, type]] = set()
"""Chains that ran once in this process, so that compilation is in no event's times."""


@dataclass(frozen=True)
class Unit:
    """Entries ``start`` to ``stop`` of a file, known by its absolute path, its size and when it was last
    changed.
    """

    path: str
    size: int
    changed: int
    start: int
    stop: int

    @property
    def key(self) -> str:
        """The same for the same entries of the same content."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:24]

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class ScoredEvent:
    """What a run knows of one event.

    Attributes:
        n_window: edges of the reference window.
        truth, score: None without truth.
        counts: by the names of :data:`tracking.runs.counts.COUNTS`.
    """

    result: EventResult
    record: ak.Record
    n_window: int
    truth: metrics.EventTruth | None
    score: metrics.TrackScore | None
    counts: Mapping[str, int]


Watch = Callable[[Unit, int, ScoredEvent], None]
"""Called with every event that this process ran: its unit, its place in the unit, and what is known of it."""


@dataclass(frozen=True)
class FinishedUnit:
    """The part of a unit: packed, as it is kept, and as it is where this process made it."""

    content: bytes
    part: Part


Outcome = tuple[Unit, FinishedUnit | bytes | InputError]
"""Of a unit: its part, packed alone where another process made it, or what is wrong with its file."""


def plan_units(files: Sequence[EventFile], events_per_unit: int, events: slice | None = None) -> list[Unit]:
    """The units of a run, in the order in which they are merged.

    Args:
        events: of all files together, counted from 0; None: all.

    Raises:
        InputError: less than one event a unit, or events that there are not.
    """
    check(
        "run",
        "events_per_unit",
        events_per_unit,
        type(events_per_unit) is int and events_per_unit >= 1,
        "whole and at least 1",
    )
    units = []
    chosen, before = range_of(events, sum(file.n_events for file in files)), 0
    for file in files:
        path = file.path.absolute()
        stat = path.stat()
        first, end = max(chosen.start - before, 0), min(chosen.stop - before, file.n_events)
        for start in range(first, end, events_per_unit):
            stop = min(start + events_per_unit, end)
            units.append(Unit(str(path), stat.st_size, stat.st_mtime_ns, start, stop))
        before += file.n_events
    return units


def run_events(
    chain: Chain, path: str | Path, totals: Totals, start: int = 0, stop: int | None = None
) -> Iterator[ScoredEvent]:
    """Run the chain over events of a file and add them to ``totals``.

    Raises:
        InputError: the file cannot be used.
    """
    with reading_events(path) as reader:
        yield from scored_events(chain, reader, totals, start, stop)


def scored_events(
    chain: Chain, reader: EventReader, totals: Totals, start: int = 0, stop: int | None = None
) -> Iterator[ScoredEvent]:
    """As :func:`run_events`, from a file that is open."""
    kind = (chain.options, type(chain.estimator))
    file = reader.file
    pileup = metrics.pileup_of(file.header.made_by)
    for events in reader.events(READ, start, stop):
        totals.truth = file.has_truth
        for record in events:
            if kind not in _warm and len(record["clusters"]):
                chain.warm_up(record["clusters"])
                _warm.add(kind)
            result = chain.event(int(record["event"]), record["clusters"])
            reference = chain.reference_edges(result)
            truth = score = None
            if file.has_truth:
                options, frame = chain.options, chain.header.detector.frame
                truth = metrics.truth_of_hits(
                    record, result.hits, frame, pileup, options.findable_layers, min_pt=options.findable_pt
                )
                score = metrics.score_tracks(truth, result.tracks)
            before = totals.counts()
            totals.add(chain, result, record, reference, truth, score)
            counts = {name: value - before[name] for name, value in totals.counts().items()}
            yield ScoredEvent(result, record, len(reference), truth, score, counts)


def check_unchanged(unit: Unit) -> None:
    """Check that the file of a unit is still the one that it was planned with.

    Raises:
        InputError: it is another one.
    """
    path = Path(unit.path)
    if path.is_file() and ((stat := path.stat()).st_size, stat.st_mtime_ns) != (unit.size, unit.changed):
        raise InputError(f"{path}: has changed since the run began; run it again")


def run_unit(chain: Chain, unit: Unit, sources: Sources, watch: Watch | None = None) -> Part:
    """Run the chain over the entries of a unit.

    Args:
        sources: to read from.
        watch: called with every event.

    Raises:
        InputError: the file is damaged, is not there or is not the one that was planned with.
    """
    check_unchanged(unit)
    totals, outputs = Totals(), []
    events = scored_events(chain, sources.reader(unit.path), totals, unit.start, unit.stop)
    for entry, event in enumerate(events):
        outputs.append(outputs_of(event.result, event.truth, event.score, chain.options.write, event.counts))
        if watch is not None:
            watch(unit, entry, event)
    return Part(totals, joined_outputs(outputs))


def finished_unit(chain: Chain, unit: Unit, sources: Sources, watch: Watch | None = None) -> FinishedUnit:
    """As :func:`run_unit`, with its part packed.

    Raises:
        InputError: as :func:`run_unit`, or whatever else goes wrong with these events, and where: files after
            this one are still to be run.
    """
    try:
        part = run_unit(chain, unit, sources, watch)
        # Packed here too, so that a fault in it names the events.
        return FinishedUnit(packed(part), part)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{unit.path}: events {unit.start} to {unit.stop - 1} do not fit into memory; take fewer events "
            f"a unit "
            "(--events-per-unit), or a machine with more memory"
        ) from error
    except Exception as error:
        raise InputError(
            f"{unit.path}: events {unit.start} to {unit.stop - 1} cannot be run, though the file can be read "
            f"({type(error).__name__}: {one_line(str(error), 160)}; at {_place(error)}); this is a fault of "
            f"smartpix: "
            "tell us, with this line"
        ) from error


def _place(error: BaseException) -> str:
    """Module and line of the innermost of our frames that an error went through."""
    ours = [
        f"{frame.f_globals['__name__']}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals["__name__"].partition(".")[0] in PACKAGES
    ]
    return ours[-1]


def run_here(
    chain: Chain, units: Iterable[Unit], sources: Sources, watch: Watch | None = None
) -> Iterator[Outcome]:
    """Run the units in turn."""
    for unit in units:
        try:
            yield unit, finished_unit(chain, unit, sources, watch)
        except InputError as error:
            yield unit, error
