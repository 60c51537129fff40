"""Sizes, sums and scores of the autoencoders against published numbers, slow loops and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from smartpix.merged.anomaly import (
    DENSE_INPUTS,
    AutoencoderOptions,
    autoencoder_sizes,
    divergence,
    line_sums,
    radius,
    true_rate,
)
from smartpix.merged.autoencoders import (
    anomaly_scores,
    autoencoder_inputs,
    autoencoder_loss,
    build_autoencoder,
)
from smartpix.schema import InputError

QUICK = settings(max_examples=40, deadline=None)
PUBLISHED = (1, 19, 3)
OPTIONS = [
    AutoencoderOptions(network, variational, *shape)
    for network, shapes in (("dense", [(2, 13, 21), (2, 16, 16)]),
                            ("conv", [PUBLISHED, (2, 13, 21), (1, 16, 16), (2, 3, 4), (1, 11, 12)]))
    for shape in shapes
    for variational in (False, True)
]  # fmt: skip


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def charges(options, n=6, seed=1):
    return np.random.default_rng(seed).exponential(1000.0, (n, *options.shape)).astype(np.float32)


def test_parameters_are_the_published_ones():
    """arXiv 2108.03986: 4,924 are the plain dense network's, 2,200 and 5,328 the halves of the plain conv."""
    dense = build_autoencoder(AutoencoderOptions("dense", variational=False))
    assert n_parameters(dense) == 4924
    conv = build_autoencoder(AutoencoderOptions("conv", False, *PUBLISHED))
    decoder = n_parameters(conv.decoder)
    assert (n_parameters(conv) - decoder, decoder) == (2200, 5328)


@pytest.mark.parametrize("options", OPTIONS)
def test_sizes_are_those_of_the_modules_and_the_reconstruction_has_the_inputs_shape(options):
    network, found = build_autoencoder(options), autoencoder_sizes(options)
    decoder = n_parameters(network.decoder)
    assert (n_parameters(network) - decoder, decoder) == (found.encoder, found.decoder)
    assert found.all == n_parameters(network)
    inputs = autoencoder_inputs(charges(options), options)
    assert inputs.shape == ((6, DENSE_INPUTS) if options.network == "dense" else (6, *options.shape))
    reconstructed, mean, log_variance = network(inputs)
    assert reconstructed.shape == inputs.shape
    assert mean.shape == log_variance.shape == (6, 3 if options.network == "dense" else 8)


@pytest.mark.parametrize("options", [o for o in OPTIONS if o.network == "conv"])
def test_every_pixel_is_seen_and_can_be_reconstructed(options):
    """Averages without rest: an image is padded and never cut."""
    torch.manual_seed(1)
    network = build_autoencoder(options).double()
    for p in network.parameters():
        p.data.abs_()
    inputs = torch.rand(1, *options.shape, dtype=torch.float64, requires_grad=True)
    reconstructed, mean, _ = network(inputs)
    assert (torch.autograd.grad(mean.sum(), inputs)[0] > 0).all()
    assert (reconstructed > 0).all()


def test_line_sums_are_those_of_a_slow_loop():
    images = np.random.default_rng(2).normal(0, 1000, (4, 2, 13, 21))
    found = line_sums(images)
    assert found.shape == (4, 57)
    for image, numbers in zip(images, found, strict=True):
        wanted = []
        for s in range(2):
            # 17 columns about column 10 and 11 rows about row 6.
            wanted += [sum(image[s, r, c] for r in range(13)) for c in range(2, 19)]
            wanted += [sum(image[s, r, c] for c in range(21)) for r in range(1, 12)]
        np.testing.assert_allclose(numbers, [*wanted, image.sum()])


@QUICK
@given(st.integers(1, 30), st.integers(1, 30))
def test_line_sums_of_any_size_keep_the_origin_pixel_in_place(n_rows, n_columns):
    image = np.zeros((1, 2, n_rows, n_columns))
    image[0, 1, (n_rows - 1) // 2, (n_columns - 1) // 2] = 5.0
    found = line_sums(image)[0]
    assert np.flatnonzero(found).tolist() == [28 + 8, 28 + 17 + 5, 56]
    assert found[[36, 50, 56]].tolist() == [5.0] * 3


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (1.5, 0.3), (-0.2, 2.0)])
def test_divergence_is_the_integral(mean, sigma):
    def integrand(x):
        return norm.pdf(x, mean, sigma) * (norm.logpdf(x, mean, sigma) - norm.logpdf(x))

    wanted = quad(integrand, mean - 12 * sigma, mean + 12 * sigma)[0]
    mu, log_variance = np.array([[mean, 0.0]]), np.array([[2 * np.log(sigma), 0.0]])
    assert divergence(mu, log_variance)[0] == pytest.approx(wanted, abs=1e-6)
    assert radius(mu, log_variance)[0] == pytest.approx((mean / sigma) ** 2)


@pytest.mark.parametrize("variational", [False, True])
def test_loss_is_that_of_a_hand_computation(variational):
    options = AutoencoderOptions("dense", variational, beta=0.25)
    inputs = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    reconstructed = torch.tensor([[1.0, 0.0], [3.0, 1.0]])
    mean, variance = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [np.e]])
    # Squared errors 2 and 5; divergences 0 and (e + 4 - 1 - 1) / 2.
    error, apart = (2 + 5) / 2, (0 + (np.e + 2) / 2) / 2
    wanted = 0.75 * error + 0.25 * apart if variational else error
    found = autoencoder_loss(inputs, (reconstructed, mean, variance.log()), options)
    assert found.item() == pytest.approx(wanted, rel=1e-6)


def test_latent_numbers_are_drawn_with_their_widths():
    network = build_autoencoder(AutoencoderOptions("dense")).double()
    network.decoder = torch.nn.Identity()
    network.log_variance.weight.data.zero_()
    network.log_variance.bias.data = 2 * torch.log(torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64))
    inputs = torch.ones(20_000, 57, dtype=torch.float64)
    latent, mean, _ = network(inputs, torch.Generator().manual_seed(1))
    off = (latent - mean).detach().numpy()
    np.testing.assert_allclose(off.std(axis=0), [0.1, 1.0, 3.0], rtol=0.02)
    assert np.abs(off.mean(axis=0) / off.std(axis=0)).max() < 0.03
    torch.testing.assert_close(network(inputs)[0], mean)


@pytest.mark.parametrize("options", OPTIONS)
def test_scores_are_of_each_cluster_alone(options):
    images = charges(options)
    network = build_autoencoder(options)
    scores = anomaly_scores(network, images)
    assert set(scores) == ({"mse", "kl", "radius"} if options.variational else {"mse"})
    order = [3, 1, 5]
    for name, values in anomaly_scores(network, images[order]).items():
        assert values.shape == (3,)
        assert (values >= -1e-6).all()
        np.testing.assert_allclose(values, scores[name][order], rtol=1e-3, atol=1e-6)


def test_mse_is_of_the_reconstruction_of_the_means():
    options = AutoencoderOptions("conv", True, 1, 5, 6)
    network = build_autoencoder(options)
    images = charges(options)
    inputs = autoencoder_inputs(images, options)
    with torch.no_grad():
        wanted = ((network.decoder(network.encode(inputs)[0]) - inputs) ** 2).mean(dim=(1, 2, 3))
    np.testing.assert_allclose(anomaly_scores(network, images)["mse"], wanted, rtol=1e-5)


def test_true_rate_is_counted():
    usual = np.arange(100.0)
    # One in a hundred may be above the cut: it lies at 98.
    assert true_rate(usual, np.array([97.0, 98.0, 98.5, 200.0]), 0.01) == 0.5
    assert true_rate(usual, np.array([94.0, 94.5]), 0.05) == 0.5
    # Fewer usual clusters than one in the share: there is no cut to make.
    assert np.isnan(true_rate(usual, usual, 1e-5))
    # All alike: none is above the others.
    assert true_rate(np.zeros(50), np.zeros(3), 0.1) == 0.0


@QUICK
@given(st.integers(1, 300), st.floats(0.001, 0.9), st.integers(0, 2**32 - 1))
def test_no_more_of_the_usual_than_allowed_pass(n, share, seed):
    usual = np.random.default_rng(seed).integers(0, 20, n).astype(float)
    passed = true_rate(usual, usual, share)
    assert np.isnan(passed) == (int(share * n + 1e-9) == 0)
    assert np.isnan(passed) or passed <= share + 1e-9


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="must be \\(N, 2, R, C\\)"):
        line_sums(np.zeros((3, 1, 13, 21)))
    with pytest.raises(InputError, match="n_slices must be 2 for dense"):
        AutoencoderOptions("dense", n_slices=1)
    with pytest.raises(InputError, match=r"\(2, 13, 21\), and these are \(2, 21, 13\)"):
        autoencoder_inputs(np.zeros((1, 2, 21, 13)), AutoencoderOptions())
    with pytest.raises(InputError, match="not finite"):
        autoencoder_inputs(np.full((1, 2, 13, 21), np.inf), AutoencoderOptions())
    with pytest.raises(InputError, match="false_rate must be between 0 and 1"):
        true_rate(np.ones(3), np.ones(3), 0.0)
    with pytest.raises(InputError, match="no clusters on one side"):
        true_rate(np.ones(0), np.ones(3), 0.1)
