"""Taking out of a network of whole numbers what does nothing: dead units and filters. The outputs stay the
same, bit for bit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork

__all__ = ["shrink"]

Ints = npt.NDArray[np.int64]


def shrink(network: FixedNetwork) -> FixedNetwork:
    """The network without filters and units that nothing listens to, or that always say the same.

    What always says the same goes into the biases of the layer after it. One of each layer stays.
    """
    before = -1
    # A unit taken out may have been the only listener of one before it.
    while before != network.parameters:
        before = network.parameters
        for layer in network.plan.layers[:-1]:
            if layer.bias:
                network = _without_dead(network, layer.name)
    return network


def _without_dead(network: FixedNetwork, layer: str) -> FixedNetwork:
    weight, bias = network.weights[layer], network.biases[layer]
    after = network.plan.listener(layer)
    listens = _listens(network, layer, after)
    deaf = ~_by_output(weight).any(axis=1)
    # A slice whose depthwise weights are all 0 adds nothing, whatever pointwise makes of it.
    if layer == "pointwise":
        deaf = ~(weight * network.weights["depthwise"].any(axis=(1, 2))).any(axis=1)
    drop = ~listens | deaf
    if drop.all():
        drop[np.flatnonzero(drop)[0]] = False
    if not drop.any():
        return network
    # What a deaf unit says: its bias alone, cut as always.
    said = network.outputs[layer].cut(bias, network.sum_fraction(layer))
    weights, biases = dict(network.weights), dict(network.biases)
    biases[after] = biases[after] + _heard(network, layer, after, np.where(drop & deaf, said, 0))
    weights[layer], biases[layer] = weight[~drop], bias[~drop]
    weights[after] = _without_inputs(network, layer, after, ~drop)
    return replace(network, weights=weights, biases=biases)


def _by_output(weight: Ints) -> Ints:
    return weight.reshape(len(weight), -1)


def _inputs(network: FixedNetwork, layer: str, after: str) -> tuple[Ints, int]:
    """Weights of the layer after by (output, unit of this layer, place), and how many inputs come from
    elsewhere.
    """
    weight, n = network.weights[after], len(network.weights[layer])
    plan = network.plan
    # Each filter of the front has a whole map; of dense layers each unit is one number.
    n_inputs = plan.n_front if after == "dense1" else n
    return weight[:, :n_inputs].reshape(len(weight), n, n_inputs // n), weight.shape[1] - n_inputs


def _listens(network: FixedNetwork, layer: str, after: str) -> npt.NDArray[np.bool_]:
    return np.asarray(_inputs(network, layer, after)[0].any(axis=(0, 2)))


def _heard(network: FixedNetwork, layer: str, after: str, said: Ints) -> Ints:
    """What constant outputs of a layer add to the sums of the one after, in their unit."""
    weight, _ = _inputs(network, layer, after)
    fraction = network.outputs[layer].fraction
    if layer not in network.plan.layer(after).inputs:
        # Through the average, which of equal numbers is that number.
        said = network.outputs["pool"].cut(said, fraction)
        fraction = network.outputs["pool"].fraction
    up = network.input_fraction(after) - fraction
    return np.asarray((weight * said[None, :, None]).sum(axis=(1, 2)) << up)


def _without_inputs(network: FixedNetwork, layer: str, after: str, keep: npt.NDArray[np.bool_]) -> Ints:
    weight, n_other = _inputs(network, layer, after)
    kept = weight[:, keep].reshape(len(weight), -1)
    return (
        np.concatenate([kept, network.weights[after][:, weight.shape[1] * weight.shape[2] :]], axis=1)
        if n_other
        else kept
    )
