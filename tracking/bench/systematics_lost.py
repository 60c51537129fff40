"""What an effect costs, and the share of it that calibration regains: of rates, resolutions, pulls and
biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["FEWEST_LOST", "of_what_is_lost", "regained"]

FEWEST_LOST = 5
"""Edges or particles: of fewer that are lost, no share that is regained is told."""
LEAST_REDUCTION, LEAST_WIDTH = 0.02, 0.05
"""Relative change of the reduction, and of a resolution, a pull's width, or a bias in sigma, below which
none is told."""
DRAWS, SEED = 20_000, 23_006
"""Of Poisson numbers, for intervals."""
OF_TRACKS = ("d0_um", "z0_um", "qop_rel")
OF_HITS = ("x", "y", "cot_alpha", "cot_beta")
COUNTED = {"edge_efficiency": "edges", "track_efficiency": "tracks"}


def regained(key: str, nominal: Mapping[str, Any], found: Mapping[str, Any]) -> float | None:
    """Share of what an effect costs that calibration regains; None where it costs too little to tell."""
    best, before, after = nominal[key]["before"], found[key]["before"], found[key]["after"]
    if key == "reduction":
        return None if best / before < 1 + LEAST_REDUCTION else float((after - before) / (best - before))
    if key not in COUNTED:
        return None
    n = found["counts"]["before"][COUNTED[key]]
    return None if (best - before) * n < FEWEST_LOST else float((after - before) / (best - before))


def of_what_is_lost(nominal: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By quantity, what an effect costs, how much of it is left after calibration, and the share regained.

    Rates lose shares of edges or particles; resolutions, relative width. Pulls in the barrel lose their
    distance from a width of 1, and biases theirs, in sigma, from the nominal one. The share of a rate has
    the interval that holds 68 % of independent Poisson numbers of what is lost.
    """
    result: dict[str, dict[str, Any]] = {}
    for key, of in COUNTED.items():
        best, before, after = nominal[key]["before"], found[key]["before"], found[key]["after"]
        n = found["counts"]["before"][of]
        share = regained(key, nominal, found)
        result[key] = {"lost": best - before, "left": best - after, "regained": share}
        if share is not None:
            result[key] |= {"n": n, "interval": _interval([(1 - v) * n for v in (best, before, after)])}
    best = nominal["reduction"]["before"]
    before, after = found["reduction"]["before"], found["reduction"]["after"]
    result["reduction"] = {
        "lost": 1 - before / best, "left": 1 - after / best, "regained": regained("reduction", nominal, found),
    }  # fmt: skip
    for key in OF_TRACKS:
        best, before, after = (
            of["resolution_of_tracks"][when][key]
            for of, when in ((nominal, "before"), (found, "before"), (found, "after"))
        )
        result[key] = _told(before / best - 1, after / best - 1)
    for key in OF_HITS:
        before, after = (found["pulls"][when]["barrel"][key] for when in ("before", "after"))
        result[f"pull_{key}"] = _told(abs(before - 1), abs(after - 1))
    for key in OF_HITS:
        best = nominal["bias_in_sigma"]["before"]["barrel"][key]
        before, after = (found["bias_in_sigma"][when]["barrel"][key] for when in ("before", "after"))
        result[f"bias_{key}"] = _told(abs(before - best), abs(after - best))
    return result


def _told(lost: float, left: float) -> dict[str, Any]:
    return {"lost": lost, "left": left, "regained": None if lost < LEAST_WIDTH else 1 - left / lost}


def _interval(lost: list[float]) -> list[float]:
    """68 % of the shares that are regained, where the numbers lost, nominal, before and after, are
    Poisson's."""
    rng = np.random.default_rng(SEED)
    best, before, after = (rng.poisson(max(n, 0.0), DRAWS) for n in lost)
    share = 1 - (after - best) / np.maximum(before - best, 1)
    return [float(v) for v in np.quantile(share, (0.16, 0.84))]
