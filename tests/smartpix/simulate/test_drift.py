"""Carrier transport against SciPy integrals of the published mobilities, and the weighting potential against Fourier series."""

import numpy as np
import pytest
from scipy.integrate import dblquad, quad

from smartpix.schema import InputError
from smartpix.simulate.drift import Sensor, drift_tables, mobility, weighting_potential, weighting_table

SENSOR = Sensor()
BARREL = (3.8, 0.0, 0.0)
KT_OVER_E = 1.380649e-23 / 1.602176634e-19  # V/K


def published_mobility(field, temperature, carrier):
    """PixelAV's parametrisation of Jacoboni's measurements, cm^2/(V s)."""
    v_max, critical, power = {
        "e": (1.53e9 * temperature**-0.87, 1.01 * temperature**1.55, 0.0257 * temperature**0.66),
        "h": (1.62e8 * temperature**-0.52, 1.24 * temperature**1.68, 0.46 * temperature**0.17),
    }[carrier]
    return (v_max / critical) / (1 + (field / critical) ** power) ** (1 / power)


def integrals(sensor, b, carrier):
    """Drift time (ns), lateral shift (mm) and diffusion variance (mm^2) across the sensor for B along x."""
    hall = {"e": 1.12, "h": 0.9}[carrier]
    d = sensor.thickness / 10  # cm

    def at(z):
        field = (sensor.bias - sensor.depletion + 2 * sensor.depletion * z / d) / d
        mu = published_mobility(field, sensor.temperature, carrier)
        tangent = mu * 1e-4 * hall * b
        return mu, tangent, mu * field / (1 + tangent**2)  # cm/s along the field

    time = quad(lambda z: 1 / at(z)[2], 0, d)[0] * 1e9
    shift = quad(lambda z: at(z)[1], 0, d)[0] * 10
    variance = quad(lambda z: 2 * KT_OVER_E * sensor.temperature * at(z)[0] / at(z)[2], 0, d)[0] * 100
    return time, shift, variance


@pytest.mark.parametrize("field", [1.0, 1e3, 1e4, 5e4])
@pytest.mark.parametrize("temperature", [253.0, 300.0])
def test_mobility_is_the_published_one(field, temperature):
    for carrier in "eh":
        assert mobility(field, temperature, carrier == "e") == pytest.approx(published_mobility(field, temperature, carrier))


def test_low_field_mobility_at_room_temperature_is_the_textbook_one():
    assert mobility(0.0, 300.0, True) == pytest.approx(1450, rel=0.1)
    assert mobility(0.0, 300.0, False) == pytest.approx(480, rel=0.1)


def test_velocity_saturates_at_the_textbook_value():
    assert 1e6 * mobility(1e6, 300.0, True) == pytest.approx(1.05e7, rel=0.1)


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


def test_numbers_of_the_published_sensor():
    tables = drift_tables(SENSOR, BARREL)
    assert 1.3 < tables.tau_e[-1] < 1.5
    assert tables.tau_h[0] == pytest.approx(2.5, abs=0.1)
    assert tables.shift_e[-1, 1] == pytest.approx(-0.033, abs=0.001)
    assert tables.lorentz_shift()[1] == pytest.approx(-0.0162, abs=0.001)
    assert np.sqrt(tables.variance_e[-1]) == pytest.approx(0.002, abs=0.0004)


def test_tables_start_at_zero_on_the_side_the_carriers_come_from_and_rise():
    tables = drift_tables(SENSOR, BARREL)
    assert (tables.tau_e[0], tables.tau_h[-1], tables.variance_e[0]) == (0, 0, 0)
    assert np.all(np.diff(tables.tau_e) > 0)
    assert np.all(np.diff(tables.tau_h) < 0)
    assert (tables.z[0], tables.z[-1]) == (-0.05, 0.05)


def test_field_is_higher_on_the_pixel_side():
    tables = drift_tables(Sensor(depletion=60.0), (0.0, 0.0, 0.0))
    steps = np.diff(tables.tau_e)
    assert steps[0] > 1.5 * steps[-1]


def test_shift_turns_with_the_field_and_vanishes_along_it():
    along_x, along_y = drift_tables(SENSOR, (2.0, 0.0, 0.0)), drift_tables(SENSOR, (0.0, 2.0, 0.0))
    # A quarter turn about z takes (B along x, drift to -y) to (B along y, drift to +x).
    np.testing.assert_allclose(along_y.shift_e[:, 0], -along_x.shift_e[:, 1], atol=1e-12)
    np.testing.assert_allclose(along_y.shift_h[:, 0], -along_x.shift_h[:, 1], atol=1e-12)
    parallel, free = drift_tables(SENSOR, (0.0, 0.0, 3.8)), drift_tables(SENSOR, (0.0, 0.0, 0.0))
    assert np.abs(parallel.shift_e).max() < 1e-12
    np.testing.assert_allclose(parallel.tau_e, free.tau_e, rtol=1e-9)


def test_opposite_field_drifts_to_the_other_side():
    np.testing.assert_allclose(drift_tables(SENSOR, (-3.8, 0.0, 0.0)).shift_e, -drift_tables(SENSOR, BARREL).shift_e)


def test_undepleted_sensor_is_refused():
    with pytest.raises(InputError, match=r"bias 5\.0 V does not deplete"):
        Sensor(bias=5.0)


@pytest.mark.parametrize("name", ["pitch_x", "pitch_y", "thickness", "bias", "temperature"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_sensor_sizes_must_be_positive(name, value):
    with pytest.raises(InputError, match=f"{name} must be positive"):
        Sensor(**{name: value})


# --- weighting potential


def test_potential_is_one_on_its_own_pixel_and_zero_on_the_others():
    near = 1e-7
    assert weighting_potential(0.0, 0.0, near, SENSOR) == pytest.approx(1, abs=1e-3)
    assert weighting_potential(0.02, 0.005, near, SENSOR) == pytest.approx(1, abs=1e-3)
    assert weighting_potential(0.05, 0.0, near, SENSOR) == pytest.approx(0, abs=1e-3)
    assert weighting_potential(0.0, 0.0125, near, SENSOR) == pytest.approx(0, abs=1e-3)
    assert weighting_potential(0.0, 0.00625, near, SENSOR) == pytest.approx(0.5, abs=1e-3)
    assert weighting_potential(0.025, 0.00625, near, SENSOR) == pytest.approx(0.25, abs=1e-3)


def test_potential_is_zero_on_the_far_side():
    x, y = np.meshgrid([0.0, 0.03, 0.2], [0.0, 0.02])
    assert np.abs(weighting_potential(x, y, SENSOR.thickness, SENSOR)).max() < 1e-4


@pytest.mark.parametrize("distance", [0.001, 0.02, 0.05, 0.09])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.013, 0.005)])
def test_potentials_of_all_pixels_add_up_to_that_of_a_plane_condenser(distance, offset):
    # The sum of images converges slowly where many pixels are added up: more images.
    i, j = np.meshgrid(np.arange(-12, 13), np.arange(-48, 49))
    total = weighting_potential(i * 0.05 + offset[0], j * 0.0125 + offset[1], distance, SENSOR, 300).sum()
    assert total == pytest.approx(1 - distance / SENSOR.thickness, abs=2e-3)


@pytest.mark.parametrize("place", [(0, 0, 0.01), (0.01, 0.003, 0.03), (0.04, 0.0, 0.02), (0.0, 0.02, 0.05), (0.02, 0.03, 0.08)])
def test_potential_is_the_fourier_solution_of_laplaces_equation(place):
    """The pixel's Fourier components decay as sinh(q (d - u)) / sinh(q d); here as a series of period 1.2 mm."""
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
        lambda b, a: u / (a * a + b * b + u * u) ** 1.5, x - 0.025, x + 0.025, y - 0.00625, y + 0.00625, epsabs=1e-9
    )[0]
    assert weighting_potential(x, y, u, thick) == pytest.approx(solid_angle / (2 * np.pi), abs=1e-6)


def test_table_holds_the_potential_on_its_grid():
    table = weighting_table(SENSOR)
    assert table.shape == (18, 42, 41)
    for i, j, k in [(0, 0, 20), (4, 7, 10), (17, 41, 30), (8, 0, 40)]:
        wanted = weighting_potential(i * 0.05 / 8, j * 0.0125 / 8, 0.1 * (k / 40) ** 2, SENSOR)
        assert table[i, j, k] == pytest.approx(wanted, abs=1e-6)
    assert table[0, 0, 0] == pytest.approx(1, abs=1e-3)
