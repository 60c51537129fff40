import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from tracking.metrics import clopper_pearson
from tracking.show.points import bin_centers, enough, histogram, in_bins, moved, rate_points


def test_bins_are_drawn_at_the_middle_of_their_own_kind():
    np.testing.assert_allclose(bin_centers(np.array([0.0, 2.0, 4.0])), [1, 3])
    np.testing.assert_allclose(bin_centers(np.array([1.0, 4.0, 16.0])), [2, 8])
    np.testing.assert_allclose(moved(np.array([0.0, 2.0, 4.0]), 0.25), [1.5, 3.5])
    # Merged bins that happen to be uneven lie on a linear axis if that is said.
    np.testing.assert_allclose(moved(np.array([1.0, 2.0, 6.0]), 0.0, log=False), [1.5, 4])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 20))
def test_merged_bins_hold_enough_and_lose_nothing(total, fewest):
    edges = np.arange(len(total) + 1.0)
    merged = enough(edges, total, fewest)
    if not any(total):
        assert len(merged) == 0
        return
    held = in_bins(edges, merged, total)
    assert held.sum() == sum(total)
    assert np.all(held >= min(fewest, sum(total)))
    # Empty bins at the ends are no part of it, and no bin could be split from the left.
    filled = np.flatnonzero(total)
    assert (merged[0], merged[-1]) <= (filled[0], filled[-1] + 1)
    assert merged[0] == filled[0]
    for low, high in zip(merged[:-2].astype(int), merged[1:-1].astype(int), strict=True):
        assert sum(total[low : high - 1]) < fewest


def test_rates_of_two_series_lie_side_by_side_with_their_intervals():
    axis = Figure().subplots()
    edges = np.array([0.0, 1.0, 2.0])
    low, high = rate_points(axis, edges, [3, 0], [4, 0], shift=0.2, fmt="o")
    line, _, (across, upward) = axis.containers[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[0.7, 0.75]])
    np.testing.assert_allclose(across.get_segments()[0][:, 0], [0, 1])
    np.testing.assert_allclose(upward.get_segments()[0][:, 1], [low[0], high[0]])
    np.testing.assert_allclose([low, high], clopper_pearson(np.array([3.0]), np.array([4.0])))


def test_a_histogram_says_what_lies_beyond_its_axis():
    axis = Figure().subplots()
    values = np.array([-9.0, -0.5, 0.5, 0.6])
    heights = histogram(axis, values, 1.0, 2, density=True, label="all")
    # Over all values, so that the area is the share inside.
    np.testing.assert_allclose(heights, [0.25, 0.5])
    assert axis.get_legend_handles_labels()[1] == ["all, beyond the axis 25 %"]
    _, _, (_, upward) = axis.containers[0].lines
    ends = np.array([segment[:, 1] for segment in upward.get_segments()])
    np.testing.assert_allclose(ends, [[0, 0.5], [0.5 - 0.25 * 2**0.5, 0.5 + 0.25 * 2**0.5]], atol=1e-12)
    with pytest.raises(ValueError, match="range"):
        histogram(axis, values, float("nan"), 2)
