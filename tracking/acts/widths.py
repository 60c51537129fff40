"""A table for ACTS's graph-based seeding (GBTS): which slopes a cluster of a given width allows.

``useClusterWidthCuts`` of GBTS narrows the slope of pixel barrel points by such a table (``lutInputFile``).
ACTS has no producer of one. Here the slopes are those of our calibrated estimates, so that no truth is
needed.

The format is that of ACTS 48.1: JSON with ``tauLookupTable``, one entry for each 0.05 mm of width from 0.05
mm on, which has the smallest and largest abs(cot theta) away from the module's edge and near it. A negative
largest one says that too few clusters tell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from smartpix.clusters import flatten
from smartpix.estimate.base import Estimate, Estimator, estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.files import replace_when_done
from smartpix.geometry import Detector
from smartpix.io.events import Header, iterate
from smartpix.schema import InputError, check, check_types

__all__ = ["BIN_WIDTH", "EDGE", "TauTableOptions", "export_tau_table", "tau_bounds", "tau_table"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BIN_WIDTH = 0.05
"""mm of cluster width for each entry, as ACTS has it (``tauLutBinWidth``)."""
EDGE = 0.3
"""mm from the module's edge along the beam, within which a cluster may be cut short
(``moduleEdgeTolerance``).
"""
POINTS = ndtri((np.arange(16) + 0.5) / 16)
"""Each estimate counts as so many slopes, evenly in the probability of its Gaussian."""
STEP, LARGEST = 0.01, 20.0
"""Slopes are counted in steps of this, up to the largest; what is beyond counts as that."""


@dataclass(frozen=True)
class TauTableOptions:
    """How the table is made.

    Attributes:
        coverage: probability that a cluster's slope is within the bounds of its width; half of the rest is
            below.
        longest: mm, widest cluster with an entry of its own. ACTS does not cut on wider ones.
        least: with fewer clusters than this, an entry does not cut.
    """

    coverage: float = 0.99
    longest: float = 2.0
    least: int = 100

    def __post_init__(self) -> None:
        check_types("gbts-table", self)
        check("gbts-table", "coverage", self.coverage, 0 < self.coverage < 1, "between 0 and 1")
        check("gbts-table", "longest", self.longest, BIN_WIDTH <= self.longest <= 100, "0.05 to 100 mm")
        check("gbts-table", "least", self.least, self.least >= 1, "at least 1")


def tau_table(
    files: Sequence[str | Path], options: TauTableOptions = TauTableOptions(), estimator: str = "mdn"
) -> tuple[Floats, Ints]:
    """Bounds of abs(cot theta) by the width of clusters on cylinders, from the estimates of event files.

    Args:
        estimator: by the name that :func:`smartpix.estimate.choose.choose_estimator` takes.

    Returns:
        (W, 4) smallest and largest slope, away from the edge and near it, and (W, 2) numbers of clusters.

    Raises:
        InputError: no clusters on cylinders, or no estimates for the sensor.
    """
    n_widths = int(round(options.longest / BIN_WIDTH))
    counts = np.zeros((n_widths, 2, int(round(LARGEST / STEP)) + 1), dtype=np.int64)
    for opened, events in iterate(list(files)):
        chosen = choose_estimator(opened.header, estimator)
        clusters = ak.flatten(events["clusters"], axis=1)
        if len(clusters):
            _count(counts, clusters, opened.header, chosen)
    if not counts.any():
        raise InputError(
            f"{files[0] if files else 'gbts-table'}: no clusters on cylinders to make a table of; "
            "give event files of a barrel"
        )
    bounds = np.concatenate([tau_bounds(counts[:, near], options) for near in (0, 1)], axis=1)
    return bounds, counts.sum(axis=2) // len(POINTS)


def tau_bounds(counts: Ints, options: TauTableOptions) -> Floats:
    """(W, 2) smallest and largest slope of counts (W, B) in steps of :data:`STEP`, straight within a step."""
    at_most = np.cumsum(counts, axis=1, dtype=np.float64)
    bounds = np.tile([0.0, -1.0], (len(counts), 1))
    edges = STEP * np.arange(counts.shape[1] + 1)
    for row in np.flatnonzero(at_most[:, -1] >= options.least * len(POINTS)):
        share = np.concatenate([[0.0], at_most[row] / at_most[row, -1]])
        # Where nothing lies in a step, the share does not rise, and either of its ends would do.
        rises = np.concatenate([np.diff(share) > 0, [True]])
        bounds[row] = np.interp(
            [(1 - options.coverage) / 2, (1 + options.coverage) / 2], share[rises], edges[rises]
        )
    return bounds


def export_tau_table(
    files: Sequence[str | Path],
    path: str | Path,
    options: TauTableOptions = TauTableOptions(),
    estimator: str = "mdn",
) -> dict[str, Any]:
    """Write :func:`tau_table` as ACTS reads it, whole or not at all.

    Returns:
        ``file``, ``entries``, how many of them cut, and ``clusters``.

    Raises:
        InputError: as :func:`tau_table`, or the file cannot be written.
    """
    bounds, n = tau_table(files, options, estimator)
    names = ("minTau", "maxTau", "minTauNearEdge", "maxTauNearEdge")
    entries = [dict(zip(names, np.round(row, 4).tolist(), strict=True)) for row in bounds]
    # ACTS looks for the table alone.
    content = {"binWidth": BIN_WIDTH, "coverage": options.coverage, "tauLookupTable": entries}
    with replace_when_done(path) as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return {
        "file": str(path), "entries": len(entries), "cutting": int(np.sum(bounds[:, 1] >= 0)),
        "clusters": int(n.sum()),
    }  # fmt: skip


def _count(counts: Ints, clusters: ak.Array, header: Header, estimator: Estimator) -> None:
    """Add the slopes of clusters to ``counts`` (W, 2, B)."""
    detector = header.detector
    flat, made = flatten(clusters, estimator.slices), estimate(clusters, header, estimator)
    columns = clusters["pixels", "column"]
    length = ak.to_numpy(ak.max(columns, axis=1) - ak.min(columns, axis=1)).astype(np.int64) + 1
    width = width_bins(length, detector.pitch_x[flat.module])
    # A cluster that is cut off, or that the estimator does not know, has no slope.
    good = (
        detector.barrel[flat.module] & ~made.flagged & ~flat.truncated & (width >= 0) & (width < len(counts))
    )
    rows = np.flatnonzero(good)
    near = near_edge(made, detector, flat.module)[rows].astype(np.int64)
    tau = slopes(made.take(rows))
    step = np.minimum((tau / STEP).astype(np.int64), counts.shape[2] - 1)
    np.add.at(counts, (width[rows][:, None], near[:, None], step), 1)


def width_bins(length: Ints, pitch: Floats) -> Ints:
    """(N,) entries of clusters of so many columns of a pitch (mm); the first is 0.05 to 0.1 mm wide.

    In single precision and by the reciprocal, as ACTS does it: widths lie on the ends of entries.
    """
    width = (length * pitch).astype(np.float32)
    per_mm = np.float32(1) / np.float32(BIN_WIDTH)
    return np.asarray(np.floor(width * per_mm).astype(np.int64) - 1)


def near_edge(made: Estimate, detector: Detector, module: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(N,) whether a cluster lies within :data:`EDGE` of its module's end along the beam."""
    return np.asarray(detector.half_x[module] - np.abs(made.mean[:, 0]) <= EDGE)


def slopes(made: Estimate) -> Floats:
    """(N, 16) abs(cot theta) of clusters on cylinders, at points of even probability of cot alpha.

    A track of slopes a along the beam and b across it has the transverse part sqrt(1 + b^2) of its way
    through the sensor.
    """
    alpha = made.mean[:, 2:3] + made.sigma()[:, 2:3] * POINTS
    return np.asarray(np.abs(alpha) / np.hypot(1.0, made.mean[:, 3:4]))
