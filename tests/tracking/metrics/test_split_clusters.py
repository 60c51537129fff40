"""Truth of hits of which a cluster gives several: whose each is, against all possibilities tried."""

from itertools import permutations

import numpy as np
import pytest

from smartpix.estimate.base import Estimate
from smartpix.schema import InputError
from tests.tracking.metrics.events import TRACK, event_of, truth_of
from tracking import metrics
from tracking.metrics.split_clusters import makers_of_parts

SIGMA = np.array([0.01, 0.005, 0.2, 0.3])
OTHER = (8, 2.0, 0.0, 0.0, -1.0)


def estimate_of(mean, sigma=SIGMA):
    mean = np.asarray(mean, dtype=np.float64)
    return Estimate(mean, np.tile(np.diag(sigma), (len(mean), 1, 1)))


def random_cluster(rng, n_crossings, n_hits):
    target = rng.normal(0, 3, (n_crossings, 4)) * SIGMA
    factor = np.tril(rng.normal(0, 0.3, (n_hits, 4, 4))) + np.eye(4)
    estimate = Estimate(rng.normal(0, 3, (n_hits, 4)) * SIGMA, SIGMA[:, None] * factor)
    away = target[None] - estimate.mean[:, None]
    chi2 = np.einsum("hcp,hpq,hcq->hc", away, np.linalg.inv(estimate.covariance()), away)
    return target, estimate, chi2


@pytest.mark.parametrize("n_hits", [2, 3])
@pytest.mark.parametrize("n_crossings", [1, 2, 3])
def test_hits_and_crossings_are_paired_as_the_best_of_all_permutations(n_hits, n_crossings):
    rng = np.random.default_rng(10 * n_hits + n_crossings)
    for _ in range(20):
        target, estimate, chi2 = random_cluster(rng, n_crossings, n_hits)
        hit, crossing = makers_of_parts(
            np.zeros(n_crossings, dtype=np.int64), target, np.zeros(n_hits, dtype=np.int64), estimate
        )
        n = min(n_hits, n_crossings)
        best = min(
            (sum(chi2[h, c] for h, c in zip(hs, cs, strict=True)), set(zip(hs, cs, strict=True)))
            for hs in permutations(range(n_hits), n)
            for cs in permutations(range(n_crossings), n)
        )[1]
        others = set(range(n_crossings)) - {c for _, c in best}
        best |= {(int(np.argmin(chi2[:, c])), c) for c in others}
        assert set(zip(hit.tolist(), crossing.tolist(), strict=True)) == best
        assert np.all(np.diff(hit) >= 0)


def test_hits_that_share_an_estimate_are_of_all_crossings_and_others_of_all_of_their_own():
    # Clusters of two crossings with one hit, none with two hits, two with two alike, and one with one.
    crossed, cluster = np.array([0, 0, 2, 2, 3]), np.array([0, 1, 1, 2, 2, 3])
    mean = np.zeros((6, 4))
    mean[2] = 1.0
    hit, crossing = makers_of_parts(crossed, np.zeros((5, 4)), cluster, estimate_of(mean))
    pairs = list(zip(hit.tolist(), crossing.tolist(), strict=True))
    assert pairs == [(0, 0), (0, 1), (3, 2), (3, 3), (4, 2), (4, 3), (5, 4)]


@pytest.mark.parametrize("alone", [0, 1, 2])
def test_of_three_hits_two_may_share_an_estimate(alone):
    """The one by itself is of its crossing, the two others are each of both others, in whatever order."""
    rng = np.random.default_rng(alone)
    for _ in range(10):
        target = np.zeros((3, 4))
        target[:, 0] = rng.permutation([-0.1, 0.1, 5.0])
        mean = np.zeros((3, 4))
        mean[alone, 0] = 5.0
        cluster = np.zeros(3, dtype=np.int64)
        hit, crossing = makers_of_parts(cluster, target, cluster, estimate_of(mean))
        far, near = int(np.argmax(target[:, 0])), np.flatnonzero(target[:, 0] < 1).tolist()
        wanted = {(alone, far)} | {(h, c) for h in {0, 1, 2} - {alone} for c in near}
        assert set(zip(hit.tolist(), crossing.tolist(), strict=True)) == wanted
        assert len(hit) == len(wanted)


def split_event():
    """Two particles on four layers; the cluster on the second is of both, and gives two hits, of the other
    first. Records, layers of the hits, their clusters, their estimates.
    """
    entries = [[(7, 1.0, 0)], [(8, 1.0, 0)], [(7, 0.4, 1), (8, 0.6, 1)], [(7, 1.0, 2)], [(8, 1.0, 2)]]
    entries += [[(7, 1.0, 3)], [(8, 1.0, 3)]]
    clusters, particles, _ = event_of(entries, [*TRACK, OTHER], range(7))
    for name in ("x", "y", "cot_alpha", "cot_beta"):
        # Particle 8 is at 0.1 everywhere, 7 at 0.
        clusters["truth", name] = (clusters["truth", "particle_id"] - 7) * 0.1
    cluster, layer = np.array([0, 1, 2, 2, 3, 4, 5, 6]), np.array([0, 0, 1, 1, 2, 2, 3, 3], dtype=np.int32)
    mean = np.zeros((8, 4))
    mean[[1, 2, 5, 7]] = 0.1
    return clusters, particles, layer, cluster, estimate_of(mean)


def test_true_edges_join_the_hits_of_one_particle_and_tracks_are_judged_by_clusters():
    clusters, particles, layer, cluster, estimate = split_event()
    truth = metrics.event_truth(clusters, particles, layer, cluster=cluster, estimate=estimate)
    assert truth.edges.tolist() == [[0, 3], [1, 2], [2, 5], [3, 4], [4, 6], [5, 7]]
    assert truth.main.tolist() == [0, 1, 1, 0, 0, 1, 0, 1]
    assert truth.n_hits.tolist() == truth.n_layers.tolist() == [4, 4]
    assert truth.hit.tolist() == [0, 1, 2, 2, 3, 4, 5, 6]
    # A track may have the other's hit of the cluster, since clusters count; both of them count once.
    for tracks in ([[0, 3, 4, 6], [1, 2, 5, 7]], [[0, 2, 4, 6], [1, 3, 5, 7]], [[0, 2, 3, 4, 6], [1, 5, 7]]):
        score = metrics.score_tracks(truth, [np.array(t) for t in tracks])
        assert score.particle.tolist() == [0, 1]
        assert score.hit_fraction.tolist() == [1, 1]
    # Particles 7's two of four clusters, one of them with both its hits, are no majority of these five hits.
    score = metrics.score_tracks(truth, [np.array([1, 2, 3, 5, 4])])
    assert score.particle.tolist() == [1]
    assert score.hit_fraction.tolist() == [0.75]
    seeds = np.array([[0, 2, 4], [1, 2, 4]], dtype=np.int32)
    assert metrics.seed_efficiency(truth, seeds).tolist() == [True, False]


def test_split_hits_without_estimates_are_refused_and_hits_of_clusters_need_none():
    clusters, particles, layer, cluster, _ = split_event()
    with pytest.raises(InputError, match="7 clusters give 8 hits; give the hits' estimates"):
        metrics.event_truth(clusters, particles, layer, cluster=cluster)
    with pytest.raises(InputError, match="layers of 8 hits and clusters of 7; give the cluster of each hit"):
        metrics.event_truth(clusters, particles, layer)
    entries = [[(7, 1.0, o)] for o in range(4)]
    plain = truth_of(entries, TRACK, range(4))
    clusters, particles, layer = event_of(entries, TRACK, range(4))
    told = metrics.event_truth(clusters, particles, layer, cluster=np.arange(4))
    assert told.edges.tolist() == plain.edges.tolist()
    assert not plain.is_split
