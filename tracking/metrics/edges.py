"""Edges and seeds against truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tracking.metrics.truth import EventTruth, makers_of_hits

__all__ = [
    "EdgeScore",
    "Ends",
    "HasEnds",
    "edge_labels",
    "edge_rows",
    "score_edges",
    "seed_efficiency",
    "seed_labels",
]

Ints = npt.NDArray[np.int64]


def edge_labels(
    truth: EventTruth, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """(E,) True for edges that are true edges."""
    return np.asarray(edge_rows(truth, source, target) >= 0)


def edge_rows(truth: EventTruth, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> Ints:
    """(E,) row of each edge among the true ones, -1 for those that are not."""
    if len(truth.edges) == 0:
        return np.full(len(source), -1, dtype=np.int64)
    width = int(max(truth.edges.max(), source.max(initial=0), target.max(initial=0))) + 1
    true_keys = truth.edges[:, 0] * width + truth.edges[:, 1]  # sorted, since edges are
    keys = source.astype(np.int64) * width + target
    place = np.minimum(np.searchsorted(true_keys, keys), len(true_keys) - 1)
    return np.where(true_keys[place] == keys, place, -1)


class HasEnds(Protocol):
    """Edges of any kind."""

    @property
    def source(self) -> npt.NDArray[np.int32]:
        """(E,) rows of the inner hits."""
        ...

    @property
    def target(self) -> npt.NDArray[np.int32]:
        """(E,) rows of the outer hits."""
        ...


class Ends(NamedTuple):
    """Edges that are pairs of hits and no more.

    Attributes:
        source, target: (E,) rows of the hits, inner first.
    """

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]


@dataclass(frozen=True)
class EdgeScore:
    """Counts of one event; sums of these over events give the rates.

    Attributes:
        n_edges, n_true: kept, and true among them.
        n_wanted, n_found: true edges of findable particles, and those kept.
        n_wanted_0p5, n_found_0p5: the same for pT > 0.5 GeV, any particle.
    """

    n_edges: int
    n_true: int
    n_wanted: int
    n_found: int
    n_wanted_0p5: int
    n_found_0p5: int


def score_edges(truth: EventTruth, edges: HasEnds) -> EdgeScore:
    """Score the edges of one event.

    Args:
        edges: :class:`seeding.edges.Edges`, or any others as :class:`Ends`.
    """
    rows = edge_rows(truth, edges.source, edges.target)
    found = np.zeros(len(truth.edges), dtype=bool)
    found[rows[rows >= 0]] = True
    soft = truth.edge_pt > 0.5
    return EdgeScore(
        n_edges=len(edges.source),
        n_true=int(np.sum(rows >= 0)),
        n_wanted=int(truth.edge_findable.sum()),
        n_found=int(np.sum(found & truth.edge_findable)),
        n_wanted_0p5=int(soft.sum()),
        n_found_0p5=int(np.sum(found & soft)),
    )


def seed_efficiency(truth: EventTruth, seeds: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(P,) particles with a seed (S, 3) whose three hits are of clusters that are all theirs."""
    found = np.zeros(len(truth.particle_id), dtype=bool)
    for _, who in _makers_of_seeds(truth, seeds):
        found[who] = True
    return found


def seed_labels(truth: EventTruth, seeds: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(S,) True for seeds (S, 3) whose three hits are of clusters that are all of one particle."""
    good = np.zeros(len(seeds), dtype=bool)
    for rows, _ in _makers_of_seeds(truth, seeds):
        good[rows] = True
    return good


def _makers_of_seeds(truth: EventTruth, seeds: npt.NDArray[np.int32]) -> Iterator[tuple[Ints, Ints]]:
    """Rows of seeds whose three hits are of one particle, and rows of these particles."""
    if len(seeds) == 0 or len(truth.hit) == 0:
        return
    if truth.is_split:
        seeds = truth.cluster[seeds].astype(np.int32)
    start, count = makers_of_hits(truth, int(max(truth.hit.max(), seeds.max())) + 1)
    # A cluster has one to a few makers: try each of the first hit's.
    for k in range(int(count.max())):
        rows = np.flatnonzero(count[seeds[:, 0]] > k)
        who = truth.particle[start[seeds[rows, 0]] + k]
        good = np.ones(len(rows), dtype=bool)
        for column in (1, 2):
            good &= _made(truth, start, count, seeds[rows, column], who)
        yield rows[good], who[good]


def _made(
    truth: EventTruth, start: Ints, count: Ints, hit: npt.NDArray[np.int32], who: Ints
) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(hit), dtype=bool)
    for k in range(int(count.max(initial=0))):
        has = count[hit] > k
        out[has] |= truth.particle[start[hit[has]] + k] == who[has]
    return out
