"""Working points of the cones' and ACTS's seeding beside each other, with one rule for shared hits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts_reference import WORKING_POINTS, acts_seeds
from seeding.cones import ConeOptions
from seeding.edges import Edges
from seeding.hits import Hits
from seeding.options import SeedOptions
from seeding.seed_kernels import spread_out
from seeding.seeds import Seeds
from tracking.bench.clock import time_in_turn
from tracking.bench.matched import matched_ratios
from tracking.bench.seeding_counts import SearchCounts
from tracking.bench.seeding_sample import SeedingSample
from tracking.finders.clock import processor_time

__all__ = ["CONES", "seeding_points"]

CONES: Mapping[str, ConeOptions] = {
    "fastest": ConeOptions(min_pt=0.8),
    "balanced": ConeOptions(),
    "efficient": ConeOptions(quantile=0.9999),
}
"""The cones at three points of time and efficiency. ``fastest`` gives up particles below 0.8 GeV, which no
findable one is, as ACTS's does.
"""
ON_THE_FRONT = ("fastest", "balanced", "efficient")


def seeding_points(sample: SeedingSample, repeats: int) -> dict[str, Any]:
    """Seeds of three working points each.

    Returns:
        ``ours`` and ``acts`` by point: ``seeds``, ``seed_efficiency``, ``seed_purity`` and
        ``seeds_per_findable`` as they come; the first three with ``_same_rule`` after one rule for both, that
        a seed shares at most as many hits with better seeds as ``SeedOptions().shared`` allows; ``ms`` of
        processor time an event. ``matched``: :func:`tracking.bench.matched.matched_ratios`, of seed efficiency and number under
        the same rule.
    """
    counts: dict[str, dict[str, tuple[SearchCounts, SearchCounts]]] = {
        side: {name: (SearchCounts(), SearchCounts()) for name in points}
        for side, points in (("ours", CONES), ("acts", ON_THE_FRONT))
    }
    for event in sample.events:
        hits = event.hits["mdn"]
        runs = {name: partial(_edges_and_seeds, sample, hits, cone) for name, cone in CONES.items()}
        with processor_time():
            times, found = time_in_turn(runs, repeats)
        for name, (_, seeds) in found.items():
            as_they_come, same_rule = counts["ours"][name]
            as_they_come.seeds_of(event.truth, seeds.hits)
            same_rule.seeds_of(event.truth, _spread(seeds.hits, len(hits)))
            as_they_come.ms += 1e3 * times[name]
        for name in ON_THE_FRONT:
            as_they_come, same_rule = counts["acts"][name]
            # The first pass warms up, as for ours.
            passes = acts_seeds(
                [hits] * (1 + repeats), sample.field, clock=time.process_time, **WORKING_POINTS[name]
            )
            as_they_come.seeds_of(event.truth, passes.seeds[0])
            best_first = np.argsort(-passes.quality[0], kind="stable")
            same_rule.seeds_of(event.truth, _spread(passes.seeds[0][best_first], len(hits)))
            as_they_come.ms += float(np.median(passes.ms[1:]))
    n = len(sample.events)
    points = {
        side: {name: _numbers(*pair, n) for name, pair in of_side.items()} for side, of_side in counts.items()
    }
    matched = matched_ratios(points["ours"], points["acts"], "seed_efficiency_same_rule", "seeds_same_rule")
    return points | {"matched": matched}


def _edges_and_seeds(sample: SeedingSample, hits: Hits, cone: ConeOptions) -> tuple[Edges, Seeds]:
    search = sample.search(cone)
    edges = search.edges(hits)
    return edges, search.seeds(hits, edges)


def _spread(seeds: npt.NDArray[np.int32], n_hits: int) -> npt.NDArray[np.int32]:
    """Seeds (S, 3), best first, that share few enough hits with better ones."""
    kept: npt.NDArray[np.int64] = spread_out(seeds, n_hits, SeedOptions().shared)
    return seeds[kept]


def _numbers(as_they_come: SearchCounts, same_rule: SearchCounts, n_events: int) -> dict[str, float]:
    every, spread = as_they_come.result(n_events), same_rule.result(n_events)
    keys = ("seeds", "seed_efficiency", "seed_purity")
    result = {key: every[key] or 0.0 for key in (*keys, "seeds_per_findable", "ms")}
    return result | {f"{key}_same_rule": spread[key] or 0.0 for key in keys}
