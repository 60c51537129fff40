"""ACTS's own seeding on the same hits, through pyacts: the reference the seeds are measured against. Needs ``smartpix[acts]``."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.schema import InputError

__all__ = ["ALGORITHMS", "TUNED", "ActsSeeds", "acts_seeds"]

ALGORITHMS = {"acts-grid": "GridTripletSeedingAlgorithm", "acts-orthogonal": "OrthogonalTripletSeedingAlgorithm"}

TUNED: Mapping[str, float] = {
    "minPt": 0.5, "impactMax": 5.0, "deltaRMin": 20.0, "deltaRMax": 80.0, "deltaRMinTop": 20.0, "deltaRMaxTop": 80.0,
    "deltaRMinBottom": 20.0, "deltaRMaxBottom": 80.0, "rMin": 0.0, "rMax": 200.0, "zMin": -2000.0, "zMax": 2000.0,
    "deltaZMin": -350.0, "deltaZMax": 350.0, "collisionRegionMin": -250.0, "collisionRegionMax": 250.0,
    "sigmaScattering": 3.0, "radLengthPerSeed": 0.05, "maxSeedsPerSpM": 1, "cotThetaMax": 10.0,
}  # fmt: skip
"""Cuts tuned for the generic detector's pixels at pile-up 200, in ACTS's units (mm, GeV); the rest are ACTS's defaults."""


@dataclass(frozen=True)
class ActsSeeds:
    """What ACTS found.

    Attributes:
        seeds: of each event (S, 3) rows of its hits, inner first.
        ms: mean time of the seeding algorithm alone, per event, as ACTS's sequencer measures it.
    """

    seeds: list[npt.NDArray[np.int32]]
    ms: float


def acts_seeds(events: Sequence[Hits], field: float, algorithm: str = "acts-grid", **cuts: Any) -> ActsSeeds:
    """Run ACTS's seeding on events, on one thread.

    Args:
        field: along z in T.
        algorithm: of :data:`ALGORITHMS`; cuts: instead of those of :data:`TUNED`.

    Raises:
        InputError: ACTS is not installed, or unknown algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"ACTS seeding '{algorithm}' is unknown; there are {', '.join(ALGORITHMS)}")
    try:
        import acts
        import acts.examples as examples
    except ImportError as error:
        raise InputError("ACTS is not installed: pip install 'smartpix[acts]'") from error

    class Source(examples.IAlgorithm):  # type: ignore[misc]
        """Puts an event's hits on the white board as space points."""

        def __init__(self) -> None:
            examples.IAlgorithm.__init__(self, "Source", acts.logging.WARNING)
            self.handle = examples.WriteDataHandle(self, acts.SpacePointContainer, "Points")
            self.handle.initialize("points")

        def execute(self, context: Any) -> Any:
            columns = acts.SpacePointColumns
            points = acts.SpacePointContainer(
                columns.X | columns.Y | columns.Z | columns.R | columns.VarianceZ | columns.VarianceR | columns.SourceLinks
            )
            rows = _space_points(events[context.eventNumber])
            points.reserve(len(rows), 1)
            for x, y, z, r, variance_z, variance_r in rows.tolist():
                point = points.createSpacePoint()
                point.x, point.y, point.z, point.r = x, y, z, r
                point.varianceZ, point.varianceR = variance_z, variance_r
            self.handle(context, points)
            return examples.ProcessCode.SUCCESS

    class Sink(examples.IAlgorithm):  # type: ignore[misc]
        """Takes the seeds off again."""

        def __init__(self) -> None:
            examples.IAlgorithm.__init__(self, "Sink", acts.logging.WARNING)
            self.handle = examples.ReadDataHandle(self, acts.SeedContainer, "Seeds")
            self.handle.initialize("seeds")
            self.seeds: dict[int, npt.NDArray[np.int32]] = {}

        def execute(self, context: Any) -> Any:
            found = [seed.spacePointIndices[:3].astype(np.int32) for seed in self.handle(context.eventStore)]
            self.seeds[context.eventNumber] = np.array(found, dtype=np.int32).reshape(-1, 3)
            return examples.ProcessCode.SUCCESS

    options: dict[str, Any] = {**TUNED, **cuts, "bFieldInZ": field * acts.UnitConstants.T}
    with tempfile.TemporaryDirectory() as folder:
        sequencer = examples.Sequencer(
            events=len(events), numThreads=1, logLevel=acts.logging.WARNING, outputDir=folder, trackFpes=False
        )
        sequencer.addAlgorithm(Source())
        seeding = getattr(examples, ALGORITHMS[algorithm])
        sequencer.addAlgorithm(seeding(level=acts.logging.WARNING, inputSpacePoints="points", outputSeeds="seeds", **options))
        sink = Sink()
        sequencer.addAlgorithm(sink)
        sequencer.run()
        with (Path(folder) / "timing.csv").open(newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    seconds = {row[0]: float(row[2]) for row in rows[1:]}
    return ActsSeeds([sink.seeds[k] for k in range(len(events))], 1e3 * seconds[f"Algorithm:{ALGORITHMS[algorithm]}"])


def _space_points(hits: Hits) -> npt.NDArray[np.float64]:
    """(N, 6) x, y, z, r, and the variances along z (barrel) and r (disks), mm and mm2."""
    r = np.hypot(hits.position[:, 0], hits.position[:, 1])
    variance = hits.estimate.sigma()[:, 0] ** 2
    return np.column_stack([hits.position, r, np.where(hits.upright, variance, 0.0), np.where(hits.upright, 0.0, variance)])
