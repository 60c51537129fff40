"""The interaction network in whole numbers: what the logic computes, bit for bit.

Results are cut as :mod:`smartpix.chip.fixed_point` defines it. The sum over the messages of a node is exact,
so that it does not depend on the order of the edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedPoint, Ints
from smartpix.schema import InputError
from tracking.finders.trigger.shape import LAYERS, MLPS, N_EFFECT, N_LAYERS, N_MESSAGE, InteractionShape

if TYPE_CHECKING:
    from tracking.finders.trigger.quantized import QuantizedInteraction

__all__ = [
    "ARCHITECTURE", "FixedInteraction", "describe", "evaluate", "from_arrays", "load_interaction", "to_arrays",
    "to_whole", "whole_data",
]  # fmt: skip

ARCHITECTURE = "fixedinteraction-v1"
Floats = npt.NDArray[np.floating[Any]]
FIX = "the weights are damaged or of another version, copy or train them again"


@dataclass(frozen=True)
class FixedInteraction:
    """A quantised interaction network.

    Attributes:
        shape: its sizes.
        node_scale, edge_scale: (F,) and (E,) powers of two that features are multiplied by.
        data: format of the scaled features.
        weights: whole numbers (outputs, inputs) by layer.
        biases: (outputs,) whole numbers in the unit of the layer's sums.
        formats: of the weights, by layer.
        outputs: of the results, by layer.
    """

    shape: InteractionShape
    node_scale: npt.NDArray[np.float64]
    edge_scale: npt.NDArray[np.float64]
    data: FixedPoint
    weights: Mapping[str, Ints]
    biases: Mapping[str, Ints]
    formats: Mapping[str, FixedPoint]
    outputs: Mapping[str, FixedPoint]

    @property
    def message(self) -> FixedPoint:
        """Format of an edge's message."""
        return self.outputs[f"r1_{N_LAYERS - 1}"]

    @property
    def effect(self) -> FixedPoint:
        """Format of what a node has after the messages."""
        return self.outputs[f"o_{N_LAYERS - 1}"]

    @property
    def output(self) -> FixedPoint:
        """Format of the logits."""
        return self.outputs[f"r2_{N_LAYERS - 1}"]

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(w.size for w in self.weights.values()) + sum(b.size for b in self.biases.values())

    def parts(self, mlp: str) -> tuple[tuple[FixedPoint, int], ...]:
        """Formats of what a perceptron sees, in order, and how many numbers have each.

        The messages' sums have the format of a message here: only their fraction counts, they have more bits.
        """
        shape = self.shape
        return {
            "r1": ((self.data, 2 * shape.node_features + shape.edge_features),),
            "o": ((self.data, shape.node_features), (self.message, N_MESSAGE)),
            "r2": ((self.effect, 2 * N_EFFECT), (self.message, N_MESSAGE)),
        }[mlp]

    def input_fraction(self, layer: str) -> int:
        """Fraction of what goes into a layer (of the finest of it)."""
        mlp, number = layer.rsplit("_", 1)
        if int(number):
            return self.outputs[f"{mlp}_{int(number) - 1}"].fraction
        return max(form.fraction for form, _ in self.parts(mlp))

    def sum_fraction(self, layer: str) -> int:
        """Fraction of the sums of a layer, the unit of its biases."""
        return self.input_fraction(layer) + self.formats[layer].fraction


def whole_data(network: FixedInteraction, nodes: Floats, edges: Floats) -> tuple[Ints, Ints]:
    """Features of nodes (..., F) and edges (..., E) as the whole numbers that the logic takes."""

    def whole(values: Floats, scale: npt.NDArray[np.float64]) -> Ints:
        scaled = np.floor(values.astype(np.float64) * scale * 2.0**network.data.fraction)
        return np.clip(scaled, network.data.low, network.data.high).astype(np.int64)

    return whole(nodes, network.node_scale), whole(edges, network.edge_scale)


def evaluate(
    network: FixedInteraction,
    nodes: Ints,
    edges: Ints,
    senders: Ints,
    receivers: Ints,
    valid: npt.NDArray[np.bool_],
) -> Ints:
    """Logits (S, M), whole numbers in the format ``network.output``; padded edges have the lowest one.

    Args:
        network: the network.
        nodes: (S, N, F) whole numbers, of :func:`whole_data`.
        edges: (S, M, E) likewise.
        senders: (S, M) places among the nodes; of padded edges any.
        receivers: likewise.
        valid: (S, M) false for padded edges.

    Raises:
        InputError: arrays of other shapes, or an index beyond the nodes.
    """
    _check_graphs(network, nodes, edges, senders, receivers, valid)
    rows = np.arange(len(nodes))[:, None]
    receivers, senders = np.where(valid, receivers, 0), np.where(valid, senders, 0)
    messages = perceptron(network, "r1", nodes[rows, receivers], nodes[rows, senders], edges)
    messages = messages * valid[:, :, None]
    sums = np.zeros((*nodes.shape[:2], N_MESSAGE), dtype=np.int64)
    np.add.at(sums, (rows, receivers), messages)
    effects = perceptron(network, "o", nodes, sums)
    logits = perceptron(network, "r2", effects[rows, receivers], effects[rows, senders], messages)[..., 0]
    return np.where(valid, logits, network.output.low)


def perceptron(network: FixedInteraction, mlp: str, *parts: Ints) -> Ints:
    """Results (..., outputs) of a perceptron for the parts (..., k) of its input."""
    x = align(network, mlp, np.concatenate(parts, axis=-1))
    for layer in (f"{mlp}_{number}" for number in range(N_LAYERS)):
        sums = x @ network.weights[layer].T + network.biases[layer]
        x = network.outputs[layer].cut(sums, network.sum_fraction(layer))
    return x


def align(network: FixedInteraction, mlp: str, x: Any) -> Any:
    """Input (..., inputs) of a perceptron in the finest of its units; whole numbers or wires."""
    forms = [form for form, count in network.parts(mlp) for _ in range(count)]
    finest = max(form.fraction for form in forms)
    return x * np.array([1 << (finest - form.fraction) for form in forms], dtype=np.int64)


def _check_graphs(
    network: FixedInteraction,
    nodes: Ints,
    edges: Ints,
    senders: Ints,
    receivers: Ints,
    valid: npt.NDArray[Any],
) -> None:
    n_sectors, n_edges = valid.shape if valid.ndim == 2 else (-1, -1)
    good = (
        nodes.ndim == 3
        and nodes.shape[0] == n_sectors
        and nodes.shape[2] == network.shape.node_features
        and edges.shape == (n_sectors, n_edges, network.shape.edge_features)
        and senders.shape == receivers.shape == valid.shape
    )
    if not good:
        found = ", ".join(str(a.shape) for a in (nodes, edges, senders, receivers, valid))
        raise InputError(
            f"interaction: needs nodes (S, N, {network.shape.node_features}), edges (S, M, "
            f"{network.shape.edge_features}), senders, receivers and valid (S, M); they are {found}"
        )
    for name, at in (("senders", senders), ("receivers", receivers)):
        used = at[valid]
        if used.size and (used.min() < 0 or used.max() >= nodes.shape[1]):
            raise InputError(
                f"interaction: '{name}' go from {used.min()} to {used.max()} and there are {nodes.shape[1]} "
                f"nodes; expected places among the nodes of the same sector"
            )


def to_whole(model: QuantizedInteraction) -> FixedInteraction:
    """The network of whole numbers that a module of quantised training stands for."""

    def whole(values: Any, fraction: int) -> Ints:
        return np.asarray(np.round(values.detach().double().numpy() * 2.0**fraction).astype(np.int64))

    kernels = {layer: model.kernel(layer) for layer in LAYERS}
    formats = {layer: kernel.format for layer, kernel in kernels.items()}
    weights = {layer: whole(kernel.rounded(), formats[layer].fraction) for layer, kernel in kernels.items()}
    outputs = {layer: model.result(layer) for layer in LAYERS}
    scales = [s.detach().double().numpy() for s in (model.node_scale, model.edge_scale)]
    network = FixedInteraction(model.shape, *scales, model.data, weights, {}, formats, outputs)
    biases = {
        layer: whole(kernel.offset(network.sum_fraction(layer)), network.sum_fraction(layer))
        for layer, kernel in kernels.items()
    }
    return FixedInteraction(model.shape, *scales, model.data, weights, biases, formats, outputs)


def to_arrays(network: FixedInteraction) -> dict[str, npt.NDArray[Any]]:
    """Weights, biases and scales by name, to be saved."""
    return (
        {f"{layer}.weight": network.weights[layer].astype(np.int32) for layer in LAYERS}
        | {f"{layer}.bias": network.biases[layer].astype(np.int64) for layer in LAYERS}
        | {"node_scale": network.node_scale, "edge_scale": network.edge_scale}
    )


def describe(network: FixedInteraction) -> dict[str, Any]:
    """All but the arrays, to be saved as JSON."""
    return {
        "shape": asdict(network.shape), "input": asdict(network.data),
        "formats": {k: asdict(v) for k, v in network.formats.items()},
        "outputs": {k: asdict(v) for k, v in network.outputs.items()},
    }  # fmt: skip


def from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], name: str
) -> FixedInteraction:
    """The network of :func:`to_arrays` and :func:`describe`.

    Raises:
        InputError: an array is missing or superfluous, of another shape than the sizes need, or beyond its
            format; names the weights.
    """
    try:
        shape = InteractionShape(**description["shape"])
        formats = {k: FixedPoint(**description["formats"][k]) for k in LAYERS}
        outputs = {k: FixedPoint(**description["outputs"][k]) for k in LAYERS}
        weights = {k: np.asarray(arrays[f"{k}.weight"], dtype=np.int64) for k in LAYERS}
        biases = {k: np.asarray(arrays[f"{k}.bias"], dtype=np.int64) for k in LAYERS}
        scales = [np.asarray(arrays[k], dtype=np.float64) for k in ("node_scale", "edge_scale")]
        data = FixedPoint(**description["input"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: '{error}' is missing from the network or wrong; {FIX}") from error
    expected = {"node_scale": (shape.node_features,), "edge_scale": (shape.edge_features,)}
    for mlp in MLPS:
        widths = shape.widths(mlp)
        for number in range(N_LAYERS):
            expected[f"{mlp}_{number}.weight"] = (widths[number + 1], widths[number])
            expected[f"{mlp}_{number}.bias"] = (widths[number + 1],)
    if set(arrays) != set(expected):
        raise InputError(f"{name}: has {len(arrays)} arrays and {len(expected)} are expected; {FIX}")
    for key, size in expected.items():
        if arrays[key].shape != size:
            raise InputError(f"{name}: '{key}' is {arrays[key].shape}, expected {size}; {FIX}")
    for layer, form in formats.items():
        if weights[layer].min() < form.low or weights[layer].max() > form.high:
            raise InputError(f"{name}: '{layer}.weight' is beyond its {form.bits} bits; {FIX}")
    for key, scale in zip(("node_scale", "edge_scale"), scales, strict=True):
        if not np.all(scale > 0) or not np.all(np.frexp(scale)[0] == 0.5):
            raise InputError(f"{name}: '{key}' must be powers of two; {FIX}")
    return FixedInteraction(shape, scales[0], scales[1], data, weights, biases, formats, outputs)


def load_interaction(name: str) -> tuple[FixedInteraction, dict[str, Any]]:
    """Quantised weights by shipped name or path, with their description.

    Raises:
        InputError: missing or damaged files, or weights of another architecture.
    """
    from smartpix.networks.weights import load_weights

    arrays, description = load_weights(name, ARCHITECTURE)
    return from_arrays(arrays, description, name), description
