"""Likelihoods of several components against SciPy's multivariate normal and a straight loop."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal

from smartpix.networks.mixtures import (
    component_likelihoods,
    log_weights,
    mixture_negative_log_likelihood,
    order_likelihoods,
    ordered_negative_log_likelihood,
    set_negative_log_likelihood,
)
from smartpix.schema import SMALLEST_SIGMA

OUTPUTS = 14


def gaussians(raw: np.ndarray, n: int) -> list:
    """SciPy's distributions of one cluster's components, built entry by entry."""
    made = []
    for k in range(n):
        own = raw[OUTPUTS * k : OUTPUTS * (k + 1)]
        factor = np.diag(np.logaddexp(0, own[[1, 3, 5, 7]]) + SMALLEST_SIGMA)
        factor[1, 0], factor[2, 0], factor[2, 1] = own[8:11]
        factor[3, 0], factor[3, 1], factor[3, 2] = own[11:14]
        made.append(multivariate_normal(own[[0, 2, 4, 6]], factor @ factor.T))
    return made


def draw(seed: int, rows: int, outputs: int, particles: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, 1, (rows, outputs))), torch.from_numpy(
        rng.normal(0, 1.5, (rows, particles, 4))
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_set_is_mean_over_all_orders(n: int) -> None:
    raw, target = draw(n, 7, OUTPUTS * n, n)
    found = set_negative_log_likelihood(raw, target).numpy()
    each = order_likelihoods(raw, target).numpy()
    for row in range(len(raw)):
        components = gaussians(raw[row].numpy(), n)
        logs = [
            sum(components[k].logpdf(target[row, order[k]].numpy()) for k in range(n))
            for order in permutations(range(n))
        ]
        np.testing.assert_allclose(-each[row], logs, rtol=1e-9)
        np.testing.assert_allclose(found[row], np.log(len(logs)) - logsumexp(logs), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_given_order_is_that_of_the_key(n: int) -> None:
    raw, target = draw(20 + n, 7, OUTPUTS * n, n)
    key = target[:, :, 1] - 2 * target[:, :, 0]
    found = ordered_negative_log_likelihood(raw, target, key).numpy()
    for row in range(len(raw)):
        components = gaussians(raw[row].numpy(), n)
        by_key = sorted(target[row].numpy(), key=lambda t: t[1] - 2 * t[0])
        logs = [c.logpdf(t) for c, t in zip(components, by_key, strict=True)]
        np.testing.assert_allclose(found[row], -sum(logs), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_mixture_is_weighted_sum(n: int) -> None:
    raw, target = draw(10 + n, 7, OUTPUTS * n + n - 1, 1)
    found = mixture_negative_log_likelihood(raw, target[:, 0]).numpy()
    for row in range(len(raw)):
        outputs = raw[row].numpy()
        weights = softmax([0.0, *outputs[OUTPUTS * n :]])
        np.testing.assert_allclose(np.exp(log_weights(raw, n)[row].numpy()), weights, rtol=1e-12)
        logs = [g.logpdf(target[row, 0].numpy()) for g in gaussians(outputs, n)]
        np.testing.assert_allclose(found[row], -logsumexp(logs, b=weights), rtol=1e-9)


def test_order_of_particles_does_not_matter() -> None:
    raw, target = draw(3, 20, 42, 3)
    expected = set_negative_log_likelihood(raw, target)
    for order in permutations(range(3)):
        torch.testing.assert_close(set_negative_log_likelihood(raw, target[:, list(order)]), expected)
        swapped = raw.reshape(-1, 3, OUTPUTS)[:, list(order)].reshape(raw.shape)
        torch.testing.assert_close(set_negative_log_likelihood(swapped, target), expected)


def test_far_particles_keep_their_gradient() -> None:
    raw, target = draw(4, 5, 28, 2)
    raw.requires_grad_()
    set_negative_log_likelihood(raw, target + 1e4).sum().backward()
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad.abs().sum(1) > 0).all()


def test_each_component_and_particle() -> None:
    raw, target = draw(5, 4, 28, 3)
    found = component_likelihoods(raw, target, 2).numpy()
    assert found.shape == (4, 2, 3)
    for row in range(4):
        for k, gaussian in enumerate(gaussians(raw[row].numpy(), 2)):
            for p in range(3):
                np.testing.assert_allclose(
                    found[row, k, p], -gaussian.logpdf(target[row, p].numpy()), rtol=1e-9
                )
