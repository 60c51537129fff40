"""Mixture density networks: a cluster's images to position, angles and their covariance.

Three networks small enough for the chip. ``conv`` is the smart-pixel talk's with 2,029 parameters (arXiv
2602.15946 for
the field): separable 3 x 3 convolution 2 -> 5 (33), 1 x 1 convolution (30), 3 x 3 average pooling, dense
90-16-16-14 (1456, 272, 238). ``mlp`` sees the row and column sums only. ``columns`` (2,178) looks at three
neighbouring columns over all
rows at a time: a track's depth, which the Lorentz drift turns into a row, is read column by column, and that
slope is cot alpha. The loss is the exact negative log-likelihood, without the published clipping of
probabilities, so that clusters far off keep their gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from smartpix.networks.options import CONV_FILTERS, N_OUTPUTS, NETWORKS, SPAN, NetworkOptions
from smartpix.schema import SMALLEST_SIGMA

__all__ = [
    "NETWORKS", "ColumnMdn", "ConvMdn", "NetworkOptions", "ProjectionMdn", "build", "encode",
    "expected_negative_log_likelihood",
    "negative_log_likelihood",
]  # fmt: skip

_DIAGONAL = (1, 3, 5, 7)
_MEANS = (0, 2, 4, 6)


def encode(charge: Tensor, network: NetworkOptions) -> Tensor:
    """Network input from charge in e, any shape: sign * log2(1 + |q| / reference) / compression."""
    return torch.sign(charge) * torch.log2(1 + charge.abs() / network.reference) / network.compression


def build(network: NetworkOptions) -> ConvMdn | ProjectionMdn | ColumnMdn:
    """The network with fresh random weights."""
    if network.kind == "conv":
        return ConvMdn(network)
    return ProjectionMdn(network) if network.kind == "mlp" else ColumnMdn(network)


def _norm(network: NetworkOptions, width: int, images: bool = False) -> nn.Module:
    if not network.batch_norm:
        return nn.Identity()
    return nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)


class ConvMdn(nn.Module):
    """The talk's convolutional network.

    Shapes:
        input: (N, S, R, C), encoded slices; rows along y, columns along x.
        output: (N, 14): x, M11, y, M22, cot alpha, M33, cot beta, M44, M21, M31, M32, M41, M42, M43 (raw, in
        scaled units); covariance = M M^T with the softplus of the diagonal, see
        :func:`negative_log_likelihood`. The same for all networks.
    """

    def __init__(self, network: NetworkOptions) -> None:
        super().__init__()
        s, hidden = network.n_slices, network.width
        self.depthwise = nn.Conv2d(s, s, 3, groups=s, bias=False)
        self.pointwise = nn.Conv2d(s, CONV_FILTERS, 1)
        self.norm0 = _norm(network, CONV_FILTERS, images=True)
        self.mix = nn.Conv2d(CONV_FILTERS, CONV_FILTERS, 1)
        self.pool = nn.AvgPool2d(3)
        self.dense1 = nn.Linear(
            CONV_FILTERS * ((network.n_rows - 2) // 3) * ((network.n_columns - 2) // 3), hidden
        )
        self.norm1 = _norm(network, hidden)
        self.dense2 = nn.Linear(hidden, hidden)
        self.norm2 = _norm(network, hidden)
        self.dense3 = nn.Linear(hidden, N_OUTPUTS)

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, 14)."""
        h = torch.tanh(self.norm0(self.pointwise(self.depthwise(image))))
        h = self.pool(torch.tanh(self.mix(h))).flatten(1)
        h = torch.tanh(self.norm1(self.dense1(h)))
        h = torch.tanh(self.norm2(self.dense2(h)))
        out: Tensor = self.dense3(h)
        return out


class ProjectionMdn(nn.Module):
    """A multilayer perceptron on the column sums and row sums of each slice; 2,219 parameters for two slices.

    Shapes: as :class:`ConvMdn`.
    """

    def __init__(self, network: NetworkOptions) -> None:
        super().__init__()
        hidden = network.width
        self.dense1 = nn.Linear(network.n_slices * (network.n_rows + network.n_columns), hidden)
        self.norm1 = _norm(network, hidden)
        self.dense2 = nn.Linear(hidden, hidden)
        self.norm2 = _norm(network, hidden)
        self.dense3 = nn.Linear(hidden, N_OUTPUTS)

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, 14)."""
        h = torch.cat([image.sum(2).flatten(1), image.sum(3).flatten(1)], dim=1)
        h = torch.tanh(self.norm1(self.dense1(h)))
        h = torch.tanh(self.norm2(self.dense2(h)))
        out: Tensor = self.dense3(h)
        return out


class ColumnMdn(nn.Module):
    """Filters over all rows of neighbouring columns, with the row sums, into a multilayer perceptron.

    Shapes: as :class:`ConvMdn`.
    """

    def __init__(self, network: NetworkOptions) -> None:
        super().__init__()
        hidden = network.width
        self.columns = nn.Conv2d(network.n_slices, network.filters, (network.n_rows, SPAN))
        self.norm0 = _norm(network, network.filters, images=True)
        n_flat = network.filters * (network.n_columns - SPAN + 1) + network.n_slices * network.n_rows
        self.dense1 = nn.Linear(n_flat, hidden)
        self.norm1 = _norm(network, hidden)
        self.dense2 = nn.Linear(hidden, hidden)
        self.norm2 = _norm(network, hidden)
        self.dense3 = nn.Linear(hidden, N_OUTPUTS)

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, 14)."""
        h = torch.tanh(self.norm0(self.columns(image)))
        h = torch.cat([h.flatten(1), image.sum(3).flatten(1)], dim=1)
        h = torch.tanh(self.norm1(self.dense1(h)))
        h = torch.tanh(self.norm2(self.dense2(h)))
        out: Tensor = self.dense3(h)
        return out


def negative_log_likelihood(raw: Tensor, target: Tensor) -> Tensor:
    """Per-cluster negative log-likelihood (N,) of scaled targets (N, 4) under the outputs (N, 14).

    The diagonal goes through softplus: positive, with a gradient everywhere, and a one-input table in
        hardware.
    """
    diagonal = _positive(raw)
    z = _whiten(raw, diagonal, (target - raw[:, _MEANS])[..., None])
    return 0.5 * z.square().sum((1, 2)) + diagonal.log().sum(1) + 2 * math.log(2 * math.pi)


def expected_negative_log_likelihood(raw: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Mean of :func:`negative_log_likelihood` (N,) over targets as another network knows them.

    Up to that network's own entropy the divergence of Kullback and Leibler from it: what a student learns
    from a teacher.

    Args:
        raw: (N, 14) outputs.
        mean, factor: (N, 4) means and (N, 4, 4) any factors L of the covariance L L^T, scaled.
    """
    spread = _whiten(raw, _positive(raw), factor)
    return negative_log_likelihood(raw, mean) + 0.5 * spread.square().sum((1, 2))


def _positive(raw: Tensor) -> Tensor:
    return nn.functional.softplus(raw[:, _DIAGONAL]) + SMALLEST_SIGMA


def _whiten(raw: Tensor, diagonal: Tensor, columns: Tensor) -> Tensor:
    """M^-1 times columns (N, 4, K), by forward substitution."""
    off = raw[:, 8:, None]
    d = diagonal[..., None]
    z0 = columns[:, 0] / d[:, 0]
    z1 = (columns[:, 1] - off[:, 0] * z0) / d[:, 1]
    z2 = (columns[:, 2] - off[:, 1] * z0 - off[:, 2] * z1) / d[:, 2]
    z3 = (columns[:, 3] - off[:, 3] * z0 - off[:, 4] * z1 - off[:, 5] * z2) / d[:, 3]
    return torch.stack([z0, z1, z2, z3], dim=1)
