"""How far modules are said to be off where tracks tell much, little and nothing; and tracks that are left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.calibration import displaced
from tests.tracking.calibration.test_align import VACUUM, aligned
from tests.tracking.calibration.toys import moved_wedge, straight_tracks
from tracking.calibration.align import _found_widths
from tracking.calibration.moves import N_FREE, mean_squares
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.sample import without_worst

OPTIONS = CalibrateOptions(module_rotation=1e-4)


def searched(true, noise, n, rounds, seed=1):
    """Widths by rounds of the search, from motions that are seen with noise and drawn to 0 by the width so far."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(n, N_FREE)) * true + rng.normal(size=(n, N_FREE)) * noise
    width = np.full(N_FREE, 0.1)
    for _ in range(rounds):
        kept = width**2 / (width**2 + noise**2)
        width = _found_widths(kept * seen, np.sqrt(kept) * noise * np.ones((n, N_FREE)), width)
    return width


def test_widths_are_found_where_tracks_tell_them():
    np.testing.assert_allclose(searched(0.02, 0.005, 3000, 8), 0.02, rtol=0.06)


def test_widths_stay_where_tracks_tell_nothing():
    np.testing.assert_allclose(searched(0.02, 10.0, 1000, 20), 0.1, rtol=1e-2)
    width = np.full(N_FREE, 0.1)
    np.testing.assert_array_equal(_found_widths(np.zeros((0, N_FREE)), np.zeros((0, N_FREE)), width), width)


@settings(max_examples=30, deadline=None)
@given(noise=st.floats(1e-4, 1.0), n=st.integers(1, 50), seed=st.integers(0, 99))
def test_widths_of_modules_in_their_places_do_not_collapse_in_a_step(noise, n, seed):
    """Nothing is off, and still a step leaves what the tracks cannot exclude."""
    left = np.sqrt(0.1**2 * noise**2 / (0.1**2 + noise**2))
    found = searched(0.0, noise, n, 1, seed)
    assert np.all(found >= 0.99 * left)


@pytest.mark.parametrize("size", [0.0, 0.002])
def test_errors_of_few_tracks_cover_what_turned_modules_are_off_by(size):
    """With some hits on each module, for modules turned about all axes."""
    table, _, _ = moved_wedge(0, 1)
    turned = np.random.default_rng(7).normal(size=(len(table), 3)) * size
    true = displaced(table, np.zeros((len(table), 3)), turned)
    found = aligned([straight_tracks(true, 60, 8)], table, CalibrateOptions(layer_shift=0.001))
    left = found.motion - np.concatenate([np.zeros_like(turned), turned], axis=1)
    slopes = np.full((len(table.layers), 2), 1.0)
    off = np.sqrt(np.einsum("maij,mi,mj->ma", mean_squares(table, slopes), left, left))
    pull = np.sqrt(np.mean((off / found.error)[found.n_hits > 0] ** 2, axis=0))
    assert np.all(pull < 1.2)
    assert found.width.min() > 0


def test_a_mean_over_a_modules_face_is_that_of_random_places():
    table, _, _ = moved_wedge(0, 1)
    motion = np.array([0.02, -0.01, 0.03, 1e-3, -2e-3, 3e-3])
    rng, m = np.random.default_rng(3), 5
    place = rng.uniform(-1, 1, (20_000, 2)) * [table.half_x[m], table.half_y[m]]
    moved = displaced(table, np.tile(motion[:3], (len(table), 1)), np.tile(motion[3:], (len(table), 1)))
    lines = (table.center[m] + place @ table.axes[m][:, :2].T) - [0, 0, table.layers.z[table.layer_index[m]]]
    there = lines @ table.axes[m]
    normal, gap = moved.axes[m][:, 2], moved.center[m] - table.center[m]
    at = np.concatenate([place, np.zeros((len(place), 1))], axis=1) @ table.axes[m].T
    along = ((gap - at) @ normal) / (lines @ normal)
    off = ((at + along[:, None] * lines - gap) @ moved.axes[m])[:, :2] - place
    expected = (off**2).mean(axis=0)
    slopes = np.full((len(table.layers), 2), np.abs(there[:, :2] / there[:, 2:]).max() + 1)
    found = np.einsum("aij,i,j->a", mean_squares(table, slopes)[m], motion, motion)
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_a_track_with_a_wrong_hit_is_left_out():
    table, _, _ = moved_wedge(0, 1)
    event = straight_tracks(table, 40, 9)
    k = event.tracks.start[11] + 1
    event.hits.estimate.mean[k, 0] += 1.0
    (left,) = without_worst([event], table, 0.0, VACUUM, 10.0)
    assert len(left.tracks) == 39
    kept = np.delete(np.arange(len(event.hits)), np.arange(event.tracks.start[11], event.tracks.start[12]))
    np.testing.assert_array_equal(left.hits.module, event.hits.module[kept])
    np.testing.assert_array_equal(left.charge, event.charge[kept])
    np.testing.assert_array_equal(np.diff(left.tracks.start), np.delete(np.diff(event.tracks.start), 11))
