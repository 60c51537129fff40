"""What is lost and regained: by hand, and by exact numbers of Poisson's distribution."""

import pytest
from scipy.stats import poisson

from tracking.bench.systematics_lost import of_what_is_lost, regained

HITS = ("x", "y", "cot_alpha", "cot_beta")


def both(before, after):
    return {"before": before, "after": after}


def judged(
    edges=(0.998, 0.998), d0=(50.0, 50.0), pull=(1.0, 1.0), bias=(0.0, 0.0), reduction=(4.0, 4.0), n=1000
):
    width = [dict.fromkeys(("d0_um", "z0_um", "qop_rel"), v) for v in d0]
    pulls, biases = ([{"barrel": dict.fromkeys(HITS, v)} for v in values] for values in (pull, bias))
    return {
        "edge_efficiency": both(*edges), "track_efficiency": both(1.0, 1.0), "reduction": both(*reduction),
        "fake_rate": both(0.0, 0.0), "resolution_of_tracks": both(*width), "pulls": both(*pulls),
        "bias_in_sigma": both(*biases), "counts": {"before": {"edges": n, "tracks": n}},
    }  # fmt: skip


def test_the_share_regained_is_told_where_enough_is_lost():
    nominal = judged()
    assert regained("edge_efficiency", nominal, judged((0.978, 0.994))) == pytest.approx(0.8)
    assert regained("edge_efficiency", nominal, judged((0.995, 0.998))) is None
    assert regained("reduction", nominal, judged(reduction=(3.0, 3.75))) == pytest.approx(0.75)
    assert regained("reduction", nominal, judged(reduction=(3.95, 4.0))) is None
    assert regained("fake_rate", nominal, judged()) is None


def test_where_efficiency_costs_nothing_resolutions_pulls_and_biases_are_told():
    found = of_what_is_lost(judged(), judged(d0=(75.0, 55.0), pull=(8.0, 0.93), bias=(-1.0, 0.1)))
    assert found["track_efficiency"] == {"lost": 0.0, "left": 0.0, "regained": None}
    assert found["d0_um"] == pytest.approx({"lost": 0.5, "left": 0.1, "regained": 0.8})
    assert found["pull_y"] == pytest.approx({"lost": 7.0, "left": 0.07, "regained": 0.99})
    assert found["bias_y"] == pytest.approx({"lost": 1.0, "left": 0.1, "regained": 0.9})
    assert of_what_is_lost(judged(), judged(pull=(1.04, 1.0)))["pull_x"]["regained"] is None


def test_the_interval_holds_what_poisson_numbers_do():
    """Of 100 that are lost and none nominally, the share is 1 less a Poisson number of those left over
    another."""
    found = of_what_is_lost(judged((1.0, 1.0)), judged((0.9, 0.99)))["edge_efficiency"]
    low, high = found["interval"]
    assert found["regained"] == pytest.approx(0.9)
    # The number of those left alone makes nearly all of it.
    assert 1 - poisson(10).ppf(0.84) / 100 == pytest.approx(low, abs=0.012)
    assert 1 - poisson(10).ppf(0.16) / 100 == pytest.approx(high, abs=0.012)
