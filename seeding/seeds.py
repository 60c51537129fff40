"""Seeds: two edges that share a hit and agree in slope and curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2 as chi2_distribution

from seeding.cones import ConeOptions
from seeding.edges import Edges, scattering_constant
from seeding.hits import Hits
from seeding.seed_kernels import connect_seeds, edge_support
from smartpix.schema import check

__all__ = ["SeedOptions", "Seeds", "find_seeds", "support"]

MISSING = 1e3
"""Support of an edge with no neighbour on that side."""


@dataclass(frozen=True)
class SeedOptions:
    """Triplets of hits.

    Attributes:
        quantile: share of true pairs of edges to keep in the test of their kink.
        per_middle: at most so many seeds a middle hit, the best ones.
    """

    quantile: float = 0.999
    per_middle: int = 3

    def __post_init__(self) -> None:
        check("seed", "quantile", self.quantile, 0 < self.quantile < 1, "between 0 and 1")
        check("seed", "per_middle", self.per_middle, self.per_middle >= 1, "at least 1")


@dataclass(frozen=True)
class Seeds:
    """Triplets.

    Attributes:
        hits: (S, 3) rows, inner first.
        curvature: (S,) mean of its edges, 1/mm; cot_theta, z0: (S,) likewise, z0 in mm of the inner edge.
        chi2: (S,) of both edges and their kink; seeds are sorted by it.
    """

    hits: npt.NDArray[np.int32]
    curvature: npt.NDArray[np.float32]
    cot_theta: npt.NDArray[np.float32]
    z0: npt.NDArray[np.float32]
    chi2: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.hits)


def _radius(hits: Hits) -> npt.NDArray[np.float64]:
    return np.asarray(np.maximum(np.hypot(hits.position[:, 0], hits.position[:, 1]), 1.0))


def _along(hits: Hits) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Uncertainty of the hits' x, and whether x runs along the beam (barrel) or along the radius (end-caps)."""
    return np.ascontiguousarray(hits.estimate.sigma()[:, 0]), np.abs(hits.axes[:, 2]) > 0.5


def support(hits: Hits, edges: Edges, field: float, cone: ConeOptions) -> npt.NDArray[np.float32]:
    """(E, 2) smallest kink chi2 of each edge with an edge before it and one after it; 1000 where there is none."""
    return np.asarray(
        edge_support(
            edges.source, edges.target, _radius(hits), edges.curvature, edges.cot_theta,
            cone.sigma_d0, *_along(hits), scattering_constant(field, cone.radiation_length), MISSING,
        )
    )  # fmt: skip


def find_seeds(hits: Hits, edges: Edges, field: float, cone: ConeOptions, options: SeedOptions) -> Seeds:
    """Seeds of one event, best first."""
    pairs, quality = connect_seeds(
        edges.source, edges.target, _radius(hits), edges.curvature, edges.cot_theta, edges.chi2,
        cone.sigma_d0, *_along(hits), scattering_constant(field, cone.radiation_length),
        float(chi2_distribution.ppf(options.quantile, 2)), options.per_middle,
    )  # fmt: skip
    order = np.argsort(quality, kind="stable")
    inner, outer = pairs[order, 0], pairs[order, 1]
    return Seeds(
        hits=np.stack([edges.source[inner], edges.target[inner], edges.target[outer]], axis=1),
        curvature=0.5 * (edges.curvature[inner] + edges.curvature[outer]),
        cot_theta=0.5 * (edges.cot_theta[inner] + edges.cot_theta[outer]),
        z0=edges.z0[inner],
        chi2=quality[order],
    )
