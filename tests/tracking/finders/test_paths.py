import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seeding.edges import Edges
from seeding.hits import Hits
from smartpix.estimate.base import Estimate
from smartpix.layers import LayerPairs
from smartpix.schema import InputError
from tests.seeding import toys
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks, layer_ranks


def hits_on(layers, position=None, module=None):
    n = len(layers)
    position = 100.0 * np.arange(3 * n).reshape(n, 3) if position is None else np.array(position, dtype=float)
    return Hits(
        np.arange(n), np.arange(n, dtype=np.int32) if module is None else np.array(module, dtype=np.int32),
        np.array(layers, dtype=np.int32), position,
        Estimate(np.zeros((n, 4)), np.zeros((n, 4, 4))), np.zeros((n, 9)),
    )  # fmt: skip


def edges_of(pairs, n_hits):
    n = len(pairs)
    both = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    zero = np.zeros(n, dtype=np.float32)
    return Edges(
        both[:, 0].copy(),
        both[:, 1].copy(),
        np.zeros(n, dtype=np.int32),
        zero,
        zero,
        zero,
        zero,
        np.zeros((n, 4)),
        n,
        n,
        n_hits,
    )


RANKS = np.arange(10, dtype=np.int32)
DEFAULT = BuildOptions()


def tracks_of(layers, scored, options=DEFAULT, **more):
    hits = hits_on(layers, **more)
    scores = np.array(list(scored.values()), dtype=np.float32)
    built = build_tracks(hits, edges_of(list(scored), len(hits)), scores, RANKS, options)
    return [rows.tolist() for rows in built.rows()], built


def test_ranks_rise_along_every_pair_of_the_detector():
    ranks = layer_ranks(len(toys.detector().layers), toys.pairs())
    assert all(ranks[a] < ranks[b] for a, b in toys.follows())
    assert ranks.min() == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 8))
def test_ranks_are_the_longest_paths_of_any_acyclic_pairs(seed, n):
    rng = np.random.default_rng(seed)
    names = rng.permutation(n)
    pairs = [(names[i], names[j]) for i, j in itertools.combinations(range(n), 2) if rng.random() < 0.4]

    def longest(layer):
        return max((1 + longest(a) for a, b in pairs if b == layer), default=0)

    both = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    ranks = layer_ranks(n, LayerPairs(both[:, 0], both[:, 1], np.full(len(both), -1, dtype=np.int32)))
    assert ranks.tolist() == [longest(k) for k in range(n)]


def test_a_chain_is_one_track_with_its_mean_score():
    rows, built = tracks_of([0, 1, 2, 3, 4], {(0, 1): 0.9, (1, 2): 0.8, (2, 3): 0.7, (3, 4): 0.2})
    assert rows == [[0, 1, 2, 3, 4]]
    assert built.score[0] == pytest.approx(0.65)
    assert len(built) == 1


def test_hits_come_inner_first_whatever_their_numbers():
    rows, _ = tracks_of([3, 1, 0, 2], {(2, 1): 0.9, (1, 3): 0.9, (3, 0): 0.9})
    assert rows == [[2, 1, 3, 0]]


def test_tracks_shorter_than_min_hits_are_dropped():
    chain = {(0, 1): 0.9, (1, 2): 0.9}
    assert tracks_of([0, 1, 2], chain)[0] == []
    assert tracks_of([0, 1, 2], chain, BuildOptions(min_hits=3))[0] == [[0, 1, 2]]


def test_edges_below_min_score_do_not_join():
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.05}
    assert tracks_of([0, 1, 2, 3], chain, BuildOptions(min_score=0.1))[0] == []
    assert tracks_of([0, 1, 2, 3], chain, BuildOptions(min_score=0.01))[0] == [[0, 1, 2, 3]]


def test_a_crossing_with_one_shared_hit_goes_to_the_better_track():
    # Tracks 0-1-2-3-4 and 5-6-2-8-9 share hit 2.
    layers = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    for better, worse in (((0, 1, 2, 3, 4), (5, 6, 2, 8, 9)), ((5, 6, 2, 8, 9), (0, 1, 2, 3, 4))):
        scored = dict.fromkeys(itertools.pairwise(better), 0.99) | dict.fromkeys(
            itertools.pairwise(worse), 0.6
        )
        scored = dict(sorted(scored.items()))
        assert tracks_of(layers, scored)[0] == [list(better)]
        # Wrong turns at the shared hit are no better than right ones.
        wrong = {(better[1], worse[2]): 0.99, (better[2], worse[3]): 0.3, (worse[2], better[3]): 0.99}
        assert tracks_of(layers, scored | wrong)[0] == [list(better)]


def test_the_other_track_keeps_its_own_hits_when_enough_are_left():
    # 0-1-2-3 share hit 2 with 5-6-7-8-2': the loser runs on through an edge of its own.
    layers = [0, 1, 2, 3, 0, 1, 3, 4]
    strong = {(0, 1): 0.99, (1, 2): 0.99, (2, 3): 0.99}
    weak = {(4, 5): 0.7, (5, 2): 0.7, (2, 6): 0.3, (5, 6): 0.5, (6, 7): 0.7}
    rows, _ = tracks_of(layers, strong | weak)
    assert sorted(rows) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_path_that_lacks_one_shares_another_tracks_cluster():
    # 0-1-2-3 and 4-5-6-(3): two particles made the last one.
    layers = [0, 1, 2, 3, 0, 1, 2]
    first = {(0, 1): 0.99, (1, 2): 0.99, (2, 3): 0.99}
    second = {(4, 5): 0.98, (5, 6): 0.98}
    rows, built = tracks_of(layers, {**first, **second, (6, 3): 0.95})
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 3]]
    np.testing.assert_allclose(built.score, [0.99, (0.98 + 0.98 + 0.95) / 3])
    rows, _ = tracks_of([0, 1, 2, 3, 1, 2, 3], {**first, (0, 4): 0.95, (4, 5): 0.98, (5, 6): 0.98})
    assert sorted(rows) == [[0, 1, 2, 3], [0, 4, 5, 6]]
    # The best path that can share, and no third track on the cluster.
    assert sorted(tracks_of([*layers, 2], {**first, **second, (5, 7): 0.9, (7, 3): 0.95})[0]) == [
        [0, 1, 2, 3],
        [4, 5, 7, 3],
    ]
    third = {(7, 8): 0.97, (8, 9): 0.97, (9, 3): 0.97}
    rows, _ = tracks_of([*layers, 0, 1, 2], {**first, **second, (6, 3): 0.95, **third})
    assert sorted(rows) == [[0, 1, 2, 3], [4, 5, 6, 3]]
    # A weak edge does not do, nor does a path of two.
    assert tracks_of(layers, {**first, **second, (6, 3): 0.1})[0] == [[0, 1, 2, 3]]
    assert tracks_of([0, 1, 2, 3, 1, 2], {**first, (4, 5): 0.98, (5, 3): 0.95})[0] == [[0, 1, 2, 3]]
    assert tracks_of(layers, {**first, **second, (6, 3): 0.95}, BuildOptions(share_score=1.0))[0] == [
        [0, 1, 2, 3]
    ]


@pytest.mark.parametrize(("first", "second"), [(0.95, 0.8), (0.8, 0.95)])
def test_of_two_clusters_that_a_path_could_share_the_better_tied_is_shared(first, second):
    """4-5-6 lacks an outer end; 3 and 10 end other tracks."""
    chain = {
        (0, 1): 0.99,
        (1, 2): 0.99,
        (2, 3): 0.99,
        (7, 8): 0.99,
        (8, 9): 0.99,
        (9, 10): 0.99,
        (4, 5): 0.98,
        (5, 6): 0.98,
    }
    rows, built = tracks_of([0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3], {**chain, (6, 3): first, (6, 10): second})
    assert sorted(rows) == [[0, 1, 2, 3], [4, 5, 6, 3 if first > second else 10], [7, 8, 9, 10]]
    assert built.score.min() == pytest.approx((0.98 + 0.98 + 0.95) / 3)


def brute_best(n, scored, options):
    """The path with the largest sum of log-odds over all paths with enough hits."""

    def weight(s):
        return np.log(s / (1 - s)) - np.log(options.min_score / (1 - options.min_score)) + 0.1

    good = {e: s for e, s in scored.items() if s > options.min_score}
    paths = [(0.0, [h]) for h in range(n)]
    best = (-1.0, None)
    while paths:
        total, path = paths.pop()
        if len(path) >= options.min_hits and total > best[0]:
            best = (total, path)
        paths += [(total + weight(s), path + [b]) for (a, b), s in good.items() if a == path[-1]]
    return best[1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000))
@example(seed=596)  # a better path of three hits ends where the only one of four does
def test_random_events_give_disjoint_chains_and_the_best_path_of_all(seed):
    rng = np.random.default_rng(seed)
    layers = np.sort(rng.integers(0, 6, 14))
    pairs = [
        (i, j) for i in range(14) for j in range(14) if layers[j] == layers[i] + 1 and rng.random() < 0.6
    ]
    scored = {p: float(rng.uniform(0.02, 0.98)) for p in pairs}
    options = BuildOptions(overlap_score=1.0, share_score=1.0, min_track_score=0.0)
    rows, built = tracks_of(layers.tolist(), scored, options)
    used = [h for r in rows for h in r]
    assert len(used) == len(set(used))
    for r, s in zip(rows, built.score, strict=True):
        steps = list(itertools.pairwise(r))
        assert len(r) >= options.min_hits
        assert all(step in scored for step in steps)
        assert s == pytest.approx(np.mean([scored[step] for step in steps]), rel=1e-4)
    best = brute_best(14, {p: float(np.float32(s)) for p, s in scored.items()}, options)
    assert (best in rows) if best else rows == []
    # Neither the order of the edges nor a second run changes anything.
    shuffled = dict(rng.permutation(np.array(list(scored.items()), dtype=object)).tolist()) if scored else {}
    again, _ = tracks_of(layers.tolist(), {tuple(k): v for k, v in shuffled.items()}, options)
    assert again == rows
    assert tracks_of(layers.tolist(), scored, options)[0] == rows


def test_equal_scores_do_not_let_the_order_of_the_edges_decide():
    layers = [0, 0, 1, 1, 2, 2, 3, 3]
    pairs = [(i, j) for i in range(8) for j in range(8) if layers[j] == layers[i] + 1]
    expected, _ = tracks_of(layers, dict.fromkeys(pairs, 0.8))
    assert len(expected) == 2
    rng = np.random.default_rng(1)
    for _ in range(10):
        shuffled = [pairs[k] for k in rng.permutation(len(pairs))]
        assert tracks_of(layers, dict.fromkeys(shuffled, 0.8))[0] == expected


def test_scores_of_exactly_0_and_1_are_fine():
    rows, built = tracks_of([0, 1, 2, 3], {(0, 1): 1.0, (1, 2): 1.0, (2, 3): 1.0, (0, 2): 0.0})
    assert rows == [[0, 1, 2, 3]]
    assert built.score[0] == 1


OVERLAP = [(0, 0, 0), (10, 0, 0), (20, 0, 0), (30, 0, 0), (20.5, 1, 0)]


def overlap(score, position=OVERLAP, module=(0, 1, 2, 3, 4), layers=(0, 1, 2, 3, 2)):
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9, (1, 4): score}
    return tracks_of(list(layers), chain, position=position, module=module)[0]


def test_the_second_hit_of_overlapping_modules_is_taken_along():
    assert overlap(0.6) == [[0, 1, 2, 4, 3]]


def test_an_overlap_hit_must_score_be_near_and_lie_on_another_module():
    assert overlap(0.4) == [[0, 1, 2, 3]]
    assert overlap(0.6, position=OVERLAP[:-1] + [(20.5, 30.0, 0)]) == [[0, 1, 2, 3]]
    assert overlap(0.6, module=(0, 1, 2, 3, 2)) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("apart", "taken"), [(9.9, True), (10.1, False)])
def test_an_overlap_hit_lies_within_ten_millimetres(apart, taken):
    rows = overlap(0.6, position=OVERLAP[:-1] + [(20.0, apart, 0)])
    assert rows == ([[0, 1, 2, 4, 3]] if taken else [[0, 1, 2, 3]])


@pytest.mark.parametrize(("elsewhere", "taken"), [(0.65, True), (0.7, False)])
def test_an_overlap_hit_whose_best_edge_leads_elsewhere_is_not_the_tracks(elsewhere, taken):
    """The edge of 0.6 to the track has to be 0.9 of its best one."""
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9, (1, 4): 0.6, (4, 5): elsewhere}
    rows, _ = tracks_of([0, 1, 2, 3, 2, 3], chain, position=[*OVERLAP, (30, 40, 0)], module=range(6))
    assert rows == ([[0, 1, 2, 4, 3]] if taken else [[0, 1, 2, 3]])


def test_only_the_best_of_two_overlap_hits_on_one_module_is_taken():
    # A particle crosses a module once: hits 4 and 5 lie on the same neighbouring module.
    position = OVERLAP + [(20.5, 2, 0)]
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9, (1, 4): 0.6, (1, 5): 0.8}
    rows, _ = tracks_of([0, 1, 2, 3, 2, 2], chain, position=position, module=(0, 1, 2, 3, 4, 4))
    assert rows == [[0, 1, 2, 5, 3]]


def test_an_overlap_hit_is_near_the_path_and_not_only_near_another_overlap_hit():
    """Hits 4 and 5 on two more modules of layer 2, 8 and 14 mm from the path's hit, 6 mm apart."""
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9, (1, 4): 0.8, (1, 5): 0.7}
    for far, taken in ((14.0, False), (9.0, True)):
        position = [*OVERLAP[:4], (20, 8, 0), (20, far, 0)]
        rows, _ = tracks_of([0, 1, 2, 3, 2, 2], chain, position=position, module=range(6))
        assert len(rows) == 1
        assert (4 in rows[0], 5 in rows[0]) == (True, taken)


def test_an_overlap_hit_is_tied_to_the_path_and_not_only_to_another_overlap_hit():
    """Hit 4 is the second of layer 2, hit 5 beside the path's hit of layer 3: an edge from 4 alone does not
    take it.
    """
    chain = {(0, 1): 0.9, (1, 2): 0.9, (2, 3): 0.9, (1, 4): 0.6}
    position = [*OVERLAP, (30.5, 1, 0)]
    layers = [0, 1, 2, 3, 2, 3]
    assert tracks_of(layers, {**chain, (4, 5): 0.6}, position=position, module=range(6))[0] == [
        [0, 1, 2, 4, 3]
    ]
    tied = tracks_of(layers, {**chain, (2, 5): 0.6}, position=position, module=range(6))[0]
    assert [sorted(r) for r in tied] == [[0, 1, 2, 3, 4, 5]]


def test_a_hit_on_a_layer_the_track_has_not_is_no_overlap():
    assert overlap(0.6, layers=(0, 1, 2, 3, 4)) == [[0, 1, 2, 3]]


def test_an_overlap_hit_goes_to_one_track_the_better():
    # Two parallel tracks of four hits; hit 8 lies beside both on layer 2.
    layers = [0, 1, 2, 3, 0, 1, 2, 3, 2]
    position = [(10.0 * k, 0, 0) for k in range(4)] + [(10.0 * k, 2, 0) for k in range(4)] + [(20.0, 1, 0)]
    for first, second, winner in ((0.9, 0.8, 0), (0.8, 0.9, 4)):
        chain = {(k, k + 1): first for k in range(3)} | {(k, k + 1): second for k in range(4, 7)}
        rows, _ = tracks_of(layers, chain | {(1, 8): 0.6, (5, 8): 0.6}, position=position)
        assert sorted(len(r) for r in rows) == [4, 5]
        assert next(r for r in rows if 8 in r)[0] == winner


def test_a_strong_shortcut_does_not_hide_the_only_path_with_enough_hits():
    # 0-2-3 scores best and is too short; 0-1-2-3 is a path with four hits.
    scored = {(0, 1): 0.6, (0, 2): 0.99, (1, 2): 0.6, (2, 3): 0.9}
    assert tracks_of([0, 1, 2, 3], scored)[0] == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("lacking", "longer_wins"), [(0.02, True), (0.08, True), (0.12, False), (0.3, False)]
)
def test_one_more_cluster_is_worth_a_tenth_in_log_odds(lacking, longer_wins):
    """0-1-2-4 leaves a layer out, 0-1-2-3-4 does not; without a bonus the sum of the longer one is less by
    ``lacking``.
    """

    def above_least(score):
        return np.log(score / (1 - score)) - np.log(0.03 / 0.97)

    direct = 0.9
    half_way = (above_least(direct) - lacking) / 2 + np.log(0.03 / 0.97)
    step = 1 / (1 + np.exp(-half_way))
    scored = {(0, 1): 0.9, (1, 2): 0.9, (2, 4): direct, (2, 3): step, (3, 4): step}
    assert tracks_of([0, 1, 2, 3, 4], scored)[0] == [[0, 1, 2, 3, 4] if longer_wins else [0, 1, 2, 4]]


def test_events_without_hits_or_edges_have_no_tracks():
    for layers in ([], [0, 1, 2, 3]):
        rows, built = tracks_of(layers, {})
        assert rows == []
        assert built.start.tolist() == [0]
        assert len(built.hits) == len(built.score) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_score", 0.0), ("min_score", 1.0), ("min_hits", 1), ("min_hits", 0), ("overlap_distance", -1.0)],
)
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        BuildOptions(**{name: value})


def test_edges_of_another_event_and_scores_of_other_edges_are_refused():
    hits = hits_on([0, 1, 2, 3])
    with pytest.raises(InputError, match="tracks: the edges were found among 5 hits and 4 hits are given"):
        build_tracks(hits, edges_of([(0, 1)], 5), np.ones(1, dtype=np.float32), RANKS, DEFAULT)
    with pytest.raises(InputError, match="tracks: there are 1 edges and 2 scores"):
        build_tracks(hits, edges_of([(0, 1)], 4), np.ones(2, dtype=np.float32), RANKS, DEFAULT)


def test_a_track_of_weak_edges_is_left_out_and_its_neighbour_stays():
    layers = [0, 1, 2, 3] * 2
    strong = {(k, k + 1): 0.9 for k in range(3)}
    weak = {(k, k + 1): score for k, score in zip(range(4, 7), (0.3, 0.4, 0.5), strict=True)}
    for least, expected in (
        (0.0, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (0.39, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (0.41, [[0, 1, 2, 3]]),
        (0.95, []),
    ):
        rows, built = tracks_of(layers, strong | weak, BuildOptions(min_track_score=least))
        assert sorted(rows) == expected
        assert len(built.score) == len(expected)
        assert built.start[-1] == len(built.hits)


@pytest.mark.parametrize(("cluster", "n_tracks"), [
    ([0, 0, 1, 1, 2, 2, 3, 3], 1), ([0, 0, 1, 1, 2, 2, 3, 4], 2), ([0, 1, 2, 3, 4, 5, 6, 7], 2),
])  # fmt: skip
def test_tracks_that_differ_in_nothing_but_shared_hits_are_one(cluster, n_tracks):
    # Two strings of four layers; where both have a cluster's hits, these share its estimate.
    hits = dataclasses.replace(hits_on([0, 0, 1, 1, 2, 2, 3, 3]), cluster=np.array(cluster))
    pairs = [(0, 2), (2, 4), (4, 6), (1, 3), (3, 5), (5, 7)]
    scores = np.array([0.9, 0.9, 0.9, 0.8, 0.8, 0.8], dtype=np.float32)
    built = build_tracks(hits, edges_of(pairs, 8), scores, RANKS, DEFAULT)
    assert [rows.tolist() for rows in built.rows()] == [[0, 2, 4, 6], [1, 3, 5, 7]][:n_tracks]
    # Estimates of their own make them two.
    mean = np.arange(32.0).reshape(8, 4)
    own = dataclasses.replace(hits, estimate=Estimate(mean, hits.estimate.cholesky))
    assert len(build_tracks(own, edges_of(pairs, 8), scores, RANKS, DEFAULT)) == 2
