"""Hits and edges to the graph network's input: the only maker of PyG ``Data``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch_geometric.data import Data

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.table import max_curvature
from smartpix.geometry import Detector

__all__ = ["EDGE_FEATURES", "NODE_FEATURES", "make_graph"]

NODE_FEATURES = (
    "r / 100 mm", "z / 1000 mm", "barrel", "asinh cot alpha", "asinh cot beta", "log10 sigma cot alpha", "log10 sigma cot beta",
    "log1p edges in", "log1p edges out",
)  # fmt: skip
EDGE_FEATURES = (
    "chi2 / 10", "pull cot alpha, source", "pull cot beta, source", "pull cot alpha, target", "pull cot beta, target",
    "curvature * 1 GeV", "asinh cot theta", "z0 / 50 mm", "dr / 50 mm", "dz / 200 mm",
    "log1p kink chi2 before", "log1p kink chi2 after",
)  # fmt: skip


def make_graph(
    hits: Hits,
    edges: Edges,
    support: npt.NDArray[np.float32],
    detector: Detector,
    field: float,
    labels: npt.NDArray[np.bool_] | None = None,
) -> Data:
    """Graph of one event.

    Args:
        support: (E, 2) of :class:`seeding.seeds.Seeds`.
        labels: (E,) true edges, for training.

    Returns:
        ``x`` (N, 9) and ``edge_attr`` (E, 12) as in NODE_FEATURES and EDGE_FEATURES, ``edge_index`` (2, E), and ``y`` (E,)
        if labelled. Everything is finite.
    """
    unit = max_curvature(field, 1.0)
    n = len(hits)
    r = np.hypot(hits.position[:, 0], hits.position[:, 1])
    z = hits.position[:, 2]
    sigma_a, sigma_b = np.sqrt(hits.cot_covariance[:, 0]), np.sqrt(hits.cot_covariance[:, 2])
    x = np.stack(
        [
            r / 100, z / 1000, detector.barrel[hits.module], np.arcsinh(hits.cot[:, 0]), np.arcsinh(hits.cot[:, 1]),
            np.log10(sigma_a), np.log10(sigma_b),
            np.log1p(np.bincount(edges.target, minlength=n)), np.log1p(np.bincount(edges.source, minlength=n)),
        ],
        axis=1,
    )  # fmt: skip
    attributes = np.concatenate(
        [
            edges.chi2[:, None] / 10,
            edges.pulls,
            np.stack(
                [
                    edges.curvature / unit, np.arcsinh(edges.cot_theta), edges.z0 / 50,
                    (r[edges.target] - r[edges.source]) / 50, (z[edges.target] - z[edges.source]) / 200,
                ],
                axis=1,
            ),
            np.log1p(support),
        ],
        axis=1,
    )  # fmt: skip
    data = Data(
        x=torch.from_numpy(x.astype(np.float32)),
        edge_index=torch.from_numpy(np.stack([edges.source, edges.target]).astype(np.int64)),
        edge_attr=torch.from_numpy(attributes.astype(np.float32)),
    )
    if labels is not None:
        data.y = torch.from_numpy(labels.astype(np.float32))
    return data
