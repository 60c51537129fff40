"""The steps of ``evaluate`` as lines of Verilog, with weights that come out of a chain of registers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, FixedPoint, ninth
from smartpix.export.logic import code_range, port_bits
from smartpix.networks.plan import POOL, SPAN, WINDOW

__all__ = ["Register", "Writer"]

Wires = npt.NDArray[np.object_]
STATIC = -1
"""When a register of the weights is ready: always, since nothing moves in it while clusters come."""


@dataclass(frozen=True)
class Register:
    """Place of one number in the chain of registers.

    Attributes:
        layer, index: of the weight or bias, counted in the flat array.
        bias: whether it is a bias.
        bits: in two's complement.
    """

    layer: str
    index: int
    bias: bool
    bits: int


@dataclass(frozen=True)
class _Wire:
    """A signed number.

    Attributes:
        name: in the Verilog.
        low, high: what it can be.
        ready: edges of the clock after the codes.
    """

    name: str
    low: int
    high: int
    ready: int

    @property
    def bits(self) -> int:
        return _bits(self.low, self.high)


class Writer:
    """The steps of ``evaluate`` as lines of Verilog."""

    def __init__(self, network: FixedNetwork, depth: int) -> None:
        self.network, self.depth = network, depth
        self.lines: list[str] = []
        self.registers: list[Register] = []
        self.delayed: dict[tuple[str, int], _Wire] = {}
        self.at = self.count = self.multipliers = self.latency = self.register_bits = 0

    def module(self, load_bits: int) -> str:
        """The whole module."""
        network = self.network
        low, high = code_range(network)
        n_codes, (bits, width) = math.prod(network.shape), port_bits(network)
        codes = [
            self.named(_signed(f"codes[{i * bits} +: {bits}]", low < 0), low, high, 0) for i in range(n_codes)
        ]
        found = list(self.outputs(np.array(codes, dtype=object).reshape(network.shape)))
        last = max(wire.ready for wire in found)
        # The first edge takes the codes in, past their products or sums.
        self.latency = last - 1
        results = [self.until(wire, last) for wire in found]
        packed = ", ".join(
            self.named(wire.name, wire.low, wire.high, 0, width).name for wire in results[::-1]
        )
        words = -(-self.at // load_bits)
        self.register_bits += words * load_bits
        chain = words * load_bits
        moved = "word" if words == 1 else f"{{word, weights[{chain - 1}:{load_bits}]}}"
        body = "\n    ".join(self.lines)
        return f"""`timescale 1 ns / 1 ps

// Codes in two's complement, {bits} bits each, in the order (slice, row, column), the first lowest.
// Results in two's complement, {width} bits each, in units of 2^-{network.outputs["dense3"].fraction},
// {self.latency} edges of the clock after the one that takes the codes in.
// While load is high each edge takes {load_bits} bits of the weights, the lowest ones first, {words} times.
module smartpix (
    input clk,
    input load,
    input [{load_bits - 1}:0] word,
    input [{n_codes * bits - 1}:0] codes,
    output [{len(results) * width - 1}:0] results
);
    reg [{chain - 1}:0] weights;
    always @(posedge clk) if (load) weights <= {moved};

    {body}

    assign results = {{{packed}}};
endmodule
"""

    def outputs(self, codes: Wires) -> Wires:
        """Of codes (S, R, C)."""
        network, plan = self.network, self.network.plan
        finest = network.input_fraction("dense1")
        seen: list[_Wire] = []
        if plan.front != "none":
            front = {"convolution": self.convolution, "columns": self.columns}[plan.front](codes)
            up = finest - network.outputs[plan.front_result].fraction
            seen += [self.shifted(wire, up) for wire in front]
        for has_sums, lines in ((plan.column_sums, codes.swapaxes(1, 2)), (plan.row_sums, codes)):
            if has_sums:
                up = finest - network.input.fraction
                seen += [
                    self.shifted(self.total(list(line)), up) for line in lines.reshape(-1, lines.shape[2])
                ]
        x = np.array(seen, dtype=object)
        for layer in ("dense1", "dense2", "dense3"):
            x = self.activated(layer, self.linear(self.loaded(layer), x[None]))[0]
        return x

    def columns(self, codes: Wires) -> list[_Wire]:
        """Results of the filters over neighbouring columns, (F * columns,)."""
        seen = np.lib.stride_tricks.sliding_window_view(codes, SPAN, axis=2).transpose(2, 0, 1, 3)
        weights = self.loaded("columns")
        sums = self.linear(weights.reshape(len(weights), -1), seen.reshape(len(seen), -1))
        return list(self.activated("columns", sums).T.reshape(-1))

    def convolution(self, codes: Wires) -> list[_Wire]:
        """Averages over 3 x 3 places of the convolution, (G * rows * columns,)."""
        network = self.network
        filters, rows, columns = network.plan.map
        seen = np.lib.stride_tricks.sliding_window_view(codes, (WINDOW, WINDOW), axis=(1, 2))[
            :, : POOL * rows, : POOL * columns
        ]
        places = seen.reshape(len(seen), rows * columns * POOL**2, WINDOW**2)
        kernels = self.loaded("depthwise").reshape(len(seen), 1, -1)
        depth = np.stack([self.linear(k, s)[:, 0] for k, s in zip(kernels, places, strict=True)], axis=-1)
        hidden = self.activated("pointwise", self.linear(self.loaded("pointwise"), depth))
        mixed = self.activated("mix", self.linear(self.loaded("mix"), hidden))
        nine = (
            mixed.reshape(rows, POOL, columns, POOL, -1)
            .transpose(4, 0, 2, 1, 3)
            .reshape(filters * rows * columns, POOL**2)
        )
        out, last = network.outputs["pool"], network.outputs["mix"]
        more = max(out.fraction - last.fraction, 0)
        times, shift = ninth(POOL**2 * max(abs(last.low), last.high) << more)
        means = []
        for line in nine:
            total = self.total(list(line))
            low, high = ((k << more) * times + times // 2 for k in (total.low, total.high))
            scaled = self.named(
                f"{total.name} * {_literal(times << more)} + {_literal(times // 2)}", low, high, total.ready
            )
            means.append(self.cut(out, scaled, last.fraction + more + shift))
        return means

    def loaded(self, layer: str) -> Wires:
        """The layer's weights as they are loaded; None where there is none."""
        weight, form = self.network.weights[layer], self.network.formats[layer]
        wires = np.full(weight.size, None, dtype=object)
        for i in np.flatnonzero(weight):
            wires[i] = self.register(Register(layer, int(i), False, form.bits), form.low, form.high)
        return wires.reshape(weight.shape)

    def register(self, register: Register, low: int, high: int) -> _Wire:
        """A number of the chain."""
        self.registers.append(register)
        name = f"weights[{self.at} +: {register.bits}]"
        self.at += register.bits
        return self.named(_signed(name, True), low, high, STATIC)

    def linear(self, weights: Wires, x: Wires) -> Wires:
        """Exact sums (P, outputs) of weights (outputs, inputs) times x (P, inputs)."""
        sums = np.empty((len(x), len(weights)), dtype=object)
        for place, row in enumerate(x):
            for output, line in enumerate(weights):
                terms = [self.product(weight, wire) for weight, wire in zip(line, row, strict=True) if weight]
                sums[place, output] = self.total(terms)
        return sums

    def product(self, weight: _Wire, x: _Wire) -> _Wire:
        """Of a loaded weight and a wire, in a register."""
        ends = [w * k for w in (weight.low, weight.high) for k in (x.low, x.high)]
        self.multipliers += 1
        product = self.named(f"{weight.name} * {x.name}", min(ends), max(ends), x.ready)
        return self.until(product, x.ready + 1)

    def total(self, terms: list[_Wire]) -> _Wire:
        """Sum of wires, with a register after so many adders; 0 of none."""
        if not terms:
            return self.named("0", 0, 0, STATIC)
        ready = max(wire.ready for wire in terms)
        terms = [self.until(wire, ready) for wire in terms]
        level = 0
        while len(terms) > 1:
            terms = [
                self.named(
                    " + ".join(wire.name for wire in pair),
                    sum(w.low for w in pair),
                    sum(w.high for w in pair),
                    ready,
                )
                if len(pair) > 1
                else pair[0]
                for pair in (terms[i : i + 2] for i in range(0, len(terms), 2))
            ]
            level += 1
            if level % self.depth == 0 and len(terms) > 1:
                ready += 1
                terms = [self.until(wire, ready) for wire in terms]
        return terms[0]

    def activated(self, layer: str, sums: Wires) -> Wires:
        """Results (P, outputs) of a layer's sums, in registers."""
        network = self.network
        out, fraction = network.outputs[layer], network.sum_fraction(layer)
        results = np.empty(sums.shape, dtype=object)
        for output in range(sums.shape[1]):
            # A bias beyond what the sum and the result can make up for saturates whatever comes in.
            reach = max(max(abs(wire.low), abs(wire.high)) for wire in sums[:, output]) + (
                1 << max(out.bits + fraction - out.fraction, 1)
            )
            held = max(reach.bit_length() + 1, int(abs(network.biases[layer][output])).bit_length() + 1)
            top = 1 << (held - 1)
            bias = self.register(Register(layer, output, True, held), -top, top - 1)
            for place, wire in enumerate(sums[:, output]):
                total = self.named(
                    f"{wire.name} + {bias.name}", wire.low - top, wire.high + top - 1, wire.ready
                )
                result = self.cut(out, total, fraction)
                results[place, output] = self.until(result, result.ready + 1)
        return results

    def cut(self, form: FixedPoint, wire: _Wire, fraction: int) -> _Wire:
        """:meth:`FixedPoint.cut` of a wire."""
        step = fraction - form.fraction
        moved = self.shifted(wire, -step)
        name, low, high = moved.name, moved.low, moved.high
        if low < form.low:
            name, low = f"{moved.name} < {_literal(form.low)} ? {_literal(form.low)} : {name}", form.low
        if high > form.high:
            name, high = f"{moved.name} > {_literal(form.high)} ? {_literal(form.high)} : ({name})", form.high
        return moved if name == moved.name else self.named(name, low, high, wire.ready)

    def shifted(self, wire: _Wire, up: int) -> _Wire:
        """Times 2^up, cut off."""
        if up == 0:
            return wire
        if up > 0:
            return self.named(f"{wire.name} <<< {up}", wire.low << up, wire.high << up, wire.ready)
        return self.named(f"{wire.name} >>> {-up}", wire.low >> -up, wire.high >> -up, wire.ready)

    def named(self, value: str, low: int, high: int, ready: int, bits: int = 0) -> _Wire:
        """A wire of a value."""
        wire = _Wire(f"v{self.count}", low, high, ready)
        self.count += 1
        self.lines.append(f"wire signed [{(bits or wire.bits) - 1}:0] {wire.name} = {value};")
        return wire

    def until(self, wire: _Wire, ready: int) -> _Wire:
        """The wire at a later edge of the clock."""
        if wire.ready in (STATIC, ready):
            return wire
        key = wire.name, ready
        if key not in self.delayed:
            before = self.until(wire, ready - 1)
            held = replace(wire, name=f"r{self.count}", ready=ready)
            self.count += 1
            self.register_bits += held.bits
            self.lines.append(f"reg signed [{held.bits - 1}:0] {held.name};")
            self.lines.append(f"always @(posedge clk) {held.name} <= {before.name};")
            self.delayed[key] = held
        return self.delayed[key]


def _signed(bits: str, signed: bool) -> str:
    return f"$signed({bits})" if signed else f"$signed({{1'b0, {bits}}})"


def _literal(k: int) -> str:
    """A signed constant, as wide as it must be."""
    bits = _bits(min(k, 0), max(k, 0))
    return f"-{bits + 1}'sd{-k}" if k < 0 else f"{bits + 1}'sd{k}"


def _bits(low: int, high: int) -> int:
    """Of a signed number."""
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
