"""Candidate edges: pairs of hits on layers that follow one another, inside the cones and consistent at both ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions, Cones, make_cones
from seeding.hits import Hits
from seeding.kernels import CURVATURE_PER_TESLA, cone_edges, grid_sort
from smartpix.geometry import Detector
from smartpix.schema import InputError

__all__ = ["Edges", "LayerGrid", "find_edges", "layer_grid", "scattering_constant"]

Floats = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

GRID_Z, GRID_R = 8.0, 6.0
"""Cell size of the candidate grid along z and r, mm."""


@dataclass(frozen=True)
class Edges:
    """Edges of one event.

    Attributes:
        source, target: (E,) rows of the hits, inner first.
        pair: (E,) rows of the layer-pair list.
        chi2: (E,) of the joint test.
        curvature, cot_theta, z0: (E,) of the edge with the beam line; 1/mm, -, mm.
        pulls: (E, 4) slope residuals in sigmas: cot alpha, cot beta at the source, then at the target.
        n_tested: pairs the joint test was made for.
    """

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    pair: npt.NDArray[np.int32]
    chi2: Single
    curvature: Single
    cot_theta: Single
    z0: Single
    pulls: Single
    n_tested: int

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class LayerGrid:
    """Hits of one layer (rows) sorted into cells along z (barrel) or r (disk) and azimuth."""

    rows: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    low: float
    width: float
    n_along: int


def layer_grid(detector: Detector, layer: int, rows: npt.NDArray[np.int64], phi: Floats, radius: Floats, z: Floats) -> LayerGrid:
    """Sort the hits ``rows`` of a layer into its grid."""
    layers = detector.layers
    if layers.barrel[layer]:
        low, high, width, along = layers.z_min[layer], layers.z_max[layer], GRID_Z, z[rows]
    else:
        low, high, width, along = layers.r_min[layer], layers.r_max[layer], GRID_R, radius[rows]
    n_along = int((high - low) / width) + 1
    order, start = grid_sort(phi[rows], along, low, width, n_along)
    return LayerGrid(rows, order, start, float(low), width, n_along)


def scattering_constant(field: float, radiation_length: float) -> float:
    """theta0^2 = constant * curvature^2 / (1 + cot^2 theta): Highland's 13.6 MeV without its logarithm (PDG).

    With p = pT sqrt(1 + cot^2) and pT = 0.3 B / curvature, for a layer of ``radiation_length`` at any incidence.
    """
    return (0.0136 / max(abs(field) * CURVATURE_PER_TESLA, 1e-9)) ** 2 * radiation_length


def find_edges(
    hits: Hits, detector: Detector, pairs: npt.NDArray[np.int32], field: float, options: ConeOptions
) -> tuple[Edges, Cones]:
    """Edges inside the cones of one event.

    Args:
        pairs: (P, 2) layer pairs, from :func:`smartpix.geometry.layer_pairs`.
        field: along z in T.

    Raises:
        InputError: more edges than ``options.max_edges``.
    """
    cones = make_cones(hits, field, options)
    position = hits.position
    radius = np.hypot(position[:, 0], position[:, 1])
    phi = np.arctan2(position[:, 1], position[:, 0])
    covariance = hits.cot_covariance * options.sigma_scale**2
    state = np.stack([cones.cot_theta, cones.curvature], axis=1)
    layers = detector.layers
    by_layer = [np.flatnonzero(hits.layer == k) for k in range(len(layers))]
    grids: dict[int, LayerGrid] = {}
    sigma_curvature = max(abs(field), 1e-3) * CURVATURE_PER_TESLA / options.curvature_pt
    found, values, numbers = [], [], []
    n_edges = n_tested = 0
    for number, (inner, outer) in enumerate(pairs):
        if len(by_layer[inner]) == 0 or len(by_layer[outer]) == 0:
            continue
        if outer not in grids:
            grids[outer] = layer_grid(detector, outer, by_layer[outer], phi, radius, position[:, 2])
        grid = grids[outer]
        pair, value, tested = cone_edges(
            by_layer[inner], grid.rows, position, radius, phi, hits.axes, hits.cot, covariance,
            state, cones.covariance, bool(layers.barrel[outer]),
            float(layers.r_min[outer]), float(layers.r_max[outer]),
            float(layers.z_min[outer]), float(layers.z_max[outer]),
            grid.order, grid.start, grid.low, grid.width, grid.n_along,
            options.gate(), options.joint_cut(), 1 / options.sigma_z0, 1 / sigma_curvature, options.sigma_d0,
            scattering_constant(field, options.radiation_length), options.max_edges - n_edges,
        )  # fmt: skip
        n_edges += len(pair)
        n_tested += tested
        if n_edges > options.max_edges:
            raise InputError(
                f"cone: more than max_edges = {options.max_edges} edges; lower the quantile or raise curvature_pt or max_edges"
            )
        found.append(pair)
        values.append(value)
        numbers.append(np.full(len(pair), number, dtype=np.int32))
    pair = np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int32)
    value = np.concatenate(values) if values else np.zeros((0, 8), dtype=np.float32)
    edges = Edges(
        source=pair[:, 0].copy(),
        target=pair[:, 1].copy(),
        pair=np.concatenate(numbers) if numbers else np.zeros(0, dtype=np.int32),
        chi2=value[:, 0].copy(),
        curvature=value[:, 1].copy(),
        cot_theta=value[:, 2].copy(),
        z0=value[:, 3].copy(),
        pulls=np.ascontiguousarray(value[:, 4:8]),
        n_tested=n_tested,
    )
    return edges, cones
