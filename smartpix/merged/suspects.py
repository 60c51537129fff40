"""Which clusters may be of several particles: a cheap look at all of them, before networks look at a few.

A quadratic form of seven numbers of a cluster: the charge per path in the silicon, the slopes, the rows and
columns it spans, and how well a lone particle's estimate knows where it crossed. Two particles leave more
charge than one, in more pixels than the slopes tell, and fit one particle's picture badly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.compiled import FAST, njit
from smartpix.estimate.base import Estimate
from smartpix.geometry import Detector
from smartpix.merged.suspect_tables import BARREL, ENDCAP, FEATURES
from smartpix.networks.fused_kernels import encode
from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["SuspectOptions", "suspect_features", "suspects"]

Singles = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

BLOCK = 64
PER_PATH = np.float32(10.0)
"""e per um at which the charge per path leaves its linear range; a particle at minimum leaves about 75."""
OF_PITCH = np.float32(0.05)
"""Sigma in pitches at which it leaves its linear range."""
ONE = np.float32(1.0)


@dataclass(frozen=True)
class SuspectOptions:
    """Which clusters are asked for their number of particles.

    Attributes:
        barrel: score above which a cluster of the barrel is suspect.
        endcap: score above which a cluster of the end-caps is suspect.
        charge: least charge per path; with less, no score is worked out. A particle leaves 75 e per um.
    """

    barrel: float = ranged(0.0, -1e4, 1e4)
    endcap: float = ranged(0.0, -1e4, 1e4)
    charge: float = ranged(80.0, 0.0, 1e6, "e/um")

    def __post_init__(self) -> None:
        check_types("suspects", self)
        check_ranges("suspects", self)


USUAL = SuspectOptions()


def suspects(
    clusters: FlatClusters,
    lone: Estimate,
    detector: Detector,
    options: SuspectOptions | None = None,
    among: Rows | None = None,
) -> Rows:
    """Rows of the clusters that may be of several particles, rising.

    Clusters that are flagged in ``lone`` are left out: what they show is cut off.

    Args:
        clusters: C of them.
        lone: (C,) estimates as of one particle each.
        among: rows of the clusters that are looked at, rising; None: all.
    """
    options = options or USUAL
    # A cluster is above its region's cut if its score is above 0.
    tables = np.array([ENDCAP, BARREL], dtype=np.float32)
    tables[:, 0] -= np.array([options.endcap, options.barrel], dtype=np.float32)
    (shape, mean, factor, module, *of_modules), flagged = _columns(clusters, lone, detector), lone.flagged
    if among is not None:
        shape, mean, factor, module, flagged = (a[among] for a in (shape, mean, factor, module, flagged))
    rows = np.empty(len(module), dtype=np.int64)
    n = _find(shape, mean, factor, module, *of_modules, flagged, tables, options.charge, rows)
    return rows[:n].copy() if among is None else among[rows[:n]]


def suspect_features(clusters: FlatClusters, lone: Estimate, detector: Detector) -> Singles:
    """The numbers (C, 7) that :func:`suspects` looks at, in the order of
    :data:`smartpix.merged.suspect_tables.FEATURES`.
    """
    features = np.empty((len(clusters), len(FEATURES)), dtype=np.float32)
    _features(*_columns(clusters, lone, detector), features)
    return features


def _columns(clusters: FlatClusters, lone: Estimate, detector: Detector) -> tuple[npt.NDArray[Any], ...]:
    """What the loops read."""
    return (
        clusters.outlines.shape, np.ascontiguousarray(lone.mean), np.ascontiguousarray(lone.cholesky),
        clusters.module, detector.barrel, detector.pitch_x, detector.pitch_y, detector.thickness,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _fill(
    rows: Any, shape: Any, mean: Any, factor: Any, module: Any, pitch_x: Any, pitch_y: Any, thickness: Any,
    block: Any,
) -> None:  # fmt: skip
    """Fill ``block`` (7, BLOCK) with the features of clusters ``rows``, at most so many."""
    for b in range(len(rows)):
        k = rows[b]
        m = module[k]
        cot_alpha, cot_beta = np.float32(mean[k, 2]), np.float32(mean[k, 3])
        path = np.float32(1e3 * thickness[m]) * np.sqrt(ONE + cot_alpha * cot_alpha + cot_beta * cot_beta)
        y0, y1 = np.float32(factor[k, 1, 0]), np.float32(factor[k, 1, 1])
        block[0, b] = np.float32(shape[k, 0]) / path
        block[1, b] = abs(cot_alpha)
        block[2, b] = cot_beta
        block[3, b], block[4, b] = shape[k, 2], shape[k, 1]
        block[5, b] = np.float32(factor[k, 0, 0] / pitch_x[m])
        block[6, b] = np.sqrt(y0 * y0 + y1 * y1) / np.float32(pitch_y[m])
    encode(block[0], ONE / PER_PATH, ONE)
    encode(block[5], ONE / OF_PITCH, ONE)
    encode(block[6], ONE / OF_PITCH, ONE)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _features(
    shape: Any, mean: Any, factor: Any, module: Any, barrel: Any, pitch_x: Any, pitch_y: Any, thickness: Any,
    features: Any,
) -> None:  # fmt: skip
    """Fill ``features`` (C, 7)."""
    block = np.zeros((features.shape[1], BLOCK), dtype=np.float32)
    for low in range(0, len(module), BLOCK):
        rows = np.arange(low, min(low + BLOCK, len(module)))
        _fill(rows, shape, mean, factor, module, pitch_x, pitch_y, thickness, block)
        for b in range(len(rows)):
            for i in range(len(block)):
                features[low + b, i] = block[i, b]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _find(
    shape: Any, mean: Any, factor: Any, module: Any, barrel: Any, pitch_x: Any, pitch_y: Any, thickness: Any,
    flagged: Any, tables: Any, least: float, found: Any,
) -> int:  # fmt: skip
    """Fill ``found`` (C,) with the rows for which a form of ``tables`` (2, 36), of the end-caps and of the
    barrel, is above 0; returns how many.

    A form is its constant, then of each feature its own coefficient and those of its products with itself and
    with those after it.
    """
    n_rows = 0
    # Most clusters have too little charge: their covariances are never read.
    for k in range(len(module)):
        lowest = 1e3 * thickness[module[k]] * least
        path = 1.0 + mean[k, 2] * mean[k, 2] + mean[k, 3] * mean[k, 3]
        found[n_rows] = k
        n_rows += shape[k, 0] * shape[k, 0] > lowest * lowest * path and not flagged[k]
    block = np.zeros((7, BLOCK), dtype=np.float32)
    scores = np.zeros((2, BLOCK), dtype=np.float32)
    sums = np.zeros(BLOCK, dtype=np.float32)
    n = 0
    for low in range(0, n_rows, BLOCK):
        rows = found[low : min(low + BLOCK, n_rows)]
        _fill(rows, shape, mean, factor, module, pitch_x, pitch_y, thickness, block)
        for r in range(2):
            score, at = scores[r], 1
            score[:] = tables[r, 0]
            for i in range(len(block)):
                sums[:] = tables[r, at]
                at += 1
                for j in range(i, len(block)):
                    c = tables[r, at]
                    at += 1
                    for b in range(BLOCK):
                        sums[b] += c * block[j, b]
                for b in range(BLOCK):
                    score[b] += sums[b] * block[i, b]
        for b in range(len(rows)):
            k = rows[b]
            # Behind what is still to be read.
            found[n] = k
            n += scores[np.int64(barrel[module[k]]), b] > 0.0
    return n
