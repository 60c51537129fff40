"""Tracks eliminated from the least squares of modules: against the Kalman smoother, and dense matrices."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.calibration import displaced
from tests.tracking.calibration.test_align import OPTIONS, VACUUM, aligned, looker
from tests.tracking.calibration.toys import moved_wedge, straight_tracks
from tracking.calibration.align import _joined
from tracking.calibration.moves import N_FREE, layer_motion, mean_squares
from tracking.calibration.response import response
from tracking.calibration.sample import seen
from tracking.calibration.solve import Bodies, Normal
from tracking.fit.options import FitOptions


@pytest.fixture(scope="module")
def planted():
    table, off, true = moved_wedge(np.array([0.01, 0.01, 0.01]), 7)
    return table, off, [straight_tracks(true, 150, 8)]


def matrix_of(normal, n_bodies):
    unit = np.eye(N_FREE * n_bodies).reshape(n_bodies, N_FREE, -1)
    return normal.times(unit).reshape(N_FREE * n_bodies, -1)


def bodies_of(table):
    return Bodies(layer_motion(table), table.layer_index, len(table.layers))


@pytest.mark.parametrize(("field", "fit"), [(0.0, VACUUM), (0.0, FitOptions()), (3.8, FitOptions())])
def test_residuals_have_the_variances_that_the_smoother_gives(planted, field, fit):
    """V F^T F V is the covariance of a track's residuals; errors of x and y are independent here."""
    table, _, events = planted
    of = response(events, table, field, fit)
    now = seen(events, table, field, fit)
    variance = 1 / np.diagonal(now.weight, axis1=1, axis2=2)
    expected, n_free = [], 5 if field else 4
    for t, (first, last) in enumerate(zip(of.start[:-1], of.start[1:], strict=True)):
        factor = of.factor[of.at[t] : of.at[t + 1]].reshape(2 * (last - first) - n_free, 2 * (last - first))
        expected.append((factor**2).sum(axis=0).reshape(-1, 2) * variance[first:last] ** 2)
    np.testing.assert_allclose(
        np.concatenate(expected), now.variance, rtol=0.05 if field else 5e-3, atol=1e-9
    )


def test_forward_and_back_are_one_matrix_and_its_transposed(planted):
    table, _, events = planted
    of, rng = response(events, table, 3.8, FitOptions()), np.random.default_rng(1)
    motion = rng.normal(size=(len(table), N_FREE, 3))
    residual = rng.normal(size=(int(of.rows[-1]), 3))
    np.testing.assert_allclose(
        (of.forward(motion) * residual).sum(axis=0), (of.back(residual) * motion).sum(axis=(0, 1)), rtol=1e-9
    )
    alone = of.curvature()
    unit = np.zeros((len(table), N_FREE, N_FREE))
    busiest = int(np.argmax(np.bincount(of.module)))
    unit[busiest] = np.eye(N_FREE)
    np.testing.assert_allclose(of.back(of.forward(unit))[busiest], alone[busiest], rtol=1e-9, atol=1e-9)


def test_second_derivatives_are_those_of_the_tracks_chi2(planted):
    table, _, events = planted
    look, n = looker(events, table), len(table)
    direction = np.random.default_rng(3).normal(size=(n, N_FREE)) * ([1e-3] * 3 + [1e-5] * 3)
    chi2 = [look(q * direction).chi2 for q in (-1, 0, 1)]
    of = response(events, table, 0.0, VACUUM)
    bend = (of.forward(direction[:, :, None]) ** 2).sum()
    assert bend == pytest.approx((chi2[0] - 2 * chi2[1] + chi2[2]) / 2, rel=2e-3)


def test_conjugate_gradients_solve_what_a_dense_solution_does(planted):
    table, _, events = planted
    bodies = bodies_of(table)
    normal, n = Normal(response(events, table, 0.0, VACUUM), bodies), len(table) + len(table.layers)
    width = np.tile([0.02] * 3 + [1e-4] * 3, (n, 1))
    force = np.random.default_rng(4).normal(size=(n, N_FREE, 2)) / width[:, :, None]
    found, made = normal.solved(force, width, np.ones(n, dtype=bool), 1000)
    dense = matrix_of(normal, n) + np.diag(1 / width.ravel() ** 2)
    expected = np.linalg.solve(dense, force.reshape(-1, 2)).reshape(found.shape)
    assert made < 1000
    for k in range(2):
        # In the metric of chi2: what chi2 could still fall by, over what it fell by.
        off, whole = (found - expected)[:, :, k].ravel(), expected[:, :, k].ravel()
        assert off @ dense @ off < 1e-4 * (whole @ dense @ whole)


def test_errors_hold_the_ties_between_modules(planted):
    """Those of the whole inverse, which are larger than of each module alone, by layer."""
    table, _, events = planted
    found = aligned(events, table, replace(OPTIONS, samples=300))
    bodies, n = bodies_of(table), len(table)
    there = displaced(table, found.motion[:, :3], found.motion[:, 3:])
    normal = Normal(response(events, there, 0.0, VACUUM), bodies)
    width = np.concatenate([np.tile(found.width, (n, 1)), np.tile(found.layer_width, (len(table.layers), 1))])
    free = found.n_hits >= OPTIONS.module_hits
    kept = np.concatenate([np.repeat(free, N_FREE), np.ones(N_FREE * len(table.layers), dtype=bool)])
    dense = matrix_of(normal, n + len(table.layers)) + np.diag(1 / width.ravel() ** 2)
    inverse = np.zeros_like(dense)
    inverse[np.ix_(kept, kept)] = np.linalg.inv(dense[np.ix_(kept, kept)])
    to_modules = np.zeros((N_FREE * n, len(dense)))
    for m, k in enumerate(table.layer_index):
        rows = slice(N_FREE * m, N_FREE * (m + 1))
        to_modules[rows, rows] = np.eye(N_FREE)
        to_modules[rows, N_FREE * (n + k) : N_FREE * (n + k + 1)] = bodies.of_layer[m]
    of_module = np.einsum("mimj->mij", (to_modules @ inverse @ to_modules.T).reshape(n, N_FREE, n, N_FREE))
    last = looker(events, table)(found.motion)
    steepest = [
        np.abs(last.cot[table.layer_index[last.module] == k]).max(axis=0) for k in range(len(table.layers))
    ]
    faces = mean_squares(table, np.array(steepest))
    whole = np.einsum("maij,mij->ma", faces, of_module)
    alone = np.einsum("maij,mij->ma", faces, normal.alone(width)[:n])
    scale = max(found.chi2[-1] / found.n_freedoms, 1.0)
    assert scale < 1.2
    for layer in range(len(table.layers)):
        of = free & (table.layer_index == layer)
        expected = scale * whole[of].mean(axis=0)
        np.testing.assert_allclose((found.error[of] ** 2).mean(axis=0), expected, rtol=0.25)
        assert np.all(expected > alone[of].mean(axis=0))
    assert (found.error[free] ** 2).mean() == pytest.approx(scale * whole[free].mean(), rel=0.15)


def test_variances_of_few_samples_follow_those_of_their_layer():
    rng = np.random.default_rng(6)
    layer = np.repeat([0, 1], 200).astype(np.int32)
    alone = np.full((400, N_FREE), 2.0)
    true = np.where(layer == 0, 2.0, 6.0)
    samples = rng.normal(size=(400, N_FREE, 4)) * np.sqrt(true)[:, None, None]
    found = _joined((samples**2).mean(axis=2), alone, 4, np.ones(400, dtype=bool), layer)
    np.testing.assert_allclose(found[layer == 0].mean(axis=0), 2.0, rtol=0.15)
    np.testing.assert_allclose(found[layer == 1].mean(axis=0), 6.0, rtol=0.15)
    assert np.std(found[layer == 1]) < 0.2 * 6.0
