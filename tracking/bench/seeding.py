"""``smartpix bench seeding``: the cones beside windows, a k-d tree, cluster lengths and ACTS, on the same
hits.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts_reference import ALGORITHMS, acts_seeds
from seeding.edges import Edges
from seeding.references import LengthTable, WindowOptions, length_table, length_window, tree_window, window
from smartpix.layers import LayerPairs
from smartpix.schema import InputError
from smartpix.simulate.events import need_extras
from smartpix.simulate.options import GenerateOptions
from tracking.bench.clock import time_in_turn
from tracking.bench.events import simulated
from tracking.bench.generic import generic_ratio, seeding_ms
from tracking.bench.instructions import instruction_sets
from tracking.bench.joint_coverage import joint_coverage
from tracking.bench.memory import peak_mb
from tracking.bench.reduction import reductions, regions
from tracking.bench.seeding_counts import SearchCounts
from tracking.bench.seeding_points import seeding_points
from tracking.bench.seeding_sample import SeedingEvent, SeedingSample, edges_and_seeds, load_seeding_sample
from tracking.bench.seeding_studies import coverage, front, lost_edges, read_levers, sensors
from tracking.bench.seeding_terms import equal_terms
from tracking.finders.clock import processor_time
from tracking.finders.gnn.finder import GraphFinder
from tracking.metrics import edge_labels
from tracking.options import RunOptions

log = logging.getLogger(__name__)

__all__ = [
    "SIGMA_SCALES",
    "bench_seeding",
    "measure",
    "network_cost",
    "thread_speedup",
    "time_exponent",
]

Report = Callable[[str], None]

SIGMA_SCALES = (0.5, 2.0)
SEARCH_REPEATS = 5
EVENTS_PER_THREAD = 2


def _methods(
    sample: SeedingSample, event: SeedingEvent, lengths: LengthTable
) -> dict[str, Callable[[], Any]]:
    """The searches that are timed, by name. Each gives edges, and the cones give seeds as well."""
    where = (sample.detector, sample.pairs, sample.field, WindowOptions())
    plain = next(iter(event.hits.values()))
    runs: dict[str, Callable[[], Any]] = {}
    for name, hits in event.hits.items():
        runs["cone" if name == "mdn" else f"cone-{name}"] = partial(edges_and_seeds, sample, hits, 1)
    if "mdn" in event.hits:
        for scale in SIGMA_SCALES:
            runs[f"cone-sigma-{scale:g}"] = partial(edges_and_seeds, sample, event.hits["mdn"], 1, scale)
    runs["window"] = partial(_alone, window, plain, *where)
    runs["length"] = partial(_alone, length_window, plain, event.length, lengths, *where)
    runs["tree"] = partial(_alone, tree_window, plain, *where)
    return runs


def _alone(search: Callable[..., Any], *arguments: Any) -> tuple[Any, None]:
    return search(*arguments), None


def bench_seeding(sample: SeedingSample, report: Report = log.info) -> dict[str, Any]:
    """Every method on the same hits, event by event, in one process on one thread, each after a warm-up.

    Times are of the processor. The headline is ``reduction_at``; ``reduction_*`` are at one setting of each
    search.

    Inside the clock: from hits (positions and estimates with covariance) to edges and, for the cones, seeds;
    for ACTS the seeding algorithm alone, from space points to seeds. The estimates are made before, and so
    are the space points. Median of several passes of each method.

    Returns:
        ``methods`` by name with ``edges``, ``edge_efficiency_0p9`` (of findable particles),
        ``edge_efficiency_0p5``, ``edge_purity``, ``seeds``, ``seed_efficiency``, ``seed_purity`` (share whose
        three hits are of one particle), ``seeds_per_findable``, ``ms`` and ``peak_mb`` (all per event);
        ``reduction_innermost``, ``reduction_barrel``, ``reduction_all`` (edges of the window / in cones),
        ``by_pair``, ``ratio_time_to_acts``, ``ratio_seeds_to_acts``, ``n_events``, ``n_hits``;
        ``instructions`` of :func:`tracking.bench.instructions.instruction_sets`; and the keys of
        :func:`tracking.bench.reduction.reductions`, :func:`tracking.bench.seeding_points.seeding_points` and
        :func:`tracking.bench.seeding_terms.equal_terms`.
    """
    n = len(sample.events)
    barrel = sample.detector.barrel
    modules = [next(iter(e.hits.values())).module for e in sample.events]
    # From the truth of the very events it is used on: the best such table there can be.
    lengths = length_table(
        np.concatenate([e.length for e in sample.events]),
        np.concatenate([barrel[m] for m in modules]),
        np.concatenate([e.cot_alpha for e in sample.events]),
    )
    counts: dict[str, SearchCounts] = {}
    n_pairs = len(sample.pairs)
    by_pair = {name: np.zeros((2, n_pairs), dtype=np.int64) for name in ("cone", "window")}
    for k, event in enumerate(sample.events):
        report(f"event {k + 1} of {n}")
        runs = _methods(sample, event, lengths)
        with processor_time():
            times, results = time_in_turn(runs, SEARCH_REPEATS)
        for name, (edges, seeds) in results.items():
            sums = counts.setdefault(name, SearchCounts())
            source, target = (edges[:, 0], edges[:, 1]) if name == "tree" else (edges.source, edges.target)
            sums.edges_of(event.truth, source, target)
            if seeds is not None:
                sums.seeds_of(event.truth, seeds.hits)
            sums.ms += 1e3 * times[name]
            if k == 0:
                sums.peak_mb = peak_mb(runs[name])
            if name in by_pair:
                by_pair[name] += _by_pair(event, sample.pairs, edges)
        for name in ALGORITHMS:
            sums = counts.setdefault(name, SearchCounts(peak_mb=float("nan")))
            passes = acts_seeds(
                [next(iter(event.hits.values()))] * (1 + SEARCH_REPEATS),
                sample.field,
                name,
                time.process_time,
            )
            sums.seeds_of(event.truth, passes.seeds[0])
            # The first pass warms up, as for the others.
            sums.ms += float(np.median(passes.ms[1:]))
    methods = {name: sums.result(n) for name, sums in counts.items()}
    layers, pairs = sample.detector.layers, sample.pairs
    chosen = regions(sample)
    kept, searched = by_pair["cone"], by_pair["window"]

    def reduction(region: str) -> float | None:
        inside = chosen[region]
        return float(searched[0, inside].sum() / kept[0, inside].sum()) if kept[0, inside].sum() else None

    report("the window's and the cones' curves, and the working points")

    cone, reference = methods["cone"], methods["acts-grid"]
    return {
        "n_events": n,
        "n_hits": float(np.mean([len(e.length) for e in sample.events])),
        "methods": {
            name: {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in m.items()}
            | {"seed_efficiency_by_pt": counts[name].efficiency_by_pt()}
            for name, m in methods.items()
        },
        **reductions(sample),
        "reduction_innermost": reduction("innermost"),
        "reduction_barrel": reduction("barrel"),
        "reduction_all": reduction("all"),
        "by_pair": {
            f"{layers.name(a)}-{layers.name(b)}": {
                "edges": int(kept[0, p]), "window_edges": int(searched[0, p]),
                "purity": float(kept[1, p] / kept[0, p]) if kept[0, p] else None,
                "window_purity": float(searched[1, p] / searched[0, p]) if searched[0, p] else None,
            }
            for p, (a, b) in enumerate(zip(pairs.inner, pairs.outer, strict=True))
        },
        "ratio_time_to_acts": (cone["ms"] or 0.0) / (reference["ms"] or float("nan")),
        "ratio_seeds_to_acts": (cone["seeds"] or 0.0) / (reference["seeds"] or float("nan")),
        **seeding_points(sample, SEARCH_REPEATS),
        **equal_terms(sample, SEARCH_REPEATS),
        "instructions": instruction_sets(),
    }  # fmt: skip


def _by_pair(event: SeedingEvent, pairs: LayerPairs, edges: Edges) -> npt.NDArray[np.int64]:
    """(2, P) edges, and true ones among them."""
    labels = edge_labels(event.truth, edges.source, edges.target)
    return np.stack([np.bincount(rows, minlength=len(pairs)) for rows in (edges.pair, edges.pair[labels])])


def thread_speedup(sample: SeedingSample, threads: int) -> dict[str, float]:
    """Time of cones and seeds on one thread over that on several, in turn in one process, median of several.

    Returns:
        ``events``: each thread works on events of its own; ``one_event``: all work on the same, the median
            over events.
    """
    hits = [event.hits["mdn"] for event in sample.events] * threads * EVENTS_PER_THREAD

    def shared(workers: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda of: edges_and_seeds(sample, of), hits))

    times, _ = time_in_turn({str(t): partial(shared, t) for t in (1, threads)}, SEARCH_REPEATS)
    inside_one = []
    for event in sample.events:
        runs = {str(t): partial(edges_and_seeds, sample, event.hits["mdn"], t) for t in (1, threads)}
        each, _ = time_in_turn(runs, SEARCH_REPEATS)
        inside_one.append(each["1"] / each[str(threads)])
    return {"events": times["1"] / times[str(threads)], "one_event": float(np.median(inside_one))}


def time_exponent(samples: Sequence[SeedingSample]) -> tuple[float, list[dict[str, float]]]:
    """Exponent of the time of cones and seeds against the number of hits, fitted over samples; and the
    points.
    """
    points = []
    for sample in samples:
        for event in sample.events:
            runs = {"cone": partial(edges_and_seeds, sample, event.hits["mdn"], 1)}
            with processor_time():
                times, _ = time_in_turn(runs, SEARCH_REPEATS)
            points.append({"hits": float(len(event.length)), "ms": 1e3 * times["cone"]})
    x, y = np.log([p["hits"] for p in points]), np.log([p["ms"] for p in points])
    return float(np.polyfit(x, y, 1)[0]), points


def network_cost(sample: SeedingSample) -> dict[str, float]:
    """Microseconds of graph and scores per edge of the first event's cones, and what the window's further
    edges would cost.
    """
    event = sample.events[0]
    hits = event.hits["mdn"]
    finder = GraphFinder.for_detector(sample.detector, sample.field, RunOptions())
    edges, seeds = edges_and_seeds(sample, hits)
    times, _ = time_in_turn({"gnn": lambda: finder.scores(hits, edges, seeds)}, SEARCH_REPEATS)
    more = len(window(hits, sample.detector, sample.pairs, sample.field, WindowOptions())) - len(edges)
    per_edge = 1e3 * times["gnn"] / len(edges)
    return {"us_per_edge": 1e3 * per_edge, "edges_saved": float(more), "ms_saved": per_edge * more}


def measure(
    files: Sequence[str | Path], pileups: Sequence[int], n_events: int, threads: Sequence[int], seed: int,
    levers: str | Path | None = None, report: Report = log.info, generic: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Everything behind ``smartpix bench seeding``.

    Args:
        files: simulated events; empty: events of that of ``pileups`` are made which is nearest to 200.
        pileups: two or more: the time against the number of hits is fitted on one simulated event of each.
        n_events: most to use; threads: the last of them is compared with one.
        seed: of what is simulated; levers: results of ``smartpix study levers``, for :func:`sensors`.
        generic: the cones also as they are compiled for any processor, in a process of its own.

    Returns:
        :func:`bench_seeding` with ``thread_speedup`` (threads on events of their own) and
        ``thread_speedup_one_event`` (on the same one; both None for one number of threads), ``exponent`` and
        ``time_points`` (None for fewer than two pile-ups), ``front``, ``lost``, ``coverage``,
        ``joint_coverage`` (:func:`tracking.bench.joint_coverage.joint_coverage`), ``network_cost``,
        ``sensors`` (None without ``levers``) and ``generic`` (likewise):
        :func:`tracking.bench.generic.generic_ratio` of the cones.

    Raises:
        InputError: unusable files, neither files nor pile-ups, or ACTS is missing.
    """
    if not files and not pileups:
        raise InputError("bench seeding: give files, or --pileup for events to simulate")
    for pileup in () if files else pileups:
        # What is missing is better said before the simulation.
        need_extras(GenerateOptions(pileup))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not files:
            pileup = min(pileups, key=lambda p: abs(p - 200))
            report(f"simulating {n_events} events of pile-up {pileup}")
            files = [simulated(pileup, n_events, seed, folder)]
        sample = load_seeding_sample(files, n_events)
        result = bench_seeding(sample, report)
        speedup = (
            thread_speedup(sample, threads[-1]) if len(threads) > 1 else {"events": None, "one_event": None}
        )
        result["thread_speedup"], result["thread_speedup_one_event"] = speedup["events"], speedup["one_event"]
        result["exponent"] = result["time_points"] = None
        if len(pileups) > 1:
            report(f"simulating one event each of pile-up {', '.join(map(str, pileups))}")
            others = [load_seeding_sample([simulated(p, 1, seed + 1, folder)], 1, ("mdn",)) for p in pileups]
            result["exponent"], result["time_points"] = time_exponent(others)
        report("quantiles, coverage, cost of the graph network")
        result["front"], result["lost"], result["coverage"] = (
            front(sample),
            lost_edges(sample),
            coverage(sample),
        )
        result["joint_coverage"] = joint_coverage(sample)
        result["network_cost"] = network_cost(sample)
        result["sensors"] = None if levers is None else sensors(sample, read_levers(levers))
        result["generic"] = None
        if generic:
            report("the cones compiled for any processor")
            paths = [str(file) for file in files]
            result["generic"] = generic_ratio(seeding_ms, paths, n_events, SEARCH_REPEATS)
    return result
