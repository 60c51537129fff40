"""Networks of several components against the torch module and plain NumPy, cluster by cluster."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax

from smartpix.clusters import pixel_lists
from smartpix.estimate.base import window_center
from smartpix.estimate.calibrate_components import UNTOUCHED, fit_components, fit_reliability
from smartpix.estimate.components import Components, chosen, normal_scores, ordered
from smartpix.estimate.mixture import MIXTURE, SET, MixtureNetwork, calibrated_weights, outputs_of
from smartpix.mirror import SIGNS
from smartpix.networks.modules import build, encode
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import save_weights
from smartpix.outlines import outlines_of
from smartpix.schema import SMALLEST_SIGMA, TARGET_SCALE, InputError
from tests.helpers import SENSOR
from tests.smartpix.estimate.flat_clusters import flat_clusters, two_regions

SCALE = np.array(TARGET_SCALE)
SORTS = ((SET, 2), (SET, 3), (MIXTURE, 2), (MIXTURE, 3))


def network(sort, n, seed=0, **more):
    options = NetworkOptions(hidden=6, n_outputs=outputs_of(sort, n))
    torch.manual_seed(seed)
    module = build(options)
    arrays = {k: v.numpy() for k, v in module.state_dict().items()}
    description = {
        "architecture": f"{sort}-columns", "components": n, "network": asdict(options),
        "sensor": SENSOR, "region": "barrel", "slices": [2, 19], "data": {}, **more,
    }  # fmt: skip
    return module, arrays, description


def some_images(n, seed=1):
    rng = np.random.default_rng(seed)
    fired = rng.random((n, 1, 13, 21)) < 0.03
    fired[:, :, 6, 10] = True
    charge = rng.integers(1, 12, (n, 2, 13, 21)) * 700.0
    return np.where(fired, charge, 0).astype(np.float32)


def by_hand(module, options, images, sort, n):
    """Components from the torch module's outputs, one cluster and component at a time."""
    with torch.inference_mode():
        raw = module.eval()(encode(torch.from_numpy(images), options)).numpy().astype(np.float64)
    mean, factor = np.zeros((len(raw), n, 4)), np.zeros((len(raw), n, 4, 4))
    weight = np.ones((len(raw), n))
    for i, outputs in enumerate(raw):
        for k in range(n):
            own = outputs[14 * k : 14 * (k + 1)]
            mean[i, k] = own[[0, 2, 4, 6]] * SCALE
            m = np.diag(np.logaddexp(0, own[[1, 3, 5, 7]]) + SMALLEST_SIGMA)
            m[1, 0], m[2, 0], m[2, 1], m[3, 0], m[3, 1], m[3, 2] = own[8:14]
            factor[i, k] = SCALE[:, None] * m
        if sort == MIXTURE:
            weight[i] = softmax([0.0, *outputs[14 * n :]])
    return Components(mean, factor, weight)


def assert_alike(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("sort", "n"), SORTS)
def test_components_are_the_torch_modules(sort, n):
    module, arrays, description = network(sort, n)
    images = some_images(40)
    found = MixtureNetwork.from_arrays(arrays, description).predict_images(images)
    assert_alike(found, by_hand(module, NetworkOptions(**description["network"]), images, sort, n))


@pytest.mark.parametrize("sort", [SET, MIXTURE])
def test_clusters_on_modules_are_the_images_moved(sort):
    _, arrays, description = network(sort, 2)
    made = MixtureNetwork.from_arrays(arrays, description)
    detector, images = two_regions(), some_images(12)
    origin = np.array([[40 + k, 60 + 2 * k] for k in range(12)])
    clusters = flat_clusters(images, [0] * 12, origin)
    rows = np.array([3, 0, 11, 7])
    found = made.components(clusters, rows, detector, field=SENSOR["field"])
    # Windows are about the middle of the fired pixels, which need not be the images'.
    start = clusters.outlines.origin
    moved = np.zeros_like(images)
    for k in range(12):
        for p in range(clusters.first[k], clusters.first[k] + clusters.counts[k]):
            r, c = clusters.row[p] - start[k, 0], clusters.column[p] - start[k, 1]
            if 0 <= r < 13 and 0 <= c < 21:
                moved[k, :, r, c] = clusters.charge[p]
    expected = made.predict_images(moved[rows])
    expected.mean[:, :, :2] += window_center(start, clusters.module, detector)[rows][:, None]
    assert_alike(found, expected)


def test_opposite_field_gives_the_mirror_image():
    _, arrays, description = network(SET, 2)
    made = MixtureNetwork.from_arrays(arrays, description)
    detector, images = two_regions(), some_images(6)
    origin = np.full((6, 2), 50)
    last = int(detector.n_rows[0]) - 1
    there = flat_clusters(images, [0] * 6, origin)
    mirror = flat_clusters(images[:, :, ::-1], [0] * 6, np.array([[last - 50 - 12, 50]] * 6))
    rows = np.arange(6)
    found = made.components(mirror, rows, detector, field=-SENSOR["field"])
    expected = made.components(there, rows, detector)
    shift = detector.n_rows[0] * detector.pitch_y[0] - 2 * detector.half_y[0]
    mean = expected.mean * SIGNS
    mean[:, :, 1] += shift
    assert_alike(found, expected._replace(mean=mean, cholesky=expected.cholesky * np.outer(SIGNS, SIGNS)))


def saved(tmp_path, sort=MIXTURE, n=2, **changes):
    _, arrays, description = network(sort, n)
    description |= {"calibration": [UNTOUCHED] * n, "truncated_scale": [2.0] * 4}
    if sort == MIXTURE:
        description["reliability"] = [{"at": [-1.0, 1.0], "logit": [-1.0, 1.0]}] * n
    path = tmp_path / "w.safetensors"
    save_weights(path, arrays, description | changes)
    return path


@pytest.mark.parametrize(("sort", "n"), SORTS)
def test_saved_weights_load(tmp_path, sort, n):
    loaded = MixtureNetwork.load(saved(tmp_path, sort, n))
    assert (loaded.n, loaded.is_set) == (n, sort == SET)
    _, arrays, description = network(sort, n)
    images = some_images(5)
    assert_alike(
        loaded.predict_images(images), MixtureNetwork.from_arrays(arrays, description).predict_images(images)
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"components": 3}, "calibration"),
        ({"components": 4}, "components"),
        ({"architecture": "set-columns"}, "reliability|n_outputs"),
        ({"calibration": [UNTOUCHED]}, "calibration"),
        ({"reliability": [{"at": [1.0, 0.0], "logit": [0.0, 1.0]}] * 2}, "reliability"),
        ({"architecture": "mdn-columns"}, "train mixture --particles"),
        ({"slices": [2]}, "n_slices"),
    ],
)
def test_wrong_descriptions_are_refused(tmp_path, changes, key):
    with pytest.raises(InputError, match=key):
        MixtureNetwork.load(saved(tmp_path, **changes))


def test_truncated_and_unreadable_clusters_are_wide():
    _, arrays, description = network(MIXTURE, 2, truncated_scale=[2.0, 3.0, 4.0, 5.0])
    made = MixtureNetwork.from_arrays(arrays, description)
    images = some_images(3)
    images[2, 0, 6, 10] = np.nan
    plain = made.predict_images(images)
    cut = made.predict_images(images, np.array([True, False, False]))
    wider = np.linalg.norm(cut.cholesky[0], axis=2) / np.linalg.norm(plain.cholesky[0], axis=2)
    np.testing.assert_allclose(wider, [[2.0, 3.0, 4.0, 5.0]] * 2, rtol=1e-6)
    np.testing.assert_allclose(cut.cholesky[1], plain.cholesky[1])
    np.testing.assert_allclose(plain.mean[2], 0)
    np.testing.assert_allclose(plain.weight[2], 0.5)


def answers(rng, n, sort, wrong):
    """Raw outputs of an imaginary network, and truths of which its sigmas are off by a factor."""
    raw = rng.normal(0, 0.3, (n, outputs_of(sort, 2)))
    raw[:, 14] += 4.0
    raw[:, 28:] -= 0.5
    mean = np.stack([raw[:, 14 * k : 14 * k + 8 : 2] for k in range(2)], axis=1) * SCALE
    factor = np.zeros((n, 2, 4, 4))
    for k in range(2):
        own = raw[:, 14 * k : 14 * (k + 1)]
        factor[:, k, range(4), range(4)] = np.logaddexp(0, own[:, 1:8:2]) + SMALLEST_SIGMA
        at = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
        for value, (i, j) in zip(own[:, 8:].T, at, strict=False):
            factor[:, k, i, j] = value
    factor *= SCALE[:, None]
    truth = mean + wrong * np.einsum("nkij,nkj->nki", factor, rng.normal(size=(n, 2, 4)))
    return raw.astype(np.float32), truth


def test_calibration_brings_pulls_of_each_component_to_one():
    rng = np.random.default_rng(5)
    _, arrays, description = network(SET, 2)
    made = MixtureNetwork.from_arrays(arrays, description)
    raw, truth = answers(rng, 4_000, SET, 1.4)
    for pair in truth:
        rng.shuffle(pair)
    outlines = outlines_of(*pixel_lists(np.resize(some_images(500), (4_000, 2, 13, 21))))
    found = fit_components(made, raw, outlines, truth)
    calibrated = MixtureNetwork(made.fused, description | found).finish(raw, outlines)
    pull = (ordered(calibrated, truth, rng) - calibrated.mean) / np.linalg.norm(calibrated.cholesky, axis=3)
    assert np.abs(pull.std(axis=(0, 1)) - 1).max() < 0.04


def test_weights_say_how_often_they_are_right():
    rng = np.random.default_rng(6)
    said = expit(rng.normal(0, 2, 50_000))
    # The truth is less sure than the network.
    true = expit(0.5 * logit(said) + 0.4)
    of = (rng.random(50_000) > true).astype(np.int64)
    weight = np.stack([said, 1 - said], axis=1)
    found = calibrated_weights(weight, fit_reliability(weight, of))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.abs(found[:, 0] - true).mean() < 0.015
    for low in np.arange(0.1, 0.9, 0.1):
        chosen_here = (found[:, 0] >= low) & (found[:, 0] < low + 0.1)
        assert abs((of[chosen_here] == 0).mean() - found[chosen_here, 0].mean()) < 0.03


def test_mixture_of_wrong_weights_and_widths_is_put_right():
    rng = np.random.default_rng(7)
    _, arrays, description = network(MIXTURE, 2)
    made = MixtureNetwork.from_arrays(arrays, description)
    raw, both = answers(rng, 4_000, MIXTURE, 1.3)
    of = (rng.random(4_000) > 0.8).astype(np.int64)
    truth = both[np.arange(4_000), of]
    outlines = outlines_of(*pixel_lists(np.resize(some_images(500), (4_000, 2, 13, 21))))
    found = fit_components(made, raw, outlines, truth)
    calibrated = MixtureNetwork(made.fused, description | found).finish(raw, outlines)
    assert abs(calibrated.weight[:, 0].mean() - 0.8) < 0.05
    assert np.abs(normal_scores(calibrated, truth).std(axis=0) - 1).max() < 0.06
    assert abs(chosen(calibrated, truth, rng).mean() - 0.2) < 0.05
