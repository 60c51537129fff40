"""ACTS's own seeding on the same hits, through pyacts: the reference the seeds are measured against. Needs
``smartpix[acts]``.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.extras import import_acts
from smartpix.schema import InputError, quoted

__all__ = [
    "ALGORITHMS",
    "TUNED",
    "ActsSeeds",
    "acts_seeds",
    "algorithm_of",
    "run_timed",
    "seeder",
    "space_points",
]

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
    ms = run_timed(acts, len(events), elements)
    return ActsSeeds(found, ms[ALGORITHMS[algorithm]])


def algorithm_of(
    acts: Any,
    name: str,
    execute: Callable[..., tuple[Any, ...]],
    reads: Sequence[tuple[str, Any]] = (),
    writes: Sequence[tuple[str, Any]] = (),
) -> Any:
    """A Python function as an algorithm of ACTS's sequencer.

    Args:
        execute: is called with the event's number and what is read, and returns what is written.
        reads, writes: keys on the white board and their types.
    """

    class Algorithm(acts.examples.IAlgorithm):  # type: ignore[misc]
        def __init__(self) -> None:
            acts.examples.IAlgorithm.__init__(self, name, acts.logging.WARNING)
            self.inputs = [acts.examples.ReadDataHandle(self, kind, f"Read {key}") for key, kind in reads]
            self.outputs = [acts.examples.WriteDataHandle(self, kind, f"Write {key}") for key, kind in writes]
            for handle, (key, _) in zip([*self.inputs, *self.outputs], [*reads, *writes], strict=True):
                handle.initialize(key)

        def execute(self, context: Any) -> Any:
            made = execute(context.eventNumber, *(handle(context.eventStore) for handle in self.inputs))
            for handle, value in zip(self.outputs, made, strict=True):
                handle(context, value)
            return acts.examples.ProcessCode.SUCCESS

    return Algorithm()


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


def space_points(acts: Any, hits: Hits, links: Sequence[Any] = ()) -> Any:
    """An event's hits as space points of ACTS, in their order.

    Args:
        links: (N,) source links, which the estimation of parameters needs; none if left out.
    """
    columns = acts.SpacePointColumns
    points = acts.SpacePointContainer(
        columns.X
        | columns.Y
        | columns.Z
        | columns.R
        | columns.VarianceZ
        | columns.VarianceR
        | columns.SourceLinks
        | columns.Time
    )
    points.reserve(len(hits), 1)
    for x, y, z, r, variance_z, variance_r in _point_rows(hits).tolist():
        point = points.createSpacePoint()
        point.x, point.y, point.z, point.r = x, y, z, r
        point.varianceZ, point.varianceR = variance_z, variance_r
        if links:
            point.assignSourceLinks([links[point.index]])
    return points


def run_timed(
    acts: Any,
    n_events: int,
    elements: Sequence[Any],
    readers: Sequence[Any] = (),
    add_more: Callable[[Any], None] = lambda sequencer: None,
    clock: Callable[[], float] | None = None,
) -> dict[str, float]:
    """Run algorithms one after the other on ``n_events`` events, on one thread.

    Args:
        add_more: is given the sequencer after the elements were added, and may add others.
        clock: in s, read between the algorithms, such as :func:`time.process_time` on a machine that is busy
            with other work; otherwise ACTS's sequencer measures wall time.

    Returns:
        Mean time of each algorithm per event in ms, by its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        sequencer = acts.examples.Sequencer(
            events=n_events, numThreads=1, logLevel=acts.logging.WARNING, outputDir=folder, trackFpes=False
        )
        for reader in readers:
            sequencer.addReader(reader)
        spent: dict[str, float] = {}
        timed = sequencer if clock is None else _Clocked(acts, sequencer, clock, spent)
        for element in elements:
            timed.addAlgorithm(element)
        add_more(timed)
        sequencer.run()
        if clock is not None:
            return {name: 1e3 * time / n_events for name, time in spent.items()}
        with (Path(folder) / "timing.csv").open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream) if row]
    return {row[0].removeprefix("Algorithm:"): 1e3 * float(row[2]) for row in rows[1:]}


class _Clocked:
    """A sequencer that reads a clock before and after each algorithm, and adds up the differences in
    ``spent``.
    """

    def __init__(
        self, acts: Any, sequencer: Any, clock: Callable[[], float], spent: dict[str, float]
    ) -> None:
        self._acts, self._sequencer, self._clock, self._spent = acts, sequencer, clock, spent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sequencer, name)

    def addAlgorithm(self, algorithm: Any) -> None:  # noqa: N802 (ACTS calls it so)
        name, begin = algorithm.name(), [0.0]

        def before(event: int) -> tuple[()]:
            begin[0] = self._clock()
            return ()

        def after(event: int) -> tuple[()]:
            self._spent[name] = self._spent.get(name, 0.0) + self._clock() - begin[0]
            return ()

        self._sequencer.addAlgorithm(algorithm_of(self._acts, f"Before {name}", before))
        self._sequencer.addAlgorithm(algorithm)
        self._sequencer.addAlgorithm(algorithm_of(self._acts, f"After {name}", after))


def _point_rows(hits: Hits) -> npt.NDArray[np.float64]:
    """(N, 6) x, y, z, r, and the variances along z (barrel) and r (disks), mm and mm2."""
    r = np.hypot(hits.position[:, 0], hits.position[:, 1])
    variance = hits.estimate.sigma()[:, 0] ** 2
    return np.column_stack(
        [hits.position, r, np.where(hits.upright, variance, 0.0), np.where(hits.upright, 0.0, variance)]
    )
