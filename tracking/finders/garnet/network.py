"""GarNet in torch, in floating point or rounded as on the chip (Y. Iiyama et al., arXiv 2008.03601).

A vertex v has a distance d to each of S aggregators and P features f, both linear in what it knows. An
aggregator keeps the mean over all vertices of exp(-d^2) f; a vertex gets these back, each times its
exp(-d^2), and takes F linear combinations. Behind the last layer the mean over the vertices goes through
dense layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smartpix.chip.fixed_point import FixedPoint
from smartpix.chip.kernel import Kernel, cut
from tracking.finders.garnet.formats import (
    ANSWER,
    DISTANCE,
    HIDDEN,
    INPUT,
    MEAN,
    N_INPUTS,
    OUTPUT,
    TOLD,
    WEIGHT,
    WEIGHT_BITS,
    weight_table,
)  # fmt: skip
from tracking.finders.garnet.options import GarNetOptions

__all__ = ["GarNet", "GarNetLayer", "Ternary"]


class Ternary(Kernel):
    """Weights that are -1, 0 or 1 times a power of two, one for each output."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape, bits=2)

    @torch.no_grad()
    def fit_format(self, finest: int | None = None) -> None:
        """Take for each output the power of two with the smallest squared error; of equal ones the finest."""
        candidates = torch.arange(-4.0, (9 if finest is None else finest) + 1)
        scale = 2.0 ** candidates[:, None, None]
        rounded = (self.weight * scale).round().clamp(-1, 1) / scale
        errors = (self.weight - rounded).square().sum(2)
        smallest = errors <= errors.min(0).values
        best = torch.where(smallest, candidates[:, None].to(errors), candidates[0]).max(0).values
        self.fraction.copy_(best[:, None])

    def rounded(self) -> Tensor:
        """The weights, rounded to ternary ones."""
        if not self.rounding:
            return self.weight
        scale = 2.0**self.fraction
        inside = (self.weight * scale).clamp(-1, 1)
        whole: Tensor = (inside + (inside.round() - inside).detach()) / scale
        return whole


def _bias(kernel: Kernel, given: int) -> Tensor:
    """Biases, in the unit of the sums where they are rounded, for inputs with a fraction."""
    if kernel.rounding:
        return kernel.offset(given + kernel.format.fraction)
    assert kernel.bias is not None
    return kernel.bias


def _linear(x: Tensor, kernel: Kernel, given: FixedPoint, to: FixedPoint) -> Tensor:
    """A layer's results in a format, of inputs in another."""
    sums = nn.functional.linear(x, kernel.rounded(), _bias(kernel, given.fraction))
    return cut(sums, to, kernel.rounding)


class GarNetLayer(nn.Module):
    """One layer.

    Attributes:
        distance: weights of the distances; tell: of the features, ternary; back: of what comes back, ternary,
            (F, S P) with the P of one aggregator side by side.

    Shapes:
        x: (B, V, I), mask: (B, V) 1 for vertices that are there and else 0 -> (B, V, F).
    """

    table: Tensor

    def __init__(self, n_in: int, aggregators: int, filters: int, vertices: int) -> None:
        super().__init__()
        self.vertices = vertices
        self.distance = Kernel((aggregators, n_in), WEIGHT_BITS)
        self.tell = Ternary((filters, n_in))
        self.back = Ternary((filters, aggregators * filters))
        table = torch.from_numpy(weight_table()).float() * 2.0**-WEIGHT.fraction
        self.register_buffer("table", table, persistent=False)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of the vertices for the aggregators (B, V, S)."""
        d = _linear(x, self.distance, INPUT, DISTANCE)
        weight = torch.exp(-d.square())
        if self.distance.rounding:
            place = (d.detach() * 2.0**DISTANCE.fraction).long() - DISTANCE.low
            weight = weight + (self.table[place] - weight).detach()
        return weight * mask[..., None]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the vertices know behind the layer."""
        weight = self.weights(x, mask)
        told = _linear(x, self.tell, INPUT, TOLD)
        mean = cut(torch.einsum("bvs,bvp->bsp", weight, told) / self.vertices, MEAN, self.tell.rounding)
        by_aggregator = self.back.rounded().reshape(-1, weight.shape[2], told.shape[2])
        given = torch.einsum("bsp,fsp->bsf", mean, by_aggregator)
        bias = _bias(self.back, WEIGHT.fraction + MEAN.fraction)
        return cut(torch.einsum("bvs,bsf->bvf", weight, given) + bias, OUTPUT, self.back.rounding)


class GarNet(nn.Module):
    """The network: an answer for each sector.

    Shapes:
        x: (B, V, 4) in the format INPUT, mask: (B, V) -> logits (B,).
    """

    def __init__(self, options: GarNetOptions) -> None:
        super().__init__()
        self.options = options
        layers, n_in = [], N_INPUTS
        for aggregators, filters in zip(options.aggregators, options.filters, strict=True):
            layers.append(GarNetLayer(n_in, aggregators, filters, options.vertices))
            n_in = filters
        self.layers = nn.ModuleList(layers)
        sizes = [n_in, *options.dense, 1]
        self.dense = nn.ModuleList(
            Kernel((n, m), WEIGHT_BITS) for m, n in zip(sizes, sizes[1:], strict=False)
        )
        self.set_rounding(False)

    def garnet_layers(self) -> list[GarNetLayer]:
        """GarNet's layers."""
        return [module for module in self.layers if isinstance(module, GarNetLayer)]

    def dense_layers(self) -> list[Kernel]:
        """The layers behind."""
        return [module for module in self.dense if isinstance(module, Kernel)]

    def kernels(self) -> list[Kernel]:
        """All weights."""
        return [module for module in self.modules() if isinstance(module, Kernel)]

    def set_rounding(self, rounding: bool) -> None:
        """Round weights and results as on the chip, or leave them as they are."""
        for kernel in self.kernels():
            kernel.rounding = rounding

    def fit_formats(self) -> None:
        """Let the units follow the weights."""
        for kernel in self.kernels():
            kernel.fit_format()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Logits; below zero rather no."""
        rounding = self.kernels()[0].rounding
        for layer in self.garnet_layers():
            x = layer(x, mask)
        x = cut((x * mask[..., None]).sum(1) / self.options.vertices, MEAN, rounding)
        given, (*hidden, last) = MEAN, self.dense_layers()
        for kernel in hidden:
            x, given = _linear(x, kernel, given, HIDDEN), HIDDEN
        return _linear(x, last, given, ANSWER).squeeze(1)
