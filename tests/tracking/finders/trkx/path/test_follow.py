"""Paths of many seeds at a time: neighbours, choices and cones, against straight loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.edges import find_edges
from seeding.options import ConeOptions
from tests.seeding import toys
from tests.tracking.finders.trkx.path.truths import filter_of, toy_paths
from tracking.finders.trkx.path.filter import Crossings
from tracking.finders.trkx.path.follow import Follower, Neighbours, first_seeds, leading, learned
from tracking.finders.trkx.path.network import PathNetwork
from tracking.finders.trkx.path.options import PathOptions

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS, asked=st.lists(st.integers(0, 9), max_size=8))
def test_neighbours_are_those_of_the_pairs(pairs, asked):
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    place, to = Neighbours.of(table[:, 0], table[:, 1], 10).of_hits(np.array(asked, dtype=np.int64))
    expected = sorted((k, b) for k, a in enumerate(asked) for c, b in pairs if c == a)
    assert sorted(zip(place.tolist(), to.tolist(), strict=True)) == expected


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(-50, 50)), max_size=40, unique=True),
    n=st.integers(1, 3),
)
def test_the_leading_ones_are_those_of_a_sort(rows, n):
    group, score = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(2))
    found = sorted(rows[k] for k in leading(group, score.astype(float), n))
    expected = []
    for g in set(group.tolist()):
        expected += sorted((row for row in rows if row[0] == g), key=lambda row: -row[1])[:n]
    assert found == sorted(expected)


def test_first_seeds_are_those_that_no_other_leads_to():
    seeds = np.array([[1, 2, 3], [2, 3, 4], [3, 4, 5], [7, 8, 9], [1, 2, 6]], dtype=np.int32)
    np.testing.assert_array_equal(first_seeds(seeds), [True, False, False, True, False])
    assert len(first_seeds(np.zeros((0, 3), dtype=np.int32))) == 0


def test_a_learned_cone_is_the_product_of_both_factors():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(20, 2, 2))
    full = root @ np.swapaxes(root, 1, 2)
    local, cone = rng.normal(size=(20, 2)), rng.normal(size=(20, 5))
    spread = np.stack([full[:, 0, 0], full[:, 0, 1], full[:, 1, 1]], axis=1)
    made, covariance = learned(
        Crossings(local, spread, np.zeros(20), np.zeros((20, 2)), np.ones(20, dtype=bool)), cone
    )
    for k in range(20):
        outer = np.linalg.cholesky(full[k])
        inner = np.array([[np.exp(cone[k, 2]), 0.0], [cone[k, 4], np.exp(cone[k, 3])]])
        expected = outer @ inner @ inner.T @ outer.T
        np.testing.assert_allclose(covariance[k], expected[[0, 0, 1], [0, 1, 1]])
        np.testing.assert_allclose(made[k], local[k] + outer @ cone[k, :2])


@pytest.fixture(scope="module")
def followed():
    """A toy event, its true paths, and the paths of the seeds that its particles' first three hits make."""
    hits, paths = toy_paths(80, seed=9, longest=20)
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, ConeOptions(quantile=0.9999))
    layer = hits.layer[paths.rows]
    distinct = (layer[:, 0] != layer[:, 1]) & (layer[:, 1] != layer[:, 2])
    seeds = paths.rows[distinct, :3].astype(np.int32)
    follower = Follower.of(hits, edges, filter_of(), PathNetwork(4, 4), PathOptions())
    return hits, paths.rows[distinct], follower, seeds, follower.follow(seeds)


def test_paths_of_the_filter_are_the_particles(followed):
    """An untrained network's cones are the filter's, and toys are what the filter takes them for."""
    _, rows, _, seeds, found = followed
    whole = 0
    for k, seed in enumerate(found.seed):
        path = set(found.rows[k, : found.count[k]].tolist())
        assert set(seeds[seed].tolist()) <= path
        whole += path == set(rows[seed][rows[seed] >= 0].tolist())
    assert len(found) > 0.95 * len(seeds)
    assert len(np.unique(found.seed)) == len(found)
    assert whole > 0.85 * len(seeds)


def test_a_seed_is_followed_as_if_it_were_alone(followed):
    _, _, follower, seeds, found = followed
    for k in (0, 5, 11):
        alone = follower.follow(seeds[found.seed[k] : found.seed[k] + 1])
        assert len(alone) == 1
        np.testing.assert_array_equal(alone.rows[0], found.rows[k])
        assert alone.score[0] == pytest.approx(found.score[k], rel=1e-5)


def test_no_seeds_make_no_paths(followed):
    assert len(followed[2].follow(np.zeros((0, 3), dtype=np.int32))) == 0


def test_the_score_is_how_much_likelier_hits_are_than_chance(followed):
    """Twice the background takes ln 2 of each hit but the first."""
    hits, _, follower, seeds, found = followed
    loud = Follower(
        hits, follower.ahead, follower.behind, follower.filter, follower.network,
        PathOptions(background=2 * follower.options.background),
    ).follow(seeds)  # fmt: skip
    same = np.array([np.array_equal(*pair) for pair in zip(loud.rows, found.rows, strict=True)])
    assert same.mean() > 0.9
    less = (found.score - loud.score)[same]
    np.testing.assert_allclose(less, np.log(2) * (found.count[same] - 1), rtol=1e-9)


def test_a_blank_memory_is_zero():
    assert torch.equal(PathNetwork(4, 4).blank(3), torch.zeros(3, 4))


def test_what_may_follow_two_hits_of_a_layer_follows_either(followed):
    hits, _, follower, _, found = followed
    twice = [
        k for k in range(len(found))
        if found.count[k] > 2 and np.ptp(hits.layer[found.rows[k, found.count[k] - 2 : found.count[k]]]) == 0
    ]  # fmt: skip
    assert twice
    some = found.take(np.array([*twice[:3], 0]))
    place, to = follower.candidates(some)
    for k in range(len(some)):
        last = some.rows[k, some.count[k] - 2 : some.count[k]]
        ends = last if hits.layer[last[0]] == hits.layer[last[1]] else last[1:]
        expected = sorted(
            set(np.concatenate([follower.ahead.of_hits(ends[j : j + 1])[1] for j in range(len(ends))]))
        )
        assert to[place == k].tolist() == expected
    # Those of paths that are over lead nowhere; half way along them there is something to follow.
    half = replace(some, count=np.full(len(some), 2))
    assert len(follower.candidates(half)[0]) >= len(some)


def test_overlaps_have_a_gate_of_their_own(followed):
    """Of hits on the last one's layer and on others, each gate lets its own kind alone in, however far off they are."""
    hits, _, follower, _, found = followed
    half = replace(found, count=np.full(len(found), 2))
    place = np.repeat(np.arange(len(half)), len(hits))
    to = np.tile(np.arange(len(hits)), len(half))
    same = hits.layer[to] == hits.layer[half.last[place]]
    inside = []
    with torch.no_grad():
        for kind in (0, 1):
            network = PathNetwork(4, 4)
            network.gates[..., kind] = 1e12
            inside.append(replace(follower, network=network)._weighed(half, place, to)[2])
    assert not inside[0][same].all()
    assert inside[1][same].sum() > 2 * inside[0][same].sum()
    assert inside[0][~same].sum() > 2 * inside[1][~same].sum()
