"""What the network reads: Cholesky factors, and numbers of order one."""

import numpy as np

from tests.tracking.finders.trkx.path.truths import filter_of, toy_paths
from tracking.finders.trkx.path.features import (
    N_HIT,
    N_TARGET,
    factor,
    hit_features,
    target_features,
    whitened,
)


def test_the_factor_is_numpys():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(50, 2, 2))
    full = root @ np.swapaxes(root, 1, 2)
    made = factor(np.stack([full[:, 0, 0], full[:, 0, 1], full[:, 1, 1]], axis=1))
    expected = np.linalg.cholesky(full)
    np.testing.assert_allclose(made, expected[:, [0, 1, 1], [0, 0, 1]])
    off = rng.normal(size=(50, 2))
    np.testing.assert_allclose(whitened(off, made), np.linalg.solve(expected, off[:, :, None])[:, :, 0])


def test_features_are_finite_and_of_order_one():
    hits, paths = toy_paths(200)
    follower = filter_of()
    states = follower.start(hits, paths.rows[:, 0])
    every = np.arange(len(paths))
    first = hit_features(states, hits, paths.rows[:, 0], None, follower.strength)
    taken = follower.predict(states, every, hits, paths.rows[:, 1])
    count = np.ones(len(paths), dtype=np.int64)
    target = target_features(states, hits, paths.rows[:, 1], taken, count, follower.strength)
    states, _ = follower.update(states, every, hits, paths.rows[:, 1])
    second = hit_features(states, hits, paths.rows[:, 1], taken, follower.strength)
    assert first.shape == second.shape == (len(paths), N_HIT)
    assert target.shape == (len(paths), N_TARGET)
    for values in (first, second, target):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert np.abs(values).max() < 12
    # The last column tells the first hit from the others.
    assert (first[:, -1] == 1).all()
    assert (second[:, -1] == 0).all()


def test_residuals_of_a_right_filter_have_a_width_of_one():
    hits, paths = toy_paths(400, seed=3)
    follower = filter_of()
    states = follower.start(hits, paths.rows[:, 0])
    every = np.flatnonzero(paths.count > 4)
    states = states.take(every)
    for k in range(1, 5):
        to, all_of = paths.rows[every, k], np.arange(len(every))
        taken = follower.predict(states, all_of, hits, to)
        states, _ = follower.update(states, all_of, hits, to)
    off = np.sinh(hit_features(states, hits, to, taken, follower.strength)[:, :2])
    assert len(every) > 100
    assert np.all(np.abs(np.quantile(np.abs(off), 0.68, axis=0) - 1) < 0.2)
