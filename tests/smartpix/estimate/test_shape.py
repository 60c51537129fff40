"""Shape features against a straight loop, the perceptron against scikit-learn's, and the trained covariance
on other clusters.
"""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from smartpix.clusters import FlatClusters, flatten
from smartpix.estimate.base import sensor_of, truth_targets
from smartpix.estimate.shape import (
    FEATURES,
    ShapeEstimator,
    TrainShapeOptions,
    _class_factors,
    _forward,
    shape_features,
    train_shape,
)
from smartpix.io.events import Header, iterate
from smartpix.io.write import write_events
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import InputError
from tests.helpers import one_module_detector, random_events

OPTIONS = TrainShapeOptions(epochs=60)


def flat_clusters(pixels):
    """Clusters from lists of (row, column, charge)."""
    counts = np.array([len(p) for p in pixels], dtype=np.int64)
    table = np.array([q for p in pixels for q in p], dtype=float).reshape(-1, 3)
    n = len(pixels)
    return FlatClusters(
        np.zeros(n, dtype=np.int32), np.zeros(n, dtype=bool), np.zeros((n, 2)), np.cumsum(counts) - counts,
        counts,
        table[:, 0].astype(np.int16), table[:, 1].astype(np.int16),
        np.column_stack([np.full(len(table), -7.0), table[:, 2]]).astype(np.float32),
    )  # fmt: skip


def expected(pixels):
    """The features of one cluster, written out."""
    row, column = (np.array([p[i] for p in pixels], dtype=float) for i in (0, 1))
    q = np.array([max(np.float32(p[2]), 0.0) for p in pixels], dtype=float)
    total = q.sum()
    mean_x, mean_y = (q * column).sum() / total, (q * row).sum() / total
    wx = np.sqrt((q * (column - mean_x) ** 2).sum() / total)
    wy = np.sqrt((q * (row - mean_y) ** 2).sum() / total)
    covariance = (q * (column - mean_x) * (row - mean_y)).sum() / total
    n_columns, n_rows = column.max() - column.min() + 1, row.max() - row.min() + 1
    values = {
        "columns": n_columns, "rows": n_rows, "log10 charge": np.log10(total), "width x": wx, "width y": wy,
        "correlation": covariance / max(wx * wy, 0.05), "covariance": covariance,
        "first column": q[column == column.min()].sum() / total,
        "last column": q[column == column.max()].sum() / total,
        "first row": q[row == row.min()].sum() / total, "last row": q[row == row.max()].sum() / total,
        "skewness x": (q * (column - mean_x) ** 3).sum() / total / max(wx, 0.1) ** 3,
        "skewness y": (q * (row - mean_y) ** 3).sum() / total / max(wy, 0.1) ** 3,
    }  # fmt: skip
    return [values[name] for name in FEATURES], (min(n_columns, 8) - 1) * 4 + min(n_rows, 4) - 1


PIXEL = st.tuples(st.integers(0, 1343), st.integers(0, 1439))
NEAR = st.tuples(st.integers(0, 6), st.integers(0, 10))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(PIXEL, st.lists(NEAR, min_size=1, max_size=9, unique=True)), min_size=1, max_size=5),
    st.integers(0, 10**6),
)
def test_features_are_those_of_a_straight_loop(places, seed):
    rng = np.random.default_rng(seed)
    clusters = [
        [(min(r0 + r, 1343), min(c0 + c, 1439), rng.uniform(-500, 9000)) for r, c in near]
        for (r0, c0), near in places
    ]
    clusters = [[(r, c, abs(q) + 1 if i == 0 else q) for i, (r, c, q) in enumerate(p)] for p in clusters]
    features, size_class = shape_features(flat_clusters(clusters))
    for k, pixels in enumerate(clusters):
        wanted, wanted_class = expected(pixels)
        np.testing.assert_allclose(features[k], wanted, rtol=1e-6, atol=1e-7)
        assert size_class[k] == wanted_class
        assert 0 <= size_class[k] < 32


def test_no_clusters_have_no_features():
    features, size_class = shape_features(flat_clusters([]))
    assert features.shape == (0, len(FEATURES))
    assert size_class.shape == (0,)


def test_features_do_not_change_when_the_cluster_is_moved():
    here = [[(r, c, 100.0 * (r + 2 * c + 1)) for r in (0, 1) for c in (0, 2)]]
    there = [[(r + 400, c + 900, q) for r, c, q in here[0]]]
    np.testing.assert_allclose(
        shape_features(flat_clusters(there))[0], shape_features(flat_clusters(here))[0], atol=1e-9
    )


@pytest.mark.parametrize("hidden", [(5,), (12, 7), (4, 5, 6)])
def test_forward_is_scikit_learns_prediction(hidden):
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, (300, 13)), rng.normal(0, 1, (300, 4))
    network = MLPRegressor(hidden_layer_sizes=hidden, max_iter=5, random_state=1)
    with pytest.warns(ConvergenceWarning):
        network.fit(x, y)
    arrays = {
        "barrel.feature_mean": rng.normal(0, 1, 13), "barrel.feature_std": rng.uniform(1, 2, 13),
        "barrel.target_mean": rng.normal(0, 1, 4), "barrel.target_std": rng.uniform(1, 2, 4),
        "endcap.weight0": np.zeros((13, 4)), "endcap.bias0": np.zeros(4), "barrel.cholesky": np.zeros((32, 4,
        4)),
    }  # fmt: skip
    for k, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        arrays[f"barrel.weight{k}"], arrays[f"barrel.bias{k}"] = weight, bias
    raw = x * arrays["barrel.feature_std"] + arrays["barrel.feature_mean"]
    wanted = network.predict(x) * arrays["barrel.target_std"] + arrays["barrel.target_mean"]
    np.testing.assert_allclose(_forward(arrays, "barrel", raw), wanted, rtol=1e-9, atol=1e-9)


def test_factors_are_those_of_the_class_or_of_all_where_it_is_small():
    rng = np.random.default_rng(2)
    mixing = np.tril(rng.normal(0, 1, (4, 4))) + 2 * np.eye(4)
    residual = rng.normal(0, 1, (5000, 4)) @ mixing.T
    size_class = np.where(np.arange(5000) < 4000, 3, 7)
    size_class[:150] = 12
    residual[size_class == 7] *= 3
    factors = _class_factors(residual, size_class)
    assert factors.shape == (32, 4, 4)
    np.testing.assert_allclose(factors, np.tril(factors))
    for k, part in (
        (3, residual[size_class == 3]),
        (7, residual[size_class == 7]),
        (12, residual),
        (0, residual),
    ):
        np.testing.assert_allclose(factors[k] @ factors[k].T, part.T @ part / len(part), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, mixed_file):
    path = tmp_path_factory.mktemp("shape") / "shape.safetensors"
    return path, train_shape([mixed_file], path, OPTIONS)


def test_training_reports_what_it_did(trained, mixed_file):
    path, metrics = trained
    arrays, description = load_weights(path, "shape-mlp-v1")
    assert set(metrics) == {"barrel", "endcap"}
    for region in metrics:
        n_train, n_held = metrics[region]["n_train"], metrics[region]["n_validation"]
        assert n_held == int(0.3 * (n_train + n_held))
        assert arrays[f"{region}.cholesky"].shape == (32, 4, 4)
    assert description["slices"] == [19]
    opened, _ = next(iterate(mixed_file))
    assert description["sensor"] == sensor_of(opened.header.detector, 3.8)


def test_trained_estimate_is_better_than_the_centroid_and_calibrated_on_other_clusters(trained, barrel_file):
    estimator = ShapeEstimator.load(str(trained[0]))
    assert estimator.slices == (19,)
    opened, events = next(iterate(barrel_file, step=9))
    clusters = ak.flatten(events["clusters"], axis=1)
    number = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
    target, has = truth_targets(clusters, 0.95, number)
    flat = flatten(clusters, estimator.slices)
    result = estimator.predict(flat, opened.header.detector)
    residual = (result.mean - target)[has]
    half_width = np.percentile(np.abs(residual), 68.27, axis=0)
    np.testing.assert_allclose(half_width, list(trained[1]["barrel"]["half_width_68"].values()), rtol=0.15)
    spread = np.percentile(np.abs(target[has, 2:] - np.median(target[has, 2:], axis=0)), 68.27, axis=0)
    assert np.all(half_width[2:] < 0.5 * spread)
    whitened = np.linalg.solve(result.cholesky[has], residual[:, :, None])[:, :, 0]
    # The factors are of second moments: the root mean square is one, the bulk narrower. A few grazing tracks
    # are cut.
    low, high = np.percentile(whitened, [0.3, 99.7], axis=0)
    rms = np.sqrt(np.mean(np.clip(whitened, low, high) ** 2, axis=0))
    assert np.all(rms > 0.6)
    assert np.all(rms < 1.3)
    assert np.all(np.percentile(np.abs(whitened), 68.27, axis=0) < 1.1)


def test_prediction_adds_the_clusters_own_position(trained, barrel_file):
    estimator = ShapeEstimator.load(str(trained[0]))
    opened, events = next(iterate(barrel_file, stop=1))
    flat = flatten(events["clusters"][0], (19,))
    moved = FlatClusters(**{**flat.__dict__, "local": flat.local + [1.0, -2.0]})
    one, two = (estimator.predict(f, opened.header.detector) for f in (flat, moved))
    np.testing.assert_allclose(two.mean - one.mean, np.tile([1.0, -2.0, 0, 0], (len(flat), 1)), atol=1e-12)


def test_fit_is_the_training_and_gives_what_it_saved(tmp_path, trained, mixed_file):
    fitted = ShapeEstimator.fit([mixed_file], tmp_path / "again.safetensors", OPTIONS)
    saved = load_weights(tmp_path / "again.safetensors", "shape-mlp-v1")[0]
    trained_before = load_weights(trained[0], "shape-mlp-v1")[0]
    for arrays in (fitted.arrays, saved):
        assert set(arrays) == set(trained_before)
        assert all(np.array_equal(arrays[k], trained_before[k]) for k in arrays)


def test_weights_do_not_depend_on_the_number_of_threads(tmp_path, barrel_file, monkeypatch):
    """With two BLAS threads scikit-learn's products are taken in another order; its solver must see one,
    whatever is set.
    """
    used, fit = [], MLPRegressor.fit

    def watched(self, x, y):
        used.append({pool["num_threads"] for pool in threadpool_info()})
        return fit(self, x, y)

    monkeypatch.setattr(MLPRegressor, "fit", watched)
    arrays = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            before = [pool["num_threads"] for pool in threadpool_info()]
            train_shape([barrel_file], tmp_path / f"{threads}.safetensors", TrainShapeOptions(epochs=2))
            assert [pool["num_threads"] for pool in threadpool_info()] == before
        arrays.append(load_weights(tmp_path / f"{threads}.safetensors", "shape-mlp-v1")[0])
    assert used == [{1}, {1}]
    assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_that_leaves_too_few_clusters_is_refused(tmp_path, barrel_file, share):
    message = rf"train shape: validation_share {share} of [\d,]+ clusters holds out [\d,]+, and at least 500 are needed both"
    with pytest.raises(InputError, match=message):
        train_shape([barrel_file], tmp_path / "w.safetensors", TrainShapeOptions(validation_share=share))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["charge", "local", "target"])
def test_clusters_that_are_not_finite_are_refused(tmp_path, barrel_file, monkeypatch, what):
    """Files cannot hold them, as they are checked where they enter; what is made of them could."""

    def spoiled(clusters, slices):
        flat = flatten(clusters, slices)
        if what != "target":
            getattr(flat, what)[3, -1] = np.nan
        return flat

    def blind(*arguments):
        target, has = truth_targets(*arguments)
        target[np.flatnonzero(has)[5], 2] = np.nan if what == "target" else target[np.flatnonzero(has)[5], 2]
        return target, has

    monkeypatch.setattr("smartpix.estimate.shape.flatten", spoiled)
    monkeypatch.setattr("smartpix.estimate.shape.truth_targets", blind)
    with pytest.raises(
        InputError, match=r"barrel\.root: a pixel's charge, a position or a truth is not finite; leave these"
    ):
        train_shape([barrel_file], tmp_path / "w.safetensors", TrainShapeOptions(epochs=1))
    assert list(tmp_path.iterdir()) == []


def test_formatsor_of_one_region_can_be_trained_loaded_and_used(tmp_path, barrel_file):
    train_shape([barrel_file], tmp_path / "b.safetensors", TrainShapeOptions(epochs=1))
    estimator = ShapeEstimator.load(str(tmp_path / "b.safetensors"))
    opened, events = next(iterate(barrel_file, stop=1))
    result = estimator.predict(flatten(events["clusters"][0], (19,)), opened.header.detector)
    assert np.all(np.isfinite(result.mean))
    assert np.all(result.sigma() > 0)


def test_weights_of_another_architecture_are_refused(tmp_path):
    save_weights(tmp_path / "w.safetensors", {"a": np.zeros(2)}, {"architecture": "mdn-columns"})
    with pytest.raises(InputError, match="'shape-mlp-v1' was expected"):
        ShapeEstimator.load(str(tmp_path / "w.safetensors"))


def test_too_few_clusters_are_refused(tmp_path):
    events = random_events(1, [30])
    write_events(tmp_path / "few.root", Header(one_module_detector(), 3.8, (0, 19)), [events])
    n = truth_targets(ak.flatten(events["clusters"], axis=1), 0.95, np.zeros(30, dtype=int))[1].sum()
    with pytest.raises(
        InputError, match=rf"few\.root: {n} clusters of the barrel are too few to train on; simulate more"
    ):
        train_shape([tmp_path / "few.root"], tmp_path / "w.safetensors", OPTIONS)


def test_file_without_truth_is_refused(tmp_path):
    write_events(
        tmp_path / "d.root",
        Header(one_module_detector(), 3.8, (0, 19), {"truth": False}),
        [random_events(1, [3])],
    )
    with pytest.raises(InputError, match=r"d\.root: has no truth to train on"):
        train_shape([tmp_path / "d.root"], tmp_path / "w.safetensors", OPTIONS)


def test_files_of_different_sensors_are_refused(tmp_path, barrel_file):
    write_events(
        tmp_path / "other.root", Header(one_module_detector(), 2.0, (0, 19)), [random_events(1, [3])]
    )
    with pytest.raises(InputError, match="has another sensor than"):
        train_shape([barrel_file, tmp_path / "other.root"], tmp_path / "w.safetensors", OPTIONS)


def test_output_that_would_be_renamed_is_refused_before_the_training(barrel_file, tmp_path):
    with pytest.raises(InputError, match=r"shape-0\.5: the output must end in \.safetensors"):
        train_shape([barrel_file], tmp_path / "shape-0.5", OPTIONS)


def test_truncated_clusters_are_flagged(trained, barrel_file):
    opened, events = next(iterate(barrel_file, step=1))
    clusters = events["clusters"][0]
    estimator = ShapeEstimator.load(str(trained[0]))
    estimate = estimator.predict(flatten(clusters, estimator.slices), opened.header.detector)
    assert 0 < estimate.flagged.mean() < 0.5
    np.testing.assert_array_equal(estimate.flagged, clusters["truncated"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": (10**9,)}, "hidden must be widths of at most 20 layers, from 1 to 1000 each"),
        ({"hidden": (4,) * 21}, "20 layers"),
        ({"hidden": (0,)}, "from 1 to 1000"), ({"epochs": 10**9}, "epochs must be at least 1 and at most 1000000"),
        ({"seed": -1}, "seed must be 0 or more"), ({"seed": 2**32}, "at most 4294967295"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TrainShapeOptions(**options)
    TrainShapeOptions(hidden=(1000,) * 20)
