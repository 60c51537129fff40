"""The work of a run in units: ranges of a file's entries that are run, kept and merged as a whole.

Whoever runs them, in whatever order, the units merged in their order give the same numbers: one process runs
them in turn.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import awkward as ak

from smartpix.io.events import EventFile, iterate
from smartpix.schema import InputError, check, one_line
from tracking import metrics
from tracking.chain import Chain, EventResult
from tracking.options import RunOptions
from tracking.runs.outputs import joined_outputs, outputs_of
from tracking.runs.part import Part, packed
from tracking.runs.totals import Totals

__all__ = ["Outcome", "Unit", "packed_unit", "plan_units", "run_events", "run_here", "run_unit"]

READ = 10
"""Events read at a time."""
PACKAGES = ("smartpix", "seeding", "tracking")

_warm: set[tuple[RunOptions, type]] = set()


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


Outcome = tuple[Unit, bytes | InputError]
"""Of a unit: its packed part, or what is wrong with its file."""


def plan_units(files: Sequence[EventFile], events_per_unit: int) -> list[Unit]:
    """The units of a run, in the order in which they are merged.

    Raises:
        InputError: less than one event a unit.
    """
    check(
        "run",
        "events_per_unit",
        events_per_unit,
        type(events_per_unit) is int and events_per_unit >= 1,
        "whole and at least 1",
    )
    units = []
    for file in files:
        path = file.path.absolute()
        stat = path.stat()
        for start in range(0, file.n_events, events_per_unit):
            stop = min(start + events_per_unit, file.n_events)
            units.append(Unit(str(path), stat.st_size, stat.st_mtime_ns, start, stop))
    return units


def run_events(
    chain: Chain, path: str | Path, totals: Totals, start: int = 0, stop: int | None = None
) -> Iterator[tuple[EventResult, ak.Record, metrics.EventTruth | None, metrics.TrackScore | None]]:
    """Run the chain over events of a file and add them up.

    Yields:
        For every event the result, its record, its truth and the tracks' score (None without truth).
    """
    kind = (chain.options, type(chain.estimator))
    for file, events in iterate(path, READ, start, stop):
        totals.truth = file.has_truth
        pileup = metrics.pileup_of(file.header.made_by)
        for record in events:
            if kind not in _warm and len(record["clusters"]):
                chain.warm_up(record["clusters"])
                _warm.add(kind)
            result = chain.event(int(record["event"]), record["clusters"])
            truth = score = None
            if file.has_truth:
                layers = chain.options.findable_layers
                truth = metrics.event_truth(
                    record["clusters"], record["particles"], result.hits.layer, pileup, layers
                )
                score = metrics.score_tracks(truth, result.tracks.rows())
            totals.add(chain, result, record, truth, score)
            yield result, record, truth, score


def run_unit(chain: Chain, unit: Unit) -> Part:
    """Run the chain over the entries of a unit.

    Raises:
        InputError: the file is damaged, is not there or is not the one that was planned with.
    """
    path = Path(unit.path)
    if path.is_file() and ((stat := path.stat()).st_size, stat.st_mtime_ns) != (unit.size, unit.changed):
        raise InputError(f"{path}: has changed since the run began; run it again")
    totals = Totals()
    outputs = [
        outputs_of(result, truth, score, chain.options.write)
        for result, _, truth, score in run_events(chain, path, totals, unit.start, unit.stop)
    ]
    return Part(totals, joined_outputs(outputs))


def packed_unit(chain: Chain, unit: Unit) -> bytes:
    """The part of a unit, packed.

    Raises:
        InputError: as :func:`run_unit`, or whatever else goes wrong with these events, and where: files after
            this one are still to be run.
    """
    try:
        return packed(run_unit(chain, unit))
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


def run_here(chain: Chain, units: Iterable[Unit]) -> Iterator[Outcome]:
    """Run the units in turn."""
    for unit in units:
        try:
            yield unit, packed_unit(chain, unit)
        except InputError as error:
            yield unit, error
