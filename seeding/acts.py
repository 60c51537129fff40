"""Python functions and hits in ACTS's sequencer, through pyacts, and the time its algorithms take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.hits import Hits

__all__ = ["algorithm_of", "run_timed", "space_points"]


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


def _point_rows(hits: Hits) -> npt.NDArray[np.float64]:
    """(N, 6) x, y, z, r, and the variances along z (barrel) and r (disks), mm and mm2."""
    r = np.hypot(hits.position[:, 0], hits.position[:, 1])
    variance = hits.estimate.sigma()[:, 0] ** 2
    # x runs along the beam in the barrel and along the radius on the disks. ACTS's seeding takes no error
    # across them.
    return np.column_stack(
        [hits.position, r, np.where(hits.upright, variance, 0.0), np.where(hits.upright, 0.0, variance)]
    )


def run_timed(
    acts: Any,
    n_events: int,
    elements: Sequence[Any],
    readers: Sequence[Any] = (),
    add_more: Callable[[Any], None] = lambda sequencer: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, npt.NDArray[np.float64]]:
    """Run algorithms one after the other on ``n_events`` events, on one thread.

    Args:
        add_more: is given the sequencer after the elements were added, and may add others.
        clock: in s, read between the algorithms. :func:`time.process_time` suits a machine that is busy with
            other work. ACTS's own sequencer gives the mean over all events alone, which holds the first one
            with its allocations.

    Returns:
        (n_events,) times of each algorithm in ms, by its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        sequencer = acts.examples.Sequencer(
            events=n_events, numThreads=1, logLevel=acts.logging.WARNING, outputDir=folder, trackFpes=False
        )
        for reader in readers:
            sequencer.addReader(reader)
        spent: dict[str, list[float]] = {}
        timed = _Clocked(acts, sequencer, clock, spent)
        for element in elements:
            timed.addAlgorithm(element)
        add_more(timed)
        sequencer.run()
    return {name: 1e3 * np.array(seconds) for name, seconds in spent.items()}


class _Clocked:
    """A sequencer that reads a clock before and after each algorithm, and keeps the differences in
    ``spent``.
    """

    def __init__(
        self, acts: Any, sequencer: Any, clock: Callable[[], float], spent: dict[str, list[float]]
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
            self._spent.setdefault(name, []).append(self._clock() - begin[0])
            return ()

        self._sequencer.addAlgorithm(algorithm_of(self._acts, f"Before {name}", before))
        self._sequencer.addAlgorithm(algorithm)
        self._sequencer.addAlgorithm(algorithm_of(self._acts, f"After {name}", after))
