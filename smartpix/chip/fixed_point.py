"""Networks of whole numbers: what the chip computes, bit for bit.

This is the one definition. The training imitates it, the fused kernels run it, and the exported C++ and
Verilog are compared with it. Every number is a whole one times a power of two, and sums are exact. After a
layer the result is cut off (rounded towards minus infinity, ap_fixed's AP_TRN) and saturates (AP_SAT). That
cut is the activation: ``"tanh"`` keeps [-1, 1), the hard tanh of quantised networks; ``"relu"`` keeps the
positive numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.networks.plan import (
    ACTIVATIONS,
    IMAGE,
    POOL,
    SPAN,
    WINDOW,
    Plan,
    check_kind,
    layer_names,
    result_names,
)
from smartpix.notebook import words_and_table
from smartpix.schema import InputError, quoted

__all__ = [
    "FixedNetwork",
    "FixedPoint",
    "adc_codes",
    "describe",
    "evaluate",
    "from_arrays",
    "link_format",
    "ninth",
    "to_arrays",
]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FixedPoint:
    """Numbers ``k * 2^-fraction`` with whole k of ``bits`` bits, in two's complement if ``signed``."""

    signed: bool
    bits: int
    fraction: int

    @property
    def low(self) -> int:
        """Smallest k."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest k."""
        return (1 << (self.bits - self.signed)) - 1

    def cut(self, k: Ints, fraction: int) -> Ints:
        """Numbers of another ``fraction`` in this format: cut off towards minus infinity, saturated."""
        step = fraction - self.fraction
        # Rounding to nearest would need an adder at every result; cutting off is a choice of wires.
        moved = k >> step if step >= 0 else k << -step
        return np.asarray(np.clip(moved, self.low, self.high))


@words_and_table
@dataclass(frozen=True)
class FixedNetwork:
    """A quantised network.

    Attributes:
        kind: of :data:`smartpix.networks.plan.KINDS`.
        shape: slices, rows, columns of the input.
        edges: (K,) ascending, in e: a charge's code is the number of positive edges it reaches, or minus the
            number of negative edges it is below or at.
        input: format of the codes.
        activation: of all layers but the last.
        weights: whole numbers by layer, in the shapes of the plan.
        biases: (outputs,) whole numbers in the unit of the layer's sums; depthwise has none.
        formats: of the weights, by layer.
        outputs: of each rounded result; the depthwise sums are passed on as they are; ``"pool"``: of the
            convolution's averages.
    """

    kind: str
    shape: tuple[int, int, int]
    edges: npt.NDArray[np.float64]
    input: FixedPoint
    activation: str
    weights: Mapping[str, Ints]
    biases: Mapping[str, Ints]
    formats: Mapping[str, FixedPoint]
    outputs: Mapping[str, FixedPoint]

    def __post_init__(self) -> None:
        check_kind(self.kind)

    @cached_property
    def plan(self) -> Plan:
        """Its layers and their shapes, by the numbers of outputs that the weights have."""
        n = {name: weight.shape[0] if weight.ndim else 0 for name, weight in self.weights.items()}
        filters = (n.get("pointwise", n.get("columns", 0)), n.get("mix", 0))
        return Plan(self.kind, self.shape, filters, (n["dense1"], n["dense2"]), n["dense3"])

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers with weights, in the order of the data."""
        return self.plan.names

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(w.size for w in self.weights.values()) + sum(b.size for b in self.biases.values())

    @property
    def nonzero_weights(self) -> int:
        """Weights that are not exactly zero."""
        return int(sum(np.count_nonzero(w) for w in self.weights.values()))

    def sum_fraction(self, layer: str) -> int:
        """Fraction of the sums of a layer, the unit of its biases: of its finest input plus that of its
        weights.
        """
        return self.input_fraction(layer) + self.formats[layer].fraction

    def input_fraction(self, layer: str) -> int:
        """Fraction of what goes into a layer (of the finest of it)."""
        return max(self._fraction(seen) for seen in self.plan.layer(layer).inputs)

    def _fraction(self, result: str) -> int:
        if result == IMAGE:
            return self.input.fraction
        # What has no format is passed on as it is.
        return self.outputs[result].fraction if result in self.outputs else self.sum_fraction(result)


def adc_codes(charge: npt.NDArray[Any], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    """Codes of charges (any shape, e): how many of the positive edges they reach, negative ones likewise."""
    negative = int(np.sum(edges < 0))
    # Charges come in single precision; the edges must not lie between a charge and itself.
    single = edges.astype(np.float32)
    above = np.searchsorted(single[negative:], charge, side="right")
    below = negative - np.searchsorted(single[:negative], charge, side="left")
    return (above - below).astype(np.int8)


@dataclass(frozen=True)
class LinkFormat:
    """One output on the link: ``bits`` bits that say how many steps of 2^-fraction it lies above ``offset``
    steps.
    """

    bits: int
    fraction: int
    offset: int

    def send(self, k: Ints, fraction: int) -> Ints:
        """What is sent of whole numbers in units of 2^-``fraction``, not coarser than the step: cut off,
        saturated.
        """
        return np.asarray(np.clip((k >> (fraction - self.fraction)) - self.offset, 0, (1 << self.bits) - 1))

    def receive(self, sent: Ints, fraction: int) -> npt.NDArray[np.float64]:
        """The middle of the step, of what was cut off from units of 2^-``fraction``."""
        # What was cut off lies evenly over the step, so that its middle has no bias.
        middle = 0.5 if fraction > self.fraction else 0.0
        return np.asarray((sent + self.offset + middle) * 2.0**-self.fraction)


def link_format(bits: int, low: float, high: float, fraction: int) -> LinkFormat:
    """So many bits from ``low`` to ``high``, with the finest step that reaches, but not finer than
    2^-``fraction``.
    """
    while math.floor(high * 2.0**fraction) - math.floor(low * 2.0**fraction) >= 1 << bits:
        fraction -= 1
    return LinkFormat(bits, fraction, math.floor(low * 2.0**fraction))


def ninth(largest: int) -> tuple[int, int]:
    """Multiplier m and shift s with ``(k * m + m // 2) >> s == k // 9`` for all whole k from -``largest`` to
    ``largest``.

    Half a unit keeps the exact multiples of nine, on which the quotient jumps, away from the jump.
    """
    k = np.arange(-largest, largest + 1, dtype=np.int64)
    for shift in range(4, 40):
        multiplier = ((1 << shift) + 4) // 9
        if np.array_equal((k * multiplier + multiplier // 2) >> shift, k // 9):
            return multiplier, shift
    raise InputError(f"no multiplier stands for a ninth up to {largest}")


def evaluate(network: FixedNetwork, codes: npt.NDArray[Any]) -> Ints:
    """Outputs (N, O), whole numbers in the format ``outputs["dense3"]``, of codes (N, S, R, C); the plain
    reference.

    Raises:
        InputError: codes of another shape.
    """
    if codes.shape[1:] != network.shape:
        raise InputError(
            f"network: takes codes of (slices, rows, columns) = {network.shape}, these are {codes.shape[1:]}"
        )
    x = codes.astype(np.int64)
    plan, finest = network.plan, network.input_fraction("dense1")
    seen = []
    # All that dense1 sees is in the finest of its units.
    if plan.front != "none":
        front = {"convolution": _convolution, "columns": _columns}[plan.front](network, x)
        seen.append(front.reshape(len(x), -1) << (finest - network.outputs[plan.front_result].fraction))
    for has_sums, axis in ((plan.column_sums, 2), (plan.row_sums, 3)):
        if has_sums:
            seen.append(x.sum(axis=axis).reshape(len(x), -1) << (finest - network.input.fraction))
    x = np.concatenate(seen, axis=1)
    for layer in ("dense1", "dense2", "dense3"):
        x = _activated(network, layer, x @ network.weights[layer].T, axis=1)
    return x


def _activated(network: FixedNetwork, layer: str, sums: Ints, axis: int) -> Ints:
    shape = [1] * sums.ndim
    shape[axis] = -1
    return network.outputs[layer].cut(
        sums + network.biases[layer].reshape(shape), network.sum_fraction(layer)
    )


def _columns(network: FixedNetwork, x: Ints) -> Ints:
    """Results (N, F, C - 2) of the filters over neighbouring columns."""
    seen = np.lib.stride_tricks.sliding_window_view(x, SPAN, axis=3)
    sums = np.einsum("nsrck,fsrk->nfc", seen, network.weights["columns"], optimize=True)
    return _activated(network, "columns", sums, axis=1)


def _convolution(network: FixedNetwork, x: Ints) -> Ints:
    """Averages over 3 x 3 places (N, G, rows, columns)."""
    seen = np.lib.stride_tricks.sliding_window_view(x, (WINDOW, WINDOW), axis=(2, 3))
    depth = np.einsum("nsrcij,sij->nsrc", seen, network.weights["depthwise"], optimize=True)
    hidden = _activated(
        network, "pointwise", np.einsum("nsrc,fs->nfrc", depth, network.weights["pointwise"]), axis=1
    )
    mixed = _activated(network, "mix", np.einsum("nfrc,gf->ngrc", hidden, network.weights["mix"]), axis=1)
    filters, rows, columns = network.plan.map
    used = mixed[:, :, : POOL * rows, : POOL * columns]
    total = used.reshape(len(x), filters, rows, POOL, columns, POOL).sum(axis=(3, 5))
    out, last = network.outputs["pool"], network.outputs["mix"]
    # (total * 2^-f) / 9 cut off at the pool's fraction; one more division would round twice.
    more = max(out.fraction - last.fraction, 0)
    return out.cut((total << more) // POOL**2, last.fraction + more)


def to_arrays(network: FixedNetwork) -> dict[str, npt.NDArray[Any]]:
    """Weights, biases and edges by name, to be saved."""
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{k}.weight": v.astype(np.int32) for k, v in network.weights.items()
    }
    return (
        arrays
        | {f"{k}.bias": v.astype(np.int32) for k, v in network.biases.items()}
        | {"edges": network.edges}
    )


def describe(network: FixedNetwork) -> dict[str, Any]:
    """All but the arrays, to be saved as JSON."""
    return {
        "kind": network.kind, "shape": list(network.shape), "activation": network.activation,
        "input": asdict(network.input),
        "formats": {k: asdict(v) for k, v in network.formats.items()},
        "outputs": {k: asdict(v) for k, v in network.outputs.items()},
    }  # fmt: skip


def from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], name: str
) -> FixedNetwork:
    """The network of :func:`to_arrays` and :func:`describe`.

    Raises:
        InputError: an array is missing or superfluous, of another shape than the layers beside it need, or
            beyond its format; names the weights.
    """
    fix = "the weights are damaged or of another version, copy or train them again"
    try:
        kind, shape = str(description["kind"]), tuple(int(n) for n in description["shape"])
        layers = layer_names(kind)
        formats = {k: FixedPoint(**description["formats"][k]) for k in layers}
        outputs = {k: FixedPoint(**description["outputs"][k]) for k in result_names(kind)}
        weights = {k: np.asarray(arrays[f"{k}.weight"], dtype=np.int64) for k in layers}
        biases = {k: np.asarray(arrays[f"{k}.bias"], dtype=np.int64) for k in layers if k in outputs}
        edges = np.asarray(arrays["edges"], dtype=np.float64)
        network = FixedNetwork(
            kind, (shape[0], shape[1], shape[2]), edges, FixedPoint(**description["input"]),
            str(description["activation"]), weights, biases,
            formats, outputs,
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{name}: '{error}' is missing from the network or wrong; {fix}") from error
    for layer in network.plan.layers:
        weight, form, outputs_shape = weights[layer.name], formats[layer.name], layer.shape[:1]
        if weight.shape != layer.shape:
            raise InputError(
                f"{name}: '{layer.name}.weight' is {weight.shape}, expected {layer.shape}; {fix}"
            )
        if weight.size and (weight.min() < form.low or weight.max() > form.high):
            raise InputError(f"{name}: '{layer.name}.weight' is beyond its {form.bits} bits; {fix}")
        if layer.bias and biases[layer.name].shape != outputs_shape:
            found = biases[layer.name].shape
            raise InputError(f"{name}: '{layer.name}.bias' is {found}, expected {outputs_shape}; {fix}")
    if len(arrays) != len(weights) + len(biases) + 1:
        raise InputError(
            f"{name}: has {len(arrays)} arrays and {len(weights) + len(biases) + 1} are expected; {fix}"
        )
    if len(edges) == 0 or not np.all(np.diff(edges) > 0) or np.any(edges == 0):
        raise InputError(f"{name}: 'edges' of the ADC must ascend and not be 0; {fix}")
    if network.activation not in ACTIVATIONS:
        raise InputError(f"{name}: activation {quoted(network.activation)} is unknown; {fix}")
    return network
