"""The truth, the frame and the sensors of estimates."""

import dataclasses

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.estimate.base import Estimate, estimate, sensor_of, truth_targets, window_center
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.helpers import detector_of, embedded_detector, module_row, part_of
from tests.smartpix.estimate.flat_clusters import SAMPLE, two_regions


def test_window_centre_is_the_position_of_row_6_and_column_10():
    detector = two_regions()
    center = window_center(np.array([[0.0, 0.0], [100.0, 200.0]]), np.array([0, 1]), detector)
    np.testing.assert_allclose(
        center, [[10.5 * 0.05 - 36, 6.5 * 0.0125 - 8.4], [210.5 * 0.05 - 36, 106.5 * 0.0125 - 8.4]]
    )


def truth_records(share, particle, order, charge):
    columns = {
        n: ak.Array([[1.0 + 4 * i + j for j in range(len(s))] for i, s in enumerate(share)])
        for n in ("x", "y")
    }
    columns |= {n: columns["x"] * f for n, f in (("cot_alpha", 10.0), ("cot_beta", 100.0))}
    truth = ak.zip(
        {**columns, "share": ak.Array(share), "particle_id": ak.Array(particle), "order": ak.Array(order)}
    )
    return ak.zip({"truth": truth, "charge": ak.Array(charge)}, depth_limit=1)


def test_targets_are_those_of_the_main_particle():
    clusters = truth_records(
        [[0.9, 0.1], [], [0.5]], [[3, 4], [], [5]], [[0, 0], [], [0]], [100.0, 100.0, 100.0]
    )
    target, has = truth_targets(clusters, 0.8)
    np.testing.assert_array_equal(has, [True, False, False])
    np.testing.assert_array_equal(target, [[1, 1, 10, 100], [np.nan] * 4, [9, 9, 90, 900]])
    np.testing.assert_array_equal(truth_targets(clusters)[1], [True, False, True])


def test_of_a_crossings_clusters_the_one_with_most_of_its_charge_counts():
    share = [[0.98], [1.0], [0.99], [1.0], [0.97], [1.0]]
    particle = [[7], [7], [7], [8], [7], [8]]
    order = [[0], [0], [1], [0], [0], [0]]
    charge = [1000.0, 900.0, 50.0, 20.0, 1005.0, 30.0]
    # Of particle 7's first crossing: 980, 900 and 974.85 e; its second crossing and particle 8 are others.
    clusters = truth_records(share, particle, order, charge)
    np.testing.assert_array_equal(truth_targets(clusters, 0.5)[1], [True, False, True, False, False, True])
    # In another event the same numbers are other particles.
    np.testing.assert_array_equal(truth_targets(clusters, 0.5, np.arange(6))[1], [True] * 6)
    np.testing.assert_array_equal(
        truth_targets(clusters, 0.5, np.array([0, 0, 0, 1, 1, 1]))[1], [True, False, True, False, True, True]
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_clusters_that_show_a_crossing_are_those_of_a_straight_loop(seed):
    rng = np.random.default_rng(seed)
    n = 40
    event, particle, order = rng.integers(0, 3, n), rng.integers(1, 4, n), rng.integers(0, 3, n)
    share, charge = rng.uniform(0.3, 1, n).astype(np.float32), rng.uniform(100, 9000, n)
    records = truth_records(
        share[:, None].tolist(), particle[:, None].tolist(), order[:, None].tolist(), charge.tolist()
    )
    best = {}
    for k in range(n):
        key = (event[k], particle[k], order[k])
        if key not in best or share[k] * charge[k] > share[best[key]] * charge[best[key]]:
            best[key] = k
    wanted = [k in best.values() and share[k] >= 0.6 for k in range(n)]
    np.testing.assert_array_equal(truth_targets(records, 0.6, event)[1], wanted)


def test_sensor_of_the_embedded_detector():
    wanted = {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": 0.1, "field": 3.8}
    assert sensor_of(embedded_detector(), 3.8) == {"barrel": wanted, "endcap": wanted}


def test_region_without_modules_is_left_out():
    detector = embedded_detector()
    assert set(sensor_of(part_of(detector, np.flatnonzero(detector.barrel)[:3]), 3.8)) == {"barrel"}
    assert set(sensor_of(part_of(detector, np.flatnonzero(~detector.barrel)[:3]), 3.8)) == {"endcap"}


def test_modules_of_several_pitches_in_one_region_are_refused():
    rows = [module_row((32.0, 0, i), (0, 1, 0), (0, 0, 1), (1, 0, 0), 2, i) for i in range(2)]
    rows[1]["pitch_u"] = 0.025
    with pytest.raises(InputError, match="the barrel has modules of several pitches"):
        sensor_of(detector_of(rows), 3.8)


def test_what_is_no_cluster_of_the_file_is_refused():
    opened = open_events(SAMPLE)
    estimator = choose_estimator(opened.header)
    _, events = next(iterate(SAMPLE, step=2))
    clusters = events[0]["clusters"]

    def refused(given, words, header=opened.header):
        with pytest.raises(InputError, match=words):
            estimate(given, header, estimator)

    refused(np.zeros((3, 4)), r"clusters: expected an awkward array .* got ndarray.*events\[0\]")
    refused(events[0], r"clusters: expected an awkward array .* got Record")
    refused(events, r"clusters: 'hit_id' is missing .*events\[0\]\[\"clusters\"\]")
    refused(events["clusters"], "one flat array of records and got 2 levels")
    small = dataclasses.replace(opened.header, detector=part_of(opened.header.detector, np.arange(5)))
    refused(
        clusters,
        r"module_index goes from \d+ to \d+, and the detector of 5 modules has 0 to 4; clusters and header",
        small,
    )
    for axis in ("row", "column"):
        shifted = ak.with_field(clusters, clusters["pixels", axis] + 20_000, ("pixels", axis))
        refused(shifted, rf"clusters: pixels' {axis} goes from 2\d+ to \d+")
        refused(
            ak.with_field(clusters, clusters["pixels", axis] - 20_000, ("pixels", axis)),
            f"pixels' {axis} goes from -",
        )
    without = ak.with_field(clusters, clusters["pixels"][["row", "column", "charge_02"]], "pixels")
    refused(without, "clusters: pixels: 'charge_19' is missing")
    shape = choose_estimator(opened.header, "shape")
    for field in ("local_x", ("pixels", "charge_19")):
        with pytest.raises(InputError, match="a pixel's charge, or local_x or local_y, is not finite"):
            estimate(ak.with_field(clusters, clusters[field] * np.nan, field), opened.header, shape)


def test_covariance_and_sigma_of_a_factor():
    factor = np.tril(np.random.default_rng(1).normal(0, 1, (5, 4, 4)))
    result = Estimate(np.zeros((5, 4)), factor)
    assert len(result) == 5
    assert not result.flagged.any()
    assert result.flagged.shape == (5,)
    for k in range(5):
        wanted = factor[k] @ factor[k].T
        np.testing.assert_allclose(result.covariance()[k], wanted)
        np.testing.assert_allclose(result.sigma()[k], np.sqrt(np.diag(wanted)))
