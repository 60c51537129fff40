"""The interface of the estimates, the shipped weights on the embedded sample, and which estimator serves which sensor."""

import dataclasses

import awkward as ak
import numpy as np
import pytest
import torch

from smartpix.clusters import FlatClusters, flatten
from smartpix.estimate import Estimate, MdnEstimator, choose_estimator, estimate, sensor_of, truth_targets, window_center
from smartpix.geometry import Detector
from smartpix.io import Header, iterate, open_events
from smartpix.schema import InputError
from smartpix.weights import data_path, load_weights, save_weights
from tests.helpers import REPOSITORY, detector_of, embedded_detector, module_row, part_of

SAMPLE = REPOSITORY / "data" / "sample.root"


def changed(detector, **columns):
    n = len(detector)
    return Detector({**detector.columns, **{name: np.full(n, value) for name, value in columns.items()}})


def two_regions():
    """One module of the barrel, one of the end-caps."""
    return detector_of(
        [
            module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1),
            module_row((60.0, 0, 600.0), (0, 1.0, 0), (1.0, 0, 0), (0, 0, -1.0), 2, 1, volume=9),
        ]
    )


def one_pixel_clusters(module, row, column):
    n = len(module)
    return FlatClusters(
        np.array(module, dtype=np.int32), np.zeros(n, dtype=bool), np.zeros((n, 2)), np.arange(n), np.ones(n, dtype=int),
        np.array(row, dtype=np.int16), np.array(column, dtype=np.int16), np.full((n, 2), 900, dtype=np.float32),
    )  # fmt: skip


def test_covariance_and_sigma_of_a_factor():
    factor = np.tril(np.random.default_rng(1).normal(0, 1, (5, 4, 4)))
    result = Estimate(np.zeros((5, 4)), factor)
    assert len(result) == 5
    for k in range(5):
        wanted = factor[k] @ factor[k].T
        np.testing.assert_allclose(result.covariance()[k], wanted)
        np.testing.assert_allclose(result.sigma()[k], np.sqrt(np.diag(wanted)))


class Constant:
    """A network that answers every cluster with the same outputs."""

    def __init__(self, value):
        self.value = value

    def __call__(self, image):
        assert image.shape[1:] == (2, 13, 21)
        return torch.full((len(image), 14), self.value)


def test_mdn_scales_calibrates_and_places_its_outputs_region_by_region():
    descriptions = {
        "barrel": {"slices": [0, 19], "calibration": {"complete": [1.0, 2.0, 3.0, 4.0], "truncated": [5.0, 6.0, 7.0, 8.0]}},
        "endcap": {"slices": [0, 19], "calibration": {"complete": [1.0] * 4, "truncated": [2.0] * 4}},
    }
    estimator = MdnEstimator({"barrel": Constant(0.5), "endcap": Constant(-0.25)}, descriptions)
    clusters = one_pixel_clusters([1, 0, 1, 0], [10, 20, 672, 1343], [30, 0, 720, 1439])
    clusters = dataclasses.replace(clusters, truncated=np.array([False, False, True, True]))
    result = estimator.predict(clusters, two_regions())
    scale = np.array([0.075, 0.01875, 8.0, 0.5])
    for k, (region, row, column) in enumerate(zip([1, 0, 1, 0], [10, 20, 672, 1343], [30, 0, 720, 1439], strict=True)):
        value = (0.5, -0.25)[region]
        calibration = ([1, 2, 3, 4], [1, 1, 1, 1], [5, 6, 7, 8], [2, 2, 2, 2])[region + 2 * (k >= 2)]
        center = [(column + 0.5) * 0.05 - 36, (row + 0.5) * 0.0125 - 8.4, 0, 0]
        np.testing.assert_allclose(result.mean[k], value * scale + center, atol=1e-9)
        factor = np.tril(np.full((4, 4), value), -1) + np.eye(4) * (np.log1p(np.exp(value)) + 1e-3)
        np.testing.assert_allclose(result.cholesky[k], (scale * calibration)[:, None] * factor, rtol=1e-6)


def test_no_clusters_give_an_empty_estimate():
    result = MdnEstimator.load().predict(one_pixel_clusters([], [], []), two_regions())
    assert result.mean.shape == (0, 4)
    assert result.cholesky.shape == (0, 4, 4)


def test_estimates_do_not_depend_on_the_company():
    opened, events = next(iterate(SAMPLE, step=1))
    estimator = MdnEstimator.load()
    clusters = events["clusters"][0][:300]
    together = estimate(clusters, opened.header, estimator)
    rest = estimate(clusters[200:], opened.header, estimator)
    np.testing.assert_allclose(rest.mean, together.mean[200:], atol=1e-5)
    np.testing.assert_allclose(rest.cholesky, together.cholesky[200:], rtol=1e-3, atol=1e-6)


def test_shipped_network_is_accurate_and_calibrated_on_the_embedded_sample():
    """Against the published half widths (x 8.7 um, y 2.1 um quantised) and unit pulls."""
    opened = open_events(SAMPLE)
    detector = opened.header.detector
    clusters = ak.flatten(ak.concatenate([e["clusters"] for _, e in iterate(SAMPLE)]), axis=1)
    target, has = truth_targets(clusters, 0.95)
    central = np.zeros(len(clusters), dtype=bool)
    central[has] = (np.abs(target[has, 2]) < 4) & (np.abs(target[has, 3]) < 0.6)
    result = estimate(clusters, opened.header, MdnEstimator.load())
    barrel = detector.barrel[ak.to_numpy(clusters["module_index"])]
    barrel_ones = central & barrel
    for chosen in (barrel_ones, central & ~barrel):
        residual = (result.mean - target)[chosen]
        assert np.all(np.percentile(np.abs(residual), 68.27, axis=0) < [0.016, 0.004, 0.5, 0.12])
        whitened = np.linalg.solve(result.cholesky[chosen], residual[:, :, None])[:, :, 0]
        for pull in (residual / result.sigma()[chosen], whitened):
            width = np.percentile(np.abs(pull), 68.27, axis=0)
            assert np.all(width < 1.3)
            # On the disks cot alpha spans less than its resolution, so there the sigma of the broad sample is generous.
            assert np.all(width > ([0.7] * 4 if chosen is barrel_ones else [0.7, 0.7, 0.5, 0.7]))
        correlation = [np.corrcoef(result.mean[chosen, k], target[chosen, k])[0, 1] for k in (2, 3)]
        assert np.all(np.array(correlation) > ([0.9, 0.8] if chosen is barrel_ones else [0.1, 0.25]))


def test_window_centre_is_the_position_of_row_6_and_column_10():
    detector = two_regions()
    center = window_center(np.array([[0.0, 0.0], [100.0, 200.0]]), np.array([0, 1]), detector)
    np.testing.assert_allclose(center, [[10.5 * 0.05 - 36, 6.5 * 0.0125 - 8.4], [210.5 * 0.05 - 36, 106.5 * 0.0125 - 8.4]])


def test_targets_are_those_of_the_main_particle():
    columns = {n: ak.Array([[1.0 + i, 9.0], [], [5.0 + i]]) for i, n in enumerate(("x", "y", "cot_alpha", "cot_beta"))}
    clusters = ak.zip({"truth": ak.zip({**columns, "share": ak.Array([[0.9, 0.1], [], [0.5]])})}, depth_limit=1)
    target, has = truth_targets(clusters, 0.8)
    np.testing.assert_array_equal(has, [True, False, False])
    np.testing.assert_array_equal(target, [[1, 2, 3, 4], [np.nan] * 4, [5, 6, 7, 8]])
    np.testing.assert_array_equal(truth_targets(clusters)[1], [True, False, True])


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


@pytest.mark.parametrize("kind", ["auto", "mdn"])
def test_network_serves_the_sensor_it_was_trained_for(kind):
    for chosen in (slice(None), slice(0, 5)):
        estimator = choose_estimator(Header(part_of(embedded_detector(), chosen), 3.8, (0, 5, 19)), kind)
        assert isinstance(estimator, MdnEstimator)
        assert tuple(estimator.slices) == (0, 19)


@pytest.mark.parametrize(
    ("column", "field", "slices"),
    [({"pitch_u": 0.02}, 3.8, (0, 19)), ({}, 2.5, (0, 19)), ({}, 3.8, (0, 10)), ({}, -3.8, (0, 19))],
)
def test_network_is_not_given_to_another_sensor_field_or_readout(column, field, slices):
    header = Header(changed(embedded_detector(), **column), field, slices)
    with pytest.raises(InputError, match=r"no mdn trained for the sensor .*mdn: .*`smartpix train"):
        choose_estimator(header, "mdn")


def test_unknown_kind_of_estimates_is_refused():
    with pytest.raises(InputError, match="estimates 'cnn' are unknown; use auto, mdn or shape"):
        choose_estimator(Header(embedded_detector(), 3.8, (0, 19)), "cnn")


def test_weights_of_another_architecture_are_refused(tmp_path):
    save_weights(tmp_path / "w.safetensors", {"a": np.zeros(2)}, {"architecture": "shape-mlp-v1"})
    with pytest.raises(InputError, match="weights of 'shape-mlp-v1' and 'mdn-conv-2029' was expected"):
        MdnEstimator.load(str(tmp_path / "w.safetensors"))


def test_arrays_of_other_shapes_under_the_right_name_are_refused(tmp_path):
    arrays, description = load_weights("mdn-barrel", "mdn-conv-2029")
    for name, change in (("missing", lambda a: {k: v for k, v in a.items() if k != "mix.bias"}),
                         ("shape", lambda a: {**a, "mix.bias": np.zeros(6, dtype=np.float32)})):  # fmt: skip
        save_weights(tmp_path / f"{name}.safetensors", change(arrays), description)
        with pytest.raises(InputError):
            MdnEstimator.load(str(tmp_path / f"{name}.safetensors"))


def test_pair_of_different_slices_is_refused(tmp_path):
    arrays, description = load_weights("mdn-endcap", "mdn-conv-2029")
    save_weights(tmp_path / "w.safetensors", arrays, {**description, "slices": [0, 9]})
    with pytest.raises(InputError, match="barrel and end-cap were trained on different slices"):
        MdnEstimator.load("mdn-barrel", str(tmp_path / "w.safetensors"))


def test_shipped_weights_say_what_they_are():
    for region in ("barrel", "endcap"):
        arrays, description = load_weights(f"mdn-{region}", "mdn-conv-2029")
        assert description["region"] == region
        assert sum(a.size for a in arrays.values()) == 2029
        assert set(description["calibration"]) == {"complete", "truncated"}
        assert all(0.5 < c < 2 for c in description["calibration"]["complete"])
        assert data_path(f"weights/mdn-{region}.safetensors").is_file()


def test_flat_clusters_of_a_file_have_the_slices_of_the_network():
    opened, events = next(iterate(SAMPLE, step=1))
    flat = flatten(events["clusters"][0], MdnEstimator.load().slices)
    assert flat.charge.shape[1] == 2
    assert len(flat) == len(events["clusters"][0])
    assert opened.header.slices == (0, 19)
