import numpy as np
import pytest

from smartpix.schema import InputError
from tests.seeding import toys
from tracking.finders.gnn.degrade import DegradeOptions, degraded


@pytest.fixture(scope="module")
def hits():
    return toys.toy_hits(toys.toy_event(200, seed=5), 5)


def rng():
    return np.random.default_rng(3)


def test_nothing_is_changed_if_nothing_is_asked(hits):
    same, rows = degraded(hits, toys.detector(), DegradeOptions(0.0, 0.0), rng())
    np.testing.assert_array_equal(rows, np.arange(len(hits)))
    np.testing.assert_array_equal(same.position, hits.position)


def test_modules_are_dead_as_a_whole(hits):
    left, rows = degraded(hits, toys.detector(), DegradeOptions(0.9, 0.0), rng())
    assert 0 < len(left) < len(hits)
    np.testing.assert_array_equal(left.module, hits.module[rows])
    gone = np.setdiff1d(np.arange(len(hits)), rows)
    assert not np.isin(hits.module[gone], left.module).any()


def test_added_hits_lie_on_their_modules_and_keep_layer_and_estimate(hits):
    detector = toys.detector()
    more, rows = degraded(hits, detector, DegradeOptions(0.0, 0.9), rng())
    added = np.flatnonzero(rows < 0)
    assert len(added) > 10
    np.testing.assert_array_equal(rows[: len(hits)], np.arange(len(hits)))
    np.testing.assert_array_equal(detector.layer_index[more.module[added]], more.layer[added])
    local = np.einsum(
        "nji,nj->ni",
        detector.axes[more.module[added]],
        more.position[added] - detector.center[more.module[added]],
    )
    np.testing.assert_allclose(local[:, 2], 0, atol=1e-9)
    assert np.all(np.abs(local[:, 0]) <= detector.half_x[more.module[added]])
    assert np.all(np.abs(local[:, 1]) <= detector.half_y[more.module[added]])
    np.testing.assert_allclose(
        more.axes[added].reshape(-1, 3, 3), np.swapaxes(detector.axes[more.module[added]], 1, 2)
    )
    assert np.isin(more.cot[added, 0], hits.cot[:, 0]).all()
    assert len(np.unique(more.cluster)) == len(more)
    # Copies in other places: the original stays where it was.
    np.testing.assert_array_equal(more.position[: len(hits)], hits.position)


def test_shares_out_of_range_are_named():
    with pytest.raises(InputError, match="dead_modules"):
        DegradeOptions(dead_modules=1.0)
    with pytest.raises(InputError, match="noise"):
        DegradeOptions(noise=-0.1)
