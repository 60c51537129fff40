"""What the shipped sample and weights must reach, and a real event that nobody here made."""

import json

import pytest

from smartpix.weights import data_path
from tests.helpers import REPOSITORY, SHARED_DATA, convert_folder
from tests.left_out import needs
from tracking.options import RunOptions
from tracking.runs import run

TRACKML = SHARED_DATA / "trackml_event1"


def test_the_embedded_sample_gives_what_the_benchmarks_say(tmp_path):
    """The numbers of docs/benchmarks.md: to a track or two of 671, and to what rounding does elsewhere."""
    told = json.loads((REPOSITORY / "benchmarks" / "results" / "chain-sample.json").read_text(encoding="utf-8"))
    found = run([data_path("sample.root")], tmp_path, RunOptions(), figures=False)
    for name in ("n_events", "n_hits", "n_findable"):
        assert found[name] == told[name], name
    for name in ("edge_efficiency", "seed_efficiency", "track_efficiency", "physics_efficiency", "fake_rate", "duplicate_rate"):
        assert found[name] == pytest.approx(told[name], abs=0.002), name
    for name in ("n_window_edges", "n_edges", "n_seeds", "n_tracks", "reduction", "edge_purity", "window_edge_purity"):
        assert found[name] == pytest.approx(told[name], rel=0.01), name
    for name in told:
        if name.startswith("resolution_"):
            assert found[name] == pytest.approx(told[name], rel=0.03), name
    for name in ("pull_mean", "pull_sigma", "pull_half_width"):
        assert found[name] == pytest.approx(told[name], abs=0.03), name
    for name in ("vertex_efficiency", "vertex_false_rate", "vertex_split_rate"):
        assert found[name] == pytest.approx(told[name], abs=0.02), name
    # Whatever the benchmarks say:
    assert found["edge_efficiency"] >= 0.998
    assert found["track_efficiency"] >= 0.995
    assert found["fake_rate"] <= 0.005
    assert found["duplicate_rate"] <= 0.001
    assert found["reduction"] >= 1.8
    assert all(0.95 < width < 1.08 for width in found["pull_sigma"].values())


def test_the_shape_estimate_finds_the_tracks_too(tmp_path):
    summary = run([data_path("sample.root")], tmp_path, RunOptions(estimates="shape"), figures=False)
    assert summary["n_findable"] == 671
    assert summary["edge_efficiency"] >= 0.998
    assert summary["track_efficiency"] >= 0.995
    assert summary["fake_rate"] <= 0.005


@needs("../shared/data/trackml_event1")
def test_the_trackml_event_reaches_its_targets(tmp_path):
    convert_folder(TRACKML, tmp_path / "event.root")
    summary = run([tmp_path / "event.root"], tmp_path / "out", RunOptions(), figures=False)
    assert summary["n_findable"] >= 40
    assert summary["track_efficiency"] >= 0.95
    assert summary["fake_rate"] <= 0.03
