import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from seeding import kernels
from tests.seeding import toys

examples = settings(max_examples=40, deadline=None)


def stepped_arc(curvature, radius, phi=0.3, n=20_000):
    """Azimuth, direction and path where a circle from the origin reaches a radius: straight steps along the arc."""
    step = 2 * radius / n
    angle = phi + curvature * step * (np.arange(n) + 0.5)
    x, y = np.cumsum(np.cos(angle)) * step, np.cumsum(np.sin(angle)) * step
    r = np.hypot(x, y)
    k = int(np.argmax(r >= radius))
    part = (r[k] - radius) / (r[k] - r[k - 1])
    s = (k + 1 - part) * step
    return np.arctan2(y[k], x[k]), phi + curvature * s, s


@examples
@given(bend=st.floats(-0.9, 0.9), radius=st.floats(20, 200))
def test_turn_and_path_are_those_of_a_stepped_arc(bend, radius):
    curvature = 2 * bend / radius
    azimuth, direction, path = stepped_arc(curvature, radius)
    turn = kernels.half_turn(curvature, radius)
    assert kernels.wrap(azimuth - 0.3) == pytest.approx(turn, abs=2e-3)
    assert kernels.wrap(direction - azimuth) == pytest.approx(turn, abs=2e-3)
    assert kernels.path_length(curvature, radius) == pytest.approx(path, rel=1e-3)


@pytest.mark.parametrize("bend", [0.99e-4, 1.01e-4, 1e-9, 0.0, -0.99e-4, -1.01e-4])
def test_path_of_a_nearly_straight_track_is_its_series(bend):
    radius = 100.0
    series = radius * (1 + (bend / 2) ** 2 / 6)
    assert kernels.path_length(bend / radius, radius) == pytest.approx(series, rel=1e-9)


def test_a_circle_that_does_not_reach_stays_finite():
    assert np.isfinite(kernels.half_turn(1.0, 100.0))
    assert kernels.half_turn(-1.0, 100.0) == -kernels.half_turn(1.0, 100.0)
    assert 0 < kernels.half_turn(1.0, 100.0) <= np.pi / 2
    assert np.isfinite(kernels.path_length(1.0, 100.0))


@examples
@given(angle=st.floats(-30, 30))
def test_wrap_keeps_the_angle_and_the_range(angle):
    wrapped = kernels.wrap(angle)
    assert -np.pi < wrapped <= np.pi + 1e-12
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


def test_wrap_of_pi_is_pi():
    assert kernels.wrap(np.pi) == np.pi
    assert kernels.wrap(-np.pi) == np.pi


@examples
@given(seed=st.integers(0, 10_000), psi=st.floats(-3, 3), cot_theta=st.floats(-5, 5))
def test_local_slopes_are_ratios_of_projections(seed, psi, cot_theta):
    axes = Rotation.random(rng=seed).as_matrix()
    local = axes @ np.array([np.cos(psi), np.sin(psi), cot_theta])
    a, b, lz = kernels.local_slopes(axes.reshape(1, 9), 0, psi, cot_theta)
    if abs(local[2]) < 1e-3:
        assert np.isfinite([a, b, lz]).all()
    else:
        np.testing.assert_allclose([a, b, lz], [local[0] / local[2], local[1] / local[2], local[2]], rtol=1e-9, atol=1e-9)


def dense_kalman(position, axes, cot, covariance, sigma_z0, sigma_d0, sigma_curvature):
    """State (cot theta, curvature, impact parameter), matrices, and derivatives by finite differences."""
    x, y, z = position
    r, phi = np.hypot(x, y), np.arctan2(y, x)

    def predicted(state):
        psi = phi + state[1] * r / 2 + state[2] / r
        local = axes.reshape(3, 3) @ np.array([np.cos(psi), np.sin(psi), state[0]])
        return local[:2] / local[2]

    prior = np.array([z / r, 0.0, 0.0])
    p = np.diag([(sigma_z0 / r) ** 2, sigma_curvature**2, sigma_d0**2])
    h = np.empty((2, 3))
    for k, step in enumerate((1e-5, 1e-7, 1e-4)):
        delta = np.zeros(3)
        delta[k] = step
        h[:, k] = (predicted(prior + delta) - predicted(prior - delta)) / (2 * step)
    v = np.array([[covariance[0], covariance[1]], [covariance[1], covariance[2]]])
    gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + v)
    state = prior + gain @ (cot - predicted(prior))
    joseph = (np.eye(3) - gain @ h) @ p @ (np.eye(3) - gain @ h).T + gain @ v @ gain.T
    return state[:2], joseph[:2, :2]


@examples
@given(
    seed=st.integers(0, 10_000), r=st.floats(25, 200), phi=st.floats(-3.1, 3.1), z=st.floats(-600, 600),
    sigma_a=st.floats(0.02, 1.0), sigma_b=st.floats(0.005, 0.3), rho=st.floats(-0.9, 0.9),
    sigma_d0=st.sampled_from([0.0, 0.05, 5.0]),
)  # fmt: skip
def test_update_is_that_of_a_dense_kalman_filter(seed, r, phi, z, sigma_a, sigma_b, rho, sigma_d0):
    rng = np.random.default_rng(seed)
    position = np.array([r * np.cos(phi), r * np.sin(phi), z])
    # A module that faces the beam spot up to half a radian about each axis, with any spin.
    outward = np.array([np.cos(phi), np.sin(phi), 0.0])
    frame = np.stack([[0, 0, 1.0], np.cross(outward, [0, 0, 1.0]), outward])
    axes = Rotation.from_rotvec(rng.uniform(-0.3, 0.3, 3)).as_matrix() @ frame
    local = axes @ (position / np.linalg.norm(position))
    if abs(local[2]) < 0.1:
        return
    cot = local[:2] / local[2] + rng.normal(0, [sigma_a, sigma_b])
    covariance = np.array([sigma_a**2, rho * sigma_a * sigma_b, sigma_b**2])
    sigma_curvature = toys.UNIT
    out = kernels.update_cones(
        position[None], axes.reshape(1, 9), cot[None], covariance[None], 50.0, sigma_d0, sigma_curvature
    )[0]  # fmt: skip
    state, posterior = dense_kalman(position, axes, cot, covariance, 50.0, sigma_d0, sigma_curvature)
    np.testing.assert_allclose(out[0], state[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out[1], state[1], rtol=1e-5, atol=1e-6 * sigma_curvature)
    scale = np.sqrt(np.outer(np.diag(posterior), np.diag(posterior)))
    got = np.array([[out[2], out[3]], [out[3], out[4]]])
    np.testing.assert_allclose(got / scale, posterior / scale, atol=1e-4)


def test_update_without_information_is_the_prior():
    position, axes = np.array([[30.0, 40.0, 20.0]]), np.eye(3)[[2, 1, 0]].reshape(1, 9)
    wide = np.array([[1e12, 0.0, 1e12]])
    out = kernels.update_cones(position, axes, np.array([[5.0, -5.0]]), wide, 50.0, 0.05, 1e-3)[0]
    np.testing.assert_allclose(out, [0.4, 0.0, 1.0, 0.0, 1e-6], rtol=1e-6, atol=1e-9)


@examples
@given(seed=st.integers(0, 1000), n=st.integers(0, 60), n_along=st.integers(1, 20))
def test_grid_puts_every_hit_into_its_one_cell(seed, n, n_along):
    rng = np.random.default_rng(seed)
    phi = rng.uniform(-np.pi, np.pi, n)
    phi[: n // 4] = np.pi  # arctan2 gives +pi, too
    along = rng.uniform(-30, 30, n)
    low, width = -20.0, 3.0
    order, start = kernels.grid_sort(phi, along, low, width, n_along)
    assert sorted(order.tolist()) == list(range(n))
    assert start[0] == 0
    assert start[-1] == n
    assert len(start) == n_along * kernels.N_PHI + 1
    for cell in range(len(start) - 1):
        for i in order[start[cell] : start[cell + 1]]:
            a, p = divmod(cell, kernels.N_PHI)
            expected = np.clip(np.floor((along[i] - low) / width), 0, n_along - 1)
            assert a == expected
            edge = -np.pi + 2 * np.pi * np.array([p, p + 1]) / kernels.N_PHI
            assert edge[0] - 1e-9 <= phi[i] <= edge[1] + 1e-9


def two_points(curvature, phi, cot_theta, z0, radii, seed=0):
    """Two hits on a helix from (0, 0, z0), on modules that face the beam up to a tilt; slopes are exact."""
    rng = np.random.default_rng(seed)
    position, axes, cot = [], [], []
    for r in radii:
        s = 2 * np.arcsin(curvature * r / 2) / curvature if curvature else r
        point, direction = toys.helix((0, 0, z0), phi, curvature, cot_theta, np.array([s]))
        outward = np.append(point[0, :2] / r, 0)
        frame = np.stack([[0, 0, 1.0], np.cross(outward, [0, 0, 1.0]), outward])
        turned = Rotation.from_rotvec(rng.uniform(-0.3, 0.3, 3)).as_matrix() @ frame
        local = turned @ direction[0]
        position.append(point[0])
        axes.append(turned.reshape(9))
        cot.append(local[:2] / local[2])
    return np.array(position), np.array(axes), np.array(cot)


def joint(position, axes, cot, covariance, i=0, j=1, inverse_z0=0.0, inverse_curvature=0.0, scattering=0.0):
    out = np.zeros(7)
    radius, phi = np.hypot(position[:, 0], position[:, 1]), np.arctan2(position[:, 1], position[:, 0])
    chi2 = kernels.joint_test(
        i, j, position, radius, phi, axes, cot, covariance, inverse_z0, inverse_curvature, scattering, out
    )  # fmt: skip
    return chi2, out


COVARIANCE = np.array([[0.04, 0.003, 0.0025], [0.02, -0.001, 0.004]])


@examples
@given(
    pt=st.floats(0.15, 100), charge=st.sampled_from([-1, 1]), phi=st.floats(-3.2, 3.2), cot_theta=st.floats(-3, 3),
    z0=st.floats(-150, 150), seed=st.integers(0, 100),
)  # fmt: skip
def test_joint_test_recovers_the_helix_of_an_exact_pair(pt, charge, phi, cot_theta, z0, seed):
    curvature = charge * toys.UNIT / pt
    position, axes, cot = two_points(curvature, phi, cot_theta, z0, (32.0, 72.0), seed)
    chi2, out = joint(position, axes, cot, COVARIANCE, inverse_z0=1 / 50, inverse_curvature=1 / toys.UNIT)
    assert out[0] == pytest.approx(curvature, rel=1e-6)
    assert out[1] == pytest.approx(cot_theta, rel=1e-6, abs=1e-6)
    assert out[2] == pytest.approx(z0, abs=1e-4)
    np.testing.assert_allclose(out[3:], 0, atol=1e-4)
    assert chi2 == pytest.approx((z0 / 50) ** 2 + pt**-2, rel=1e-5, abs=1e-6)


@examples
@given(seed=st.integers(0, 1000), correlation=st.floats(-0.9, 0.9))
def test_joint_test_weighs_wrong_slopes_with_their_covariance(seed, correlation):
    rng = np.random.default_rng(seed)
    position, axes, cot = two_points(toys.UNIT, 3.1, 0.8, 20.0, (32.0, 72.0), seed)
    shift = rng.normal(size=(2, 2))
    sigma = rng.uniform(0.05, 0.5, (2, 2))
    covariance = np.column_stack([sigma[:, 0] ** 2, correlation * sigma[:, 0] * sigma[:, 1], sigma[:, 1] ** 2])
    chi2, out = joint(position, axes, cot + shift, covariance)
    expected = 0.0
    for d, (aa, ab, bb) in zip(shift, covariance, strict=True):
        expected += d @ np.linalg.inv([[aa, ab], [ab, bb]]) @ d
    assert chi2 == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(out[3:].reshape(2, 2), shift / sigma, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cot_theta", [0.0, 0.7, 2.5])
def test_scattering_widens_the_slopes_as_small_kicks_do(cot_theta):
    # The covariance of (cot alpha, cot beta) under kicks theta0 in the two planes that hold the direction.
    curvature, theta0 = toys.UNIT, 1e-3
    position, axes, cot = two_points(curvature, 0.2, cot_theta, 0.0, (32.0, 72.0))
    scattering = theta0**2 * (1 + cot_theta**2) / curvature**2
    tiny = np.full((2, 3), 1e-16) * [1, 0, 1]
    rng = np.random.default_rng(1)
    for end in range(2):
        r = np.hypot(*position[end, :2])
        psi = np.arctan2(position[end, 1], position[end, 0]) + np.arcsin(curvature * r / 2)
        direction = np.array([np.cos(psi), np.sin(psi), cot_theta]) / np.hypot(1, cot_theta)
        kicked = direction + theta0 * np.cross(direction, rng.normal(size=(200_000, 3)))
        local = kicked @ axes[end].reshape(3, 3).T
        expected = np.cov((local[:, :2] / local[:, 2:]).T)
        for k in range(2):
            shift = np.zeros((2, 2))
            shift[end, k] = 1e-3
            _, out = joint(position, axes, cot + shift, tiny, scattering=scattering)
            # The pull is the shift in units of the standard deviation.
            assert (1e-3 / out[3 + 2 * end + k]) ** 2 == pytest.approx(expected[k, k], rel=0.1)


def test_joint_test_refuses_an_edge_that_goes_inwards():
    position, axes, cot = two_points(toys.UNIT, 0.0, 0.5, 0.0, (32.0, 72.0))
    assert joint(position, axes, cot, COVARIANCE, 1, 0)[0] > 1e6
    assert joint(position, axes, cot, COVARIANCE, 0, 0)[0] > 1e6


@examples
@given(keys=st.lists(st.integers(0, 7), max_size=40))
def test_group_by_lists_the_rows_of_every_key_in_order(keys):
    rows, start = kernels.group_by(np.array(keys, dtype=np.int64), 8)
    for key in range(8):
        assert rows[start[key] : start[key + 1]].tolist() == [e for e, k in enumerate(keys) if k == key]
