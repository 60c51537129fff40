"""Mixture density networks: a cluster's images to position, angles and their covariance.

The kinds of :mod:`smartpix.networks.plan` are small enough for the chip, with two slices and usual sizes:

- ``conv`` is the smart-pixel talk's, with 2,029 parameters (arXiv 2602.15946 for the field). It has a
  separable 3 x 3 convolution 2 -> 5 (33), a 1 x 1 convolution (30) and 3 x 3 average pooling. Its dense
  layers are 90-16-16-14 (1456, 272, 238).
- ``mlp`` (2,219) sees the row and column sums only.
- ``columns`` (2,178) looks at three neighbouring columns over all rows at a time. The Lorentz drift turns a
  track's depth into a row; read column by column, that slope is cot alpha.

The loss is the exact negative log-likelihood. It is not clipped as the published one is, so that clusters
far off keep their gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import POOL, Layer
from smartpix.schema import SMALLEST_SIGMA

__all__ = [
    "Mdn", "NetworkOptions", "build", "encode", "expected_negative_log_likelihood", "negative_log_likelihood",
]  # fmt: skip

_DIAGONAL = (1, 3, 5, 7)
_MEANS = (0, 2, 4, 6)


def encode(charge: Tensor, network: NetworkOptions) -> Tensor:
    """Network input from charge in e, any shape: sign * log2(1 + |q| / reference) / compression."""
    return torch.sign(charge) * torch.log2(1 + charge.abs() / network.reference) / network.compression


def build(network: NetworkOptions) -> Mdn:
    """The network with fresh random weights."""
    return Mdn(network)


class Mdn(nn.Module):
    """A network by its plan, in floating point.

    Shapes:
        input: (N, S, R, C), encoded slices; rows along y, columns along x.
        output: (N, O) of the plan's number. Of the estimates they are 14: x, M11, y, M22, cot alpha, M33,
            cot beta, M44, M21, M31, M32, M41, M42, M43 (raw, in scaled units). The covariance is M M^T with
            the softplus of the diagonal, see :func:`negative_log_likelihood`.
    """

    depthwise: nn.Module
    pointwise: nn.Module
    mix: nn.Module
    columns: nn.Module
    dense1: nn.Module
    dense2: nn.Module
    dense3: nn.Module
    norm0: nn.Module
    norm1: nn.Module
    norm2: nn.Module

    def __init__(self, network: NetworkOptions) -> None:
        super().__init__()
        self.plan, self.activate = network.plan, torch.relu if network.activation == "relu" else torch.tanh
        for layer in self.plan.layers:
            module = _layer(layer)
            self.add_module(layer.name, module)
            if layer.norm:
                images = isinstance(module, nn.Conv2d)
                self.add_module(layer.norm, _norm(network.batch_norm, layer.shape[0], images))

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, O)."""
        front = {"none": lambda image: [], "convolution": self._convolution, "columns": self._columns}
        seen = front[self.plan.front](image)
        # Axes are (cluster, slice, row, column): summed over the rows, a column is left.
        seen += [image.sum(2).flatten(1)] if self.plan.column_sums else []
        seen += [image.sum(3).flatten(1)] if self.plan.row_sums else []
        h = torch.cat(seen, dim=1)
        # tanh is the chip's usual one: there the saturation of a result takes its place, without a table.
        h = self.activate(self.norm1(self.dense1(h)))
        h = self.activate(self.norm2(self.dense2(h)))
        out: Tensor = self.dense3(h)
        return out

    def _convolution(self, image: Tensor) -> list[Tensor]:
        h = self.activate(self.norm0(self.pointwise(self.depthwise(image))))
        return [nn.functional.avg_pool2d(self.activate(self.mix(h)), POOL).flatten(1)]

    def _columns(self, image: Tensor) -> list[Tensor]:
        return [self.activate(self.norm0(self.columns(image))).flatten(1)]


def _layer(layer: Layer) -> nn.Module:
    """A layer with fresh weights."""
    n_out, n_in, *window = layer.torch_shape
    if not window:
        return nn.Linear(n_in, n_out)
    n_rows, n_columns = window
    return nn.Conv2d(n_in * layer.groups, n_out, (n_rows, n_columns), groups=layer.groups, bias=layer.bias)


def _norm(batch_norm: bool, width: int, images: bool) -> nn.Module:
    if not batch_norm:
        return nn.Identity()
    return nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)


def negative_log_likelihood(raw: Tensor, target: Tensor, focus: Sequence[float] = ()) -> Tensor:
    """Per-cluster negative log-likelihood (N,) of scaled targets (N, 4) under the outputs (N, 14).

    With a ``focus`` it is the sum of the four targets' likelihoods, each under those before it, by weight:
    each is a proper score of its own, so that the weights move precision and not the calibration.

    The diagonal goes through softplus: positive, with a gradient everywhere, and a one-input table in
        hardware.
    """
    diagonal = _positive(raw)
    z = _whiten(raw, diagonal, (target - raw[:, _MEANS])[..., None])
    if focus:
        each = 0.5 * z.square().sum(2) + diagonal.log() + 0.5 * math.log(2 * math.pi)
        return (each * each.new_tensor(focus)).sum(1)
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
    # Without a floor a few clusters known too well could drive the likelihood to infinity.
    return nn.functional.softplus(raw[:, _DIAGONAL]) + SMALLEST_SIGMA


def _whiten(raw: Tensor, diagonal: Tensor, columns: Tensor) -> Tensor:
    """M^-1 times columns (N, 4, K), by forward substitution."""
    # Forward substitution inverts no matrix and keeps all gradients.
    off = raw[:, 8:, None]
    d = diagonal[..., None]
    z0 = columns[:, 0] / d[:, 0]
    z1 = (columns[:, 1] - off[:, 0] * z0) / d[:, 1]
    z2 = (columns[:, 2] - off[:, 1] * z0 - off[:, 2] * z1) / d[:, 2]
    z3 = (columns[:, 3] - off[:, 3] * z0 - off[:, 4] * z1 - off[:, 5] * z2) / d[:, 3]
    return torch.stack([z0, z1, z2, z3], dim=1)
