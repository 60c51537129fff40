"""Our own propagator against straight lines, circles, Highland, SciPy, and a search of all modules."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from smartpix.field_map import FieldMap
from smartpix.layouts.make import Layout, make_layout
from smartpix.layouts.options import Cylinder, Disk, Inclined, Plane
from smartpix.material import Material
from smartpix.physics import PION_MASS, SPEED_OF_LIGHT
from smartpix.schema import InputError
from smartpix.simulate.particles import Particles
from smartpix.simulate.propagate import propagate
from smartpix.simulate.transport_options import TransportOptions

FREE = TransportOptions(scattering=False, ionisation=False, bremsstrahlung=False)
BARREL = tuple(Cylinder(radius=r, length=400.0, module_length=40.0) for r in (30.0, 60.0, 90.0, 120.0))
ENDS = Disk(z=(250.0, 300.0), radius=(50.0, 100.0), module_length=(55.0,), width_in=(14.0, 20.0))
INCLINED = Inclined(radius=100.0, z=(215.0, 235.0))
MIXED = make_layout(Layout(cylinder=BARREL, disk=(ENDS,), inclined=(INCLINED,)))
TELESCOPE = make_layout(
    Layout(plane=(Plane(z=(100.0, 200.0, 300.0), width=60.0, height=60.0, tilt_x=20.0, tilt_y=-10.0),))
)


def particles(momentum, vertex=(0.0, 0.0, 0.0), charge=1.0, pdg=211):
    momentum = np.atleast_2d(momentum).astype(float)
    n = len(momentum)
    return Particles(
        np.ones(n, dtype=np.int32), np.full(n, pdg, dtype=np.int32), np.broadcast_to(charge, n).astype(float),
        np.broadcast_to(vertex, (n, 3)).astype(float).copy(), momentum, np.zeros(n),
    )  # fmt: skip


def isotropic(n, rng, low=0.15, high=3.0, max_eta=2.0):
    pt, phi, eta = rng.uniform(low, high, n), rng.uniform(-np.pi, np.pi, n), rng.uniform(-max_eta, max_eta, n)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)


def brute_force(detector, start, momentum, charge, field, turns=0.5):
    """Modules that a helix crosses in order and where: all modules, at steps of 2 mm, and bisection."""
    pt, p = np.hypot(*momentum[:2]), np.linalg.norm(momentum)
    bend = 1e-6 * SPEED_OF_LIGHT * charge * field / p

    def at(s):
        angle = bend * s
        c, d = np.cos(angle), np.sin(angle)
        x = start[0] + (momentum[0] * d + momentum[1] * (1 - c)) / p / bend
        y = start[1] + (momentum[1] * d - momentum[0] * (1 - c)) / p / bend
        return np.stack([x, y, start[2] + momentum[2] / p * s], axis=-1)

    s = np.arange(1e-6, min(2 * np.pi * turns / abs(bend), 2000.0), 2.0)
    normal, center = detector.axes[:, :, 2], detector.center
    side = np.einsum("mk,smk->sm", normal, at(s)[:, None] - center)
    found = []
    for k, m in np.argwhere(side[1:] * side[:-1] < 0):
        low, high = s[k], s[k + 1]
        near = detector.to_local(np.array([m]), at(low)[None])[0]
        if np.any(np.abs(near[:2]) > [detector.half_x[m] + 3, detector.half_y[m] + 3]):
            continue
        for _ in range(45):
            middle = 0.5 * (low + high)
            same = normal[m] @ (at(middle) - center[m]) * side[k, m] > 0
            low, high = (middle, high) if same else (low, middle)
        local = detector.to_local(np.array([m]), at(low)[None])[0]
        narrow, wide = detector.half_y_ends[m]
        edge = narrow + (wide - narrow) * (local[0] / detector.half_x[m] + 1) / 2
        if abs(local[0]) <= detector.half_x[m] and abs(local[1]) <= edge:
            found.append((low, m))
    assert pt > 0
    return [(m, at(low)) for low, m in sorted(found)]


def test_the_index_finds_what_a_search_of_all_modules_finds():
    rng = np.random.default_rng(3)
    for detector, n in ((MIXED, 25), (TELESCOPE, 15)):
        momentum = isotropic(n, rng, max_eta=2.5)
        if detector is TELESCOPE:
            momentum = momentum * [0.05, 0.05, 0] + [0, 0, 1.5]
        charge = rng.choice([-1.0, 1.0], n)
        vertex = rng.normal(0, [1.0, 1.0, 20.0], (n, 3))
        event = particles(momentum, charge=charge)
        event.vertex[:] = vertex
        (crossings,) = propagate([event], detector, 3.8, 1, FREE)
        total = 0
        for i in range(n):
            expected = brute_force(detector, vertex[i], momentum[i], charge[i], 3.8)
            own = crossings.particle == i
            assert crossings.module[own].tolist() == [m for m, _ in expected]
            np.testing.assert_array_equal(crossings.order[own], np.arange(own.sum()))
            if expected:
                np.testing.assert_allclose(crossings.point[own], [p for _, p in expected], atol=1e-5)
            total += len(expected)
        assert total > 2 * n


def test_without_a_field_particles_go_straight_and_in_time():
    rng = np.random.default_rng(1)
    momentum = isotropic(50, rng)
    event = particles(momentum, (1.0, -2.0, 5.0))
    (crossings,) = propagate([event], MIXED, 0.0, 1, FREE)
    way = crossings.point - event.vertex[crossings.particle]
    direction = momentum / np.linalg.norm(momentum, axis=1)[:, None]
    np.testing.assert_allclose(np.cross(way, direction[crossings.particle]), 0, atol=1e-9)
    p = np.linalg.norm(momentum[crossings.particle], axis=1)
    np.testing.assert_allclose(crossings.beta, p / np.hypot(p, PION_MASS))
    np.testing.assert_allclose(crossings.time, np.linalg.norm(way, axis=1) / crossings.beta / SPEED_OF_LIGHT)
    np.testing.assert_allclose(MIXED.to_local(crossings.module, crossings.point)[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose(crossings.momentum, momentum[crossings.particle])


@pytest.mark.parametrize("field", [2.0, -3.8])
def test_points_lie_on_the_circle_of_the_momentum_and_turn_the_right_way(field):
    (crossings,) = propagate([particles([0.4, 0.0, 0.1])], MIXED, field, 1, FREE)
    radius = 0.4 / (1e-6 * SPEED_OF_LIGHT * abs(field))
    # A positive particle in a field along +z turns clockwise, seen from +z.
    center = np.array([0.0, -np.sign(field) * radius])
    np.testing.assert_allclose(np.linalg.norm(crossings.point[:, :2] - center, axis=1), radius, atol=1e-6)
    assert len(crossings.module) >= 4
    assert np.all(np.sign(crossings.momentum[1:, 1]) == -np.sign(field))


def test_a_particle_that_curls_is_followed_as_far_as_asked():
    event = particles([0.06, 0.0, 0.004])
    numbers = [
        len(
            propagate([event], MIXED, 3.8, 1, TransportOptions(turns=t, scattering=False, ionisation=False))[
                0
            ].module
        )
        for t in (0.5, 1.0, 3.0)
    ]
    assert 0 < numbers[0] < numbers[1] < numbers[2]
    assert numbers[2] >= 3 * numbers[1] - 2


def test_scattering_in_a_plane_is_highlands():
    detector = make_layout(Layout(plane=(Plane(z=(50.0, 150.0), width=80.0, height=80.0),)))
    material = Material(sensor=0.01, support=0.0, pipe=0.0)
    options = TransportOptions(material=material, ionisation=False)
    event = particles(np.tile([0.0, 0.0, 1.0], (20_000, 1)))
    (crossings,) = propagate([event], detector, 0.0, 5, options)
    second = crossings.order == 1
    angle = crossings.point[second, :2] / 100.0
    beta = 1.0 / np.hypot(1.0, PION_MASS)
    expected = 13.6e-3 / beta * np.sqrt(0.01) * (1 + 0.038 * np.log(0.01 / beta**2))
    np.testing.assert_allclose(angle.std(axis=0), expected, rtol=0.02)
    np.testing.assert_allclose(angle.mean(axis=0), 0, atol=5 * expected / np.sqrt(20_000))
    assert abs(np.corrcoef(angle.T)[0, 1]) < 0.03


def test_supports_and_pipe_scatter_too_and_lose_energy():
    sensor_only = Material(sensor=0.0, support=0.0, pipe=0.02, pipe_radius=10.0)
    event = particles(np.tile([0.5, 0.0, 0.0], (4000, 1)))
    (crossings,) = propagate([event], MIXED, 0.0, 5, TransportOptions(material=sensor_only))
    first = crossings.order == 0
    azimuth = crossings.momentum[first, 1] / np.linalg.norm(crossings.momentum[first], axis=1)
    beta2 = 0.25 / (0.25 + PION_MASS**2)
    expected = 13.6e-3 / (0.5 * np.sqrt(beta2)) * np.sqrt(0.02) * (1 + 0.038 * np.log(0.02 / beta2))
    assert azimuth.std() == pytest.approx(expected, rel=0.04)
    # Beryllium: 1.6 MeV cm^2 / g at the minimum, 65.19 g / cm^2, 0.02 of it.
    loss = 0.5 - np.linalg.norm(crossings.momentum[first], axis=1)
    assert np.median(loss) == pytest.approx(1.3e-3 * 1.5, rel=0.35)


def test_electrons_radiate_and_particles_below_the_least_momentum_stop():
    thick = TransportOptions(material=Material(sensor=0.3, support=0.0, pipe=0.0))
    event = particles(np.tile([1.0, 0.0, 0.05], (500, 1)), charge=-1.0, pdg=11)
    (crossings,) = propagate([event], MIXED, 3.8, 2, thick)
    second = np.linalg.norm(crossings.momentum[crossings.order == 2], axis=1)
    pions = particles(np.tile([1.0, 0.0, 0.05], (500, 1)))
    (of_pions,) = propagate([pions], MIXED, 3.8, 2, thick)
    # Behind two layers of 0.3 X0 the mean share is exp(-0.6), and half of the next one's is lost at the third.
    assert second.mean() == pytest.approx(np.exp(-0.6) * 0.5 * (1 + np.exp(-0.3)), rel=0.15)
    assert np.linalg.norm(of_pions.momentum[of_pions.order == 2], axis=1).min() > 0.8
    (slow,) = propagate([particles([0.06, 0, 0])], MIXED, 3.8, 2, TransportOptions(min_momentum=0.07))
    assert len(slow.module) == 0


def test_efficiency_leaves_out_crossings_but_not_their_numbers():
    rng = np.random.default_rng(4)
    event = particles(isotropic(300, rng))
    (all_of_them,) = propagate([event], MIXED, 3.8, 9)
    (seen,) = propagate([event], MIXED, 3.8, 9, TransportOptions(efficiency=0.9))
    assert len(seen.module) / len(all_of_them.module) == pytest.approx(0.9, abs=0.03)
    both = set(
        zip(
            all_of_them.particle.tolist(),
            all_of_them.order.tolist(),
            all_of_them.module.tolist(),
            strict=True,
        )
    )
    assert set(zip(seen.particle.tolist(), seen.order.tolist(), seen.module.tolist(), strict=True)) <= both


def test_what_happens_to_a_particle_does_not_depend_on_the_others_of_its_kind():
    rng = np.random.default_rng(5)
    momentum = isotropic(40, rng)
    (one,) = propagate([particles(momentum)], MIXED, 3.8, 7)
    (again,) = propagate([particles(momentum)], MIXED, 3.8, 7)
    np.testing.assert_array_equal(one.point, again.point)
    (fewer,) = propagate([particles(momentum[:10])], MIXED, 3.8, 7)
    np.testing.assert_array_equal(one.point[one.particle < 10], fewer.point)


def test_neutral_particles_cross_nothing():
    (crossings,) = propagate([particles([1.0, 0, 0], charge=0.0, pdg=22)], MIXED, 3.8, 7)
    assert len(crossings.module) == 0


def test_a_table_of_the_field_bends_as_scipy_integrates_it():
    r, z = np.linspace(0, 400, 41), np.linspace(-600, 600, 61)
    # Of the potential (z - z^3 / 3 L^2 + r^2 z / 2 L^2): divergence and curl are zero.
    length = 1500.0
    beam = 3.0 * (1 - z[None] ** 2 / length**2 + r[:, None] ** 2 / (2 * length**2))
    radial = 3.0 * r[:, None] * z[None] / length**2
    table = FieldMap(r, z, radial, beam)
    momentum = np.array([0.5, 0.2, 0.6])

    def slope(s, state):
        x, t = state[:3], state[3:]
        rho = np.hypot(x[0], x[1])
        b = np.array([0.0, 0.0, 3.0 * (1 - x[2] ** 2 / length**2 + rho**2 / (2 * length**2))])
        b[:2] = 3.0 * x[2] / length**2 * x[:2]
        return np.concatenate([t, 1e-6 * SPEED_OF_LIGHT / np.linalg.norm(momentum) * np.cross(t, b)])

    start = np.concatenate([np.zeros(3), momentum / np.linalg.norm(momentum)])
    solved = solve_ivp(slope, (0, 500), start, rtol=1e-10, atol=1e-10, dense_output=True)
    (crossings,) = propagate([particles(momentum)], MIXED, table, 1, FREE)
    (uniform,) = propagate([particles(momentum)], MIXED, 3.0, 1, FREE)
    assert len(crossings.module) >= 4
    path = crossings.time * crossings.beta * SPEED_OF_LIGHT
    away = np.linalg.norm(solved.sol(path)[:3].T - crossings.point, axis=1)
    assert away.max() < 2e-3
    assert np.linalg.norm(uniform.point[3] - crossings.point[3]) > 20 * away.max()


def test_material_by_layer_needs_one_value_for_each():
    with pytest.raises(InputError, match="layers has 2 values and the detector 10 layers"):
        propagate(
            [particles([1.0, 0, 0])], MIXED, 3.8, 1, TransportOptions(material=Material(layers=(0.1, 0.2)))
        )
