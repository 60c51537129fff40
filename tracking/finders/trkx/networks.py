"""The networks of HEP.TrkX that find one track's pixels (EPJ Web Conf. 150, 00003; HEPTrkX/heptrkx-ctd).

All take images of hits (N, P, W) or (N, P, W, W), as numbers of 32 bits, and give a logit for each pixel of
each plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tracking.finders.trkx.captions import CaptionNetwork, CovarianceNetwork
from tracking.finders.trkx.layers import start_layers
from tracking.finders.trkx.models import MODELS, check_model, scaled
from tracking.finders.trkx.options import ToyOptions, plane_ranges
from tracking.finders.trkx.recurrent import Lstm

__all__ = [
    "MODELS", "Autoencoder", "ConvAutoencoder2d", "ConvNetwork", "LstmNetwork", "VariableLstm", "make_network",

]  # fmt: skip

N_CONVOLUTIONS = 10
"""Of the simple convolutional networks, before the one that gives the logits."""
IMPOSSIBLE = -1e4
"""Logit of a pixel that a plane does not have."""


class LstmNetwork(nn.Module):
    """An LSTM along the planes, and a dense layer that gives logits: ``lstm`` and its kin.

    Args:
        n_pixels: of a plane.
        n_hidden: units of the LSTM and of the other dense layers.
        deep: with a dense layer before the LSTM, and one more behind it.
        both: with a second LSTM that comes from the last plane, and one more dense layer behind them.
        ahead: the logits that follow plane p are of plane p + 1, so that the network must predict.

    Shapes:
        images: (N, P, ...) -> (N, P, n_pixels); with ``ahead`` (N, P - 1, n_pixels), of planes 1 to P - 1.
    """

    def __init__(
        self, n_pixels: int, n_hidden: int, deep: bool = False, both: bool = False, ahead: bool = False
    ) -> None:
        super().__init__()
        self.ahead = ahead
        self.before = nn.Sequential(nn.Linear(n_pixels, n_hidden), nn.ReLU()) if deep else nn.Identity()
        self.onward = Lstm(n_hidden if deep else n_pixels, n_hidden)
        self.back = Lstm(n_pixels, n_hidden) if both else None
        n_states = 2 * n_hidden if both else n_hidden
        between = [nn.Linear(n_states, n_hidden), nn.ReLU()] if deep or both else []
        self.behind = nn.Sequential(*between, nn.Linear(n_hidden, n_pixels))
        start_layers(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels."""
        # One plane after the other, so that a step of the LSTM reads what lies together.
        planes = images.flatten(2).transpose(0, 1).contiguous()
        if self.ahead:
            planes = planes[:-1]
        planes = self.before(planes)
        states = self.onward(planes)
        if self.back is not None:
            states = torch.cat((states, self.back(planes.flip(0)).flip(0)), dim=2)
        logits: Tensor = self.behind(states)
        return logits.transpose(0, 1)


class VariableLstm(nn.Module):
    """An LSTM whose planes have different widths: each has dense layers of its own before and behind it.

    Args:
        ranges: first pixel of each plane and the one behind its last, of the ``width`` of the image.

    Shapes:
        images: (N, P, W) -> (N, P, W), very small where a plane has no pixel.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]], n_hidden: int) -> None:
        super().__init__()
        self.ranges = list(ranges)
        widths = [high - low for low, high in self.ranges]
        self.before = nn.ModuleList(nn.Linear(width, n_hidden) for width in widths)
        self.lstm = Lstm(n_hidden, n_hidden)
        self.behind = nn.ModuleList(nn.Linear(n_hidden, width) for width in widths)
        start_layers(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels."""
        planes = zip(self.before, self.ranges, strict=True)
        read = [layer(images[:, p, low:high]) for p, (layer, (low, high)) in enumerate(planes)]
        states = self.lstm(torch.stack(read))
        logits = images.new_full(images.shape, IMPOSSIBLE)
        for p, (layer, (low, high)) in enumerate(zip(self.behind, self.ranges, strict=True)):
            logits[:, p, low:high] = layer(states[p])
        return logits


class ConvNetwork(nn.Module):
    """Ten convolutions that keep the size of the image, and one that gives the logits.

    Args:
        n_dimensions: of an image: 2, or 3 where planes are square.

    Shapes:
        images: (N, P, W) or (N, P, W, W) -> (N, P, pixels of a plane).
    """

    def __init__(self, n_dimensions: int, n_filters: int) -> None:
        super().__init__()
        kind = nn.Conv2d if n_dimensions == 2 else nn.Conv3d
        layers: list[nn.Module] = []
        for k in range(N_CONVOLUTIONS):
            layers += [kind(n_filters if k else 1, n_filters, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, kind(n_filters, 1, 3, padding=1))
        start_layers(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels."""
        logits: Tensor = self.layers(images[:, None])
        return logits.flatten(3)[:, 0] if logits.ndim == 5 else logits[:, 0]


class ConvAutoencoder2d(nn.Module):
    """Convolutions that halve the image four times, and as many that double it again.

    Shapes:
        images: (N, P, W), both multiples of 16 -> (N, P, W).
    """

    def __init__(self, n_filters: int) -> None:
        super().__init__()
        filters = [n_filters * 2**k for k in range(4)]
        layers: list[nn.Module] = []
        channels = 1
        for n in filters:
            layers += [nn.Conv2d(channels, n, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels = n
        for n in reversed(filters):
            layers += [nn.Conv2d(channels, n, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)]
            channels = n
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))
        start_layers(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels."""
        logits: Tensor = self.layers(images[:, None])
        return logits[:, 0]


class Autoencoder(nn.Module):
    """Convolutions in three dimensions that halve square planes five times but leave their number, and a
    dense layer that all planes share.

    Shapes:
        images: (N, P, W, W), W a multiple of 32 -> (N, P, W W).
    """

    FILTERS = ((1, 3, False), (1, 3, True), (2, 3, False), (2, 3, True), (4, 3, True), (8, 3, True),
               (12, 2, True), (16, 1, False))  # fmt: skip
    """Of each convolution the filters, over those of the first; the size of its kernel along the plane; and
    whether planes are halved behind it.
    """

    def __init__(self, n_filters: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for times, kernel, halved in self.FILTERS:
            # A kernel of even size keeps the size of the plane with one more row and column at its end.
            beside = (kernel - 1) // 2
            if kernel % 2 == 0:
                layers.append(nn.ZeroPad3d((0, 1, 0, 1, 0, 0)))
            layer = nn.Conv3d(channels, times * n_filters, (3, kernel, kernel), padding=(1, beside, beside))
            layers += [layer, nn.ReLU()]
            if halved:
                layers.append(nn.MaxPool3d((1, 2, 2)))
            channels = times * n_filters
        self.layers = nn.Sequential(*layers)
        self.behind = nn.Linear(channels * (width // 32) ** 2, width * width)
        # From Glorot's weights, as published, the loss stays where it is for long: halved planes lose what is
        # left of their few hits.
        start_layers(self, rectified=True)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels."""
        planes = self.layers(images[:, None]).transpose(1, 2).flatten(2)
        logits: Tensor = self.behind(planes)
        return logits


def make_network(name: str, toy: ToyOptions, width: float = 1.0) -> nn.Module:
    """An untrained network of :data:`MODELS`, from torch's random numbers.

    Args:
        toy: the toys that it reads.
        width: factor of the numbers of units and filters; 1 is the published network.

    Raises:
        InputError: the model cannot read such toys.
    """
    model = check_model(name, toy)
    hidden = scaled(model.hidden, width)
    n_pixels = int(torch.Size(toy.plane_shape).numel())
    match name:
        case "lstm-variable":
            return VariableLstm(plane_ranges(toy), hidden)
        case "conv" | "conv-2d":
            return ConvNetwork(1 + len(toy.plane_shape), hidden)
        case "conv-autoencoder-2d":
            return ConvAutoencoder2d(hidden)
        case "autoencoder":
            return Autoencoder(hidden, toy.width)
        case "caption":
            return CaptionNetwork((toy.n_planes, toy.width), toy.max_tracks, width)
        case "caption-covariance":
            return CovarianceNetwork(CaptionNetwork((toy.n_planes, toy.width), toy.max_tracks, width))
        case _:
            return LstmNetwork(
                n_pixels, hidden, name == "deep-lstm", name == "bidirectional", name == "next-layer"
            )
