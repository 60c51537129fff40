"""ACTS's own seeding on the same hits, through pyacts. The seeds are measured against it. Needs
``smartpix[acts]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, run_timed, space_points
from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.schema import InputError, quoted

__all__ = ["ALGORITHMS", "TUNED", "ActsSeeds", "acts_seeds", "seeder"]

ALGORITHMS = {
    "acts-grid": "GridTripletSeedingAlgorithm",
    "acts-orthogonal": "OrthogonalTripletSeedingAlgorithm",
}

TUNED: Mapping[str, Any] = {
    "minPt": 0.5, "impactMax": 1.0, "deltaRMin": 20.0, "deltaRMax": 80.0, "deltaRMinTop": 20.0,
    "deltaRMaxTop": 80.0,
    "deltaRMinBottom": 20.0, "deltaRMaxBottom": 80.0, "rMin": 0.0, "rMax": 200.0, "zMin": -2000.0,
    "zMax": 2000.0,
    "deltaZMin": -350.0, "deltaZMax": 350.0, "collisionRegionMin": -200.0, "collisionRegionMax": 200.0,
    "sigmaScattering": 3.0, "radLengthPerSeed": 0.05, "maxSeedsPerSpM": 1, "cotThetaMax": 10.0,
    "useVariableMiddleSPRange": True,
}  # fmt: skip
"""Cuts tuned for the generic detector's pixels at pile-up 200, in ACTS's units (mm, GeV); the rest are ACTS's
defaults.

Without the variable range of middle radii seeds of half a per cent of the findable particles are missed;
wider cuts on impact and luminous region only cost time.
"""


@dataclass(frozen=True)
class ActsSeeds:
    """Seeds that ACTS found, and their time.

    Attributes:
        seeds: of each event (S, 3) rows of its hits, inner first.
        ms: (events,) time of the seeding algorithm alone.
    """

    seeds: list[npt.NDArray[np.int32]]
    ms: npt.NDArray[np.float64]


def acts_seeds(events: Sequence[Hits], field: float, algorithm: str = "acts-grid", **cuts: Any) -> ActsSeeds:
    """Run ACTS's seeding on events, on one thread.

    Args:
        field: along z in T.
        algorithm: of :data:`ALGORITHMS`; cuts: instead of those of :data:`TUNED`.

    Raises:
        InputError: ACTS is not installed, or unknown algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"ACTS seeding {quoted(algorithm)} is unknown; there are {', '.join(ALGORITHMS)}")
    acts = import_acts()
    found: list[npt.NDArray[np.int32]] = []

    def fill(event: int) -> tuple[Any]:
        return (space_points(acts, events[event]),)

    def take(event: int, seeds: Any) -> tuple[()]:
        rows = [seed.spacePointIndices[:3].astype(np.int32) for seed in seeds]
        found.append(np.array(rows, dtype=np.int32).reshape(-1, 3))
        return ()

    elements = [
        algorithm_of(acts, "Source", fill, writes=[("points", acts.SpacePointContainer)]),
        seeder(acts, field, algorithm, cuts),
        algorithm_of(acts, "Sink", take, reads=[("seeds", acts.SeedContainer)]),
    ]
    spent = run_timed(acts, len(events), elements)
    return ActsSeeds(found, spent.get(ALGORITHMS[algorithm], np.zeros(0)))


def seeder(
    acts: Any,
    field: float,
    algorithm: str,
    cuts: Mapping[str, Any],
    points: str = "points",
    seeds: str = "seeds",
) -> Any:
    """ACTS's seeding from ``points`` to ``seeds`` on the white board; ``cuts`` instead of those of
    :data:`TUNED`, field in T.
    """
    options = {**TUNED, **cuts, "bFieldInZ": field * acts.UnitConstants.T}
    kind = getattr(acts.examples, ALGORITHMS[algorithm])
    return kind(level=acts.logging.WARNING, inputSpacePoints=points, outputSeeds=seeds, **options)
