"""Cones of beams of particles and of lines of any slope, against all pairs of hits in the laboratory's frame."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seeding.hits import Hits
from seeding.options import ANY_SLOPE, FAR, ConeOptions, SeedOptions
from smartpix.beam import CENTRED, BeamSpot
from smartpix.estimate.base import Estimate
from smartpix.layers import layer_pairs
from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.options import Plane
from smartpix.schema import InputError
from tracking.finders.gnn.finder import GraphSearch
from tracking.finders.gnn.options import TrainGnnOptions

SIGMA = np.array([0.005, 0.005, 0.05, 0.04])
"""Of estimates: mm, mm, and of cot alpha and cot beta."""


def telescope(*z, **options):
    """Planes at z, some of them on either side of the origin."""
    return make_layout(Layout(plane=(Plane(z=z, width=40.0, height=20.0, **options),)))


def hits_of_lines(detector, start, slope, rng):
    """Smeared hits of lines through (start, 0) with slopes, on all planes; and the line of each."""
    columns = {name: [] for name in ("module", "position", "mean", "line")}
    for module in range(len(detector)):
        axes, centre = detector.axes[module], detector.center[module]
        for k, (point, (a, b)) in enumerate(zip(start, slope, strict=True)):
            direction = np.array([a, b, 1.0])
            origin = np.array([*point, 0.0])
            s = (centre - origin) @ axes[:, 2] / (direction @ axes[:, 2])
            local = axes.T @ (origin + s * direction - centre)
            if abs(local[0]) > detector.half_x[module] or abs(local[1]) > detector.half_y[module]:
                continue
            turned = axes.T @ direction
            mean = np.array([*local[:2], *(turned[:2] / turned[2])]) + SIGMA * rng.standard_normal(4)
            for name, value in zip(columns, (module, centre + axes[:, :2] @ mean[:2], mean, k), strict=True):
                columns[name].append(value)
    module = np.array(columns["module"], dtype=np.int32)
    n = len(module)
    estimate = Estimate(np.array(columns["mean"]), np.tile(np.diag(SIGMA), (n, 1, 1)))
    return module, np.array(columns["position"]), estimate, np.array(columns["line"])


def in_frame(detector, module, position, estimate):
    """The hits in the frame of the detector's beam."""
    axes = np.ascontiguousarray(detector.axes[module].transpose(0, 2, 1).reshape(-1, 9))
    layer = detector.layer_index[module]
    return Hits(np.arange(len(module)), module, layer, detector.frame.to_beam(position), estimate, axes)


def all_pairs(detector, module, position, estimate, spread):
    """chi2 of all pairs of hits on planes that follow one another: a straight loop in the global frame."""
    chi2 = {}
    layer = detector.layer_index[module]
    order = np.argsort(
        np.argsort([detector.center[detector.layer_index == k, 2].mean() for k in range(layer.max() + 1)])
    )
    for i in range(len(module)):
        for j in range(len(module)):
            if order[layer[j]] != order[layer[i]] + 1:
                continue
            chord = position[j] - position[i]
            total = sum((chord[k] / chord[2] / spread) ** 2 for k in range(2))
            for h in (i, j):
                local = detector.axes[module[h]].T @ chord
                total += np.sum(((local[:2] / local[2] - estimate.mean[h, 2:]) / SIGMA[2:]) ** 2)
            chi2[i, j] = total
    return chi2


@pytest.mark.parametrize(("prior", "spread"), [("direction", 0.01), ("none", 0.3)])
def test_edges_are_all_pairs_along_straight_lines(prior, spread):
    rng = np.random.default_rng(11)
    detector = telescope(-150.0, -60.0, 30.0, 100.0, 190.0, tilt_x=12.0)
    start = rng.uniform([-8, -5], [8, 5], (40, 2))
    slope = rng.normal(0, spread / 3 if prior == "none" else spread, (40, 2))
    module, position, estimate, line = hits_of_lines(detector, start, slope, rng)
    cone = ConeOptions(quantile=0.999, prior=prior, sigma_slope=0.01, radiation_length=0.0)
    beam = cone.beam(replace(CENTRED, x=0.5, y=-0.3))
    turned = detector.at_beam(beam)
    hits = in_frame(turned, module, position, estimate)
    search = GraphSearch.for_detector(turned, 0.0, TrainGnnOptions(cone=cone), SeedOptions())
    edges = search.edges(hits)
    expected = all_pairs(detector, module, position, estimate, 0.01 if prior == "direction" else ANY_SLOPE)
    found = {
        (int(i), int(j)): float(c) for i, j, c in zip(edges.source, edges.target, edges.chi2, strict=True)
    }
    cut = cone.joint_cut()
    # The frame's prior is of lines from a far point: where on the sensor a line is adds to its slope.
    slack = 0.1 * cut
    assert {pair for pair, c in expected.items() if c < cut - slack} <= found.keys()
    assert found.keys() <= {pair for pair, c in expected.items() if c < cut + slack}
    shared = [(found[pair], expected[pair]) for pair in found]
    assert len(shared) > 100
    assert np.abs(np.diff(shared, axis=1)).max() < slack
    true = [(i, j) for i, j in expected if line[i] == line[j]]
    assert np.mean([pair in found for pair in true]) > 0.99


def test_a_parallel_beam_makes_no_edges_about_its_own_line_and_all_of_them_with_the_prior():
    rng = np.random.default_rng(2)
    detector = telescope(100.0, 200.0, 300.0)
    parallel = rng.uniform([-8, -5], [8, 5], (30, 2)), rng.normal(0, 1e-4, (30, 2))
    module, position, estimate, line = hits_of_lines(detector, *parallel, rng)
    share = {}
    for prior in ("beam", "direction"):
        cone = ConeOptions(quantile=0.9999, prior=prior, sigma_slope=0.001)
        turned = detector.at_beam(cone.beam(CENTRED))
        search = GraphSearch.for_detector(turned, 0.0, TrainGnnOptions(cone=cone), SeedOptions())
        edges = search.edges(in_frame(turned, module, position, estimate))
        share[prior] = np.sum(line[edges.source] == line[edges.target]) / 60
    assert share["direction"] == 1
    assert share["beam"] < 0.5


@given(
    st.floats(0, 5e4),
    st.floats(-0.01, 0.01),
    st.floats(-0.01, 0.01),
    st.floats(-20, 20),
    st.floats(-500, 500),
)
def test_the_frame_of_a_beam_is_turned_and_moved_and_no_more(distance, slope_x, slope_y, x, z):
    beam = BeamSpot(distance=distance, slope_x=slope_x, slope_y=slope_y, x=x, z=z)
    np.testing.assert_allclose(beam.rotation @ beam.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(beam.rotation) == pytest.approx(1)
    along = np.array([slope_x, slope_y, 1.0]) / np.linalg.norm([slope_x, slope_y, 1.0])
    expected = [1.0, 0.0, 0.0] if distance else [0.0, 0.0, 1.0]
    np.testing.assert_allclose(beam.rotation @ along, expected, atol=1e-9)
    point = np.array([[x, 0.0, z], [3.0, -2.0, 700.0]])
    there = beam.to_beam(point)
    np.testing.assert_allclose(there[0], [distance, 0, 0], atol=1e-8)
    np.testing.assert_allclose(beam.to_global(there), point, atol=1e-8)


def test_planes_follow_one_another_along_a_beam():
    detector = telescope(-100.0, -50.0, 50.0, 100.0).at_beam(BeamSpot(distance=1e4, divergence=1e-3))
    pairs = layer_pairs(detector)
    assert list(zip(pairs.inner.tolist(), pairs.outer.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 3)]
    assert detector.layers.barrel.all()
    skipping = layer_pairs(detector, skips=True)
    assert len(skipping) == 5


def test_priors_say_how_far_the_origin_is_and_how_wide_slopes_are():
    known = BeamSpot(x=1.0, distance=2e3, divergence=0.02)
    assert ConeOptions().beam(known) == known
    direction = ConeOptions(prior="direction", sigma_slope=0.003).beam(BeamSpot(x=1.0))
    assert (direction.distance, direction.divergence, direction.x) == (FAR["direction"], 0.003, 1.0)
    assert ConeOptions(prior="none").beam(known).divergence == ANY_SLOPE
    cone = ConeOptions().at_beam(known, 30.0)
    assert cone.sigma_z0 == cone.sigma_d0 == pytest.approx(np.hypot(40.0, 30.0))
    assert ConeOptions(sigma_d0=7.0).at_beam(known, 30.0).sigma_d0 == 7.0


def test_a_field_along_a_beam_of_particles_is_refused():
    detector = telescope(100.0, 200.0).at_beam(BeamSpot(distance=1e4))
    with pytest.raises(InputError, match="2 T along the beam of particles"):
        GraphSearch.for_detector(detector, 2.0, TrainGnnOptions(), SeedOptions())
