import numpy as np
import pytest

from tests.tracking.metrics.events import TRACK, by_loops, random_event, truth_of
from tracking import metrics


@pytest.mark.parametrize("seed", range(6))
def test_track_score_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    made, _, _ = by_loops(*event)
    hits_of = {who: {h for _, h in hits} for who, hits in made.items()}
    rng = np.random.default_rng([seed, 2])
    tracks = [rng.choice(len(event[0]), int(rng.integers(3, 8)), replace=False) for _ in range(10)]
    for hits in hits_of.values():
        for share in (1.0, 0.7, 0.5):
            part = [h for h in sorted(hits) if rng.random() < share]
            noise = rng.choice(len(event[0]), int(rng.integers(0, 4)), replace=False).tolist()
            if part + noise:
                tracks.append(np.array(sorted(set(part) | set(noise)), dtype=np.int64))
    score = metrics.score_tracks(truth, tracks)
    seen = set()
    for t, rows in enumerate(tracks):
        shared = {who: len(hits & set(rows.tolist())) for who, hits in hits_of.items()}
        matches = {w: n for w, n in shared.items() if n > len(rows) / 2 and n >= len(hits_of[w]) / 2}
        assert score.hit_fraction[t] == pytest.approx(max(shared.values()) / len(rows))
        if not matches:
            assert score.particle[t] == -1
            assert not score.duplicate[t]
            continue
        who = int(truth.particle_id[score.particle[t]])
        assert matches.get(who) == max(matches.values())
        assert score.duplicate[t] == (who in seen)
        seen.add(who)
    assert {int(w) for w in truth.particle_id[score.found]} == seen
    assert np.any(score.duplicate)
    assert np.any(score.particle < 0)


def test_exactly_half_of_the_track_is_no_majority_and_half_of_the_particle_is():
    truth = truth_of([[(7, 1.0, o)] for o in range(4)] + [[], []], TRACK, [0, 1, 2, 3, 0, 1])
    tracks = [np.array(t) for t in ([0, 1, 4, 5], [0, 1], [0, 1, 4], [0], [0, 1, 2, 3])]
    score = metrics.score_tracks(truth, tracks)
    assert score.particle.tolist() == [-1, 0, 0, -1, 0]
    assert score.duplicate.tolist() == [False, False, True, False, True]
    assert score.hit_fraction.tolist() == pytest.approx([0.5, 1, 2 / 3, 1, 1])


def test_a_track_of_noise_alone_is_a_fake():
    truth = truth_of([[(7, 1.0, 0)], [], []], TRACK, [0, 1, 2])
    score = metrics.score_tracks(truth, [np.array([1, 2])])
    assert score.particle.tolist() == [-1]
    assert score.hit_fraction.tolist() == [0]


@pytest.mark.parametrize("n_merged", [3, 4])
def test_both_of_two_particles_are_found_where_their_clusters_merge(n_merged):
    # Of the fourth layer each has a cluster of its own, or both have one, too.
    both = [[(3, 0.5, o), (7, 0.5, o)] for o in range(n_merged)]
    own = [[(3, 1.0, 3)], [(7, 1.0, 3)]] if n_merged == 3 else []
    layer = [*range(n_merged), *[3] * len(own)]
    truth = truth_of(both + own, [(3, *TRACK[0][1:]), *TRACK], layer)
    tracks = [np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3 + len(own) // 2])]
    score = metrics.score_tracks(truth, tracks)
    assert sorted(score.particle.tolist()) == [0, 1]
    assert not score.duplicate.any()
    assert score.found.all()
    # A third track of the same clusters has no particle left.
    again = metrics.score_tracks(truth, [*tracks, tracks[0]])
    assert again.duplicate.tolist() == [False, False, True]


def test_a_particle_that_has_a_track_of_its_own_leaves_the_shared_clusters_to_the_other():
    shared = [[(3, 0.5, o), (7, 0.5, o)] for o in range(3)]
    truth = truth_of([*shared, [(3, 1.0, 3)]], [(3, *TRACK[0][1:]), *TRACK], [0, 1, 2, 3])
    score = metrics.score_tracks(truth, [np.array([0, 1, 2]), np.array([0, 1, 2, 3])])
    assert score.particle.tolist() == [1, 0]
