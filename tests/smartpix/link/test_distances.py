"""The earth mover's distance beside what it is in one dimension, and by assignment."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from smartpix.link.distances import earth_movers_distance, image_distances, line_images


def test_in_one_dimension_it_is_known():
    rng = np.random.default_rng(21)
    true, found = rng.random((2, 5, 1, 21)).astype(np.float32)
    expected = [
        50 * wasserstein_distance(np.arange(21), np.arange(21), a[0], b[0])
        for a, b in zip(true, found, strict=True)
    ]
    np.testing.assert_allclose(image_distances(true, found, np.full((5, 2), 50.0)), expected, rtol=1e-5)


def test_of_equal_shares_it_is_an_assignment():
    rng = np.random.default_rng(22)
    one, other = rng.random((2, 9, 2))
    ways = cdist(one, other)
    shares = np.full(9, 1 / 9)
    rows, columns = linear_sum_assignment(ways)
    assert earth_movers_distance(shares, shares, ways) == pytest.approx(ways[rows, columns].mean())


def test_it_knows_the_pitches_and_what_is_lost():
    true = np.zeros((4, 13, 21), dtype=np.float32)
    true[:3, 6, 10] = 1000
    found = np.zeros_like(true)
    found[0, 7, 10] = 5
    found[1, 6, 11] = 5
    found[2, 6, 10] = -5
    true[2, 6, 12] = 1000
    pitch = np.tile([12.5, 50.0], (4, 1))
    # The third lost all positive charge, the fourth had none.
    np.testing.assert_allclose(image_distances(true, found, pitch), [12.5, 50, 50, np.nan])


def test_lines_of_charge_lie_where_the_track_goes():
    pitch, thickness = np.array([[0.0125, 0.05]] * 4), np.full(4, 0.1)
    mean = np.array([[0.0, 0, 0, 0], [0.05, -0.025, 0, 0], [0.0, 0, 1, 0], [0.0, 0, 0, 40]])
    images = line_images(mean, pitch, thickness)
    np.testing.assert_allclose(images.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert images[0, 6, 10] == images[1, 4, 11] == pytest.approx(1)
    # 0.1 mm along columns of 0.05 mm: half of it in the middle one, a quarter on each side.
    np.testing.assert_allclose(images[2, 6, 9:12], [0.25, 0.5, 0.25], rtol=1e-5)
    # What leaves the window is in its border.
    assert images[3, 0, 10] == images[3, -1, 10] == pytest.approx(0.49, abs=0.02)
