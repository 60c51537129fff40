"""How good cones are: the share of crossings they hold, and their area beside the filter's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tracking.finders.trkx.path.dataset import PathData
from tracking.finders.trkx.path.gates import SHARES, cells, gate_values
from tracking.finders.trkx.path.network import PathNetwork

__all__ = ["PT_BINS", "cones_of", "coverage_report", "measured"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PT_BINS = (0.3, 0.9, 2.0, 5.0, 10.0)
"""GeV, of the particles."""
TOGETHER = 8192
"""Paths that are followed at a time."""


def measured(data: PathData) -> Ints:
    """(P, M) hits that a path has where it is asked for the next one."""
    return np.broadcast_to(np.arange(1, data.known.shape[1] + 1), data.known.shape)


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


def coverage_report(network: PathNetwork, data: PathData) -> dict[str, Any]:
    """Coverage and areas of the network's cones and of the filter's, each drawn with its own gates.

    Returns:
        ``by_pt``: of paths with two hits or more, for each of :data:`PT_BINS`; ``by_layer``: likewise for each
        layer of the next module, pT from 0.3 GeV on; ``one_hit``: of paths with one hit, whose pT nobody
        knows; and the keys of all paths with two or more. Of each: ``n`` predictions; ``coverage68``,
        ``coverage95``, ``coverage997`` and the same with ``_kalman``: shares of crossings inside;
        ``area_ratio68`` and so on: geometric mean of the area over the filter's; ``area`` and
        ``area_kalman``: median areas at 95 %, mm2.
    """
    log_area, chi2 = cones_of(network, data)
    alone = np.sum(data.crossing.astype(np.float64) ** 2, axis=2)
    count, known = measured(data), data.known & (data.pt > PT_BINS[0])[:, None]
    pt = np.broadcast_to(data.pt[:, None], known.shape)
    of = cells(count.ravel(), data.path_pt.ravel(), data.upright.ravel())
    tables = network.gates.numpy().astype(np.float64)
    gates = [[gate_values(table, s, of).reshape(known.shape) for s in range(len(SHARES))] for table in tables]

    def numbers(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        result: dict[str, Any] = {"n": int(chosen.sum())}
        if not result["n"]:
            return result
        for s, share in enumerate(SHARES):
            name = f"{100 * share:.3g}".replace(".", "")
            ours, theirs = gates[0][s][chosen], gates[1][s][chosen]
            result[f"coverage{name}"] = float(np.mean(chi2[chosen] < ours))
            result[f"coverage{name}_kalman"] = float(np.mean(alone[chosen] < theirs))
            ratio = log_area[chosen] + np.log(ours / theirs)
            result[f"area_ratio{name}"] = float(np.exp(np.mean(ratio)))
        middle = SHARES.index(0.95)
        area = data.area[chosen] * gates[1][middle][chosen]
        result["area_kalman"] = float(np.median(area))
        result["area"] = float(
            np.median(data.area[chosen] * np.exp(log_area[chosen]) * gates[0][middle][chosen])
        )
        return result

    several = known & (count > 1)
    by_pt = [
        {"pt": [low, high], **numbers(several & (pt > low) & (pt <= high))}
        for low, high in zip(PT_BINS[:-1], PT_BINS[1:], strict=True)
    ]
    by_layer = [
        {"layer": int(layer), **numbers(several & (data.layer == layer))}
        for layer in np.unique(data.layer[several])
    ]
    return {
        **numbers(several), "by_pt": by_pt, "by_layer": by_layer, "one_hit": numbers(known & (count == 1)),
    }  # fmt: skip
