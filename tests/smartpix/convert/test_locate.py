"""Modules that hits are on against a straight loop over all modules."""

import numpy as np
import pytest

from smartpix.convert.locate import BESIDE, hits_on_modules, locate_modules
from smartpix.schema import InputError
from tests.helpers import embedded_detector


def brute(detector, point):
    """Distances to the volumes of all modules, and the one that the point is on with the nearest midplane."""
    best, nearest = (-1, np.inf), np.inf
    for m in range(len(detector)):
        x, y, z = (point - detector.center[m]) @ detector.axes[m]
        off = np.linalg.norm(
            np.maximum(
                np.abs([x, y, z]) - [detector.half_x[m], detector.half_y[m], detector.thickness[m] / 2], 0
            )
        )
        nearest = min(nearest, off)
        if off <= BESIDE and abs(z) < best[1]:
            best = (m, abs(z))
    return best[0], nearest


def test_points_are_on_the_modules_that_a_loop_finds():
    detector, rng = embedded_detector(), np.random.default_rng(4)
    module = rng.integers(0, len(detector), 25)
    local = (
        rng.uniform(-1, 1, (25, 3))
        * np.stack([detector.half_x, detector.half_y, detector.thickness / 2], axis=1)[module]
    )
    local[15:, 2] += 0.3
    points = detector.to_global(module, local)
    found, off = locate_modules(detector, points)
    for k, point in enumerate(points):
        wanted, nearest = brute(detector, point)
        assert found[k] == wanted
        assert off[k] == pytest.approx(nearest, abs=1e-9)
    assert (found[:15] >= 0).all()
    assert locate_modules(detector, np.zeros((0, 3)))[0].shape == (0,)


def test_groups_without_a_hit_on_a_module_are_others_and_the_rest_must_be_on_them():
    detector = embedded_detector()
    on = detector.to_global(np.array([5, 9]), np.array([[1.0, 2.0, 0.02], [0.0, 0.0, 0.0]]))
    points = np.concatenate([on, [[500.0, 0, 0]]])
    names = {0: "pixels", 1: "strips"}
    rows, module, place = hits_on_modules(detector, points, np.array([0, 0, 1]), np.arange(3), names, "here")
    assert rows.tolist() == [0, 1]
    assert module.tolist() == [5, 9]
    np.testing.assert_allclose(detector.to_local(module, place)[:, 2], 0, atol=1e-9)
    with pytest.raises(
        InputError, match=r"here: hit 2 of pixels lies \d+ mm off the nearest module, .*1 such hits of 3"
    ):
        hits_on_modules(detector, points, np.zeros(3, dtype=int), np.arange(3), names, "here")
