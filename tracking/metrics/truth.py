"""Truth of an event: particles, what they made, who is findable, and the true edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from smartpix.beam import CENTRED, BeamSpot
from smartpix.notebook import span, words_and_table
from smartpix.schema import TARGETS, InputError, require
from smartpix.thumbnails import histogram
from tracking.metrics.findable import MAX_ETA, MIN_LAYERS, MIN_PT, MIN_SHARE
from tracking.metrics.split_clusters import makers_of_parts

if TYPE_CHECKING:
    from seeding.hits import Hits
    from smartpix.estimate.base import Estimate

__all__ = [
    "EventTruth",
    "Particles",
    "event_truth",
    "makers_of_hits",
    "nearest_distance",
    "particles_of",
    "pileup_of",
    "pseudorapidity",
    "truth_of_hits",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pseudorapidity(px: npt.ArrayLike, py: npt.ArrayLike, pz: npt.ArrayLike) -> Floats:
    """Pseudorapidity of momenta, asinh(pz / pT); infinite along the beam."""
    pt = np.hypot(np.asarray(px, dtype=np.float64), np.asarray(py, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.arcsinh(np.asarray(pz, dtype=np.float64) / pt))


@dataclass(frozen=True)
class Particles:
    """Particles of one event at their production, in the order of their ids.

    Attributes:
        particle_id: (P,) sorted ids; vertex, momentum: (P, 3) mm and GeV, in the frame of the beam; charge:
            (P,) e.
    """

    particle_id: Ints
    vertex: Floats
    momentum: Floats
    charge: Floats

    @cached_property
    def pt(self) -> Floats:
        """(P,) GeV."""
        return np.hypot(self.momentum[:, 0], self.momentum[:, 1])

    @cached_property
    def eta(self) -> Floats:
        """(P,) pseudorapidities."""
        return pseudorapidity(*self.momentum.T)

    @property
    def phi(self) -> Floats:
        """(P,) rad."""
        return np.arctan2(self.momentum[:, 1], self.momentum[:, 0])

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        """(P,) charged, of pT above MIN_PT and |eta| below MAX_ETA."""
        return self.accepted_above(MIN_PT)

    def accepted_above(self, min_pt: float) -> npt.NDArray[np.bool_]:
        """(P,) the same from another pT in GeV on."""
        return np.asarray((self.charge != 0) & (self.pt > min_pt) & (np.abs(self.eta) < MAX_ETA))


def particles_of(records: ak.Array, frame: BeamSpot = CENTRED) -> Particles:
    """Particles of one event's particle records.

    Args:
        frame: of the beam that vertex and momentum are given in.
    """
    ids = ak.to_numpy(records["particle_id"])
    sort = np.argsort(ids, kind="stable")
    columns = {
        n: ak.to_numpy(records[n])[sort].astype(np.float64)
        for n in ("vx", "vy", "vz", "px", "py", "pz", "charge")
    }
    vertex, momentum = (np.stack([columns[a + b] for b in "xyz"], axis=1) for a in "vp")
    if not frame.is_centred:
        vertex, momentum = frame.to_beam(vertex), frame.direction_to_beam(momentum)
    return Particles(ids[sort], vertex, momentum, columns["charge"])


@words_and_table
@dataclass(frozen=True)
class EventTruth:
    """Truth of one event. Particles, and tracks with them, are judged by clusters. Edges are judged by hits,
    of which a merged cluster may give several.

    Attributes:
        particle_id: (P,) sorted ids; pt (GeV), eta, phi: (P,) at production.
        vertex, momentum: (P, 3) at production, mm and GeV, in the frame of the beam; charge: (P,) e.
        n_hits, n_layers: (P,) clusters and distinct layers of each.
        accepted, findable: (P,) bool.
        distance: (P,) in (eta, phi) to the nearest other charged particle with clusters on at least 4 layers,
            of any pT; infinite where there is none.
        hit: (T,) cluster rows; particle: (T,) rows of the particles: who made what, sorted by cluster.
        min_layers: on which a particle must have clusters to be findable.
        cluster: (N,) cluster row of each hit.
        main: (N,) row of the particle with the largest share of each hit, -1 where none has MIN_SHARE.
        edges: (E, 2) true edges as rows of the hits; edge_particle: (E,) row of the particle that made it
            (the stiffest, if several);
        edge_pt: (E,) its pT; edge_findable: (E,) whether a findable one did.
        pileup: collisions in the event, None if unknown.
    """

    particle_id: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    vertex: Floats
    momentum: Floats
    charge: Floats
    n_hits: Ints
    n_layers: Ints
    accepted: npt.NDArray[np.bool_]
    findable: npt.NDArray[np.bool_]
    distance: Floats
    hit: Ints
    particle: Ints
    cluster: Ints
    main: Ints
    edges: Ints
    edge_particle: Ints
    edge_pt: Floats
    edge_findable: npt.NDArray[np.bool_]
    pileup: int | None = None
    min_layers: int = MIN_LAYERS

    def in_words(self) -> dict[str, str]:
        """Particles, who is findable, and edges."""
        return {
            "particles": f"{len(self.particle_id):,} particles, {self.accepted.sum():,} accepted, "
            f"{self.findable.sum():,} findable (from {self.min_layers} layers)",
            "pT": f"{span(self.pt[self.findable], 'GeV')} of those that are findable",
            "edges": f"{len(self.edges):,} true edges, {self.edge_findable.sum():,} of them of findable particles",
        }

    def thumbnails(self) -> str:
        """Histograms of findable particles by pT and pseudorapidity."""
        return histogram(np.log10(self.pt[self.findable]), "log10 of pT in GeV") + histogram(
            self.eta[self.findable], "eta"
        )

    @property
    def is_split(self) -> bool:
        """Whether a cluster gives several hits."""
        return len(self.cluster) > int(self.cluster.max(initial=-1)) + 1

    def clusters_of(self, hits: Ints) -> Ints:
        """Rows of the clusters that some hits are of, each once, in the order of the hits."""
        if not self.is_split:
            return hits
        rows, first = np.unique(self.cluster[hits], return_index=True)
        return np.asarray(rows[np.argsort(first)])


def event_truth(
    clusters: ak.Array,
    particles: ak.Array,
    layer: npt.NDArray[np.int32],
    pileup: int | None = None,
    min_layers: int = MIN_LAYERS,
    frame: BeamSpot = CENTRED,
    cluster: Ints | None = None,
    estimate: Estimate | None = None,
    over_missing: bool = False,
    min_pt: float = MIN_PT,
) -> EventTruth:
    """Truth of one event's cluster and particle records.

    Args:
        layer: (N,) layer of each hit.
        pileup: collisions in the event, see :func:`pileup_of`.
        min_layers: on which a particle must have clusters to be findable.
        frame: of the beam that vertex and momentum are given in, as that of the detector of the hits
            (:attr:`smartpix.geometry.Detector.frame`).
        cluster: (N,) cluster row of each hit; None: every cluster gives one hit. Clusters that give none are
            left out.
        estimate: of the hits. Where a cluster gives several, it tells whose each is
            (:func:`tracking.metrics.split_clusters.makers_of_parts`).
        over_missing: hits that follow one another are a true edge also where a crossing between them left no
            cluster. Edge efficiencies are without these; networks over dead modules learn with them.
        min_pt: above which a particle may be findable, GeV.

    Raises:
        InputError: clusters give several hits, and there is no estimate of these, or not each hit's cluster.
    """
    if cluster is not None and len(rows := np.unique(cluster)) < len(clusters):
        # Clusters that give no hit are those of strips, which are no part of the search.
        clusters, cluster = clusters[rows], np.searchsorted(rows, cluster)
    truth = clusters["truth"]
    counts = ak.to_numpy(ak.num(truth, axis=1))
    cluster = np.arange(len(counts)) if cluster is None else cluster
    if len(layer) != len(cluster):
        raise InputError(
            f"truth: there are layers of {len(layer)} hits and clusters of {len(cluster)}; give the cluster of "
            "each hit"
        )
    is_split = len(cluster) != len(counts)
    if is_split and estimate is None:
        raise InputError(
            f"truth: {len(counts)} clusters give {len(cluster)} hits; give the hits' estimates, which tell "
            "whose each is"
        )
    hit = np.repeat(np.arange(len(counts)), counts)
    flat = ak.flatten(truth, axis=1)
    share, order = ak.to_numpy(flat["share"]), ak.to_numpy(flat["order"]).astype(np.int64)
    made_of = particles_of(particles, frame)
    ids = made_of.particle_id
    row_ids = ak.to_numpy(flat["particle_id"])
    place = np.minimum(np.searchsorted(ids, row_ids), max(len(ids) - 1, 0))
    in_list = (ids[place] == row_ids) if len(ids) else np.zeros(len(row_ids), dtype=bool)
    keep = in_list & (share >= MIN_SHARE)
    hit, particle, order, share = hit[keep], place[keep], order[keep], share[keep]
    # Of the hits: which crossing each is of.
    part, crossing = hit, np.arange(len(hit))
    if is_split and estimate is not None:
        target = np.stack([ak.to_numpy(flat[name])[keep] for name in TARGETS], axis=1).astype(np.float64)
        part, crossing = makers_of_parts(hit, target, cluster, estimate)
    main = np.full(len(cluster), -1, dtype=np.int64)
    rising = np.argsort(share[crossing], kind="stable")
    main[part[rising]] = particle[crossing[rising]]

    pt, eta, phi = made_of.pt, made_of.eta, made_of.phi
    # A particle may cross a cluster twice: once counts.
    made = np.unique(np.stack([particle, hit], axis=1), axis=0)
    n_hits = np.bincount(made[:, 0], minlength=len(ids))
    layer_of_cluster = np.zeros(len(counts), dtype=np.int64)
    layer_of_cluster[cluster] = layer
    on_layer = np.unique(np.stack([particle, layer_of_cluster[hit]], axis=1), axis=0)
    n_layers = np.bincount(on_layer[:, 0], minlength=len(ids))
    charged, seen = made_of.charge != 0, n_layers >= min_layers
    accepted = made_of.accepted_above(min_pt)
    findable = accepted & seen
    edges, made_by = _true_edges(part, particle[crossing], order[crossing], layer, over_missing)
    key = edges[:, 0] * (len(cluster) + 1) + edges[:, 1]
    unique, first = np.unique(key, return_inverse=True)
    edge_particle = np.zeros(len(unique), dtype=np.int64)
    rising = np.argsort(pt[made_by], kind="stable")
    edge_particle[first[rising]] = made_by[rising]
    edge_findable = np.bincount(first, findable[made_by], len(unique)) > 0
    by_hit = np.lexsort((made[:, 0], made[:, 1]))
    return EventTruth(
        particle_id=ids, pt=pt, eta=eta, phi=phi, vertex=made_of.vertex, momentum=made_of.momentum,
        charge=made_of.charge,
        n_hits=n_hits, n_layers=n_layers, accepted=accepted, findable=findable,
        distance=nearest_distance(eta, phi, charged & seen),
        hit=made[by_hit, 1], particle=made[by_hit, 0], cluster=cluster, main=main,
        edges=np.stack([unique // (len(cluster) + 1), unique % (len(cluster) + 1)], axis=1),
        edge_particle=edge_particle, edge_pt=pt[edge_particle], edge_findable=edge_findable, pileup=pileup,
        min_layers=min_layers,
    )  # fmt: skip


def truth_of_hits(
    event: ak.Record,
    hits: Hits,
    frame: BeamSpot = CENTRED,
    pileup: int | None = None,
    min_layers: int = MIN_LAYERS,
    over_missing: bool = False,
    min_pt: float = MIN_PT,
) -> EventTruth:
    """Truth of an event of a file for the hits that were made of its clusters.

    Arguments are those of :func:`event_truth`; ``frame`` is that of the detector of the hits.

    Raises:
        InputError: the event has no truth.
    """
    require(
        event.fields, ["clusters", "particles"], "truth: the event", "Give an event of a file with truth."
    )
    return event_truth(
        event["clusters"], event["particles"], hits.layer, pileup, min_layers, frame, hits.cluster,
        hits.estimate, over_missing, min_pt,
    )  # fmt: skip


def pileup_of(made_by: Mapping[str, Any]) -> int | None:
    """Collisions in each event of a file, from its header's ``made_by``; None if it does not say or a gun
    made it.
    """
    options = made_by.get("options")
    generate = options.get("generate") if isinstance(options, Mapping) else None
    if not isinstance(generate, Mapping) or generate.get("gun"):
        return None
    n = generate.get("pileup")
    return n if isinstance(n, int) else None


def nearest_distance(eta: Floats, phi: Floats, others: npt.NDArray[np.bool_]) -> Floats:
    """(P,) distance sqrt(d eta^2 + d phi^2) of each particle to the nearest one of the others but itself.

    Args:
        eta, phi: (P,) directions.
        others: (P,) which particles to look for.

    Returns:
        Infinity where there is none, and for particles along the beam.
    """
    distance = np.full(len(eta), np.inf)
    good = np.isfinite(eta) & np.isfinite(phi)
    chosen = good & others
    if not np.any(chosen):
        return distance
    turn = 2 * np.pi
    around = phi % turn
    around[around >= turn] = 0.0  # the rounded remainder of a small negative angle
    points = np.stack([eta, around], axis=1)
    tree = cKDTree(points[chosen], boxsize=np.array([0.0, turn]))
    # The nearest one to a particle of the tree is itself.
    found = np.asarray(tree.query(points[good], k=2)[0])
    distance[good] = np.where(chosen[good], found[:, 1], found[:, 0])
    return distance


def _true_edges(
    hit: Ints, particle: Ints, order: Ints, layer: npt.NDArray[np.int32], over_missing: bool = False
) -> tuple[Ints, Ints]:
    """(E, 2) cluster rows and (E,) particle rows of consecutive crossings on two layers; ``over_missing``: of
    those that left clusters.
    """
    sort = np.lexsort((order, particle))
    hit, particle, order = hit[sort], particle[sort], order[sort]
    if len(hit) == 0:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    on = layer[hit]
    new_run = np.concatenate([[True], (particle[1:] != particle[:-1]) | (on[1:] != on[:-1])])
    first = np.flatnonzero(new_run)
    last = np.concatenate([first[1:], [len(hit)]]) - 1
    # A run follows the one before if it is the same particle's and no crossing is missing in between.
    follows = particle[first[1:]] == particle[first[:-1]]
    if not over_missing:
        follows &= order[first[1:]] - order[last[:-1]] <= 1
    pairs, who = [], []
    size = last - first + 1
    widest = int(size.max())
    for a in range(widest):
        for b in range(widest):
            ok = follows & (size[:-1] > a) & (size[1:] > b)
            pairs.append(np.stack([hit[first[:-1][ok] + a], hit[first[1:][ok] + b]], axis=1))
            who.append(particle[first[1:][ok]])
    return np.concatenate(pairs), np.concatenate(who)


def makers_of_hits(truth: EventTruth, n_hits: int) -> tuple[Ints, Ints]:
    """(N,) where each hit's rows begin in ``truth.hit`` and ``truth.particle``, and how many there are."""
    count = np.bincount(truth.hit, minlength=n_hits)
    return np.cumsum(count) - count, count
