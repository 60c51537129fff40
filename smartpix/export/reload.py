"""A network whose weights stand in registers and are loaded through a port, as Verilog.

An irradiated sensor needs new weights (arXiv 2510.06588), and :mod:`smartpix.export.logic` makes the weights
part of the wiring. Here each weight that is not zero has a register and each of its places a multiplier.
Zeros stay zeros: a multiplier that is not there cannot be loaded. All else follows
:func:`smartpix.chip.fixed_point.evaluate` step by step, and every wire is as wide as the largest value that
any weights of the formats could bring.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from smartpix.chip.fixed_point import FixedNetwork
from smartpix.export.logic import code_range
from smartpix.export.reload_verilog import Register, Writer
from smartpix.schema import InputError

__all__ = ["Design", "load_words", "random_weights", "refit", "reloadable"]


@dataclass(frozen=True)
class Design:
    """Verilog of a reloadable network.

    Attributes:
        text: the module ``smartpix``.
        latency: edges of the clock from a cluster to its results.
        registers: all that is loaded, the lowest bits first.
        load_bits: bits that are loaded at an edge of the clock.
        multipliers: products of a weight that are computed for one cluster.
        register_bits: flip-flops that hold weights or stand between stages, before synthesis.
    """

    text: str
    latency: int
    registers: tuple[Register, ...]
    load_bits: int
    multipliers: int
    register_bits: int

    @property
    def weight_bits(self) -> int:
        """Bits of all weights and biases."""
        return sum(register.bits for register in self.registers)

    @property
    def load_cycles(self) -> int:
        """Edges of the clock that it takes to load them."""
        return -(-self.weight_bits // self.load_bits)


def reloadable(network: FixedNetwork, depth: int, load_bits: int) -> Design:
    """Verilog of a network in the formats and with the zeros of this one, whose weights are loaded.

    Args:
        depth: adders one after the other between two registers.
        load_bits: width of the port that the weights come through.

    Raises:
        InputError: no output depends on the input.
    """
    if any(not np.any(weight) for weight in network.weights.values()):
        raise InputError("network: a layer has no weights, there is nothing to load; were all pruned away?")
    writer = Writer(network, depth)
    text = writer.module(load_bits)
    return Design(
        text, writer.latency, tuple(writer.registers), load_bits, writer.multipliers, writer.register_bits
    )


def load_words(design: Design, network: FixedNetwork) -> list[int]:
    """What is sent through the port, in order, so that the design computes what a network does.

    Raises:
        InputError: a weight that the design has no register for, or beyond its register.
    """
    n_weights = {name: np.count_nonzero(weight) for name, weight in network.weights.items()}
    held = dict.fromkeys(n_weights, 0)
    bits: list[int] = []
    for register in design.registers:
        numbers = (network.biases if register.bias else network.weights)[register.layer].ravel()
        value = int(numbers[register.index])
        if not register.bias:
            held[register.layer] += value != 0
        if not -(1 << (register.bits - 1)) <= value < 1 << (register.bits - 1):
            raise InputError(
                f"reload: {'bias' if register.bias else 'weight'} {register.index} of '{register.layer}' is "
                f"{value} and its register has {register.bits} bits; train in the formats of the design"
            )
        bits += [value >> k & 1 for k in range(register.bits)]
    for layer, n in n_weights.items():
        if held[layer] != n:
            raise InputError(
                f"reload: {n - held[layer]} weights of '{layer}' are not zero where the design has zeros; "
                "train with keep_zeros from the weights of the design"
            )
    bits += [0] * (design.load_cycles * design.load_bits - len(bits))
    words = np.array(bits).reshape(-1, design.load_bits)
    return [sum(int(bit) << k for k, bit in enumerate(word)) for word in words]


def refit(network: FixedNetwork, like: FixedNetwork) -> FixedNetwork:
    """A network in the formats of a design, so that it can be loaded: the same outputs, bit for bit.

    Raises:
        InputError: another kind, shape, or rounding, or weights finer than those of the design.
    """
    same = (
        network.plan == like.plan
        and network.input == like.input
        and dict(network.outputs) == dict(like.outputs)
        and code_range(network) == code_range(like)
    )
    if not same:
        raise InputError(
            "reload: the weights are of another kind of network, or of other results or codes, than the "
            "design; start the training from the weights of the design"
        )
    weights, biases = dict(network.weights), dict(network.biases)
    for layer in network.layers:
        up = like.formats[layer].fraction - network.formats[layer].fraction
        # What pointwise sees of depthwise is in the unit of depthwise's weights.
        more = like.sum_fraction(layer) - network.sum_fraction(layer)
        if up < 0 or more < 0:
            raise InputError(
                f"reload: weights of '{layer}' have {network.formats[layer].fraction} bits behind the point "
                f"and the design's have {like.formats[layer].fraction}; train in the formats of the design"
            )
        weights[layer] = weights[layer] << up
        if layer in biases:
            biases[layer] = biases[layer] << more
    return replace(network, weights=weights, biases=biases, formats=like.formats)


def random_weights(network: FixedNetwork, seed: int = 1) -> FixedNetwork:
    """Other weights in the same formats, with the same zeros: all bits of their registers may differ.

    The hidden layers' biases change places, those of the outputs stay.
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for layer, weight in network.weights.items():
        form = network.formats[layer]
        # Never zero, so that the draw has the design's zeros and no others.
        drawn = rng.integers(1, form.high + 1, weight.shape) * rng.choice([-1, 1], weight.shape)
        weights[layer] = np.where(weight != 0, drawn, 0)
    biases = {
        layer: rng.permutation(bias) if layer != "dense3" else bias for layer, bias in network.biases.items()
    }
    return replace(network, weights=weights, biases=biases)
