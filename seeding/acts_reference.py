"""ACTS's own seeding on the same hits, through pyacts. The seeds are measured against it. Needs
``smartpix[acts]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of, run_timed, space_points
from seeding.acts_gbts import gbts_seeding
from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.schema import InputError, quoted

__all__ = [
    "ALGORITHMS",
    "BALANCED",
    "DENSE",
    "EFFICIENT",
    "FASTEST",
    "NARROW",
    "WIDE",
    "WORKING_POINTS",
    "ActsSeeds",
    "acts_seeds",
    "seed_rows",
    "seeder",
]

ALGORITHMS = {
    "acts-grid": "GridTripletSeedingAlgorithm",
    "acts-orthogonal": "OrthogonalTripletSeedingAlgorithm",
    "acts-gbts": "GraphBasedSeedingAlgorithm",
}
"""ACTS's algorithms by our names for them."""

_SHARED: Mapping[str, Any] = {
    "rMin": 0.0, "rMax": 200.0, "zMin": -2000.0, "zMax": 2000.0, "cotThetaMax": 10.0, "deltaRMax": 80.0,
    "phiBinDeflectionCoverage": 3, "numPhiNeighbors": 2, "interactionPointCut": True,
    "useVariableMiddleSPRange": True,
}  # fmt: skip
_FINE_Z = [-2000.0, -800.0, -400.0, -200.0, 0.0, 200.0, 400.0, 800.0, 2000.0]
_COARSE_Z = [-2000.0, -800.0, -300.0, 0.0, 300.0, 800.0, 2000.0]

BALANCED: Mapping[str, Any] = {
    **_SHARED, "minPt": 0.5, "impactMax": 1.45, "deltaRMin": 16.4, "deltaRMinTop": 16.4,
    "deltaRMinBottom": 16.4, "deltaRMaxTop": 80.0, "deltaRMaxBottom": 75.8, "deltaZMin": -333.0,
    "deltaZMax": 333.0, "collisionRegionMin": -203.0, "collisionRegionMax": 203.0,
    "sigmaScattering": 3.33, "radLengthPerSeed": 0.055, "maxSeedsPerSpM": 0, "helixCutTolerance": 0.928,
    "impactWeightFactor": 1.0, "compatSeedLimit": 2, "compatSeedWeight": 251.0,
    "deltaRMiddleMinSPRange": 30.9, "deltaRMiddleMaxSPRange": 4.15, "useDeltaRinsteadOfTopRadius": False,
    "zBinEdges": _FINE_Z,
}  # fmt: skip
"""Cuts for the generic detector's pixels at pile-up 200, in ACTS's units (mm, GeV); the rest are ACTS's
defaults.

Its seeds reach down to 0.5 GeV and to slopes of 10, as the cones do. Without the variable range of middle
radii seeds of half a per cent of the findable particles are missed. The grid's bins halve the time at the
same seeds: ACTS's defaults look at many more neighbours than a track can bend to. ACTS counts the seeds of
a middle hit from 0, so that 0 is one and 1 are two.
"""

FASTEST: Mapping[str, Any] = {
    **_SHARED, "cotThetaMax": 6.5, "minPt": 0.824, "impactMax": 0.602, "deltaRMin": 20.0,
    "deltaRMinTop": 20.0, "deltaRMinBottom": 20.0, "deltaRMaxTop": 80.0, "deltaRMaxBottom": 77.9,
    "deltaZMin": -341.0, "deltaZMax": 341.0, "collisionRegionMin": -201.0, "collisionRegionMax": 201.0,
    "sigmaScattering": 4.64, "radLengthPerSeed": 0.0261, "maxSeedsPerSpM": 0, "helixCutTolerance": 0.8,
    "impactWeightFactor": 0.293, "compatSeedLimit": 1, "compatSeedWeight": 227.0,
    "deltaRMiddleMinSPRange": 35.9, "deltaRMiddleMaxSPRange": 31.4, "useDeltaRinsteadOfTopRadius": True,
    "zBinEdges": _COARSE_Z,
}  # fmt: skip
"""Least time of the chain at an efficiency of 0.99 from 0.9 GeV on: particles well below are given up, and
those steeper than any findable one.
"""

EFFICIENT: Mapping[str, Any] = {
    **_SHARED, "minPt": 0.5, "impactMax": 1.96, "deltaRMin": 20.0, "deltaRMinTop": 20.0,
    "deltaRMinBottom": 20.0, "deltaRMaxTop": 77.7, "deltaRMaxBottom": 80.0, "deltaZMin": -350.0,
    "deltaZMax": 350.0, "collisionRegionMin": -182.0, "collisionRegionMax": 182.0, "sigmaScattering": 3.0,
    "radLengthPerSeed": 0.05, "maxSeedsPerSpM": 1, "helixCutTolerance": 1.01, "impactWeightFactor": 1.12,
    "compatSeedLimit": 2, "compatSeedWeight": 303.0, "deltaRMiddleMinSPRange": 9.8,
    "deltaRMiddleMaxSPRange": 9.2, "useDeltaRinsteadOfTopRadius": False, "zBinEdges": _FINE_Z,
}  # fmt: skip
"""Seeds of most particles: two for each middle hit."""

NARROW: Mapping[str, Any] = {**BALANCED, "impactMax": 1.0}
WIDE: Mapping[str, Any] = {**BALANCED, "impactMax": 10.0}
"""For displaced tracks: impact parameters up to 1 and 10 mm."""

DENSE: Mapping[str, Any] = {
    **BALANCED, "deltaRMin": 20.0, "deltaRMinTop": 20.0, "deltaRMinBottom": 20.0, "deltaZMin": -350.0,
    "deltaZMax": 350.0, "sigmaScattering": 4.3, "maxSeedsPerSpM": 3, "compatSeedLimit": 0, "numPhiNeighbors": 1,
    "interactionPointCut": False, "deltaRMiddleMinSPRange": 38.0,
}  # fmt: skip
"""For the cores of jets: four seeds for each middle hit, whose particles share it."""

WORKING_POINTS: Mapping[str, Mapping[str, Any]] = {
    "fastest": FASTEST, "balanced": BALANCED, "efficient": EFFICIENT, "narrow": NARROW, "wide": WIDE,
}  # fmt: skip
"""All of these, by name. The first three are on the front that ``benchmarks/tune_acts.py`` finds."""

_GRID_ALONE = {
    "phiBinDeflectionCoverage", "numPhiNeighbors", "zBinEdges", "useDeltaRinsteadOfTopRadius",
}  # fmt: skip
"""Cuts that the search without a grid does not know."""


@dataclass(frozen=True)
class ActsSeeds:
    """Seeds that ACTS found, and their time.

    Attributes:
        seeds: of each event (S, 3) rows of its hits, inner first; quality: (S,) ACTS's, largest for the best.
        ms: (events,) time of the seeding algorithm alone.
    """

    seeds: list[npt.NDArray[np.int32]]
    quality: list[npt.NDArray[np.float64]]
    ms: npt.NDArray[np.float64]


def acts_seeds(
    events: Sequence[Hits],
    field: float,
    algorithm: str = "acts-grid",
    clock: Callable[[], float] = time.perf_counter,
    **cuts: Any,
) -> ActsSeeds:
    """Run ACTS's seeding on events, on one thread.

    Args:
        field: along z in T.
        algorithm: of :data:`ALGORITHMS`. ``acts-gbts`` takes hits on the generic detector alone, and its
            times hold no scaling of points, which is an artefact (:mod:`seeding.acts_gbts`).
        clock: as in :func:`seeding.acts.run_timed`.
        cuts: instead of those of :data:`BALANCED`, for ``acts-gbts`` of :data:`seeding.acts_gbts.BALANCED`.

    Raises:
        InputError: ACTS is not installed, unknown algorithm, or what GBTS does not take.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"ACTS seeding {quoted(algorithm)} is unknown; there are {', '.join(ALGORITHMS)}")
    acts = import_acts()
    found: list[npt.NDArray[np.int32]] = []
    quality: list[npt.NDArray[np.float64]] = []
    rows_of: Callable[[int, Any], tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]
    if algorithm == "acts-gbts":
        gbts = gbts_seeding(acts, events, field, cuts, "seeds")
        rows_of, before = gbts.rows, gbts.algorithms
    else:

        def fill(event: int) -> tuple[Any]:
            return (space_points(acts, events[event]),)

        source = algorithm_of(acts, "Source", fill, writes=[("points", acts.SpacePointContainer)])
        rows_of, before = seed_rows, [source, seeder(acts, field, algorithm, cuts)]

    def take(event: int, seeds: Any) -> tuple[()]:
        rows, of_seeds = rows_of(event, seeds)
        found.append(rows.astype(np.int32))
        quality.append(of_seeds)
        return ()

    elements = [*before, algorithm_of(acts, "Sink", take, reads=[("seeds", acts.SeedContainer)])]
    spent = run_timed(acts, len(events), elements, clock=clock)
    return ActsSeeds(found, quality, spent.get(ALGORITHMS[algorithm], np.zeros(0)))


def seed_rows(event: int, seeds: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """(S, 3) rows and (S,) quality of seeds whose points are the hits, in their order."""
    rows = np.array([seed.spacePointIndices[:3] for seed in seeds], dtype=np.int64).reshape(-1, 3)
    return rows, np.array([seed.quality for seed in seeds], dtype=np.float64)


def seeder(
    acts: Any,
    field: float,
    algorithm: str,
    cuts: Mapping[str, Any],
    points: str = "points",
    seeds: str = "seeds",
) -> Any:
    """ACTS's seeding of triplets from ``points`` to ``seeds`` on the white board; ``cuts`` instead of those
    of :data:`BALANCED`, field in T.
    """
    alone = set() if algorithm == "acts-grid" else _GRID_ALONE
    options = {name: cut for name, cut in {**BALANCED, **cuts}.items() if name not in alone}
    options["bFieldInZ"] = field * acts.UnitConstants.T
    kind = getattr(acts.examples, ALGORITHMS[algorithm])
    return kind(level=acts.logging.WARNING, inputSpacePoints=points, outputSeeds=seeds, **options)
