"""What the filters of a convolutional network look for: the input that each responds most to.

As in the talk of HEP.TrkX (EPJ Web Conf. 150, 00003): gradient ascent on the input, from noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.schema import InputError
from tracking.finders.trkx.networks import Autoencoder, ConvAutoencoder2d, ConvNetwork

__all__ = ["OptimalInputs", "has_filters", "optimal_inputs"]

RATE = 0.1
"""Step of the ascent, over the root mean square of the gradient."""
START = 0.1
"""Mean of the noise that the ascent starts from."""
SMALLEST = 1e-12
"""Root mean square of a gradient that is none."""


@dataclass(frozen=True)
class OptimalInputs:
    """Inputs that the F filters of one layer respond most to.

    Attributes:
        layer: number of the convolution, from 1.
        field: of each direction of the image the first and the last place that the filter sees.
        images: (F, P, W) or (F, P, W, W) inputs, from 0 (no hit) to 1; 0 where the filter does not look.
        before: (F,) response to the noise that the ascent starts from.
        after: (F,) response to the images.
    """

    layer: int
    field: tuple[tuple[int, int], ...]
    images: npt.NDArray[np.float32]
    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]


def optimal_inputs(
    network: nn.Module, shape: tuple[int, ...], steps: int, seed: int, n_filters: int = 8
) -> list[OptimalInputs]:
    """Gradient ascent on the input for each filter of each convolution but the last, which gives the logits.

    The response of a filter is its value in the middle of its map, before the rectifier: the image shows what
        the
    filter wants to see about this place. Values of the image stay from 0 to 1, as hits do. What is kept is
    the best image on the way.

    Args:
        network: one of those with convolutions, see :func:`has_filters`.
        shape: of an image: (P, W) or (P, W, W).
        steps: of the ascent.
        seed: of the noise.
        n_filters: of each layer at most, the first of them.

    Raises:
        InputError: the network has no convolutions.
    """
    if not has_filters(network):
        raise InputError("filters: the network has no convolutions; give one of those that have")
    layers = network.layers
    places = [k for k, layer in enumerate(layers) if isinstance(layer, (nn.Conv2d, nn.Conv3d))]
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 * START
    return [
        _ascent(nn.Sequential(*list(layers)[: place + 1]), number, noise, steps, n_filters)
        for number, place in enumerate(places[:-1], 1)
    ]


def has_filters(network: nn.Module) -> TypeGuard[ConvNetwork | ConvAutoencoder2d | Autoencoder]:
    """Whether a network finds tracks with convolutions, whose filters can be looked at."""
    return isinstance(network, (ConvNetwork, ConvAutoencoder2d, Autoencoder))


def _ascent(trunk: nn.Sequential, number: int, noise: Tensor, steps: int, n_filters: int) -> OptimalInputs:
    """All filters of a layer at once: image k of the batch is filter k's.

    Args:
        trunk: the network up to the layer.
    """
    trunk.eval()
    with torch.no_grad():
        _, n_maps, *sides = trunk(noise[None, None]).shape
    own = torch.arange(min(n_filters, n_maps))
    ones = [1] * noise.ndim

    def responses(images: Tensor) -> Tensor:
        maps: Tensor = trunk(images[:, None])
        middle = [torch.full_like(own, side // 2) for side in sides]
        return maps[own, own, *middle]

    images = noise.expand(len(own), *noise.shape).clone()
    with torch.no_grad():
        before = responses(images)
    best, after = images, before
    seen = torch.zeros_like(images, dtype=torch.bool)
    for _ in range(steps):
        images.requires_grad_(True)
        now = responses(images)
        (gradient,) = torch.autograd.grad(now.sum(), images)
        with torch.no_grad():
            best, after = _better(best, after, images, now)
            seen |= gradient != 0
            # A filter that nothing moves, behind rectifiers that are all closed, keeps its image.
            size = gradient.flatten(1).square().mean(dim=1).sqrt().clamp_min(SMALLEST)
            images = (images + RATE * gradient / size.reshape(-1, *ones)).clamp(0, 1)
    with torch.no_grad():
        best, _ = _better(best, after, images, responses(images))
        best = best * seen
        after = responses(best)
    field = tuple(
        _field(trunk, axis, side // 2, n)
        for axis, (side, n) in enumerate(zip(sides, noise.shape, strict=True))
    )
    return OptimalInputs(number, field, best.numpy(), before.double().numpy(), after.double().numpy())


def _field(trunk: nn.Sequential, axis: int, place: int, side: int) -> tuple[int, int]:
    """First and last place of one direction of an image, with so many pixels, that a place of the last map
    sees.
    """
    low = high = place
    for layer in reversed(trunk):
        match layer:
            case nn.Conv2d() | nn.Conv3d():
                low -= int(layer.padding[axis])
                high += layer.kernel_size[axis] - 1 - int(layer.padding[axis])
            case nn.MaxPool2d() | nn.MaxPool3d():
                size = layer.kernel_size if isinstance(layer.kernel_size, int) else layer.kernel_size[axis]
                low, high = low * size, high * size + size - 1
            case nn.Upsample():
                assert isinstance(layer.scale_factor, float)
                size = int(layer.scale_factor)
                low, high = low // size, high // size
            case _:
                # Rectifiers; and zeros behind the last pixels, which move nothing.
                pass
    return max(low, 0), min(high, side - 1)


def _better(best: Tensor, after: Tensor, images: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
    """Of each filter the image with the larger response, and this."""
    chosen = now.detach() > after
    place = chosen.reshape(-1, *[1] * (images.ndim - 1))
    return torch.where(place, images.detach(), best), torch.where(chosen, now.detach(), after)
