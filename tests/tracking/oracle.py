"""Splitters that know the truth of one event: what splitting can win, and what is done with split hits."""

import awkward as ak
import numpy as np

from smartpix.merged.split import with_parts
from smartpix.schema import MIN_SHARE, TARGETS

SIGMA = np.array([0.01, 0.005, 0.3, 0.3])
"""Of the parts' estimates: x, y (mm), cot alpha, cot beta."""


def crossings_of_clusters(clusters):
    """Cluster row (T,) and x, y, cot alpha, cot beta (T, 4) of each particle that made a cluster."""
    truth = clusters["truth"]
    flat, row = ak.flatten(truth), np.repeat(np.arange(len(clusters)), ak.to_numpy(ak.num(truth)))
    made = ak.to_numpy(flat["share"]) >= MIN_SHARE
    target = np.stack([ak.to_numpy(flat[name])[made] for name in TARGETS], axis=1).astype(np.float64)
    return row[made], target


def oracle(clusters, shared=False, seed=0, sigma=SIGMA):
    """A splitter of this event: every merged cluster gives a hit for each of its particles, at most three,
    smeared by ``sigma`` about the truth; or, shared, with the lone estimate.
    """
    row, target = crossings_of_clusters(clusters)
    count = np.bincount(row, minlength=len(clusters))
    merged = np.flatnonzero(count > 1)
    n_parts = np.minimum(count[merged], 3)
    first = (np.cumsum(count) - count)[merged]
    part = np.concatenate([f + np.arange(n) for f, n in zip(first, n_parts, strict=True)] or [[]])
    part = part.astype(np.int64)

    def split(flat, header, lone):
        if shared:
            of = np.repeat(merged, n_parts)
            return with_parts(lone, merged, n_parts, lone.mean[of], lone.cholesky[of])
        mean = target[part] + np.random.default_rng(seed).normal(size=(len(part), 4)) * sigma
        return with_parts(lone, merged, n_parts, mean, np.tile(np.diag(sigma), (len(part), 1, 1)))

    return split
