"""Torch modules of the link: ECON-T's autoencoder on its own geometries, and ours on the window of a
cluster.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.chip.kernel import Kernel, cut
from smartpix.link.encoder import N_SLICES, FixedEncoder, encoder_from_arrays
from smartpix.link.images import Boxes
from smartpix.link.options import FILTER, STRIDE, LinkOptions
from smartpix.schema import N_COLUMNS, N_ROWS, InputError, quoted

__all__ = ["ECON_SHAPES", "N_SIDE", "EconAutoencoder", "LinkAutoencoder", "fixed_encoder", "side_information"]

ECON_SHAPES = {"8x8x1": ((8, 8, 1), 2), "4x4x3": ((4, 4, 3), 1)}
"""Rows, columns and layers of the geometries of arXiv 2105.01683, and the convolution's stride."""
ECON_LATENT, ECON_FILTERS = 16, 8
N_SIDE = 9
"""Numbers that the decoder is told beside those of the encoder."""


class EconAutoencoder(nn.Module):
    """The autoencoder of arXiv 2105.01683: a convolution of 8 filters, dense 128 -> 16; dense 128, two
    transposed convolutions, sigmoid. Its encoder has 2,144 parameters on 8x8x1 and 2,288 on 4x4x3.

    Shapes:
        input and output: (N, layers, rows, columns), shares of the largest charge.

    Raises:
        InputError: another geometry.
    """

    def __init__(self, geometry: str) -> None:
        super().__init__()
        if geometry not in ECON_SHAPES:
            raise InputError(f"link: geometry {quoted(geometry)} is unknown; use {' or '.join(ECON_SHAPES)}")
        (rows, columns, layers), stride = ECON_SHAPES[geometry]
        map_ = (ECON_FILTERS, rows // stride, columns // stride)
        width = math.prod(map_)
        self.encoder = nn.Sequential(
            nn.Conv2d(layers, ECON_FILTERS, FILTER, stride, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(width, ECON_LATENT),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(ECON_LATENT, width), nn.ReLU(), nn.Unflatten(1, map_),
            nn.ConvTranspose2d(ECON_FILTERS, ECON_FILTERS, FILTER, stride, padding=1, output_padding=stride - 1), nn.ReLU(),
            nn.ConvTranspose2d(ECON_FILTERS, layers, FILTER, padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Reconstructed images."""
        found: Tensor = self.decoder(self.encoder(images))
        return found


class LinkAutoencoder(nn.Module):
    """Ours: the encoder as the chip computes it, and a decoder that also knows the bounding box.

    Shapes:
        input: codes (N, 2, 13, 21) in the format of the options, and what :func:`side_information` gives (N,
            9).
        output: compressed charge (N, 2, 13, 21).
    """

    def __init__(self, options: LinkOptions) -> None:
        super().__init__()
        self.options = options
        width = math.prod(options.map)
        self.conv = Kernel((options.filters, N_SLICES, FILTER, FILTER), options.weight_bits)
        self.dense = Kernel((options.latent, width), options.weight_bits)
        shape, hidden = (N_SLICES, N_ROWS, N_COLUMNS), options.hidden
        # On the host, where nothing asks for few weights, dense layers are faster than transposed convolutions.
        self.decoder = nn.Sequential(
            nn.Linear(options.latent + N_SIDE, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, math.prod(shape)), nn.Unflatten(1, shape),
        )  # fmt: skip

    def latent(self, codes: Tensor) -> Tensor:
        """What is sent (N, latent), -1 to 1."""
        options = self.options
        fraction = options.codes.fraction + self.conv.format.fraction
        x = codes.float() / 2.0**options.codes.fraction
        hidden = nn.functional.conv2d(x, self.conv.rounded(), self.conv.offset(fraction), STRIDE)
        hidden = cut(hidden, options.results).flatten(1)
        fraction = options.results.fraction + self.dense.format.fraction
        sums = nn.functional.linear(hidden, self.dense.rounded(), self.dense.offset(fraction))
        return cut(sums, options.sent)

    def decode(self, latent: Tensor, side: Tensor) -> Tensor:
        """Compressed charge of latent numbers."""
        found: Tensor = self.decoder(torch.cat([latent, side], dim=1))
        return found

    def forward(self, codes: Tensor, side: Tensor) -> Tensor:
        """Compressed charge of codes."""
        return self.decode(self.latent(codes), side)


def side_information(boxes: Boxes, barrel: npt.NDArray[np.bool_]) -> Tensor:
    """What the host knows of clusters without their pixels (N, 9): the ends of the box, its size, and the
    region.
    """
    whole = np.array([N_ROWS, N_COLUMNS])
    size = boxes.last - boxes.first + 1
    columns = [boxes.first / whole, boxes.last / whole, size / whole, 1 / size, barrel[:, None]]
    return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))


@torch.no_grad()
def fixed_encoder(
    network: LinkAutoencoder, name: str = "weights"
) -> tuple[dict[str, npt.NDArray[np.int32]], FixedEncoder]:
    """The encoder in whole numbers: arrays to be saved, and what they are."""
    options = network.options
    arrays: dict[str, npt.NDArray[np.int32]] = {}
    finest = {"conv": options.codes.fraction, "dense": options.results.fraction}
    for layer, before in finest.items():
        kernel: Kernel = getattr(network, layer)
        form = kernel.format
        assert kernel.bias is not None
        values = {
            "weight": kernel.rounded() * 2.0**form.fraction,
            "bias": kernel.offset(before + form.fraction) * 2.0 ** (before + form.fraction),
            "format": torch.tensor([form.bits, form.fraction]),
        }
        arrays |= {
            f"encoder.{layer}.{part}": v.round().numpy().astype(np.int32) for part, v in values.items()
        }
    return arrays, encoder_from_arrays(arrays, options, name)
