"""The one definition of every quality number: matching, findable, true edges, efficiencies, fakes,
duplicates.

Definitions:
    findable: charged, pT > 0.9 GeV, |eta| < 2.5, clusters on at least 4 distinct pixel layers (an option for
        detectors of fewer).
    accepted: charged, pT > 0.9 GeV, |eta| < 2.5, wherever produced and on however many layers.
    technical efficiency: findable particles with a matched track / findable ones; physics efficiency: the
    same of accepted ones. a particle made a cluster if at least 10 % of its true charge is the particle's.
    true edge: an ordered pair of clusters on two layers that the same particle made, with no crossing in
        between.
    matched track (double majority): more than half of the track's clusters are the particle's, and at least
    half of the particle's clusters are on the track. Fake: no such particle. Duplicate: a further track of
    the same particle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.stats import beta as beta_distribution

from tracking.options import MIN_LAYERS

__all__ = [
    "BINS",
    "MAX_ETA",
    "MIN_LAYERS",
    "MIN_PT",
    "MIN_SHARE",
    "TRACK_BINS",
    "EdgeScore",
    "EventTruth",
    "TrackScore",
    "clopper_pearson",
    "edge_labels",
    "edge_rows",
    "efficiency_counts",
    "event_truth",
    "match_tracks",
    "nearest_distance",
    "pileup_of",
    "pseudorapidity",
    "score_edges",
    "score_tracks",
    "seed_efficiency",
    "track_counts",
]

MIN_SHARE = 0.1
MIN_PT, MAX_ETA = 0.9, 2.5
PT_BINS = np.geomspace(0.2, 20, 14)
BINS = {
    "pt": PT_BINS,
    "eta": np.linspace(-MAX_ETA, MAX_ETA, 16),
    "pileup": np.linspace(-10, 410, 22),
    "distance": np.geomspace(1e-3, 1, 13),
    "radius": np.array([0.01, 0.1, 0.3, 1, 3, 10, 30, 100, 300]),
}
"""Bins of the efficiency against pT (GeV), eta, collisions in the event, distance to the next particle in
(eta, phi), and production radius (mm). The outermost bins of the last two hold all that is beyond."""
TRACK_BINS = {"pt": PT_BINS, "eta": np.linspace(-4, 4, 17)}
"""Bins of fakes and duplicates against the fitted pT (GeV) and eta."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pseudorapidity(px: npt.ArrayLike, py: npt.ArrayLike, pz: npt.ArrayLike) -> Floats:
    """Pseudorapidity of momenta, asinh(pz / pT); infinite along the beam."""
    pt = np.hypot(np.asarray(px, dtype=np.float64), np.asarray(py, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.arcsinh(np.asarray(pz, dtype=np.float64) / pt))


@dataclass(frozen=True)
class EventTruth:
    """Truth of one event.

    Attributes:
        particle_id: (P,) sorted ids; pt (GeV), eta, phi: (P,) at production.
        vertex, momentum: (P, 3) at production, mm and GeV; charge: (P,) e.
        n_hits, n_layers: (P,) clusters and distinct layers of each.
        accepted, findable: (P,) bool.
        distance: (P,) in (eta, phi) to the nearest other charged particle with clusters on at least 4 layers,
            of any pT; infinite where there is none.
        hit: (T,) cluster rows; particle: (T,) rows of the particles: who made what, sorted by cluster.
        min_layers: on which a particle must have clusters to be findable.
        main: (N,) row of the particle with the largest share of each cluster, -1 where none has MIN_SHARE.
        edges: (E, 2) true edges as cluster rows; edge_particle: (E,) row of the particle that made it (the
            stiffest, if several);
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
    main: Ints
    edges: Ints
    edge_particle: Ints
    edge_pt: Floats
    edge_findable: npt.NDArray[np.bool_]
    pileup: int | None = None
    min_layers: int = MIN_LAYERS


def event_truth(
    clusters: ak.Array,
    particles: ak.Array,
    layer: npt.NDArray[np.int32],
    pileup: int | None = None,
    min_layers: int = MIN_LAYERS,
) -> EventTruth:
    """Truth of one event's cluster and particle records.

    Args:
        layer: (N,) layer of each cluster.
        pileup: collisions in the event, see :func:`pileup_of`.
        min_layers: on which a particle must have clusters to be findable.
    """
    truth = clusters["truth"]
    counts = ak.to_numpy(ak.num(truth, axis=1))
    hit = np.repeat(np.arange(len(counts)), counts)
    flat = ak.flatten(truth, axis=1)
    share, order = ak.to_numpy(flat["share"]), ak.to_numpy(flat["order"]).astype(np.int64)
    ids = ak.to_numpy(particles["particle_id"])
    sort = np.argsort(ids, kind="stable")
    ids = ids[sort]
    wanted = ak.to_numpy(flat["particle_id"])
    place = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    known = (ids[place] == wanted) if len(ids) else np.zeros(len(wanted), dtype=bool)
    keep = known & (share >= MIN_SHARE)
    hit, particle, order, share = hit[keep], place[keep], order[keep], share[keep]
    main = np.full(len(counts), -1, dtype=np.int64)
    rising = np.argsort(share, kind="stable")
    main[hit[rising]] = particle[rising]

    columns = {
        n: ak.to_numpy(particles[n])[sort].astype(np.float64)
        for n in ("vx", "vy", "vz", "px", "py", "pz", "charge")
    }
    vertex, momentum = (np.stack([columns[a + b] for b in "xyz"], axis=1) for a in "vp")
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    eta, phi = pseudorapidity(*momentum.T), np.arctan2(momentum[:, 1], momentum[:, 0])
    of = np.unique(np.stack([particle, hit], axis=1), axis=0)
    n_hits = np.bincount(of[:, 0], minlength=len(ids))
    on_layer = np.unique(np.stack([particle, layer[hit].astype(np.int64)], axis=1), axis=0)
    n_layers = np.bincount(on_layer[:, 0], minlength=len(ids))
    charged, seen = columns["charge"] != 0, n_layers >= min_layers
    accepted = charged & (pt > MIN_PT) & (np.abs(eta) < MAX_ETA)
    findable = accepted & seen
    edges, made_by = _true_edges(hit, particle, order, layer)
    key = edges[:, 0] * (len(counts) + 1) + edges[:, 1]
    unique, first = np.unique(key, return_inverse=True)
    edge_particle = np.zeros(len(unique), dtype=np.int64)
    rising = np.argsort(pt[made_by], kind="stable")
    edge_particle[first[rising]] = made_by[rising]
    edge_findable = np.zeros(len(unique), dtype=bool)
    np.logical_or.at(edge_findable, first, findable[made_by])
    by_hit = np.lexsort((of[:, 0], of[:, 1]))
    return EventTruth(
        particle_id=ids, pt=pt, eta=eta, phi=phi, vertex=vertex, momentum=momentum, charge=columns["charge"],
        n_hits=n_hits, n_layers=n_layers, accepted=accepted, findable=findable,
        distance=nearest_distance(eta, phi, charged & seen),
        hit=of[by_hit, 1], particle=of[by_hit, 0], main=main,
        edges=np.stack([unique // (len(counts) + 1), unique % (len(counts) + 1)], axis=1),
        edge_particle=edge_particle, edge_pt=pt[edge_particle], edge_findable=edge_findable, pileup=pileup,
        min_layers=min_layers,
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


def _true_edges(hit: Ints, particle: Ints, order: Ints, layer: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
    """(E, 2) cluster rows and (E,) particle rows of consecutive crossings on two layers."""
    sort = np.lexsort((order, particle))
    hit, particle, order = hit[sort], particle[sort], order[sort]
    if len(hit) == 0:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    on = layer[hit]
    new_run = np.concatenate([[True], (particle[1:] != particle[:-1]) | (on[1:] != on[:-1])])
    first = np.flatnonzero(new_run)
    last = np.concatenate([first[1:], [len(hit)]]) - 1
    # A run follows the one before if it is the same particle's and no crossing is missing in between.
    follows = (particle[first[1:]] == particle[first[:-1]]) & (order[first[1:]] - order[last[:-1]] <= 1)
    pairs, who = [], []
    size = last - first + 1
    widest = int(size.max())
    for a in range(widest):
        for b in range(widest):
            ok = follows & (size[:-1] > a) & (size[1:] > b)
            pairs.append(np.stack([hit[first[:-1][ok] + a], hit[first[1:][ok] + b]], axis=1))
            who.append(particle[first[1:][ok]])
    return np.concatenate(pairs), np.concatenate(who)


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
    known = truth.edges[:, 0] * width + truth.edges[:, 1]  # sorted, since edges are
    wanted = source.astype(np.int64) * width + target
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, place, -1)


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


def score_edges(truth: EventTruth, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> EdgeScore:
    """Score the edges of one event."""
    rows = edge_rows(truth, source, target)
    found = np.zeros(len(truth.edges), dtype=bool)
    found[rows[rows >= 0]] = True
    soft = truth.edge_pt > 0.5
    return EdgeScore(
        n_edges=len(source),
        n_true=int(np.sum(rows >= 0)),
        n_wanted=int(truth.edge_findable.sum()),
        n_found=int(np.sum(found & truth.edge_findable)),
        n_wanted_0p5=int(soft.sum()),
        n_found_0p5=int(np.sum(found & soft)),
    )


def seed_efficiency(truth: EventTruth, seeds: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(P,) particles with a seed (S, 3) whose three hits are all theirs."""
    found = np.zeros(len(truth.particle_id), dtype=bool)
    if len(seeds) == 0 or len(truth.hit) == 0:
        return found
    start, count = _per_hit(truth, int(max(truth.hit.max(), seeds.max())) + 1)
    # A cluster has one to a few makers: try each of the first hit's.
    for k in range(int(count.max())):
        has = count[seeds[:, 0]] > k
        who = truth.particle[start[seeds[has, 0]] + k]
        good = _made(truth, start, count, seeds[has, 1], who) & _made(truth, start, count, seeds[has, 2], who)
        found[who[good]] = True
    return found


def _per_hit(truth: EventTruth, n_hits: int) -> tuple[Ints, Ints]:
    count = np.bincount(truth.hit, minlength=n_hits)
    return np.cumsum(count) - count, count


def _made(
    truth: EventTruth, start: Ints, count: Ints, hit: npt.NDArray[np.int32], who: Ints
) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(hit), dtype=bool)
    for k in range(int(count.max(initial=0))):
        has = count[hit] > k
        out[has] |= truth.particle[start[hit[has]] + k] == who[has]
    return out


@dataclass(frozen=True)
class TrackScore:
    """Matching of one event's tracks.

    Attributes:
        particle: (T,) row of the matched particle, -1 for fakes.
        hit_fraction: (T,) share of the track's clusters the best particle made.
        duplicate: (T,) matched, and not the first track of its particle.
        found: (P,) particles with a matched track.
    """

    particle: Ints
    hit_fraction: Floats
    duplicate: npt.NDArray[np.bool_]
    found: npt.NDArray[np.bool_]


def efficiency_counts(truth: EventTruth, found: npt.NDArray[np.bool_]) -> dict[str, hist.Hist]:
    """Particles and found ones of an event against each variable of ``BINS``; of pile-up only where it is
    known.

    Args:
        found: (P,) particles with a matched track.

    Returns:
        Histograms with three axes: the variable; ``of``, "technical" (findable particles) or "physics"
        (accepted ones); ``found``. Against pT the cut on pT is left out of both.
    """
    values = {
        "pt": truth.pt,
        "eta": truth.eta,
        "distance": truth.distance,
        "radius": np.hypot(*truth.vertex[:, :2].T),
    }
    if truth.pileup is not None:
        values["pileup"] = np.full(len(truth.pt), float(truth.pileup))
    central = (truth.charge != 0) & (np.abs(truth.eta) < MAX_ETA)
    counts = {}
    for name, value in values.items():
        edges = BINS[name]
        if name in ("distance", "radius"):
            value = np.clip(value, edges[0], np.nextafter(edges[-1], 0))
        histogram = hist.Hist(
            hist.axis.Variable(edges, name=name), hist.axis.StrCategory(["technical", "physics"], name="of"),
            hist.axis.Boolean(name="found"), storage=hist.storage.Int64(),
        )  # fmt: skip
        physics = central if name == "pt" else truth.accepted
        technical = physics & (truth.n_layers >= truth.min_layers)
        for of, chosen in (("technical", technical), ("physics", physics)):
            histogram.fill(value[chosen], of, found[chosen])
        counts[name] = histogram
    return counts


def track_counts(theta: Floats, qop: Floats, score: TrackScore) -> dict[str, hist.Hist]:
    """Tracks, fakes and duplicates of an event against the fitted pT and eta, in ``TRACK_BINS``.

    Args:
        theta, qop: (T,) fitted, rad and 1/GeV.

    Returns:
        Histograms with two axes: the variable; ``kind``, "good" (the first of its particle), "duplicate" or
            "fake".
    """
    with np.errstate(divide="ignore"):
        values = {"pt": np.sin(theta) / np.abs(qop), "eta": pseudorapidity(np.sin(theta), 0.0, np.cos(theta))}
    kinds = ["good", "duplicate", "fake"]
    kind = np.where(score.particle < 0, 2, np.where(score.duplicate, 1, 0))
    counts = {}
    for name, value in values.items():
        histogram = hist.Hist(
            hist.axis.Variable(TRACK_BINS[name], name=name), hist.axis.StrCategory(kinds, name="kind"),
            storage=hist.storage.Int64(),
        )  # fmt: skip
        for k, label in enumerate(kinds):
            histogram.fill(value[kind == k], label)
        counts[name] = histogram
    return counts


def clopper_pearson(passed: Floats, total: Floats, level: float = 0.6827) -> tuple[Floats, Floats]:
    """Exact binomial interval (Clopper and Pearson, Biometrika 26 (1934) 404): lower and upper bound of each
    bin.
    """
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(passed > 0, beta_distribution.ppf(tail, passed, total - passed + 1), 0.0)
        high = np.where(passed < total, beta_distribution.ppf(1 - tail, passed + 1, total - passed), 1.0)
    return np.asarray(low), np.asarray(high)


def match_tracks(truth: EventTruth, tracks: list[npt.NDArray[np.int64]]) -> tuple[Ints, Floats]:
    """Double-majority match of tracks given as cluster rows: particle rows (-1: fake) and hit fractions."""
    particle, fraction = np.full(len(tracks), -1, dtype=np.int64), np.zeros(len(tracks))
    if not tracks or len(truth.hit) == 0:
        return particle, fraction
    size, rows = np.array([len(t) for t in tracks]), np.concatenate(tracks)
    start, count = _per_hit(truth, int(max(truth.hit.max(), rows.max())) + 1)
    n = count[rows]
    maker = truth.particle[np.repeat(start[rows] - (np.cumsum(n) - n), n) + np.arange(n.sum())]
    # Of every track its makers, by the hits they share with it, then by row.
    key = np.repeat(np.repeat(np.arange(len(tracks)), size), n) * len(truth.n_hits) + maker
    unique, shared = np.unique(key, return_counts=True)
    order = np.argsort(-shared, kind="stable")
    order = order[np.argsort(unique[order] // len(truth.n_hits), kind="stable")]
    of, who, shared = unique[order] // len(truth.n_hits), unique[order] % len(truth.n_hits), shared[order]
    track, best = np.unique(of, return_index=True)
    fraction[track] = shared[best] / size[track]
    good = np.flatnonzero((shared > 0.5 * size[of]) & (shared >= 0.5 * truth.n_hits[who]))
    track, best = np.unique(of[good], return_index=True)
    particle[track] = who[good][best]
    return particle, fraction


def score_tracks(truth: EventTruth, tracks: list[npt.NDArray[np.int64]]) -> TrackScore:
    """Match the tracks of one event and find fakes and duplicates."""
    particle, fraction = match_tracks(truth, tracks)
    duplicate = np.zeros(len(tracks), dtype=bool)
    found = np.zeros(len(truth.particle_id), dtype=bool)
    for t, who in enumerate(particle):
        if who >= 0:
            duplicate[t] = found[who]
            found[who] = True
    return TrackScore(particle, fraction, duplicate, found)
