"""Tracks as the caption of an image: a network that reads an image and tells the intercept and slope of one
line after the other, and a second head that tells their covariance (EPJ Web Conf. 150, 00003, section 5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tracking.finders.trkx.layers import start_layers
from tracking.finders.trkx.models import MODELS, scaled
from tracking.finders.trkx.recurrent import Lstm

__all__ = ["CaptionNetwork", "CovarianceNetwork", "caption_loss", "covariance_loss", "distances", "pulls"]

N_PARAMETERS = 2
"""Of a line: intercept and slope."""
N_COVARIANCE = 3
"""Logarithms of the two variances, and the area tangent of the correlation."""
FILTERS = (8, 8, 32, 32)
"""Of the convolutions; behind the second the image is halved."""


class _Head(nn.Module):
    """A dense layer, what it gives to an LSTM at each of its steps, and a dense layer for each line.

    Shapes:
        features: (N, F) -> (N, n_lines, n_outputs).
    """

    def __init__(self, n_features: int, n_hidden: int, n_lines: int, n_outputs: int) -> None:
        super().__init__()
        self.n_lines = n_lines
        self.dense = nn.Linear(n_features, n_hidden)
        self.lstm = Lstm(n_hidden, n_hidden)
        self.behind = nn.Linear(n_hidden, n_outputs)
        start_layers(self)

    def forward(self, features: Tensor) -> Tensor:
        repeated: Tensor = self.dense(features).expand(self.n_lines, -1, -1)
        states = self.lstm(repeated)
        # Of 16 bits, an intercept of 50 pixels would be known to a quarter of one.
        with torch.autocast("cpu", enabled=False):
            told: Tensor = self.behind(states.float())
        return told.transpose(0, 1)


class CaptionNetwork(nn.Module):
    """Convolutions of the image, and a head that tells the lines in the order of their intercepts.

    Args:
        shape: planes and pixels of an image.
        n_lines: that are told.
        width: factor of the numbers of units and filters; 1 is the published network.

    Shapes:
        images: (N, P, W) -> (N, n_lines, 2): intercept in pixels, slope in pixels a plane times W / 2.
    """

    def __init__(self, shape: tuple[int, int], n_lines: int, width: float = 1.0) -> None:
        super().__init__()
        a, b, c, d = (scaled(n, width) for n in FILTERS)
        self.layers = nn.Sequential(
            nn.Conv2d(1, a, 3, padding=1), nn.ReLU(), nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(b, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, d, 3, padding=1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.n_features = d * (shape[0] // 2) * (shape[1] // 2)
        self.n_hidden = scaled(MODELS["caption"].hidden, width)
        self.n_lines = n_lines
        start_layers(self)
        self.head = _Head(self.n_features, self.n_hidden, n_lines, N_PARAMETERS)

    def forward(self, images: Tensor) -> Tensor:
        """Intercepts and slopes."""
        told: Tensor = self.head(self.layers(images[:, None]))
        return told


class CovarianceNetwork(nn.Module):
    """A trained caption network, which stays as it is, and a second head behind its convolutions.

    Shapes:
        images: (N, P, W) -> (N, n_lines, 5): intercept and slope; the logarithms of their variances, and the
        area tangent of their correlation.
    """

    def __init__(self, caption: CaptionNetwork) -> None:
        super().__init__()
        self.caption = caption
        self.head = _Head(caption.n_features, caption.n_hidden, caption.n_lines, N_COVARIANCE)
        for values in caption.parameters():
            values.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Lines and their covariances."""
        features = self.caption.layers(images[:, None])
        return torch.cat((self.caption.head(features), self.head(features)), dim=2)


def caption_loss(told: Tensor, true: Tensor) -> Tensor:
    """Mean squared error over lines and both parameters, in pixels squared.

    Lines that are not there count, too: both of their parameters are to be -1, as published.

    Args:
        told, true: (N, T, 2).
    """
    return (told - true).square().mean()


def pulls(told: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals over their standard deviations, and the second of them freed of what the first says of it.

    The two numbers of the second result are independent and of unit variance if the covariance is right.

    Args:
        told: (N, T, 5); true: (N, T, 2).

    Returns:
        (N, T, 2) pulls, and (N, T, 2) independent ones, whose squares sum up to the Mahalanobis distance's.
    """
    scale = torch.exp(-0.5 * told[..., 2:4])
    pull = (true - told[..., :2]) * scale
    angle = told[..., 4]
    # 1 / sqrt(1 - tanh^2) is cosh: nothing is divided by what may be zero.
    second = pull[..., 1] * torch.cosh(angle) - pull[..., 0] * torch.sinh(angle)
    return pull, torch.stack((pull[..., 0], second), dim=-1)


def distances(told: Tensor, true: Tensor) -> Tensor:
    """Squares of the Mahalanobis distances r^T S^-1 r of lines (N, T)."""
    return pulls(told, true)[1].square().sum(dim=-1)


def covariance_loss(told: Tensor, true: Tensor, there: Tensor) -> Tensor:
    """Mean of log|S| + r^T S^-1 r over the lines that are there: twice the negative logarithm of a normal
    density, but for a constant. Of no lines it is 0, so that such a batch teaches nothing.

    Args:
        told: (N, T, 5); true: (N, T, 2); there: (N, T) whether there is such a line.
    """
    angle = told[..., 4].abs()
    # log(1 - tanh^2 a) = -2 log cosh a, which stays finite for a large a.
    log_cosh = angle + torch.log1p(torch.exp(-2 * angle)) - math.log(2)
    losses = told[..., 2] + told[..., 3] - 2 * log_cosh + distances(told, true)
    return losses[there].sum() / there.sum().clamp(min=1)
