"""Captions of images: losses against straight loops and SciPy, pulls and coverage against known normals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from tracking.finders.trkx.captions import (
    CaptionNetwork,
    CovarianceNetwork,
    caption_loss,
    covariance_loss,
    distances,
    pulls,
)


def covariance_of(told):
    """The matrix that the last three of five numbers stand for."""
    a, b, c = (float(v) for v in told[2:])
    off = math.tanh(c) * math.exp(0.5 * (a + b))
    return np.array([[math.exp(a), off], [off, math.exp(b)]])


@settings(max_examples=40, deadline=None)
@given(
    told=st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    true=st.lists(st.floats(-5, 5), min_size=2, max_size=2),
)
def test_the_loss_is_that_of_a_normal_distribution(told, true):
    told, true = (torch.tensor(v, dtype=torch.float64).reshape(1, 1, -1) for v in (told, true))
    density = multivariate_normal(told[0, 0, :2].numpy(), covariance_of(told[0, 0])).logpdf(
        true[0, 0].numpy()
    )
    loss = covariance_loss(told, true, torch.ones(1, 1, dtype=torch.bool))
    assert float(loss) == pytest.approx(-2 * density - 2 * math.log(2 * math.pi), rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    told=st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    true=st.lists(st.floats(-5, 5), min_size=2, max_size=2),
)
def test_distances_and_pulls_by_the_inverse_matrix(told, true):
    told, true = (torch.tensor(v, dtype=torch.float64).reshape(1, 1, -1) for v in (told, true))
    matrix, r = covariance_of(told[0, 0]), (true - told[..., :2])[0, 0].numpy()
    assert float(distances(told, true)) == pytest.approx(r @ np.linalg.inv(matrix) @ r, rel=1e-6, abs=1e-8)
    pull = pulls(told, true)[0][0, 0].numpy()
    np.testing.assert_allclose(pull, r / np.sqrt(np.diag(matrix)), rtol=1e-6, atol=1e-8)


def test_only_lines_that_are_there_count_in_the_covariance():
    generator = torch.Generator().manual_seed(1)
    told, true = torch.randn(3, 4, 5, generator=generator), torch.randn(3, 4, 2, generator=generator)
    there = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], dtype=torch.bool)
    one = torch.ones(1, 1, dtype=torch.bool)
    single = [
        float(covariance_loss(told[i : i + 1, j : j + 1], true[i : i + 1, j : j + 1], one))
        for i in range(3)
        for j in range(4)
        if there[i, j]
    ]
    assert float(covariance_loss(told, true, there)) == pytest.approx(np.mean(single), rel=1e-5)
    wild = true.masked_fill(~there[..., None], 1e6)
    assert torch.equal(covariance_loss(told, wild, there), covariance_loss(told, true, there))


def test_a_batch_without_a_line_teaches_nothing():
    told = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(2)).requires_grad_()
    loss = covariance_loss(told, torch.zeros(3, 4, 2), torch.zeros(3, 4, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    assert (told.grad == 0).all()


def test_extreme_correlations_stay_finite():
    told = torch.tensor([[[0.0, 0.0, 0.0, 0.0, 40.0]]], requires_grad=True)
    loss = covariance_loss(told, torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-2 * (40 - math.log(2)), rel=1e-6)
    assert bool(torch.isfinite(told.grad).all())


def test_pulls_of_normals_are_normal():
    rng = np.random.default_rng(5)
    told = torch.tensor([1.0, -2.0, 0.4, -0.6, 0.8], dtype=torch.float64).expand(20_000, 1, 5)
    true = rng.multivariate_normal([1.0, -2.0], covariance_of(told[0, 0]), 20_000)[:, None]
    pull, independent = pulls(told, torch.from_numpy(true))
    np.testing.assert_allclose(pull.std(dim=0).flatten(), 1.0, atol=0.02)
    assert np.corrcoef(pull[:, 0].T)[0, 1] == pytest.approx(math.tanh(0.8), abs=0.02)
    np.testing.assert_allclose(np.cov(independent[:, 0].T), np.eye(2), atol=0.03)
    square = distances(told, torch.from_numpy(true))
    for share in (0.68, 0.95):
        assert float((square < -2 * math.log(1 - share)).double().mean()) == pytest.approx(share, abs=0.01)


def test_the_squared_error_is_that_of_a_loop():
    generator = torch.Generator().manual_seed(2)
    told, true = torch.randn(3, 4, 2, generator=generator), torch.randn(3, 4, 2, generator=generator)
    errors = [
        (float(told[i, j, k]) - float(true[i, j, k])) ** 2
        for i in range(3)
        for j in range(4)
        for k in range(2)
    ]
    assert float(caption_loss(told, true)) == pytest.approx(sum(errors) / 24, rel=1e-5)


def test_the_caption_inside_stays_as_it_is():
    torch.manual_seed(3)
    caption = CaptionNetwork((10, 12), 3, 0.05)
    network = CovarianceNetwork(caption)
    images = torch.rand(2, 10, 12)
    answer = network(images)
    torch.testing.assert_close(answer[..., :2], caption(images))
    answer.square().sum().backward()
    assert all(values.grad is None for values in caption.parameters())
    assert all(values.grad is not None for values in network.head.parameters())


def test_later_lines_know_of_earlier_ones_alone():
    """What the LSTM repeats is the same at each step: the lines differ by its state."""
    torch.manual_seed(4)
    two, three = CaptionNetwork((10, 12), 2, 0.05), CaptionNetwork((10, 12), 3, 0.05)
    three.load_state_dict(two.state_dict())
    images = torch.rand(2, 10, 12)
    torch.testing.assert_close(three(images)[:, :2], two(images))
    assert float((three(images)[:, 2] - three(images)[:, 1]).detach().abs().min()) > 0
