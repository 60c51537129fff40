"""ACTS's seeding in its chain: from an event's hits to seeds of global space points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, space_points
from seeding.acts_gbts import gbts_seeding
from seeding.acts_reference import seed_rows, seeder
from seeding.hits import Hits
from smartpix.beam import BeamSpot
from tracking.acts.seeder import seed_container

__all__ = ["seeding_algorithms"]


def seeding_algorithms(
    acts: Any,
    events: Sequence[Hits],
    frame: BeamSpot,
    field: float,
    algorithm: str,
    cuts: Mapping[str, Any],
    prefix: str = "",
) -> list[Any]:
    """Algorithms that write ``seeds``, in the order in which they run.

    They read ``points`` from the white board, the global space points of all hits in their order. Of them one
    is ACTS's, :data:`seeding.acts_reference.ALGORITHMS`; the others are what Python needs around it.

    Args:
        events: hits in the frame of their beam, ``frame``; field: along z in T.
        algorithm: of :data:`seeding.acts_reference.ALGORITHMS`; cuts: instead of those of its balanced point.
        prefix: of the names of all that these algorithms write.
    """
    seeds, raw = f"{prefix}seeds", f"{prefix}raw_seeds"
    if algorithm == "acts-gbts":
        gbts = gbts_seeding(acts, events, field, cuts, raw)
        return [*gbts.algorithms, _placement(acts, gbts.rows, raw, seeds)]
    if frame.is_centred:
        return [seeder(acts, field, algorithm, cuts, seeds=seeds)]
    # ACTS's seeding can be told where the beam is, its Python bindings cannot tell it. Space points in the
    # frame of the beam do the same; what follows takes the same seeds of global points.
    own = f"{prefix}beam_points"

    def fill(event: int) -> tuple[Any]:
        return (space_points(acts, events[event]),)

    return [
        algorithm_of(acts, "Beam points", fill, writes=[(own, acts.SpacePointContainer)]),
        seeder(acts, field, algorithm, cuts, own, raw),
        _placement(acts, seed_rows, raw, seeds),
    ]


def _placement(
    acts: Any,
    rows_of: Callable[[int, Any], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]],
    raw: str,
    seeds: str,
) -> Any:
    """Seeds of other points as seeds of the global ones."""

    def place(event: int, found: Any, points: Any) -> tuple[Any]:
        return (seed_container(acts, points, rows_of(event, found)[0]),)

    reads = [(raw, acts.SeedContainer), ("points", acts.SpacePointContainer)]
    return algorithm_of(acts, "Placement", place, reads=reads, writes=[(seeds, acts.SeedContainer)])
