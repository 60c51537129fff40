"""The network that counts particles: softmax in NumPy, regions, priors, windows of clusters, weights."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from smartpix.clusters import flatten, windows
from smartpix.io.events import iterate
from smartpix.merged.count import CountNetwork, CountNetworks
from smartpix.merged.samples import load_merged
from smartpix.mirror import mirrored
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import InputError
from tests.smartpix.merged.toys import count_weights, groups_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("count")
    groups_file(folder / "groups.root")
    for region in ("barrel", "endcap"):
        count_weights(folder / f"{region}.safetensors", region)
        count_weights(folder / f"chip-{region}.safetensors", region, chip=True)
    return folder


def one_event(path):
    opened, events = next(iterate([path]))
    return opened.header.detector, flatten(events[0]["clusters"], (2, 19))


@pytest.mark.parametrize("name", ["barrel", "chip-barrel"])
def test_probabilities_are_the_softmax_of_the_scaled_outputs(folder, name):
    network = CountNetwork.load(str(folder / f"{name}.safetensors"))
    samples = load_merged(folder / "groups.root", "barrel")
    scaling = network.description["scaling"]
    raw = network.fused.images(samples.images).astype(float)
    wanted = softmax(raw @ np.array(scaling["weight"]).T + scaling["bias"], axis=1)
    found = network.of_images(samples.images)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.ptp(found, axis=0).min() > 0.01
    # Among others the odds are others, by the ratio of the shares.
    prior = (0.98, 0.015, 0.005)
    shifted = wanted * np.array(prior) / np.array(network.mixture)
    np.testing.assert_allclose(
        network.of_images(samples.images, prior), shifted / shifted.sum(axis=1, keepdims=True), atol=1e-6
    )
    np.testing.assert_allclose(network.of_images(samples.images, network.mixture), found, atol=1e-6)


@pytest.mark.parametrize("name", ["{}", "chip-{}"])
@pytest.mark.parametrize("prior", [None, (0.9, 0.08, 0.02)])
def test_clusters_of_an_event_are_those_of_their_images(folder, name, prior):
    networks = CountNetworks.load(
        *(str(folder / f"{name.format(r)}.safetensors") for r in ("barrel", "endcap"))
    )
    detector, flat = one_event(folder / "groups.root")
    rows = np.random.default_rng(1).permutation(len(flat))[:70]
    found = networks.probabilities(flat, rows, detector, prior)
    assert found.shape == (70, 3)
    barrel = detector.barrel[flat.module]
    wanted = np.empty((len(flat), 3))
    for region, chosen in (("barrel", barrel), ("endcap", ~barrel)):
        images, _ = windows(flat.take(np.flatnonzero(chosen)))
        assert len(images) > 50
        wanted[chosen] = networks.networks[region].of_images(images, prior)
    np.testing.assert_allclose(found, wanted[rows], atol=1e-5)
    assert networks.probabilities(flat, rows[:0], detector).shape == (0, 3)
    assert networks.slices == (2, 19)


def test_pairs_that_do_not_fit_are_refused(folder, tmp_path):
    barrel, endcap = (str(folder / f"{region}.safetensors") for region in ("barrel", "endcap"))
    with pytest.raises(
        InputError, match=r"was trained on clusters of the endcap and is given for the barrel"
    ):
        CountNetworks.load(endcap, barrel)
    arrays, description = load_weights(endcap, "count-columns")
    save_weights(tmp_path / "w.safetensors", arrays, {**description, "slices": [0, 9]})
    with pytest.raises(InputError, match=r"different slices, \[2, 19\] and \[0, 9\]"):
        CountNetworks.load(barrel, str(tmp_path / "w.safetensors"))
    count_weights(tmp_path / "w.safetensors", "endcap", n_rows=16, n_columns=16)
    with pytest.raises(InputError, match=r"takes images of \(16, 16\) pixels"):
        CountNetworks.load(barrel, str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("prior", [(1.0, 0.0, 0.0), (0.5, 0.5), (2.0, 1.0, 1.0)])
def test_priors_that_are_none_are_refused(folder, prior):
    network = CountNetwork.load(str(folder / "barrel.safetensors"))
    with pytest.raises(InputError, match="prior"):
        network.of_images(np.zeros((1, 2, 13, 21), np.float32), prior)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scaling": {"weight": [[1.0, 0.0], [0.0, 1.0]], "bias": [0.0] * 3}}, r"scaling\.weight"),
        ({"mixture": [0.5, 0.5, 0.0]}, r"mixture"),
        ({"network": {"n_outputs": 14}}, r"network\.n_outputs' must be a whole number from 3 to 3"),
        ({"network": {"n_outputs": None}}, r"n_outputs"),
    ],
)
def test_descriptions_are_checked(folder, tmp_path, change, message):
    arrays, description = load_weights(folder / "barrel.safetensors", "count-columns")
    if "network" in change:
        change = {"network": {**description["network"], **change["network"]}}
    save_weights(tmp_path / "w.safetensors", arrays, {**description, **change})
    with pytest.raises(InputError, match=rf"w\.json: .*{message}"):
        CountNetwork.load(str(tmp_path / "w.safetensors"))


def test_weights_of_estimates_do_not_count(mdn_weights):
    with pytest.raises(
        InputError,
        match=(
            r"'mdn-columns' \(smartpix train mdn\) and smartpix train count or smartpix compress --learn count was "
        ),
    ):
        CountNetwork.load(str(mdn_weights["columns"]))


def test_a_cluster_does_not_depend_on_the_others_asked_about(folder):
    network = CountNetwork.load(str(folder / "barrel.safetensors"))
    detector, flat = one_event(folder / "groups.root")
    rows = np.flatnonzero(detector.barrel[flat.module])
    whole = network.probabilities(flat, rows)
    for k in range(0, len(rows), 7):
        np.testing.assert_allclose(network.probabilities(flat, rows[k : k + 1])[0], whole[k], atol=1e-5)
    few = flat.take(rows)
    np.testing.assert_allclose(network.probabilities(few, np.arange(len(rows))), whole, atol=1e-5)
    # Windows of an event begin anywhere on the module.
    moved = replace(flat, row=flat.row + np.int16(3), column=flat.column + np.int16(5))
    np.testing.assert_allclose(network.probabilities(moved, rows), whole, atol=1e-5)


def test_in_the_opposite_field_clusters_count_as_their_mirror_images(folder):
    networks = CountNetworks.load(*(str(folder / f"{r}.safetensors") for r in ("barrel", "endcap")))
    detector, flat = one_event(folder / "groups.root")
    field = networks.networks["barrel"].description["sensor"]["field"]
    rows = np.random.default_rng(2).permutation(len(flat))[:90]
    image, _ = mirrored(flat, detector)
    found = networks.probabilities(flat, rows, detector)
    np.testing.assert_allclose(networks.probabilities(image, rows, detector, field=-field), found, atol=1e-5)
    np.testing.assert_array_equal(networks.probabilities(flat, rows, detector, field=field), found)
    np.testing.assert_array_equal(networks.probabilities(flat, rows, detector, field=0.0), found)
    # The mirror is not nothing to these networks.
    assert np.abs(networks.probabilities(flat, rows, detector, field=-field) - found).max() > 0.01


@pytest.mark.parametrize("name", ["barrel", "chip-barrel"])
@pytest.mark.parametrize("charge", [np.nan, np.inf, -np.inf])
def test_a_cluster_with_charges_that_are_no_numbers_is_of_one(folder, name, charge):
    network = CountNetwork.load(str(folder / f"{name}.safetensors"))
    detector, flat = one_event(folder / "groups.root")
    few = flat.take(np.flatnonzero(detector.barrel[flat.module])[:30])
    whole = network.probabilities(few, np.arange(30))
    few = replace(few, charge=few.charge.copy())
    few.charge[few.first[4], 0] = charge
    found = network.probabilities(few, np.arange(30)[::-1])[::-1]
    assert found[4].tolist() == [1.0, 0.0, 0.0]
    others = np.arange(30) != 4
    np.testing.assert_allclose(found[others], whole[others], atol=1e-5)
    images, _ = windows(few)
    assert network.of_images(images, (0.5, 0.3, 0.2))[4].tolist() == [1.0, 0.0, 0.0]
