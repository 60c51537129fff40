import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracking.metrics.events import TRACK, by_loops, event_of, random_event, truth_of
from tracking import metrics


@pytest.mark.parametrize("seed", range(12))
def test_truth_of_a_random_event_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    made, findable, edges = by_loops(*event)
    assert truth.particle_id.tolist() == sorted(made)
    momentum = {p[0]: p for p in event[1]}
    for row, who in enumerate(truth.particle_id.tolist()):
        assert truth.n_hits[row] == len({h for _, h in made[who]})
        assert truth.n_layers[row] == len({event[2][h] for _, h in made[who]})
        assert truth.findable[row] == (who in findable)
        assert truth.pt[row] == pytest.approx(np.hypot(*momentum[who][1:3]), rel=1e-5)
    pairs = {(int(h), int(truth.particle_id[p])) for h, p in zip(truth.hit, truth.particle, strict=True)}
    assert pairs == {(h, who) for who, hits in made.items() for _, h in hits}
    assert np.all(np.diff(truth.hit) >= 0)
    assert {tuple(e) for e in truth.edges.tolist()} == set(edges)
    assert len(truth.edges) == len(edges)
    for (a, b), pt, good in zip(truth.edges.tolist(), truth.edge_pt, truth.edge_findable, strict=True):
        assert pt == pytest.approx(max(np.hypot(*momentum[who][1:3]) for who in edges[a, b]), rel=1e-5)
        assert good == any(who in findable for who in edges[a, b])


def test_overlapping_modules_of_a_layer_all_join_the_next():
    truth = truth_of([[(7, 1.0, o)] for o in range(4)], TRACK, [0, 1, 1, 2])
    assert truth.edges.tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]


def test_a_share_below_a_tenth_counts_for_nothing():
    # The cluster on layer 1 is the particle's at 0.1, and not at 0.09: then its crossing counts as lost.
    for share, n_hits, edges in ((0.1, 4, [[0, 1], [1, 2], [2, 3]]), (0.09, 3, [[2, 3]])):
        entries = [[(7, 1.0, 0)], [(7, share, 1), (8, 1 - share, 0)], [(7, 1.0, 2)], [(7, 1.0, 3)]]
        truth = truth_of(entries, [*TRACK, (8, 0.1, 0, 0, 1.0)], [0, 1, 2, 3])
        assert truth.n_hits.tolist() == [n_hits, 1]
        assert truth.findable.tolist() == [n_hits == 4, False]
        assert truth.edges.tolist() == edges


def test_a_merged_cluster_counts_for_both_particles():
    # Two particles share the cluster on layer 1.
    entries = [[(7, 1.0, 0)], [(8, 1.0, 0)], [(7, 0.5, 1), (8, 0.5, 1)], [(7, 1.0, 2)], [(8, 1.0, 2)]]
    truth = truth_of(entries, [*TRACK, (8, 2.0, 0, 0, -1.0)], [0, 0, 1, 2, 2])
    assert truth.n_hits.tolist() == [3, 3]
    assert truth.edges.tolist() == [[0, 2], [1, 2], [2, 3], [2, 4]]
    score = metrics.score_tracks(truth, [np.array([0, 2, 3]), np.array([1, 2, 4])])
    assert score.particle.tolist() == [0, 1]
    assert score.hit_fraction.tolist() == [1, 1]
    found = metrics.seed_efficiency(truth, np.array([[1, 2, 4]], dtype=np.int32))
    assert found.tolist() == [False, True]


def test_a_particle_of_exactly_the_least_pt_is_not_findable():
    clusters, particles, layer = event_of([[(7, 1.0, o)] for o in range(4)], [(7, 0.0, 0, 0, 1.0)], range(4))
    for pt, findable in ((0.9, False), (np.nextafter(0.9, 1), True)):
        particles["px"] = np.array([pt])
        assert metrics.event_truth(clusters, particles, layer).findable.tolist() == [findable]


@pytest.mark.parametrize(
    ("particle", "layers", "findable"),
    [((7, 0.91, 0, 0, 1), 4, True), ((7, 0.89, 0, 0, 1), 4, False), ((7, 1, 0, np.sinh(2.49), 1), 4, True),
     ((7, 1, 0, np.sinh(-2.51), 1), 4, False), ((7, 2, 0, 0, 0), 4, False), ((7, 2, 0, 0, -1), 3, False)],
)  # fmt: skip
def test_findable_is_charged_stiff_central_and_seen_on_four_layers(particle, layers, findable):
    truth = truth_of([[(7, 1.0, o)] for o in range(5)], [particle], [min(k, layers - 1) for k in range(5)])
    assert truth.findable.tolist() == [findable]


def test_pseudorapidity_is_that_of_the_polar_angle():
    theta = np.array([0.1, 1.0, np.pi / 2, 2.5])
    eta = metrics.pseudorapidity(np.sin(theta) * 0.6, np.sin(theta) * -0.8, np.cos(theta))
    np.testing.assert_allclose(eta, -np.log(np.tan(theta / 2)), atol=1e-12)
    assert metrics.pseudorapidity([0, 0], [0, 0], [1, -1]).tolist() == [np.inf, -np.inf]


def wrapped(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0, 1))
def test_distance_to_the_next_particle_is_that_of_a_double_loop(seed, n, share):
    rng = np.random.default_rng(seed)
    eta = rng.normal(0, 2, n)
    phi = rng.choice([rng.uniform(-np.pi, np.pi), np.pi, -np.pi, -1e-17, 0.0], n) + rng.choice(
        [0.0, 0.1], n
    ) * rng.normal(0, 1, n)
    others = rng.random(n) < share
    expected = []
    for i in range(n):
        apart = [
            np.hypot(eta[i] - eta[j], wrapped(phi[i] - phi[j])) for j in range(n) if others[j] and j != i
        ]
        expected.append(min(apart, default=np.inf))
    np.testing.assert_allclose(metrics.nearest_distance(eta, phi, others), expected, atol=1e-12)


def test_a_particle_along_the_beam_has_no_neighbour_and_is_none():
    eta, phi = np.array([np.inf, 1.0, 1.0]), np.array([0.0, np.pi - 0.01, 0.01 - np.pi])
    distance = metrics.nearest_distance(eta, phi, np.ones(3, dtype=bool))
    assert distance[0] == np.inf
    assert distance[1:] == pytest.approx([0.02, 0.02])


def test_the_next_particle_is_charged_and_seen_on_four_layers():
    # 7 is asked for; 8 is next but neutral, 9 is seen on three layers only, 10 counts, soft as it is.
    entries = [[(7, 0.3, k), (8, 0.3, k), (10, 0.3, k)] + [(9, 0.1, k)] * (k < 3) for k in range(4)]
    at = {
        who: (who, pt, pt * angle, 0.0, charge)
        for who, pt, angle, charge in ((7, 2, 0, 1), (8, 2, 1e-3, 0), (9, 2, 2e-3, 1), (10, 0.2, 0.3, -1))
    }
    truth = truth_of(entries, list(at.values()), [0, 1, 2, 3])
    assert truth.distance[0] == pytest.approx(np.arctan(0.3), rel=1e-4)
    assert truth.distance[2] == pytest.approx(2e-3, rel=1e-2)


def test_pileup_comes_from_how_the_file_was_made():
    def made(**generate):
        return {"options": {"generate": generate}}

    assert metrics.pileup_of(made(pileup=60, gun=0)) == 60
    assert metrics.pileup_of(made(pileup=0)) == 0
    # Files of a gun from before 0.2.0 hold the default of pile-up, too.
    assert metrics.pileup_of(made(pileup=200, gun=10)) is None
    for unknown in ({}, {"options": None}, {"options": {"generate": 3}}, made(), made(pileup="many")):
        assert metrics.pileup_of(unknown) is None


def test_hits_on_either_side_of_a_missing_crossing_are_a_true_edge_on_request():
    # The crossing of order 1 left no cluster; layers 0, 2, 3.
    event = event_of([[(7, 1.0, 0)], [(7, 1.0, 2)], [(7, 1.0, 3)]], TRACK, [0, 2, 3])
    assert metrics.event_truth(*event).edges.tolist() == [[1, 2]]
    assert metrics.event_truth(*event, over_missing=True).edges.tolist() == [[0, 1], [1, 2]]


def test_the_least_momentum_of_findable_particles_may_be_another():
    soft = [(7, 0.4, 0.0, 0.1, 1.0)]
    event = event_of([[(7, 1.0, k)] for k in range(4)], soft, [0, 1, 2, 3])
    assert not metrics.event_truth(*event).findable.any()
    assert metrics.event_truth(*event, min_pt=0.3).findable.all()
    assert not metrics.event_truth(*event, min_pt=0.41).findable.any()
