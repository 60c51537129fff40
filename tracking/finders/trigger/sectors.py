"""An event's graph in sectors of azimuth and pseudorapidity that overlap, each small enough for the chip.

The paper cuts by the places of hits. A soft track bends through several such sectors, so that they must
overlap widely or lose its edges. An edge knows more: with the beam line it makes a helix of its own. All
    edges of a
particle agree in its azimuth and pseudorapidity within their errors, so that thin overlaps hold whole
particles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError
from tracking.finders.trigger.options import SectorOptions
from tracking.finders.trigger.sector_kernels import cut_sectors, members

__all__ = ["SectorGraph", "Sectors", "best_scores", "edge_phi", "make_sectors", "whole_particles"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SectorGraph:
    """What sectors are made of: n hits and E edges.

    Attributes:
        position: (n, 3) of the hits in mm.
        source, target: (E,) of the edges, rows of the hits, inner first.
        curvature, cot_theta: (E,) of the edges with the beam line, 1/mm and -.
        chi2: (E,) of the edges' fits; the larger, the earlier an edge is cut.
    """

    position: Floats
    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    curvature: npt.NDArray[np.float32]
    cot_theta: npt.NDArray[np.float32]
    chi2: npt.NDArray[np.float32]

    @property
    def radius(self) -> Floats:
        """(n,) distance of the hits from the beam in mm."""
        return np.asarray(np.hypot(self.position[:, 0], self.position[:, 1]))

    @property
    def phi(self) -> Floats:
        """(n,) azimuth of the hits."""
        return np.asarray(np.arctan2(self.position[:, 1], self.position[:, 0]))


@dataclass(frozen=True)
class Sectors:
    """Sectors of one event that have edges: S of them, padded to N hits and M edges.

    Attributes:
        sector: (S,) number among all; phi: (S,) azimuth of its middle.
        node: (S, N) rows of the hits, -1 where padded.
        edge: (S, M) rows of the edges, -1 where padded; the real ones come first.
        sender, receiver: (S, M) places of the edges' inner and outer hits among the N, 0 where padded.
        n_edges, n_nodes: (S,) before anything was cut.
        n_all: sectors with edges or without.
    """

    sector: Ints
    phi: Floats
    node: npt.NDArray[np.int32]
    edge: npt.NDArray[np.int32]
    sender: Ints
    receiver: Ints
    n_edges: Ints
    n_nodes: Ints
    n_all: int

    def __len__(self) -> int:
        return len(self.sector)

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """(S, M) which edges are there."""
        return self.edge >= 0

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        """(S,) sectors that lost edges."""
        return np.asarray(self.valid.sum(axis=1) < self.n_edges)


def edge_phi(graph: SectorGraph, radius: float) -> Floats:
    """(E,) azimuth at ``radius`` (mm) of the circle through the beam line and both hits of each edge.

    A circle of curvature k (counter-clockwise positive) that starts from the beam line with the azimuth phi0
    is at a distance r from it at phi0 + asin(k r / 2).
    """
    half = 0.5 * graph.curvature.astype(np.float64)
    here = np.arcsin(np.clip(half * graph.radius[graph.source], -1, 1))
    return np.asarray(graph.phi[graph.source] - here + np.arcsin(np.clip(half * radius, -1, 1)))


def make_sectors(graph: SectorGraph, options: SectorOptions) -> Sectors:
    """Sectors of an event, with at most ``options.nodes`` hits and ``options.edges`` edges each.

    Raises:
        InputError: margins so wide that a sector reaches around the beam into itself.
    """
    width = 2 * np.pi / options.n_phi
    if options.margin_phi * 2 > 2 * np.pi - width:
        raise InputError(
            f"sectors: margin_phi is {options.margin_phi:g} rad and a sector {width:.3g} wide, so that it reaches "
            f"into itself; take at most {np.pi - width / 2:.3g}"
        )
    cells, others = _by_helix(graph, options) if options.by == "helix" else _by_position(graph, options)
    # Equal chi2, as of geometric edges, leaves the order of the file.
    order = np.argsort(graph.chi2, kind="stable") if options.order == "chi2" else np.arange(len(graph.chi2))
    start, member = members(order, cells, others, options.n_phi, options.n_eta)
    sector, node, edge, sender, receiver, wanted = cut_sectors(
        start, member, graph.source, graph.target, len(graph.position), options.nodes, options.edges
    )
    middle = (sector // options.n_eta + 0.5) * width
    n_all = options.n_phi * options.n_eta
    return Sectors(sector, middle, node, edge, sender, receiver, wanted[:, 0], wanted[:, 1], n_all)


def _by_helix(graph: SectorGraph, options: SectorOptions) -> tuple[Ints, Ints]:
    """(E, 4) ranges of cells that edges belong to by their own helices, as of both ends."""
    eta = np.arcsinh(graph.cot_theta.astype(np.float64))
    cells = _cells(edge_phi(graph, options.radius), eta, options)
    return cells, cells


def _by_position(graph: SectorGraph, options: SectorOptions) -> tuple[Ints, Ints]:
    """(E, 4) ranges of cells that the edges' inner hits belong to, and those of the outer ones."""
    eta = np.arcsinh(graph.position[:, 2] / np.maximum(graph.radius, 1e-9))
    cells = _cells(graph.phi, eta, options)
    return cells[graph.source], cells[graph.target]


def _cells(phi: Floats, eta: Floats, options: SectorOptions) -> Ints:
    """(n, 4) first and last sector whose margins hold a place: around the beam, unwrapped, and along it."""
    width, height = 2 * np.pi / options.n_phi, 2 * options.max_eta / options.n_eta
    around = _range(phi / width, options.margin_phi / width)
    along = _range((eta + options.max_eta) / height, options.margin_eta / height)
    return np.stack([*around, *along], axis=1)


def _range(place: Floats, margin: float) -> tuple[Ints, Ints]:
    """First and last cell of unit width that holds a place within its margins."""
    return np.floor(place - margin).astype(np.int64), np.floor(place + margin).astype(np.int64)


def best_scores(sectors: Sectors, scores: npt.NDArray[np.float32], n_edges: int) -> npt.NDArray[np.float32]:
    """(E,) the largest score that any sector gives each edge of the graph; 0 for those in no sector.

    Args:
        scores: (S, M) of the sectors' edges, at least 0.
    """
    best = np.zeros(n_edges, dtype=np.float32)
    valid = sectors.valid
    np.maximum.at(best, sectors.edge[valid], scores[valid])
    return best


def whole_particles(sectors: Sectors, particle: Ints, n_particles: int) -> npt.NDArray[np.bool_]:
    """(P,) particles of which some sector has all the graph's edges, once the sectors are cut.

    Args:
        particle: (E,) whose true edge each edge is, -1 where it is none.

    Returns:
        False also for particles without edges.
    """
    n_of = np.bincount(particle[particle >= 0], minlength=n_particles)
    valid = sectors.valid
    who = particle[sectors.edge[valid]]
    where = np.nonzero(valid)[0][who >= 0]
    key, count = np.unique(where * n_particles + who[who >= 0], return_counts=True)
    most = np.zeros(n_particles, dtype=np.int64)
    np.maximum.at(most, key % n_particles, count)
    return np.asarray((n_of > 0) & (most == n_of))
