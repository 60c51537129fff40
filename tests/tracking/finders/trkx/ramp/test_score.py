"""The challenge's score against a straight loop and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.finders.trkx.ramp.events import make_ramp
from tracking.finders.trkx.ramp.options import RampOptions
from tracking.finders.trkx.ramp.score import clusters_of, event_scores, mean_score


def straight(event, track, cluster):
    """Score of each event, track by track."""
    scores = []
    for number in sorted(set(event)):
        hits = [(t, c) for e, t, c in zip(event, track, cluster, strict=True) if e == number]
        best = {}
        for of in sorted({t for t, _ in hits}):
            placed = [c for t, c in hits if t == of and c >= 0]
            if placed:
                count = {c: placed.count(c) for c in placed}
                chosen = min(count, key=lambda c: (-count[c], c))
                best[chosen] = max(best.get(chosen, 0), count[chosen])
        scores.append(sum(best.values()) / len(hits))
    return scores


def by_hand(track, cluster):
    return float(event_scores(np.zeros(len(track), int), np.array(track), np.array(cluster))[0])


def test_hand_made_events():
    assert by_hand([0, 0, 1, 1], [5, 5, 2, 2]) == 1
    assert by_hand([0, 0, 1, 1], [-1, -1, -1, -1]) == 0
    # Two tracks in one cluster: the one with more hits there counts.
    assert by_hand([0, 0, 0, 1, 1], [3, 3, 3, 3, 3]) == pytest.approx(3 / 5)
    # A track in two halves belongs to the cluster of the lower number, and the other one's hits are lost.
    assert by_hand([0, 0, 0, 0, 1, 1], [4, 4, 1, 1, 1, 1]) == pytest.approx(2 / 6)
    assert by_hand([0, 0, 0, 0, 1, 1], [1, 1, 4, 4, 4, 4]) == pytest.approx(4 / 6)
    assert by_hand([0, 0, 1], [0, -1, -1]) == pytest.approx(1 / 3)


def test_events_are_told_apart_by_their_numbers():
    event, track, cluster = np.array([7, 2, 7, 2]), np.array([0, 0, 1, 0]), np.array([0, 0, 0, 1])
    assert event_scores(event, track, cluster).tolist() == [0.5, 0.5]
    assert mean_score(np.array([0.5, 1.0])) == pytest.approx((0.75, 0.25))
    assert mean_score(np.array([0.5])) == (0.5, 0.0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=40))
def test_score_is_that_of_a_straight_loop(rows):
    event, track, cluster = np.array(rows).T
    np.testing.assert_allclose(event_scores(event, track, cluster), straight(event, track, cluster))


def test_the_truth_has_the_best_score():
    events = make_ramp(RampOptions(tracks=3), 20, 1)
    assert np.all(event_scores(events.event, events.track, events.track) == 1)
    one = clusters_of(lambda hits: np.zeros(len(hits.layer), dtype=np.int64), events)
    most = [np.bincount(events.track[events.event == k]).max() / np.sum(events.event == k) for k in range(20)]
    np.testing.assert_allclose(event_scores(events.event, events.track, one), most)
