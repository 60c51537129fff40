"""A graph network for the RAMP tracking challenge: pairs of hits that pass messages through triples.

Nodes of the graph are pairs of hits on neighbouring circles, or with one circle between them. Two pairs that
share a hit in the middle are joined: their three hits have a circle, with a curvature and a distance from the
beam. An interaction network (P. Battaglia et al., arXiv 1612.00222) says of each pair how likely it is two
hits of a track with none between. The likeliest set of tracks, where a hit has one pair on either side at
most, is a linear assignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

from tracking.finders.gnn.network import mlp
from tracking.finders.trkx.ramp.events import (
    BEND,
    N_LAYERS,
    RADII,
    RampEvents,
    RampHits,
    scattering_angle,
)
from tracking.finders.trkx.ramp.graph_kernels import circles, hit_pairs, pair_triples
from tracking.finders.trkx.ramp.options import RampOptions

__all__ = [
    "ARCHITECTURE", "RampGraph", "RampGraphNetwork", "graph_clusters", "joined", "pair_labels", "ramp_graph",
    "windows",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ARCHITECTURE = "rampgraph-v1"
STEPS = 2
"""Circles from a pair's inner hit to its outer one at most."""
WIDTH = 3.5
"""Standard deviations of the distance from the beam that the windows allow."""
SOFTEST = 0.3
"""Least pT in GeV that they allow."""
CURVATURE = 5e-5
"""Unit of curvatures in 1/mm: that of a track of 6 GeV."""
N_PAIR = N_LAYERS + 3
N_TRIPLE = 3
LAW = RampOptions()
"""The challenge's events, for which features are scaled."""


@dataclass(frozen=True)
class RampGraph:
    """Pairs and triples of the hits of one event, or of several.

    Attributes:
        pairs: (2, P) hits, inner and outer.
        triples: (2, T) pairs, inner and outer.
        pair_features: (P, 12) circle of the inner hit, one of nine; whether a circle lies between; curvature
            of a track from the beam; difference of the azimuths over its window.
        triple_features: (T, 3) curvature, distance from the beam in mm, and that over its expected spread.
            All but differences over windows are on a scale that is a logarithm far from 0.
    """

    pairs: Ints
    triples: Ints
    pair_features: npt.NDArray[np.float32]
    triple_features: npt.NDArray[np.float32]


def windows() -> Floats:
    """Largest difference of azimuths (2, 9) of a pair, by circles stepped over and by the inner circle."""
    found = np.zeros((STEPS, N_LAYERS))
    for step in range(1, STEPS + 1):
        r, s = RADII[:-step], RADII[step:]
        angles = [
            np.arcsin(np.minimum(WIDTH * LAW.sigma_vertex / of + of / (2 * BEND * SOFTEST), 1))
            for of in (r, s)
        ]
        slope = np.tan((angles[0] + angles[1]) / 2)
        found[step - 1, : N_LAYERS - step] = 2 * np.arctan((s - r) / (s + r) * slope)
    return found


WINDOWS = windows()


def ramp_graph(hits: RampHits) -> RampGraph:
    """The graph of an event whose hits are in order of their circles."""
    first = np.searchsorted(hits.layer, np.arange(N_LAYERS + 1)).astype(np.int64)
    pairs, turn = hit_pairs(first, hits.phi, WINDOWS)
    triples = pair_triples(pairs, len(hits.layer))
    r = RADII[hits.layer]
    inner, outer = hits.layer[pairs[0]], hits.layer[pairs[1]]
    skipped = outer - inner - 1
    curvature = 2 * turn / (RADII[outer] - RADII[inner])
    of_pair = np.concatenate([
        np.eye(N_LAYERS)[inner], skipped[:, None], np.arcsinh(curvature / CURVATURE)[:, None],
        (turn / WINDOWS[skipped, inner])[:, None],
    ], axis=1)  # fmt: skip
    hit = np.stack([pairs[0][triples[0]], pairs[1][triples[0]], pairs[1][triples[1]]])
    curvature, distance = circles(r, hits.phi, hit)
    # The lever of the scattering in the middle, at most at the least pT.
    kick = scattering_angle(np.minimum(1 / (BEND * np.maximum(np.abs(curvature), 1e-9)), LAW.max_pt), LAW)
    spread = np.hypot(LAW.sigma_vertex, r[hit[1]] * kick)
    of_triple = np.arcsinh(np.stack([curvature / CURVATURE, distance, distance / spread], axis=1))
    return RampGraph(pairs, triples, of_pair.astype(np.float32), of_triple.astype(np.float32))


def joined(graphs: Sequence[RampGraph], n_hits: Sequence[int]) -> RampGraph:
    """One graph of those of several events with so many hits each."""
    hit = np.concatenate([[0], np.cumsum(n_hits)[:-1]])
    pair = np.concatenate([[0], np.cumsum([graph.pairs.shape[1] for graph in graphs])[:-1]])
    return RampGraph(
        np.concatenate([graph.pairs + shift for graph, shift in zip(graphs, hit, strict=True)], axis=1),
        np.concatenate([graph.triples + shift for graph, shift in zip(graphs, pair, strict=True)], axis=1),
        np.concatenate([graph.pair_features for graph in graphs]),
        np.concatenate([graph.triple_features for graph in graphs]),
    )


def pair_labels(events: RampEvents) -> tuple[RampGraph, npt.NDArray[np.float32]]:
    """The graph of several events, and (P,) 1 for pairs of a track's hits with none between, 0 for others."""
    graphs, labels, sizes = [], [], []
    for k in range(events.n_events):
        part = slice(events.offsets[k], events.offsets[k + 1])
        hits, order = _sorted(events.hits(k))
        track = events.track[part][order]
        graph = ramp_graph(hits)
        by_track = np.lexsort((hits.layer, track))
        following = np.full(len(order), -1)
        same = track[by_track[1:]] == track[by_track[:-1]]
        following[by_track[:-1][same]] = by_track[1:][same]
        graphs.append(graph)
        labels.append(following[graph.pairs[0]] == graph.pairs[1])
        sizes.append(len(order))
    return joined(graphs, sizes), np.concatenate(labels).astype(np.float32)


def _sorted(hits: RampHits) -> tuple[RampHits, Ints]:
    """Hits in the order of circles and azimuths, and where each was."""
    order = np.lexsort((hits.phi, hits.layer))
    return RampHits(hits.layer[order], hits.phi[order], hits.x[order], hits.y[order]), order


class RampGraphNetwork(nn.Module):
    """Scores of pairs after some passes of messages between pairs that share a hit.

    Shapes:
        pair_features: (P, 12), triples: (2, T), triple_features: (T, 3) -> logits (P,).
    """

    def __init__(self, hidden: int = 32, passes: int = 3) -> None:
        super().__init__()
        self.encode_pair = mlp(N_PAIR, hidden, hidden)
        self.encode_triple = mlp(N_TRIPLE, hidden, hidden)
        self.triple_blocks = nn.ModuleList(mlp(3 * hidden, hidden, 2 * hidden) for _ in range(passes))
        self.pair_blocks = nn.ModuleList(mlp(3 * hidden, hidden, hidden) for _ in range(passes))
        self.classify = mlp(hidden, hidden, 1)

    def forward(self, pair_features: Tensor, triples: Tensor, triple_features: Tensor) -> Tensor:
        """Logits (P,)."""
        h, t = self.encode_pair(pair_features), self.encode_triple(triple_features)
        inner, outer = triples[0], triples[1]
        for triple_block, pair_block in zip(self.triple_blocks, self.pair_blocks, strict=True):
            message, gate = triple_block(torch.cat([h[inner], h[outer], t], dim=1)).chunk(2, dim=1)
            t = t + message
            passed = t * torch.sigmoid(gate)
            # Apart, since a true pair has one true triple on either side.
            arriving, leaving = (torch.zeros_like(h).index_add(0, end, passed) for end in (outer, inner))
            h = h + pair_block(torch.cat([h, arriving, leaving], dim=1))
        logits: Tensor = self.classify(h).squeeze(1)
        return logits

    def of_graph(self, graph: RampGraph) -> Tensor:
        """Logits (P,) of a graph's pairs."""
        logits: Tensor = self(
            torch.from_numpy(graph.pair_features),
            torch.from_numpy(graph.triples),
            torch.from_numpy(graph.triple_features),
        )
        return logits


@torch.inference_mode()
def graph_clusters(hits: RampHits, network: RampGraphNetwork) -> Ints:
    """Clusters (N,) of an event's hits; a hit without good pairs is a cluster of its own.

    The pairs that stay have the largest sum of logits, with one pair on either side of a hit at most.
    """
    in_order, order = _sorted(hits)
    graph = ramp_graph(in_order)
    n = len(order)
    gain = np.zeros((n, n))
    gain[graph.pairs[0], graph.pairs[1]] = np.maximum(network.of_graph(graph).numpy(), 0)
    inner, outer = linear_sum_assignment(gain, maximize=True)
    good = gain[inner, outer] > 0
    inner, outer = inner[good], outer[good]
    links = coo_array((np.ones(len(inner)), (inner, outer)), shape=(n, n))
    clusters = np.empty(n, dtype=np.int64)
    clusters[order] = connected_components(links, directed=False)[1]
    return clusters
