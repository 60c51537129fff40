import dataclasses

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seeding.hits import Mixed, estimated_hits, make_hits
from smartpix.clusters import flatten
from smartpix.estimate.base import Estimate
from smartpix.estimate.base import estimate as estimates_of
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.components import Components
from smartpix.estimate.options import MixtureOptions
from smartpix.io.events import iterate
from smartpix.merged.directions import choose_directions
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


def test_a_cluster_with_several_estimates_gives_as_many_hits(modules):
    detector, cluster = toys.detector(), np.array([0, 1, 1, 2, 3, 3, 3, *range(4, 50)])
    estimate = estimate_of(len(cluster))
    hits = make_hits(clusters_of(modules, 1000 - np.arange(50)), estimate, detector, cluster)
    assert hits.hit_id.tolist() == [1000 - k for k in cluster]
    assert hits.part.tolist() == [0, 0, 1, 0, 0, 1, 2, *([0] * 46)]
    assert hits.n_parts.tolist() == [1, 2, 2, 1, 3, 3, 3, *([1] * 46)]
    # Each is where its own estimate is, on the module of its cluster.
    each = clusters_of(modules[cluster], np.arange(len(cluster)))
    np.testing.assert_array_equal(hits.position, make_hits(each, estimate, detector).position)
    some = hits.take(np.array([6, 1, 0, 2, 4]))
    assert some.cluster.tolist() == [3, 1, 0, 1, 3]
    assert some.part.tolist() == [0, 0, 0, 1, 1]
    assert not hits.shared.any()
    mean = estimate.mean.copy()
    mean[2], mean[5] = mean[1], mean[4]
    alike = dataclasses.replace(estimate, mean=mean)
    shared = make_hits(clusters_of(modules, np.arange(50)), alike, detector, cluster).shared
    assert np.flatnonzero(shared).tolist() == [1, 2, 4, 5]
    # Whichever two of three they are.
    mean[5], mean[6], mean[4] = mean[6], mean[6], -mean[6]
    shared = make_hits(clusters_of(modules, np.arange(50)), alike, detector, cluster).shared
    assert np.flatnonzero(shared).tolist() == [1, 2, 5, 6]
    assert make_hits(clusters_of(modules, np.arange(50)), estimate_of(50), detector).cluster.tolist() == [
        *range(50)
    ]
    with pytest.raises(InputError, match="there are 53 clusters and 52 estimates"):
        make_hits(clusters_of(modules, np.arange(50)), estimate_of(52), detector, cluster)


@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=20), seed=st.integers(0, 1000),
    order=st.sampled_from(["further hits last", "clusters together", "any"]), n_places=st.sampled_from([2, 100]),
)  # fmt: skip
def test_parts_and_shared_hits_are_those_of_a_plain_loop(counts, seed, order, n_places):
    rng, n = np.random.default_rng(seed), sum(counts)
    cluster = np.repeat(np.arange(len(counts)), counts)
    if order == "further hits last":
        cluster = np.concatenate(
            [np.arange(len(counts)), np.repeat(np.arange(len(counts)), np.array(counts) - 1)]
        )
    elif order == "any":
        cluster = rng.permutation(cluster)
    mean = rng.integers(n_places, size=(n, 1)) * np.ones(4)
    estimate = dataclasses.replace(estimate_of(n), mean=mean)
    modules = np.zeros(len(counts), dtype=np.int32)
    hits = make_hits(clusters_of(modules, np.arange(len(counts))), estimate, toys.detector(), cluster)
    assert hits.part.tolist() == [cluster[:k].tolist().count(cluster[k]) for k in range(n)]
    assert hits.shared.tolist() == [
        any(j != k and cluster[j] == cluster[k] and mean[j, 0] == mean[k, 0] for j in range(n))
        for k in range(n)
    ]


@given(seed=st.integers(0, 1000), n=st.integers(1, 30))
def test_possibilities_stay_with_their_hits(seed, n):
    rng = np.random.default_rng(seed)
    mixed_rows = rng.permutation(n)[: rng.integers(n + 1)]
    mean = mixed_rows[:, None, None] * np.ones((1, 2, 4))
    components = Components(mean, np.tile(np.eye(4), (len(mean), 2, 1, 1)), np.full((len(mean), 2), 0.5))
    hits = make_hits(clusters_of(np.zeros(n), np.arange(n)), estimate_of(n), toys.detector())
    hits = dataclasses.replace(hits, mixed=Mixed(mixed_rows, components, 0.5))
    rows = rng.permutation(n)[: rng.integers(n + 1)]
    some = hits.take(rows)
    assert sorted(rows[some.mixed.rows].tolist()) == sorted(set(mixed_rows.tolist()) & set(rows.tolist()))
    assert some.mixed.components.mean[:, 0, 0].tolist() == rows[some.mixed.rows].tolist()
    assert some.mixed.quantile == 0.5


def test_hits_of_the_end_caps_that_are_alone_get_possibilities():
    opened, records = next(iter(iterate(data_path("sample.root"), step=1)))
    header, clusters = opened.header, records[0]["clusters"]
    estimator, steps = choose_estimator(header), []
    directions = choose_directions(header, estimator, MixtureOptions(mode="on", quantile=0.99))
    disk = np.flatnonzero(~header.detector.barrel[np.asarray(clusters["module_index"])])
    n, twice = len(clusters), disk[:3]

    def split(flat, header, lone):
        cluster = np.concatenate([np.arange(n), twice])
        return Estimate(lone.mean[cluster], lone.cholesky[cluster], lone.flagged[cluster]), cluster

    hits = estimated_hits(clusters, header, estimator, steps.append, split, directions)
    assert steps == ["estimate", "split", "estimate", "hits"]
    assert hits.mixed.rows.tolist() == disk[3:].tolist()
    assert hits.mixed.quantile == 0.99
    flat = flatten(clusters, estimator.slices)
    expected = directions.network.components(flat, disk[3:], header.detector, header.field)
    np.testing.assert_array_equal(hits.mixed.components.mean, expected.mean)
    np.testing.assert_array_equal(hits.mixed.components.weight, expected.weight)
