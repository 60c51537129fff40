"""Training of networks that count: what it learns, its calibration, its chip version, resume and errors."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from smartpix.chip.fixed_point import adc_codes, evaluate, from_arrays
from smartpix.chip.options import QuantizedOptions
from smartpix.merged.count import CountNetwork
from smartpix.merged.samples import MergedSamples, load_merged
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.train.count import COUNT_TASK, fit_scaling, recalibrate_count, train_count
from smartpix.train.inputs import split
from smartpix.train.loop import train_task
from smartpix.train.options import TrainCountOptions
from tests.helpers import SENSOR
from tests.smartpix.merged.toys import count_weights, groups_file

SMALL = NetworkOptions("columns", hidden=6, filters=2)


def silent(line):
    """Report nothing."""


def toy_samples(n=3000, seed=1):
    """Spots of charge at random places: their number is the number of particles."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 4, n)
    images = np.zeros((n, 2, 13, 21), np.float32)
    for k in range(n):
        for column in rng.choice(np.arange(2, 19, 3), count[k], replace=False):
            images[k, :, rng.integers(3, 10), column] = rng.uniform(3000, 9000)
    targets = np.zeros((n, 3, 4))
    whole = np.zeros(n, dtype=bool)
    return MergedSamples(images, targets, whole, SENSOR, (2, 19), {}, (n,), count=count)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("count") / "w.safetensors"
    options = TrainCountOptions(SMALL, epochs=14, batch_size=64)
    return path, train_task(COUNT_TASK, toy_samples(), "barrel", path, options, silent)


def test_it_learns_to_count(trained):
    path, metrics = trained
    assert metrics["accuracy"] > 0.9
    assert metrics["auc"] > 0.97
    assert metrics["history"][-1] < 0.5 * metrics["history"][0]
    other = toy_samples(600, seed=2)
    found = CountNetwork.load(str(path)).of_images(other.images)
    assert np.mean(found.argmax(axis=1) + 1 == other.count) > 0.9
    arrays, description = load_weights(path, "count-columns")
    assert description["network"]["n_outputs"] == 3
    assert arrays["dense3.weight"].shape == (3, 6)
    assert sum(description["mixture"]) == pytest.approx(1)
    assert metrics["parameters"] == sum(a.size for a in arrays.values())


def test_the_chip_version_starts_from_it_and_is_exact(trained, tmp_path):
    path, _ = trained
    network = QuantizedOptions("columns", filters=(2, 0), hidden=(6, 6), threshold=300.0)
    options = TrainCountOptions(network, epochs=6, batch_size=64)
    samples = toy_samples()
    metrics = train_task(
        COUNT_TASK, samples, "barrel", tmp_path / "chip.safetensors", options, silent, start=path
    )
    assert metrics["auc"] > 0.95
    arrays, description = load_weights(tmp_path / "chip.safetensors", "fixedcount-columns")
    fixed = from_arrays(arrays, description["fixed"], "w")
    assert fixed.plan.n_outputs == 3
    chip = CountNetwork.load(str(tmp_path / "chip.safetensors"))
    images = samples.images[:200]
    whole = evaluate(fixed, adc_codes(images, fixed.edges)) * 2.0**-options.network.output_fraction
    np.testing.assert_array_equal(chip.fused.images(images), whole)


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path):
    options, samples = TrainCountOptions(SMALL, epochs=3, batch_size=64), toy_samples(1000)

    def cut(line):
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_task(COUNT_TASK, samples, "barrel", tmp_path / "a.safetensors", options, cut)
    for name in ("a", "b"):
        train_task(COUNT_TASK, samples, "barrel", tmp_path / f"{name}.safetensors", options, silent)
    one, two = (load_weights(tmp_path / f"{n}.safetensors", "count-columns")[0] for n in ("a", "b"))
    assert all(np.array_equal(one[k], two[k]) for k in one)


def test_mirror_images_are_of_as_many_particles():
    target, signs = torch.tensor([0, 2, 1]), torch.tensor([-1.0, 1.0, -1.0, 1.0])
    assert COUNT_TASK.moved(target, signs, torch.ones(2)).tolist() == [0, 2, 1]


def test_scaling_is_the_most_likely_one():
    """Of SciPy's general minimiser without gradient; and it gives back what the scores were made with."""
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 2, (40_000, 3))
    weight, bias = np.diag([1.5, 0.7, 1.2]), np.array([0.4, -0.3, 0.0])
    odds = np.cumsum(np.exp(log_softmax(raw @ weight.T + bias, axis=1)), axis=1)
    count = 1 + (rng.random((len(raw), 1)) > odds).sum(axis=1)
    found, shift = fit_scaling(raw, count)

    def loss(flat):
        scores = log_softmax(raw @ flat[:9].reshape(3, 3).T + flat[9:], axis=1)
        return -scores[np.arange(len(raw)), count - 1].mean()

    least = loss(np.concatenate([found.ravel(), shift]))
    start = np.concatenate([weight.ravel(), bias])
    assert least <= minimize(loss, start, method="Powell", options={"maxiter": 2}).fun + 1e-6
    # Scores that all rise by the same are the same probabilities.
    np.testing.assert_allclose(found - found.mean(axis=0), weight - weight.mean(axis=0), atol=0.06)


def test_training_on_files(tmp_path):
    path = groups_file(tmp_path / "groups.root", crossings=900)
    options = TrainCountOptions(SMALL, epochs=1, batch_size=32)
    metrics = train_count([path], "barrel", tmp_path / "w.safetensors", options, silent)
    assert metrics["n_train"] > 100
    description = load_weights(tmp_path / "w.safetensors", "count-columns")[1]
    assert description["slices"] == [2, 19]
    assert description["options"]["epochs"] == 1


def test_weights_are_calibrated_on_other_files(tmp_path):
    weights = count_weights(tmp_path / "w.safetensors", "barrel")
    path = groups_file(tmp_path / "groups.root", crossings=900)
    metrics = recalibrate_count(weights, [path], tmp_path / "c.safetensors")
    assert metrics["n_calibration"] > 100
    assert metrics["n"] > 100
    samples = load_merged(path, "barrel")
    _, tuning, _ = split(samples, 1.0)
    tuning = tuning[~samples.truncated[tuning]]
    calibrated = CountNetwork.load(str(tmp_path / "c.safetensors"))
    wanted = np.bincount(samples.count[tuning])[1:] / len(tuning)
    np.testing.assert_allclose(calibrated.mixture, wanted)
    # The most likely scaling gives each class its share of the clusters it was fitted to.
    found = calibrated.of_images(samples.images[tuning])
    np.testing.assert_allclose(found.mean(axis=0), wanted, atol=2e-3)
    before = CountNetwork.load(str(weights)).of_images(samples.images[tuning])
    assert np.abs(before.mean(axis=0) - wanted).max() > 0.02
    assert load_weights(tmp_path / "c.safetensors", "count-columns")[1]["calibrated_on"]
    with pytest.raises(InputError, match=r"w\.safetensors"):
        recalibrate_count(weights, [path], weights)


def test_what_cannot_be_trained_on_is_refused(tmp_path):
    path = groups_file(tmp_path / "ones.root", crossings=60, together=(1,))
    options = TrainCountOptions(SMALL)
    with pytest.raises(InputError, match=r"ones\.root: has no barrel cluster of 2 particles"):
        train_count(path, "barrel", tmp_path / "w.safetensors", options, silent)
    with pytest.raises(InputError, match="region 'both' is unknown"):
        train_count(path, "both", tmp_path / "w.safetensors", options, silent)
    with pytest.raises(InputError, match="train count: learning_rate"):
        TrainCountOptions(learning_rate=2.0)
