import numpy as np
import pytest

from tests.tracking.metrics.events import TRACK, by_loops, random_event, truth_of
from tracking import metrics


@pytest.mark.parametrize("seed", range(6))
def test_edge_score_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    _, findable, edges = by_loops(*event)
    momentum = {p[0]: np.hypot(*p[1:3]) for p in event[1]}
    rng = np.random.default_rng([seed, 1])
    kept = [e for e in edges if rng.random() < 0.6]
    n = len(event[0])
    kept += [p for p in {tuple(p) for p in rng.integers(0, n, (40, 2)).tolist()} if p not in edges]
    rng.shuffle(kept)
    source, target = np.array(kept, dtype=np.int32).T
    labels = metrics.edge_labels(truth, source, target)
    assert labels.tolist() == [e in edges for e in kept]
    score = metrics.score_edges(truth, metrics.Ends(source, target))
    wanted = [e for e, who in edges.items() if findable & set(who)]
    soft = [e for e, who in edges.items() if max(momentum[w] for w in who) > 0.5]
    assert score == metrics.EdgeScore(
        n_edges=len(kept), n_true=sum(e in edges for e in kept), n_wanted=len(wanted),
        n_found=len(set(wanted) & set(kept)),
        n_wanted_0p5=len(soft), n_found_0p5=len(set(soft) & set(kept)),
    )  # fmt: skip
    assert score.n_wanted > 0


@pytest.mark.parametrize("seed", range(6))
def test_seed_efficiency_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    made, _, _ = by_loops(*event)
    hits_of = {who: {h for _, h in hits} for who, hits in made.items()}
    rng = np.random.default_rng([seed, 3])
    seeds = [rng.choice(len(event[0]), 3, replace=False) for _ in range(20)]
    seeds += [
        rng.choice(sorted(h), 3, replace=False) for h in hits_of.values() if len(h) > 3 and rng.random() < 0.6
    ]
    expected = {who for who, hits in hits_of.items() if any(set(s.tolist()) <= hits for s in seeds)}
    found = metrics.seed_efficiency(truth, np.array(seeds, dtype=np.int32))
    assert {int(w) for w in truth.particle_id[found]} == expected
    pure = [any(set(s.tolist()) <= hits for hits in hits_of.values()) for s in seeds]
    assert metrics.seed_labels(truth, np.array(seeds, dtype=np.int32)).tolist() == pure
    assert 0 < len(expected) < len(hits_of)


def test_a_missing_crossing_leaves_no_true_edge():
    # Order 2 left no cluster: nothing joins 1 and 3.
    truth = truth_of([[(7, 1.0, o)] for o in (0, 1, 3, 4)], TRACK, [0, 1, 3, 4])
    assert truth.edges.tolist() == [[0, 1], [2, 3]]


def test_an_edge_two_particles_made_belongs_to_the_stiffer():
    entries = [[(7, 0.5, 0), (8, 0.5, 0)], [(7, 0.5, 1), (8, 0.5, 1)]]
    truth = truth_of(entries, [*TRACK, (8, 3.0, 4.0, 0, -1.0)], [0, 1])
    assert truth.edges.tolist() == [[0, 1]]
    assert truth.edge_pt[0] == pytest.approx(5)


@pytest.mark.parametrize(("pt", "counted"), [(0.5, 0), (0.52, 1)])
def test_an_edge_counts_as_soft_above_half_a_gev(pt, counted):
    truth = truth_of([[(7, 1.0, 0)], [(7, 1.0, 1)]], [(7, pt, 0, 0, 1.0)], [0, 1])
    both = metrics.score_edges(
        truth, metrics.Ends(np.array([0], dtype=np.int32), np.array([1], dtype=np.int32))
    )
    none = metrics.score_edges(truth, metrics.Ends(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)))
    assert (both.n_wanted_0p5, both.n_found_0p5) == (counted, counted)
    assert (none.n_wanted_0p5, none.n_found_0p5) == (counted, 0)


def test_an_edge_backwards_is_not_true():
    truth = truth_of([[(7, 1.0, 0)], [(7, 1.0, 1)]], TRACK, [0, 1])
    forth, back = np.array([0], dtype=np.int32), np.array([1], dtype=np.int32)
    assert metrics.edge_labels(truth, forth, back).tolist() == [True]
    assert metrics.edge_labels(truth, back, forth).tolist() == [False]


@pytest.mark.parametrize(
    "event",
    [
        ([], [], []),
        ([], TRACK, []),
        ([[], []], [], [0, 1]),
        ([[], []], TRACK, [0, 1]),
        ([[(9, 1.0, 0)]], TRACK, [0]),
    ],
)
def test_events_without_truth_entries_score_zero(event):
    truth = truth_of(*event)
    assert truth.edges.shape == (0, 2)
    assert not np.any(truth.findable)
    none = np.zeros(0, dtype=np.int32)
    assert metrics.score_edges(truth, metrics.Ends(none, none)) == metrics.EdgeScore(0, 0, 0, 0, 0, 0)
    assert metrics.score_tracks(truth, []).particle.shape == (0,)
    assert metrics.seed_efficiency(truth, np.zeros((0, 3), dtype=np.int32)).tolist() == [False] * len(
        event[1]
    )
    if event[0]:
        rows = np.array([0], dtype=np.int32)
        assert metrics.edge_labels(truth, rows, rows).tolist() == [False]
        assert metrics.score_tracks(truth, [np.array([0])]).particle.tolist() == [-1]
        assert not np.any(metrics.seed_efficiency(truth, np.array([[0, 0, 0]], dtype=np.int32)))
