"""Components against SciPy, and samples drawn from the components themselves."""

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm

from smartpix.estimate.components import (
    Components,
    chosen,
    density_rank,
    log_densities,
    normal_scores,
    ordered,
    separation,
)


def components(rng, n, k, apart=1.0, weights=True):
    factor = np.tril(rng.normal(0, 0.3, (n, k, 4, 4)))
    factor[..., range(4), range(4)] = rng.uniform(0.5, 1.5, (n, k, 4))
    weight = rng.dirichlet(np.ones(k), n) if weights else np.ones((n, k))
    return Components(rng.normal(0, apart, (n, k, 4)), factor, weight)


def drawn(c, rng):
    """One point of each component (N, K, 4)."""
    return c.mean + np.einsum("nkij,nkj->nki", c.cholesky, rng.normal(size=c.mean.shape))


def test_densities_are_scipys():
    rng = np.random.default_rng(1)
    c, points = components(rng, 5, 3), rng.normal(size=(5, 2, 4))
    found = log_densities(c, points)
    for i in range(5):
        for k in range(3):
            covariance = c.cholesky[i, k] @ c.cholesky[i, k].T
            expected = multivariate_normal(c.mean[i, k], covariance).logpdf(points[i])
            np.testing.assert_allclose(found[i, k], expected, rtol=1e-9)


@pytest.mark.parametrize("apart", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("k", [2, 3])
def test_drawn_order_has_unit_pulls_however_close(apart, k):
    rng = np.random.default_rng(2)
    c = components(rng, 20_000, k, apart, weights=False)
    truth = drawn(c, rng)
    for row in range(len(truth)):
        rng.shuffle(truth[row])
    pull = np.linalg.solve(c.cholesky, (ordered(c, truth, rng) - c.mean)[..., None])[..., 0]
    assert np.abs(pull.std(axis=(0, 1)) - 1).max() < 0.02
    assert np.abs(pull.mean(axis=(0, 1))).max() < 0.02
    nearer = np.linalg.solve(c.cholesky, (ordered(c, truth, None) - c.mean)[..., None])[..., 0]
    # The likelier order is the nearer one: too narrow where components lie together, the same far apart.
    assert nearer.std() < (0.99 if apart == 0 else 1.005)


def test_likelier_order_is_the_best_of_all():
    rng = np.random.default_rng(3)
    c, truth = components(rng, 50, 2, weights=False), rng.normal(size=(50, 2, 4))
    each, found = log_densities(c, truth), ordered(c, truth, None)
    straight = each[:, 0, 0] + each[:, 1, 1] >= each[:, 0, 1] + each[:, 1, 0]
    np.testing.assert_array_equal(found[straight], truth[straight])
    np.testing.assert_array_equal(found[~straight], truth[~straight][:, ::-1])


def mixture_sample(rng, n=40_000, apart=1.5):
    c = components(rng, n, 2, apart)
    of = (rng.random(n) > c.weight[:, 0]).astype(np.int64)
    return c, of, drawn(c, rng)[np.arange(n), of]


def test_scores_and_ranks_of_right_mixture():
    rng = np.random.default_rng(4)
    c, _, target = mixture_sample(rng, 10_000)
    scores = normal_scores(c, target)
    for t in range(4):
        assert kstest(scores[:, t], norm.cdf).pvalue > 1e-3
    rank = density_rank(c, target, rng)
    assert kstest(rank, "uniform").pvalue > 1e-3
    # And of a wrong one they are not.
    wide = c._replace(cholesky=1.3 * c.cholesky)
    assert kstest(normal_scores(wide, target)[:, 0], norm.cdf).pvalue < 1e-6
    assert kstest(density_rank(wide, target, rng), "uniform").pvalue < 1e-6


def test_scores_of_one_component_are_pulls():
    rng = np.random.default_rng(5)
    c, target = components(rng, 30, 1), rng.normal(size=(30, 4))
    expected = (target - c.mean[:, 0]) / np.linalg.norm(c.cholesky[:, 0], axis=2)
    np.testing.assert_allclose(normal_scores(c, target), expected, rtol=1e-6, atol=1e-9)


def test_component_is_drawn_with_its_probability():
    rng = np.random.default_rng(6)
    c, of, target = mixture_sample(rng)
    found = chosen(c, target, rng)
    # As many as there are, and where they lie apart the very one.
    assert abs(found.mean() - of.mean()) < 0.01
    far, of, target = mixture_sample(rng, 2000, apart=100)
    assert (chosen(far, target, rng) == of).mean() > 0.999


def test_separation_in_sigmas_of_the_difference():
    mean = np.zeros((1, 3, 4))
    mean[0, 1, 0], mean[0, 2, 1] = 3.0, 40.0
    factor = np.broadcast_to(np.eye(4), (1, 3, 4, 4))
    c = Components(mean, factor, np.ones((1, 3)))
    np.testing.assert_allclose(separation(c), [3 / np.sqrt(2)])
