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

from smartpix.estimate.quality import clipped, pull_width
from smartpix.schema import InputError

__all__ = [
    "AXES",
    "PREDICTED",
    "apply_calibration",
    "apply_length",
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
    out = np.zeros((len(first), 3))
    filled = np.flatnonzero(counts)
    if len(filled):
        at = first[filled]
        out[filled, 0] = np.add.reduceat(np.maximum(charge, 0.0), at)
        for k, index in ((1, column), (2, row)):
            out[filled, k] = np.maximum.reduceat(index, at) - np.minimum.reduceat(index, at) + 1
    return out


def _axes(
    mean: Floats, sigma: Floats, target: int, shape: Floats | None, cells: tuple[float, float]
) -> list[Floats]:
    """Values (N,) along the seven axes, or the first three where there are no shapes; ``cells`` is the sensor's
    thickness in pitches along x and y."""
    predicted = [mean[:, 2], mean[:, 3], np.log(sigma[:, target])]
    if shape is None:
        return predicted
    slope2 = 1 + mean[:, 2] ** 2 + mean[:, 3] ** 2
    return [
        *predicted,
        # Charge goes as the path in silicon, sqrt(1 + cot^2 alpha + cot^2 beta), and the size as the slopes.
        # What is left tells of delta rays.
        np.log(np.maximum(shape[:, 0], 1.0)) - 0.5 * np.log(slope2),
        shape[:, 1] - np.abs(mean[:, 2]) * cells[0],
        shape[:, 2] - np.abs(mean[:, 3]) * cells[1],
        # One column or two: a matter of where the track crosses, which the estimate has in whole steps.
        shape[:, 1],
    ]


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
    tables: list[list[dict[str, Any]]] = []
    for target in range(4):
        axes = _axes(mean, sigma, target, shape, cells)
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
            shift, log_scale = _corrections(axes, corrections)
            pull = (residual - shift) / np.exp(log_scale)
            members = groups[table["axis"]]
            # Shifts are in units of the network's own sigma, so that means of scaled pulls are scaled back.
            table["shift"] += [float(clipped(pull[g]).mean() * np.exp(log_scale[g].mean())) for g in members]
            table["log_scale"] += [np.log(_width(pull[g])) for g in members]
        shift, log_scale = _corrections(axes, corrections)
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


def _corrections(axes: Sequence[Floats], tables: Sequence[Mapping[str, Any]]) -> tuple[Floats, Floats]:
    """Sum over the tables of the shift and the logarithmic scale at each cluster's place on their axes."""
    shift, log_scale = np.zeros(len(axes[0])), np.zeros(len(axes[0]))
    for table in tables:
        values = axes[int(table["axis"])]
        shift += np.interp(values, table["at"], table["shift"])
        log_scale += np.interp(values, table["at"], table["log_scale"])
    return shift, log_scale


def apply_calibration(
    mean: Floats,
    cholesky: Floats,
    tables: Sequence[Sequence[Mapping[str, Any]]],
    shape: Floats | None,
    cells: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Calibrated means (N, 4) and Cholesky factors (N, 4, 4); correlations stay as they are."""
    sigma = np.linalg.norm(cholesky, axis=2)
    out_mean, out_cholesky = mean.copy(), cholesky.copy()
    for target, corrections in enumerate(tables):
        shift, log_scale = _corrections(_axes(mean, sigma, target, shape, cells), corrections)
        out_mean[:, target] += shift * sigma[:, target]
        # A row of M is one target's: scaled as a whole, it changes that sigma and no correlation in M M^T.
        out_cholesky[:, target] *= np.exp(log_scale)[:, None]
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


def apply_length(
    mean: Floats, cholesky: Floats, long: npt.NDArray[np.bool_], columns: Floats, cell: float, fit: Any
) -> None:
    """Give ``long`` (N,) clusters, in place, the cot alpha of their length with the sign the network
    found.
    """
    # Within its window the network sees no end of such a cluster. The length gives the size of the slope, but
    # not its sign.
    mean[long, 2] = np.where(mean[long, 2] < 0, -1.0, 1.0) * (columns[long] - fit["offset"]) / cell
    # Independent of the rest, whose own widths stay.
    cholesky[long, 3, 3] = np.hypot(cholesky[long, 3, 3], cholesky[long, 3, 2])
    cholesky[long, 3, 2] = 0.0
    cholesky[long, 2] = [0.0, 0.0, fit["sigma"], 0.0]
