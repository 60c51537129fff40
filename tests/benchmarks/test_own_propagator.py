"""Results that are kept of our own propagator and of the Open Data Detector, against what they are to reach."""

import json

import pytest

from tests.helpers import REPOSITORY


def kept(name):
    return json.loads((REPOSITORY / "benchmarks/results" / name).read_text(encoding="utf-8"))


def test_our_own_propagator_is_like_fatras():
    found = kept("own-propagator.json")
    assert found["ratio_of_crossings"] == pytest.approx(1, abs=0.01)
    for names in found["scattering"].values():
        assert names["own"]["rms_um"] == pytest.approx(names["fatras"]["rms_um"], rel=0.1)
    assert found["seconds_per_event"]["own"] < 10


def test_the_chain_finds_the_tracks_of_the_open_data_detector():
    found = kept("odd-chain.json")
    assert found["n_events"] >= 3
    assert found["track_efficiency"] >= 0.985
    assert found["fake_rate"] <= 0.01
    assert found["reduction"] > 4
    assert all(abs(width - 1) < 0.07 for width in found["pull_sigma"].values())
    assert all(c.startswith("smartpix ") for c in found["commands"])


def test_files_of_the_open_data_detector_are_described():
    files = kept("odd-events.json")["files"]
    assert [f["events"] for f in files] == [3, 6]
    assert all(
        f["transport"] == "own" and f["seed"] < 700_000 and f["clusters_per_event"] > 3e4 for f in files
    )
