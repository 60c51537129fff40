"""Scores of the RAMP challenge's finders, and what bounds them."""

import numpy as np
import pytest

from smartpix.schema import InputError
from tracking.bench import ramp
from tracking.bench.ramp import check_ramp_seed, ramp_bounds, ramp_scores
from tracking.finders.trkx.ramp.events import make_ramp
from tracking.finders.trkx.ramp.nearest import nearest_clusters
from tracking.finders.trkx.ramp.options import RampOptions
from tracking.finders.trkx.ramp.score import clusters_of, event_scores


def test_scores_are_those_of_the_finders_alone():
    found = ramp_scores(20, 630_500, ("nearest", "kalman"))
    assert list(found) == ["nearest", "kalman"]
    for k, tracks in enumerate((10, 20)):
        events = make_ramp(RampOptions(tracks=tracks), 20, 630_500 + k)
        scores = event_scores(events.event, events.track, clusters_of(nearest_clusters, events))
        assert found["nearest"][f"score_{tracks}"] == pytest.approx(np.mean(scores))
        assert found["nearest"][f"error_{tracks}"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(20))
        assert found["kalman"][f"score_{tracks}"] > 0.99
    assert 0 < found["nearest"]["ms_per_event"] < found["kalman"]["ms_per_event"]
    with pytest.raises(InputError, match="finder must be one of"):
        ramp_scores(1, 1, ("best",))


def test_times_are_of_one_event_with_ten_tracks(monkeypatch):
    """Of a clock that goes on by 5 s while the first events are run, and by 7 s at the others."""
    clocks = iter([iter([1.0, 6.0]), iter([1.0, 8.0])])
    monkeypatch.setattr(ramp, "stage_time", lambda: next(clocks).__next__)
    assert ramp_scores(20, 630_500, ("nearest",))["nearest"]["ms_per_event"] == 250.0


def test_bounds_tell_ambiguous_events_from_missed_ones(monkeypatch):
    bounds = ramp_bounds(10, 630_510)
    for tracks in (10, 20):
        assert bounds[f"wrong_{tracks}"] == bounds[f"ambiguous_{tracks}"] + bounds[f"missed_{tracks}"] < 0.4
        events = make_ramp(RampOptions(tracks=tracks), 10, 630_510 + (tracks == 20))
        assert bounds[f"shared_{tracks}"] == events.shared / (events.shared + len(events.event))
    # A finder that puts every hit alone misses all tracks.
    monkeypatch.setattr(ramp, "kalman_clusters", lambda hits: np.arange(len(hits.layer)))
    bounds = ramp_bounds(10, 630_510)
    assert (bounds["missed_20"], bounds["ambiguous_20"]) == (1, 0)


def test_one_lost_hit_is_a_mistake_and_the_truth_is_none(monkeypatch):
    """However little likelier the truth is than what a finder says."""
    events = make_ramp(RampOptions(tracks=5), 3, 630_520)
    for k in range(events.n_events):
        track = events.track[events.offsets[k] : events.offsets[k + 1]]
        lost = track.copy()
        # Of the longest track, so that the others are as they were.
        lost[np.flatnonzero(track == np.bincount(track).argmax())[0]] = track.max() + 1
        for told, expected in ((track, [0]), (lost, range(1, 100))):
            monkeypatch.setattr(ramp, "kalman_clusters", lambda hits, told=told: told)
            assert int(np.ceil(ramp._lead_of_truth(events, k))) in expected


@pytest.mark.parametrize("used", [610_000, 620_000, 620_001])
def test_events_of_trainings_and_of_their_reports_are_refused(used):
    """Those with 20 tracks have the next seed."""
    for seed in (used, used - 1):
        with pytest.raises(
            InputError, match=r"'phi-lstm' was trained on events of seed 6[12]000[01]; give another"
        ):
            ramp_scores(1, seed, ("nearest", "phi-lstm"))
        with pytest.raises(InputError, match="'graph'"):
            check_ramp_seed(seed, ("graph",))
    check_ramp_seed(used + 2)
    check_ramp_seed(used, ("nearest", "kalman"))
