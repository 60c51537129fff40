"""The event files of a run, opened once each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.field_map import same_table
from smartpix.io.events import EventFile, EventReader, reading_events
from smartpix.schema import InputError
from tracking.inputs import none_usable

__all__ = ["MOST_OPEN", "Sources", "open_inputs"]

MOST_OPEN = 64
"""Files that stay open together. Systems allow a process 256 and more, and a file of many is opened a second
time at the most: it is checked before the run, and read in it."""


class Sources(AbstractContextManager["Sources"]):
    """Readers of event files by path, that stay open from one use to the next.

    Of more than ``MOST_OPEN`` files, that one is closed which was not used for longest.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Path, tuple[EventReader, ExitStack]] = OrderedDict()

    def __exit__(self, *error: Any) -> None:
        while self._open:
            self._close_oldest()

    def reader(self, path: str | Path) -> EventReader:
        """The reader of a file, which is opened if it is not open.

        Raises:
            InputError: as :func:`smartpix.io.events.open_events`.
        """
        path = Path(path)
        key = path.absolute()
        if key not in self._open:
            with ExitStack() as stack:
                reader = stack.enter_context(reading_events(path))
                self._open[key] = reader, stack.pop_all()
            if len(self._open) > MOST_OPEN:
                self._close_oldest()
        self._open.move_to_end(key)
        return self._open[key][0]

    def _close_oldest(self) -> None:
        _, (_, stack) = self._open.popitem(last=False)
        stack.close()


def open_inputs(
    sources: Sources, files: Sequence[str | Path], same_beam: bool = True, same_dead: bool = True
) -> tuple[list[EventFile], dict[str, str]]:
    """Open and check all files of a run.

    Args:
        same_beam: whether the headers must have the same beam spot; same_dead: the same dead modules.

    Returns:
        Those that can be used, and of the others the path and what is wrong.

    Raises:
        InputError: none can be used, or the files are of different detectors or fields.
    """
    opened, failed = [], {}
    for path in files:
        try:
            opened.append(sources.reader(path).file)
        except InputError as error:
            failed[str(path)] = str(error)
    if not opened:
        raise none_usable(failed)
    for other in opened[1:]:
        _check_alike(opened[0], other, same_beam)
        if same_dead and other.header.detector.dead != opened[0].header.detector.dead:
            raise InputError(
                f"{other.path}: has other dead modules than {opened[0].path}; run them one by one, or let none be known "
                "(dead.source = none)"
            )
    return opened, failed


def _check_alike(first: EventFile, other: EventFile, same_beam: bool) -> None:
    """Check that one chain can run both files.

    Raises:
        InputError: it cannot.
    """
    one, two = first.header, other.header
    same = (
        two.field == one.field
        and same_table(one.field_map, two.field_map)
        and all(
            np.array_equal(two.detector.columns[n], one.detector.columns[n]) for n in one.detector.columns
        )
    )
    if not same:
        raise InputError(
            f"{other.path}: has another detector or field than {first.path}; run them one by one"
        )
    if other.has_truth != first.has_truth:
        raise InputError(
            f"{other.path} and {first.path}: one has truth and the other none; run them one by one"
        )
    if two.has_times != one.has_times:
        raise InputError(
            f"{other.path} and {first.path}: one has times of clusters and the other none; run them one by one"
        )
    # The estimates are chosen by the first.
    if two.has_pixels != one.has_pixels:
        raise InputError(
            f"{other.path} and {first.path}: one has pixels and the other none; run them one by one"
        )
    if same_beam and two.beam_spot != one.beam_spot:
        raise InputError(
            f"{other.path}: has another beam spot than {first.path}; run them one by one, or give one for all "
            "(beam.source = options)"
        )
    if two.slices != one.slices:
        raise InputError(
            f"{other.path}: has slices {two.slices} and {first.path} {one.slices}; run them one by one"
        )
