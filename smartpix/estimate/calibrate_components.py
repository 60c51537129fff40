"""Calibration of networks of several components on clusters they were not trained on.

Each component is calibrated as a single estimate is (:mod:`smartpix.estimate.calibrate`), on the particles
that are drawn for it (:mod:`smartpix.estimate.components`). The weights of a mixture are brought to what
they say: of the clusters with a weight of 0.8, 80 % belong to that component.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from smartpix.estimate.calibrate import fit_calibration
from smartpix.estimate.components import chosen, ordered
from smartpix.estimate.mixture import LARGEST_LOGIT, MixtureNetwork
from smartpix.outlines import Outlines

__all__ = ["FEWEST", "fit_components", "fit_reliability"]

Floats = npt.NDArray[np.float64]

FEWEST = 50
"""Clusters of a component below which it is left as it is; calibrating with fewer is refused."""
ROUNDS = 2
"""What belongs to which component depends on the calibration, and is drawn again after the first."""
BINS = 20
"""Of a component's weight, with as many clusters each."""
UNTOUCHED: list[list[dict[str, Any]]] = [
    [{"axis": k, "at": [0.0], "shift": [0.0], "log_scale": [0.0]} for k in range(6)] for _ in range(4)
]
"""Calibration that changes nothing."""


def fit_components(
    network: MixtureNetwork, raw: npt.NDArray[Any], outlines: Outlines, targets: Floats, seed: int = 0
) -> dict[str, Any]:
    """Corrections of each component, and of a mixture's weights.

    Args:
        network: an older calibration of it is not used.
        raw: (N, O) its outputs for clusters it was not trained on; outlines: of these clusters.
        targets: (N, K, 4) of a set's particles, or (N, 4) of a mixture's one.
        seed: of what is drawn.

    Returns:
        ``calibration`` and, of a mixture, ``reliability``. JSON-ready.

    Raises:
        InputError: as :func:`smartpix.estimate.calibrate.fit_calibration`.
    """
    rng = np.random.default_rng(seed)
    plain = {k: v for k, v in network.description.items() if k not in ("calibration", "reliability")}
    start = MixtureNetwork(network.fused, plain).finish(raw, outlines)
    found: dict[str, Any] = {}
    for _ in range(ROUNDS):
        now = MixtureNetwork(network.fused, {**plain, **found}).finish(raw, outlines)
        if network.is_set:
            in_order = ordered(now, targets, rng)
            mine = [np.arange(len(raw))] * network.n
        else:
            in_order = np.repeat(targets[:, None], network.n, axis=1)
            of = chosen(now, targets, rng)
            mine = [np.flatnonzero(of == k) for k in range(network.n)]
        found["calibration"] = [
            UNTOUCHED
            if len(rows) < FEWEST
            else fit_calibration(
                start.mean[rows, k], start.cholesky[rows, k], in_order[rows, k], outlines.shape[rows],
                network.cells,
            )
            for k, rows in enumerate(mine)
        ]  # fmt: skip
        if not network.is_set:
            found["reliability"] = fit_reliability(start.weight, of)
    return found


def fit_reliability(weight: Floats, of: npt.NDArray[np.int64]) -> list[dict[str, list[float]]]:
    """Of each component knots of its weight's logit, and what it is there.

    Args:
        weight: (N, K) of a mixture; of: (N,) which component each cluster belongs to.
    """
    return [_reliability(weight[:, k], of == k) for k in range(weight.shape[1])]


def _reliability(weight: Floats, own: npt.NDArray[np.bool_]) -> dict[str, list[float]]:
    rows = np.argsort(weight, kind="stable")
    at: list[float] = []
    to: list[float] = []
    for part in np.array_split(rows, min(BINS, max(len(rows) // FEWEST, 1))):
        # One cluster more, shared as the network says: no share is 0 or 1.
        expected = float(weight[part].mean())
        share = (own[part].sum() + expected) / (len(part) + 1)
        knot = float(np.clip(logit(np.clip(expected, 1e-13, 1 - 1e-13)), -LARGEST_LOGIT, LARGEST_LOGIT))
        if not at or knot > at[-1]:
            at.append(knot)
            to.append(float(np.clip(logit(np.clip(share, 1e-13, 1 - 1e-13)), -LARGEST_LOGIT, LARGEST_LOGIT)))
    # A larger weight never means less.
    return {"at": at, "logit": np.maximum.accumulate(to).tolist()}
