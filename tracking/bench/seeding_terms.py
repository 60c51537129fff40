"""The cones beside ACTS's seedings on equal terms: on the same hits, as steep and as soft as each of them
looks.

Without that a search may win by looking for less: ACTS's cuts leave out steep tracks that the cones find, and
GBTS fades out towards its smallest pT.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from seeding.acts_gbts import BALANCED as GBTS
from seeding.acts_reference import BALANCED, acts_seeds
from seeding.cones import ConeOptions
from smartpix.layers import layer_pairs
from tracking.bench.clock import time_in_turn
from tracking.bench.seeding_counts import SearchCounts
from tracking.bench.seeding_points import ACTS, CONES, edges_and_seeds, point_numbers, spread
from tracking.bench.seeding_sample import SeedingSample
from tracking.finders.clock import processor_time

__all__ = ["BELOW", "as_far_down", "as_many", "equal_terms"]

REFERENCES = ("balanced", "gbts", "gbts-fastest")
"""ACTS's points that ours are beside: GridTriplet from 0.5 GeV on, and those of GBTS."""
HALF_GEV: Mapping[str, ConeOptions] = {name: CONES[name] for name in ("balanced", "efficient")}
"""Ours that reach down to 0.5 GeV."""
BELOW = 0.05
"""By how much ours may seed less than GBTS in a bin of pT: GBTS fades out slowly towards its smallest pT, and
the cones end sharply."""
SOFTEST = tuple(round(0.4 + 0.05 * k, 2) for k in range(10))
"""Smallest pT in GeV of the cones that are tried beside GBTS."""

Numbers = dict[str, Any]


def equal_terms(sample: SeedingSample, repeats: int) -> Numbers:
    """Ours beside each of :data:`REFERENCES`.

    Both have the hits alone that a straight line from the origin meets with the slope that ACTS's point looks
    for, ``cotThetaMax``, and ours the pairs of layers up to there. Which hits these are is in neither clock.

    Returns:
        ``equal_terms`` by ACTS's point: ``acts`` and ``ours``, the numbers of
        :func:`tracking.bench.seeding_points.point_numbers`; ``point``, which of ours; ``ratio_time``.
        Beside GridTriplet ours is that of :func:`as_many`, beside GBTS that of :func:`as_far_down`; ``ours``,
        ``point`` and ``ratio_time`` are None where none of ours is as good.
        ``ratio_time_to_best_acts``: beside GridTriplet; ``ratio_time_to_gbts``: beside ``gbts``.
        ``ratio_seeds_to_best_acts``: numbers of seeds beside GridTriplet, after one rule for shared hits and
        where ours seed as many particles after it; ``seed_purity``: of ours there. None where none of ours
        is as good.
    """
    measured = {name: _measured(sample, name, repeats) for name in REFERENCES}
    terms: dict[str, Numbers] = {}
    for name, (acts, ours) in measured.items():
        chosen = as_far_down(acts, ours) if ACTS[name][0] == "acts-gbts" else as_many(acts, ours)
        mine = None if chosen is None else ours[chosen]
        ratio = None if mine is None else mine["ms"] / acts["ms"]
        terms[name] = {"acts": acts, "ours": mine, "point": chosen, "ratio_time": ratio}
    grid, of_grid = measured["balanced"]
    spaced = as_many(grid, of_grid, "seed_efficiency_same_rule")
    seeds = None if spaced is None else of_grid[spaced]
    return {
        "equal_terms": terms,
        "ratio_time_to_best_acts": terms["balanced"]["ratio_time"],
        "ratio_seeds_to_best_acts": seeds and seeds["seeds_same_rule"] / grid["seeds_same_rule"],
        "seed_purity": seeds and seeds["seed_purity_same_rule"],
        "ratio_time_to_gbts": terms["gbts"]["ratio_time"],
    }


def as_many(acts: Mapping[str, Any], ours: Mapping[str, Numbers], key: str = "seed_efficiency") -> str | None:
    """The fastest of ours that seeds at least as many findable particles; None where none does."""
    good = [name for name, point in ours.items() if point[key] >= acts[key]]
    return min(good, key=lambda name: float(ours[name]["ms"]), default=None)


def as_far_down(acts: Mapping[str, Any], ours: Mapping[str, Numbers]) -> str | None:
    """The fastest of ours that seeds at least as many findable particles, and in every bin of pT at most
    :data:`BELOW` fewer of the particles; None where none does.
    """

    def reaches(point: Numbers) -> bool:
        both = (of["seed_efficiency_by_pt"].values() for of in (point, acts))
        bins = [(float(a), float(b)) for a, b in zip(*both, strict=True) if a is not None and b is not None]
        return all(a >= b - BELOW for a, b in bins)

    return as_many(acts, {name: point for name, point in ours.items() if reaches(point)})


def _measured(sample: SeedingSample, name: str, repeats: int) -> tuple[Numbers, dict[str, Numbers]]:
    """Numbers of one of ACTS's points, and of ours by name, on what that point looks for."""
    algorithm, cuts = ACTS[name]
    cot = {**(GBTS if algorithm == "acts-gbts" else BALANCED), **cuts}["cotThetaMax"]
    cones = HALF_GEV
    if algorithm == "acts-gbts":
        cones = {f"from {pt:g} GeV": ConeOptions(min_pt=pt) for pt in SOFTEST}
    pairs = layer_pairs(sample.detector, max_eta=float(np.arcsinh(cot)))
    within = replace(sample, pairs=pairs)
    counts = {of: (SearchCounts(), SearchCounts()) for of in ("acts", *cones)}
    for event in sample.events:
        every = event.hits["mdn"]
        radius = np.hypot(every.position[:, 0], every.position[:, 1])
        rows = np.flatnonzero(np.abs(every.position[:, 2]) < cot * radius)
        hits = every.take(rows)
        runs = {of: partial(edges_and_seeds, within, hits, cone) for of, cone in cones.items()}
        with processor_time():
            times, found = time_in_turn(runs, repeats)
        # The first pass warms up, as for ours.
        passes = acts_seeds([hits] * (1 + repeats), sample.field, algorithm, time.process_time, **cuts)
        best_first = np.argsort(-passes.quality[0], kind="stable")
        made = {of: (seeds.hits, 1e3 * times[of]) for of, (_, seeds) in found.items()}
        made["acts"] = passes.seeds[0][best_first], float(np.median(passes.ms[1:]))
        for of, (seeds, ms) in made.items():
            as_they_come, same_rule = counts[of]
            as_they_come.seeds_of(event.truth, rows[seeds].astype(np.int32))
            same_rule.seeds_of(event.truth, rows[spread(seeds, len(hits))].astype(np.int32))
            as_they_come.ms += ms
    numbers = {of: point_numbers(*both, len(sample.events)) for of, both in counts.items()}
    return numbers.pop("acts"), numbers
