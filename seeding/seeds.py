"""Seeds: two edges that share a hit and agree in slope and curvature, with the track's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from seeding.cones import ConeOptions
from seeding.edges import Edges, check_same_event
from seeding.hits import Hits
from seeding.kernels import group_by
from seeding.options import SeedOptions
from seeding.seed_kernels import connect, edge_terms, hit_terms, spread_out
from seeding.table import is_straight, max_curvature, scattering_constant
from seeding.threads import in_parts

__all__ = ["SeedOptions", "Seeds", "find_seeds"]

# Well beyond the cut on a kink, 23 at the default quantile, and small enough for a feature of the network.
MISSING = 50.0
"""Support of an edge with no neighbour on that side, or none that fits any better."""
WIDE_D0 = 1.5
"""Impact parameter in mm that the displaced kinks of :class:`Seeds` allow: most b hadrons' tracks are within."""

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Seeds:
    """Triplets, best first.

    Attributes:
        hits: (S, 3) rows, inner first.
        curvature: (S,) mean of its edges, 1/mm; cot_theta, z0: (S,) likewise, z0 in mm of the inner edge.
        chi2: (S,) of both edges and their kink.
        support: (E, 6) by edge, not by seed: smallest kink chi2 with an edge before it and one after it, at
            most 50; the same two with impact parameters of 1.5 mm allowed; and the impact parameters of
            these last two kinks in mm, positive to the right of the track (minus the d0 of
            :mod:`tracking.fit`), 0 without an edge there.
    """

    hits: npt.NDArray[np.int32]
    curvature: Singles
    cot_theta: Singles
    z0: Singles
    chi2: Singles
    support: Singles

    def __len__(self) -> int:
        return len(self.hits)


def find_seeds(
    hits: Hits, edges: Edges, field: float, cone: ConeOptions, options: SeedOptions, threads: int = 1
) -> Seeds:
    """Seeds of one event, best first; the result does not depend on ``threads``.

    Raises:
        InputError: the edges are not of these hits.
    """
    check_same_event(hits, edges, "seeds")
    n = len(hits)
    radius, along = np.empty(n, dtype=np.float32), np.empty((n, 2), dtype=np.float32)
    terms = np.empty((len(edges), 2), dtype=np.float32)
    cholesky, upright, support = (
        hits.estimate.cholesky,
        hits.upright,
        np.full((6, len(edges)), MISSING, dtype=np.float32),
    )
    # Without a neighbour nothing tells of an impact parameter.
    support[4:] = 0
    in_parts(
        lambda first, last: hit_terms(first, last, hits.position, cholesky, upright, radius, along),
        n,
        threads,
        even=True,
    )
    ends = (edges.source, edges.target)
    in_parts(
        lambda first, last: edge_terms(first, last, *ends, radius, along, edges.cot_theta, terms),
        len(edges),
        threads,
        even=True,
    )
    # By the hit they end at, and by the one they begin at.
    grouped = in_parts(
        lambda first, last: [group_by(key, n) for key in (edges.target, edges.source)[first:last]],
        2,
        min(threads, 2),
        even=True,
    )
    (arriving, arriving_start), (leaving, leaving_start) = (g for part in grouped for g in part)
    scattering = np.float32(scattering_constant(field, cone.radiation_length))
    softest = np.float32(max_curvature(field, cone.min_pt) if is_straight(field) else 0)
    cut = np.float32(chdtri(2, 1 - options.quantile))

    def part(first: int, last: int) -> Any:
        return connect(
            first, last, *ends, arriving, arriving_start, leaving, leaving_start, terms, radius,
            edges.curvature, edges.cot_theta, edges.chi2, np.float32(cone.sigma_d0), scattering, cut, softest,
            options.per_middle, np.float32(WIDE_D0), support[0], support[1], support[2:],
        )  # fmt: skip

    parts = in_parts(part, n, threads)
    pairs, quality = (np.concatenate([p[k] for p in parts]) for k in range(2))
    # Stable, so that seeds of equal chi2 keep their order on any machine.
    order = np.argsort(quality, kind="stable")
    inner, outer = pairs[order, 0], pairs[order, 1]
    triplets = np.stack([edges.source[inner], edges.target[inner], edges.target[outer]], axis=1)
    kept = spread_out(triplets, n, options.shared)
    inner, outer = inner[kept], outer[kept]
    return Seeds(
        hits=triplets[kept],
        curvature=np.float32(0.5) * (edges.curvature[inner] + edges.curvature[outer]),
        cot_theta=np.float32(0.5) * (edges.cot_theta[inner] + edges.cot_theta[outer]),
        z0=edges.z0[inner],
        chi2=quality[order][kept],
        support=support.T,
    )
