"""The three perceptrons as pipelines of adders: each is traced once, and stands in the logic as often as it
is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartpix.export.verilog import pipelined, spaced_ports, write_pipeline
from smartpix.export.wires import Matrices, cut_wires, input_wires, logic_of
from smartpix.schema import InputError
from tracking.finders.trigger.logic.blocks import BLOCK, KEPT
from tracking.finders.trigger.shape import MLPS, N_LAYERS
from tracking.finders.trigger.whole import FixedInteraction, align

__all__ = ["Perceptron", "sum_bits", "trace", "write_perceptron"]


@dataclass(frozen=True)
class Perceptron:
    """A perceptron as logic.

    Attributes:
        name: of :data:`tracking.finders.trigger.shape.MLPS`, and of its module.
        pipe: da4ml's pipeline.
        in_bits, out_bits: widths of the numbers in its ports.
    """

    name: str
    pipe: Any
    in_bits: tuple[int, ...]
    out_bits: tuple[int, ...]

    @property
    def latency(self) -> int:
        """Registers from its inputs to its outputs: before each stage, and behind the last one."""
        return len(self.pipe.solutions) + 1


def sum_bits(network: FixedInteraction, n_edges: int) -> int:
    """Bits of the exact sum of so many messages."""
    return network.message.bits + (n_edges - 1).bit_length()


def trace(network: FixedInteraction, mlp: str, n_edges: int, adders_per_stage: int) -> Perceptron:
    """A perceptron, pipelined.

    Args:
        network: whose.
        mlp: which.
        n_edges: edges of a sector: as many messages may come to one node.
        adders_per_stage: adders one after the other between two registers.

    Raises:
        InputError: nothing it gives depends on what comes in.
    """
    ranges, in_bits = [], []
    for part, (form, count) in enumerate(network.parts(mlp)):
        sums = mlp == "o" and part == 1
        ranges += [(form.low * n_edges, form.high * n_edges) if sums else (form.low, form.high)] * count
        in_bits += [sum_bits(network, n_edges) if sums else form.bits] * count
    inputs = input_wires(ranges, adders_per_stage)
    x, matrices = align(network, mlp, inputs), Matrices()
    for layer in (f"{mlp}_{number}" for number in range(N_LAYERS)):
        sums = matrices.linear(network.weights[layer], x) + network.biases[layer]
        x = cut_wires(network.outputs[layer], sums, network.sum_fraction(layer))
    if all(wire.low == wire.high for wire in x):
        raise InputError(
            f"network: nothing that its perceptron '{mlp}' gives depends on what comes in; train it again, or "
            f"with more bits"
        )
    last = network.outputs[f"{mlp}_{N_LAYERS - 1}"]
    pipe = pipelined(logic_of(inputs, x), adders_per_stage)
    return Perceptron(mlp, pipe, tuple(in_bits), (last.bits,) * len(x))


def write_perceptron(perceptron: Perceptron, folder: Path) -> None:
    """Write its module, with ports ``clk``, ``in`` and ``out``, the first number lowest."""
    assert perceptron.name in MLPS
    inside = f"{perceptron.name}_logic"
    write_pipeline(perceptron.pipe, inside, folder)
    body = spaced_ports(perceptron.pipe, inside, perceptron.in_bits, perceptron.out_bits, ("in", "out"))
    (folder / f"{perceptron.name}.v").write_text(
        f"""`timescale 1 ns / 1 ps

{KEPT}
module {perceptron.name} (
    input clk,
    input [{sum(perceptron.in_bits) - 1}:0] in,
    output [{sum(perceptron.out_bits) - 1}:0] out
);
    {BLOCK}
{body}endmodule
""",
        encoding="utf-8",
    )
