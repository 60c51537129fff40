"""What the filters of a convolutional network look for: the input that each responds most to.

As in the talk of HEP.TrkX (EPJ Web Conf. 150, 00003): gradient ascent on the input, from noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.schema import InputError

__all__ = ["OptimalInputs", "optimal_inputs"]

RATE = 0.1
"""Step of the ascent, over the root mean square of the gradient."""
START = 0.1
"""Mean of the first image: noise on few pixels is on."""


@dataclass(frozen=True)
class OptimalInputs:
    """Inputs that the F filters of one layer respond most to.

    Attributes:
        layer: number of the convolution, from 1.
        images: (F, P, W) or (F, P, W, W) inputs, from 0 (no hit) to 1.
        before: (F,) response to the noise that the ascent starts from.
        after: (F,) response to the images.
    """

    layer: int
    images: npt.NDArray[np.float32]
    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]


def optimal_inputs(
    network: nn.Module, shape: tuple[int, ...], steps: int, seed: int, n_filters: int = 8
) -> list[OptimalInputs]:
    """Gradient ascent on the input for each filter of each convolution but the last, which gives the logits.

    The response of a filter is its value in the middle of its map, before the rectifier: the image shows what the
    filter wants to see about this place. Values of the image stay from 0 to 1, as hits do.

    Args:
        network: with convolutions in two or three dimensions.
        shape: of an image: (P, W) or (P, W, W).
        steps: of the ascent.
        seed: of the noise.
        n_filters: of each layer at most, the first of them.

    Raises:
        InputError: the network has no convolutions.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Conv3d))]
    if len(layers) < 2:
        raise InputError("filters: the network has no convolutions; give one of those that have")
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 * START
    return [
        _ascent(network, layer, k, noise, steps, min(n_filters, layer.out_channels))
        for k, layer in enumerate(layers[:-1], 1)
    ]


def _ascent(
    network: nn.Module, layer: nn.Module, number: int, noise: Tensor, steps: int, n_filters: int
) -> OptimalInputs:
    """All filters of a layer at once: image k of the batch is filter k's."""
    network.eval()
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))

    def responses(images: Tensor) -> Tensor:
        seen.clear()
        network(images)
        middle = tuple(side // 2 for side in seen[0].shape[2:])
        own = torch.arange(n_filters)
        return seen[0][(own, own, *middle)]

    images = noise.expand(n_filters, *noise.shape).clone()
    try:
        with torch.no_grad():
            before = responses(images)
        best, after = images, before
        for _ in range(steps):
            images.requires_grad_(True)
            (gradient,) = torch.autograd.grad(responses(images).sum(), images)
            size = gradient.flatten(1).square().mean(dim=1).sqrt().clamp_min(1e-12)
            with torch.no_grad():
                step = RATE * gradient / size.reshape(-1, *[1] * noise.ndim)
                images = (images + step).clamp(0, 1)
                now = responses(images)
                better = now > after
                after = torch.where(better, now, after)
                best = torch.where(better.reshape(-1, *[1] * noise.ndim), images, best)
    finally:
        handle.remove()
    return OptimalInputs(number, best.numpy(), before.double().numpy(), after.double().numpy())
