import numpy as np

from tracking.show.points import bin_centers


def test_bins_are_drawn_at_the_middle_of_their_own_kind():
    np.testing.assert_allclose(bin_centers(np.array([0.0, 2.0, 4.0])), [1, 3])
    np.testing.assert_allclose(bin_centers(np.array([1.0, 4.0, 16.0])), [2, 8])
