"""Helices to planes, derivatives, updates and scattering, against brute force and straight NumPy."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from smartpix.physics import HIGHLAND, PION_MASS
from tests.seeding import toys
from tracking.finders.trkx.path.filter_kernels import cross, predict_pairs, take_hits

POINT = np.array([30.0, 5.0, 40.0])


def frame(tilt, turn):
    """Axes x, y, normal of a plane, orthonormal, one after the other."""
    normal = np.array([math.cos(turn) * math.cos(tilt), math.sin(turn) * math.cos(tilt), math.sin(tilt)])
    x = np.array([-math.sin(turn), math.cos(turn), 0.0])
    return np.concatenate([x, np.cross(normal, x), normal])


OWN, TARGET = frame(0.1, 0.2), frame(-0.2, 0.4)
CENTER = np.array([70.0, 22.0, 85.0])
COVARIANCE = np.diag([0.01, 0.02, 0.003, 0.01, 4e-4]) ** 2


def predicted(position, helix, center=CENTER, thickness=0.0, covariance=COVARIANCE):
    out = np.zeros((1, 2)), np.zeros((1, 3)), np.zeros(1), np.zeros((1, 2)), np.zeros(1, dtype=bool)
    predict_pairs(
        position[None], helix[None], OWN[None], covariance[None], np.zeros(1, dtype=np.int64), center[None],
        TARGET[None], (thickness, 0.1, toys.UNIT, 5.0), *out,
    )  # fmt: skip
    return [values[0] for values in out]


@settings(max_examples=40, deadline=None)
@given(
    psi=st.floats(-0.3, 0.7),
    slope=st.floats(-2.0, 3.0),
    pt=st.floats(0.2, 50.0),
    sign=st.sampled_from([-1, 1]),
)
def test_a_crossing_is_where_the_helix_changes_sides(psi, slope, pt, sign):
    k = sign * toys.UNIT / pt
    normal = TARGET[6:]

    def side(s):
        return float(normal @ (toys.helix(POINT, psi, k, slope, np.array([s]))[0][0] - CENTER))

    s, reached = cross(POINT, psi, slope, k, CENTER, normal)
    steps = np.arange(0.0, 120.0, 1.0)
    sides = np.array([side(a) for a in steps])
    changes = np.flatnonzero(sides[:-1] * sides[1:] < 0)
    if len(changes) == 1:
        assert reached
        assert s == np.float64(s)
        assert abs(s - brentq(side, steps[changes[0]], steps[changes[0] + 1], xtol=1e-10)) < 1e-5


def test_a_plane_along_the_helix_is_not_reached():
    normal = np.array([0.0, 0.0, 1.0])
    assert not cross(POINT, 0.1, 0.0, 0.0, CENTER, normal)[1]


def test_the_covariance_is_that_of_shifted_helices():
    helix = np.array([0.3, 1.1, -1.5e-3])
    local, spread, path, slopes, reached = predicted(POINT, helix)
    assert reached
    steps = np.array([1e-4, 1e-4, 1e-6, 1e-6, 1e-9])
    jacobian = np.empty((2, 5))
    for j, step in enumerate(steps):
        ends = []
        for sign in (-1, 1):
            position, moved = POINT.copy(), helix.copy()
            if j < 2:
                position += sign * step * OWN[3 * j : 3 * j + 3]
            else:
                moved[j - 2] += sign * step
            ends.append(predicted(position, moved)[0])
        jacobian[:, j] = (ends[1] - ends[0]) / (2 * step)
    expected = jacobian @ COVARIANCE @ jacobian.T
    np.testing.assert_allclose(spread, expected[[0, 0, 1], [0, 1, 1]], rtol=1e-5)
    direction = toys.helix(POINT, helix[0], helix[2], helix[1], np.array([path]))[1][0]
    on_module = TARGET.reshape(3, 3) @ direction
    np.testing.assert_allclose(slopes, on_module[:2] / on_module[2], rtol=1e-9)
    at = toys.helix(POINT, helix[0], helix[2], helix[1], np.array([path]))[0][0]
    np.testing.assert_allclose(local, TARGET.reshape(3, 3)[:2] @ (at - CENTER), atol=1e-9)


def taken(
    noise,
    repeats=1,
    outlier=1e9,
    thickness=0.0,
    covariance=COVARIANCE,
    center=CENTER,
    cot=(0.0, 0.0),
    doubt=1e9,
):
    """The path of one helix with one hit more.

    Args:
        noise: xx, xy, yy of the hit, or the (4, 4) covariance with its slopes ``cot``.
    """
    helix = np.array([0.3, 1.1, -1.5e-3])
    noise = np.array(noise)
    noise = noise[[0, 1, 1, 2]].reshape(2, 2) if noise.ndim == 1 else noise
    out = np.empty((1, 3)), np.empty((1, 3)), np.empty((1, 5, 5)), np.zeros(1, dtype=bool)
    take_hits(
        POINT[None], helix[None], OWN[None], covariance[None], np.zeros(1, dtype=np.int64), center[None],
        TARGET[None], np.array([cot]), noise[None], (thickness, 0.1, toys.UNIT, 5.0), repeats, outlier, doubt, *out,
    )  # fmt: skip
    return [values[0] for values in out]


def near_hit(offset=(0.05, -0.1)):
    """A point on the target plane near the crossing, and the residual of the crossing from it."""
    local = predicted(POINT, np.array([0.3, 1.1, -1.5e-3]))[0]
    axes = TARGET.reshape(3, 3)
    return CENTER + axes[:2].T @ (local + np.array(offset))


def test_one_linear_update_is_kalmans():
    """The covariance of the crossing after the update is that of the prediction and the hit, combined."""
    hit = near_hit()
    noise = (4e-4, 1e-4, 9e-4)
    local, spread, *_ = predicted(POINT, np.array([0.3, 1.1, -1.5e-3]), center=hit)
    position, _, covariance, good = taken(noise, center=hit)
    assert good
    prior = np.array([[spread[0], spread[1]], [spread[1], spread[2]]])
    measured = np.array([[noise[0], noise[1]], [noise[1], noise[2]]])
    after = prior - prior @ np.linalg.solve(prior + measured, prior)
    # The last step goes along the updated helix.
    np.testing.assert_allclose(covariance[:2, :2], after, rtol=0.02)
    expected = local - prior @ np.linalg.solve(prior + measured, local)
    np.testing.assert_allclose(TARGET.reshape(3, 3)[:2] @ (position - hit), expected, atol=2e-4)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-15)


def test_further_linearisations_come_to_the_hit_of_a_bent_track():
    """With one hit the curvature is unknown. The hit says it, however far off that of the start is."""
    wide = np.diag([1e-3, 1e-3, 1e-3, 1e-3, 5e-3]) ** 2
    helix = np.array([0.3, 1.1, 5e-3])
    hit = predicted(POINT, helix)
    place = CENTER + TARGET.reshape(3, 3)[:2].T @ hit[0]
    noise = (1e-6, 0.0, 1e-6)
    once, often = (taken(noise, repeats, covariance=wide, center=place) for repeats in (1, 5))
    off = [np.linalg.norm(end[0] - place) for end in (once, often)]
    assert off[1] < 0.02 < off[0]
    assert abs(often[1][2] - 5e-3) < 2e-4


def test_a_hit_far_off_counts_as_wide():
    hit = near_hit((5.0, 0.0))
    noise = (0.01, 0.0, 0.01)
    trusted, doubted = (taken(noise, outlier=outlier, center=hit) for outlier in (1e9, 50.0))
    away = [np.linalg.norm(end[0] - hit) for end in (trusted, doubted)]
    assert away[1] > 1.3 * away[0]
    near = near_hit()
    same = [taken(noise, outlier=outlier, center=near)[2] for outlier in (1e9, 50.0)]
    np.testing.assert_array_equal(*same)


def scattered(helix, k2, thickness):
    """Variances of azimuth and slope, written as the PDG has them."""
    p = math.sqrt((1 + helix[1] ** 2) / k2) * toys.UNIT
    beta = p / math.hypot(p, PION_MASS)
    direction = np.array([math.cos(helix[0]), math.sin(helix[0]), helix[1]])
    through = thickness * np.linalg.norm(direction) / abs(direction @ OWN[6:])
    theta = HIGHLAND / (beta * p) * math.sqrt(through) * (1 + 0.038 * math.log(through / beta**2))
    sine = 1 / math.hypot(1, helix[1])
    return (theta / sine) ** 2, (theta / sine**2) ** 2


def test_scattering_is_highlands():
    helix = np.array([0.3, 1.1, -1.5e-3])
    kicked = COVARIANCE.copy()
    kicked[2, 2], kicked[3, 3] = (
        COVARIANCE[k, k] + v
        for k, v in zip((2, 3), scattered(helix, helix[2] ** 2 + COVARIANCE[4, 4], 0.02), strict=True)
    )
    with_material = predicted(POINT, helix, thickness=0.02)[1]
    np.testing.assert_allclose(with_material, predicted(POINT, helix, covariance=kicked)[1], rtol=1e-9)
    assert (with_material[[0, 2]] > predicted(POINT, helix)[1][[0, 2]]).all()


def test_a_path_scatters_with_the_momentum_that_its_next_hit_tells():
    """One hit leaves the curvature open; the module before would then scatter as for a soft track."""
    wide = COVARIANCE.copy()
    wide[4, 4] = (toys.UNIT / 0.4) ** 2
    helix = np.array([0.3, 1.1, -1.5e-3])
    hit, noise = near_hit((0.0, 0.0)), (1e-4, 0.0, 1e-4)
    kicked = wide.copy()
    kicked[2, 2] += scattered(helix, helix[2] ** 2, 0.02)[0]
    kicked[3, 3] += scattered(helix, helix[2] ** 2, 0.02)[1]
    expected = taken(noise, 4, covariance=kicked, center=hit)[2]
    found = [taken(noise, n, thickness=0.02, covariance=wide, center=hit)[2] for n in (1, 4)]
    off = [values[3, 3] - expected[3, 3] for values in found]
    assert off[0] > 10 * abs(off[1])


def test_a_path_that_cannot_come_stays_what_it_is():
    away = np.array([1e5, 0.0, 0.0])
    position, helix, covariance, good = taken((1e-4, 0.0, 1e-4), center=away)
    assert not good
    np.testing.assert_array_equal(position, POINT)
    np.testing.assert_array_equal(covariance, COVARIANCE)
    np.testing.assert_array_equal(helix, [0.3, 1.1, -1.5e-3])


def with_slopes(shift):
    """Slopes on the target of the helix whose parameters are shifted so."""
    position = POINT + shift[0] * OWN[:3] + shift[1] * OWN[3:6]
    return predicted(position, np.array([0.3, 1.1, -1.5e-3]) + shift[2:])


def test_an_update_with_slopes_is_kalmans():
    """Against the textbook's formulas in NumPy, with derivatives of shifted helices."""
    rng = np.random.default_rng(4)
    root = rng.normal(size=(4, 4)) * np.array([0.02, 0.02, 4e-3, 4e-3])[:, None]
    noise, hit = root @ root.T, near_hit((0.01, -0.02))
    steps = np.array([1e-4, 1e-4, 1e-6, 1e-6, 1e-9])
    moves = np.diag(steps)

    def seen(shift):
        local, _, _, slopes, _ = with_slopes(shift)
        axes = TARGET.reshape(3, 3)[:2]
        return np.concatenate([local + axes @ (CENTER - hit), slopes])

    rows = np.stack([(seen(m) - seen(-m)) / (2 * s) for m, s in zip(moves, steps, strict=True)], axis=1)
    cot = seen(np.zeros(5))[2:] + np.array([3e-3, -2e-3])
    off = np.concatenate([[0.0, 0.0], cot]) - seen(np.zeros(5))
    gain = COVARIANCE @ rows.T @ np.linalg.inv(rows @ COVARIANCE @ rows.T + noise)
    _, helix, covariance, good = taken(noise, center=hit, cot=cot)
    assert good
    after = COVARIANCE - gain @ rows @ COVARIANCE
    # Slope and curvature stay the same on the way to the hit's module.
    np.testing.assert_allclose(helix[1:] - [1.1, -1.5e-3], (gain @ off)[3:], rtol=1e-4, atol=1e-10)
    np.testing.assert_allclose(covariance[3:, 3:], after[3:, 3:], rtol=1e-3, atol=1e-12)
    blind = taken(noise[:2, :2], center=hit)[2]
    assert (np.diag(covariance)[2:4] < np.diag(blind)[2:4]).all()


def test_slopes_far_off_are_not_read():
    noise, hit = np.diag([1e-4, 1e-4, 1e-6, 1e-6]), near_hit()
    cot = with_slopes(np.zeros(5))[3] + np.array([0.3, 0.0])
    doubted, blind = taken(noise, center=hit, cot=cot, doubt=30.0), taken(noise[:2, :2], center=hit)
    for one, other in zip(doubted, blind, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    assert abs(taken(noise, center=hit, cot=cot)[1][1] - blind[1][1]) > 1e-3


def test_disks_and_cylinders_scatter_with_their_own_thickness():
    """The thickness of the other kind means nothing to a module."""
    flat = np.concatenate([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    helix, widths = np.array([[0.3, 1.1, -1.5e-3]]), {}
    for name, axes in (("cylinder", OWN), ("disk", flat)):
        for thick in ((0.02, 0.0), (0.0, 0.02), (0.02, 0.02)):
            out = np.zeros((1, 2)), np.zeros((1, 3)), np.zeros(1), np.zeros((1, 2)), np.zeros(1, dtype=bool)
            predict_pairs(
                POINT[None], helix, axes[None], COVARIANCE[None], np.zeros(1, dtype=np.int64), CENTER[None],
                TARGET[None], (*thick, toys.UNIT, 5.0), *out,
            )  # fmt: skip
            widths[name, thick] = out[1][0, 0]
    both = (0.02, 0.02)
    assert (
        widths["cylinder", (0.02, 0.0)] == widths["cylinder", both] > 1.05 * widths["cylinder", (0.0, 0.02)]
    )
    assert widths["disk", (0.0, 0.02)] == widths["disk", both] > 1.05 * widths["disk", (0.02, 0.0)]
