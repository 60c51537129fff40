"""Behind ``smartpix bench scaling``: time and memory of every stage against the number of hits, threads,
processes, and memory over many events.
"""

from __future__ import annotations

import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from smartpix.extras import import_acts
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError, check, check_types
from smartpix.siblings import AT_START
from smartpix.simulate.options import GenerateOptions
from tracking.bench.events import simulated
from tracking.bench.memory import give_back_memory, peak_mb, resident_mb
from tracking.chain import Chain, EventResult
from tracking.finders.clock import processor_time
from tracking.options import RunOptions

__all__ = ["ScalingOptions", "bench_scaling", "memory_growth", "power"]

log = logging.getLogger(__name__)

Report = Callable[[str], object]

REPEATS = 5
PROCESS_ROUNDS = 3
MAIN = 200
"""The pile-up nearest to this has the threads, the processes and the memory."""
NODES = (16, 64, 128)
"""Cores of the nodes that the throughput is extrapolated to."""
MEMORY_STEP = 10
"""Events between two readings of the memory."""
SETTLED = 0.25
"""Share of the events after which caches and the allocator's pools are filled."""


@dataclass(frozen=True)
class ScalingOptions:
    """What is measured.

    Attributes:
        pileups: of the events; guns: numbers of pions of events without collisions.
        events: of each kind; seed: of the first kind, the others follow.
        threads: compared with one; processes: likewise.
        memory_events: so many in one process for the growth of its memory; 0: none.
    """

    pileups: tuple[int, ...] = (20, 60, 140, 200, 300, 400)
    guns: tuple[int, ...] = (1000, 5000, 10_000, 20_000)
    events: int = 3
    seed: int = 9001
    threads: int = 2
    processes: int = 2
    memory_events: int = 1000

    def __post_init__(self) -> None:
        check_types("bench scaling", self)
        for name in ("events", "threads", "processes"):
            check("bench scaling", name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        least = round(2 * MEMORY_STEP / (1 - SETTLED)) + 1
        good = self.memory_events == 0 or self.memory_events >= least
        check("bench scaling", "memory_events", self.memory_events, good, f"0, or at least {least}")
        check("bench scaling", "pileup", self.pileups, len(self.pileups) >= 2, "two or more, to fit a power")


def bench_scaling(options: ScalingOptions, report: Report = log.info) -> dict[str, Any]:
    """The chain on events of many sizes, simulated with seeds that nothing was trained on.

    Inside the clock: the whole of :meth:`tracking.chain.Chain.event`, from cluster records in memory to
    tracks with parameters and vertices. Times of the processor on one thread, the median of several passes
    over each event after one for caches; of threads and of processes times of the wall.

    Returns:
        ``points``: for each kind of events ``sample``, ``hits``, ``edges``, ``tracks``, ``ms`` by stage,
        ``ms_total``, ``events_per_second`` of one core and ``mb``, the most memory beyond what was in use;
        all means over events.
        ``exponents``: of each stage, ``total`` and ``memory`` against hits, a power fitted to the events of
        all pile-ups (:func:`power`); ``gun_exponents``: to those of the gun, None for fewer than two guns.
        ``thread_speedup``: by stage and ``total``, one thread's time over that of ``n_threads``.
        ``process_speedup``: throughput of ``n_processes`` over that of one.
        ``node_events_per_second``: by number of cores, extrapolated: one core's throughput, times the cores,
        times what a process keeps of it beside the others here. It is an upper bound, since more processes
        share the memory's bandwidth.
        ``mb_per_1000_events``, ``memory_mb``: of :func:`memory_growth`, None without it.

    Raises:
        InputError: ACTS is not installed, or more collisions or pions than can be simulated.
    """
    # What is missing or cannot be is better said before the simulation, which takes minutes.
    import_acts()
    for pileup in options.pileups:
        GenerateOptions(pileup=pileup)
    for gun in options.guns:
        GenerateOptions(pileup=0, gun=gun)
    result: dict[str, Any] = {"seed": options.seed, "date": date.today().isoformat()}
    kinds = [("pileup", n) for n in options.pileups] + [("gun", n) for n in options.guns]
    main = min(options.pileups, key=lambda pileup: abs(pileup - MAIN))
    events: dict[str, list[dict[str, Any]]] = {"pileup": [], "gun": []}
    points = []
    with tempfile.TemporaryDirectory() as name:
        paths = {}
        for k, (kind, size) in enumerate(kinds):
            report(f"{kind} {size}: simulating {options.events} events")
            folder = Path(name, f"{kind}-{size}")
            folder.mkdir()
            pileup, gun = (size, 0) if kind == "pileup" else (0, size)
            paths[kind, size] = simulated(pileup, options.events, options.seed + k, folder, gun=gun)
            measured = _measure(paths[kind, size])
            events[kind] += measured
            points.append({"sample": f"{kind} {size}"} | _means(measured))
        result |= {"n_events": options.events, "points": points, "exponents": _exponents(events["pileup"])}
        result["gun_exponents"] = _exponents(events["gun"]) if len(options.guns) > 1 else None
        path = paths["pileup", main]
        report(f"{options.threads} threads beside one")
        result |= {"n_threads": options.threads, "thread_speedup": _thread_speedup(path, options.threads)}
        report(f"{options.processes} processes beside one")
        speedup = _process_speedup(path, options.processes)
        result |= {"n_processes": options.processes, "process_speedup": speedup}
        at_main = next(point for point in points if point["sample"] == f"pileup {main}")
        one_of_many = at_main["events_per_second"] * speedup / options.processes
        result["node_events_per_second"] = {str(cores): one_of_many * cores for cores in NODES}
        result["mb_per_1000_events"] = result["memory_mb"] = None
        if options.memory_events:
            report(f"{options.memory_events} events in one process")
            # In one of its own: what the simulation leaves here would hide what an event leaves.
            with multiprocessing.get_context("spawn").Pool(1, **AT_START) as pool:
                growth, memory = pool.apply(memory_growth, (str(path), options.memory_events))
            result |= {"mb_per_1000_events": growth, "memory_mb": memory}
    result["memory_events"] = options.memory_events
    return result


def power(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Exponent of the power of ``sizes`` that fits ``values`` best in the logarithm; None where a value is
    not positive."""
    x, y = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if not np.all(y > 0):
        return None
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def memory_growth(path: str | Path, n_events: int) -> tuple[float, list[tuple[int, float]]]:
    """Memory of this process while it reconstructs events one after the other.

    A file is read again and again until there are enough: reading is part of what might leave something
    behind, and simulating a thousand events takes hours.

    Returns:
        MB that 1,000 further events add, the slope of a line through the readings after a quarter of the
        events; and these readings, number of events and MB.

    Raises:
        InputError: as for a run, or there are no events.
    """
    chain = Chain.for_header(open_events(path).header, RunOptions())
    give_back_memory()
    readings: list[tuple[int, float]] = []
    n = 0
    while n < n_events:
        before = n
        for _, records in iterate([str(path)], step=1):
            chain.event(n, records[0]["clusters"])
            n += 1
            if n % MEMORY_STEP == 0:
                readings.append((n, resident_mb()))
            if n == n_events:
                break
        if n == before:
            raise InputError(f"{path}: has no events")
    late = [reading for reading in readings if reading[0] > SETTLED * n_events]
    number, mb = np.array(late, dtype=np.float64).T
    slope = np.polyfit(number, mb, 1)[0]
    return 1000 * float(slope), readings


def _clusters(path: Path) -> list[ak.Array]:
    return [records[0]["clusters"] for _, records in iterate([str(path)], step=1)]


def _measure(path: Path) -> list[dict[str, Any]]:
    """Each event of a file by itself: its size, its time by stage, its memory."""
    chain = Chain.for_header(open_events(path).header, RunOptions())
    measured = []
    for clusters in _clusters(path):
        result, ms = _stages(partial(chain.event, 0, clusters))
        measured.append(
            {
                "hits": len(result.hits), "edges": len(result.edges), "tracks": len(result.tracks), "ms": ms,
                "mb": peak_mb(partial(chain.event, 0, clusters)),
            }
        )  # fmt: skip
    return measured


def _stages(run: Callable[[], EventResult]) -> tuple[EventResult, dict[str, float]]:
    """What an event gives, and the median processor time of each of its stages in ms."""
    with processor_time():
        results = [run() for _ in range(REPEATS + 1)][1:]
    stages = results[0].ms
    return results[0], {stage: float(np.median([r.ms[stage] for r in results])) for stage in stages}


def _means(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    stages = measured[0]["ms"]
    ms = {stage: float(np.mean([m["ms"][stage] for m in measured])) for stage in stages}
    total = sum(ms.values())
    sizes = {key: float(np.mean([m[key] for m in measured])) for key in ("hits", "edges", "tracks", "mb")}
    return sizes | {"ms": ms, "ms_total": total, "events_per_second": 1000 / total}


def _exponents(measured: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    hits = [m["hits"] for m in measured]
    values: dict[str, list[float]] = {
        stage: [m["ms"][stage] for m in measured] for stage in measured[0]["ms"]
    }
    values["total"] = [sum(m["ms"].values()) for m in measured]
    values["memory"] = [m["mb"] for m in measured]
    return {name: power(hits, of_events) for name, of_events in values.items()}


def _thread_speedup(path: Path, threads: int) -> dict[str, float]:
    """One thread's time over that of several, all on the same event: the median over events, by stage."""
    header = open_events(path).header
    chains = {n: Chain.for_header(header, replace(RunOptions(), threads=n)) for n in (1, threads)}
    ratios: dict[str, list[float]] = {}
    for clusters in _clusters(path):
        ms: dict[int, list[Mapping[str, float]]] = {n: [] for n in chains}
        # In turn, so that a machine that is busy for a while slows both alike.
        for _ in range(REPEATS + 1):
            for n, chain in chains.items():
                ms[n].append(chain.event(0, clusters).ms)
        by_stage = {
            n: {stage: float(np.median([m[stage] for m in passes[1:]])) for stage in passes[0]}
            for n, passes in ms.items()
        }
        for stage, one in by_stage[1].items():
            ratios.setdefault(stage, []).append(one / by_stage[threads][stage])
        ratios.setdefault("total", []).append(sum(by_stage[1].values()) / sum(by_stage[threads].values()))
    return {stage: float(np.median(values)) for stage, values in ratios.items()}


def _process_speedup(path: Path, processes: int) -> float:
    """Throughput of several processes at once over that of one; all reconstruct the same events."""
    # Not forked: threads of libraries that run already would be missing in the child.
    context = multiprocessing.get_context("spawn")
    seconds: dict[int, list[float]] = {1: [], processes: []}
    with context.Manager() as manager, context.Pool(processes, **AT_START) as pool:
        # In turn, so that a machine that is busy for a while slows both alike.
        for _ in range(PROCESS_ROUNDS):
            for n, of_rounds in seconds.items():
                barrier = manager.Barrier(n)
                of_rounds.append(max(pool.starmap(_busy_seconds, [(str(path), barrier)] * n, chunksize=1)))
    return processes * float(np.median(seconds[1])) / float(np.median(seconds[processes]))


def _busy_seconds(path: str, barrier: Any) -> float:
    """Wall time of the events of a file, several times, in a process that begins when all are ready."""
    chain = Chain.for_header(open_events(path).header, RunOptions())
    events = _clusters(Path(path))
    chain.warm_up(events[0])
    barrier.wait()
    begin = time.perf_counter()
    for _ in range(REPEATS):
        for clusters in events:
            chain.event(0, clusters)
    return time.perf_counter() - begin
