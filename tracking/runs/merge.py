"""The units of a run put together in their order: the sums, and the files with something of every event."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from smartpix.schema import InputError
from tracking.runs.kept_events import Place
from tracking.runs.outputs import Outputs, output_writer
from tracking.runs.part import Part, unpacked
from tracking.runs.plan import Plan
from tracking.runs.totals import Totals
from tracking.runs.unfinished import Parts, load_part
from tracking.runs.units import Unit

__all__ = ["Merge", "Merged"]


@dataclass
class Merged:
    """What was put together so far.

    Attributes:
        shown: the place of the first event with a track or, while there is none, of the last event.
    """

    totals: Totals
    write: Callable[[Outputs, int], None]
    file_numbers: Mapping[str, int]
    n_units: int = 0
    shown: Place | None = None
    has_tracks: bool = False

    def add(self, unit: Unit, part: Part) -> None:
        """Add the unit that comes next."""
        self.totals.merge(part.totals)
        self.write(part.outputs, self.file_numbers[unit.path])
        if not self.has_tracks:
            filled = np.flatnonzero(ak.num(part.outputs["tracks.root"]["track"]))
            self.has_tracks = len(filled) > 0
            self.shown = unit, int(filled[0]) if self.has_tracks else len(unit) - 1
        self.n_units += 1


class Merge(AbstractContextManager["Merge"]):
    """Writes the results of units into a folder, in the units' order, as they come.

    A unit that comes before its turn is read back from its part later. A file that fails is left out whole,
    and what was written of it cannot be taken back: all is then merged anew from the parts at the end.
    """

    def __init__(self, plan: Plan, parts: Parts, folder: Path) -> None:
        self._plan, self._parts, self._folder = plan, parts, folder
        self._stack = ExitStack()
        self._waiting: set[Unit] = set()
        self._begin({})

    def _begin(self, failed: Mapping[str, str]) -> None:
        plan = self._plan
        self.files, self.units = plan.files_but(failed), plan.units_but(failed)
        self.record = plan.record(self.files)
        metadata = {
            "files": self.files, "options": asdict(plan.options), "beam_spot": plan.beam_spot(),
            "provenance": self.record,
        }  # fmt: skip
        self._folder.mkdir()
        writer = output_writer(self._folder, plan.options.write, plan.has_truth, plan.has_times, metadata)
        numbers = {str(Path(name).absolute()): k for k, name in enumerate(self.files)}
        self.merged = Merged(Totals(truth=plan.has_truth), self._stack.enter_context(writer), numbers)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def take(self, unit: Unit, part: Part | bytes) -> None:
        """Add a unit, packed or not, if it is its turn, and those that waited for it."""
        self._waiting.add(unit)
        # After a file failed, its unit never comes, so that nothing more is added here.
        while (following := self._following()) in self._waiting:
            self._waiting.remove(following)
            if following != unit:
                part = self._kept(following)
            self.merged.add(following, part if isinstance(part, Part) else unpacked(part))

    def finish(self, failed: Mapping[str, str]) -> Merged:
        """Close the files, with all units in them but those of files that failed.

        Raises:
            InputError: a part is gone.
        """
        if len(self._plan.files_but(failed)) < len(self.files):
            self._stack.close()
            shutil.rmtree(self._folder)
            self._begin(failed)
        while (following := self._following()) is not None:
            self.merged.add(following, self._kept(following))
        self._stack.close()
        return self.merged

    def _following(self) -> Unit | None:
        return self.units[self.merged.n_units] if self.merged.n_units < len(self.units) else None

    def _kept(self, unit: Unit) -> Part:
        part = load_part(self._parts, unit)
        if part is None:
            raise InputError(
                f"{self._parts.folder}: was changed while the run went on; "
                f"the same command does the rest anew"
            )
        return part
