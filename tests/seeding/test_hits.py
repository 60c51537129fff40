import dataclasses

import awkward as ak
import numpy as np
import pytest

from seeding.hits import estimated_hits, make_hits
from smartpix.estimate.base import Estimate
from smartpix.estimate.base import estimate as estimates_of
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.seeding import toys


def clusters_of(module, hit_id):
    return ak.zip(
        {"module_index": np.asarray(module, dtype=np.int32), "hit_id": np.asarray(hit_id, dtype=np.int64)}
    )


def estimate_of(n, seed=0, reach=3.0):
    rng = np.random.default_rng(seed)
    cholesky = np.tril(rng.normal(size=(n, 4, 4)))
    return Estimate(rng.uniform(-reach, reach, (n, 4)), cholesky)


@pytest.fixture
def modules():
    return np.random.default_rng(3).choice(len(toys.detector()), 50)


def test_every_column_is_that_of_its_cluster(modules):
    detector = toys.detector()
    estimate = estimate_of(50)
    hits = make_hits(clusters_of(modules, 1000 - np.arange(50)), estimate, detector)
    assert len(hits) == 50
    assert hits.hit_id.tolist() == [1000 - i for i in range(50)]
    for i, m in enumerate(modules):
        row = {n: float(c[m]) for n, c in detector.columns.items()}
        x, y, z = hits.axes[i].reshape(3, 3)
        center = np.array([row["cx"], row["cy"], row["cz"]])
        np.testing.assert_allclose(
            hits.position[i], center + estimate.mean[i, 0] * x + estimate.mean[i, 1] * y, atol=1e-9
        )
        # The sensor axes lie along the module's v, u and w, up to sign, and are right-handed.
        for axis, name in ((x, "v"), (y, "u"), (z, "w")):
            table = np.array([row[f"rot_{g}{name}"] for g in "xyz"])
            assert abs(axis @ table) == pytest.approx(1, abs=1e-9)
        np.testing.assert_allclose(np.cross(x, y), z, atol=1e-9)
        covariance = estimate.cholesky[i] @ estimate.cholesky[i].T
        expected = [covariance[2, 2], covariance[2, 3], covariance[3, 3]]
        np.testing.assert_allclose(hits.cot_covariance[i], expected)
        np.testing.assert_array_equal(hits.cot[i], estimate.mean[i, 2:])
        layers = detector.layers
        k = hits.layer[i]
        assert (layers.volume_id[k], layers.layer_id[k]) == (row["volume_id"], row["layer_id"])


def test_the_normal_points_away_from_the_beam(modules):
    hits = make_hits(clusters_of(modules, np.arange(50)), estimate_of(50, reach=0.0), toys.detector())
    barrel = toys.detector().barrel[modules]
    z_axis = hits.axes[:, 6:]
    assert np.all(np.sum(z_axis * hits.position, axis=1)[barrel] > 0)
    assert np.all((z_axis[:, 2] * hits.position[:, 2])[~barrel] > 0)


def test_a_position_off_the_module_is_pulled_to_its_edge():
    detector = toys.detector()
    far = np.array([[1e3, -1e3, 0, 0], [-1e3, 1e3, 0, 0], [1.0, 2.0, 0, 0]])
    hits = make_hits(
        clusters_of([7, 2000, 2000], [0, 1, 2]), Estimate(far, np.tile(np.eye(4), (3, 1, 1))), detector
    )
    local = detector.to_local(np.array([7, 2000, 2000]), hits.position)
    np.testing.assert_allclose(local[0], [detector.half_x[7], -detector.half_y[7], 0], atol=1e-9)
    np.testing.assert_allclose(local[1], [-detector.half_x[2000], detector.half_y[2000], 0], atol=1e-9)
    np.testing.assert_allclose(local[2], [1, 2, 0], atol=1e-9)


def test_compiled_loops_get_contiguous_arrays(modules):
    hits = make_hits(clusters_of(modules, np.arange(50)), estimate_of(50), toys.detector())
    for name in ("position", "cot", "cot_covariance", "axes"):
        assert getattr(hits, name).flags.c_contiguous
        assert getattr(hits, name).dtype == np.float64


def test_slopes_are_those_of_the_estimate_that_hits_were_given_last(modules):
    hits = make_hits(clusters_of(modules, np.arange(50)), estimate_of(50), toys.detector())
    before = hits.cot, hits.cot_covariance
    estimate = dataclasses.replace(
        hits.estimate, mean=hits.estimate.mean + 1, cholesky=2 * hits.estimate.cholesky
    )
    for changed in (dataclasses.replace(hits, estimate=estimate), hits.take(np.arange(50)[::-1])):
        np.testing.assert_array_equal(changed.cot, changed.estimate.mean[:, 2:])
        np.testing.assert_allclose(
            changed.cot_covariance[:, 2], changed.estimate.covariance()[:, 3, 3], rtol=1e-12
        )
        assert not np.array_equal(changed.cot, before[0])
        assert not np.array_equal(changed.cot_covariance, before[1])


def test_no_clusters_give_no_hits():
    hits = make_hits(clusters_of([], []), estimate_of(0), toys.detector())
    assert len(hits) == 0
    assert hits.position.shape == (0, 3)
    assert hits.axes.shape == (0, 9)


@pytest.mark.parametrize("name", ["module", "layer", "position", "axes", "estimate"])
def test_columns_of_another_length_are_refused(modules, name):
    hits = make_hits(clusters_of(modules, np.arange(50)), estimate_of(50), toys.detector())
    value = getattr(hits, name)
    short = value.take(np.arange(10)) if name == "estimate" else value[:10]
    with pytest.raises(InputError, match=rf"hits: {name}.* has the shape \(10.* and hit_id 50 rows"):
        dataclasses.replace(hits, **{name: short})


def test_factors_of_other_estimates_are_refused(modules):
    hits = make_hits(clusters_of(modules, np.arange(50)), estimate_of(50), toys.detector())
    short = dataclasses.replace(hits.estimate, cholesky=hits.estimate.cholesky[:10])
    with pytest.raises(InputError, match=r"hits: estimate\.cholesky has the shape \(10, 4, 4\)"):
        dataclasses.replace(hits, estimate=short)


def test_estimates_of_other_clusters_are_refused(modules):
    with pytest.raises(InputError, match="hits: there are 50 clusters and 49 estimates"):
        make_hits(clusters_of(modules, np.arange(50)), estimate_of(49), toys.detector())


def test_hits_are_of_the_estimates_and_both_steps_are_told():
    opened, records = next(iter(iterate(data_path("sample.root"), step=1)))
    header, clusters = opened.header, records[0]["clusters"]
    estimator, steps = choose_estimator(header), []
    hits = estimated_hits(clusters, header, estimator, steps.append)
    expected = make_hits(clusters, estimates_of(clusters, header, estimator), header.detector)
    assert steps == ["estimate", "hits"]
    np.testing.assert_array_equal(hits.position, expected.position)
    np.testing.assert_array_equal(hits.estimate.cholesky, expected.estimate.cholesky)


@pytest.mark.parametrize("module", [-1, 10**6])
def test_modules_that_the_detector_does_not_have_are_refused(module):
    with pytest.raises(InputError, match=r"hits: module_index goes from .* to .*, and the detector has"):
        make_hits(clusters_of([3, module], [0, 1]), estimate_of(2), toys.detector())
