"""Groups of particles: sizes, distances and directions against what was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smartpix.schema import InputError
from smartpix.simulate.groups import draw_groups
from smartpix.simulate.options import GroupOptions

PITCH = np.array([0.05, 0.0125])


def test_sizes_are_equally_likely_and_half_of_the_groups_fly_alike():
    groups = draw_groups(GroupOptions((1, 2, 3)), 60_000, np.random.default_rng(1))
    first, size = np.unique(groups.first, return_counts=True)
    assert stats.chisquare(np.bincount(size[:-1])[1:]).pvalue > 1e-3
    more = size > 1
    assert abs(np.mean(groups.alike[first[more]]) - 0.5) < 0.02
    # The last one may be cut off.
    assert np.all(groups.alike[first[~more]][:-1])


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3), st.integers(0, 200), st.booleans())
def test_groups_follow_each_other_without_gaps(together, n, whole):
    groups = draw_groups(GroupOptions(tuple(together)), n, np.random.default_rng(n), whole)
    first, size = np.unique(groups.first, return_counts=True)
    assert np.all(first == np.cumsum(size) - size)
    assert np.all(groups.first[first] == first)
    assert len(first) == n if whole else len(groups.first) == n
    assert set(size.tolist()[: None if whole else -1]) <= set(together)
    np.testing.assert_array_equal(groups.alike, groups.alike[groups.first])
    assert np.all(groups.number == np.arange(len(groups.first)) - groups.first)


def test_distances_are_log_uniform_in_widths_and_go_any_way():
    groups = draw_groups(GroupOptions((3,), (0.1, 2.0)), 30_000, np.random.default_rng(1))
    cots = np.random.default_rng(2).normal(0, [4, 0.5], (30_000, 2))
    away = groups.offsets(cots, PITCH, 0.1, np.random.default_rng(3))
    later = groups.number > 0
    assert np.all(away[~later] == 0)
    scaled = (away / (PITCH + 0.1 * np.abs(cots[groups.first])))[later]
    distance = np.log(np.hypot(*scaled.T))
    assert stats.kstest(distance, stats.uniform(np.log(0.1), np.log(20)).cdf).pvalue > 1e-3
    angle = np.arctan2(scaled[:, 1], scaled[:, 0])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


def test_places_are_uniform_in_the_ring_between_the_distances():
    groups = draw_groups(GroupOptions((2,), (0.5, 2.0), "area"), 30_000, np.random.default_rng(1))
    cots = np.random.default_rng(2).normal(0, [4, 0.5], (30_000, 2))
    away = groups.offsets(cots, PITCH, 0.1, np.random.default_rng(3))
    scaled = (away / (PITCH + 0.1 * np.abs(cots[groups.first])))[groups.number > 0]
    square = (scaled**2).sum(axis=1)
    assert stats.kstest(square, stats.uniform(0.25, 3.75).cdf).pvalue > 1e-3
    # Of equal areas, one in the far corner of the ring and one at its inner edge have equal numbers.
    counts = [np.sum(np.all(np.abs(scaled - middle) < 0.15, axis=1)) for middle in ((0.7, 0.0), (1.2, -1.2))]
    assert stats.binomtest(int(counts[0]), int(sum(counts)), 0.5).pvalue > 1e-3


def test_directions_of_groups_that_fly_alike_agree_and_others_stay():
    groups = draw_groups(GroupOptions((1, 2, 3)), 30_000, np.random.default_rng(1))
    given_ = np.random.default_rng(2).normal(0, 1, (30_000, 2))
    directed = groups.directed(given_, np.random.default_rng(3))
    like = groups.alike & (groups.number > 0)
    np.testing.assert_array_equal(directed[~like], given_[~like])
    apart = (directed - given_[groups.first])[like]
    assert apart.std() == pytest.approx(0.01, rel=0.03)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"together": ()}, "one or more of 1, 2, 3"), ({"together": (4,)}, "one or more of"),
        ({"distance": (2.0, 1.0)}, "the lower first"), ({"distance": (0.0, 1.0)}, "from 0.001"),
        ({"law": "volume"}, "area"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        GroupOptions(**options)
