"""Sizes of the interaction network, and the bits of its whole numbers. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check, check_ranges, check_types, ranged

__all__ = [
    "FEWEST_BITS",
    "LAYERS",
    "MLPS",
    "MOST_BITS",
    "N_EFFECT",
    "N_LAYERS",
    "N_MESSAGE",
    "InteractionBits",
    "InteractionShape",
]

MLPS = ("r1", "o", "r2")
"""Multilayer perceptrons: of the edges, of the nodes, and of the edges again."""
N_LAYERS = 3
"""Layers of each."""
LAYERS = tuple(f"{mlp}_{layer}" for mlp in MLPS for layer in range(N_LAYERS))
N_MESSAGE = 4
"""Numbers that an edge sends to its receiver."""
N_EFFECT = 3
"""Numbers that a node has afterwards."""
FEWEST_BITS, MOST_BITS = 2, 16


@dataclass(frozen=True)
class InteractionShape:
    """Sizes of the interaction network of arXiv 2112.02048; the defaults are the paper's 528 parameters.

    Attributes:
        node_features: numbers that come in of each node.
        edge_features: numbers that come in of each edge.
        hidden: outputs of every hidden layer. The paper has 8 and 40.
    """

    node_features: int = ranged(3, 1, 64)
    edge_features: int = ranged(4, 1, 64)
    hidden: int = ranged(8, 1, 256)

    def __post_init__(self) -> None:
        check_types("interaction", self)
        check_ranges("interaction", self)

    def widths(self, mlp: str) -> tuple[int, ...]:
        """Inputs, outputs of the hidden layers, and outputs of a multilayer perceptron of :data:`MLPS`."""
        first, last = {
            "r1": (2 * self.node_features + self.edge_features, N_MESSAGE),
            "o": (self.node_features + N_MESSAGE, N_EFFECT),
            "r2": (2 * N_EFFECT + N_MESSAGE, 1),
        }[mlp]
        return first, *[self.hidden] * (N_LAYERS - 1), last


@dataclass(frozen=True)
class InteractionBits:
    """Bits of the whole numbers, those of all nine layers in the order of :data:`LAYERS`.

    Attributes:
        data: of each feature that comes in, its sign included.
        weights: of the weights: one number for all layers, or nine.
        activations: of the results, their sign included where they have one: one number for all layers, or
            nine.
    """

    data: int = ranged(14, FEWEST_BITS, MOST_BITS)
    weights: tuple[int, ...] = (14,)
    activations: tuple[int, ...] = (14,)

    def __post_init__(self) -> None:
        check_types("bits", self)
        check_ranges("bits", self)
        for name in ("weights", "activations"):
            value = getattr(self, name)
            good = len(value) in (1, len(LAYERS)) and all(FEWEST_BITS <= n <= MOST_BITS for n in value)
            check(
                "bits", name, value, good,
                f"one number or {len(LAYERS)}, each from {FEWEST_BITS} to {MOST_BITS}",
            )  # fmt: skip

    def of_weights(self, layer: str) -> int:
        """Bits of a layer's weights."""
        return self._of(self.weights, layer)

    def of_results(self, layer: str) -> int:
        """Bits of a layer's results."""
        return self._of(self.activations, layer)

    def _of(self, bits: tuple[int, ...], layer: str) -> int:
        return bits[0] if len(bits) == 1 else bits[LAYERS.index(layer)]
