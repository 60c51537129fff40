"""Weights into a module of quantised training, and the network of whole numbers out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from smartpix.chip.fixed_point import FixedNetwork
from smartpix.chip.quantize import QuantizedMdn
from smartpix.networks.fused import fold_norm
from smartpix.schema import InputError

__all__ = ["from_fixed", "from_float", "to_fixed"]


def to_fixed(model: QuantizedMdn) -> FixedNetwork:
    """The network of whole numbers that the module stands for."""
    o = model.options
    kernels = model.kernels()
    formats = {name: kernel.format for name, kernel in kernels.items()}
    weights = {name: _whole(kernel.rounded(), kernel.format.fraction) for name, kernel in kernels.items()}
    outputs = {name: o.result(name) for name in model.plan.results}
    edges = np.sort(np.round(model.edges(), 1))
    network = FixedNetwork(
        o.kind, model.plan.shape, edges, o.data, o.activation, weights, {}, formats, outputs
    )
    biases = {
        name: _whole(kernel.offset(network.sum_fraction(name)), network.sum_fraction(name))
        for name, kernel in kernels.items()
        if kernel.bias is not None
    }
    return replace(network, biases=biases)


def from_fixed(model: QuantizedMdn, network: FixedNetwork, name: str) -> None:
    """Put a network's weights and formats into a module of the same sizes.

    Raises:
        InputError: the sizes differ; names the weights.
    """
    with torch.no_grad():
        for layer, kernel in model.kernels().items():
            _check_size(name, layer, network.weights[layer].shape, model.plan.layer(layer).shape)
            fraction = network.formats[layer].fraction
            kernel.weight.copy_(_real(network.weights[layer], fraction))
            kernel.fit_format(finest=fraction)
            if not network.weights[layer].any():
                kernel.fraction.fill_(fraction)
            if kernel.bias is not None:
                kernel.bias.copy_(_real(network.biases[layer], network.sum_fraction(layer)))
        # Of a network with another ADC the edges say nothing.
        if (
            model.log_edges is not None
            and len(network.edges) == len(model.log_edges)
            and network.edges[0] > 0
        ):
            model.log_edges.copy_(torch.from_numpy(np.log(network.edges)))


def from_float(model: QuantizedMdn, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> None:
    """Put the weights of a float network of the same kind and sizes into a module.

    Batch normalisation that follows a layer becomes part of its weights and biases, as it is applied after
    the training: the chip has none (Jacob et al., arXiv 1712.05877, section 3.2).

    Raises:
        InputError: the sizes differ; names the weights.
    """
    with torch.no_grad():
        for layer, kernel in model.kernels().items():
            weight, planned = np.array(arrays[f"{layer}.weight"]), model.plan.layer(layer)
            _check_size(name, layer, weight.shape, planned.torch_shape)
            bias = arrays.get(f"{layer}.bias")
            if planned.norm:
                last, bias = fold_norm(np.moveaxis(weight, 0, -1), bias, arrays, planned.norm)
                weight = np.ascontiguousarray(np.moveaxis(last, -1, 0), dtype=np.float32)
            kernel.weight.copy_(torch.from_numpy(weight.reshape(planned.shape)))
            if kernel.bias is not None:
                kernel.bias.copy_(torch.from_numpy(np.array(bias, dtype=np.float32)))
            kernel.fit_format()


def _check_size(name: str, layer: str, found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if found != shape:
        raise InputError(f"{name}: '{layer}' is {found} and {shape} was asked for; ask for its widths")


def _whole(values: Tensor, fraction: int) -> npt.NDArray[np.int64]:
    return np.round(values.detach().double().numpy() * 2.0**fraction).astype(np.int64)


def _real(values: npt.NDArray[np.int64], fraction: int) -> Tensor:
    return torch.from_numpy((values * 2.0**-fraction).astype(np.float32))
