"""Frames and layers against rotations written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.geometry import Detector
from smartpix.simulate.drift import Sensor, drift_tables
from tests.helpers import detector_of, embedded_detector, module_row, one_module_detector
from tests.smartpix.modules import barrel_module

QUICK = settings(max_examples=25, deadline=None)
SIGN = st.sampled_from([-1.0, 1.0])


def disk_module(phi, z, radius, su, sv):
    radial = np.array([np.cos(phi), np.sin(phi), 0.0])
    along_phi = np.array([-np.sin(phi), np.cos(phi), 0.0])
    center = radius * radial + np.array([0, 0, z])
    return detector_of(
        [module_row(center, su * along_phi, sv * radial, -su * sv * np.array([0, 0, 1.0]), 2, 1)]
    )


@QUICK
@given(st.floats(-3.1, 3.1), st.floats(-500, 500), st.floats(20, 200), st.floats(-0.4, 0.4), SIGN, SIGN)
def test_barrel_frame_does_not_depend_on_the_direction_of_the_files_axes(phi, z, radius, tilt, su, sv):
    x, y, normal = barrel_module(phi, z, radius, tilt, su, sv).axes[0].T
    np.testing.assert_allclose(x, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(normal, [np.cos(phi + tilt), np.sin(phi + tilt), 0], atol=1e-12)
    # y = z cross x = outward cross beam: against increasing azimuth.
    np.testing.assert_allclose(y, [np.sin(phi + tilt), -np.cos(phi + tilt), 0], atol=1e-12)


def inclined_module(center, lean):
    """A module at azimuth 0, its normal ``lean`` rad from the radial direction towards +z."""
    normal = np.array([np.cos(lean), 0.0, np.sin(lean)])
    v = np.array([-np.sin(lean), 0.0, np.cos(lean)])
    return detector_of([module_row(np.array(center), np.cross(v, normal), v, normal, 2, 1)])


@pytest.mark.parametrize("degrees", [-44, -20, 20, 44])
@pytest.mark.parametrize("z", [-500.0, 500.0])
def test_a_module_that_leans_less_than_45_degrees_is_of_the_barrel_and_looks_outwards(degrees, z):
    """Also where it stands so far along the beam that the direction from the origin is behind it."""
    for half_turn in (0.0, np.pi):
        module = inclined_module((32.0, 0.0, z), np.radians(degrees) + half_turn)
        assert module.barrel[0]
        wanted = [np.cos(np.radians(degrees)), 0, np.sin(np.radians(degrees))]
        np.testing.assert_allclose(module.axes[0, :, 2], wanted, atol=1e-12)
        assert module.axes[0, 2, 0] > 0.7


@pytest.mark.parametrize("degrees", [46, 80, 100, 134])
@pytest.mark.parametrize("z", [-100.0, 100.0])
def test_a_module_that_leans_more_is_of_a_disk_and_looks_away_along_the_beam(degrees, z):
    for half_turn in (0.0, np.pi):
        module = inclined_module((170.0, 0.0, z), np.radians(degrees) + half_turn)
        assert not module.barrel[0]
        assert module.axes[0, 2, 2] * np.sign(z) == pytest.approx(np.sin(np.radians(degrees)))
        assert module.axes[0, 0, 0] > 0


@QUICK
@given(st.floats(-3.1, 3.1), st.sampled_from([-700.0, 600.0]), st.floats(20, 200), SIGN, SIGN)
def test_endcap_frame_has_x_outward_and_z_away_from_the_collision(phi, z, radius, su, sv):
    x, y, normal = disk_module(phi, z, radius, su, sv).axes[0].T
    np.testing.assert_allclose(x, [np.cos(phi), np.sin(phi), 0], atol=1e-12)
    np.testing.assert_allclose(normal, [0, 0, np.sign(z)], atol=1e-12)
    np.testing.assert_allclose(y, np.sign(z) * np.array([-np.sin(phi), np.cos(phi), 0]), atol=1e-12)


@QUICK
@given(st.floats(-3.1, 3.1), SIGN, SIGN, st.booleans())
def test_signs_of_u_and_v_say_how_the_sensor_frame_lies_on_the_files_axes(phi, su, sv, barrel):
    module = barrel_module(phi, 10, 32, 0.1, su, sv) if barrel else disk_module(phi, 600, 60, su, sv)
    assert module.v_sign[0] == sv
    # Towards increasing azimuth: against y in the barrel, along it on the +z disks.
    assert module.u_sign[0] == (-su if barrel else su)


@QUICK
@given(st.integers(0, 4003), st.lists(st.tuples(*[st.floats(-40, 40)] * 3), min_size=1, max_size=5))
def test_local_to_global_and_back(row, points):
    detector = embedded()
    local = np.array(points)
    module = np.full(len(local), row)
    there = detector.to_global(module, local)
    np.testing.assert_allclose(detector.to_local(module, there), local, atol=1e-9)
    columns = {name: np.asarray(values, dtype=float)[row] for name, values in detector.columns.items()}
    distance = np.linalg.norm(there - [columns["cx"], columns["cy"], columns["cz"]], axis=1)
    np.testing.assert_allclose(distance, np.linalg.norm(local, axis=1), atol=1e-9)


@QUICK
@given(st.integers(0, 4003), st.tuples(*[st.floats(-5, 5)] * 3))
def test_directions_turn_as_differences_of_points(row, direction):
    detector, step, module = embedded(), np.array([direction]), np.array([row])
    turned = detector.to_global(module, step) - detector.to_global(module, np.zeros((1, 3)))
    np.testing.assert_allclose(detector.direction_to_global(module, step), turned, atol=1e-9)
    np.testing.assert_allclose(detector.direction_to_local(module, turned), step, atol=1e-9)


_EMBEDDED = []


def embedded():
    if not _EMBEDDED:
        _EMBEDDED.append(embedded_detector())
    return _EMBEDDED[0]


def test_points_on_the_midplane_may_be_given_in_two_coordinates(detector):
    module, local = np.array([0, 2000, 4000]), np.array([[1.0, 2.0], [-3.0, 4.0], [0.5, -0.25]])
    three = np.column_stack([local, np.zeros(3)])
    np.testing.assert_array_equal(detector.to_global(module, local), detector.to_global(module, three))


def test_embedded_frames_are_orthonormal_right_handed_and_outward(detector):
    axes = detector.axes
    np.testing.assert_allclose(
        np.swapaxes(axes, 1, 2) @ axes, np.tile(np.eye(3), (len(detector), 1, 1)), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-6)
    x, z = axes[:, :, 0], axes[:, :, 2]
    barrel, center = detector.barrel, detector.center
    assert barrel.sum() == 16 * 14 + 32 * 14 + 52 * 14 + 78 * 14
    assert np.all(x[barrel, 2] > 0.999)
    assert np.all(np.sum((z * center)[barrel, :2], axis=1) > 0.9 * np.hypot(*center[barrel, :2].T))
    assert np.all(z[~barrel, 2] * center[~barrel, 2] > 0)
    assert np.all(np.sum((x * center)[~barrel, :2], axis=1) > 0)


def test_embedded_modules_carry_the_sensor_of_the_published_networks(detector):
    np.testing.assert_allclose(detector.pitch_x, 0.05)
    np.testing.assert_allclose(detector.pitch_y, 0.0125)
    np.testing.assert_allclose(detector.thickness, 0.1)
    assert set(detector.n_rows) == {1344}
    assert set(detector.n_columns) == {1440}


def test_electrons_drift_towards_minus_y_in_the_barrel_and_nowhere_on_the_disks(detector):
    field = np.tile([0, 0, 3.8], (len(detector), 1))
    local = detector.direction_to_local(np.arange(len(detector)), field)
    barrel = local[detector.barrel]
    np.testing.assert_allclose(barrel, np.tile([3.8, 0, 0], (len(barrel), 1)), atol=1e-5)
    assert np.abs(local[~detector.barrel, :2]).max() < 1e-5
    # Lorentz force on electrons (-e v x B) that move along +z, written out in the global frame.
    velocity = detector.axes[:, :, 2]
    force = -np.cross(velocity, field)[detector.barrel]
    along_y = np.sum(force * detector.axes[detector.barrel, :, 1], axis=1)
    np.testing.assert_allclose(along_y, -3.8, rtol=1e-6)
    assert drift_tables(Sensor(), (3.8, 0.0, 0.0)).shift_e[-1, 1] < -0.02


def test_layers_of_the_embedded_detector(detector):
    layers = detector.layers
    assert [layers.name(i) for i in range(len(layers))] == [
        *(f"E-{i}" for i in range(7, 0, -1)), *(f"B{i}" for i in range(1, 5)), *(f"E+{i}" for i in range(1,
        8)),
    ]  # fmt: skip
    np.testing.assert_allclose(layers.radius[layers.barrel], [32, 72, 116, 172], atol=0.5)
    np.testing.assert_allclose(layers.z[layers.z > 1], [600, 700, 820, 960, 1100, 1300, 1500], atol=3)
    assert np.all(layers.r_min <= layers.r_max)
    for i in range(len(layers)):
        members = detector.layer_index == i
        assert set(np.asarray(detector.columns["volume_id"])[members]) == {layers.volume_id[i]}
        assert set(np.asarray(detector.columns["layer_id"])[members]) == {layers.layer_id[i]}
        assert np.all(detector.barrel[members] == layers.barrel[i])


def test_envelopes_hold_the_corners_of_a_module_and_nothing_else():
    layers = one_module_detector().layers
    assert layers.z_min[0] == pytest.approx(-36)
    assert layers.z_max[0] == pytest.approx(36)
    assert layers.r_min[0] == pytest.approx(32)
    assert layers.r_max[0] == pytest.approx(np.hypot(32, 8.4))


def test_a_trapezoid_is_as_wide_as_its_wider_edge():
    for low, high in ((5.0, 8.4), (8.4, 5.0)):
        columns = dict(one_module_detector().columns) | {
            "module_minhu": np.array([low]),
            "module_maxhu": np.array([high]),
        }
        assert Detector(columns).half_y[0] == 8.4


def test_a_plane_across_the_beam_begins_at_the_beam():
    layers = detector_of([module_row((0.0, 0.0, 600.0), (0, 1.0, 0), (1.0, 0, 0), (0, 0, -1.0), 2, 1)]).layers
    assert layers.r_min[0] == 0
    assert layers.r_max[0] == pytest.approx(np.hypot(36.0, 8.4))


def test_a_short_ring_in_front_of_a_long_one_makes_no_gap_behind_it():
    """From 30 to 100 mm, inside it from 40 to 60 mm, and from 110 to 150 mm: the gap is between the first and
    the last.
    """
    rows = []
    for number, (low, high) in enumerate(((30.0, 100.0), (40.0, 60.0), (110.0, 150.0))):
        row = module_row(((low + high) / 2, 0.0, 600.0), (0, 1.0, 0), (1.0, 0, 0), (0, 0, -1.0), 2, number)
        rows.append(row | {"module_hv": (high - low) / 2, "module_minhu": 0.5, "module_maxhu": 0.5})
    layers = detector_of(rows).layers
    assert layers.gap_low[0] == pytest.approx(np.hypot(100.0, 0.5))
    assert layers.gap_high[0] == pytest.approx(110.0)


def test_the_gap_between_a_disks_rings_is_where_no_module_reaches(detector):
    layers = detector.layers
    assert np.all(layers.gap_high[layers.barrel] == 0)
    for k in np.flatnonzero(~layers.barrel):
        of = detector.layer_index == k
        module = np.flatnonzero(of)
        # Points all over the modules, none of them in the gap, some near both of its edges.
        u, v = (a.ravel() for a in np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 41)))
        points = [
            detector.to_global(np.full(len(u), m), np.stack([v * detector.half_x[m], u * detector.half_y[m]],
            axis=1))
            for m in module[:: max(len(module) // 60, 1)]
        ]  # fmt: skip
        r = np.concatenate([np.hypot(p[:, 0], p[:, 1]) for p in points])
        assert layers.gap_high[k] > layers.gap_low[k] > layers.r_min[k]
        assert not np.any((r > layers.gap_low[k] + 1e-6) & (r < layers.gap_high[k] - 1e-6))
        assert r[r < layers.gap_high[k] - 0.1].max() > layers.gap_low[k] - 2
        assert r[r > layers.gap_low[k] + 0.1].min() < layers.gap_high[k] + 2


def test_modules_are_found_by_their_ids_in_any_order(detector):
    rows = np.array([3999, 0, 17, 2500, 17])
    ids = [np.asarray(detector.columns[n])[rows] for n in ("volume_id", "layer_id", "module_id")]
    np.testing.assert_array_equal(detector.find_modules(*ids), rows)


def test_the_fingerprint_is_of_every_column_and_of_nothing_else(detector):
    columns = {name: np.array(column) for name, column in detector.columns.items()}
    wider = {name: column.astype(np.result_type(column, np.float64)) for name, column in columns.items()}
    assert Detector(columns).fingerprint() == Detector(wider).fingerprint() == detector.fingerprint()
    names = ("cx", "module_t", "module_hv", "pitch_u", "module_id")
    changed = [columns | {name: np.append(columns[name][:-1], columns[name][-1] * 2)} for name in names]
    assert len({detector.fingerprint(), *(Detector(c).fingerprint() for c in changed)}) == len(names) + 1
