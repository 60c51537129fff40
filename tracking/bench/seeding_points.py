"""Working points of the cones' and ACTS's seeding beside each other, with one rule for shared hits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding import acts_gbts
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

__all__ = ["ACTS", "CONES", "edges_and_seeds", "point_numbers", "seeding_points", "spread"]

CONES: Mapping[str, ConeOptions] = {
    "fastest": ConeOptions(min_pt=0.85, max_cot_theta=6.5),
    "balanced": ConeOptions(),
    "efficient": ConeOptions(quantile=0.9999),
}
"""The cones at three points of time and efficiency. ``fastest`` gives up particles below 0.85 GeV and
beyond a pseudorapidity of 2.6, which no findable one is, as ACTS's does.
"""
ACTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{name: ("acts-grid", WORKING_POINTS[name]) for name in ("fastest", "balanced", "efficient")},
    "gbts-fastest": ("acts-gbts", acts_gbts.FASTEST),
    "gbts": ("acts-gbts", acts_gbts.BALANCED),
}
"""ACTS's points: algorithm and cuts. The first three are GridTriplet seeding; ``balanced`` reaches down to
0.5 GeV, as ours does.
"""


def seeding_points(sample: SeedingSample, repeats: int) -> dict[str, Any]:
    """Seeds of working points of both.

    Returns:
        ``ours`` and ``acts`` by point: ``seeds``, ``seed_efficiency``, ``seed_purity`` and
        ``seeds_per_findable`` as they come; the first three with ``_same_rule`` after one rule for both, that
        a seed shares at most as many hits with better seeds as ``SeedOptions().shared`` allows;
        ``seed_efficiency_by_pt``: the efficiency in bins of pT below 0.9 GeV; ``ms`` of processor time an
        event. ``matched``: :func:`tracking.bench.matched.matched_ratios`, of seed efficiency and number under
        the same rule.
    """
    counts: dict[str, dict[str, tuple[SearchCounts, SearchCounts]]] = {
        side: {name: (SearchCounts(), SearchCounts()) for name in points}
        for side, points in (("ours", CONES), ("acts", ACTS))
    }
    for event in sample.events:
        hits = event.hits["mdn"]
        runs = {name: partial(edges_and_seeds, sample, hits, cone) for name, cone in CONES.items()}
        with processor_time():
            times, found = time_in_turn(runs, repeats)
        for name, (_, seeds) in found.items():
            as_they_come, same_rule = counts["ours"][name]
            as_they_come.seeds_of(event.truth, seeds.hits)
            same_rule.seeds_of(event.truth, spread(seeds.hits, len(hits)))
            as_they_come.ms += 1e3 * times[name]
        for name, (algorithm, cuts) in ACTS.items():
            as_they_come, same_rule = counts["acts"][name]
            # The first pass warms up, as for ours.
            passes = acts_seeds([hits] * (1 + repeats), sample.field, algorithm, time.process_time, **cuts)
            as_they_come.seeds_of(event.truth, passes.seeds[0])
            best_first = np.argsort(-passes.quality[0], kind="stable")
            same_rule.seeds_of(event.truth, spread(passes.seeds[0][best_first], len(hits)))
            as_they_come.ms += float(np.median(passes.ms[1:]))
    n = len(sample.events)
    points = {
        side: {name: point_numbers(*pair, n) for name, pair in of_side.items()}
        for side, of_side in counts.items()
    }
    matched = matched_ratios(points["ours"], points["acts"], "seed_efficiency_same_rule", "seeds_same_rule")
    return points | {"matched": matched}


def edges_and_seeds(sample: SeedingSample, hits: Hits, cone: ConeOptions) -> tuple[Edges, Seeds]:
    """Of the cones on one thread."""
    search = sample.search(cone)
    edges = search.edges(hits)
    return edges, search.seeds(hits, edges)


def spread(seeds: npt.NDArray[np.int32], n_hits: int) -> npt.NDArray[np.int32]:
    """Seeds (S, 3), best first, that share few enough hits with better ones."""
    kept: npt.NDArray[np.int64] = spread_out(seeds, n_hits, SeedOptions().shared)
    return seeds[kept]


def point_numbers(as_they_come: SearchCounts, same_rule: SearchCounts, n_events: int) -> dict[str, Any]:
    """Numbers of a point from its seeds as they come and after the rule for shared hits."""
    every, after = as_they_come.result(n_events), same_rule.result(n_events)
    keys = ("seeds", "seed_efficiency", "seed_purity")
    result: dict[str, Any] = {key: every[key] or 0.0 for key in (*keys, "seeds_per_findable", "ms")}
    result["n_findable"] = as_they_come.findable
    result |= {f"{key}_same_rule": after[key] or 0.0 for key in keys}
    return result | {"seed_efficiency_by_pt": as_they_come.efficiency_by_pt()}
