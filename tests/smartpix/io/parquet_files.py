"""Clusters and tables in the public layout."""

import numpy as np

from smartpix.io.cluster_set import ALL_LABELS, ClusterSet
from tests.smartpix.clusters import THICKNESS

SENSOR = {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": THICKNESS, "field": 3.8}
SMALL = (3, 4)


def joined(parts):
    labels = {name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels}
    return ClusterSet(np.concatenate([part.charge for part in parts]), labels, parts[0].slices)


def assert_same(found, expected, slices=None, rows=slice(None)):
    slices = expected.slices if slices is None else slices
    assert found.slices == tuple(slices)
    assert found.charge.dtype == np.float32
    np.testing.assert_array_equal(
        found.charge, expected.charge[rows, [expected.slices.index(s) for s in slices]]
    )
    assert list(found.labels) == [name for name in ALL_LABELS if name in expected.labels]
    for name, values in found.labels.items():
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, expected.labels[name][rows], err_msg=name)
