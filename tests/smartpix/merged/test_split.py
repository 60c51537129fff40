import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.estimate.base import Estimate, longer, with_room
from smartpix.merged.split import with_parts


def split_at_random(count, seed, room):
    """What each hit should be, by loops; and what is made of estimates whose arrays have room or not."""
    rng = np.random.default_rng(seed)
    n = len(count)
    lone = Estimate(rng.normal(size=(n, 4)), rng.normal(size=(n, 4, 4)), rng.random(n) < 0.5)
    if room:
        roomy = [np.empty((n + 60, *array.shape[1:]))[:n] for array in (lone.mean, lone.cholesky)]
        roomy[0][:], roomy[1][:] = lone.mean, lone.cholesky
        lone = Estimate(*roomy, lone.flagged)
    rows = np.array([c for c in range(n) if count[c] > 1], dtype=np.int64)
    n_parts = np.array([count[c] for c in rows], dtype=np.int64)
    mean, cholesky = rng.normal(size=(n_parts.sum(), 4)), rng.normal(size=(n_parts.sum(), 4, 4))
    each, p = {}, 0
    for c in range(n):
        each[c] = [(lone.mean[c].copy(), lone.cholesky[c].copy())]
        if count[c] > 1:
            each[c] = [(mean[p + k], cholesky[p + k]) for k in range(count[c])]
            p += count[c]
    expected = [(c, each[c][0]) for c in range(n)] + [(c, part) for c in range(n) for part in each[c][1:]]
    return expected, with_parts(lone, rows, n_parts, mean, cholesky), lone.flagged.copy()


@given(count=st.lists(st.integers(1, 3), max_size=30), seed=st.integers(0, 100), room=st.booleans())
def test_hits_are_those_of_a_plain_loop(count, seed, room):
    expected, (estimate, cluster), flagged = split_at_random(count, seed, room)
    assert cluster.tolist() == [c for c, _ in expected]
    np.testing.assert_array_equal(estimate.mean, np.reshape([m for _, (m, _) in expected], (-1, 4)))
    np.testing.assert_array_equal(estimate.cholesky, np.reshape([f for _, (_, f) in expected], (-1, 4, 4)))
    np.testing.assert_array_equal(estimate.flagged, flagged[cluster])


def test_arrays_with_room_are_used_again_and_others_are_copied():
    for array, same in ((with_room(16, 4), True), (np.zeros((16, 4)), False), (np.zeros((40, 4))[4:20], False),
                        (np.zeros((40, 4))[::2][:16], False), (with_room(16, 4)[:, :2], False)):  # fmt: skip
        array[:] = 1.0
        grown = longer(array, 2)
        assert len(grown) == 18
        assert np.shares_memory(grown, array) == same
        np.testing.assert_array_equal(grown[:16], array)
    array = with_room(16, 4)
    assert not np.shares_memory(longer(array, 3), array)


@pytest.mark.parametrize("n", [0, 5])
def test_without_merged_clusters_every_estimate_stays(n):
    lone = Estimate(np.arange(4.0 * n).reshape(n, 4), np.ones((n, 4, 4)))
    none = np.zeros(0, dtype=np.int64)
    estimate, cluster = with_parts(lone, none, none, np.zeros((0, 4)), np.zeros((0, 4, 4)))
    np.testing.assert_array_equal(estimate.mean, lone.mean)
    assert cluster.tolist() == list(range(n))


@pytest.mark.parametrize("n_parts", [[2, 1, 2], [2, 0, 3], [2, 2, 2]])
def test_clusters_of_fewer_than_two_hits_are_no_split_ones(n_parts):
    lone = Estimate(np.zeros((4, 4)), np.ones((4, 4, 4)))
    with pytest.raises(ValueError, match="5 estimates for clusters of"):
        with_parts(lone, np.array([0, 1, 3]), np.array(n_parts), np.zeros((5, 4)), np.zeros((5, 4, 4)))
