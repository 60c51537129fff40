"""Estimates of hits without pixels against straight lines and circles from the beam line."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.cluster_records import bare_records
from smartpix.clusters import flatten
from smartpix.estimate.base import NARROWEST, SOFTEST, estimate, position_estimate
from smartpix.estimate.choose import choose_estimator, kind_of
from smartpix.estimate.positions import PositionEstimator
from smartpix.io.event_header import Header
from smartpix.io.events import iterate
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import embedded_detector

SLICES = (2, 19)


def flat_at(detector, module, local):
    sigma = np.full((len(module), 2), 0.01)
    position = detector.to_global(module, local)
    records = bare_records(detector, module, position, sigma, None, SLICES, np.arange(len(module)))
    return flatten(records, SLICES[-1:]), records, position


def pulls(found, k, direction):
    slopes = direction[:2] / direction[2] - found.mean[k, 2:]
    covariance = found.covariance()[k, 2:, 2:] - NARROWEST**2 * np.eye(2)
    # Of rank two: one part is the start along the beam, the other the bend.
    return float(slopes @ np.linalg.solve(covariance, slopes)) ** 0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 4.0))
def test_one_sigma_is_the_luminous_region_or_the_softest_track(seed, field):
    detector = embedded_detector()
    rng = np.random.default_rng(seed)
    module = rng.integers(0, len(detector), 4).astype(np.int32)
    local = rng.uniform(-0.9, 0.9, (4, 2)) * np.stack([detector.half_x, detector.half_y], axis=1)[module]
    flat, _, point = flat_at(detector, module, local)
    found = position_estimate(flat, detector, field)
    np.testing.assert_allclose(found.sigma()[:, :2], 0.01, rtol=1e-6)
    np.testing.assert_allclose(found.mean[:, :2], local, atol=1e-4)
    for k in range(4):
        axes = detector.axes[module[k]]
        line = point[k] @ axes
        np.testing.assert_allclose(found.mean[k, 2:], line[:2] / line[2], atol=1e-3)
        # A line from a little beside the centre of the luminous region: the change is linear there.
        little = 1e-3
        start = np.array([0.0, 0.0, little * detector.frame.sigma_z])
        assert pulls(found, k, (point[k] - start) @ axes) == pytest.approx(little, rel=0.1)
        # Tangent of the circle through the axis and the hit, of a thousandth of the largest turn.
        turn = np.arcsin(min(0.5 * np.hypot(*point[k, :2]) * 0.299792458e-3 * field / SOFTEST, 1))
        cos, sin = np.cos(little * min(turn, 1.0)), np.sin(little * min(turn, 1.0))
        turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ point[k]
        assert pulls(found, k, turned @ axes) == pytest.approx(little, rel=0.1)


def test_files_without_pixels_take_positions_and_nothing_else():
    header = Header(embedded_detector(), 3.8, SLICES, {"cells": False})
    for kind in ("auto", "positions"):
        assert kind_of(choose_estimator(header, kind)) == "positions"
    with pytest.raises(
        InputError, match=r"estimates 'mdn': the hits of this file come without pixels.*positions"
    ):
        choose_estimator(header, "mdn")


def test_clusters_and_hits_without_pixels_together():
    """Clusters keep the estimates that they have alone, whatever hits are between them."""
    opened, events = next(iterate(data_path("sample.root"), step=1))
    header, clusters = opened.header.at_beam(), events["clusters"][0][:300]
    rows = np.arange(0, 300, 3)
    position = np.stack([ak.to_numpy(clusters[n])[rows] for n in "xyz"], axis=1).astype(float)
    sigma = np.stack([ak.to_numpy(clusters[n])[rows] for n in ("sigma_x", "sigma_y")], axis=1)
    module = ak.to_numpy(clusters["module_index"])[rows]
    bare = bare_records(
        header.detector, module, position, sigma, None, header.slices, ak.to_numpy(clusters["hit_id"])[rows]
    )
    columns = [name for name in clusters.fields if name != "truth"]
    mixed = ak.concatenate([clusters[columns], bare[columns]])
    estimator = choose_estimator(header, "shape")
    both, alone = estimate(mixed, header, estimator), estimate(clusters, header, estimator)
    np.testing.assert_array_equal(both.mean[:300], alone.mean)
    np.testing.assert_array_equal(both.cholesky[:300], alone.cholesky)
    without = estimate(bare, header, PositionEstimator(header.field, header.slices[-1:]))
    np.testing.assert_array_equal(both.mean[300:], without.mean)
    np.testing.assert_array_equal(both.cholesky[300:], without.cholesky)
    flat = replace(flatten(bare, header.slices), sigma=None)
    with pytest.raises(InputError, match="without the sigmas of their positions"):
        position_estimate(flat, header.detector, header.field)
