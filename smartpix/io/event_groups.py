"""Numbers of some events, and the error that names the event of a bad one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError

__all__ = ["Columns", "Group", "Ints"]

Ints = npt.NDArray[np.int64]
Columns = Mapping[str, npt.NDArray[Any]]
"""Branches of some events, the numbers of one event after those of the other."""


@dataclass(frozen=True)
class Group:
    """Numbers of one kind in some events: which event each is of, for checks and their messages."""

    where: str
    event: Ints
    counts: Ints

    @cached_property
    def owner(self) -> Ints:
        """(K,) place of the event that each number is of."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def take(self, rows: Ints) -> Group:
        """The same of some of the numbers, in their order."""
        return Group(self.where, self.event, np.bincount(self.owner[rows], minlength=len(self.event)))

    def refuse(
        self,
        bad: npt.NDArray[np.bool_],
        requirement: str,
        values: npt.NDArray[Any] | None = None,
        off: str = "",
    ) -> None:
        """Raise an error that names the first event with a bad number, if there is one.

        Args:
            bad: (K,) of each number.
            requirement: that it breaks, as ``"truth_order must not be negative"``.
            values: (K,) to show.
            off: what the values are distances from in mm.

        Raises:
            InputError: there is one.
        """
        if np.any(bad):
            k = int(np.argmax(bad))
            found = "" if values is None else f" and is {values[k]:.9g}{f' mm off {off}' if off else ''}"
            more = f" ({int(bad.sum())} such entries)" if bad.sum() > 1 else ""
            raise InputError(f"{self.where}: event {self.event[self.owner[k]]}: {requirement}{found}{more}")

    def refuse_repeated(self, name: str, ids: Ints) -> None:
        """The same for ids that are there twice in an event."""
        same = self.owner[1:] == self.owner[:-1]
        if np.all((ids[1:] > ids[:-1]) | ~same):
            return  # they rise, as ours do, and need no sorting
        order = np.lexsort((ids, self.owner))
        repeated = np.zeros(len(ids), dtype=bool)
        repeated[order[1:]] = (ids[order[1:]] == ids[order[:-1]]) & (
            self.owner[order[1:]] == self.owner[order[:-1]]
        )
        first = ids[int(np.argmax(repeated))] if np.any(repeated) else 0
        self.refuse(repeated, f"{name} {first} is there more than once; ids must be unique in an event")
