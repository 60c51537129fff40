"""Torch modules of the autoencoders of :mod:`smartpix.merged.anomaly`, and their loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.merged.anomaly import (
    CONV_FILTERS,
    DENSE_INPUTS,
    DENSE_WIDTHS,
    FILTER,
    AutoencoderOptions,
    divergence,
    line_sums,
    radius,
)
from smartpix.merged.images import check_seen
from smartpix.networks.modules import encode
from smartpix.networks.options import NetworkOptions

__all__ = ["Autoencoder", "anomaly_scores", "autoencoder_inputs", "autoencoder_loss", "build_autoencoder"]

AT_A_TIME = 4096
"""Clusters scored together."""


class Autoencoder(nn.Module):
    """An autoencoder with its two halves.

    Shapes:
        input: what :func:`autoencoder_inputs` makes of images.
        output: the reconstruction, of the input's shape; the means and logarithms of the variances (N, K) of
            the latent numbers. A plain one has variances of 0.
    """

    def __init__(self, options: AutoencoderOptions) -> None:
        super().__init__()
        self.options = options
        dense = options.network == "dense"
        self.encoder = nn.Sequential(*(_dense_encoder() if dense else _conv_encoder(options)))
        n_rows, n_columns = options.map
        width = DENSE_WIDTHS[-1] if dense else CONV_FILTERS[1] * n_rows * n_columns
        self.mean = nn.Linear(width, options.n_latent)
        self.log_variance = nn.Linear(width, options.n_latent) if options.variational else None
        self.decoder = nn.Sequential(*(_dense_decoder(options) if dense else _conv_decoder(options)))

    def encode(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of the variances (N, K) of the latent numbers."""
        hidden = self.encoder(inputs)
        mean: Tensor = self.mean(hidden)
        if self.log_variance is None:
            return mean, torch.full_like(mean, -torch.inf)
        return mean, self.log_variance(hidden)

    def forward(
        self, inputs: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction of the means or, with a generator, of latent numbers drawn with it."""
        mean, log_variance = self.encode(inputs)
        latent = mean
        if generator is not None:
            drawn = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
            latent = mean + drawn * torch.exp(0.5 * log_variance)
        return self.decoder(latent), mean, log_variance


def build_autoencoder(options: AutoencoderOptions) -> Autoencoder:
    """The network with fresh random weights."""
    return Autoencoder(options)


def _dense_encoder() -> list[nn.Module]:
    first, second = DENSE_WIDTHS
    return [nn.Linear(DENSE_INPUTS, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU()]


def _dense_decoder(options: AutoencoderOptions) -> list[nn.Module]:
    first, second = DENSE_WIDTHS
    return [
        nn.Linear(options.n_latent, second), nn.ReLU(), nn.Linear(second, first), nn.ReLU(),
        nn.Linear(first, DENSE_INPUTS),
    ]  # fmt: skip


def _around(options: AutoencoderOptions) -> tuple[int, int, int, int]:
    """Columns left and right and rows above and below that the padded image has more."""
    rows, columns = (big - small for big, small in zip(options.padded, options.shape[1:], strict=True))
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2


def _conv_encoder(options: AutoencoderOptions) -> list[nn.Module]:
    first, second = CONV_FILTERS
    kernel = options.kernel
    return [
        nn.ZeroPad2d(_around(options)),
        nn.Conv2d(options.n_slices, first, FILTER, bias=False), nn.ReLU(), nn.AvgPool2d(kernel),
        nn.Conv2d(first, second, kernel, padding="same", bias=False), nn.ReLU(), nn.AvgPool2d(kernel),
        nn.Flatten(),
    ]  # fmt: skip


def _conv_decoder(options: AutoencoderOptions) -> list[nn.Module]:
    first, second = CONV_FILTERS
    n_rows, n_columns = options.map
    scale = tuple(float(k) for k in options.kernel)
    left, right, above, below = _around(options)
    return [
        nn.Linear(options.n_latent, second * n_rows * n_columns), nn.ReLU(),
        nn.Unflatten(1, (second, n_rows, n_columns)),
        nn.Conv2d(second, second, options.kernel, padding="same", bias=False), nn.ReLU(),
        nn.Upsample(scale_factor=scale),
        nn.Conv2d(second, first, options.kernel, padding="same", bias=False), nn.ReLU(),
        nn.Upsample(scale_factor=scale),
        nn.ConvTranspose2d(first, options.n_slices, FILTER, bias=False),
        nn.ZeroPad2d((-left, -right, -above, -below)),
    ]  # fmt: skip


def autoencoder_inputs(images: npt.NDArray[np.floating], options: AutoencoderOptions) -> Tensor:
    """What an autoencoder sees of images (N, S, R, C) of charge in e: the logarithms of their sums (N, 57),
    or of their pixels.

    Raises:
        InputError: images of another shape, or not finite ones.
    """
    check_seen(images, options.shape, "anomaly", "the network")
    charge = line_sums(images) if options.network == "dense" else images
    return encode(torch.from_numpy(np.ascontiguousarray(charge, dtype=np.float32)), NetworkOptions())


def autoencoder_loss(
    inputs: Tensor, found: tuple[Tensor, Tensor, Tensor], options: AutoencoderOptions
) -> Tensor:
    """Mean over the clusters of (1 - beta) times the mean squared error of a cluster's inputs plus beta times
    the divergence of its latent Gaussian; of a plain network the mean squared error alone.
    """
    reconstructed, mean, log_variance = found
    error = (reconstructed - inputs).square().flatten(1).mean(1)
    if not options.variational:
        return error.mean()
    apart = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(1)
    return ((1 - options.beta) * error + options.beta * apart).mean()


@torch.inference_mode()
def anomaly_scores(
    network: Autoencoder, images: npt.NDArray[np.floating]
) -> dict[str, npt.NDArray[np.float64]]:
    """Scores (N,) of images (N, S, R, C) by name, higher where they are more unusual: ``mse``, and of
    variational networks ``kl`` and ``radius``.

    Raises:
        InputError: as :func:`autoencoder_inputs`.
    """
    network.eval()
    parts = []
    for first in range(0, max(len(images), 1), AT_A_TIME):
        inputs = autoencoder_inputs(images[first : first + AT_A_TIME], network.options)
        reconstructed, mean, log_variance = network(inputs)
        error = (reconstructed - inputs).square().flatten(1).mean(1)
        parts.append([values.double().numpy() for values in (error, mean, log_variance)])
    error, mean, log_variance = (np.concatenate(values) for values in zip(*parts, strict=True))
    scores = {"mse": error}
    if network.options.variational:
        scores |= {"kl": divergence(mean, log_variance), "radius": radius(mean, log_variance)}
    return scores
