"""Edges of mixtures against a loop over all pairs of hits and of components."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import chi2 as chi2_law
from scipy.stats import multivariate_normal

from seeding.edges import edge_times, find_edges
from seeding.mixture_kernels import joint_tail, mixture_cuts
from seeding.mixtures import find_mixture_edges, possibilities
from smartpix.estimate.base import Estimate
from smartpix.estimate.components import Components
from smartpix.schema import InputError
from tests.seeding import toys
from tests.seeding.edge_events import CONE, found, pair_set


def edges_of(hits, rows, components, options=CONE, quantile=None):
    copies = possibilities(hits, rows, components, options, quantile)
    return find_mixture_edges(copies, toys.detector(), toys.pairs(), toys.FIELD, options)


@pytest.fixture(scope="module")
def event():
    toy = toys.toy_event(10, seed=5)
    hits = toys.toy_hits(toy, 5)
    rng = np.random.default_rng(5)
    rows = np.flatnonzero(rng.random(len(hits)) < 0.6)
    # One component where the estimate is, one elsewhere, of another width, and weights of all sizes.
    mean = np.repeat(hits.estimate.mean[rows][:, None], 2, axis=1)
    mean[:, 1, 2:] += rng.normal(0, 0.15, (len(rows), 2))
    cholesky = np.repeat(hits.estimate.cholesky[rows][:, None], 2, axis=1)
    cholesky[:, 1] *= rng.uniform(0.5, 2.0, (len(rows), 1, 1))
    first = 10 ** rng.uniform(-3, 0, len(rows))
    return hits, rows, Components(mean, cholesky, np.stack([first, 1 - first], axis=1))


def by_loop(hits, rows, components, options):
    """The smallest chi2, with what the components' densities take off it, of each pair of hits."""
    n = len(hits)
    cases = {i: [(hits.estimate.mean[i], hits.estimate.cholesky[i], 0.0)] for i in range(n)}
    for r, i in enumerate(rows.tolist()):
        heights = []
        for k in range(2):
            factor = components.cholesky[r, k]
            top = multivariate_normal([0, 0], (factor @ factor.T)[2:, 2:]).pdf([0, 0])
            heights.append(components.weight[r, k] * top)
        cases[i] = [
            (components.mean[r, k], components.cholesky[r, k], -2 * np.log(heights[k] / max(heights)))
            for k in range(2)
        ]
    best = {}
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    for i in range(n):
        for j in range(n):
            if (int(hits.layer[i]), int(hits.layer[j])) not in toys.follows() or radius[j] <= radius[i]:
                continue
            ahead = (hits.position[j, :2] - hits.position[i, :2]) @ hits.position[i, :2] > 0
            if not ahead or not toys.through_gap(hits, i, j):
                continue
            for mean_i, factor_i, less_i in cases[i]:
                for mean_j, factor_j, less_j in cases[j]:
                    mean, factor = hits.estimate.mean.copy(), hits.estimate.cholesky.copy()
                    mean[i, 2:], factor[i] = mean_i[2:], factor_i
                    mean[j, 2:], factor[j] = mean_j[2:], factor_j
                    pair = dataclasses.replace(
                        hits.take(np.array([i, j])), estimate=Estimate(mean[[i, j]], factor[[i, j]])
                    )
                    chi2 = toys.joint_chi2(
                        pair, 0, 1, options.sigma_z0, options.sigma_d0, toys.UNIT / options.min_pt
                    )[0]
                    total = chi2 + less_i + less_j
                    best[i, j] = min(best.get((i, j), np.inf), total)
    return best


def cut_by_root(weight, less, quantile):
    """The cut of a mixture as SciPy solves it."""

    def excess(cut):
        return weight @ chi2_law.cdf(cut - less, 5) - quantile

    single = chi2_law.ppf(quantile, 5)
    return brentq(excess, single - 1e-9, single + less.max() + 1e-9, xtol=1e-10)


def densities(components):
    """(R, K) -2 log of the densities at the components' centres, from that of the densest one on."""
    covariance = components.cholesky @ np.swapaxes(components.cholesky, 2, 3)
    tops = [[multivariate_normal([0, 0], own[2:, 2:]).pdf([0, 0]) for own in row] for row in covariance]
    heights = -2 * np.log(components.weight * tops)
    return heights - heights.min(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def every(event):
    """Of each pair of hits what :func:`by_loop` finds."""
    return by_loop(*event, CONE)


@pytest.mark.parametrize(("cones", "quantile"), [(0.999, None), (0.999, 0.3), (0.3, 0.999), (0.5, 0.5)])
def test_edges_are_those_of_any_pair_of_components(event, every, cones, quantile):
    hits, mixed, _ = event
    plain = dataclasses.replace(CONE, quantile=cones)
    own = dataclasses.replace(CONE, quantile=quantile or cones)
    edges = edges_of(*event, plain, quantile)
    pairs = pair_set(edges)
    assert len(pairs) == len(edges) > (20 if quantile is None else 5)
    less = densities(event[2])
    more = {
        i: cut_by_root(w, a, own.quantile) - own.joint_cut()
        for i, w, a in zip(mixed.tolist(), event[2].weight, less, strict=True)
    }
    assert max(more.values()) > 0.5
    cut = {
        p: own.joint_cut() + sum(more.get(i, 0.0) for i in p) if set(p) & set(more) else plain.joint_cut()
        for p in every
    }
    assert {p for p, chi2 in every.items() if chi2 < cut[p] - 0.02} - pairs == set()
    assert all(every[p] < cut[p] + 0.02 for p in pairs)
    for e, p in enumerate(zip(edges.source.tolist(), edges.target.tolist(), strict=True)):
        assert edges.chi2[e] == pytest.approx(every[p], rel=2e-3, abs=0.02)
    assert edges.n_hits == len(hits)
    assert np.all(np.diff(edges.pair) >= 0)


def test_one_component_is_the_plain_search(event):
    hits, rows, _ = event
    estimate = hits.estimate.take(rows)
    alone = Components(estimate.mean[:, None], estimate.cholesky[:, None], np.ones((len(rows), 1)))
    edges, expected = edges_of(hits, rows, alone), found(hits)
    assert pair_set(edges) == pair_set(expected)
    order = np.lexsort((expected.target, expected.source, expected.pair))
    np.testing.assert_array_equal(edges.chi2, expected.chi2[order])
    np.testing.assert_array_equal(edges.pulls, expected.pulls[order])


def test_negligible_components_are_not_searched(event):
    hits, rows, components = event
    weight = np.broadcast_to([1 - 1e-12, 1e-12], (len(rows), 2))
    same = np.repeat(components.cholesky[:, :1], 2, axis=1)
    copies = possibilities(hits, rows, Components(components.mean, same, weight), CONE)
    assert len(copies.row) == len(hits)
    assert sorted(copies.row) == list(range(len(hits)))
    half = possibilities(hits, rows, Components(components.mean, same, np.full((len(rows), 2), 0.5)), CONE)
    assert len(half.row) == len(hits) + len(rows)
    np.testing.assert_allclose(half.less, 0, atol=1e-9)
    np.testing.assert_allclose(half.more, 0, atol=1e-7)


def test_components_of_other_hits_are_refused(event):
    hits, rows, components = event
    with pytest.raises(InputError, match="rows"):
        possibilities(hits, rows[:-1], components, CONE)


@given(
    first=st.lists(st.sampled_from([0.0, 1e-300, 0.5, 1.0]), min_size=8, max_size=8), seed=st.integers(0, 9)
)
def test_weights_of_0_and_1_are_the_search_from_one_component(event, first, seed):
    hits, rows, components = event
    weight = np.random.default_rng(seed).permutation(np.resize(first, len(rows)))
    # What has no weight at all may be anything.
    edges = edges_of(hits, rows, components._replace(weight=np.stack([weight, 1 - weight], axis=1)))
    assert np.all(np.isfinite(edges.chi2))
    pairs = pair_set(edges)
    assert len(pairs) == len(edges)
    for better in (0, 1):
        sure = np.isin(weight, [0.0, 1.0])
        kept = np.where(weight == 1.0, 0, np.where(weight == 0.0, 1, better))
        mean, cholesky = hits.estimate.mean.copy(), hits.estimate.cholesky.copy()
        mean[rows, 2:] = components.mean[np.arange(len(rows)), kept][:, 2:]
        cholesky[rows] = components.cholesky[np.arange(len(rows)), kept]
        one = pair_set(found(dataclasses.replace(hits, estimate=Estimate(mean, cholesky))))
        open_ = set(rows[~sure].tolist())
        assert {p for p in one if not open_ & set(p)} == {p for p in pairs if not open_ & set(p)}


def test_the_tail_is_that_of_five_degrees_of_freedom():
    chi2 = np.array([1e-6, 1e-3, 0.1, 1.0, 5.0, 25.0, 80.0, 300.0])
    tail, density = np.transpose([joint_tail(value) for value in chi2])
    np.testing.assert_allclose(tail, chi2_law.sf(chi2, 5), rtol=1e-12)
    np.testing.assert_allclose(density, chi2_law.pdf(chi2, 5), rtol=1e-12)
    assert joint_tail(0.0) == joint_tail(-3.0) == (1.0, 0.0)


@given(
    quantile=st.sampled_from([1e-6, 1e-3, 0.3, 0.9, 0.9999, 1 - 1e-12]),
    first=st.sampled_from([0.0, 1e-9, 1e-3, 0.5, 1.0]) | st.floats(0.0, 1.0),
    less=st.floats(0.0, 200.0),
    densest=st.integers(0, 1),
)
def test_the_cut_of_a_mixture_keeps_the_quantile(quantile, first, less, densest):
    weight, less = np.array([first, 1 - first]), np.array([less, 0.0] if densest else [0.0, less])
    if not weight[densest]:
        less = np.zeros(2)
    single = chi2_law.isf(1 - quantile, 5)
    cut = mixture_cuts(less[None], weight[None], single, 1 - quantile)[0]
    assert single <= cut <= single + less[weight > 0].max() + 1e-9
    if not less[weight > 0].any():
        assert cut == single
    kept, lost = weight @ chi2_law.cdf(cut - less, 5), weight @ chi2_law.sf(cut - less, 5)
    assert kept == pytest.approx(quantile, rel=1e-6)
    assert lost == pytest.approx(1 - quantile, rel=1e-6)


def drawn(n, away, seed, width=2.0):
    """Mixtures of two components each, ``away`` sigmas apart, of weights of all sizes."""
    rng = np.random.default_rng(seed)
    mean = np.zeros((n, 2, 4))
    mean[:, 1, 2] = away
    cholesky = np.tile(np.eye(4), (n, 2, 1, 1))
    cholesky[:, 1, 2:, 2:] *= rng.uniform(1 / width, width, (n, 1, 1))
    first = rng.uniform(0.02, 0.98, n)
    return Components(mean, cholesky, np.stack([first, 1 - first], axis=1))


def share_kept(ends, quantile, n_draws=400):
    """Share of true edges that pass, drawn: slopes of each end from its mixture, the rest of Gaussians.

    Returns:
        The share that passes, and that which passes with the components it is of.
    """
    rng = np.random.default_rng(3)
    event = toys.toy_hits(toys.toy_event(10, seed=5), 5)
    n = len(ends[0].weight)
    hits = event.take(np.resize(np.arange(len(event)), n))
    cut = np.full((n_draws, n), dataclasses.replace(CONE, quantile=quantile).joint_cut())
    # z0, and the slopes of an end of one Gaussian.
    total = chi2_law.rvs(5 - 2 * len(ends), size=(n_draws, n), random_state=rng)
    own = total.copy()
    for components in ends:
        found = possibilities(hits, np.arange(n), components, CONE, quantile)
        # Components that are not searched let nothing pass.
        less, more = np.full((n, 2), np.inf), np.zeros(n)
        for k in range(2):
            factor, mean = components.cholesky[found.row, k], components.mean[found.row, k]
            of = np.all(found.hits.estimate.cholesky == factor, axis=(1, 2))
            of &= np.all(found.hits.estimate.mean[:, 2:] == mean[:, 2:], axis=1)
            less[found.row[of], k] = found.less[of]
        more[found.row] = found.more
        assert np.isfinite(less).any(axis=1).all()
        cut += more
        of = (rng.random((n_draws, n)) > components.weight[:, 0]).astype(int)
        rows = np.arange(n)
        scale = components.cholesky[:, :, 2, 2]
        slopes = components.mean[rows, of, 2:] + scale[rows, of][..., None] * rng.normal(size=(n_draws, n, 2))
        chi2 = [
            np.sum(((slopes - components.mean[:, k, 2:]) / scale[:, k, None]) ** 2, axis=2) + less[:, k]
            for k in range(2)
        ]
        total += np.minimum(*chi2)
        own += np.where(of == 0, *chi2)
    return float((total <= cut).mean()), float((own <= cut).mean())


@pytest.mark.parametrize("quantile", [0.3, 0.9, 0.99, 0.999])
def test_true_edges_of_mixtures_are_kept_as_often_as_the_quantile_says(quantile):
    n, sigma = 2000, 5 * np.sqrt(quantile * (1 - quantile) / 800_000)
    separate, near, other = drawn(n, 30.0, 1), drawn(n, 1.0, 2), drawn(n, 30.0, 3)
    # Apart, a true edge passes with its own component or not at all.
    assert share_kept([separate], quantile) == pytest.approx((quantile, quantile), abs=sigma)
    kept, own = share_kept([near], quantile)
    assert own == pytest.approx(quantile, abs=sigma)
    assert kept > quantile + sigma
    # Two mixtures: what both add to the cut is right to a tenth of what is lost.
    pair = share_kept([separate, other], quantile)[0]
    assert pair == pytest.approx(quantile, abs=sigma + 0.1 * (1 - quantile))


def test_equal_components_are_one_gaussian():
    same = drawn(500, 0.0, 1, width=1.0)._replace(weight=np.full((500, 2), 0.5))
    assert share_kept([same, same], 0.9)[0] == pytest.approx(0.9, abs=5 * np.sqrt(0.09 / 200_000))


def test_the_search_is_as_wide_as_both_ends_add_to_the_cut(event):
    hits, _, _ = event
    n = len(hits)
    mean = np.repeat(hits.estimate.mean[:, None], 2, axis=1)
    cholesky = np.repeat(hits.estimate.cholesky[:, None], 2, axis=1)
    # The likelier possibility is wide and far from everything, and the estimate is the densest.
    mean[:, 1, 2:] += 1e4
    cholesky[:, 1] *= 8
    weight = np.broadcast_to([0.1, 0.9], (n, 2))
    cut = dataclasses.replace(CONE, quantile=0.5).joint_cut()
    more = cut_by_root(weight[0], np.array([0.0, 2 * np.log(64 / 9)]), 0.5) - cut
    half = dataclasses.replace(CONE, quantile=0.5)
    pairs = pair_set(edges_of(hits, np.arange(n), Components(mean, cholesky, weight), half))
    wide = dataclasses.replace(CONE, quantile=float(chi2_law.cdf(cut + 2 * more, 5)))
    expected = pair_set(found(hits, wide))
    assert pairs == expected
    assert len(expected) > len(pair_set(found(hits, half)))


def test_times_count_in_the_test_of_mixtures_too(event):
    """Of a small sigma, none but edges whose difference is that of a flight are left, whatever the cut is."""
    hits, rows, components = event
    timed = dataclasses.replace(CONE, time_sigma=10.0)
    time = np.random.default_rng(8).normal(0, 0.3, len(hits)).astype(np.float32)
    both = dataclasses.replace(hits, time=time)
    one = np.argmax(components.weight, axis=1)
    alone = Components(
        *(np.take_along_axis(a, one.reshape(-1, *[1] * (a.ndim - 1)), axis=1) for a in (components.mean, components.cholesky)),
        np.ones((len(rows), 1)),
    )  # fmt: skip
    copies = possibilities(both, rows, alone, timed)
    as_one = find_edges(
        copies.hits.take(np.argsort(copies.row)), toys.detector(), toys.pairs(), toys.FIELD, timed
    )
    edges = edges_of(both, rows, alone, timed)
    assert 0 < len(edges) < len(edges_of(hits, rows, alone))
    assert pair_set(edges) == pair_set(as_one)
    wide = edges_of(both, rows, components, timed)
    assert np.all(wide.chi2 + edge_times(wide, both, toys.FIELD, timed) <= timed.joint_cut() + 10)
    # The cut of a mixture is as far above that of one Gaussian as without times.
    without = possibilities(hits, rows, components, CONE)
    at = possibilities(both, rows, components, timed)
    assert at.more.max() == pytest.approx(without.more.max())
