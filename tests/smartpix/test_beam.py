"""The frame of the beam: a rigid motion, of points, directions and detectors."""

import numpy as np
import pytest

from smartpix.beam import CENTRED, BeamSpot
from smartpix.schema import InputError
from tests.seeding import toys

TILTED = BeamSpot(x=1.5, y=-0.7, z=20.0, slope_x=2e-3, slope_y=-5e-3)
POINTS = np.random.default_rng(1).normal(0, 100.0, (50, 3))


def test_the_frame_has_its_origin_at_the_centre_and_its_z_axis_along_the_beam():
    z = np.array([-100.0, 0.0, 20.0, 300.0])
    line = np.stack([1.5 + 2e-3 * (z - 20.0), -0.7 - 5e-3 * (z - 20.0), z], axis=1)
    seen = TILTED.to_beam(line)
    assert np.abs(seen[:, :2]).max() < 1e-12
    assert seen[2] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    assert seen[:, 2] == pytest.approx((z - 20.0) * np.sqrt(1 + 2e-3**2 + 5e-3**2), abs=1e-9)


def test_a_motion_is_rigid_and_turns_back():
    assert TILTED.rotation @ TILTED.rotation.T == pytest.approx(np.eye(3), abs=1e-14)
    assert np.linalg.det(TILTED.rotation) == pytest.approx(1.0, abs=1e-14)
    assert TILTED.to_global(TILTED.to_beam(POINTS)) == pytest.approx(POINTS, abs=1e-11)
    assert TILTED.direction_to_global(TILTED.direction_to_beam(POINTS)) == pytest.approx(POINTS, abs=1e-11)
    moved = TILTED.to_beam(POINTS)
    assert np.diff(moved, axis=0) == pytest.approx(
        TILTED.direction_to_beam(np.diff(POINTS, axis=0)), abs=1e-11
    )


def test_a_turn_by_the_smallest_angle_leaves_the_axis_across_as_it_is():
    across = np.array([[5.0, 2.0, 0.0]])  # across both the beam and z
    assert TILTED.direction_to_beam(across) == pytest.approx(across, abs=1e-14)


def test_the_centred_beam_changes_no_bit():
    assert CENTRED.is_centred
    assert CENTRED.direction_to_beam(POINTS) is POINTS
    detector = toys.detector()
    assert detector.at_beam(CENTRED) is detector
    wide = detector.at_beam(BeamSpot(sigma_z=20.0))
    for name in ("center", "axes"):
        assert np.array_equal(getattr(wide, name), getattr(detector, name))


def test_a_detector_moves_as_points_do():
    detector = toys.detector()
    moved = detector.at_beam(TILTED)
    module = np.arange(len(detector))
    local = np.random.default_rng(2).normal(0, 5.0, (len(detector), 3))
    there = moved.to_global(module, local)
    assert there == pytest.approx(TILTED.to_beam(detector.to_global(module, local)), abs=1e-10)
    assert moved.to_local(module, there) == pytest.approx(local, abs=1e-10)
    for name in ("barrel", "u_sign", "v_sign", "layer_index"):
        assert np.array_equal(getattr(moved, name), getattr(detector, name))
    back = moved.at_beam(CENTRED)
    assert np.array_equal(back.center, detector.center)
    assert np.array_equal(back.axes, detector.axes)


def test_layers_of_a_moved_detector_hold_their_modules():
    detector = toys.detector()
    moved = detector.at_beam(BeamSpot(x=2.0))
    layers, at_rest = moved.layers, detector.layers
    barrel = layers.barrel
    assert layers.r_max[barrel] == pytest.approx(at_rest.r_max[barrel] + 2.0, abs=0.3)
    assert layers.r_min[barrel] == pytest.approx(at_rest.r_min[barrel] - 2.0, abs=0.3)
    # A gap between rings is where it is in some azimuth.
    gap = at_rest.gap_high > at_rest.gap_low
    assert gap.any()
    assert np.array_equal(layers.gap_high > layers.gap_low, gap)
    assert layers.gap_low[gap] == pytest.approx(at_rest.gap_low[gap] - 2.0)
    assert layers.gap_high[gap] == pytest.approx(at_rest.gap_high[gap] + 2.0)


def test_the_axes_of_modules_near_the_axis_keep_their_signs():
    """Clusters were made with the signs of the table. Seen from a beam on a module's other side they stay."""
    columns = {name: np.asarray(v)[:1].copy() for name, v in toys.detector().columns.items()}
    for name in ("cx", "cy", "cz"):
        columns[name] = 0.1 * columns[name] / np.abs(columns[name]).max()
    near = type(toys.detector())(columns)
    moved = near.at_beam(BeamSpot(x=10 * float(columns["cx"][0]), y=10 * float(columns["cy"][0])))
    assert np.array_equal(moved.axes, near.axes)
    assert np.array_equal(moved.v_sign, near.v_sign)


def test_a_slope_that_no_beam_has_is_refused():
    with pytest.raises(InputError, match="slope_x"):
        BeamSpot(slope_x=0.1)
