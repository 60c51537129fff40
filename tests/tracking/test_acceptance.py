"""What the shipped sample and weights must reach, and a real event that nobody here made."""

from smartpix.weights import data_path
from tests.helpers import SHARED_DATA, convert_folder
from tests.left_out import needs
from tracking.options import RunOptions
from tracking.runs import run

TRACKML = SHARED_DATA / "trackml_event1"


def test_the_embedded_sample_reaches_its_targets(tmp_path):
    summary = run([data_path("sample.root")], tmp_path, RunOptions(), figures=False)
    assert summary["n_events"] >= 10
    assert summary["n_findable"] > 500
    assert summary["edge_efficiency"] >= 0.98
    assert summary["track_efficiency"] >= 0.95
    assert summary["fake_rate"] <= 0.03
    assert summary["duplicate_rate"] <= 0.01


def test_the_shape_estimate_finds_the_tracks_too(tmp_path):
    summary = run([data_path("sample.root")], tmp_path, RunOptions(estimates="shape"), figures=False)
    assert summary["edge_efficiency"] >= 0.95
    assert summary["track_efficiency"] >= 0.9
    assert summary["fake_rate"] <= 0.05


@needs("../shared/data/trackml_event1")
def test_the_trackml_event_reaches_its_targets(tmp_path):
    convert_folder(TRACKML, tmp_path / "event.root")
    summary = run([tmp_path / "event.root"], tmp_path / "out", RunOptions(), figures=False)
    assert summary["n_findable"] >= 40
    assert summary["track_efficiency"] >= 0.95
    assert summary["fake_rate"] <= 0.03
