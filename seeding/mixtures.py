"""Edges of hits with several possibilities: cones from mixtures.

Where a cluster leaves two directions open, one Gaussian has to cover both and all that lies between. Here
such a hit is searched once with each component of its mixture
(:class:`smartpix.estimate.components.Components`). An edge is kept if any pair of components passes.

The region of the highest density of a mixture has one limit for all components. Where a component is less
dense than the densest by a factor f, its chi2 must be lower by ``less`` = 2 log f. The densest one's cut c is
higher than that of one Gaussian, so that the quantile q keeps its meaning: of a mixture that is right,
sum_k w_k F(c - less_k) = q, with F of the joint test's chi2. This is the share of true edges that pass with
the component which they are of. Where components overlap, others pass with another one, and more than q are
kept. The densities are those of the estimates, before scattering is added.

Of a pair of hits both raise the cut, each by its own c less the cut of one Gaussian. Were F an exponential,
the share of the pair would be q, too; with that of five degrees of freedom it is close to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seeding.edges import Edges, edge_times, find_edges_within
from seeding.hits import Hits
from seeding.mixture_kernels import mixture_cuts
from seeding.options import ConeOptions
from smartpix.estimate.base import Estimate
from smartpix.estimate.components import Components
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from smartpix.schema import InputError

__all__ = ["Possibilities", "find_mixture_edges", "possibilities"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEGLIGIBLE = 1e-6
"""Weight of a component that is left out, in shares of what the quantile keeps or loses, whichever is
less.
"""


@dataclass(frozen=True)
class Possibilities:
    """An event's N hits, and P copies of them with one component's directions each.

    Attributes:
        hits: (P,) the copies, at the same places.
        row: (P,) which hit each is of.
        less: (P,) by how much its chi2 must be lower than that of its hit's densest component, 0 or more.
        more: (P,) by how much its hit's cut is higher than that of one Gaussian, 0 or more.
        mixed: (P,) its hit has several possibilities.
        n_hits: N.
        quantile: share of true edges that the joint test keeps where an end is mixed.
    """

    hits: Hits
    row: Ints
    less: Floats
    more: Floats
    mixed: npt.NDArray[np.bool_]
    n_hits: int
    quantile: float


def possibilities(
    hits: Hits, rows: Ints, components: Components, options: ConeOptions, quantile: float | None = None
) -> Possibilities:
    """Copies of hits, one for each component that an edge may be kept by.

    Args:
        rows: (R,) hits whose directions are mixtures; the others keep their estimate.
        components: of these; positions are not used, since the search takes a hit's place as it is.
        options: of the search. A component that could pass only with less than no chi2 is left out, and one
            with next to no weight.
        quantile: share of true edges that the joint test keeps where an end is among ``rows``; None: that of
            ``options``.

    Raises:
        InputError: another number of components' clusters than of rows.
    """
    n = len(components.weight)
    if n != len(rows):
        raise InputError(
            f"possibilities: there are components of {n} hits and {len(rows)} rows; give those of the "
            f"same hits"
        )
    quantile = options.quantile if quantile is None else quantile
    single = replace(options, quantile=quantile)
    # Without times: these are no matter of the components.
    less, more = _less_and_more(components, quantile, replace(single, time_sigma=0.0).joint_cut())
    # Another end may add to the cut what any hit here does.
    at, of = np.nonzero(less < single.joint_cut() + more[:, None] + more.max(initial=0.0))
    mixed = np.zeros(len(hits), dtype=bool)
    mixed[rows] = True
    plain = np.flatnonzero(~mixed)
    row = np.concatenate([plain, rows[at]])
    copies = replace(hits, mixed=None).take(row)
    mean = np.concatenate([hits.estimate.mean[plain], hits.estimate.mean[rows[at]]])
    cholesky = np.concatenate([hits.estimate.cholesky[plain], components.cholesky[at, of]])
    mean[len(plain) :, 2:] = components.mean[at, of, 2:]
    estimate = Estimate(mean, cholesky, copies.estimate.flagged)
    return Possibilities(
        replace(copies, estimate=estimate),
        row,
        np.concatenate([np.zeros(len(plain)), less[at, of]]),
        np.concatenate([np.zeros(len(plain)), more[at]]),
        mixed[row],
        len(hits),
        quantile,
    )


def _less_and_more(components: Components, quantile: float, single: float) -> tuple[Floats, Floats]:
    """(R, K) by how much each component's chi2 must be lower than the densest one's, infinite of those with
    next to no weight; and (R,) by how much the cut is higher than that of one Gaussian, which is ``single``.
    """
    slopes = components.cholesky[:, :, 2:]
    covariance = slopes @ np.swapaxes(slopes, 2, 3)
    weight = np.where(components.weight < NEGLIGIBLE * min(quantile, 1 - quantile), 0.0, components.weight)
    with np.errstate(divide="ignore"):
        # Up to what all have in common, -2 log of the density at the centre.
        height = np.log(np.linalg.det(covariance)) - 2 * np.log(weight)
    less = height - height.min(axis=1, keepdims=True)
    share = weight / weight.sum(axis=1, keepdims=True)
    return np.asarray(less), np.asarray(mixture_cuts(less, share, single, 1 - quantile) - single)


def find_mixture_edges(
    found: Possibilities,
    detector: Detector,
    pairs: LayerPairs,
    field: float,
    options: ConeOptions,
    threads: int = 1,
    field_map: FieldMap | None = None,
) -> Edges:
    """Edges of an event whose hits have several possibilities; see :func:`seeding.edges.find_edges`.

    Of an edge that several pairs of components give, the one with the smallest chi2 is kept. Its ``chi2`` has
    both ends' ``less`` added. It is at most :meth:`ConeOptions.joint_cut`, of ``found.quantile`` and with
    both ends' ``more`` where an end is mixed.

    Raises:
        InputError: as :func:`seeding.edges.find_edges`.
    """
    own = replace(options, quantile=found.quantile)
    widest = max(options.joint_cut(), own.joint_cut() + 2 * found.more.max(initial=0.0))
    edges = find_edges_within(widest, found.hits, detector, pairs, field, options, threads, field_map)
    is_mixed = found.mixed[edges.source] | found.mixed[edges.target]
    chi2 = edges.chi2 + (found.less[edges.source] + found.less[edges.target]).astype(np.float32)
    more = found.more[edges.source] + found.more[edges.target]
    with_times = chi2 + edge_times(edges, found.hits, field, options)
    kept = np.flatnonzero(with_times <= np.where(is_mixed, own.joint_cut() + more, options.joint_cut()))
    source, target = found.row[edges.source[kept]], found.row[edges.target[kept]]
    pair = edges.pair[kept].astype(np.int64)
    order = np.lexsort((chi2[kept], target, source, pair))
    ends = np.stack([pair, source, target])[:, order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.any(ends[:, 1:] != ends[:, :-1], axis=0)
    best = order[first]
    some = edges.take(kept[best])
    return replace(
        some,
        source=source[best].astype(np.int32),
        target=target[best].astype(np.int32),
        chi2=chi2[kept[best]],
        n_hits=found.n_hits,
    )
