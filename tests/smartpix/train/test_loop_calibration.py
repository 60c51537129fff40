"""What comes after a training: calibration, truncated and long clusters, the range on the link."""

import dataclasses

import numpy as np
import pytest

from smartpix.chip.fixed_point import adc_codes, describe, evaluate, to_arrays
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn
from smartpix.chip.transfer import to_fixed
from smartpix.estimate.mdn import TRUNCATED_SCALE, MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.samples import from_clusters
from smartpix.schema import TARGET_SCALE
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train.calibrate import calibrate_and_test
from smartpix.train.inputs import split
from smartpix.train.loop import train_on
from tests.helpers import SENSOR
from tests.smartpix.train.quick_trainings import QUICK, silent, weights_of


def test_calibration_holds_on_clusters_of_another_simulation(trained):
    clusters = simulate_dataset(DatasetOptions(slices=(0, 19), induction="full"), 6000, 77)
    other = from_clusters(clusters, ReadoutOptions(), SENSOR, {}, seed=5)
    network = MdnNetwork.load(str(trained[0]))
    report = quality(*network.predict_images(other.images, other.truncated), other.targets, other.truncated)
    # Fitted on 600 clusters.
    for name in ("x", "y", "cot_alpha", "cot_beta"):
        assert report["pull_sigma"][name] == pytest.approx(1, abs=0.2)
        assert report["pull_mean"][name] == pytest.approx(0, abs=0.15)
    assert report["coverage68"] == pytest.approx(0.683, abs=0.08)
    for name, value in report["half_width_68"].items():
        assert value == pytest.approx(trained[2]["half_width_68"][name], rel=0.25)
    assert report["nll"] == pytest.approx(trained[2]["nll"], abs=0.4)


def test_truncated_clusters_neither_train_nor_tune_nor_calibrate(tmp_path, few):
    rng = np.random.default_rng(1)
    spoilt = few.targets.copy()
    spoilt[few.truncated] = rng.normal(0, 1e3, (int(few.truncated.sum()), 4))
    assert few.truncated.sum() > 20
    for name, targets in (("a", few.targets), ("b", spoilt)):
        train_on(
            dataclasses.replace(few, targets=targets),
            "barrel",
            tmp_path / f"{name}.safetensors",
            QUICK,
            silent,
        )
    one, two = (weights_of(tmp_path / f"{n}.safetensors") for n in "ab")
    assert all(np.array_equal(one[0][k], two[0][k]) for k in one[0])
    assert one[1]["calibration"] == two[1]["calibration"]
    assert one[1]["metrics"] == two[1]["metrics"]


def test_truncated_clusters_get_sigmas_that_hold_their_errors(tmp_path, samples):
    """Of 240 of the held-out ones, whose errors are made larger by hand, 95 % are within two sigmas."""
    chosen = dataclasses.replace(
        samples, truncated=np.arange(len(samples)) % 5 == 0, targets=samples.targets.copy()
    )
    chosen.targets[chosen.truncated] += (
        np.random.default_rng(1).normal(0, 20, (chosen.truncated.sum(), 1)) * TARGET_SCALE
    )
    path = tmp_path / "w.safetensors"
    train_on(chosen, "barrel", path, QUICK, silent)
    mean, cholesky = MdnNetwork.load(str(path)).predict_images(chosen.images, chosen.truncated)
    held = np.concatenate(split(chosen, QUICK.validation_share)[1:])
    pull = ((chosen.targets - mean) / np.linalg.norm(cholesky, axis=2))[held][chosen.truncated[held]]
    np.testing.assert_allclose((np.abs(pull) < 2).mean(axis=0), 0.9545, atol=0.005)
    assert min(weights_of(path)[1]["truncated_scale"]) > 3


def test_few_truncated_clusters_get_the_scale_that_is_known(tmp_path, few):
    train_on(
        dataclasses.replace(few, truncated=np.arange(2000) % 40 == 0),
        "barrel",
        tmp_path / "w.safetensors",
        QUICK,
        silent,
    )
    assert weights_of(tmp_path / "w.safetensors")[1]["truncated_scale"] == [TRUNCATED_SCALE] * 4


def test_weights_can_be_calibrated_again(trained, samples):
    """On other clusters than before: as if they had been those of the training."""
    path, options, result, _ = trained
    arrays, description = weights_of(path)
    rows = split(samples, options.validation_share)[1:]
    again, report = calibrate_and_test(arrays, description, samples, *rows)
    assert again == {k: v for k, v in description.items() if k != "metrics"}
    assert report == {k: result[k] for k in report}
    wrong = dataclasses.replace(samples, targets=samples.targets + np.array(TARGET_SCALE))
    shifted, report = calibrate_and_test(arrays, description, wrong, *rows)
    assert all(abs(report["pull_mean"][name]) < 0.25 for name in report["pull_mean"])
    assert shifted["calibration"] != description["calibration"]


def test_length_of_long_clusters_is_learned_where_they_are_known(trained, samples):
    path, _, _, _ = trained
    arrays, description = weights_of(path)
    rows = np.arange(4800, 5400), np.arange(5400, 6000)
    rng = np.random.default_rng(3)
    targets = samples.targets.copy()
    # The last 500 clusters are said to be long ones.
    columns = np.full(len(samples), 5)
    targets[-500:, 2] = rng.choice([-1, 1], 500) * rng.uniform(11, 15, 500)
    cell = samples.sensor["thickness"] / samples.sensor["pitch_x"]
    columns[-500:] = np.round(np.abs(targets[-500:, 2]) * cell + 0.8).astype(int)
    told, _ = calibrate_and_test(
        arrays, description, dataclasses.replace(samples, targets=targets, columns=columns), *rows
    )
    assert told["length"]["offset"] == pytest.approx(0.8, abs=0.15)
    assert told["length"]["sigma"] == pytest.approx(1 / np.sqrt(12) / cell, rel=0.15)
    assert "length" not in calibrate_and_test(arrays, description, samples, *rows)[0]


def test_range_on_the_link_holds_all_but_the_rarest_outputs(few):
    """Of 2000 outputs one lies beyond it at either end."""
    model = QuantizedMdn(dataclasses.replace(QuantizedOptions("mlp", hidden=(6, 5))))
    fixed = to_fixed(model)
    description = {
        "architecture": "fixed-mlp", "network": dataclasses.asdict(model.options), "region": "barrel",
        "sensor": dict(SENSOR),
        "slices": [0, 19], "options": {}, "data": {}, "fixed": describe(fixed),
    }  # fmt: skip
    rows = np.arange(2000)
    told, _ = calibrate_and_test(
        to_arrays(fixed),
        description,
        dataclasses.replace(few, truncated=np.zeros(2000, dtype=bool)),
        rows,
        rows,
    )
    outputs = evaluate(fixed, adc_codes(few.images, fixed.edges)) / 2.0 ** fixed.outputs["dense3"].fraction
    ordered = np.sort(outputs, axis=0)
    for k, (low, high) in enumerate(told["output_range"]):
        assert ordered[0, k] <= low <= ordered[1, k]
        assert ordered[-2, k] <= high <= ordered[-1, k]
        assert low == pytest.approx(np.interp(5e-4 * 1999, np.arange(2000), ordered[:, k]))
        assert high == pytest.approx(np.interp((1 - 5e-4) * 1999, np.arange(2000), ordered[:, k]))
