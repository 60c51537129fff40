"""Clusters in a field of the opposite sign: as good as those in the field of the training."""

import dataclasses

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.estimate.base import estimate, truth_targets
from smartpix.estimate.choose import choose_estimator
from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.mirror import mirrored
from smartpix.simulate.crossings import broad_crossings
from smartpix.simulate.events import SimulateOptions, simulate_event
from tests.helpers import crossings_at, embedded_detector, part_of

SLICES = SimulateOptions().readout.slices
BARREL = part_of(embedded_detector(), np.flatnonzero(embedded_detector().barrel)[:8])


@pytest.fixture(scope="module")
def clusters():
    """Clusters of crossings in the field of the training, and of their mirror images in the opposite one."""
    broad = broad_crossings(BARREL, 1500, np.random.default_rng(4))
    local = BARREL.to_local(broad.module, broad.point)[:, :2]
    direction = BARREL.direction_to_local(broad.module, broad.momentum)
    cots = direction[:, :2] / direction[:, 2:]
    made = {}
    for field, sign in ((3.8, 1), (-3.8, -1)):
        crossings = crossings_at(BARREL, broad.module, local * [1, sign], cots * [1, sign])
        made[field] = simulate_event(crossings, BARREL, SimulateOptions(field=field), 0, 1)["clusters"][0]
    return made


def quality(clusters, field, kind):
    """Median and 68 % half width of the pulls (x, y, cot alpha, cot beta), and of the residuals."""
    header = Header(BARREL, field, SLICES, {})
    result = estimate(clusters, header, choose_estimator(header, kind))
    target, seen = truth_targets(clusters, 0.95)
    residual = (result.mean - target)[seen]
    assert len(residual) > 1000
    return [
        (np.median(v, axis=0), np.percentile(np.abs(v), 68, axis=0))
        for v in (residual / result.sigma()[seen], residual)
    ]


@pytest.mark.parametrize("kind", ["mdn", "shape", "quantised"])
def test_estimates_are_as_good_as_in_the_field_of_the_training(clusters, kind):
    (middle, pull), (_, width) = quality(clusters[-3.8], -3.8, kind)
    (_, usual_pull), (_, usual) = quality(clusters[3.8], 3.8, kind)
    np.testing.assert_allclose(width, usual, rtol=0.12)
    np.testing.assert_allclose(pull, usual_pull, rtol=0.12)
    assert np.abs(middle).max() < 0.25
    # Without the mirror they are not.
    _, (_, blind) = quality(clusters[-3.8], 3.8, kind)
    assert blind[3] > 1.2 * usual[3]


def test_the_mirror_image_of_the_mirror_image_is_the_cluster_itself(clusters):
    flat = flatten(clusters[3.8], SLICES)
    image, shift = mirrored(flat, BARREL)
    assert not np.array_equal(image.row, flat.row)
    again, _ = mirrored(image, BARREL)
    for f in dataclasses.fields(flat):
        np.testing.assert_allclose(getattr(again, f.name), getattr(flat, f.name), atol=1e-12)
    np.testing.assert_allclose(shift, 0, atol=1e-12)


def test_pixels_stay_where_they_are_on_modules_of_no_whole_number_of_pixels(clusters):
    flat = flatten(clusters[3.8], SLICES)
    longer = np.full(len(BARREL), 8.404)
    odd = Detector({**BARREL.columns, "module_maxhu": longer, "module_minhu": longer})
    image, shift = mirrored(flat, odd)
    assert np.all(np.abs(shift) > 1e-3)
    module = np.repeat(flat.module, flat.counts)
    y = [(rows + 0.5) * odd.pitch_y[module] - odd.half_y[module] for rows in (flat.row, image.row)]
    np.testing.assert_allclose(y[0], np.repeat(shift, flat.counts) - y[1], atol=1e-12)
    np.testing.assert_allclose(image.local[:, 1], shift - flat.local[:, 1], atol=1e-12)
