"""Quantisation-aware training of the interaction network: what the logic will compute, with gradients.

Weights, biases and results are rounded as in :mod:`tracking.finders.trigger.whole`, by the straight-through
estimator of :mod:`smartpix.chip.kernel`. In double precision the results are those of the logic to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from smartpix.chip.fixed_point import FixedPoint
from smartpix.chip.kernel import Kernel, cut
from tracking.finders.trigger.network import InteractionNetwork, pass_messages
from tracking.finders.trigger.shape import LAYERS, MLPS, N_LAYERS, InteractionBits, InteractionShape

__all__ = ["QuantizedInteraction", "calibrate", "from_float"]

STILL = 0.5
"""Share of the epochs after which the weights' formats stay as they are."""
INSIDE = 0.9999
"""Share of a layer's results that its format holds; what lies beyond saturates."""

Cut = Callable[[Tensor, str], Tensor]


class QuantizedInteraction(nn.Module):
    """The interaction network as the logic computes it.

    Shapes:
        as of :class:`tracking.finders.trigger.network.InteractionNetwork`.
    """

    node_scale: Tensor
    edge_scale: Tensor
    fractions: Tensor

    def __init__(self, shape: InteractionShape | None = None, bits: InteractionBits | None = None) -> None:
        super().__init__()
        self.shape, self.bits = shape or InteractionShape(), bits or InteractionBits()
        self.rounding = True
        for mlp in MLPS:
            widths = self.shape.widths(mlp)
            for layer in range(N_LAYERS):
                name = f"{mlp}_{layer}"
                size = (widths[layer + 1], widths[layer])
                self.add_module(name, Kernel(size, self.bits.of_weights(name)))
        # Results up to about 4, until data say more.
        self.register_buffer(
            "fractions", torch.tensor([float(self.bits.of_results(name) - 3) for name in LAYERS])
        )
        self.register_buffer("node_scale", torch.ones(self.shape.node_features))
        self.register_buffer("edge_scale", torch.ones(self.shape.edge_features))

    @property
    def data(self) -> FixedPoint:
        """Format of the scaled features, from -1 to 1."""
        return FixedPoint(True, self.bits.data, self.bits.data - 1)

    def kernel(self, layer: str) -> Kernel:
        """Weights of a layer of :data:`tracking.finders.trigger.shape.LAYERS`."""
        kernel = self.get_submodule(layer)
        assert isinstance(kernel, Kernel)
        return kernel

    def result(self, layer: str) -> FixedPoint:
        """Format of a layer's results; hidden ones are not negative (ReLU)."""
        signed = layer.endswith(str(N_LAYERS - 1))
        return FixedPoint(signed, self.bits.of_results(layer), int(self.fractions[LAYERS.index(layer)]))

    def input_fraction(self, mlp: str) -> int:
        """Fraction of the finest of what a perceptron sees."""
        messages, effects = (self.result(f"{name}_{N_LAYERS - 1}").fraction for name in ("r1", "o"))
        data = self.data.fraction
        return {"r1": data, "o": max(data, messages), "r2": max(effects, messages)}[mlp]

    def begin_epoch(self, epoch: int, epochs: int, free: int) -> None:
        """Before an epoch: the first ``free`` of them are without rounding; then weights' formats follow the
        weights.

        Formats are held in the second half.
        """
        self.rounding = epoch >= free
        for layer in LAYERS:
            kernel = self.kernel(layer)
            kernel.rounding = self.rounding
            # A new unit rounds all weights of its output anew; what follows is for the weights to settle.
            if epoch < max(STILL * epochs, free):
                kernel.fit_format()

    def forward(
        self, nodes: Tensor, edges: Tensor, senders: Tensor, receivers: Tensor, valid: Tensor
    ) -> Tensor:
        """Logits (S, M)."""

        def cut_result(x: Tensor, layer: str) -> Tensor:
            return cut(x, self.result(layer), self.rounding)

        return self.run(cut_result, nodes, edges, senders, receivers, valid)

    def run(
        self, finish: Cut, nodes: Tensor, edges: Tensor, senders: Tensor, receivers: Tensor, valid: Tensor
    ) -> Tensor:
        """Logits (S, M), where ``finish`` makes a layer's results of its sums."""

        def perceptron(mlp: str, parts: list[Tensor]) -> Tensor:
            x, unit = torch.cat(parts, dim=-1), self.input_fraction(mlp)
            for layer in range(N_LAYERS):
                name = f"{mlp}_{layer}"
                kernel = self.kernel(name)
                offset = kernel.offset(unit + kernel.format.fraction)
                x = finish(nn.functional.linear(x, kernel.rounded(), offset), name)
                unit = self.result(name).fraction
            return x

        nodes, edges = (
            cut(x * scale, self.data, self.rounding)
            for x, scale in ((nodes, self.node_scale), (edges, self.edge_scale))
        )
        return pass_messages(perceptron, nodes, edges, senders, receivers, valid)


def from_float(model: QuantizedInteraction, network: InteractionNetwork) -> None:
    """Put the weights and scales of a float network of the same shape into a module."""
    with torch.no_grad():
        for mlp in MLPS:
            linears = [m for m in network.get_submodule(mlp).children() if isinstance(m, nn.Linear)]
            for layer, linear in enumerate(linears):
                kernel = model.kernel(f"{mlp}_{layer}")
                assert kernel.bias is not None
                kernel.weight.copy_(linear.weight)
                kernel.bias.copy_(linear.bias)
                kernel.fit_format()
        model.node_scale.copy_(network.node_scale)
        model.edge_scale.copy_(network.edge_scale)


@torch.no_grad()
def calibrate(
    model: QuantizedInteraction,
    nodes: Tensor,
    edges: Tensor,
    senders: Tensor,
    receivers: Tensor,
    valid: Tensor,
) -> None:
    """Give each layer's results the finest format that holds nearly all that occurs on these graphs.

    Arguments as of the module. Nodes without edges and padding count too: the logic computes them as well.
    """
    largest: dict[str, float] = {}

    def watch(sums: Tensor, layer: str) -> Tensor:
        results = sums if model.result(layer).signed else sums.relu()
        used = results[valid] if layer[: layer.index("_")] != "o" else results.flatten(0, 1)
        values = torch.sort(used.abs().flatten()).values
        largest[layer] = float(values[math.ceil(INSIDE * (len(values) - 1))]) if len(values) else 0.0
        return results

    model.run(watch, nodes, edges, senders, receivers, valid)
    for i, layer in enumerate(LAYERS):
        form = model.result(layer)
        # All zeros need no other format than the one there is.
        if largest[layer] > 0:
            whole = int(torch.floor(torch.log2(torch.tensor(largest[layer])))) + 1
            model.fractions[i] = form.bits - form.signed - whole
