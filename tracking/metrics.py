"""The one definition of every quality number: matching, findable, true edges, efficiencies, fakes, duplicates.

Definitions:
    findable: charged, pT > 0.9 GeV, |eta| < 2.5, clusters on at least 4 distinct pixel layers.
    a particle made a cluster if at least 10 % of its true charge is the particle's.
    true edge: an ordered pair of clusters on two layers that the same particle made, with no crossing in between.
    matched track (double majority): more than half of the track's clusters are the particle's, and at least half of
    the particle's clusters are on the track. Fake: no such particle. Duplicate: a further track of the same particle.
"""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt

__all__ = [
    "ETA_BINS",
    "MIN_SHARE",
    "PT_BINS",
    "EdgeScore",
    "EventTruth",
    "TrackScore",
    "edge_labels",
    "edge_rows",
    "efficiency_counts",
    "event_truth",
    "match_tracks",
    "pseudorapidity",
    "score_edges",
    "score_tracks",
    "seed_efficiency",
]

MIN_SHARE = 0.1
MIN_PT, MAX_ETA, MIN_LAYERS = 0.9, 2.5, 4
PT_BINS = np.geomspace(0.2, 20, 14)
"""Bins of the efficiency against pT in GeV; there every charged particle in |eta| < 2.5 with 4 layers counts."""
ETA_BINS = np.linspace(-MAX_ETA, MAX_ETA, 16)
"""Bins of the efficiency of findable particles against eta."""

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
        particle_id: (P,) sorted ids; pt (GeV), eta: (P,) at production.
        n_hits, n_layers: (P,) clusters and distinct layers of each.
        findable: (P,) bool.
        hit: (T,) cluster rows; particle: (T,) rows of the particles: who made what, sorted by cluster.
        edges: (E, 2) true edges as cluster rows; edge_pt: (E,) pT of the particle that made it (the stiffest, if several);
        edge_findable: (E,) whether a findable one did.
    """

    particle_id: Ints
    pt: Floats
    eta: Floats
    n_hits: Ints
    n_layers: Ints
    findable: npt.NDArray[np.bool_]
    hit: Ints
    particle: Ints
    edges: Ints
    edge_pt: Floats
    edge_findable: npt.NDArray[np.bool_]


def event_truth(clusters: ak.Array, particles: ak.Array, layer: npt.NDArray[np.int32]) -> EventTruth:
    """Truth of one event's cluster and particle records.

    Args:
        layer: (N,) layer of each cluster.
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
    hit, particle, order = hit[keep], place[keep], order[keep]

    columns = {n: ak.to_numpy(particles[n])[sort].astype(np.float64) for n in ("px", "py", "pz", "charge")}
    pt = np.hypot(columns["px"], columns["py"])
    eta = pseudorapidity(columns["px"], columns["py"], columns["pz"])
    of = np.unique(np.stack([particle, hit], axis=1), axis=0)
    n_hits = np.bincount(of[:, 0], minlength=len(ids))
    on_layer = np.unique(np.stack([particle, layer[hit].astype(np.int64)], axis=1), axis=0)
    n_layers = np.bincount(on_layer[:, 0], minlength=len(ids))
    findable = (columns["charge"] != 0) & (pt > MIN_PT) & (np.abs(eta) < MAX_ETA) & (n_layers >= MIN_LAYERS)
    edges, made_by = _true_edges(hit, particle, order, layer)
    key = edges[:, 0] * (len(counts) + 1) + edges[:, 1]
    unique, first = np.unique(key, return_inverse=True)
    edge_pt = np.zeros(len(unique))
    np.maximum.at(edge_pt, first, pt[made_by])
    edge_findable = np.zeros(len(unique), dtype=bool)
    np.logical_or.at(edge_findable, first, findable[made_by])
    by_hit = np.lexsort((of[:, 0], of[:, 1]))
    return EventTruth(
        particle_id=ids, pt=pt, eta=eta, n_hits=n_hits, n_layers=n_layers, findable=findable,
        hit=of[by_hit, 1], particle=of[by_hit, 0],
        edges=np.stack([unique // (len(counts) + 1), unique % (len(counts) + 1)], axis=1),
        edge_pt=edge_pt, edge_findable=edge_findable,
    )  # fmt: skip


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


def edge_labels(truth: EventTruth, source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
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


def _made(truth: EventTruth, start: Ints, count: Ints, hit: npt.NDArray[np.int32], who: Ints) -> npt.NDArray[np.bool_]:
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


def efficiency_counts(truth: EventTruth, found: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.int64]]:
    """Particles and found ones of an event, (2, bins) each, against ``"pt"`` (PT_BINS) and ``"eta"`` (ETA_BINS)."""
    wide = (truth.n_layers >= MIN_LAYERS) & (np.abs(truth.eta) < MAX_ETA)
    counts = {}
    for name, values, bins, chosen in (("pt", truth.pt, PT_BINS, wide), ("eta", truth.eta, ETA_BINS, truth.findable)):
        both = [np.histogram(values[chosen & part], bins)[0] for part in (np.ones_like(found), found)]
        counts[name] = np.array(both, dtype=np.int64)
    return counts


def match_tracks(truth: EventTruth, tracks: list[npt.NDArray[np.int64]]) -> tuple[Ints, Floats]:
    """Double-majority match of tracks given as cluster rows: particle rows (-1: fake) and hit fractions."""
    particle, fraction = np.full(len(tracks), -1, dtype=np.int64), np.zeros(len(tracks))
    if not tracks or len(truth.hit) == 0:
        return particle, fraction
    n_hits = int(max(truth.hit.max(), max(int(t.max()) for t in tracks))) + 1
    start, count = _per_hit(truth, n_hits)
    for t, rows in enumerate(tracks):
        makers = np.concatenate([truth.particle[start[h] : start[h] + count[h]] for h in rows])
        if len(makers) == 0:
            continue
        who, shared = np.unique(makers, return_counts=True)
        best = int(np.argmax(shared))
        fraction[t] = shared[best] / len(rows)
        for k in np.argsort(-shared, kind="stable"):
            if shared[k] > 0.5 * len(rows) and shared[k] >= 0.5 * truth.n_hits[who[k]]:
                particle[t] = who[k]
                break
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
