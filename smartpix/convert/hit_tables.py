"""One event's hits, cells and truth as the formats of others hold them.

What they have in common: hits with ids on modules, cells with channels along the module's u and v, and
crossings of particles in global coordinates. :mod:`smartpix.convert.hit_events` makes an event of ours of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError

__all__ = [
    "ELECTRONS_PER_MM",
    "SLICES",
    "Cells",
    "Crossed",
    "HitTables",
    "Unmatched",
    "check_ids",
    "rows_of",
]

ELECTRONS_PER_MM = 73_000.0
"""Cell values are path lengths in mm; this many electrons per mm of silicon (most probable, about 73 per um)
give a charge.
"""
SLICES = (19,)
"""The slice that a charge without time stands in."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Cells:
    """Cells (K,): the hit's id, channels that count from 0 along the module's u and v, value, and what errors
    call the table.
    """

    hit_id: Ints
    ch0: Ints
    ch1: Ints
    value: Floats
    where: str


@dataclass(frozen=True)
class Crossed:
    """Crossings (T,) that made hits, and the particles.

    Attributes:
        hit_id: of the hit; particle_id: who.
        point, momentum: (T, 3) global, mm and GeV.
        order: (T,) running number along the particle's path; None: outgoing particles, in the order of the
            distance from their start.
        particles: the columns of :data:`smartpix.schema.PARTICLES`, each (P,).
        where: what errors call the tables of crossings and of particles.
    """

    hit_id: Ints
    particle_id: Ints
    point: Floats
    momentum: Floats
    order: Ints | None
    particles: Columns
    where: tuple[str, str]


@dataclass(frozen=True)
class Unmatched:
    """Rows of one event's tables that have no partner in another one, as where hits were filtered.

    Attributes:
        n_cells_unused: cells of no hit of the event, in whatever volume; n_truth_unused: likewise rows of the
            truth.
        n_hits_without_truth: hits on modules of the detector table that the truth has no row for, not even
            one as noise.
    """

    n_cells_unused: int = 0
    n_truth_unused: int = 0
    n_hits_without_truth: int = 0


@dataclass(frozen=True)
class HitTables:
    """One event.

    Attributes:
        hit_id: (H,) the user's own ids; module: (H,) rows of the detector table; position: (H, 3) global, mm.
        cells: also of other hits, which are left out; None: the format has none, and all hits are bare.
        truth: also of other hits; None without.
        where: what errors call the table of hits.
        n_others: hits of the event that are left out, in volumes that the detector table does not have.
        unmatched: rows without a partner in another table.
        bare: (H,) hits that come without cells, as those of strips; None: none of them, if there are cells.
        sigma: (H, 2) of the positions of bare hits, along x and y of the module, mm; None: that of a
            coordinate that is even within the pitch.
        charge: (H,) of bare hits in e; None: not known. time: (H,) ns of all hits; None: not known.
        particles: of an event without truth: the columns of :data:`smartpix.schema.PARTICLES`, each (P,).
    """

    event: int
    hit_id: Ints
    module: npt.NDArray[np.int32]
    position: Floats
    cells: Cells | None
    truth: Crossed | None
    where: str
    n_others: int
    unmatched: Unmatched
    bare: npt.NDArray[np.bool_] | None = None
    sigma: Floats | None = None
    particles: Columns | None = None
    charge: Floats | None = None
    time: Floats | None = None


def rows_of(ids: npt.NDArray[Any], keys: npt.NDArray[Any]) -> Ints:
    """Rows of ``keys`` in the sorted ``ids``; -1 where one is not there."""
    if len(ids) == 0:
        return np.full(len(keys), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ids, keys), len(ids) - 1)
    return np.where(ids[place] == keys, place, -1)


def check_ids(ids: Ints, least: int, where: str, name: str) -> None:
    """Check that ids, of all rows of a table, are at least ``least``.

    Raises:
        InputError: one is not.
    """
    if np.any(ids < least):
        k = int(np.argmax(ids < least))
        raise InputError(
            f"{where}: column '{name}' has the value {ids[k]} in row {k} ({int(np.sum(ids < least))} such "
            f"rows), and ids start at {least}; mend or drop the row"
        )
