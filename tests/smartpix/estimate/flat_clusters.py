"""Clusters as flat lists, for tests of estimates."""

import numpy as np

from smartpix.clusters import FlatClusters
from tests.helpers import REPOSITORY, detector_of, module_row

SAMPLE = REPOSITORY / "data" / "sample.root"


def two_regions():
    """One module of the barrel, one of the end-caps."""
    return detector_of(
        [
            module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1),
            module_row((60.0, 0, 600.0), (0, 1.0, 0), (1.0, 0, 0), (0, 0, -1.0), 2, 1, volume=9),
        ]
    )


def flat_clusters(images, module, origin, truncated=None):
    """Clusters whose windows, from ``origin`` (row, column) on, hold the images."""
    fired = [np.argwhere(np.any(image != 0, axis=0)) for image in images]
    counts = np.array([len(f) for f in fired], dtype=np.int64)
    place = np.concatenate([f + o for f, o in zip(fired, origin, strict=True)]).astype(np.int16)
    charge = np.concatenate([image[:, f[:, 0], f[:, 1]].T for image, f in zip(images, fired, strict=True)])
    n = len(images)
    return FlatClusters(
        np.array(module, dtype=np.int32), np.zeros(n, dtype=bool) if truncated is None else truncated,
        np.zeros((n, 2)),
        np.cumsum(counts) - counts, counts, place[:, 0], place[:, 1], charge.astype(np.float32),
    )  # fmt: skip
