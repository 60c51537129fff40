"""The network's size and output order, and its loss against PyTorch's multivariate normal."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.model import SMALLEST_SIGMA, TARGET_SCALE, Mdn, encode, negative_log_likelihood, split_outputs


def test_parameters_are_those_of_the_talk():
    model = Mdn()
    count = {name: sum(p.numel() for p in module.parameters()) for name, module in model.named_children()}
    assert count["depthwise"] + count["pointwise"] == 33
    assert [count[n] for n in ("mix", "dense1", "dense2", "dense3")] == [30, 1456, 272, 238]
    assert count["pool"] == 0
    assert sum(p.numel() for p in model.parameters()) == 2029


def test_output_has_14_columns_and_each_cluster_is_independent():
    torch.manual_seed(1)
    model, images = Mdn().eval(), torch.randn(5, 2, 13, 21)
    out = model(images)
    assert out.shape == (5, 14)
    torch.testing.assert_close(model(images[2:3]), out[2:3])


def test_every_pixel_of_the_pooled_area_matters():
    """Valid 3 x 3 convolution to 11 x 19 and pooling by 3 to 3 x 6: rows 0 to 10 and columns 0 to 19 are seen."""
    torch.manual_seed(1)
    image = torch.zeros(1, 2, 13, 21, requires_grad=True)
    Mdn()(image).sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    assert seen[:11, :20].all()
    assert not seen[11:].any()
    assert not seen[:, 20:].any()


def test_encoding_is_odd_monotone_and_about_one_for_a_full_pixel():
    charge = torch.tensor([-1023.0, -1.0, 0.0, 1.0, 1023.0, 16_000.0])
    np.testing.assert_allclose(encode(charge).numpy(), [-1.0, -0.1, 0.0, 0.1, 1.0, np.log2(16_001) / 10], rtol=1e-6)


def test_target_scale_is_that_of_the_public_data():
    np.testing.assert_allclose(np.array(TARGET_SCALE) * [1e3, 1e3, 1, 1], [75, 18.75, 8, 0.5])


def matrix(raw):
    """Cholesky factor of one output, in the published order: x, M11, y, M22, a, M33, b, M44, M21, M31, M32, M41, M42, M43."""
    m = np.zeros((4, 4))
    for i, column in enumerate((1, 3, 5, 7)):
        m[i, i] = np.logaddexp(0, raw[column]) + SMALLEST_SIGMA
    for (i, j), column in {(1, 0): 8, (2, 0): 9, (2, 1): 10, (3, 0): 11, (3, 1): 12, (3, 2): 13}.items():
        m[i, j] = raw[column]
    return m


def test_outputs_split_in_the_published_order():
    raw = torch.randn(7, 14, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean, cholesky = split_outputs(raw)
    np.testing.assert_array_equal(mean.numpy(), raw[:, [0, 2, 4, 6]].numpy())
    for k in range(7):
        np.testing.assert_allclose(cholesky[k].numpy(), matrix(raw[k].numpy()), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 3))
def test_likelihood_is_pytorchs_multivariate_normal(seed, width):
    generator = torch.Generator().manual_seed(seed)
    raw = width * torch.randn(20, 14, generator=generator, dtype=torch.float64)
    target = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    scale_tril = torch.tensor(np.array([matrix(r) for r in raw.numpy()]))
    wanted = -torch.distributions.MultivariateNormal(raw[:, [0, 2, 4, 6]], scale_tril=scale_tril).log_prob(target)
    torch.testing.assert_close(negative_log_likelihood(raw, target), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("diagonal", [-100.0, -20.0, 0.0, 100.0])
@pytest.mark.parametrize("offset", [0.0, 0.5, 100.0])
def test_gradient_is_finite_for_very_negative_diagonals_and_far_off_targets(diagonal, offset):
    raw = torch.zeros(3, 14)
    raw[:, [1, 3, 5, 7]] = diagonal
    raw.requires_grad_()
    loss = negative_log_likelihood(raw, torch.full((3, 4), offset))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(raw.grad).all()
    if diagonal == -20:
        # No dead zone: a diagonal far below zero still learns.
        assert (raw.grad[:, [1, 3, 5, 7]] != 0).all()


def test_gradient_is_that_of_finite_differences():
    raw = torch.randn(2, 14, generator=torch.Generator().manual_seed(3), dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda r: negative_log_likelihood(r, target), (raw,))


def test_sigma_never_falls_below_its_floor():
    raw = torch.full((1, 14), -1e4)
    raw[:, 8:] = 0
    diagonal = torch.diagonal(split_outputs(raw)[1], dim1=1, dim2=2)
    assert (diagonal >= SMALLEST_SIGMA).all()
