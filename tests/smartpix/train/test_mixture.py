"""Training of networks of several components: what is learned, resume, calibration on others, bad input."""

import dataclasses
import json
import types

import numpy as np
import pytest

from smartpix.chip.options import QuantizedOptions
from smartpix.estimate.components import Components, ordered
from smartpix.estimate.mixture import MIXTURE, SET, MixtureNetwork
from smartpix.networks.options import NetworkOptions
from smartpix.samples import Samples
from smartpix.schema import InputError
from smartpix.train import components as of_components
from smartpix.train.components import calibrate_components, component_pulls, component_quality
from smartpix.train.inputs import split
from smartpix.train.mixture import train_mixture, train_mixture_on
from smartpix.train.options import TrainMixtureOptions

QUICK = TrainMixtureOptions(NetworkOptions(hidden=16), epochs=3, batch_size=128, validation_share=0.5)
ROWS = split(types.SimpleNamespace(parts=(2000,)), QUICK.validation_share)
"""To train, tune and test with."""
PITCH = (0.05, 0.0125)


def silent(line):
    pass


def of_parts(samples, images, targets):
    return Samples(
        images, targets, np.zeros(len(images), dtype=bool), samples.sensor, samples.slices, {"made": "here"}
    )


@pytest.fixture(scope="module")
def singles(samples):
    return of_parts(samples, samples.images[:2000], samples.targets[:2000])


@pytest.fixture(scope="module")
def pairs(samples):
    """Two clusters each, three columns and four rows apart, the first anywhere in the list of particles."""
    rng = np.random.default_rng(3)
    a, b = samples.images[:2000], samples.images[2000:4000]
    images = np.zeros_like(a)
    images[:, :, :-4, 3:] += a[:, :, 4:, :-3]
    images[:, :, 4:, :-3] += b[:, :, :-4, 3:]
    targets = np.stack([samples.targets[:2000], samples.targets[2000:4000]], axis=1)
    targets[:, 0, :2] += np.array([3, -4]) * PITCH
    targets[:, 1, :2] += np.array([-3, 4]) * PITCH
    for pair in targets:
        rng.shuffle(pair)
    return of_parts(samples, images, targets)


def test_components_have_the_order_that_was_asked_for(pairs, tmp_path):
    # Particles are apart by six columns one way and eight rows the other.
    options = dataclasses.replace(QUICK, epochs=12, learning_rate=1e-2, order="y")
    train_mixture_on(pairs, "barrel", tmp_path / "w.safetensors", options, SET, 2, silent)
    found = MixtureNetwork.load(tmp_path / "w.safetensors").predict_images(pairs.images[ROWS[2]])
    assert np.mean(found.mean[:, 1, 1] > found.mean[:, 0, 1]) > 0.95


def test_pairs_are_found_whatever_their_order(pairs, tmp_path):
    options = dataclasses.replace(QUICK, epochs=12, learning_rate=1e-2)
    report = train_mixture_on(pairs, "barrel", tmp_path / "w.safetensors", options, SET, 2, silent)
    assert report["history"][-1] < report["history"][0] - 1
    network = MixtureNetwork.load(tmp_path / "w.safetensors")
    found, truth = network.predict_images(pairs.images[ROWS[2]]), pairs.targets[ROWS[2]]
    matched = ordered(found, truth, None)
    # Particles lie six columns apart: each is found within less than two.
    assert np.median(np.abs(matched - found.mean)[..., 0]) < 1.5 * PITCH[0]
    assert report["parameters"] == network.fused.plan.parameters
    assert report["n"] == len(ROWS[2])


def test_resumed_training_is_the_same(singles, tmp_path):
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    expected = train_mixture_on(singles, "barrel", whole, QUICK, MIXTURE, 2, silent)

    class PowerCutError(Exception):
        pass

    def cut_after_first(line):
        if line.startswith("epoch 1/"):
            raise PowerCutError

    with pytest.raises(PowerCutError):
        train_mixture_on(singles, "barrel", cut, QUICK, MIXTURE, 2, cut_after_first)
    lines = []
    assert train_mixture_on(singles, "barrel", cut, QUICK, MIXTURE, 2, lines.append) == expected
    assert len(lines) == 2
    assert whole.read_bytes() == cut.read_bytes()
    assert not cut.with_suffix(".checkpoint").exists()


def test_description_says_what_it_is(singles, tmp_path):
    path = tmp_path / "w.safetensors"
    train_mixture_on(singles, "barrel", path, QUICK, MIXTURE, 3, silent)
    description = json.loads(path.with_suffix(".json").read_text())
    assert (description["architecture"], description["components"]) == ("mixture-columns", 3)
    assert description["network"]["n_outputs"] == 44
    assert len(description["calibration"]) == len(description["reliability"]) == 3


def test_other_conditions_are_calibrated(singles, tmp_path):
    path = tmp_path / "w.safetensors"
    train_mixture_on(singles, "barrel", path, QUICK, MIXTURE, 2, silent)
    arrays, description = of_components.load_mixture_weights(path)
    moved = dataclasses.replace(singles, targets=singles.targets + np.array([0.03, 0, 0, 0]))
    before = MixtureNetwork.load(path).predict_images(moved.images[ROWS[2]])
    off = component_quality(before, moved.targets[ROWS[2]])["pull_mean"]["x"]
    _, after = calibrate_components(arrays, description, moved, *ROWS[1:])
    assert abs(off) > 0.4
    assert abs(after["pull_mean"]["x"]) < 0.2
    assert 0.55 < after["within_68"] < 0.8


def test_longer_sigmas_of_truncated_clusters_are_measured(singles, tmp_path):
    truncated = np.zeros(len(singles.images), dtype=bool)
    truncated[ROWS[1][:300]] = True
    targets = singles.targets.copy()
    targets[truncated, 0] += 1.0
    path = tmp_path / "w.safetensors"
    cut = dataclasses.replace(singles, truncated=truncated, targets=targets)
    train_mixture_on(cut, "barrel", path, QUICK, MIXTURE, 2, silent)
    scale = json.loads(path.with_suffix(".json").read_text())["truncated_scale"]
    assert scale[0] > 3 * scale[1]


def test_truncated_particles_that_cannot_be_told_apart_are_drawn():
    """Of components that are right, a sigma from each other, the scale is one: the nearer order has less."""
    rng, n = np.random.default_rng(1), 20_000
    mean = np.zeros((n, 2, 4))
    mean[:, :, 0] = [-0.5, 0.5]
    right = Components(mean, np.tile(np.eye(4), (n, 2, 1, 1)), np.ones((n, 2)))
    targets = mean + rng.normal(size=mean.shape)
    swapped = rng.random(n) < 0.5
    targets[swapped] = targets[swapped, ::-1]
    scale = np.percentile(np.abs(component_pulls(right, targets)), 95.45, axis=0) / 2
    np.testing.assert_allclose(scale, 1.0, atol=0.02)


def test_training_goes_on_from_weights(singles, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    options = dataclasses.replace(QUICK, epochs=6)
    done = train_mixture_on(singles, "barrel", first, options, MIXTURE, 2, silent)
    more = train_mixture_on(singles, "barrel", second, QUICK, MIXTURE, 2, silent, first)
    assert more["history"][0] < done["history"][1]
    with pytest.raises(InputError, match="n_outputs"):
        train_mixture_on(singles, "barrel", second, QUICK, MIXTURE, 3, silent, first)


def test_bad_input_is_refused(singles, pairs, tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match="components"):
        train_mixture("none.root", "barrel", path, QUICK, SET, 4)
    with pytest.raises(InputError, match="region"):
        train_mixture("none.root", "middle", path, QUICK, SET, 2)
    with pytest.raises(InputError, match="whole numbers"):
        train_mixture_on(
            pairs, "barrel", path, dataclasses.replace(QUICK, network=QuantizedOptions()), SET, 2, silent
        )
    with pytest.raises(InputError, match="mirror-y"):
        train_mixture_on(
            pairs, "barrel", path, dataclasses.replace(QUICK, augment=("mirror-y",)), SET, 2, silent
        )
    few = dataclasses.replace(
        singles, images=singles.images[:200], targets=singles.targets[:200], truncated=singles.truncated[:200]
    )
    with pytest.raises(InputError, match="batch size"):
        train_mixture_on(few, "barrel", path, QUICK, MIXTURE, 2, silent)
