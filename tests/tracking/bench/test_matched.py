"""Ratios of times at matched quality."""

import pytest

from tracking.bench.matched import matched_lines, matched_ratios, ratio_to_best


def point(ms, efficiency, fakes):
    return {"ms": ms, "efficiency": efficiency, "fake_rate_central": fakes}


OURS = {"fastest": point(50.0, 0.99, 0.002), "efficient": point(200.0, 0.999, 0.001)}
THEIRS = {
    "quick": point(100.0, 0.98, 0.0),
    "good": point(200.0, 0.991, 0.002),
    "same": point(300.0, 0.99, 0.002),
    "many fakes": point(120.0, 0.995, 0.1),
}


def test_the_fastest_that_is_as_good_is_taken():
    matched = matched_ratios(OURS, THEIRS)
    assert matched["ours"]["fastest"] == {"acts": "good", "ratio_time": 0.25}
    # Both of ours are as good as this one, and the faster one is beside it.
    assert matched["acts"]["same"]["ours"] == "fastest"
    assert matched["acts"]["same"]["ratio_time"] == pytest.approx(50 / 300)
    assert matched["acts"]["good"]["ours"] == "efficient"


def test_where_none_is_as_good_there_is_no_ratio():
    matched = matched_ratios(OURS, THEIRS)
    assert matched["ours"]["efficient"] == {"acts": None, "ratio_time": None}
    assert matched["acts"]["quick"] == {"ours": None, "ratio_time": None}
    lines = matched_lines(matched)
    assert "ours.efficient: no point of acts is as good" in lines
    assert any("ours.fastest beside acts.good" in line and line.endswith("0.250") for line in lines)


def test_the_best_of_acts_is_as_good_as_our_fastest_where_one_is():
    assert ratio_to_best(OURS, THEIRS) == {"ours": "fastest", "acts": "good", "ratio_time": 0.25}


def test_else_it_is_the_fastest_that_ours_reach():
    """``quick`` finds more than any of ours, ``clean`` has fewer fakes: neither is reached, nor as good."""
    theirs = {
        "quick": point(10.0, 0.9991, 0.003), "clean": point(20.0, 0.98, 0.0005),
        "reached": point(100.0, 0.995, 0.0025), "slow": point(400.0, 0.98, 0.01),
    }  # fmt: skip
    assert ratio_to_best(OURS, theirs) == {"ours": "efficient", "acts": "reached", "ratio_time": 2.0}
    # Of ours the fastest that is as good.
    with_reached = theirs | {"reached": point(100.0, 0.985, 0.002)}
    assert ratio_to_best(OURS, with_reached) == {"ours": "fastest", "acts": "reached", "ratio_time": 0.5}
    nothing = {"ours": None, "acts": None, "ratio_time": None}
    assert ratio_to_best(OURS, {"clean": theirs["clean"]}) == nothing
