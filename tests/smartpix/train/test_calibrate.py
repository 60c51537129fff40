"""Calibration of trained weights in other conditions than those of their training."""

import json

import numpy as np
import pytest

from smartpix.estimate.mdn import MdnNetwork
from smartpix.io.parquet import write_clusters
from smartpix.networks.weights import load_weights, save_weights
from smartpix.samples import Reading, from_clusters
from smartpix.schema import InputError
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train.calibrate import recalibrate
from tests.helpers import SENSOR

NOISY = ReadoutOptions(noise=150.0, threshold=900.0)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory, clusters_2s):
    path = tmp_path_factory.mktemp("calibrate") / "2s.parquet"
    write_clusters(path, clusters_2s, {"command": "tests"}, SENSOR)
    return path


def calibrated(weights, clusters, output, sensor=SENSOR):
    return recalibrate(weights, clusters, output, Reading(None, NOISY, sensor))


def test_pulls_in_the_new_conditions_are_of_unit_width(mdn_weights, clusters, clusters_2s, tmp_path):
    told = calibrated(mdn_weights["columns"], clusters, tmp_path / "w.safetensors")
    samples = from_clusters(clusters_2s, NOISY, SENSOR, {})
    whole = ~samples.truncated
    widths = {}
    for name in (mdn_weights["columns"], tmp_path / "w.safetensors"):
        mean, cholesky = MdnNetwork.load(str(name)).predict_images(samples.images[whole])
        pull = (samples.targets[whole] - mean) / np.linalg.norm(cholesky, axis=2)
        widths[str(name)] = np.percentile(np.abs(pull), 95.45, axis=0) / 2
    before, after = widths.values()
    np.testing.assert_allclose(after, 1, atol=0.1)
    # The training knew less noise and a lower threshold.
    assert np.max(np.abs(before - 1)) > 0.2
    assert all(abs(width - 1) < 0.15 for width in told["pull_width"].values())
    assert told["n_calibration"] + told["n"] == whole.sum()


def test_the_network_stays_and_the_description_says_what_was_done(mdn_weights, clusters, tmp_path):
    output = tmp_path / "w.safetensors"
    told = calibrated(mdn_weights["columns"], clusters, output)
    (old, before), (new, after) = (
        load_weights(path, "mdn-columns") for path in (mdn_weights["columns"], output)
    )
    assert all(np.array_equal(old[name], new[name]) for name in old)
    assert before["data"] == after["data"]
    assert before["calibration"] != after["calibration"]
    assert after["calibrated_on"]["readout"]["noise"] == 150.0
    assert set(after["provenance"]["inputs"]) == {str(clusters), "columns.safetensors"}
    # Losses of the training stay beside the new test.
    assert after["metrics"]["history"] == before["metrics"]["history"]
    assert after["metrics"]["pull_width"] == told["pull_width"]
    assert json.loads(output.with_suffix(".json").read_text())["checksum"] == after["checksum"]


def test_weights_of_another_sensor_are_refused(mdn_weights, clusters, tmp_path):
    other = SENSOR | {"pitch_x": 0.1}
    arrays, description = load_weights(mdn_weights["columns"], "mdn-columns")
    source = tmp_path / "other.safetensors"
    save_weights(source, arrays, description | {"sensor": other})
    with pytest.raises(
        InputError, match=r"2s.parquet: clusters of 50 x 12.5 .*other.safetensors was trained for 100 x"
    ):
        calibrated(source, clusters, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_a_quantised_network_refuses_clusters_of_another_adc(clusters, tmp_path):
    other = ReadoutOptions(threshold=900.0, adc_bits=4)
    with pytest.raises(InputError, match="edges"):
        recalibrate("fixed-2s-smallest", clusters, tmp_path / "w.safetensors", Reading(None, other, SENSOR))


def test_the_weights_to_calibrate_are_not_replaced(mdn_weights, clusters):
    source = mdn_weights["columns"]
    before = source.read_bytes()
    with pytest.raises(InputError, match=r"columns.safetensors"):
        calibrated(source, clusters, source)
    assert source.read_bytes() == before
