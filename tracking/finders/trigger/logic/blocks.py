"""Verilog between the perceptrons: from the nodes to the edges, from the edges to the nodes, and delays.

Which nodes an edge joins comes in with the sector, so that nothing here is made for one graph.
"""

from __future__ import annotations

from tracking.finders.trigger.shape import N_MESSAGE

__all__ = [
    "BLOCK",
    "DELAY",
    "KEPT",
    "decode",
    "gather",
    "gather_latency",
    "node_sum",
    "node_sum_latency",
]

WAYS = 16
"""Inputs of a multiplexer between two registers: two levels of look-up tables with six inputs."""

KEPT = "(* keep_hierarchy *)"
"""Before a module that is synthesised once, and counted as often as it occurs."""
BLOCK = "/* verilator hier_block */"
"""In a module that verilator compiles once."""

DELAY = """`timescale 1 ns / 1 ps

// Numbers as they were so many edges of the clock ago.
module delay #(parameter BITS = 1, parameter CYCLES = 1) (
    input clk,
    input [BITS-1:0] in,
    output [BITS-1:0] out
);
    generate
        if (CYCLES == 0) begin : none
            assign out = in;
        end else begin : some
            reg [CYCLES*BITS-1:0] line;
            if (CYCLES == 1) begin : one
                always @(posedge clk) line <= in;
            end else begin : more
                always @(posedge clk) line <= {line[(CYCLES-1)*BITS-1:0], in};
            end
            assign out = line[CYCLES*BITS-1 -: BITS];
        end
    endgenerate
endmodule
"""


def gather_latency(n_values: int) -> int:
    """Registers from an index to the value that it picks from so many."""
    latency = 0
    while n_values > 1:
        n_values, latency = -(-n_values // WAYS), latency + 1
    return latency


def gather(name: str, n_values: int, bits: int, index_bits: int) -> str:
    """A module: one of ``n_values`` values of so many bits, by an index; a tree of multiplexers with
    registers.

    The values are read in the cycle in which the index comes. Beyond the values it gives any.
    """
    lines: list[str] = []
    values = [f"values[{k * bits} +: {bits}]" for k in range(n_values)]
    index, left, level = "index", index_bits, 0
    way_bits = WAYS.bit_length() - 1
    while len(values) > 1:
        groups = [values[k : k + WAYS] for k in range(0, len(values), WAYS)]
        names = [f"picked{level}_{k}" for k in range(len(groups))]
        lines += [f"reg [{bits - 1}:0] {', '.join(names)};"]
        way = min(way_bits, left)
        for picked, group in zip(names, groups, strict=True):
            lines.append(f"always @(posedge clk) {picked} <= {_pick(group, index, way - 1)};")
        if left > way:
            lines += [
                f"reg [{left - way - 1}:0] index{level};",
                f"always @(posedge clk) index{level} <= {index}[{left - 1}:{way}];",
            ]
        index, left, level, values = f"index{level}", left - way, level + 1, names
    body = "\n    ".join(lines)
    return f"""`timescale 1 ns / 1 ps

{KEPT}
module {name} (
    input clk,
    input [{n_values * bits - 1}:0] values,
    input [{index_bits - 1}:0] index,
    output [{bits - 1}:0] value
);
    {BLOCK}
    {body}
    assign value = {values[0]};
endmodule
"""


def _pick(values: list[str], index: str, bit: int) -> str:
    """Multiplexers of two, by the bits of an index from ``bit`` downwards."""
    if len(values) == 1 or bit < 0:
        return values[0]
    half = 1 << bit
    if len(values) <= half:
        return _pick(values, index, bit - 1)
    return (
        f"({index}[{bit}] ? {_pick(values[half:], index, bit - 1)} : {_pick(values[:half], index, bit - 1)})"
    )


def decode(n_nodes: int, index_bits: int) -> str:
    """Module ``decode``: which node an edge sends to, one wire for each; none if the edge is not valid. One
    register.
    """
    lines = "\n    ".join(
        f"always @(posedge clk) is_node[{n}] <= valid & (index == {index_bits}'d{n});" for n in range(n_nodes)
    )
    return f"""`timescale 1 ns / 1 ps

{KEPT}
module decode (
    input clk,
    input valid,
    input [{index_bits - 1}:0] index,
    output reg [{n_nodes - 1}:0] is_node
);
    {BLOCK}
    {lines}
endmodule
"""


def node_sum_latency(n_messages: int) -> int:
    """Registers of :func:`node_sum`."""
    return max(1, (n_messages - 1).bit_length())


def node_sum(n_messages: int, bits: int, total_bits: int) -> str:
    """Module ``node_sum``: the sum of those messages that come to one node, exactly; a tree of adders.

    There is a register behind every adder. Where several stand in a row, yosys makes carry-save adders of
    them, which take nearly twice the look-up tables.

    Args:
        n_messages: messages that come at once.
        bits: of each of the numbers of a message.
        total_bits: of a sum of all messages of a sector.
    """
    lines: list[str] = []
    for k in range(N_MESSAGE):
        names = []
        for m in range(n_messages):
            at = (m * N_MESSAGE + k) * bits
            names.append(f"t{k}_0_{m}")
            lines.append(
                f"wire signed [{bits - 1}:0] {names[-1]} = messages[{at} +: {bits}] & {{{bits}{{mine[{m}]}}}};"
            )
        for level in range(1, node_sum_latency(n_messages) + 1):
            width = min(bits + level, total_bits)
            pairs = [names[i : i + 2] for i in range(0, len(names), 2)]
            names = [f"t{k}_{level}_{i}" for i in range(len(pairs))]
            for name, pair in zip(names, pairs, strict=True):
                lines += [
                    f"reg signed [{width - 1}:0] {name};",
                    f"always @(posedge clk) {name} <= {' + '.join(pair)};",
                ]
        lines.append(f"assign total[{k * total_bits} +: {total_bits}] = {names[0]};")
    body = "\n    ".join(lines)
    return f"""`timescale 1 ns / 1 ps

{KEPT}
module node_sum (
    input clk,
    input [{n_messages - 1}:0] mine,
    input [{n_messages * N_MESSAGE * bits - 1}:0] messages,
    output [{N_MESSAGE * total_bits - 1}:0] total
);
    {BLOCK}
    {body}
endmodule
"""
