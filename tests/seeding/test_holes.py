"""Edges over dead modules, on exact helices through the embedded detector."""

from dataclasses import replace

import numpy as np
import pytest

from seeding.edges import ConeOptions, find_edges
from seeding.holes import BINS, DeadModules, find_holes, with_hole_edges
from seeding.table import max_curvature
from smartpix.layers import layer_pairs
from tests.seeding import toys

CONE = ConeOptions(quantile=0.9999)
LAYERS = toys.detector().layers


@pytest.fixture(scope="module")
def toy():
    return toys.toy_event(150, seed=51, max_eta=2.5, pt=(0.6, 5.0))


@pytest.fixture(scope="module")
def dead(toy):
    """Every third module that is crossed at all, but those of the layers on which particles begin."""
    first = {int(toy.layer[rows[0]]) for rows in toy.hit_rows() if len(rows)}
    crossed = [int(m) for m in np.unique(toy.module) if toys.detector().layer_index[m] not in first]
    return crossed[::3]


@pytest.fixture(scope="module")
def detector(dead):
    return toys.detector().with_dead(dead)


@pytest.fixture(scope="module")
def left(toy, dead):
    """The hits of live modules and their particles."""
    rows = np.flatnonzero(~np.isin(toy.module, dead))
    return toys.toy_hits(toy, 51).take(rows), toy.particle[rows], rows


def search(hits, pairs):
    return find_edges(hits, toys.detector(), pairs, toys.FIELD, CONE)


def over(hits, detector):
    edges = search(hits, toys.pairs())
    holes = find_holes(detector, toys.pairs(), toys.FIELD, CONE.min_pt)
    return edges, with_hole_edges(edges, hits, holes, len(toys.pairs()), search), holes


def test_without_dead_modules_nothing_is_searched():
    assert find_holes(toys.detector(), toys.pairs(), toys.FIELD, 0.5) is None


def test_the_modules_that_a_helix_crosses_are_those_of_its_exact_path(toy, monkeypatch):
    # Without a margin those and no others, but for what a straight step to a module's plane leaves out.
    monkeypatch.setattr("seeding.holes.MARGIN", 0.0)
    detector = toys.detector().with_dead(np.unique(toy.module)[::2])
    dead = DeadModules.of(detector, max_curvature(toys.FIELD, 0.5))
    start = np.array([rows[0] for rows in toy.hit_rows() if len(rows) > 3])
    who = toy.particle[start]
    for layer in np.unique(toy.layer):
        wanted = np.zeros((1, len(LAYERS)), dtype=bool)
        wanted[0, layer] = True
        got = dead.crossed(
            toy.point[start], toy.curvature[who], toy.cot_theta[who], wanted, np.zeros(len(start), dtype=np.int64),
            np.zeros(len(start)), np.full(len(start), np.inf),
        )  # fmt: skip
        on = np.flatnonzero((toy.layer == layer) & np.isin(toy.module, detector.dead))
        crossed = np.isin(who, toy.particle[on])
        assert np.sum(got != crossed) <= 1


def test_particles_behind_dead_modules_get_their_edges_and_few_others_come(left, detector, toy):
    hits, particle, rows = left
    edges, more, _ = over(hits, detector)
    made = set(zip(more.source.tolist(), more.target.tolist(), strict=True))
    wanted = []
    for p in range(len(toy.phi)):
        own = np.flatnonzero(particle == p)
        own = own[np.argsort(toy.order[rows[own]])]
        for a, b in zip(own[:-1].tolist(), own[1:].tolist(), strict=True):
            gone = toy.order[rows[b]] - toy.order[rows[a]] == 2
            if gone and hits.layer[a] != hits.layer[b]:
                wanted.append((a, b))
    assert len(wanted) > 60
    assert sum(pair in made for pair in wanted) > 0.97 * len(wanted)
    everything = search(hits, layer_pairs(toys.detector(), skips=True))
    assert len(more) - len(edges) < 0.6 * (len(everything) - len(edges))


def test_the_edges_without_holes_stay_and_no_pair_of_hits_comes_twice(left, detector):
    hits = left[0]
    edges, more, holes = over(hits, detector)
    for name in ("source", "target", "pair", "chi2"):
        np.testing.assert_array_equal(getattr(more, name)[: len(edges)], getattr(edges, name))
    assert len({*zip(more.source.tolist(), more.target.tolist(), strict=True)}) == len(more)
    assert np.all(np.diff(more.pair[:]) >= 0) or len(edges) == len(more)
    added = more.pair[len(edges) :] - len(toys.pairs())
    np.testing.assert_array_equal(hits.layer[more.source[len(edges) :]], holes.pairs.inner[added])
    np.testing.assert_array_equal(hits.layer[more.target[len(edges) :]], holes.pairs.outer[added])


def test_hits_are_left_out_by_azimuth_only_where_they_have_no_edges(left, detector):
    hits = left[0]
    edges, more, holes = over(hits, detector)
    everywhere = replace(holes, near=np.ones((len(LAYERS), BINS), dtype=bool))
    assert len(with_hole_edges(edges, hits, everywhere, len(toys.pairs()), search)) == len(more)


def test_pairs_that_are_searched_in_any_case_are_not_searched_again(detector):
    pairs = layer_pairs(toys.detector(), skips=True)
    assert len(find_holes(detector, pairs, toys.FIELD, 0.5).pairs) == 0
