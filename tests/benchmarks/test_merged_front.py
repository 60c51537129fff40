"""What benchmarks/merged_front.py measures with: clusters of noise, and how pairs are counted."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from tests.helpers import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

from merged_front import told_apart
from merged_samples import LOW, Clusters, noise_clusters


def test_clusters_of_noise_are_one_group_each_about_the_origin_pixel():
    images = noise_clusters(300, 1)
    assert images.shape == (300, 2, 13, 21)
    np.testing.assert_array_equal(images, noise_clusters(300, 1))
    assert (images != noise_clusters(300, 2)).any()
    for image in images:
        fired = image[1] > 0
        assert ndimage.label(fired, np.ones((3, 3)))[1] == 1
        assert not image[0][~fired].any()
        rows, columns = np.nonzero(fired)
        assert ((rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2) == (6, 10)
    # Thresholds of about 140 e and noise of 50 e: no cluster has much.
    assert images.sum(axis=(1, 2, 3)).max() < 20 * LOW.threshold


def test_pairs_are_counted_at_one_single_in_twenty():
    count = np.repeat([1, 2, 3], [100, 4, 7])
    test = Clusters(np.zeros((111, 1)), count, np.zeros(111, bool), np.zeros(111))
    chance = np.concatenate([np.arange(100) / 100, [0.1, 0.935, 0.945, 0.99], np.zeros(7)])
    found = told_apart(chance, test)
    # Five singles may be above the cut, which is that of the next one: 0.94.
    assert found["efficiency"] == 0.5
    below = [10.5, 94, 95, 99.5]
    assert found["auc"] == pytest.approx(sum(below) / 400)
