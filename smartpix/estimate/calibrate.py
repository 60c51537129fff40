"""Calibration of a trained network's covariance on held-out clusters.

A network trained on the likelihood has pulls of unit width on the whole, but not in every region. Its pulls
have tails where a delta ray made a cluster longer or richer than its angle explains. Here each target's pull
is brought to mean 0 and width 1 along seven axes, all known without the truth. They are the predicted cot
alpha and cot beta, the predicted sigma of the target itself, charge, columns and rows compared with what the
predicted angles let expect, and the columns themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.estimate.finish import N_PREDICTED, NO_SHAPES, OF_SIGMA, Finishing, tables_of
from smartpix.estimate.finish_kernels import VALUES, axes_of_all, corrections_of_all
from smartpix.estimate.quality import clipped, pull_width
from smartpix.outlines import outlines_of
from smartpix.schema import InputError

__all__ = [
    "AXES",
    "PREDICTED",
    "apply_calibration",
    "cluster_shapes",
    "fit_calibration",
    "fit_length",
]

Floats = npt.NDArray[np.float64]

EDGES = (0.0, 0.005, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 0.995, 1.0)
"""Quantiles between the bins along an axis: narrow ones for the tails."""
# The axes are correlated, so that a correction along one moves the others. They are fitted in turn.
ROUNDS = 4
# At 2,000 the outermost bins, 0.5 % each, hold ten clusters.
FEWEST = 2000
"""Clusters below which only the overall shift and width are corrected."""
FEWEST_IN_BIN = 10
FEWEST_LONG = 100

AXES, PREDICTED = 7, 3
"""Axes in all, and those known from the network's outputs alone; the others come from the cluster's
pixels.
"""
OLDEST_AXES = 6
"""Weights calibrated before the columns themselves were an axis have so many."""


def cluster_shapes(
    first: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    row: npt.NDArray[Any],
    column: npt.NDArray[Any],
    charge: Floats,
) -> Floats:
    """(N, 3) charge in e, columns and rows spanned by clusters given as lists of pixels.

    Args:
        first, counts: (N,) place and number of each cluster's pixels.
        row, column: (K,); charge: (K,) of the last slice in e.
    """
    return outlines_of(first, counts, row, column, charge[:, None]).shape


def _axes(mean: Floats, cholesky: Floats, shape: Floats | None, cells: tuple[float, float]) -> Floats:
    """:data:`smartpix.estimate.finish_kernels.VALUES` (10, N); ``cells`` is the sensor's thickness in pitches
    along x and y."""
    values = np.zeros((VALUES, len(mean)))
    axes_of_all(mean, cholesky, NO_SHAPES if shape is None else shape, np.array(cells), values)
    return values


def _width(pull: Floats) -> float:
    # Its logarithm is taken: clusters whose pulls are all the same have a width too.
    return max(pull_width(pull), 1e-6)


def fit_calibration(
    mean: Floats, cholesky: Floats, targets: Floats, shape: Floats | None, cells: tuple[float, float]
) -> list[list[dict[str, Any]]]:
    """Corrections of each target along each axis.

    Args:
        mean: (N, 4); cholesky: (N, 4, 4); targets: (N, 4), of clusters the network was not trained on, same
            units.
        shape: (N, 3), see :func:`cluster_shapes`; None: only what the network says is known, as behind a
            chip's link.
        cells: the sensor's thickness in pitches along x and y.

    Returns:
        For each of the 4 targets a list of tables ``{"axis", "at", "shift", "log_scale"}``: knots along an
        axis, the shift of the mean in units of sigma and the logarithm of the factor on sigma there.
        JSON-ready.

    Raises:
        InputError: not finite or no cluster at all.
    """
    if len(mean) < 10:
        raise InputError(
            f"calibration: {len(mean)} held-out clusters are too few, at least 10 are needed; train on more"
        )
    if not all(np.all(np.isfinite(values)) for values in (mean, cholesky, targets)):
        raise InputError(
            "calibration: estimates or targets are not finite; the training diverged, lower the learning rate"
        )
    sigma = np.linalg.norm(cholesky, axis=2)
    known = _axes(mean, cholesky, shape, cells)
    tables: list[list[dict[str, Any]]] = []
    for target in range(4):
        axes = [known[0], known[1], known[OF_SIGMA + target]]
        axes += list(known[N_PREDICTED:]) if shape is not None else []
        groups = [_bins(values) if len(mean) >= FEWEST else [np.arange(len(mean))] for values in axes]
        corrections: list[dict[str, Any]] = []
        for axis, values in enumerate(axes):
            at = [float(np.median(values[g])) for g in groups[axis]]
            corrections.append(
                {"axis": axis, "at": at, "shift": np.zeros(len(at)), "log_scale": np.zeros(len(at))}
            )
        residual = (targets[:, target] - mean[:, target]) / sigma[:, target]
        # Knots must rise; an axis whose values are all the same has nothing to correct.
        useful = [t for t in corrections if len(t["at"]) > 1 and np.all(np.diff(t["at"]) > 0)]
        for table in useful * ROUNDS:
            shift, log_scale = _corrections(known, target, corrections)
            pull = (residual - shift) / np.exp(log_scale)
            members = groups[table["axis"]]
            # Shifts are in units of the network's own sigma, so that means of scaled pulls are scaled back.
            table["shift"] += [float(clipped(pull[g]).mean() * np.exp(log_scale[g].mean())) for g in members]
            table["log_scale"] += [np.log(_width(pull[g])) for g in members]
        shift, log_scale = _corrections(known, target, corrections)
        pull = (residual - shift) / np.exp(log_scale)
        corrections[0]["shift"] += float(clipped(residual - shift).mean())
        corrections[0]["log_scale"] += np.log(_width(pull))
        tables.append(corrections)
    return [
        [
            {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in table.items()}
            for table in corrections
        ]
        for corrections in tables
    ]


def _bins(values: Floats) -> list[npt.NDArray[np.int64]]:
    """Clusters by quantile of their values; equal values stay together, and a bin of too few clusters is one
    with that before.
    """
    edges = np.unique(np.quantile(values, EDGES[1:-1]))
    place = np.searchsorted(edges, values, side="left")
    counts = np.bincount(place, minlength=len(edges) + 1)
    # Numbers of columns may be rare: alone, one cluster would have pulls without any width.
    first = [k for k in range(len(counts)) if counts[k] >= FEWEST_IN_BIN]
    return [
        np.flatnonzero((place >= low) & (place < high))
        for low, high in zip([0, *first[1:]], [*first[1:], len(counts)], strict=True)
    ]


def _corrections(values: Floats, target: int, tables: Sequence[Mapping[str, Any]]) -> tuple[Floats, Floats]:
    """Sum over a target's tables of the shift and the logarithmic scale at each cluster's place on them."""
    compiled, sums = tables_of([*[[]] * target, tables]), np.empty((8, values.shape[1]))
    corrections_of_all(values, *compiled, sums)
    return sums[2 * target], sums[2 * target + 1]


def apply_calibration(
    mean: Floats,
    cholesky: Floats,
    tables: Sequence[Sequence[Mapping[str, Any]]],
    shape: Floats | None,
    cells: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Calibrated means (N, 4) and Cholesky factors (N, 4, 4); correlations stay as they are."""
    finishing = Finishing(tables_of(tables), cells)
    out_mean, out_cholesky = np.array(mean, dtype=np.float64), np.array(cholesky, dtype=np.float64)
    finishing.into(out_mean, out_cholesky, shape=shape)
    return out_mean, out_cholesky


def fit_length(columns: npt.NDArray[np.int64], cot_alpha: Floats, cell: float) -> dict[str, float] | None:
    """The relation of length and cot alpha of clusters that are longer than the window.

    Args:
        columns: (N,) they span; cot_alpha: (N,) true; cell: the sensor's thickness in pitches along x.

    Returns:
        ``offset`` and ``sigma``: |cot alpha| = (columns - offset) / cell, with this error; None for fewer
            than 100 clusters.
    """
    if len(columns) < FEWEST_LONG:
        return None
    beyond = np.asarray(columns - np.abs(cot_alpha) * cell, dtype=np.float64)
    return {"offset": float(np.median(beyond)), "sigma": _width(beyond) / cell}
