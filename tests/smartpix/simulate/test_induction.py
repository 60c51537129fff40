"""Weighting potential against TCAD, Fourier series, conformal mapping and Laplace; the response table against
a straight loop.
"""

import math

import numpy as np
import pytest
from scipy.integrate import dblquad, solve_ivp
from scipy.sparse import diags_array, eye_array, kron
from scipy.sparse.linalg import cg

from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.induction import (
    CELLS_X,
    CELLS_Y,
    SLICE_NS,
    Induction,
    response_table,
    weighting_potential,
)
from tests.left_out import require
from tests.smartpix.simulate import published

SENSOR = Sensor()
BARREL, NONE = (3.8, 0.0, 0.0), (0.0, 0.0, 0.0)
ALL = tuple(range(20))


# --- weighting potential


def test_potential_is_one_on_its_own_pixel_and_zero_on_the_others():
    near = 1e-7
    assert weighting_potential(0.0, 0.0, near, SENSOR) == pytest.approx(1, abs=1e-3)
    assert weighting_potential(0.02, 0.005, near, SENSOR) == pytest.approx(1, abs=1e-3)
    assert weighting_potential(0.05, 0.0, near, SENSOR) == pytest.approx(0, abs=1e-3)
    assert weighting_potential(0.0, 0.0125, near, SENSOR) == pytest.approx(0, abs=1e-3)
    assert weighting_potential(0.0, 0.00625, near, SENSOR) == pytest.approx(0.5, abs=1e-3)
    assert weighting_potential(0.025, 0.00625, near, SENSOR) == pytest.approx(0.25, abs=1e-3)


def test_potential_is_zero_on_the_far_side_and_falls_towards_it():
    x, y = np.meshgrid([0.0, 0.03, 0.2], [0.0, 0.02])
    assert np.abs(weighting_potential(x, y, SENSOR.thickness, SENSOR)).max() < 1e-4
    depth = np.linspace(1e-4, 0.0999, 300)
    assert np.all(np.diff(weighting_potential(0.003, 0.002, depth, SENSOR)) < 0)


def test_potential_is_symmetric():
    rng = np.random.default_rng(1)
    x, y, u = rng.uniform(0, 0.08, 50), rng.uniform(0, 0.03, 50), rng.uniform(0.001, 0.1, 50)
    wanted = weighting_potential(x, y, u, SENSOR)
    for sx, sy in ((-1, 1), (1, -1), (-1, -1)):
        np.testing.assert_allclose(weighting_potential(sx * x, sy * y, u, SENSOR), wanted, atol=1e-12)
    turned = Sensor(pitch_x=SENSOR.pitch_y, pitch_y=SENSOR.pitch_x)
    np.testing.assert_allclose(weighting_potential(y, x, u, turned), wanted, atol=1e-12)


@pytest.mark.parametrize("distance", [0.001, 0.02, 0.05, 0.09])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.013, 0.005)])
def test_potentials_of_all_pixels_add_up_to_that_of_a_plane_condenser(distance, offset):
    # The sum of images converges slowly where many pixels are added up: more images.
    i, j = np.meshgrid(np.arange(-12, 13), np.arange(-48, 49))
    total = weighting_potential(i * 0.05 + offset[0], j * 0.0125 + offset[1], distance, SENSOR, 300).sum()
    assert total == pytest.approx(1 - distance / SENSOR.thickness, abs=2e-3)


@pytest.mark.parametrize(
    "place", [(0, 0, 0.01), (0.01, 0.003, 0.03), (0.04, 0.0, 0.02), (0.0, 0.02, 0.05), (0.02, 0.03, 0.08)]
)
def test_potential_is_the_fourier_solution_of_laplaces_equation(place):
    """The pixel's Fourier components decay as sinh(q (d - u)) / sinh(q d); here as a series of period 1.2
    mm.
    """
    x, y, u = place
    d, period = SENSOR.thickness, 1.2
    k = 2 * np.pi * np.arange(-900, 901) / period
    k, m = k[:, None], k[None, :]
    q = np.maximum(np.hypot(k, m), 1e-9)
    decay = np.exp(-q * u) * (1 - np.exp(-2 * q * (d - u))) / (1 - np.exp(-2 * q * d))
    pixel = 0.05 * 0.0125 * np.sinc(k * 0.05 / (2 * np.pi)) * np.sinc(m * 0.0125 / (2 * np.pi))
    series = np.sum(pixel * np.cos(k * x) * np.cos(m * y) * decay) / period**2
    assert weighting_potential(x, y, u, SENSOR) == pytest.approx(series, abs=2e-4)


def test_first_image_alone_is_the_solid_angle_over_two_pi():
    thick = Sensor(thickness=50.0, bias=1e5)
    x, y, u = 0.01, 0.004, 0.02
    solid_angle = dblquad(
        lambda b, a: u / (a * a + b * b + u * u) ** 1.5,
        x - 0.025,
        x + 0.025,
        y - 0.00625,
        y + 0.00625,
        epsabs=1e-9,
    )[0]
    assert weighting_potential(x, y, u, thick) == pytest.approx(solid_angle / (2 * np.pi), abs=1e-6)


@pytest.mark.parametrize("y", [0.0, 0.004, 0.00625, 0.02, 0.06])
def test_a_very_long_pixel_has_the_potential_of_a_strip(y):
    """Conformal mapping exp(pi (y + i u) / d) takes the sensor to the upper half plane, where the potential
    is an angle.
    """
    strip = Sensor(pitch_x=200.0)
    u = np.linspace(0.001, 0.095, 20)

    def left_of(edge):
        return np.angle(np.exp(np.pi * (y - edge + 1j * u) / strip.thickness) - 1) / np.pi

    wanted = left_of(strip.pitch_y / 2) - left_of(-strip.pitch_y / 2)
    np.testing.assert_allclose(weighting_potential(0.0, y, u, strip, 2000), wanted, atol=2e-5)


def test_potential_obeys_laplaces_equation():
    rng = np.random.default_rng(2)
    x, y, u = rng.uniform(-0.08, 0.08, 200), rng.uniform(-0.03, 0.03, 200), rng.uniform(0.008, 0.09, 200)
    h = 2e-4

    def second(dx, dy, du):
        ahead, behind = (weighting_potential(x + s * dx, y + s * dy, u + s * du, SENSOR) for s in (h, -h))
        return (ahead + behind - 2 * weighting_potential(x, y, u, SENSOR)) / h**2

    parts = np.array([second(1, 0, 0), second(0, 1, 0), second(0, 0, 1)])
    # Where it curves at all.
    curved = np.abs(parts).max(axis=0) > 1
    assert curved.sum() > 150
    assert np.max(np.abs(parts.sum(axis=0))[curved] / np.abs(parts).max(axis=0)[curved]) < 0.02


@pytest.fixture(scope="module")
def tcad():
    """Distance from the pixel plane, x and y (mm) and TCAD's weighting potential of the pixel centred on x =
    y = 0.
    """
    require("../shared/data/tcad_50x13")
    place = published.df_ise_vertices("dot1_50x13_wgt_msh.grd") / 1e3
    return (
        0.1 - place[:, 0],
        place[:, 1],
        place[:, 2],
        published.df_ise_values("dot1_50x13_wgt_des.dat", "ElectrostaticPotential"),
    )


def test_tcads_pixel_is_one_quarter_of_an_implant_of_44_by_8_um(tcad):
    u, x, y, potential = tcad
    on = potential == 1
    assert np.all(u[on] < 1e-9)
    np.testing.assert_allclose([x[on].max(), y[on].max()], [0.022, 0.004], atol=1e-6)
    np.testing.assert_allclose([x.max(), y.max()], [0.125, 0.03125], atol=1e-6)


def test_potential_is_tcads_below_the_implants(tcad):
    """TCAD mirrors its 2.5 pixels at the edges of its box, so ours are summed over the mirror images of the
    pixel.
    """
    u, x, y, potential = tcad
    deep = (u > 0.018) & (u < 0.095)
    u, x, y, potential = u[deep], x[deep], y[deep], potential[deep]
    alone = weighting_potential(x, y, u, SENSOR)
    ours = sum(
        weighting_potential(x - 0.25 * i, y - 0.0625 * j, u, SENSOR, 40)
        for i in (-1, 0, 1)
        for j in range(-6, 7)
    )
    for depth in np.unique(u.round(6)):
        at = np.abs(u - depth) < 1e-5
        scale = ours[at].max()
        # The implants fill the plane only in part, which takes 4 % off everywhere.
        assert np.abs(potential[at] - ours[at]).max() < 0.055 * scale
        assert np.abs(potential[at] - 0.963 * ours[at]).max() < 0.025 * scale
    # The mirrors matter: in the middle TCAD's pixel sees half as much again as one that has no images.
    centre = (x < 1e-6) & (y < 1e-6) & (np.abs(u - 0.05) < 1e-5)
    assert potential[centre] / alone[centre] == pytest.approx(1.43, abs=0.03)


def by_finite_differences(n_pixels=2.5, cells=(5, 1.25), step=2.5):
    """Centres of cells in x and y, distances from the pixel plane (um) and the potential (X, Y, U) of a pixel
    of 50 x 12.5 um.

    Laplace's equation in a box of ``n_pixels`` pixels that begins at the pixel's centre, with mirrors for
    sides: TCAD's box.
    """
    size = (n_pixels * 50.0, n_pixels * 12.5)
    n, m = [round(length / cell) for length, cell in zip(size, cells, strict=True)], round(100 / step) - 1

    def second(count, width, mirrored):
        ends = 1.0 if mirrored else 2.0
        middle = np.full(count, -2.0)
        middle[[0, -1]] = -ends
        return diags_array([np.ones(count - 1), middle, np.ones(count - 1)], offsets=[-1, 0, 1]) / width**2

    one = [eye_array(count) for count in (*n, m)]
    laplace = kron(kron(second(n[0], cells[0], True), one[1]), one[2])
    laplace = laplace + kron(kron(one[0], second(n[1], cells[1], True)), one[2])
    laplace = laplace + kron(kron(one[0], one[1]), second(m, step, False))
    x, y = ((np.arange(count) + 0.5) * cell for count, cell in zip(n, cells, strict=True))
    plane = ((x < 25)[:, None] & (y < 6.25)).astype(float)
    right = np.zeros((*n, m))
    right[:, :, 0] = -plane / step**2
    solution, failed = cg(-laplace.tocsr(), -right.ravel(), rtol=1e-9)
    assert not failed
    return x, y, step * np.arange(1, m + 1), solution.reshape(right.shape)


def mirrored(x, y, distance, sensor, period):
    """Potential of a pixel (mm) that is there again after ``period`` pixels in both directions."""
    shifts = np.arange(-30, 31) * period if period else np.zeros(1)
    right, up = (a.ravel() for a in np.meshgrid(shifts * sensor.pitch_x, shifts * sensor.pitch_y))
    near = np.hypot(right, up) < 3 * sensor.thickness
    x, y, distance = (np.asarray(a)[..., None] for a in (x, y, distance))
    return weighting_potential(x - right[near], y - up[near], distance, sensor, 20).sum(axis=-1)


def test_mirrored_potential_is_laplaces_equation_by_finite_differences():
    """What TCAD's box of 2.5 by 2.5 pixels holds, solved here; between the pixels and two steps below them it
    is coarse.
    """
    x, y, u, solved = by_finite_differences()
    inside = np.isin(u, (10, 20, 30, 50, 70, 80))
    u, solved = u[inside], solved[..., inside]
    ours = mirrored(x[:, None, None] / 1e3, y[None, :, None] / 1e3, u / 1e3, SENSOR, 5)
    difference = np.abs(solved - ours).max(axis=(0, 1)) / ours.max(axis=(0, 1))
    np.testing.assert_array_less(difference, [0.03, 0.02, 0.012, 0.012, 0.012, 0.012])
    # The mirrors matter: without them the pixel's potential in the middle is less.
    alone = weighting_potential(x[0] / 1e3, y[0] / 1e3, 0.05, SENSOR)
    assert solved[0, 0, u == 50] > 1.3 * alone


# --- response table


def follow(carrier, start, times, sensor, magnetic):
    """(T, 3) positions of a carrier from SciPy's solver; it stops on the surface."""

    def velocity(_, place):
        return published.drift_velocity(place[2], sensor, magnetic, carrier)

    def arrives(_, place):
        return abs(place[2]) - sensor.thickness / 2 - 1e-12

    arrives.terminal, arrives.direction = True, 1
    path = solve_ivp(velocity, (0, times[-1]), start, t_eval=times, events=arrives, rtol=1e-8, atol=1e-11)
    points = [*np.transpose(path.y)] if len(path.t) else []
    return [
        *points,
        *(len(times) - len(points)) * [path.y_events[0][0] if len(points) < len(times) else None],
    ]


def induced_by(sensor, magnetic, start, slices, neighbours, period=0):
    """Charge by (row, column) and slice of one pair born at ``start``: (x, y) within pixel (0, 0) and z."""
    charge = {}
    times = [(s + 1) * SLICE_NS for s in slices]
    for carrier, sign in (("e", 1.0), ("h", -1.0)):
        for s, (x, y, z) in enumerate(follow(carrier, start, times, sensor, magnetic)):
            row, column = math.floor(y / sensor.pitch_y), math.floor(x / sensor.pitch_x)
            if z <= -sensor.thickness / 2 + 1e-9:
                continue
            if z >= sensor.thickness / 2 - 1e-9:
                charge.setdefault((row, column), np.zeros(len(times)))[s] += sign
                continue
            for r in range(row - neighbours[1], row + neighbours[1] + 1):
                for c in range(column - neighbours[0], column + neighbours[0] + 1):
                    dx, dy = x - (c + 0.5) * sensor.pitch_x, y - (r + 0.5) * sensor.pitch_y
                    weight = mirrored(dx, dy, sensor.thickness / 2 - z, sensor, period)
                    charge.setdefault((r, c), np.zeros(len(times)))[s] += sign * float(weight)
    return charge


@pytest.mark.parametrize(
    ("sensor", "magnetic", "neighbours", "period"),
    [
        (SENSOR, BARREL, (1, 1), 0),
        (SENSOR, BARREL, (2, 3), 0),
        (SENSOR, BARREL, (1, 1), 5),
        (SENSOR, (0.0, 0.0, 3.8), (1, 1), 0),
        (Sensor(0.1, 0.025, 0.15, 175.0, 17.3), (-2.0, 1.5, 1.0), (1, 2), 0),
        (Sensor(0.1, 0.025, 0.15, 175.0, 17.3), (-2.0, 1.5, 1.0), (1, 2), 3),
    ],
)
def test_table_is_what_a_straight_loop_over_single_carriers_finds(sensor, magnetic, neighbours, period):
    slices = (0, 4, 19)
    table = response_table(sensor, magnetic, slices, Induction(*neighbours, period))
    n_depth = len(table.values)
    assert n_depth == round(sensor.thickness / 0.002) + 1
    rng = np.random.default_rng(4)
    heights = np.concatenate([[2, n_depth - 2], rng.integers(3, n_depth - 3, 6)])
    for iz in heights:
        iy, ix = int(rng.integers(CELLS_Y)), int(rng.integers(CELLS_X))
        start = [
            (ix + 0.5) / CELLS_X * sensor.pitch_x, (iy + 0.5) / CELLS_Y * sensor.pitch_y,
            sensor.thickness * (iz / (n_depth - 1) - 0.5),
        ]  # fmt: skip
        wanted = induced_by(sensor, magnetic, start, slices, neighbours, period)
        found = table.values[iz, iy, ix].copy()
        for (row, column), charge in wanted.items():
            place = (row - table.row_low, column - table.column_low)
            np.testing.assert_allclose(found[place], charge, atol=0.004)
            found[place] = 0
        assert not np.any(found)


def test_every_pair_is_collected_whole_on_the_pixel_it_drifts_to():
    table = response_table(SENSOR, BARREL, ALL, Induction(1, 1))
    last = table.values[..., -1]
    np.testing.assert_array_equal(last.sum(axis=(3, 4)), 1)
    assert set(np.unique(last)) == {0, 1}
    drift = drift_tables(SENSOR, BARREL)
    start = np.linspace(-0.05, 0.05, len(last))
    shift = drift.shift_e[-1, 1] - np.interp(start, drift.z, drift.shift_e[:, 1])
    y = (np.arange(CELLS_Y) + 0.5) / CELLS_Y * SENSOR.pitch_y + shift[:, None]
    np.testing.assert_array_equal(
        np.argmax(last.sum(axis=4), axis=3) + table.row_low,
        np.broadcast_to(np.floor(y / SENSOR.pitch_y)[:, :, None], last.shape[:3]),
    )
    np.testing.assert_array_equal(np.argmax(last.sum(axis=3), axis=3) + table.column_low, 0)


def test_charge_never_exceeds_the_pair_and_is_ramos_for_a_plane_condenser():
    """All pixels together see the way of the carriers over the thickness; the 3 x 3 nearest see it within a
    few per cent.
    """
    sensor, slices = Sensor(0.05, 0.05), (1,)
    few, many = (
        response_table(sensor, NONE, slices, Induction(*n)).values.sum(axis=(3, 4)) for n in ((1, 1), (3, 3))
    )
    for total in (few, many):
        assert total.max() <= 1 + 1e-6
        assert total.min() > -0.02
    drift = drift_tables(sensor, NONE)
    start = np.linspace(-0.05, 0.05, len(many))
    for s, number in enumerate(slices):
        t = (number + 1) * SLICE_NS
        up = np.interp(
            np.minimum(np.interp(start, drift.z, drift.tau_e) + t, drift.tau_e[-1]), drift.tau_e, drift.z
        )
        down = np.interp(
            np.minimum(np.interp(start, drift.z, drift.tau_h) + t, drift.tau_h[0]),
            drift.tau_h[::-1],
            drift.z[::-1],
        )
        np.testing.assert_allclose(many[..., s].mean(axis=(1, 2)), (up - down) / 0.1, atol=0.012)
        assert few[..., s].mean() == pytest.approx(many[..., s].mean(), abs=0.06)


def test_diffusion_falls_to_zero_at_the_pixels():
    table = response_table(SENSOR, BARREL, (0, 19), Induction(1, 1))
    drift = drift_tables(SENSOR, BARREL)
    assert table.sigma[-1] == 0
    assert table.sigma[0] == pytest.approx(np.sqrt(drift.variance_e[-1]))
    assert np.all(np.diff(table.sigma) < 0)


def test_mirrored_field_gives_the_mirrored_table():
    slices = (2,)
    table, mirrored = (response_table(SENSOR, (b, 0.0, 0.0), slices, Induction(1, 1)) for b in (3.8, -3.8))
    left, right = {}, {}
    for found, t in ((left, table), (right, mirrored)):
        for r in range(t.values.shape[3]):
            found[r + t.row_low] = t.values[:, :, :, r]
    n_rows = 0
    for row, values in left.items():
        # y -> pitch - y takes row r to -r and cell i to the last but i.
        if -row in right:
            np.testing.assert_allclose(values, right[-row][:, ::-1], atol=1e-5)
            n_rows += 1
        else:
            assert np.abs(values).max() < 1e-6
    assert n_rows >= 4
