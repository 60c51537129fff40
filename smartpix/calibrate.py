"""Calibration of a trained network's covariance on held-out clusters.

A network trained on the likelihood has pulls of unit width on the whole, not in every region, and slightly long tails.
Here each target's pull is brought to mean 0 and width 1 along three axes: the predicted cot alpha, the predicted cot beta and
the predicted sigma of the target itself, all known without the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError

__all__ = ["apply_calibration", "fit_calibration"]

Floats = npt.NDArray[np.float64]

N_BINS = 8
ROUNDS = 3
SMALLEST_BIN = 200
CORE = 68.27


def _axes(mean: Floats, sigma: Floats, target: int) -> list[Floats]:
    return [mean[:, 2], mean[:, 3], np.log(sigma[:, target])]


def _width(pull: Floats) -> float:
    """Between the central 68 % half width, twice, and the standard deviation, once, which longer tails make larger."""
    core = float(np.percentile(np.abs(pull - np.median(pull)), CORE))
    return float(np.cbrt(max(float(pull.std()), 1e-6) * max(core, 1e-6) ** 2))


def fit_calibration(mean: Floats, cholesky: Floats, targets: Floats) -> list[list[dict[str, list[float]]]]:
    """Corrections of each target along each axis.

    Args:
        mean: (N, 4); cholesky: (N, 4, 4); targets: (N, 4), of clusters the network was not trained on, same units.

    Returns:
        For each of the 4 targets a list of tables ``{"axis", "at", "shift", "log_scale"}``: knots along an axis, the
        shift of the mean in units of sigma and the logarithm of the factor on sigma there. JSON-ready.

    Raises:
        InputError: not finite or no cluster at all.
    """
    if len(mean) == 0 or not (np.all(np.isfinite(mean)) and np.all(np.isfinite(cholesky))):
        raise InputError("calibration: needs held-out clusters with finite estimates; the training diverged or had no data")
    sigma = np.linalg.norm(cholesky, axis=2)
    n_bins = min(N_BINS, len(mean) // SMALLEST_BIN)
    tables: list[list[dict[str, Any]]] = []
    for target in range(4):
        axes = _axes(mean, sigma, target)
        groups = [np.array_split(np.argsort(values, kind="stable"), max(n_bins, 1)) for values in axes]
        own: list[dict[str, Any]] = []
        for axis, values in enumerate(axes):
            at = [float(np.median(values[g])) for g in groups[axis]]
            own.append({"axis": axis, "at": at, "shift": np.zeros(len(at)), "log_scale": np.zeros(len(at))})
        residual = (targets[:, target] - mean[:, target]) / sigma[:, target]
        # Knots must rise; an axis whose values are all the same has nothing to correct.
        useful = [t for t in own if len(t["at"]) > 1 and np.all(np.diff(t["at"]) > 0)]
        for table in useful * ROUNDS:
            shift, log_scale = _corrections(axes, own)
            pull = (residual - shift) / np.exp(log_scale)
            here = groups[table["axis"]]
            table["shift"] += [float(pull[g].mean() * np.exp(log_scale[g].mean())) for g in here]
            table["log_scale"] += [np.log(_width(pull[g])) for g in here]
        shift, log_scale = _corrections(axes, own)
        pull = (residual - shift) / np.exp(log_scale)
        own[0]["shift"] += float((residual - shift).mean())
        own[0]["log_scale"] += np.log(_width(pull))
        tables.append([{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in table.items()} for table in own])
    return tables


def _corrections(axes: Sequence[Floats], tables: Sequence[Mapping[str, Any]]) -> tuple[Floats, Floats]:
    """Sum over the tables of the shift and the logarithmic scale at each cluster's place on their axes."""
    shift, log_scale = np.zeros(len(axes[0])), np.zeros(len(axes[0]))
    for table in tables:
        values = axes[int(table["axis"])]
        shift += np.interp(values, table["at"], table["shift"])
        log_scale += np.interp(values, table["at"], table["log_scale"])
    return shift, log_scale


def apply_calibration(mean: Floats, cholesky: Floats, tables: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[Floats, Floats]:
    """Calibrated means (N, 4) and Cholesky factors (N, 4, 4); correlations stay as they are."""
    sigma = np.linalg.norm(cholesky, axis=2)
    out_mean, out_cholesky = mean.copy(), cholesky.copy()
    for target, own in enumerate(tables):
        shift, log_scale = _corrections(_axes(mean, sigma, target), own)
        out_mean[:, target] += shift * sigma[:, target]
        out_cholesky[:, target] *= np.exp(log_scale)[:, None]
    return out_mean, out_cholesky
