"""The filter on toys whose covariance is known."""

from dataclasses import replace

import numpy as np
from scipy.stats import chi2 as chi2_law

from smartpix.estimate.base import Estimate
from tests.seeding import toys
from tests.tracking.finders.trkx.path.truths import filter_of, toy_paths
from tracking.finders.trkx.path.filter import position_covariance


def followed(hits, paths, follower):
    """chi2 of the true crossings after each number of hits, by number of hits."""
    states, found = follower.start(hits, paths.rows[:, 0]), {}
    alive = np.arange(len(paths))
    for k in range(1, paths.rows.shape[1]):
        going = np.flatnonzero(paths.count[alive] > k)
        alive, states = alive[going], states.take(going)
        every = np.arange(len(alive))
        to = paths.rows[alive, k]
        made = follower.predict(states, every, hits, to)
        assert made.reached.all()
        off = paths.crossing[alive, k] - made.local
        xx, xy, yy = made.covariance.T
        full = np.stack([np.stack([xx, xy], axis=1), np.stack([xy, yy], axis=1)], axis=1)
        found[k] = np.einsum("ni,nij,nj->n", off, np.linalg.inv(full), off)
        states, good = follower.update(states, every, hits, to)
        assert good.all()
    return found


def test_crossings_are_as_far_off_as_the_covariance_says():
    """From three hits on neither the start's prior nor its linearisation counts."""
    hits, paths = toy_paths(400, seed=8)
    found = followed(hits, paths, filter_of())
    values = np.concatenate([found[k] for k in found if k >= 3])
    for share in (0.68, 0.95, 0.997):
        inside = np.mean(values < chi2_law.ppf(share, 2))
        assert abs(inside - share) < 4 * np.sqrt(share * (1 - share) / len(values)) + 0.005


def test_paths_do_not_depend_on_one_another():
    hits, paths = toy_paths()
    follower = filter_of()
    states = follower.start(hits, paths.rows[:, 0])
    rows = np.random.default_rng(1).permutation(len(paths))
    one, _ = follower.update(states, np.arange(len(paths)), hits, paths.rows[:, 1])
    other, _ = follower.update(states, rows, hits, paths.rows[rows, 1])
    np.testing.assert_array_equal(one.take(rows).covariance, other.covariance)
    np.testing.assert_array_equal(one.take(rows).helix, other.helix)


def test_turning_the_detector_turns_the_paths():
    hits, paths = toy_paths(20)
    turned = toys.rotated(hits, 1.0)
    follower = filter_of()
    ends = []
    for of in (hits, turned):
        states, _ = follower.update(
            follower.start(of, paths.rows[:, 0]), np.arange(len(paths)), of, paths.rows[:, 1]
        )
        ends.append(follower.predict(states, np.arange(len(paths)), of, paths.rows[:, 2]))
    np.testing.assert_allclose(ends[0].local, ends[1].local, atol=1e-6)
    np.testing.assert_allclose(ends[0].covariance, ends[1].covariance, rtol=1e-6)


def test_slopes_that_point_far_past_the_beam_count_for_nothing():
    """As those of a cluster longer than the window, whose slope has the wrong sign."""
    hits, paths = toy_paths(60)
    first = paths.rows[:, 0]
    steep = first[np.argmax(np.abs(hits.cot[first, 0]))]
    mean = hits.estimate.mean.copy()
    mean[steep, 2] *= -1
    wrong = replace(hits, estimate=Estimate(mean, hits.estimate.cholesky))
    follower = filter_of()
    right, states = follower.start(hits, first), follower.start(wrong, first)
    row = np.flatnonzero(first == steep)[0]
    others = np.arange(len(first)) != row
    np.testing.assert_array_equal(states.helix[others], right.helix[others])
    sigma = np.sqrt(states.covariance[row, 3, 3])
    assert abs(states.helix[row, 1] - right.helix[row, 1]) < 4 * sigma
    assert np.sign(states.helix[row, 1]) == np.sign(right.helix[row, 1])


def test_the_covariance_of_positions_is_the_estimates():
    hits, _ = toy_paths(5)
    rows = np.arange(len(hits))[::2]
    full = hits.estimate.covariance()[rows]
    np.testing.assert_allclose(
        position_covariance(hits, rows), np.stack([full[:, 0, 0], full[:, 0, 1], full[:, 1, 1]], axis=1)
    )
