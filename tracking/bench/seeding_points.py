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

__all__ = ["CONES", "beside_gbts", "seeding_points"]

CONES: Mapping[str, ConeOptions] = {
    "fastest": ConeOptions(min_pt=0.8),
    "balanced": ConeOptions(),
    "efficient": ConeOptions(quantile=0.9999),
}
"""The cones at three points of time and efficiency. ``fastest`` gives up particles below 0.8 GeV, which no
findable one is, as ACTS's does.
"""
SOFTEST = tuple(round(0.4 + 0.05 * k, 2) for k in range(10))
"""Smallest pT in GeV of the cones that are tried to reach down as far as GBTS does."""
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
        the same rule. ``at_gbts``: :func:`beside_gbts` of each of GBTS's points.
        ``ratio_time_to_best_acts``: the fastest of ours from 0.5 GeV on, with at least the seed efficiency of
        GridTriplet at its 0.5 GeV point, over that; None where none of ours has it.
        ``ratio_seeds_to_best_acts``: numbers of the same two, both under the same rule; ``seed_purity``: of
        ours under it. ``ratio_time_to_gbts``: that of ``at_gbts`` at GBTS's 0.5 GeV point.
    """
    counts: dict[str, dict[str, tuple[SearchCounts, SearchCounts]]] = {
        side: {name: (SearchCounts(), SearchCounts()) for name in points}
        for side, points in (("ours", (*CONES, *_softer())), ("acts", ACTS))
    }
    for event in sample.events:
        hits = event.hits["mdn"]
        cones = {**CONES, **_softer()}
        runs = {name: partial(_edges_and_seeds, sample, hits, cone) for name, cone in cones.items()}
        with processor_time():
            times, found = time_in_turn(runs, repeats)
        for name, (_, seeds) in found.items():
            as_they_come, same_rule = counts["ours"][name]
            as_they_come.seeds_of(event.truth, seeds.hits)
            same_rule.seeds_of(event.truth, _spread(seeds.hits, len(hits)))
            as_they_come.ms += 1e3 * times[name]
        for name, (algorithm, cuts) in ACTS.items():
            as_they_come, same_rule = counts["acts"][name]
            # The first pass warms up, as for ours.
            passes = acts_seeds([hits] * (1 + repeats), sample.field, algorithm, time.process_time, **cuts)
            as_they_come.seeds_of(event.truth, passes.seeds[0])
            best_first = np.argsort(-passes.quality[0], kind="stable")
            same_rule.seeds_of(event.truth, _spread(passes.seeds[0][best_first], len(hits)))
            as_they_come.ms += float(np.median(passes.ms[1:]))
    n = len(sample.events)
    points = {
        side: {name: _numbers(*pair, n) for name, pair in of_side.items()} for side, of_side in counts.items()
    }
    softer = {cone.min_pt: points["ours"].pop(name) for name, cone in _softer().items()}
    at_gbts = {name: beside_gbts(points["acts"][name], softer) for name in ACTS if name.startswith("gbts")}
    matched = matched_ratios(points["ours"], points["acts"], "seed_efficiency_same_rule", "seeds_same_rule")
    return (
        points
        | {"matched": matched, "at_gbts": at_gbts, "ratio_time_to_gbts": at_gbts["gbts"]["ratio_time"]}
        | _to_best(points["ours"], points["acts"]["balanced"])
    )


def beside_gbts(gbts: Mapping[str, Any], ours: Mapping[float, Mapping[str, Any]]) -> dict[str, Any]:
    """Ours where it reaches down as far as GBTS: of the smallest pT that were tried, the one whose efficiency
    in the bins of pT is nearest, by the sum of squared differences.

    Args:
        gbts: numbers of its point; ours: of the cones by their smallest pT in GeV.

    Returns:
        The numbers of ours, its ``min_pt``, and ``ratio_time``, our time over that of GBTS.
    """

    def away(point: Mapping[str, Any]) -> float:
        pairs = zip(
            point["seed_efficiency_by_pt"].values(), gbts["seed_efficiency_by_pt"].values(), strict=True
        )
        return sum((float(a) - float(b)) ** 2 for a, b in pairs if a is not None and b is not None)

    nearest = min(ours, key=lambda pt: away(ours[pt]))
    return {**ours[nearest], "min_pt": nearest, "ratio_time": ours[nearest]["ms"] / gbts["ms"]}


def _to_best(ours: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Ratios of the fastest of ours from 0.5 GeV on that seeds as many particles as ACTS's point does."""
    good = [
        ours[n] for n in ("balanced", "efficient") if ours[n]["seed_efficiency"] >= theirs["seed_efficiency"]
    ]
    best = min(good, key=lambda point: float(point["ms"]), default=None)
    return {
        "ratio_time_to_best_acts": best and best["ms"] / theirs["ms"],
        "ratio_seeds_to_best_acts": best and best["seeds_same_rule"] / theirs["seeds_same_rule"],
        "seed_purity": (best or ours["balanced"])["seed_purity_same_rule"],
    }


def _softer() -> dict[str, ConeOptions]:
    """The cones with each of the smallest pT, by a name."""
    return {f"from {pt:g} GeV": ConeOptions(min_pt=pt) for pt in SOFTEST}


def _edges_and_seeds(sample: SeedingSample, hits: Hits, cone: ConeOptions) -> tuple[Edges, Seeds]:
    search = sample.search(cone)
    edges = search.edges(hits)
    return edges, search.seeds(hits, edges)


def _spread(seeds: npt.NDArray[np.int32], n_hits: int) -> npt.NDArray[np.int32]:
    """Seeds (S, 3), best first, that share few enough hits with better ones."""
    kept: npt.NDArray[np.int64] = spread_out(seeds, n_hits, SeedOptions().shared)
    return seeds[kept]


def _numbers(as_they_come: SearchCounts, same_rule: SearchCounts, n_events: int) -> dict[str, Any]:
    every, spread = as_they_come.result(n_events), same_rule.result(n_events)
    keys = ("seeds", "seed_efficiency", "seed_purity")
    result: dict[str, Any] = {key: every[key] or 0.0 for key in (*keys, "seeds_per_findable", "ms")}
    result |= {f"{key}_same_rule": spread[key] or 0.0 for key in keys}
    return result | {"seed_efficiency_by_pt": as_they_come.efficiency_by_pt()}
