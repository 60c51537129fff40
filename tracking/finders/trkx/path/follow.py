"""Seeds to paths: all of an event are followed together, one layer after the other, by the learned cone.

What may come next are the targets of the edges from a path's last hit (:mod:`seeding.edges`). Of those in the
gate each makes a path of its own; of the paths of one seed the likeliest stay. A hit counts by the logarithm
of how much likelier the cone makes it than chance does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import chdtri
from torch import Tensor

from seeding.edges import Edges
from seeding.hits import Hits
from tracking.finders.trkx.path.features import factor, hit_features, target_features
from tracking.finders.trkx.path.filter import Crossings, PathFilter, PathStates, position_covariance
from tracking.finders.trkx.path.gates import SHARES, cells
from tracking.finders.trkx.path.network import PathNetwork
from tracking.finders.trkx.path.options import PathOptions

__all__ = ["Follower", "Neighbours", "Paths", "first_seeds", "leading", "learned"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LONGEST = 32
"""Largest number of hits of a path."""


@dataclass(frozen=True)
class Neighbours:
    """Which hits follow each hit, by the edges.

    Attributes:
        first: (N + 1,) where each hit's begin in ``hit``: (E,) rows.
    """

    first: Ints
    hit: Ints

    @classmethod
    def of(cls, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32], n_hits: int) -> Neighbours:
        """Of pairs of hits, the second of each being a neighbour of the first."""
        order = np.argsort(source, kind="stable")
        first = np.zeros(n_hits + 1, dtype=np.int64)
        np.cumsum(np.bincount(source, minlength=n_hits), out=first[1:])
        return cls(first, target[order].astype(np.int64))

    def of_hits(self, rows: Ints) -> tuple[Ints, Ints]:
        """Places (K,) among ``rows`` and neighbours (K,) of each of these hits."""
        n = self.first[rows + 1] - self.first[rows]
        place = np.repeat(np.arange(len(rows)), n)
        within = np.arange(len(place)) - np.repeat(np.cumsum(n) - n, n)
        return place, self.hit[self.first[rows][place] + within]


@dataclass(frozen=True)
class Paths:
    """Paths of one event on their way.

    Attributes:
        states: of the filter; memory: (N, H) of the network.
        rows: (N, LONGEST) of the hits; count: (N,) of each; score: (N,) sum of log-likelihood ratios.
        seed: (N,) number of the seed.
    """

    states: PathStates
    memory: Tensor
    rows: Ints
    count: Ints
    score: Floats
    seed: Ints

    def __len__(self) -> int:
        return len(self.count)

    def take(self, rows: Ints) -> Paths:
        """Some of the paths."""
        return Paths(
            self.states.take(rows), self.memory[torch.from_numpy(rows)], self.rows[rows], self.count[rows],
            self.score[rows], self.seed[rows],
        )  # fmt: skip

    @property
    def last(self) -> Ints:
        """(N,) last hit of each."""
        return np.asarray(self.rows[np.arange(len(self)), self.count - 1])


def first_seeds(seeds: npt.NDArray[np.int32]) -> Bools:
    """(S,) seeds that paths are begun with: no other seed leads to them, as none ends with their first two
    hits; and of those that share their first hit the first one.

    Args:
        seeds: (S, 3), best first.
    """
    if not len(seeds):
        return np.zeros(0, dtype=np.bool_)
    wide = int(seeds.max()) + 1
    inner, outer = (seeds[:, k].astype(np.int64) * wide + seeds[:, k + 1] for k in range(2))
    rows = np.flatnonzero(~np.isin(inner, outer))
    chosen = np.zeros(len(seeds), dtype=np.bool_)
    chosen[rows[np.unique(seeds[rows, 0], return_index=True)[1]]] = True
    return chosen


@dataclass(frozen=True)
class Follower:
    """Follows seeds of one event.

    Attributes:
        hits: of the event; ahead, behind: hits that edges lead to from each, and from which they lead to it.
        gates: (counts, pT, kinds) factors on a Gaussian's quantile.
    """

    hits: Hits
    ahead: Neighbours
    behind: Neighbours
    filter: PathFilter
    network: PathNetwork
    options: PathOptions

    @classmethod
    def of(
        cls, hits: Hits, edges: Edges, filter: PathFilter, network: PathNetwork, options: PathOptions
    ) -> Follower:
        """Of an event's hits and edges."""
        ahead = Neighbours.of(edges.source, edges.target, len(hits))
        behind = Neighbours.of(edges.target, edges.source, len(hits))
        return cls(hits, ahead, behind, filter, network, options)

    @torch.inference_mode()
    def follow(self, seeds: npt.NDArray[np.int32]) -> Paths:
        """The likeliest path of each seed (S, 3) that is found along its own three hits at least."""
        paths = self._started(seeds.astype(np.int64))
        ended: list[Paths] = []
        while len(paths):
            paths, over = self._next(paths)
            ended.append(over)
        return _best(_joined(ended)) if ended else paths

    def _started(self, seeds: Ints) -> Paths:
        """Paths along the hits of seeds, with second hits where modules overlap."""
        first, n = seeds[:, 0], len(seeds)
        unique, which = np.unique(first, return_inverse=True)
        states = self.filter.start(self.hits, unique).take(which)
        of_hit = torch.from_numpy(hit_features(states, self.hits, first, None, self.filter.strength))
        rows = np.full((n, LONGEST), -1, dtype=np.int64)
        rows[:, 0] = first
        paths = Paths(
            states, self.network.remember(of_hit, self.network.blank(n)), rows, np.ones(n, dtype=np.int64),
            np.zeros(n), np.arange(n),
        )  # fmt: skip
        paths = self._with_overlaps(paths, *self.behind.of_hits(seeds[:, 1]))
        for k in (1, 2):
            place, to = np.arange(len(paths)), seeds[paths.seed, k]
            crossings, gain, inside = self._weighed(paths, place, to)
            # The seeds' own tests were wide; here their hits are in the gate, or the seed is none.
            paths = self._longer(paths, place[inside], to[inside], _some(crossings, inside), gain[inside])
            paths = self._with_overlaps(paths, *self.ahead.of_hits(seeds[paths.seed, k - 1]))
        return paths

    def _next(self, paths: Paths) -> tuple[Paths, Paths]:
        """Paths with one layer more, the likeliest of each seed; and those that end here."""
        place, to = self.candidates(paths)
        crossings, gain, inside = self._weighed(paths, place, to)
        inside &= paths.count[place] < LONGEST - 1
        ends = np.ones(len(paths), dtype=np.bool_)
        ends[place[inside]] = False
        over = paths.take(np.flatnonzero(ends))
        chosen = np.flatnonzero(inside)
        score = paths.score[place[chosen]] + gain[chosen]
        chosen = chosen[leading(paths.seed[place[chosen]], score, self.options.branches)]
        going = self._longer(paths, place[chosen], to[chosen], _some(crossings, chosen), gain[chosen])
        if self.options.overlap_distance > 0 and len(going):
            came = going.rows[np.arange(len(going)), going.count - 2]
            going = self._with_overlaps(going, *self.ahead.of_hits(came))
        return going, over

    def candidates(self, paths: Paths) -> tuple[Ints, Ints]:
        """Rows of the paths, and hits that edges lead to from their last hit, or from the one before if that
        is on the same layer.
        """
        layer, last = self.hits.layer, paths.last
        place, to = self.ahead.of_hits(last)
        before = paths.rows[np.arange(len(paths)), paths.count - 2]
        twice = np.flatnonzero(layer[before] == layer[last])
        also, more = self.ahead.of_hits(before[twice])
        key = np.unique(np.concatenate([place, twice[also]]) * len(self.hits) + np.concatenate([to, more]))
        return key // len(self.hits), key % len(self.hits)

    def _weighed(self, paths: Paths, place: Ints, to: Ints) -> tuple[Crossings, Floats, Bools]:
        """Crossings of paths (rows ``place``) with the modules of hits, the log-likelihood ratio of each hit,
        and whether it is in the gate.
        """
        crossings = self.filter.predict(paths.states, place, self.hits, to)
        states, count = paths.states.take(place), paths.count[place]
        target = target_features(states, self.hits, to, crossings, count, self.filter.strength)
        usable = crossings.reached & np.all(np.isfinite(target), axis=1)
        target[~usable] = 0.0
        cone = self.network(paths.memory[torch.from_numpy(place)], torch.from_numpy(target))
        local, covariance = learned(crossings, cone.numpy().astype(np.float64))
        total = covariance + position_covariance(self.hits, to)
        size = total[:, 0] * total[:, 2] - total[:, 1] ** 2
        u, v = local.T
        chi2 = (u * u * total[:, 2] - 2 * u * v * total[:, 1] + v * v * total[:, 0]) / size
        gain = -0.5 * chi2 - np.log(2 * np.pi * np.sqrt(size) * self.options.background)
        pt = self.filter.strength / np.maximum(np.abs(states.helix[:, 2]), 1e-9)
        overlap = self.hits.layer[to] == self.hits.layer[paths.last[place]]
        of = cells(count, pt, self.hits.upright[to], overlap)
        wide = self.network.gates[0, len(SHARES) - 1].numpy()[of]
        limit = np.maximum(wide, 1.0) * float(chdtri(2, 1 - self.options.quantile))
        return crossings, gain, usable & (chi2 < limit)

    def _longer(self, paths: Paths, place: Ints, to: Ints, crossings: Crossings, gain: Floats) -> Paths:
        """Paths (rows ``place``) with one hit more each; those whose helix breaks are left out."""
        states, good = self.filter.update(paths.states, place, self.hits, to)
        keep = np.flatnonzero(good)
        place, to, states = place[keep], to[keep], states.take(keep)
        of_hit = hit_features(states, self.hits, to, _some(crossings, keep), self.filter.strength)
        memory = self.network.remember(torch.from_numpy(of_hit), paths.memory[torch.from_numpy(place)])
        rows, count = paths.rows[place], paths.count[place]
        rows[np.arange(len(place)), count] = to
        return Paths(states, memory, rows, count + 1, paths.score[place] + gain[keep], paths.seed[place])

    def _with_overlaps(self, paths: Paths, place: Ints, other: Ints) -> Paths:
        """Paths with the likeliest second hit on the layer of their last one, on another module near it.

        Args:
            place, other: rows of the paths, and hits that edges tie to them.
        """
        last, hits = paths.last[place], self.hits
        near = (hits.layer[other] == hits.layer[last]) & (hits.module[other] != hits.module[last])
        away = hits.position[other[near]] - hits.position[last[near]]
        place, other = place[near], other[near]
        close = np.sum(away**2, axis=1) < self.options.overlap_distance**2
        place, other = place[close], other[close]
        if not len(place):
            return paths
        crossings, gain, inside = self._weighed(paths, place, other)
        inside &= (gain > 0) & (paths.count[place] < LONGEST - 1)
        chosen = np.flatnonzero(inside)
        chosen = chosen[leading(place[chosen], gain[chosen], 1)]
        if not len(chosen):
            return paths
        longer = self._longer(paths, place[chosen], other[chosen], _some(crossings, chosen), gain[chosen])
        rest = np.ones(len(paths), dtype=np.bool_)
        rest[place[chosen]] = False
        return _joined([paths.take(np.flatnonzero(rest)), longer])


def learned(crossings: Crossings, cone: Floats) -> tuple[Floats, Floats]:
    """Crossings (K, 2) and their covariances (K, 3) xx, xy, yy as the network has them, mm and mm2.

    Args:
        cone: (K, 5) of :class:`tracking.finders.trkx.path.network.PathNetwork`.
    """
    x, xy, y = factor(crossings.covariance).T
    a, b = np.exp(cone[:, 2]), np.exp(cone[:, 3])
    # The product of both lower-triangular factors.
    p, q, r = x * a, xy * a + y * cone[:, 4], y * b
    local = np.stack([x * cone[:, 0], xy * cone[:, 0] + y * cone[:, 1]], axis=1) + crossings.local
    return local, np.stack([p * p, p * q, q * q + r * r], axis=1)


def _some(crossings: Crossings, rows: npt.NDArray[np.int64] | Bools) -> Crossings:
    return Crossings(*(getattr(crossings, column.name)[rows] for column in fields(crossings)))


def leading(group: Ints, score: Floats, n: int) -> Ints:
    """Rows of the ``n`` highest scores of each group."""
    order = np.lexsort((-score, group))
    ranked = group[order]
    start = np.searchsorted(ranked, ranked, side="left")
    return np.asarray(order[np.arange(len(order)) - start < n])


def _best(paths: Paths) -> Paths:
    """The path of highest score of each seed."""
    return paths.take(leading(paths.seed, paths.score, 1))


def _joined(parts: list[Paths]) -> Paths:
    states = PathStates(
        *(np.concatenate([getattr(p.states, c.name) for p in parts]) for c in fields(PathStates))
    )
    return replace(
        parts[0], states=states, memory=torch.cat([p.memory for p in parts]),
        **{n: np.concatenate([getattr(p, n) for p in parts]) for n in ("rows", "count", "score", "seed")},
    )  # fmt: skip
