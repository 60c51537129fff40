"""Alignment from straight tracks without scattering: against numerical derivatives, a dense solution, and what
was planted.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.calibration import displaced
from tests.tracking.calibration.toys import SIGMA, moved_wedge, straight_tracks
from tracking.calibration.align import find_alignment, gradient_of
from tracking.calibration.moves import N_FREE, derivatives, layer_motion
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.response import response
from tracking.calibration.sample import seen
from tracking.fit.options import FitOptions

VACUUM = FitOptions(sensor=0.0, support=0.0, pipe=0.0)
SHIFT = np.array([0.05, 0.05, 0.02])
OPTIONS = CalibrateOptions(module_rotation=1e-6, layer_shift=0.01, layer_rotation=1e-6)
small = st.floats(-0.9, 0.9)


def looker(events, table, field=0.0, fit=VACUUM):
    return lambda q: seen(events, displaced(table, q[:, :3], q[:, 3:]), field, fit)


def responder(events, table, field=0.0, fit=VACUUM):
    return lambda q: response(events, displaced(table, q[:, :3], q[:, 3:]), field, fit)


def aligned(events, table, options, start=None):
    return find_alignment(looker(events, table), responder(events, table), table, options, start)


@pytest.fixture(scope="module")
def planted():
    table, off, true = moved_wedge(SHIFT, 1)
    return table, off, [straight_tracks(true, 500, 2)]


@settings(max_examples=10, deadline=None)
@given(a=small, b=small, x=small, y=small, k=st.integers(0, N_FREE - 1))
def test_derivatives_of_a_residual_are_those_of_a_line_that_meets_a_moved_plane(a, b, x, y, k):
    table, _, _ = moved_wedge(0, 1)

    def residual(size):
        motion = np.zeros((len(table), N_FREE))
        motion[0, k] = size
        moved = displaced(table, motion[:, :3], motion[:, 3:])
        point = table.center[0] + table.axes[0] @ [x, y, 0]
        line = table.axes[0] @ [a, b, 1]
        path = (moved.center[0] - point) @ moved.axes[0][:, 2] / (line @ moved.axes[0][:, 2])
        there = moved.axes[0].T @ (point + path * line - moved.center[0])
        return np.array([x, y]) - there[:2]

    step = 1e-5
    numerical = (residual(step) - residual(-step)) / (2 * step)
    expected = derivatives(np.array([[a, b]]), np.array([[x, y]]))[0, :, k]
    np.testing.assert_allclose(numerical, expected, atol=1e-6)


@pytest.mark.parametrize(("field", "fit"), [(0.0, VACUUM), (3.8, FitOptions())])
def test_the_gradient_is_that_of_the_tracks_chi2(planted, field, fit):
    """With scattering and in a field too: what the tracks take up does not change it."""
    table, _, events = planted
    look, n = looker(events, table, field, fit), len(table)
    gradient = gradient_of(look(np.zeros((n, N_FREE))), n)
    busiest = int(np.argmax(np.bincount(events[0].hits.module)))
    for k, step in enumerate([1e-4] * 3 + [1e-5] * 3):
        q = np.zeros((2, n, N_FREE))
        q[:, busiest, k] = step, -step
        numerical = (look(q[0]).chi2 - look(q[1]).chi2) / (4 * step)
        assert numerical == pytest.approx(
            gradient[busiest, k], rel=5e-3 if field == 0 else 1e-2, abs=1e-3 * np.abs(gradient[:, k]).max()
        )


def test_a_layers_motion_moves_the_centres_of_its_modules():
    table, _, _ = moved_wedge(0, 1)
    layer = np.array([0.02, -0.01, 0.03, 1e-5, -2e-5, 3e-5])
    q = layer_motion(table) @ layer
    moved = displaced(table, q[:, :3], q[:, 3:])
    about = table.center - [0, 0, 1] * table.layers.z[table.layer_index][:, None]
    np.testing.assert_allclose(moved.center, table.center + layer[:3] + np.cross(layer[3:], about), atol=1e-9)
    np.testing.assert_allclose(
        moved.axes, table.axes + np.cross(layer[3:], table.axes, axisb=1, axisc=1), atol=2e-9
    )


def dense(events, table, width, options):
    """Motions of modules and layers (M + L, 6) by one least-squares problem with all lines' parameters."""
    (event,), n = events, len(table)
    module, mean = event.hits.module, event.hits.estimate.mean
    point = table.to_global(module, mean[:, :2])
    owner = np.repeat(np.arange(len(event.tracks)), np.diff(event.tracks.start))
    n_bodies = n + len(table.layers)
    unknown = N_FREE * n_bodies + 4 * len(event.tracks)
    rows, values = [], []
    of_layer = layer_motion(table)
    for k, (m, t) in enumerate(zip(module, owner, strict=True)):
        axes, center = table.axes[m], table.center[m]
        mine = point[owner == t]
        line = mine[-1] - mine[0]
        line = line / line[0]
        # A line is (y, z) at x = 0 and its slopes along x.
        base = mine[0] - mine[0][0] * line
        moves = derivatives(np.array([(axes.T @ line)[:2] / (axes.T @ line)[2]]), mean[k : k + 1, :2])[0]
        path = (center - base) @ axes[:, 2] / (line @ axes[:, 2])
        expected = axes.T @ (base + path * line - center)
        for axis in range(2):
            row = np.zeros(unknown)
            row[N_FREE * m : N_FREE * (m + 1)] = moves[axis]
            at = N_FREE * (n + table.layer_index[m])
            row[at : at + N_FREE] = moves[axis] @ of_layer[m]
            for j in range(4):
                step = np.zeros(3)
                step[1 + j % 2] = path if j >= 2 else 1.0
                local = axes.T @ step
                slope = (axes.T @ line)[:2] / (axes.T @ line)[2]
                row[N_FREE * n_bodies + 4 * t + j] = -(local[axis] - slope[axis] * local[2])
            rows.append(row / SIGMA[axis])
            values.append(-(mean[k, axis] - expected[axis]) / SIGMA[axis])
    drawn = np.repeat(np.array([[options.layer_shift] * 3 + [options.layer_rotation] * 3]), n_bodies, axis=0)
    drawn[:n] = width
    weak = np.zeros((N_FREE * n_bodies, unknown))
    weak[:, : N_FREE * n_bodies] = np.diag(1 / drawn.ravel())
    matrix = np.concatenate([np.array(rows), weak])
    target = np.concatenate([values, np.zeros(len(weak))])
    return np.linalg.lstsq(matrix, target, rcond=None)[0][: N_FREE * n_bodies].reshape(-1, N_FREE)


def test_modules_lie_where_one_dense_solution_of_modules_and_tracks_has_them():
    table, _, true = moved_wedge(SHIFT, 3)
    events = [straight_tracks(true, 80, 4)]
    options = CalibrateOptions(
        steps=1000, module_rotation=1e-6, layer_shift=0.01, layer_rotation=1e-6, module_hits=1
    )
    found = aligned(events, table, options)
    motions = dense(events, table, found.width, options)
    n = len(table)
    layers = motions[n:] - (np.bincount(table.layer_index, found.n_hits) @ motions[n:]) / found.n_hits.sum()
    expected = motions[:n] + np.einsum("mij,mj->mi", layer_motion(table), layers[table.layer_index])
    assert found.chi2[-1] < 0.1 * found.chi2[0]
    np.testing.assert_allclose(found.motion[:, :2], expected[:, :2], atol=5e-4)


def test_planted_shifts_are_found_within_their_errors(planted):
    table, off, events = planted
    found = aligned(events, table, OPTIONS)
    n_freedoms = 4 * 500
    assert found.chi2[0] > 5 * n_freedoms
    # What the modules took is no freedom of the tracks any more.
    assert found.n_freedoms < n_freedoms - 100
    assert found.chi2[-1] == pytest.approx(found.n_freedoms, rel=0.1)
    well = found.n_hits > 30
    left = (found.motion - np.pad(off, ((0, 0), (0, 3))))[well]
    # What all modules have in common, and what grows evenly from one layer to the next, no line shows.
    for axis in range(2):
        assert np.std(left[:, axis]) < 0.5 * SHIFT[axis]
    assert found.width[:2] == pytest.approx(np.std(off, axis=0)[:2], rel=0.35)
    again = aligned(events, table, OPTIONS, found)
    # Those with other widths that draw to 0: a step of the search for these, not of the modules.
    assert np.std(again.motion[well, :2] - found.motion[well, :2]) < 0.1 * SHIFT[0]
    assert again.chi2[-1] == pytest.approx(found.chi2[-1], rel=0.05)


def test_modules_in_their_places_stay_there():
    table, _, _ = moved_wedge(0, 1)
    found = aligned([straight_tracks(table, 250, 5)], table, OPTIONS)
    assert np.sqrt(np.mean(found.motion[:, :2] ** 2)) < 0.004
    assert found.chi2[-1] <= found.chi2[0]


def test_modules_with_few_hits_follow_their_layer(planted):
    table, _, events = planted
    found = aligned(events, table, CalibrateOptions(module_hits=1_000_000, steps=50))
    assert np.all(found.own == 0)
    np.testing.assert_allclose(
        found.motion, np.einsum("mij,mj->mi", layer_motion(table), found.layers[table.layer_index])
    )
    # How well the layers are known is left, and no more than how far these may be off.
    of_layer = layer_motion(table)[:, :2]
    allowed = np.sqrt((of_layer**2) @ found.layer_width**2)
    assert found.error.min() > 0
    assert np.all(np.median(found.error, axis=0) < 1.2 * np.median(allowed, axis=0))


def test_few_tracks_of_modules_far_off_do_not_run_away():
    """No parabola: full steps raise chi2, and the widths that these tell grow without end."""
    table, _, true = moved_wedge(np.array([0.3, 0.3, 0.3]), 11)
    options = CalibrateOptions(module_rotation=1e-4)
    events, found = [straight_tracks(true, 40, 12)], None
    for _ in range(2):
        found = aligned(events, table, options, found)
        # Widths that become smaller draw modules back a little.
        assert found.chi2[-1] < 1.05 * found.chi2[0]
        assert np.all(found.width <= [options.module_shift] * 3 + [options.module_rotation] * 3)
    assert np.abs(found.motion[:, :3]).max() < 1.0
