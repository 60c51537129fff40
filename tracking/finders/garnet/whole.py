"""GarNet in whole numbers: what the chip computes, bit for bit. Every sum is exact; what is cut off
afterwards is in the formats of :mod:`tracking.finders.garnet.formats`. Sums of whole numbers commute, so that
the order of the vertices and empty ones among them change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedPoint
from smartpix.schema import InputError
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
    weight_table,
)  # fmt: skip

if TYPE_CHECKING:
    from smartpix.chip.kernel import Kernel
    from tracking.finders.garnet.network import GarNet

__all__ = ["WholeGarNet", "WholeLayer", "WholeWeights", "evaluate", "whole_network"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WholeWeights:
    """Of one linear layer.

    Attributes:
        weight: (outputs, inputs) in units of 2^-fraction; bias: (outputs,) in the unit of the sums.
        fraction: of the weights.
    """

    weight: Ints
    bias: Ints
    fraction: int

    def __call__(self, x: Ints, given: int, to: FixedPoint) -> Ints:
        """Results in a format, of inputs (..., inputs) in units of 2^-given."""
        return to.cut(x @ self.weight.T + self.bias, given + self.fraction)


@dataclass(frozen=True)
class WholeLayer:
    """One GarNet layer: weights of the distances, of what is told, and of what comes back."""

    distance: WholeWeights
    tell: WholeWeights
    back: WholeWeights


@dataclass(frozen=True)
class WholeGarNet:
    """The network in whole numbers.

    Attributes:
        vertices: over which means are taken, a power of two.
        layers: GarNet's; dense: those behind.
    """

    vertices: int
    layers: tuple[WholeLayer, ...]
    dense: tuple[WholeWeights, ...]

    @property
    def shift(self) -> int:
        """Bits by which a sum over the vertices is finer than before as their mean."""
        return self.vertices.bit_length() - 1


def whole_network(network: GarNet) -> WholeGarNet:
    """Whole numbers of a network that was trained with rounding."""
    return WholeGarNet(
        network.options.vertices,
        tuple(
            WholeLayer(
                _weights(layer.distance, INPUT.fraction),
                _weights(layer.tell, INPUT.fraction),
                _weights(layer.back, WEIGHT.fraction + MEAN.fraction),
            )
            for layer in network.garnet_layers()
        ),
        tuple(
            _weights(kernel, (HIDDEN if k else MEAN).fraction)
            for k, kernel in enumerate(network.dense_layers())
        ),
    )


def _weights(kernel: Kernel, given: int) -> WholeWeights:
    """Of a layer whose inputs are in units of 2^-given."""
    fraction = kernel.format.fraction
    rounding, kernel.rounding = kernel.rounding, True
    weight = kernel.rounded().detach().double().numpy() * 2.0**fraction
    bias = kernel.offset(given + fraction).detach().double().numpy() * 2.0 ** (given + fraction)
    kernel.rounding = rounding
    return WholeWeights(weight.astype(np.int64), np.rint(bias).astype(np.int64), fraction)


def evaluate(network: WholeGarNet, codes: npt.NDArray[Any], mask: npt.NDArray[Any]) -> Ints:
    """Answers (B,) in the format ANSWER, of codes (B, V, 4) in the format INPUT and the mask (B, V) of
    vertices that are there.

    Raises:
        InputError: codes of another shape, or more vertices than the network has.
    """
    n_sectors, n_vertices, *_ = (*codes.shape, 0, 0)
    if codes.shape != (n_sectors, n_vertices, N_INPUTS) or mask.shape != codes.shape[:2]:
        raise InputError(
            f"garnet: takes codes (sectors, vertices, {N_INPUTS}) and a mask (sectors, vertices); these are "
            f"{codes.shape} and {mask.shape}"
        )
    if n_vertices > network.vertices:
        raise InputError(
            f"garnet: the network has {network.vertices} vertices and there are {n_vertices}; leave some out"
        )
    x, there, table = codes.astype(np.int64), mask.astype(np.int64), weight_table()
    for layer in network.layers:
        d = layer.distance(x, INPUT.fraction, DISTANCE)
        weight = table[d - DISTANCE.low] * there[..., None]
        told = layer.tell(x, INPUT.fraction, TOLD)
        mean = MEAN.cut(np.swapaxes(weight, 1, 2) @ told, WEIGHT.fraction + TOLD.fraction + network.shift)
        back = layer.back.weight.reshape(len(layer.back.weight), *mean.shape[1:])
        given = np.einsum("bsp,fsp->bsf", mean, back)
        fraction = WEIGHT.fraction + MEAN.fraction + layer.back.fraction
        x = OUTPUT.cut(weight @ given + layer.back.bias, fraction)
    x = MEAN.cut((x * there[..., None]).sum(1), OUTPUT.fraction + network.shift)
    for k, dense in enumerate(network.dense):
        to = ANSWER if k == len(network.dense) - 1 else HIDDEN
        x = dense(x, (HIDDEN if k else MEAN).fraction, to)
    return x[:, 0]
