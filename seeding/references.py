"""What the cones are compared with: the window a tracker without directions would search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.edges import layer_grid
from seeding.hits import Hits
from seeding.kernels import CURVATURE_PER_TESLA, window_edges
from smartpix.geometry import Detector
from smartpix.schema import InputError, check

__all__ = ["WindowOptions", "window"]


@dataclass(frozen=True)
class WindowOptions:
    """Reference window: |dphi| of a track of ``min_pt`` (GeV) from the beam line, and |z0| below ``max_z0`` (mm)."""

    min_pt: float = 0.5
    max_z0: float = 150.0
    max_edges: int = 50_000_000

    def __post_init__(self) -> None:
        check("window", "min_pt", self.min_pt, 0 < self.min_pt < np.inf, "positive (GeV)")
        check("window", "max_z0", self.max_z0, 0 <= self.max_z0 < np.inf, "0 or more (mm)")
        check("window", "max_edges", self.max_edges, self.max_edges > 0, "positive")


def window(
    hits: Hits, detector: Detector, pairs: npt.NDArray[np.int32], field: float, options: WindowOptions
) -> npt.NDArray[np.int32]:
    """Edges (E, 2) of the reference window on the same layer pairs.

    Raises:
        InputError: more edges than ``options.max_edges``.
    """
    position = hits.position
    radius = np.hypot(position[:, 0], position[:, 1])
    phi = np.arctan2(position[:, 1], position[:, 0])
    z = np.ascontiguousarray(position[:, 2])
    by_layer = [np.flatnonzero(hits.layer == k) for k in range(len(detector.layers))]
    max_curvature = max(abs(field), 1e-3) * CURVATURE_PER_TESLA / options.min_pt
    found = []
    n_edges = 0
    for inner, outer in pairs:
        if len(by_layer[inner]) == 0 or len(by_layer[outer]) == 0:
            continue
        grid = layer_grid(detector, outer, by_layer[outer], phi, radius, z)
        pair = window_edges(
            by_layer[inner], grid.rows, z, radius, phi, grid.order, grid.start, grid.low, grid.width, grid.n_along,
            max_curvature, options.max_z0, float(detector.layers.r_max[outer]), options.max_edges - n_edges,
        )  # fmt: skip
        n_edges += len(pair)
        if n_edges > options.max_edges:
            raise InputError(f"window: more than max_edges = {options.max_edges} edges; raise min_pt or max_edges")
        found.append(pair)
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int32)
