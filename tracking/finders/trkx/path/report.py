"""How good cones are: the share of crossings they hold, and their area beside the filter's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tracking.finders.trkx.path.dataset import PathData
from tracking.finders.trkx.path.gates import SHARES, cells, gate_values
from tracking.finders.trkx.path.network import PathNetwork

__all__ = ["PT_BINS", "RESAMPLES", "cones_of", "coverage_report", "measured", "rows_of", "share_name"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PT_BINS = (0.3, 0.9, 2.0, 5.0, 10.0)
"""GeV, of the particles."""
TOGETHER = 8192
"""Paths that are followed at a time."""
RESAMPLES = 100
"""Samples of the particles, drawn from them with Poisson weights, whose spread is the error."""


def measured(data: PathData) -> Ints:
    """(P, M) hits that a path has where it is asked for the next one."""
    return np.broadcast_to(np.arange(1, data.known.shape[1] + 1), data.known.shape)


def share_name(share: float) -> str:
    """Of a share of :data:`tracking.finders.trkx.path.gates.SHARES` in keys: 68, 95, 997."""
    return f"{100 * share:.3g}".replace(".", "")


@torch.inference_mode()
def cones_of(network: PathNetwork, data: PathData) -> tuple[Floats, Floats]:
    """(P, M) logarithms of the cones' areas over the filter's, and chi2 of the crossings in the cones."""
    network.eval()
    log_area, chi2 = np.zeros(data.known.shape), np.zeros(data.known.shape)
    for first in range(0, len(data), TOGETHER):
        part = slice(first, first + TOGETHER)
        memory = network.blank(len(data.pt[part]))
        for k in range(data.known.shape[1]):
            memory = network.remember(torch.from_numpy(data.hit[part, k]), memory)
            cone = network(memory, torch.from_numpy(data.target[part, k])).numpy().astype(np.float64)
            away = data.crossing[part, k] - cone[:, :2]
            u = away[:, 0] / np.exp(cone[:, 2])
            v = (away[:, 1] - cone[:, 4] * u) / np.exp(cone[:, 3])
            log_area[part, k], chi2[part, k] = cone[:, 2] + cone[:, 3], u * u + v * v
    return log_area, chi2


@dataclass(frozen=True)
class _Judged:
    """Cones of P paths at M hits: inside (shares, P, M) the crossing is, and areas (shares, P, M) in mm2.

    Attributes:
        weights: (RESAMPLES, P) how often each path is in each sample of them.
    """

    inside: tuple[Bools, Bools]
    area: tuple[Floats, Floats]
    weights: npt.NDArray[np.float32]


def _judged(network: PathNetwork, data: PathData) -> _Judged:
    """Of the network and of the filter, each drawn with its own gates."""
    log_area, chi2 = cones_of(network, data)
    alone, shape = np.sum(data.crossing.astype(np.float64) ** 2, axis=2), data.known.shape
    of = cells(measured(data).ravel(), data.path_pt.ravel(), data.upright.ravel(), data.overlap.ravel())
    tables = network.gates.numpy().astype(np.float64)
    ours, theirs = (
        np.stack([gate_values(table, s, of).reshape(shape) for s in range(len(SHARES))]) for table in tables
    )
    weights = np.random.default_rng(1).poisson(1.0, (RESAMPLES, len(data))).astype(np.float32)
    return _Judged(
        (chi2 < ours, alone < theirs), (data.area * np.exp(log_area) * ours, data.area * theirs), weights
    )


def _numbers(judged: _Judged, chosen: Bools) -> dict[str, Any]:
    """Of some predictions (P, M), with errors."""
    path = np.nonzero(chosen)[0]
    result: dict[str, Any] = {"n": len(path), "n_particles": len(np.unique(path))}
    if not len(path):
        return result
    weights = judged.weights[:, np.unique(path)]
    path = np.unique(path, return_inverse=True)[1]

    def totals(values: npt.NDArray[Any]) -> Floats:
        """Sum of values (K,), first in the sample itself, then in those drawn from it."""
        of_path = np.bincount(path, values)
        return np.concatenate([[of_path.sum()], weights @ of_path])

    n = totals(np.ones(len(path)))
    least = np.maximum(n, 1)

    def add(name: str, values: Floats) -> None:
        # A sample may have none of a few particles.
        result[name], drawn = float(values[0]), values[1:][n[1:] > 0]
        result[f"{name}_error"] = float(drawn.std()) if len(drawn) else 0.0

    for s, share in enumerate(SHARES):
        name = share_name(share)
        for end, inside in zip(("", "_kalman"), judged.inside, strict=True):
            add(f"coverage{name}{end}", totals(inside[s][chosen]) / least)
        ours, theirs = (area[s][chosen] for area in judged.area)
        sums = totals(theirs)
        add(f"area_ratio{name}", totals(ours) / np.where(n > 0, sums, 1.0))
        add(f"area_ratio{name}_geometric", np.exp(totals(np.log(ours / theirs)) / least))
        medians = [_medians(values, path, weights) for values in (ours, theirs)]
        add(f"area_ratio{name}_median", medians[0] / medians[1])
        if share == 0.95:
            for end, values, middle in zip(("", "_kalman"), (ours, theirs), medians, strict=True):
                result[f"area{end}"], result[f"mean_area{end}"] = float(middle[0]), float(np.mean(values))
    return result


def _medians(values: Floats, path: Ints, weights: npt.NDArray[np.float32]) -> Floats:
    """Median of values (K,), first in the sample itself, then in those drawn from it."""
    order = np.argsort(values)
    ranked, of = values[order], path[order]
    found = [float(np.median(values))]
    for weight in weights:
        reached = np.cumsum(weight[of], dtype=np.float64)
        found.append(ranked[min(np.searchsorted(reached, reached[-1] / 2), len(ranked) - 1)])
    return np.array(found)


def coverage_report(network: PathNetwork, data: PathData) -> dict[str, Any]:
    """Coverage and areas of the network's cones and of the filter's, each drawn with its own gates.

    Returns:
        Numbers of the predictions of next layers, of paths with two hits or more and particles from 0.3 GeV
        on; likewise ``by_pt``, for each of :data:`PT_BINS`, and ``by_layer``, for each layer of the next
        module; ``one_hit``, of paths with one hit, whose pT nobody knows; ``overlaps``, with a ``by_pt``, of
        overlapping modules of the layer of the last hit; ``collisions``, with a ``by_pt``, of next layers in
        events of collisions alone.

        Numbers are ``n`` predictions and ``n_particles``; with 68, 95 and 997 behind their names,
        ``coverage`` and the same with ``_kalman``, shares of crossings inside, and ``area_ratio``, mean area
        over that of the filter's cones, which is how many more wrong hits are inside; the same with
        ``_median`` is of medians, with ``_geometric`` the geometric mean of ratios. Each has its ``_error``,
        one standard deviation of resampled particles. ``area``, ``mean_area`` and both with ``_kalman`` are
        medians and means at 95 %, mm2.
    """
    judged = _judged(network, data)
    count, known = measured(data), data.known & (data.pt > PT_BINS[0])[:, None]
    pt = np.broadcast_to(data.pt[:, None], known.shape)
    several, ahead = known & (count > 1), ~data.overlap

    def with_bins(chosen: Bools) -> dict[str, Any]:
        by_pt = [
            {"pt": [low, high], **_numbers(judged, chosen & (pt > low) & (pt <= high))}
            for low, high in zip(PT_BINS[:-1], PT_BINS[1:], strict=True)
        ]
        return {**_numbers(judged, chosen), "by_pt": by_pt}

    by_layer = [
        {"layer": int(layer), **_numbers(judged, several & ahead & (data.layer == layer))}
        for layer in np.unique(data.layer[several & ahead])
    ]
    return {
        **with_bins(several & ahead), "by_layer": by_layer,
        "one_hit": _numbers(judged, known & ahead & (count == 1)),
        "overlaps": with_bins(several & data.overlap),
        "collisions": with_bins(several & ahead & data.collisions[:, None]),
    }  # fmt: skip


def rows_of(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """All rows of numbers of a report, by what they are of; of a report of an earlier version those that it
    has.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    parts = {"": report} | {f"{name} ": report[name] for name in ("collisions", "overlaps") if name in report}
    for name, part in parts.items():
        rows |= {f"{name}pT {r['pt'][0]:g}-{r['pt'][1]:g} GeV": r for r in part["by_pt"]}
        rows[f"{name}all"] = part
    rows |= {f"layer {r['layer']}": r for r in report["by_layer"]}
    rows["one hit"] = report["one_hit"]
    return rows
