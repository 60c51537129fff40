"""The starting kit: against a straight loop, and against its published score."""

import numpy as np
import pytest

from smartpix.schema import InputError
from tests.tracking.finders.trkx.ramp.hand_made import hits_at
from tracking.finders.trkx.ramp.events import make_ramp
from tracking.finders.trkx.ramp.nearest import nearest_clusters
from tracking.finders.trkx.ramp.options import NearestOptions, RampOptions
from tracking.finders.trkx.ramp.score import clusters_of, event_scores, mean_score


def straight(hits, min_cosine):
    label = [-1] * len(hits.layer)
    point = np.stack([hits.x, hits.y], axis=1)
    for track, start in enumerate(np.flatnonzero(hits.layer == 0)):
        path = [start]
        label[start] = track
        for layer in sorted(set(hits.layer) - {0}):
            free = [h for h in np.flatnonzero(hits.layer == layer) if label[h] < 0]
            if not free:
                break
            near = min(free, key=lambda h: np.sum((point[h] - point[path[-1]]) ** 2))
            if len(path) > 1:
                a, b = point[path[-1]] - point[path[-2]], point[near] - point[path[-1]]
                if a @ b / np.sqrt((a @ a) * (b @ b)) < min_cosine:
                    break
            path.append(near)
            label[near] = track
    return label


def test_kit_is_that_of_a_straight_loop():
    events = make_ramp(RampOptions(tracks=15), 20, 11)
    for k in range(20):
        assert nearest_clusters(events.hits(k)).tolist() == straight(events.hits(k), 0.8)
        wide = nearest_clusters(events.hits(k), NearestOptions(min_cosine=-1.0))
        assert wide.tolist() == straight(events.hits(k), -1.0)


def test_by_hand():
    # The first seed takes the hit between the two; the second has to turn for the next, which ends it.
    found = nearest_clusters(hits_at((0, 0.0), (0, 0.1), (1, 0.04), (1, 1.5), (2, 0.04), (2, 3.0), (8, 0.04)))
    assert found.tolist() == [0, 1, 0, 1, 0, -1, 0]
    # Hits of tracks that have none on the first circle are nobody's.
    assert nearest_clusters(hits_at((1, 0.0), (2, 0.0))).tolist() == [-1, -1]
    assert nearest_clusters(hits_at((0, 0.0))).tolist() == [0]
    assert len(nearest_clusters(hits_at())) == 0


@pytest.mark.parametrize(("tracks", "published"), [(10, 0.849), (20, 0.818)])
def test_score_is_the_published_one(tracks, published):
    """That of 10 tracks is the challenge's own (0.841, 0.848, 0.849 on its three sets); that of 20 is of its
    simulation, run again.
    """
    events = make_ramp(RampOptions(tracks=tracks), 4000, 123)
    clusters = clusters_of(nearest_clusters, events)
    score, error = mean_score(event_scores(events.event, events.track, clusters))
    assert error < 0.002
    assert score == pytest.approx(published, abs=0.006)


def test_cosines_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="min_cosine must be from -1 to 1"):
        NearestOptions(min_cosine=1.5)
