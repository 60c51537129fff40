"""Clusters of the small detector."""

import numpy as np
import pytest

from tests.smartpix.estimate.flat_clusters import flat_clusters


@pytest.fixture
def clusters(samples):
    """Sixty clusters in both regions of the small detector, complete ones, with their images, modules and
    origins.
    """
    chosen = np.flatnonzero(~samples.truncated & samples.images.any(axis=(1, 2, 3)))[:60]
    rng = np.random.default_rng(1)
    images, module = samples.images[chosen], rng.integers(0, 2, 60)
    origin = np.stack([rng.integers(0, 1330, 60), rng.integers(0, 1418, 60)], axis=1)
    return images, module, origin, flat_clusters(images, module, origin)
