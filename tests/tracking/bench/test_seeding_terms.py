"""Both seedings on the same hits: which of ours is beside which of ACTS's, and on what."""

import numpy as np
import pytest

from seeding.cones import ConeOptions
from smartpix.shipped import data_path
from tracking.bench.seeding_sample import load_seeding_sample
from tracking.bench.seeding_terms import BELOW, as_far_down, as_many, equal_terms


def point(ms, efficiency, by_pt=()):
    return {"ms": ms, "seed_efficiency": efficiency, "seed_efficiency_by_pt": dict(enumerate(by_pt))}


@pytest.fixture(scope="module")
def terms():
    pytest.importorskip("acts")
    return equal_terms(load_seeding_sample([data_path("sample.root")], 2, ("mdn",)), 1)


def test_the_fastest_that_seeds_as_many_is_taken():
    ours = {"a": point(3.0, 0.99), "b": point(5.0, 0.995), "c": point(4.0, 0.995)}
    assert as_many(point(9.0, 0.995), ours) == "c"
    assert as_many(point(9.0, 0.98), ours) == "a"
    assert as_many(point(9.0, 0.999), ours) is None


def test_the_fastest_that_reaches_as_far_down_seeds_as_many_too():
    acts = point(9.0, 0.99, (0.0, 0.6, 0.9, None))
    ours = {
        "0.5": point(3.0, 0.99, (0.1, 0.95, 1.0, 0.5)), "0.55": point(2.0, 0.99, (0.0, 0.56, 1.0, 1.0)),
        "0.58": point(1.9, 0.99, (0.0, 0.54, 1.0, 1.0)), "0.6": point(1.0, 0.99, (0.0, 0.1, 0.9, None)),
        "few": point(0.5, 0.98, (0.1, 0.95, 1.0, 0.5)),
    }  # fmt: skip
    assert as_far_down(acts, ours) == "0.55"
    assert as_far_down(point(9.0, 0.995, (0.0, 0.6, 0.9, None)), ours) is None


def test_ratios_are_of_the_two_that_stand_beside_each_other(terms):
    by_name = terms["equal_terms"]
    assert set(by_name) == {"balanced", "gbts", "gbts-fastest"}
    for beside in by_name.values():
        assert beside["ratio_time"] == beside["ours"]["ms"] / beside["acts"]["ms"]
        assert beside["ours"]["seed_efficiency"] >= beside["acts"]["seed_efficiency"]
    grid = by_name["balanced"]
    assert grid["ours"]["seed_efficiency"] >= grid["acts"]["seed_efficiency"]
    assert terms["ratio_time_to_best_acts"] == grid["ratio_time"]
    assert terms["ratio_time_to_gbts"] == by_name["gbts"]["ratio_time"]
    assert 0 < terms["ratio_seeds_to_best_acts"] < 1.5
    assert 0.9 < terms["seed_purity"] <= 1


def test_both_look_as_far_down(terms):
    for name in ("gbts", "gbts-fastest"):
        both = [
            list(terms["equal_terms"][name][side]["seed_efficiency_by_pt"].values())
            for side in ("ours", "acts")
        ]
        ours, acts = np.array(both, dtype=float)
        assert np.all(ours[np.isfinite(acts)] >= acts[np.isfinite(acts)] - BELOW)


def test_steep_hits_are_given_to_neither(terms):
    """Of all hits the cones make many more seeds, beyond the slopes that ACTS looks for."""
    sample = load_seeding_sample([data_path("sample.root")], 2, ("mdn",))
    search = sample.search(ConeOptions())
    every = [search.seeds(e.hits["mdn"], search.edges(e.hits["mdn"])).hits for e in sample.events]
    steep = total = 0
    for event, seeds in zip(sample.events, every, strict=True):
        at = event.hits["mdn"].position[seeds]
        steep += np.sum(np.any(np.abs(at[..., 2]) > 10 * np.hypot(at[..., 0], at[..., 1]), axis=1))
        total += len(seeds)
    assert steep > 0.1 * total
    assert terms["equal_terms"]["balanced"]["ours"]["seeds"] < (total - 0.5 * steep) / 2
