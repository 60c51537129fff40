"""Calibrations: moved modules, corrected estimates, and their file."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smartpix.beam import BeamSpot
from smartpix.calibration import (
    corrected,
    displaced,
    fingerprint,
    nothing_known,
    read_calibration,
    scaled,
    write_calibration,
)
from smartpix.clusters import FlatClusters
from smartpix.io.events import Header
from smartpix.schema import InputError
from tests.helpers import embedded_detector, part_of


@pytest.fixture(scope="module")
def detector():
    return part_of(embedded_detector(), np.arange(0, 4004, 91))


@pytest.fixture
def calibration(detector):
    rng = np.random.default_rng(1)
    m, n_layers = len(detector), len(detector.layers)
    return replace(
        nothing_known(detector), shift=rng.normal(0, 0.02, (m, 3)), rotation=rng.normal(0, 1e-3, (m, 3)),
        position_error=rng.uniform(0, 0.01, (m, 2)), charge_scale=0.9, bias=rng.normal(0, 0.01, (n_layers, 4)),
        scale=rng.uniform(0.8, 1.2, (n_layers, 4)), made_by={"events": 3},
    )  # fmt: skip


def test_modules_move_and_turn_in_their_own_frames(detector, calibration):
    moved = displaced(detector, calibration.shift, calibration.rotation)
    for k in range(len(detector)):
        axes = detector.axes[k]
        turn = Rotation.from_rotvec(axes @ calibration.rotation[k]).as_matrix()
        np.testing.assert_allclose(moved.axes[k], turn @ axes, atol=1e-12)
        np.testing.assert_allclose(
            moved.center[k], detector.center[k] + axes @ calibration.shift[k], atol=1e-12
        )
    assert fingerprint(moved) != fingerprint(detector)


def test_a_beams_frame_stays_and_changes_no_fingerprint(detector, calibration):
    beam = BeamSpot(x=1.0, slope_x=1e-3)
    there = displaced(detector.at_beam(beam), calibration.shift, calibration.rotation)
    assert there.frame == beam
    here = displaced(detector, calibration.shift, calibration.rotation)
    np.testing.assert_allclose(there.at_beam(BeamSpot()).center, here.center)
    assert fingerprint(detector.at_beam(beam)) == fingerprint(detector)


def test_estimates_are_corrected_by_layer_and_module(detector, calibration):
    rng = np.random.default_rng(2)
    n, module = 200, rng.integers(0, len(detector), 200)
    mean = rng.normal(size=(n, 4))
    factor = np.tril(rng.uniform(0.01, 0.1, (n, 4, 4)))
    new, cholesky = corrected(mean, factor, module, detector, calibration)
    for k, m in enumerate(module):
        layer = detector.layer_index[m]
        np.testing.assert_allclose(new[k], mean[k] - calibration.bias[layer])
        scale = np.diag(calibration.scale[layer])
        expected = scale @ factor[k] @ factor[k].T @ scale
        expected[[0, 1], [0, 1]] += calibration.position_error[m] ** 2
        np.testing.assert_allclose(cholesky[k] @ cholesky[k].T, expected, atol=1e-12)


def test_charges_are_those_of_the_training(calibration):
    one = np.ones(2, dtype=np.int64)
    clusters = FlatClusters(
        one.astype(np.int32), one > 1, np.zeros((2, 2)), np.array([0, 1]), one, one.astype(np.int16),
        one.astype(np.int16), np.full((2, 2), 900.0, dtype=np.float32),
    )  # fmt: skip
    np.testing.assert_allclose(scaled(clusters, calibration).charge, 1000.0, rtol=1e-6)
    assert scaled(clusters, None) is clusters


def test_nothing_known_changes_nothing(detector):
    header = Header(detector, 3.8, (2, 19)).calibrated(nothing_known(detector))
    assert header.detector is detector
    mean, factor = np.ones((3, 4)), np.repeat(np.eye(4)[None], 3, axis=0)
    for new, old in zip(
        corrected(mean, factor, np.arange(3), detector, header.calibration), (mean, factor), strict=True
    ):
        np.testing.assert_array_equal(new, old)


def test_a_header_is_calibrated_once_and_with_its_own(detector, calibration):
    header = Header(detector, 3.8, (2, 19)).calibrated(calibration)
    np.testing.assert_allclose(
        header.detector.center, displaced(detector, calibration.shift, calibration.rotation).center
    )
    with pytest.raises(InputError, match="calibrated already"):
        header.calibrated(calibration)
    with pytest.raises(InputError, match="is of the detector table"):
        Header(embedded_detector(), 3.8, (2, 19)).calibrated(calibration)


def test_a_calibration_is_read_as_it_was_written(detector, calibration, tmp_path):
    path = tmp_path / "c.json"
    write_calibration(path, calibration)
    read = read_calibration(path, detector)
    for name in ("shift", "rotation", "position_error", "bias", "scale"):
        np.testing.assert_allclose(getattr(read, name), getattr(calibration, name), atol=1e-7)
    assert (read.charge_scale, read.made_by, read.detector) == (0.9, {"events": 3}, fingerprint(detector))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "weights"}, "'kind' must be one of smartpix calibration"),
        ({"version": 2}, "version 2 and this smartpix reads 1; calibrate again"),
        ({"shift": [[0, 0]]}, r"'shift\[0\]' must be a list of 3 items"),
        ({"shift": [[0, 0, 0]]}, "'shift' has 1 rows and the detector 44"),
        ({"rotation": [[0, 0, 2.0]]}, "from -0.2 to 0.2"),
        ({"charge_scale": 0}, "'charge_scale' must be a finite number from 0.1 to 10"),
        ({"detector": "00000000"}, "is of the detector table 00000000"),
    ],
)
def test_wrong_files_are_told(detector, calibration, tmp_path, change, words):
    path = tmp_path / "c.json"
    write_calibration(path, calibration)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words) as error:
        read_calibration(path, detector)
    assert str(path) in str(error.value)


def test_missing_and_unreadable_files_are_told(detector, tmp_path):
    with pytest.raises(InputError, match="no such calibration; give a file of"):
        read_calibration(tmp_path / "none.json", detector)
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="give a file of `smartpix calibrate --from-tracks`"):
        read_calibration(path, detector)


def test_dead_modules_stay_dead_where_modules_move(detector, calibration):
    known = Header(detector.with_dead([0, 3]), 3.8, (0,)).calibrated(calibration)
    assert known.detector.dead == (0, 3)
