"""Seeds: two edges that share a hit and agree in slope and curvature, with the track's parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from seeding.cones import ConeOptions
from seeding.edges import Edges, check_same_event
from seeding.hits import Hits
from seeding.kernels import group_by
from seeding.options import SeedOptions
from seeding.seed_kernels import MISSING, connect, edge_terms, hit_terms, seed_columns
from seeding.table import is_straight, max_curvature, scattering_constant
from seeding.threads import in_parts
from smartpix.io.event_header import Header
from smartpix.notebook import span, words_and_table
from smartpix.rows import Rows
from smartpix.thumbnails import histogram

__all__ = ["MISSING", "SeedOptions", "Seeds", "find_seeds"]

WIDE_D0 = 1.5
"""Impact parameter in mm that the displaced kinks of :class:`Seeds` allow: most b hadrons' tracks are
within.
"""

Singles = npt.NDArray[np.float32]


@words_and_table
@dataclass(frozen=True)
class Seeds(Rows):
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

    def take(self, rows: npt.NDArray[np.int64]) -> Seeds:
        """Some of the seeds, in the order of ``rows``; ``support`` is of all edges."""
        names = ("hits", "curvature", "cot_theta", "z0", "chi2")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Rows of the hits, curvature (1/mm), cot theta, z0 (mm) and chi2."""
        hits = dict(zip(("inner", "middle", "outer"), self.hits.T, strict=True))
        return hits | {name: getattr(self, name) for name in ("curvature", "cot_theta", "z0", "chi2")}

    def in_words(self) -> dict[str, str]:
        """How many, and where they point."""
        return {
            "seeds": f"{len(self):,} seeds of three hits",
            "chi2": span(self.chi2),
            "z0": span(self.z0, "mm"),
            "curvature": span(self.curvature, "1/mm"),
        }

    def thumbnails(self) -> str:
        """Histograms of chi2 and z0."""
        return histogram(self.chi2, "chi2") + histogram(self.z0, "z0 in mm")


def find_seeds(
    hits: Hits, edges: Edges, field: float | Header, cone: ConeOptions | None = None,
    options: SeedOptions | None = None, threads: int = 1,
) -> Seeds:  # fmt: skip
    """Seeds of one event, best first; the result does not depend on ``threads``.

    Args:
        field: along z in T, or the header of the file.
        cone, options: None: the defaults; ``cone`` is that of the edges.

    Raises:
        InputError: the edges are not of these hits.
    """
    check_same_event(hits, edges, "seeds")
    field = field.field if isinstance(field, Header) else field
    cone, options = cone or ConeOptions(), options or SeedOptions()
    n = len(hits)
    terms = np.empty((n, 4), dtype=np.float32)
    of_hits = (hits.position, hits.estimate.cholesky, hits.axes, terms)
    in_parts(lambda first, last: hit_terms(first, last, *of_hits), n, threads, even=True)
    near, rest = (np.empty((len(edges), width), dtype=np.float32) for width in (4, 3))
    of_edges = (edges.source, edges.target, terms, edges.curvature, edges.cot_theta, edges.chi2, near, rest)
    in_parts(lambda first, last: edge_terms(first, last, *of_edges), len(edges), threads, even=True)
    # By the hit they end at, and by the one they begin at.
    grouped = in_parts(
        lambda first, last: [group_by(key, n) for key in (edges.target, edges.source)[first:last]],
        2,
        min(threads, 2),
        even=True,
    )
    arriving, leaving = (group for part in grouped for group in part)
    support = np.full((6, len(edges)), MISSING, dtype=np.float32)
    # Without a neighbour nothing tells of an impact parameter.
    support[4:] = 0
    scattering = np.float32(scattering_constant(field, cone.radiation_length))
    softest = np.float32(max_curvature(field, cone.min_pt) if is_straight(field) else 0)
    cut = np.float32(chdtri(2, 1 - options.quantile))

    def part(first: int, last: int) -> Any:
        return connect(
            first, last, *arriving, *leaving, near, rest, np.float32(cone.sigma_d0), scattering, cut, softest,
            options.per_middle, np.float32(WIDE_D0), support,
        )  # fmt: skip

    parts = in_parts(part, n, threads)
    pairs, quality = (np.concatenate([p[k] for p in parts]) for k in range(2))
    found, values = seed_columns(
        pairs,
        quality,
        edges.source,
        edges.target,
        edges.curvature,
        edges.cot_theta,
        edges.z0,
        n,
        options.shared,
    )
    curvature, cot_theta, z0, chi2 = values
    return Seeds(found, curvature, cot_theta, z0, chi2, support.T)
