"""What a run is going to do, known before its first event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from smartpix.convert.formats import Found, detect
from smartpix.io.events import EventFile
from smartpix.schema import InputError
from tracking.beam_spot import chain_of_file
from tracking.chain import Chain
from tracking.fit.beam_spot import FoundBeam
from tracking.inputs import expand, range_of
from tracking.options import RunOptions
from tracking.provenance import chain_provenance
from tracking.runs.join import check_events, check_hits, joined_names
from tracking.runs.outputs import csv_name
from tracking.runs.results import SUMMARY, TIMES
from tracking.runs.sources import Sources, open_inputs
from tracking.runs.units import Unit, plan_units

__all__ = ["Plan", "plan_run"]


@dataclass(frozen=True)
class Plan:
    """The files, units and results of a run.

    Attributes:
        found: the beam, where it was found from the data.
        files: those that could be opened.
        refused: of the others the path and what is wrong.
        numbers: of all events, where a result goes by them.
        original: what the results are joined to.
        figures: the format of the figures; None: there are none.
        events: the first entry that is run and the one after the last, of all files together; None: all.
    """

    chain: Chain
    found: FoundBeam | None
    files: Sequence[EventFile]
    refused: dict[str, str]
    units: Sequence[Unit]
    numbers: Sequence[int]
    original: Found | None
    figures: str | None
    events: tuple[int, int] | None = None

    @property
    def options(self) -> RunOptions:
        """Of the chain."""
        return self.chain.options

    @property
    def has_truth(self) -> bool:
        """Whether the events have truth, which all files have or none."""
        return self.files[0].has_truth

    @property
    def has_times(self) -> bool:
        """Whether clusters have times, which those of all files have or none."""
        return self.files[0].header.has_times

    @cached_property
    def names(self) -> dict[str, str]:
        """The paths as they were given, by the absolute paths that units go by."""
        return {str(file.path.absolute()): str(file.path) for file in self.files}

    def files_but(self, failed: Mapping[str, str]) -> list[str]:
        """The paths as they were given, without those of files that failed."""
        return [name for name in self.names.values() if name not in failed]

    def units_but(self, failed: Mapping[str, str]) -> list[Unit]:
        """The units without those of files that failed."""
        return [unit for unit in self.units if self.names[unit.path] not in failed]

    def written(self) -> set[str]:
        """Names of the files that the run may write."""
        names = {"tracks.root", SUMMARY, TIMES, *self.options.write} - {"tracks.csv"}
        if "tracks.csv" in self.options.write:
            names.update(map(csv_name, self.numbers))
        if self.figures:
            from tracking.runs.figures import figure_names

            names.update(figure_names(self.has_truth, self.figures))
        if self.original is not None:
            names.update(joined_names(self.original, self.numbers))
        return names

    def beam_spot(self) -> dict[str, Any]:
        """The luminous region that tracks and truth are about, and where it comes from."""
        found = {} if self.found is None else self.found.summary()
        return {"source": self.options.beam.source, **asdict(self.chain.header.beam_spot), **found}

    def record(self, files: Sequence[str]) -> dict[str, Any]:
        """The provenance of results that are made from these files."""
        return chain_provenance("smartpix run", files, self.options)


def plan_run(
    sources: Sources,
    files: str | Path | Sequence[str | Path],
    options: RunOptions,
    figures: str | None,
    events_per_unit: int,
    join: str | Path | None,
    events: slice | None = None,
) -> Plan:
    """Open the files, check them and set up the chain.

    Raises:
        InputError: as :func:`tracking.runs.driver.run`.
    """
    original = None if join is None else detect(join)
    opened, refused = open_inputs(
        sources, expand(files), options.beam.source != "options", options.dead.source != "none"
    )
    if events is not None and refused:
        # Which events these are would depend on what is wrong with the file.
        reason = next(iter(refused.values()))
        raise InputError(f"{reason}. Events are counted over all files, so that none may be left out")
    units = plan_units(opened, events_per_unit, events)
    used, chosen = {unit.path for unit in units}, None
    if events is not None:
        entries = range_of(events, sum(file.n_events for file in opened))
        chosen = entries.start, entries.stop
        opened = [file for file in opened if str(file.path.absolute()) in used]
    numbers: list[int] = []
    if original is not None or "tracks.csv" in options.write:
        numbers = _event_numbers(sources, opened, units)
    if original is not None:
        check_events(numbers, original)
        for file in opened:
            check_hits(sources.reader(file.path), original)
    chain, found = chain_of_file(opened[0].path, opened[0].header, options)
    return Plan(chain, found, opened, refused, units, numbers, original, figures, chosen)


def _event_numbers(sources: Sources, files: Sequence[EventFile], units: Sequence[Unit]) -> list[int]:
    """Numbers of all events of the units.

    Raises:
        InputError: one is there twice.
    """
    seen: dict[int, Path] = {}
    for file in files:
        try:
            whole = sources.reader(file.path).numbers()
        except InputError:
            # It is left out, with the reason, when it is run.
            continue
        path = str(file.path.absolute())
        entries = [entry for unit in units if unit.path == path for entry in range(unit.start, unit.stop)]
        for number in whole[entries].tolist():
            if number in seen:
                where = "there twice" if seen[number] == file.path else f"in {seen[number]} too"
                raise InputError(
                    f"{file.path}: event {number} is {where}, and --join and tracks.csv know events by their "
                    f"number alone; run the files one by one, into folders of their own, or without these"
                )
            seen[number] = file.path
    return list(seen)
