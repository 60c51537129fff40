import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.outlines import outlines_of

CHARGE = st.floats(-1e3, 1e4, width=32)
PIXEL = st.tuples(st.integers(0, 1343), st.integers(0, 1439), CHARGE, CHARGE)


def of(clusters):
    counts = np.array([len(c) for c in clusters], dtype=np.int64)
    pixels = np.array([p for c in clusters for p in c], dtype=float).reshape(-1, 4)
    row, column = (pixels[:, k].astype(np.int16) for k in (0, 1))
    return outlines_of(np.cumsum(counts) - counts, counts, row, column, pixels[:, 2:].astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(PIXEL, max_size=6), min_size=1, max_size=8))
def test_boxes_charges_and_windows_are_those_of_a_straight_loop(clusters):
    found = of(clusters)
    assert found.readable.all()
    for k, own in enumerate(clusters):
        rows, columns = [p[0] for p in own] or [0, -1], [p[1] for p in own] or [0, -1]
        assert found.box[k].tolist() == [rows[0], rows[-1], columns[0], columns[-1]] or own
        if own:
            assert found.box[k].tolist() == [min(rows), max(rows), min(columns), max(columns)]
            middle = [(min(rows) + max(rows)) // 2, (min(columns) + max(columns)) // 2]
            assert found.origin[k].tolist() == [middle[0] - 6, middle[1] - 10]
        size = [max(columns) - min(columns) + 1, max(rows) - min(rows) + 1] if own else [0, 0]
        np.testing.assert_allclose(found.shape[k], [sum(max(p[3], 0.0) for p in own), *size], rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [2, 3])
def test_a_charge_that_is_not_finite_is_told_of_its_cluster_alone(bad, place):
    clusters = [[(4, 5, 1e3, 2e3), (4, 6, 1e3, 2e3)] for _ in range(5)]
    worse = list(clusters[3][1])
    worse[place] = bad
    clusters[3] = [clusters[3][0], tuple(worse)]
    assert of(clusters).readable.tolist() == [True, True, True, False, True]


def test_no_clusters_have_no_outlines():
    found = of([])
    assert (found.box.shape, found.origin.shape, found.shape.shape) == ((0, 4), (0, 2), (0, 3))
