"""The results of the study of HEP.TrkX that are kept, against what they are to reach."""

import json

import pytest

from tests.helpers import REPOSITORY
from tracking.finders.trkx.models import MODELS

KEPT = json.loads((REPOSITORY / "benchmarks" / "results" / "trkx.json").read_text(encoding="utf-8"))


def test_the_starting_kit_has_its_published_score():
    """0.849 at 10 tracks was published, and 0.818 at 20 measured with the challenge's own code."""
    for tracks, expected in ((10, 0.849), (20, 0.818)):
        assert abs(KEPT["ramp"]["nearest"][f"score_{tracks}"] - expected) < 0.006


def test_a_finder_of_ours_is_better_by_far():
    best = max(KEPT["ramp"].values(), key=lambda row: row["score_10"])
    assert best["score_10"] >= 0.95
    assert best["score_20"] >= 0.93
    for name in ("kalman", "graph"):
        assert KEPT["ramp"][name]["score_10"] >= 0.95
        assert KEPT["ramp"][name]["score_20"] >= 0.93


@pytest.mark.parametrize("key", ["coverage68", "coverage95", "coverage997"])
def test_cones_hold_what_they_are_asked_for_at_each_pt(key):
    share = {"coverage68": 0.68, "coverage95": 0.95, "coverage997": 0.997}[key]
    bins = KEPT["next_layer"]["by_pt"]
    assert len(bins) == 4
    for row in bins:
        assert row["n"] > 2000
        assert abs(row[key] - share) < 0.01
        assert abs(row[f"{key}_kalman"] - share) < 0.015


@pytest.mark.parametrize("key", ["area_ratio68", "area_ratio95", "area_ratio997"])
def test_cones_on_next_layers_are_no_larger_than_the_filters_by_mean_area(key):
    """What was asked for: at most 1.1 above 2 GeV, and smaller below 0.9 GeV."""
    bins = KEPT["next_layer"]["by_pt"]
    assert bins[0]["pt"] == [0.3, 0.9]
    assert bins[0][key] < 1
    for row in bins[2:]:
        assert row[key] <= 1.1


@pytest.mark.parametrize(("name", "pixels", "hits"), [("lstm-50", 0.90, 0.91), ("lstm-100", 0.875, 0.89)])
def test_networks_of_the_published_size_reach_the_published_accuracies(name, pixels, hits):
    kept = KEPT["models"][name]
    assert kept["pixel_accuracy"] >= pixels
    assert kept["hit_accuracy"] >= hits
    assert kept["parameters"] == MODELS[name].parameters
