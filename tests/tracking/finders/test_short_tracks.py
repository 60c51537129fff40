"""Tracks that lack a cluster because a module is dead, on exact helices through the embedded detector."""

import numpy as np
import pytest

from seeding.edges import find_edges
from seeding.holes import find_holes, with_hole_edges
from seeding.options import ConeOptions
from smartpix.geometry import Detector
from tests.seeding import toys
from tracking.finders.gnn.network import network_name
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks, layer_ranks
from tracking.finders.short_tracks import with_short_tracks

CONE = ConeOptions(quantile=0.9999)
RANKS = layer_ranks(len(toys.detector().layers), toys.pairs())
BUILD = BuildOptions()


def search(hits, pairs):
    return find_edges(hits, toys.detector(), pairs, toys.FIELD, CONE)


@pytest.fixture(scope="module")
def lone():
    """A stiff track with one hit on each of the four cylinders."""
    for phi in np.linspace(0, 3, 40):
        toy = toys.event_of(np.zeros((1, 3)), np.array([phi]), np.array([toys.UNIT / 2]), np.array([0.1]))
        if len(toy.module) == 4 and len(set(toy.layer.tolist())) == 4:
            return toy
    raise AssertionError("no such track")


def found(toy, gone, detector, build=BUILD):
    """Tracks of the hits but one, as lists of their places on the track."""
    hits = toys.toy_hits(toy, 3)
    rows = np.setdiff1d(np.arange(len(hits)), gone)
    hits = hits.take(rows)
    edges = search(hits, toys.pairs())
    holes = find_holes(detector, toys.pairs(), toys.FIELD, CONE.min_pt)
    if holes is not None:
        edges = with_hole_edges(edges, hits, holes, len(toys.pairs()), search)
    scores = np.full(len(edges), 0.99, dtype=np.float32)
    tracks = build_tracks(hits, edges, scores, RANKS, build)
    if holes is not None:
        tracks = with_short_tracks(tracks, hits, edges, scores, RANKS, build, holes.dead)
    return [rows[track].tolist() for track in tracks.rows()]


@pytest.mark.parametrize("gone", range(4))
def test_three_clusters_are_a_track_only_if_the_module_of_the_fourth_is_dead(lone, gone):
    own = toys.detector().with_dead([int(lone.module[gone])])
    others = [k for k in range(len(own)) if own.layer_index[k] == own.layer_index[own.dead[0]]]
    # On the other side of the detector.
    elsewhere = others[int(np.argmin(own.center[others] @ own.center[own.dead[0]]))]
    left = [k for k in range(4) if k != gone]
    assert found(lone, [gone], own) == [left]
    assert found(lone, [gone], toys.detector().with_dead([elsewhere])) == []
    assert found(lone, [gone], toys.detector()) == []
    assert found(lone, [gone], own, BuildOptions(hole_hits=4)) == []


def test_a_whole_track_is_one_also_where_modules_are_dead(lone):
    detector = toys.detector().with_dead([0, 1, 2])
    assert found(lone, [], detector) == [[0, 1, 2, 3]]


def test_two_clusters_are_no_track(lone):
    detector = toys.detector().with_dead(lone.module[1:3])
    assert found(lone, [1, 2], detector) == []


def test_the_network_over_holes_is_taken_where_modules_are_known_to_be_dead():
    dead = toys.detector().with_dead([1])
    assert isinstance(dead, Detector)
    assert network_name("gnn", "cone", dead) == "gnn-holes"
    assert network_name("gnn", "cone", toys.detector()) == "gnn"
    assert network_name("gnn", "window", dead) == "gnn"
    assert network_name("mine.safetensors", "cone", dead) == "mine.safetensors"
