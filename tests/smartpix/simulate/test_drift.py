"""Field against TCAD; mobility against the published constants; drift against SciPy and the equation of
motion solved anew.
"""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from smartpix.schema import InputError
from smartpix.simulate.drift import Sensor, drift_tables, electric_field, mobility
from tests.left_out import require
from tests.smartpix.simulate import published

SENSOR = Sensor()
BARREL, NONE = (3.8, 0.0, 0.0), (0.0, 0.0, 0.0)
KT_OVER_E = 1.380649e-23 / 1.602176634e-19  # V/K


# --- electric field


def test_field_integrates_to_the_bias_and_its_slope_to_the_space_charge():
    z = np.linspace(-0.05, 0.05, 101)
    field = electric_field(SENSOR, z)
    assert np.trapezoid(field, z / 10) == pytest.approx(SENSOR.bias)
    # Gauss: q N / epsilon with N = 1e12 acceptors a cm^3 and 11.7 vacuum permittivities, V/cm^2.
    slope = 1.602176634e-19 * 1e12 / (11.7 * 8.8541878e-14)
    assert (field[-1] - field[0]) / 0.01 == pytest.approx(slope, rel=0.01)
    assert field[-1] > field[0] > 0


@pytest.fixture(scope="module")
def tcad():
    """Depth, x and y (um), potential and field (V/cm) of 50 x 12.5 x 100 um; the pixel is centred on x = y =
    0 at depth 100.
    """
    require("../shared/data/tcad_50x13")
    place = published.df_ise_vertices("dot1_50x13_phase3_msh.grd")
    name = "dot1_50x13_phase3_des.dat"
    potential = published.df_ise_values(name, "ElectrostaticPotential")
    return place, potential, published.df_ise_values(name, "ElectricField-Vector").reshape(-1, 3)


def test_tcads_file_was_made_at_500_v_with_the_pixels_at_depth_100(tcad):
    place, potential, _ = tcad
    far, pixel = potential[place[:, 0] == 0].mean(), potential[np.all(place == [100, 0, 0], axis=1)][0]
    # Half a volt is built in on either side.
    assert far == pytest.approx(-500.5, abs=0.1)
    assert pixel == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("line", [(0.0, 0.0), (12.5, 3.125), (25.0, 6.25), (0.0, 6.25), (25.0, 0.0)])
def test_field_is_tcads_away_from_the_implants(tcad, line):
    place, _, vector = tcad
    on = np.all(np.abs(place[:, 1:] - line) < 1e-6, axis=1) & (place[:, 0] >= 15) & (place[:, 0] <= 65)
    assert on.sum() >= 8
    depth, simulated = place[on, 0], vector[on]
    # Away from the pixels and straight.
    assert np.all(simulated[:, 0] < 0)
    assert np.abs(simulated[:, 1:]).max() < 0.002 * np.abs(simulated[:, 0]).min()
    ours = electric_field(Sensor(bias=501.0), depth / 1e3 - 0.05)
    ratio = -simulated[:, 0] / ours
    # The implants on both sides are conductors: the bias drops over some 97 um.
    np.testing.assert_allclose(ratio, 1.032, atol=0.008)
    middle = depth >= 25
    slopes = [np.polyfit(depth[middle], field[middle], 1)[0] for field in (-simulated[:, 0], ours)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.12)


def field_between(sensor, implant, step=0.25):
    """Depth from the far side (um) and field (V/cm) half way between two pixels, by finite differences.

    Poisson's equation across the pixels' short side, a conducting implant (um) on each pixel of ``sensor``
    and oxide between them, the depleted bulk's charge 2 epsilon V / d^2; half a pitch, mirrored on both
    sides.
    """
    thickness, pitch = 1e3 * sensor.thickness, 1e3 * sensor.pitch_y
    n, m = round(pitch / 2 / step), round(thickness / (2 * step))
    down = thickness / m
    grid = np.arange(n * (m + 1)).reshape(n, m + 1)
    matrix = lil_matrix((grid.size, grid.size))
    right = np.full(grid.size, 2 * sensor.depletion / thickness**2)
    for i in range(n):
        for j in range(m + 1):
            k = grid[i, j]
            # Depth 0 is the far side; the pixels are the last row.
            if j == 0 or (j == m and (i + 0.5) * step < implant / 2):
                matrix[k, k], right[k] = 1.0, -sensor.bias if j == 0 else 0.0
                continue
            for a, b, size in ((i - 1, j, step), (i + 1, j, step), (i, j - 1, down), (i, j + 1, down)):
                a, b = min(max(a, 0), n - 1), b if b <= m else m - 1
                matrix[k, grid[a, b]] += 1 / size**2
                matrix[k, k] -= 1 / size**2
    potential = spsolve(matrix.tocsr(), right).reshape(n, m + 1)
    return (np.arange(m) + 0.5) * down, np.diff(potential[-1]) / down * 1e4


@pytest.mark.parametrize("sensor", [SENSOR, Sensor(bias=60.0, depletion=40.0)])
def test_field_is_that_of_poissons_equation_away_from_the_implants(sensor):
    """Implants of 8 of 12.5 um act as 0.67 um more of silicon, by conformal mapping: p / pi ln(1 / sin(pi w /
    2 p)).

    Through it goes the field at the pixels, so that the field is lower by a constant everywhere.
    """
    depth, solved = field_between(sensor, 8.0)
    thickness, more = 1e3 * sensor.thickness, 12.5 / np.pi * np.log(1 / np.sin(np.pi * 8.0 / 25.0))
    assert more == pytest.approx(0.67, abs=0.01)
    at_pixels = 2 * sensor.depletion / thickness
    far_side = (sensor.bias - sensor.depletion - more * at_pixels) / (thickness + more)
    lower = (sensor.bias - sensor.depletion) / thickness - far_side
    far = depth < 80
    ours = electric_field(sensor, depth / 1e3 - 0.05)
    np.testing.assert_allclose(solved[far], ours[far] - 1e4 * lower, rtol=2e-3)


# --- mobility


@pytest.mark.parametrize("field", [1.0, 1e3, 1e4, 5e4])
@pytest.mark.parametrize("temperature", [253.0, 300.0])
def test_mobility_is_the_published_one(field, temperature):
    for carrier in "eh":
        assert mobility(field, temperature, carrier == "e") == pytest.approx(
            published.mobility(field, temperature, carrier)
        )


def test_low_field_mobility_at_room_temperature_is_the_textbook_one():
    assert mobility(0.0, 300.0, True) == pytest.approx(1450, rel=0.1)
    assert mobility(0.0, 300.0, False) == pytest.approx(480, rel=0.1)


def test_velocity_saturates_at_the_textbook_value():
    assert 1e6 * mobility(1e6, 300.0, True) == pytest.approx(1.05e7, rel=0.1)


# --- drift


def integrals(sensor, b, carrier):
    """Drift time (ns), lateral shift (mm) and diffusion variance (mm^2) across the sensor for B along x."""
    d = sensor.thickness / 10  # cm

    def at(z):
        field = (sensor.bias - sensor.depletion + 2 * sensor.depletion * z / d) / d
        mu = published.mobility(field, sensor.temperature, carrier)
        tangent = mu * 1e-4 * published.HALL[carrier] * b
        return mu, tangent, mu * field / (1 + tangent**2)  # cm/s along the field

    time = quad(lambda z: 1 / at(z)[2], 0, d)[0] * 1e9
    shift = quad(lambda z: at(z)[1], 0, d)[0] * 10
    variance = quad(lambda z: 2 * KT_OVER_E * sensor.temperature * at(z)[0] / at(z)[2], 0, d)[0] * 100
    return time, shift, variance


@pytest.mark.parametrize("sensor", [SENSOR, Sensor(0.1, 0.025, 0.15, 175.0, 17.3, 253.0)])
@pytest.mark.parametrize("b", [0.0, 2.0, 3.8])
def test_tables_are_the_integrals(sensor, b):
    tables = drift_tables(sensor, (b, 0.0, 0.0))
    time, shift, variance = integrals(sensor, b, "e")
    assert tables.tau_e[-1] == pytest.approx(time, rel=1e-4)
    np.testing.assert_allclose(tables.shift_e[-1], [0, -shift], rtol=1e-4, atol=1e-12)
    assert tables.variance_e[-1] == pytest.approx(variance, rel=1e-3)
    time, shift, _ = integrals(sensor, b, "h")
    assert tables.tau_h[0] == pytest.approx(time, rel=1e-4)
    np.testing.assert_allclose(tables.shift_h[0], [0, -shift], rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("magnetic", [BARREL, (0.0, -2.5, 0.0), (0.0, 0.0, 3.8), (2.0, -1.0, 1.5)])
@pytest.mark.parametrize("carrier", ["e", "h"])
def test_tables_follow_the_drift_equation_in_any_field(magnetic, carrier):
    """One carrier through the sensor with SciPy, its velocity from the drift equation with v x B."""
    start, end = (-0.05, 0.05) if carrier == "e" else (0.05, -0.05)

    def arrives(_, place):
        return place[2] - end

    arrives.terminal = True
    path = solve_ivp(
        lambda _, place: published.drift_velocity(place[2], SENSOR, magnetic, carrier),
        (0, 10), [0, 0, start], events=arrives, rtol=1e-8, atol=1e-10,
    )  # fmt: skip
    tables = drift_tables(SENSOR, magnetic)
    tau, shift = (
        (tables.tau_e[-1], tables.shift_e[-1]) if carrier == "e" else (tables.tau_h[0], tables.shift_h[0])
    )
    assert path.t[-1] == pytest.approx(tau, rel=1e-4)
    np.testing.assert_allclose(shift, path.y[:2, -1], atol=2e-6)


def test_numbers_of_the_published_sensor():
    """50 x 12.5 x 100 um at 263 K, 100 V and 3.8 T."""
    free, tables = drift_tables(SENSOR, NONE), drift_tables(SENSOR, BARREL)
    assert free.tau_e[-1] == pytest.approx(1.3, abs=0.05)
    assert 1.3 < tables.tau_e[-1] < 1.5
    assert tables.tau_h[0] == pytest.approx(2.5, abs=0.1)
    assert tables.shift_e[-1, 1] == pytest.approx(-0.033, abs=0.001)
    assert tables.shift_e[-1, 1] / SENSOR.thickness == pytest.approx(-0.33, abs=0.01)
    assert tables.lorentz_shift()[1] == pytest.approx(-0.0162, abs=0.001)
    assert np.sqrt(tables.variance_e[-1]) == pytest.approx(0.002, abs=0.0004)


def test_drift_answers_to_bias_and_temperature_as_it_must():
    def numbers(**changes):
        tables = drift_tables(Sensor(**changes), BARREL)
        return np.array([tables.tau_e[-1], tables.tau_h[0], -tables.shift_e[-1, 1], tables.variance_e[-1]])

    usual = numbers()
    # A higher field: faster, straighter, less time to diffuse.
    assert np.all(numbers(bias=200.0) < usual)
    assert np.all(numbers(bias=50.0) > usual)
    # Colder silicon scatters less: faster, and deflected more.
    cold = numbers(temperature=243.0)
    assert np.all(cold[:2] < usual[:2])
    assert cold[2] > usual[2]
    # A stronger magnetic field deflects more; to first order in proportion.
    weak, strong = (-drift_tables(SENSOR, (b, 0.0, 0.0)).shift_e[-1, 1] for b in (1.9, 3.8))
    assert strong == pytest.approx(2 * weak, rel=1e-9)
    # At fixed field the shift grows with the thickness, the time too.
    thick = numbers(thickness=0.2, bias=200.0, depletion=15.4)
    np.testing.assert_allclose(thick[:3], 2 * usual[:3], rtol=1e-9)


def test_tables_start_at_zero_on_the_side_the_carriers_come_from_and_rise():
    tables = drift_tables(SENSOR, BARREL)
    assert (tables.tau_e[0], tables.tau_h[-1], tables.variance_e[0]) == (0, 0, 0)
    assert np.all(np.diff(tables.tau_e) > 0)
    assert np.all(np.diff(tables.tau_h) < 0)
    assert (tables.z[0], tables.z[-1]) == (-0.05, 0.05)


def test_field_is_higher_on_the_pixel_side():
    tables = drift_tables(Sensor(depletion=60.0), NONE)
    steps = np.diff(tables.tau_e)
    assert steps[0] > 1.5 * steps[-1]


def test_shift_turns_with_the_field_and_vanishes_along_it():
    along_x, along_y = drift_tables(SENSOR, (2.0, 0.0, 0.0)), drift_tables(SENSOR, (0.0, 2.0, 0.0))
    # A quarter turn about z takes (B along x, drift to -y) to (B along y, drift to +x).
    np.testing.assert_allclose(along_y.shift_e[:, 0], -along_x.shift_e[:, 1], atol=1e-12)
    np.testing.assert_allclose(along_y.shift_h[:, 0], -along_x.shift_h[:, 1], atol=1e-12)
    parallel, free = drift_tables(SENSOR, (0.0, 0.0, 3.8)), drift_tables(SENSOR, NONE)
    assert np.abs(parallel.shift_e).max() < 1e-12
    np.testing.assert_allclose(parallel.tau_e, free.tau_e, rtol=1e-9)


def test_opposite_field_drifts_to_the_other_side():
    np.testing.assert_allclose(
        drift_tables(SENSOR, (-3.8, 0.0, 0.0)).shift_e, -drift_tables(SENSOR, BARREL).shift_e
    )


def test_undepleted_sensor_is_refused():
    with pytest.raises(InputError, match=r"bias 5\.0 V does not deplete"):
        Sensor(bias=5.0)


@pytest.mark.parametrize("name", ["pitch_x", "pitch_y", "thickness", "bias", "temperature"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_sensor_sizes_must_be_positive(name, value):
    with pytest.raises(InputError, match=f"{name} must be positive"):
        Sensor(**{name: value})


def test_the_lorentz_angle_grows_with_its_scale():
    def tangent(scale):
        tables = drift_tables(Sensor(lorentz_scale=scale), (3.8, 0.0, 0.0))
        return tables.lorentz_shift()[1]

    # For B across E the tangent is the Hall mobility times B, along the whole way.
    assert tangent(1.1) / tangent(1.0) == pytest.approx(1.1, rel=1e-3)
