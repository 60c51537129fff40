"""Rings of modules: where they are, how they lie, and that cylinders, disks and planes are made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.layouts.cylinders import cylinder
from smartpix.layouts.disks import disks
from smartpix.layouts.inclined import inclined
from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.modules import ring
from smartpix.layouts.options import Cylinder, Disk, Inclined, Plane, Sensors
from smartpix.layouts.planes import planes
from smartpix.schema import InputError


@settings(max_examples=60, deadline=None)
@given(
    st.floats(5, 500), st.floats(-1000, 1000), st.integers(3, 40), st.floats(0, np.pi / 2), st.floats(0, 5),
)  # fmt: skip
def test_a_ring_leans_by_its_angle_and_its_axes_are_right_handed(radius, z, n, angle, stagger):
    made = ring(radius, z, n, (4.0, 6.0), 10.0, angle, stagger)
    w = np.cross(made.u, made.v)
    outward = made.center.copy()
    outward[:, 2] = 0
    # The stagger moves centres along the normals.
    shift = made.center - np.where(np.arange(n)[:, None] % 2 == 0, 0.5, -0.5) * stagger * w
    np.testing.assert_allclose(np.hypot(shift[:, 0], shift[:, 1]), radius, rtol=1e-9)
    np.testing.assert_allclose(shift[:, 2], z, atol=1e-9)
    radial = outward / np.linalg.norm(outward, axis=1)[:, None] if radius > stagger else None
    if radial is not None:
        np.testing.assert_allclose(np.sum(w * radial, axis=1), np.cos(angle), atol=1e-9)
    np.testing.assert_allclose(w[:, 2], np.sin(angle) * (-1 if z < 0 else 1), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(made.u, axis=1), 1)
    np.testing.assert_allclose(np.sum(made.u * made.v, axis=1), 0, atol=1e-12)


def test_a_cylinder_closes_its_circle_and_its_staves_their_length():
    options = Cylinder(radius=50.0, length=300.0, width=10.0, module_length=40.0, tilt=12.0, overlap=0.1)
    made = cylinder(options)
    n_along, n_staves = 8, int(np.ceil(2 * np.pi * 50 / (10 * np.cos(np.radians(12)) * 0.9)))
    assert len(made) == n_along * n_staves
    z = np.unique(made.center[:, 2].round(9))
    np.testing.assert_allclose(z, np.linspace(-130, 130, n_along))
    w = np.cross(made.u, made.v)
    radial = made.center * [1, 1, 0] / 50.0
    np.testing.assert_allclose(np.sum(w * radial, axis=1), np.cos(np.radians(12)))
    # Stave by stave.
    assert len(np.unique(np.arctan2(made.center[:n_along, 1], made.center[:n_along, 0]).round(9))) == 1
    staggered = cylinder(
        Cylinder(radius=50.0, length=40.0, module_length=40.0, width=10.0, stagger=2.0, tilt=0.0)
    )
    np.testing.assert_allclose(sorted(set(np.hypot(*staggered.center[:, :2].T).round(6))), [49.0, 51.0])
    with pytest.raises(InputError, match="staves must be even with a stagger"):
        Cylinder(staves=7, stagger=1.0)


def test_disks_are_on_both_sides_with_rings_of_trapezoids():
    options = Disk(
        z=(100.0, 200.0), radius=(40.0, 80.0), width_in=(8.0, 12.0), width_out=(12.0,), module_length=(30.0,),
        modules=(12, 0), ring_stagger=4.0, stagger=2.0,
    )  # fmt: skip
    made = disks(options)
    assert [d.center[:, 2].mean() for d in made] == pytest.approx([-200, -100, 100, 200], abs=2)
    near, far = made[2].center[:12], made[2].center[12:]
    np.testing.assert_allclose(np.unique(near[:, 2].round(9)), [97.0, 99.0])
    np.testing.assert_allclose(np.unique(far[:, 2].round(9)), [101.0, 103.0])
    # Where the ring is widest for its modules' width.
    assert len(far) == max(
        int(2 * np.ceil(2 * np.pi * r / (w * 0.9) / 2)) for r, w in ((65, 12.0), (95, 12.0))
    )
    detector = make_layout(Layout(disk=(options,)))
    assert set(detector.columns["volume_id"]) == {7, 9}
    assert not detector.barrel.any()
    corners = detector.outline[detector.columns["volume_id"] == 9][0]
    low, high = np.hypot(*corners[:2, :2].T), np.hypot(*corners[2:, :2].T)
    assert low.max() < high.min()
    assert np.linalg.norm(corners[1] - corners[0]) == pytest.approx(8.0)
    assert np.linalg.norm(corners[3] - corners[2]) == pytest.approx(12.0)
    one_side = disks(Disk(z=(100.0,), both_sides=False))
    assert len(one_side) == 1


def test_inclined_ends_face_the_middle_and_count_as_barrel_up_to_45_degrees():
    options = Inclined(radius=80.0, z=(150.0, 180.0), angle=40.0)
    low, high = inclined(options)
    for side, made in ((-1, low), (1, high)):
        w = np.cross(made.u, made.v)
        outward = made.center / np.linalg.norm(made.center, axis=1)[:, None]
        assert np.all(np.sum(w * outward, axis=1) > 0.85)
        assert np.all(np.sign(made.center[:, 2]) == side)
    assert make_layout(Layout(inclined=(options,))).barrel.all()
    assert not make_layout(Layout(inclined=(Inclined(angle=60.0),))).barrel.any()


def test_planes_tilt_turn_and_stand_in_the_order_of_z():
    made = planes(Plane(z=(30.0, 10.0), tilt_x=30.0, columns=3, rows=2, width=5.0, height=4.0, gap=1.0))
    assert [p.center[:, 2].mean() for p in made] == pytest.approx([10.0, 30.0])
    assert len(made[0]) == 6
    np.testing.assert_allclose(np.cross(made[0].u, made[0].v)[0], [0, -np.sin(np.pi / 6), np.cos(np.pi / 6)])
    np.testing.assert_allclose(made[0].center[1] - made[0].center[0], [6.0, 0, 0])
    turned = planes(Plane(z=(0.0, 5.0), alternate=True))
    np.testing.assert_allclose(turned[0].u[0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(turned[1].u[0], [0, 1, 0], atol=1e-12)


def test_sensors_of_disks_may_be_thicker_and_a_layout_needs_layers():
    layout = Layout(Sensors(0.025, 0.1, 0.1, 0.3), cylinder=(Cylinder(),), disk=(Disk(),))
    made = make_layout(layout)
    np.testing.assert_allclose(made.thickness, np.where(made.barrel, 0.1, 0.3))
    np.testing.assert_allclose([made.pitch_y[0], made.pitch_x[0]], [0.025, 0.1])
    with pytest.raises(InputError, match="has no layers"):
        make_layout(Layout())
