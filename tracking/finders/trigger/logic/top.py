"""The module ``smartpix``: a whole sector goes in at once, and its logits come out at once.

With an interval of II cycles the edges go through M / II copies of R1 and R2, and the nodes through N / II
copies of O, one lot after the other. ``first`` marks the cycle in which a sector comes in; the next one may
come II cycles later, or any time after that. A pulse that runs along the pipeline says where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracking.finders.trigger.logic.blocks import gather_latency, node_sum_latency
from tracking.finders.trigger.logic.options import LogicOptions
from tracking.finders.trigger.logic.perceptrons import Perceptron, sum_bits
from tracking.finders.trigger.shape import N_EFFECT, N_MESSAGE
from tracking.finders.trigger.whole import FixedInteraction

__all__ = ["Schedule", "schedule", "top"]


@dataclass(frozen=True)
class Schedule:
    """When the first lot of a sector is where, in cycles after the sector is in the input's registers.

    Attributes:
        messages: R1 gives the messages.
        sums: the sums over all messages are there.
        nodes: O takes the nodes.
        effects: what O gave of all nodes is there.
        ends: R2 takes the edges.
        logits: R2 gives the logits.
        interval: cycles between two sectors.
    """

    messages: int
    sums: int
    nodes: int
    effects: int
    ends: int
    logits: int
    interval: int

    @property
    def latency(self) -> int:
        """Edges of the clock from the one that takes a sector in to the one that gives its results."""
        return self.logits + self.interval - 1


def schedule(options: LogicOptions, perceptrons: Mapping[str, Perceptron]) -> Schedule:
    """The times of the parts, by their registers."""
    interval = options.interval
    spread = interval > 1
    gathered = gather_latency(options.nodes)
    messages = gathered + perceptrons["r1"].latency
    # With an interval: the accumulator has the last lot, a register holds what O takes, and one what it gave.
    sums = messages + node_sum_latency(options.edge_copies) + (interval if spread else 0)
    nodes = sums + spread
    effects = nodes + perceptrons["o"].latency + (interval if spread else 0)
    ends = effects + gathered
    return Schedule(messages, sums, nodes, effects, ends, ends + perceptrons["r2"].latency, interval)


class _Lines:
    """Verilog line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.delays = 0

    def wire(self, name: str, bits: int, value: str = "") -> None:
        self.lines.append(f"wire [{bits - 1}:0] {name}{f' = {value}' if value else ''};")

    def register(self, name: str, bits: int, value: str, when: str = "") -> None:
        self.lines += [
            f"reg [{bits - 1}:0] {name};",
            f"always @(posedge clk) {f'if ({when}) ' if when else ''}{name} <= {value};",
        ]

    def delayed(self, name: str, bits: int, value: str, cycles: int) -> None:
        """``value`` so many cycles later, as ``name``."""
        self.wire(name, bits)
        self.delays += 1
        self.lines.append(
            f"delay #(.BITS({bits}), .CYCLES({cycles})) delay{self.delays} "
            f"(.clk(clk), .in({value}), .out({name}));"
        )

    def instance(self, module: str, ports: str) -> None:
        """A copy of a module."""
        self.lines.append(f"{module} {module}_{len(self.lines)} (.clk(clk), {ports});")


def top(network: FixedInteraction, options: LogicOptions, perceptrons: Mapping[str, Perceptron]) -> str:
    """Text of the module."""
    at = schedule(options, perceptrons)
    shape, ii, bits = network.shape, options.interval, network.data.bits
    n, m, index = options.nodes, options.edges, options.index_bits
    lanes = options.edge_copies
    node, edge, message = (
        shape.node_features * bits,
        shape.edge_features * bits,
        N_MESSAGE * network.message.bits,
    )
    total, effect, logit = (
        N_MESSAGE * sum_bits(network, m),
        N_EFFECT * network.effect.bits,
        network.output.bits,
    )
    word = edge + 2 * index + 1
    text = _Lines()
    # The sector's registers: the nodes stay for a whole interval, the edges move on lot by lot.
    words = [
        f"{{valid[{k}], receivers[{k * index} +: {index}], senders[{k * index} +: {index}], edges[{k * edge} +: {edge}]}}"
        if k < m
        else f"{word}'d0"
        for k in range(lanes * ii)
    ]
    text.wire("words", lanes * ii * word, "{" + ", ".join(reversed(words)) + "}")
    if ii == 1:
        text.register("held_nodes0", n * node, "nodes")
        text.register("lots", lanes * word, "words")
    else:
        text.register("held_nodes0", n * node, "nodes", "first")
        text.register("lots", lanes * ii * word, f"first ? words : lots >> {lanes * word}")
    text.register("pulses", at.latency + 1, "{pulses, first}")
    for k in range(lanes):
        text.wire(f"word{k}", word, f"lots[{k * word} +: {word}]")
        text.wire(f"sender{k}", index, f"word{k}[{edge} +: {index}]")
        text.wire(f"receiver{k}", index, f"word{k}[{edge + index} +: {index}]")
        text.wire(f"valid{k}", 1, f"word{k}[{word - 1}]")
    gathered = gather_latency(n)
    _edges_to_messages(text, lanes, node, edge, message, gathered)
    # Which node a message goes to is known one cycle before the message.
    text.wire("messages", lanes * message, _joined("message", lanes))
    for k in range(lanes):
        text.delayed(f"to{k}", index + 1, f"{{valid{k}, receiver{k}}}", at.messages - 1)
        text.wire(f"is_node{k}", n)
        text.instance(
            "decode",
            f".valid(to{k}[{index}]), .index(to{k}[{index - 1}:0]), .is_node(is_node{k})",
        )
    for k in range(n):
        text.wire(f"tree{k}", total)
        mine = "{" + ", ".join(f"is_node{e}[{k}]" for e in reversed(range(lanes))) + "}"
        text.instance("node_sum", f".mine({mine}), .messages(messages), .total(tree{k})")
    _sums_to_effects(text, options, at, node, total, effect, sum_bits(network, m))
    for k in range(lanes):
        text.delayed(f"ends{k}", 2 * index, f"{{receiver{k}, sender{k}}}", at.effects)
        for name, low in (("receiver", index), ("sender", 0)):
            text.wire(f"{name}_effect{k}", effect)
            text.instance("gather_effects", f".values(effects), .index(ends{k}[{low} +: {index}]), .value({name}_effect{k})",
            )  # fmt: skip
        text.delayed(f"message_again{k}", message, f"message{k}", at.ends - at.messages)
        text.wire(f"found{k}", logit)
        text.instance(
            "r2",
            f".in({{message_again{k}, sender_effect{k}, receiver_effect{k}}}), .out(found{k})",
        )
        text.delayed(f"valid_again{k}", 1, f"valid{k}", at.logits)
        lowest = f"{{1'b1, {logit - 1}'d0}}"
        text.wire(f"logit{k}", logit, f"valid_again{k} ? found{k} : {lowest}")
    _collect(text, "logit", lanes, logit, ii, "all_logits")
    body = "\n    ".join(text.lines)
    return f"""`timescale 1 ns / 1 ps

// A sector of up to {n} nodes and {m} edges, taken in at the edge of the clock at which first is high; at most
// one in {ii} cycles. All numbers are whole ones in two's complement, the first lowest: features of {bits} bits,
// indices of {index} bits; valid is low for padding, whose other numbers may be any.
// Logits of {logit} bits in units of 2^-{network.output.fraction}, the lowest one for padding, are there when done is
// high, {at.latency} edges of the clock after the one that takes the sector in.
module smartpix (
    input clk,
    input first,
    input [{n * node - 1}:0] nodes,
    input [{m * edge - 1}:0] edges,
    input [{m * index - 1}:0] senders,
    input [{m * index - 1}:0] receivers,
    input [{m - 1}:0] valid,
    output done,
    output [{m * logit - 1}:0] logits
);
    {body}
    assign done = pulses[{at.latency}];
    assign logits = all_logits[{m * logit - 1}:0];
endmodule
"""


def _edges_to_messages(text: _Lines, lanes: int, node: int, edge: int, message: int, gathered: int) -> None:
    """The ends' features by the edges' indices, and R1."""
    for k in range(lanes):
        for name in ("receiver", "sender"):
            text.wire(f"{name}_node{k}", node)
            text.instance("gather_nodes", f".values(held_nodes0), .index({name}{k}), .value({name}_node{k})",
            )  # fmt: skip
        text.delayed(f"edge{k}", edge, f"word{k}[{edge - 1}:0]", gathered)
        text.wire(f"message{k}", message)
        text.instance("r1", f".in({{edge{k}, sender_node{k}, receiver_node{k}}}), .out(message{k})")


def _sums_to_effects(
    text: _Lines, options: LogicOptions, at: Schedule, node: int, total: int, effect: int, each: int
) -> None:
    """Sums over all lots, O, and what it gives of all nodes, which stays for an interval."""
    n, ii, lanes = options.nodes, options.interval, options.node_copies
    held = at.sums // ii
    for k in range(1, held + 1):
        # Passed on before the next sector's nodes come in, whenever that is.
        when = "" if ii == 1 else f"pulses[{k * ii - 1}]"
        text.register(f"held_nodes{k}", n * node, f"held_nodes{k - 1}", when)
    before = at.sums - ii
    for k in range(n):
        if ii > 1:
            added = [
                f"$signed(sum{k}[{i * each} +: {each}]) + $signed(tree{k}[{i * each} +: {each}])"
                for i in reversed(range(N_MESSAGE))
            ]
            # In braces, a sum has the width of its terms; it holds the sum of all messages.
            text.register(f"sum{k}", total, f"pulses[{before}] ? tree{k} : {{{', '.join(added)}}}")
        else:
            text.wire(f"sum{k}", total, f"tree{k}")
    words = [
        f"{{sum{k}, held_nodes{held}[{k * node} +: {node}]}}" if k < n else f"{node + total}'d0"
        for k in range(lanes * ii)
    ]
    joined, width = "{" + ", ".join(reversed(words)) + "}", node + total
    if ii == 1:
        text.wire("node_lots", lanes * width, joined)
    else:
        text.wire("node_words", lanes * ii * width, joined)
        text.register(
            "node_lots", lanes * ii * width, f"pulses[{at.sums}] ? node_words : node_lots >> {lanes * width}"
        )
    for k in range(lanes):
        text.wire(f"effect{k}", effect)
        text.instance("o", f".in(node_lots[{k * width} +: {width}]), .out(effect{k})")
    if ii == 1:
        text.wire("effects", n * effect, _joined("effect", n))
    else:
        _collect(text, "effect", lanes, effect, ii, "new_effects")
        text.register("effects", n * effect, f"new_effects[{n * effect - 1}:0]", f"pulses[{at.effects - 1}]")


def _joined(name: str, n: int) -> str:
    return "{" + ", ".join(f"{name}{k}" for k in reversed(range(n))) + "}"


def _collect(text: _Lines, name: str, lanes: int, bits: int, interval: int, result: str) -> None:
    """All lots of an interval, complete in the cycle in which the last one comes."""
    now, width = _joined(name, lanes), lanes * bits
    if interval == 1:
        text.wire(result, width, now)
        return
    before = f"{name}s_before"
    text.wire(result, interval * width, f"{{{now}, {before}}}")
    text.lines.insert(-1, f"reg [{(interval - 1) * width - 1}:0] {before};")
    text.lines.append(f"always @(posedge clk) {before} <= {result} >> {width};")
