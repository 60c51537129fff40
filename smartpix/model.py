"""The mixture density network: a cluster's two images to position, angles and their covariance.

The layers are those of the smart-pixel talk's network with 2,029 parameters (arXiv 2602.15946 for the field): separable
3 x 3 convolution 2 -> 5 (33), 1 x 1 convolution (30), 3 x 3 average pooling, dense 90-16-16-14 (1456, 272, 238). The loss
is the exact negative log-likelihood, without the published clipping, so that bad clusters keep their gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from smartpix.schema import N_COLUMNS, N_ROWS

__all__ = ["ARCHITECTURE", "TARGET_SCALE", "Mdn", "encode", "negative_log_likelihood", "split_outputs"]

ARCHITECTURE = "mdn-conv-2029"
TARGET_SCALE = (0.075, 0.01875, 8.0, 0.5)
"""Divisors of the targets x, y (mm, from the window's centre), cot alpha, cot beta: the public data sets'."""

INPUT_SCALE = 10.0
_DIAGONAL = (1, 3, 5, 7)
_MEANS = (0, 2, 4, 6)
_OFF_DIAGONAL = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
SMALLEST_SIGMA = 1e-3
"""Floor of the Cholesky diagonal in scaled units (0.075 um in x): keeps the likelihood bounded."""


def encode(charge: Tensor) -> Tensor:
    """Network input from charge in e, any shape: sign * log2(1 + |q|) / 10."""
    return torch.sign(charge) * torch.log2(1 + charge.abs()) / INPUT_SCALE


class Mdn(nn.Module):
    """Mixture density network with one component.

    Shapes:
        input: (N, 2, 13, 21), encoded first and last slice; rows along y, columns along x.
        output: (N, 14): x, M11, y, M22, cot alpha, M33, cot beta, M44, M21, M31, M32, M41, M42, M43 (raw, in scaled
        units); covariance = M M^T after :func:`split_outputs` made the diagonal positive.
    """

    def __init__(self, n_slices: int = 2) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(n_slices, n_slices, 3, groups=n_slices, bias=False)
        self.pointwise = nn.Conv2d(n_slices, 5, 1)
        self.mix = nn.Conv2d(5, 5, 1)
        self.pool = nn.AvgPool2d(3)
        n_flat = 5 * ((N_ROWS - 2) // 3) * ((N_COLUMNS - 2) // 3)
        self.dense1 = nn.Linear(n_flat, 16)
        self.dense2 = nn.Linear(16, 16)
        self.dense3 = nn.Linear(16, 14)

    def forward(self, image: Tensor) -> Tensor:
        """Raw outputs (N, 14)."""
        h = torch.tanh(self.pointwise(self.depthwise(image)))
        h = self.pool(torch.tanh(self.mix(h))).flatten(1)
        h = torch.tanh(self.dense1(h))
        h = torch.tanh(self.dense2(h))
        out: Tensor = self.dense3(h)
        return out


def split_outputs(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Means (N, 4) and lower-triangular Cholesky factors (N, 4, 4) in scaled units from (N, 14).

    The diagonal goes through softplus: positive, with a gradient everywhere, and a one-input table in hardware.
    """
    mean = raw[:, _MEANS]
    cholesky = torch.diag_embed(nn.functional.softplus(raw[:, _DIAGONAL]) + SMALLEST_SIGMA)
    for k, (i, j) in enumerate(_OFF_DIAGONAL):
        cholesky[:, i, j] = raw[:, 8 + k]
    return mean, cholesky


def negative_log_likelihood(raw: Tensor, target: Tensor) -> Tensor:
    """Per-cluster negative log-likelihood (N,) of scaled targets (N, 4) under the outputs (N, 14)."""
    diagonal = nn.functional.softplus(raw[:, _DIAGONAL]) + SMALLEST_SIGMA
    residual = target - raw[:, _MEANS]
    off = raw[:, 8:]
    # Forward substitution M z = residual; z is the whitened residual.
    z0 = residual[:, 0] / diagonal[:, 0]
    z1 = (residual[:, 1] - off[:, 0] * z0) / diagonal[:, 1]
    z2 = (residual[:, 2] - off[:, 1] * z0 - off[:, 2] * z1) / diagonal[:, 2]
    z3 = (residual[:, 3] - off[:, 3] * z0 - off[:, 4] * z1 - off[:, 5] * z2) / diagonal[:, 3]
    return 0.5 * (z0**2 + z1**2 + z2**2 + z3**2) + diagonal.log().sum(1) + 2 * math.log(2 * math.pi)
