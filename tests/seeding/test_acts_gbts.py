"""GBTS on the generic detector: what it seeds is asked of toy tracks of known pT and slope."""

from dataclasses import replace

import numpy as np
import pytest

from seeding import acts_gbts
from seeding.acts_reference import acts_seeds
from smartpix.schema import InputError
from tests.seeding import toys

pytest.importorskip("acts")


def seeded(toy, seeds):
    """(P,) whether a particle has a seed of its own hits."""
    of = toy.particle[seeds]
    pure = (of[:, 0] == of[:, 1]) & (of[:, 1] == of[:, 2])
    return np.isin(np.arange(len(toy.phi)), of[pure, 0])


def on_four_layers(toy):
    rows = toy.hit_rows()
    return np.array([len(set(toy.layer[r].tolist())) >= 4 for r in rows])


def test_seeds_are_rows_of_the_same_hits():
    toy = toys.toy_event(60, seed=81, pt=(0.8, 5.0))
    found = acts_seeds([toys.toy_hits(toy, 81)], toys.FIELD, "acts-gbts")
    (seeds,), (quality,) = found.seeds, found.quality
    assert found.ms.shape == (1,)
    assert seeds.dtype == np.int32
    assert len(quality) == len(seeds)
    of = toy.particle[seeds]
    assert np.mean((of[:, 0] == of[:, 1]) & (of[:, 1] == of[:, 2])) > 0.9
    radius = np.hypot(toy.point[seeds, 0], toy.point[seeds, 1])
    assert np.all(np.diff(radius, axis=1) > 0)
    assert np.mean(seeded(toy, seeds)[on_four_layers(toy)]) > 0.9


@pytest.mark.parametrize("scale", [1.6, 2.4])
def test_the_smallest_pt_is_that_of_the_true_detector(scale):
    toy = toys.toy_event(150, seed=82, pt=(0.5, 2.0))
    hits = [toys.toy_hits(toy, 82)]
    (seeds,) = acts_seeds(hits, toys.FIELD, "acts-gbts", minPt=1.1, scale=scale).seeds
    has, long_enough = seeded(toy, seeds), on_four_layers(toy)
    pt = toys.UNIT / np.abs(toy.curvature)
    assert not np.any(has & (pt < 0.8))
    assert np.mean(has[long_enough & (pt > 1.3)]) > 0.9


def test_hits_steeper_than_the_cut_are_left_out():
    toy = toys.toy_event(80, seed=83, pt=(0.8, 5.0))
    hits = [toys.toy_hits(toy, 83)]
    (seeds,) = acts_seeds(hits, toys.FIELD, "acts-gbts", cotThetaMax=2.0).seeds
    assert len(seeds)
    points = toy.point[seeds]
    assert np.all(np.abs(points[..., 2]) < 2.0 * np.hypot(points[..., 0], points[..., 1]) + 0.5)


def test_events_without_hits():
    toy = toys.toy_event(60, seed=84, pt=(0.8, 5.0))
    hits = toys.toy_hits(toy, 84)
    empty = hits.take(np.zeros(0, dtype=np.int64))
    found = acts_seeds([empty, hits, empty], toys.FIELD, "acts-gbts")
    assert [len(seeds) > 0 for seeds in found.seeds] == [False, True, False]


def test_what_it_does_not_take_is_said():
    hits = toys.toy_hits(toys.toy_event(20, seed=85), 85)
    with pytest.raises(InputError, match="the field is 0"):
        acts_seeds([hits], 0.0, "acts-gbts")
    elsewhere = replace(hits, layer=np.ascontiguousarray(hits.layer[::-1]))
    with pytest.raises(
        InputError, match="mm off the layers they name; they must be on ACTS's generic detector"
    ):
        acts_seeds([elsewhere], toys.FIELD, "acts-gbts")
    beyond = replace(hits, layer=hits.layer + 18)
    with pytest.raises(InputError, match="mm off the layers they name"):
        acts_seeds([beyond], toys.FIELD, "acts-gbts")


def test_the_detector_is_larger_by_the_scale_and_only_across_the_beam():
    import acts

    layers = toys.detector().layers
    geometry, ids = acts_gbts._scaled_layers(acts, layers, 2.0)
    context = acts.GeometryContext.dangerouslyDefaultConstruct()
    corners = {}

    def corner(surface):
        ends = [
            [*surface.localToGlobal(context, acts.Vector2(sx * hx, sy * hy), acts.Vector3(0, 0, 1))]
            for values in [surface.bounds.values()]
            for hx, hy in [values[2:4]]
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
        corners[surface.geometryId.value] = np.array(ends)

    geometry.visitSurfaces(corner)
    assert len(corners) == len(layers)
    for k, identifier in enumerate(ids):
        at = corners[identifier.value]
        radius = np.hypot(at[:, 0], at[:, 1])
        if layers.barrel[k]:
            assert radius == pytest.approx(2.0 * layers.radius[k], abs=0.01)
            assert at[:, 2].min() == pytest.approx(layers.z_min[k])
            assert at[:, 2].max() == pytest.approx(layers.z_max[k])
        else:
            assert at[:, 2] == pytest.approx(layers.z[k])
            assert radius.min() == pytest.approx(2.0 * layers.r_min[k], abs=0.01)
            assert radius.max() == pytest.approx(2.0 * layers.r_max[k], abs=0.01)
