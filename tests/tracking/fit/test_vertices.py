"""Vertices of drawn tracks, and their score against straight loops."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from smartpix.schema import InputError
from tracking.fit.vertices import (
    VertexOptions,
    Vertices,
    _clusters,
    score_vertices,
    true_vertices,
    vertices_along,
)


def tracks_of(rng, true, per_vertex, blur=0.0):
    """z0, sigma and vertex of the tracks of some vertices."""
    of = np.repeat(np.arange(len(true)), per_vertex)
    sigma = np.exp(rng.uniform(np.log(0.02), np.log(1.0), len(of)))
    return rng.normal(true[of], np.hypot(sigma, blur)), sigma, of


def test_separate_vertices_are_found_with_the_precision_they_tell():
    rng = np.random.default_rng(11)
    pulls = []
    for _ in range(20):
        true = np.arange(-60.0, 61.0, 12.0)
        z0, sigma, of = tracks_of(rng, true, rng.integers(8, 30, len(true)))
        options = VertexOptions(blur=1e-6)
        found = vertices_along(z0, sigma, options)
        # A track alone in its tail may be at none, and two such ones at one of their own.
        near = np.abs(found.z[:, None] - true).argmin(axis=1)
        main = np.array(
            [np.flatnonzero(near == k)[np.argmax(found.n_tracks[near == k])] for k in range(len(true))]
        )
        assert len(found) <= len(true) + 1
        at = found.label >= 0
        assert np.mean(near[found.label[at]] == of[at]) > 0.99
        assert at.mean() > 0.97
        pulls.append((found.z[main] - true) / found.sigma[main])
    pulls = np.concatenate(pulls)
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * len(pulls)))
    assert pulls.mean() == pytest.approx(0, abs=4 / np.sqrt(len(pulls)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.integers(0, 80), st.floats(0.1, 100), st.integers(1, 4))
def test_a_vertex_is_the_weighted_mean_of_its_tracks(seed, n, spread, min_tracks):
    rng = np.random.default_rng(seed)
    z0, sigma = rng.normal(0, spread, n), np.exp(rng.normal(-2, 1.5, n))
    options = VertexOptions(min_tracks=min_tracks)
    found = vertices_along(z0, sigma, options)
    assert found.label.shape == (n,)
    assert np.all(np.diff(found.z) > 0)
    for k in range(len(found)):
        rows = [t for t in range(n) if found.label[t] == k]
        weight = [1 / (sigma[t] ** 2 + options.blur**2) for t in rows]
        assert found.n_tracks[k] == len(rows) >= min_tracks
        assert found.z[k] == pytest.approx(
            sum(w * z0[t] for w, t in zip(weight, rows, strict=True)) / sum(weight), abs=1e-9
        )
        assert found.sigma[k] == pytest.approx(sum(weight) ** -0.5, rel=1e-9)
    assert found.label.max(initial=-1) < len(found)


def test_moved_mirrored_and_shuffled_tracks_give_the_same_vertices():
    rng = np.random.default_rng(12)
    z0, sigma, _ = tracks_of(rng, rng.normal(0, 50, 20), rng.integers(2, 20, 20))
    found = vertices_along(z0, sigma)
    order = rng.permutation(len(z0))
    shuffled = vertices_along(z0[order], sigma[order])
    np.testing.assert_allclose(shuffled.z, found.z, atol=1e-9)
    np.testing.assert_array_equal(shuffled.label, found.label[order])
    np.testing.assert_allclose(vertices_along(z0 + 7, sigma).z, found.z + 7, atol=1e-9)
    np.testing.assert_allclose(vertices_along(-z0, sigma).z[::-1], -found.z, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-60, 60), max_size=50), st.integers(1, 9), st.integers(1, 5))
def test_clusters_are_those_of_scikit_learn(places, gap, n_near):
    """On a grid, so that distances are exact, equal places are frequent, and some are just at the gap."""
    z = np.sort(np.array(places, dtype=np.float64))
    found = _clusters(z, float(gap), n_near)
    if len(z) == 0:
        assert found.shape == (0,)
        return
    wanted = DBSCAN(eps=gap, min_samples=n_near).fit(z[:, None])
    np.testing.assert_array_equal(found < 0, wanted.labels_ < 0)
    core = wanted.core_sample_indices_
    assert len(set(zip(found[core], wanted.labels_[core], strict=True))) == len(set(wanted.labels_[core]))
    assert np.all(np.diff(found[core]) >= 0)
    # A track between two clusters belongs to either; here it is in the nearer one.
    for k in np.flatnonzero((found >= 0) & ~np.isin(np.arange(len(z)), core)):
        apart = np.abs(z[core] - z[k])
        assert found[k] in found[core[apart == apart.min()]]


def test_neighbours_that_agree_are_one_and_others_are_two():
    z0, sigma = np.array([0.0, 0.01, 0.2, 0.21]), np.full(4, 0.1)
    assert vertices_along(z0, sigma).n_tracks.tolist() == [4]
    assert vertices_along(z0, np.full(4, 0.02)).n_tracks.tolist() == [2, 2]


def test_poorly_known_tracks_make_a_vertex_only_together():
    z0, sigma = np.array([5.0, 5.2, 5.3]), np.full(3, 0.3)
    assert vertices_along(z0[:2], sigma[:2]).label.tolist() == [-1, -1]
    assert vertices_along(z0, sigma).label.tolist() == [0, 0, 0]


def test_numbers_that_are_not_finite_are_at_no_vertex():
    z0, sigma = np.array([1.0, np.nan, 1.0, 1.0, np.inf]), np.array([0.05, 0.05, 0.05, np.inf, 0.05])
    assert vertices_along(z0, sigma).label.tolist() == [0, -1, 0, -1, -1]
    for n in (0, 1):
        none = vertices_along(np.zeros(n), np.full(n, 0.01))
        assert (len(none), none.label.tolist()) == (0, [-1] * n)
        assert none.sigma.shape == none.n_tracks.shape == (0,)


@pytest.mark.parametrize(
    "bad", [{"attach": 0.0}, {"late_tracks": 0}, {"merge": -1.0}, {"blur": float("nan")}]
)
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(InputError, match=f"vertices: {next(iter(bad))} must be"):
        VertexOptions(**bad)


def by_loops(vertices, particle, truth):
    """found, false, split and residuals with plain Python."""
    points = sorted({tuple(v) for v in truth.vertex.tolist()})
    of = [points.index(tuple(v)) for v in truth.vertex.tolist()]
    n_findable = [
        sum(f for f, o in zip(truth.findable, of, strict=True) if o == p) for p in range(len(points))
    ]
    true = [p for p in range(len(points)) if n_findable[p] >= 3 and np.hypot(*points[p][:2]) < 1]
    best, n_false, n_good = {}, 0, 0
    for k in range(len(vertices)):
        votes = [of[w] for t, w in enumerate(particle) if vertices.label[t] == k and w >= 0]
        shares = {p: votes.count(p) for p in votes}
        n = max(shares.values(), default=0)
        if n < 2:
            n_false += 1
            continue
        n_good += 1
        leads = [p for p in shares if shares[p] == n]
        assert len(leads) == 1, "the test must not have draws"
        if best.get(leads[0], (0, 0))[0] < n:
            best[leads[0]] = (n, k)
    off = {p: vertices.z[best[p][1]] - points[p][2] for p in true if p in best}
    found = [p in off and abs(off[p]) < 0.5 for p in true]
    return (
        [n_findable[p] for p in true],
        found,
        [off[p] for p, f in zip(true, found, strict=True) if f],
        n_false,
        n_good - len(best),
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_score_is_that_of_straight_loops(seed):
    rng = np.random.default_rng(seed)
    sizes = np.array([15, 11, 7, 6, 5, 3, 2])
    points = np.column_stack([rng.normal(0, 0.01, 7), [0, 0, 0, 0, 0, 0, 5.0], rng.normal(0, 30, 7)])
    vertex = np.repeat(points, sizes, axis=0)
    truth = SimpleNamespace(vertex=vertex, findable=rng.random(len(vertex)) < 0.7)
    particle = np.where(rng.random(len(vertex)) < 0.1, -1, np.arange(len(vertex)))
    # One vertex for each point, some far off; one more of 4 tracks of the first; one of tracks from
    # everywhere.
    label = np.repeat(np.arange(7), sizes)
    label[:4] = 7
    label[[15, 26]] = 8
    z = np.append(points[:, 2] + rng.choice([0.02, 0.7], 7), [points[0, 2] + 0.1, 3.0])
    made = Vertices(z, np.full(9, 0.1), np.bincount(label), label)
    score = score_vertices(made, particle, truth)
    n_findable, found, residual, n_false, n_split = by_loops(made, particle, truth)
    assert sorted(zip(score.n_findable.tolist(), score.found.tolist(), strict=True)) == sorted(
        zip(n_findable, found, strict=True)
    )
    assert sorted(score.residual.tolist()) == pytest.approx(sorted(residual))
    assert (score.n_false, score.n_split) == (n_false, n_split)
    assert score.n_split >= 1
    assert len(score.residual) == len(score.sigma) == score.found.sum()


def test_two_true_vertices_in_one_are_one_found():
    truth = SimpleNamespace(
        vertex=np.repeat([[0.0, 0, 0], [0, 0, 0.1]], [5, 4], axis=0), findable=np.ones(9, dtype=bool)
    )
    made = Vertices(np.array([0.04]), np.array([0.02]), np.array([9]), np.zeros(9, dtype=np.int64))
    score = score_vertices(made, np.arange(9), truth)
    assert score.found.tolist() == [True, False]
    assert (score.n_false, score.n_split) == (0, 0)


def test_nothing_scores_nothing():
    none = Vertices(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    empty = SimpleNamespace(vertex=np.zeros((0, 3)), findable=np.zeros(0, dtype=bool))
    score = score_vertices(none, np.zeros(0, dtype=np.int64), empty)
    assert (len(score.found), len(score.residual), score.n_false, score.n_split) == (0, 0, 0, 0)
    three = SimpleNamespace(vertex=np.zeros((3, 3)), findable=np.ones(3, dtype=bool))
    assert score_vertices(none, np.zeros(0, dtype=np.int64), three).found.tolist() == [False]


def test_true_vertices_are_near_the_axis_and_have_findable_particles():
    vertex = np.repeat([[0.0, 0, 5], [2.0, 0, 6], [0.0, 0.5, 7], [0, 0, 8]], [3, 3, 4, 3], axis=0)
    findable = np.ones(13, dtype=bool)
    findable[-1] = False
    np.testing.assert_array_equal(
        true_vertices(SimpleNamespace(vertex=vertex, findable=findable)), [[0, 0, 5], [0, 0.5, 7]]
    )
