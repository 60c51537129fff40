"""Tracks of particles that lose energy at once: exact helices through the embedded detector, whose last piece has
another curvature.
"""

from dataclasses import replace

import numpy as np
import pytest

from seeding.edges import find_edges
from seeding.options import ConeOptions
from smartpix.schema import InputError
from tests.seeding import toys
from tracking.finders.options import BuildOptions
from tracking.finders.paths import build_tracks, layer_ranks
from tracking.finders.radiation import with_radiating_tracks
from tracking.finders.tracks import Tracks

CONE = ConeOptions(quantile=0.9999)
RANKS = layer_ranks(len(toys.detector().layers), toys.pairs())
BUILD = BuildOptions(radiated_pt=0.1)
PT, PHIS = 0.8, np.linspace(0, 3, 60)


def particle(factor, cot=0.1, charge=1, phis=PHIS):
    """A track of 0.8 GeV with one hit on each of the four cylinders, the first there is into one of the directions
    ``phis``; ``factor``: of its curvature from the third on. None: there is none.
    """
    geometry, curvature = toys.detector(), charge * toys.UNIT / PT
    for phi in phis:
        module, point, direction = toys.trace(np.zeros(3), phi, curvature, cot)
        if geometry.layer_index[module].tolist() != [7, 8, 9, 10]:
            continue
        turned = np.arctan2(direction[2, 1], direction[2, 0])
        more, there, heading = toys.trace(point[2], turned, factor * curvature, cot)
        last = np.flatnonzero(geometry.layer_index[more] == 10)
        if len(last) != 1:
            continue
        columns = [
            np.concatenate([a[:3], b[last]])
            for a, b in ((module, more), (point, there), (direction, heading))
        ]
        return toys.Toy(*columns, np.zeros(4, dtype=int), np.arange(4), np.zeros((1, 3)), *np.zeros((3, 1)))
    return None


def found(hits, build=BUILD, field=toys.FIELD, taken=()):
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    scores = np.full(len(edges), 0.99, dtype=np.float32)
    tracks = build_tracks(hits, edges, scores, RANKS, build)
    assert len(tracks) == 0
    tracks = Tracks.from_rows([np.array(taken, dtype=np.int64)] if taken else [])
    more = with_radiating_tracks(tracks, hits, edges, scores, RANKS, toys.pairs(), field, build, CONE)
    return [row.tolist() for row in more.rows()[len(tracks) :]]


def moved(hits, dz):
    """The last hit elsewhere along the beam."""
    position = hits.position.copy()
    position[3, 2] += dz
    return replace(hits, position=position)


@pytest.mark.parametrize("cot", [-1.0, 0.1])
@pytest.mark.parametrize("pt", [0.16, 0.2])
def test_a_path_is_followed_past_a_loss_of_energy(pt, cot):
    hits = toys.toy_hits(particle(PT / pt, cot), 3)
    assert found(hits) == [[0, 1, 2, 3]]
    assert found(hits, BuildOptions(radiated_pt=0.0)) == []
    assert found(hits, BuildOptions(radiated_pt=1.4 * pt)) == []
    assert found(hits, field=0.0) == []


def test_not_to_the_other_side():
    assert found(toys.toy_hits(particle(-PT / 0.18), 3)) == []


def test_cot_theta_stays():
    hits = toys.toy_hits(particle(PT / 0.18), 3)
    # Scattering of 0.18 GeV over 56 mm moves it by 0.7 mm.
    assert found(moved(hits, 0.3)) == [[0, 1, 2, 3]]
    assert found(moved(hits, 4.0)) == found(moved(hits, -4.0)) == []


def test_slopes_far_off_alone_reject_no_hit():
    hits = toys.toy_hits(particle(PT / 0.18), 3)
    mean = hits.estimate.mean.copy()
    mean[3, 2:] += 5.0
    off = replace(hits, estimate=replace(hits.estimate, mean=mean))
    assert found(off) == [[0, 1, 2, 3]]
    # But they use up most of the chi2: the same place must then fit better.
    assert found(moved(hits, 2.2)) == [[0, 1, 2, 3]]
    assert found(moved(off, 2.2)) == []


def test_the_best_of_several_is_taken_and_only_free_ones():
    hits = toys.toy_hits(particle(PT / 0.18), 3)
    both = hits.take(np.array([0, 1, 2, 3, 3]))
    position = both.position.copy()
    position[3, 2] += 1.0
    both = replace(both, position=position, cluster=np.arange(5))
    assert found(both) == [[0, 1, 2, 4]]
    assert found(both, taken=(4,)) == [[0, 1, 2, 3]]
    assert found(both, taken=(3, 4)) == []


def test_weak_edges_are_no_path():
    hits = toys.toy_hits(particle(PT / 0.18), 3)
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    for score, n in ((0.4, 0), (0.6, 1)):
        scores = np.full(len(edges), score, dtype=np.float32)
        more = with_radiating_tracks(
            Tracks.from_rows([]), hits, edges, scores, RANKS, toys.pairs(), toys.FIELD, BUILD, CONE
        )
        assert len(more) == n


def test_options_have_ranges():
    with pytest.raises(InputError, match="radiated_quantile"):
        BuildOptions(radiated_quantile=1.0)
    with pytest.raises(InputError, match="radiated_pt"):
        BuildOptions(radiated_pt=-1.0)
