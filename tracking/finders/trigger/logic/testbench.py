"""Test bench of the logic: sectors go in, as close to one another as they may and with pauses, and all logits
are compared with those of :func:`tracking.finders.trigger.whole.evaluate`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smartpix.export.verilog import hex_lines
from tracking.finders.trigger.logic.options import LogicOptions
from tracking.finders.trigger.whole import FixedInteraction, Graphs, evaluate

__all__ = ["write_testbench"]


def write_testbench(
    network: FixedInteraction,
    options: LogicOptions,
    folder: Path,
    graphs: Graphs,
    latency: int,
) -> None:
    """Write ``testbench.v``, ``sectors.hex`` and ``expected.hex``. The sectors have the options' size."""
    nodes, edges, senders, receivers, valid = graphs
    s = len(valid)
    expected = evaluate(network, nodes, edges, senders, receivers, valid)
    widths = (network.data.bits, network.data.bits, options.index_bits, options.index_bits, 1)
    parts = [
        (((values.reshape(s, -1)[:, :, None] >> np.arange(bits)) & 1).reshape(s, -1))
        for values, bits in zip(
            (nodes, edges, senders, receivers, valid.astype(np.int64)), widths, strict=True
        )
    ]
    (folder / "sectors.hex").write_text(hex_lines(np.concatenate(parts, axis=1), 1), encoding="utf-8")
    (folder / "expected.hex").write_text(hex_lines(expected, network.output.bits), encoding="utf-8")
    names = ("nodes", "edges", "senders", "receivers", "valid")
    ports, at = [], 0
    for name, part in zip(names, parts, strict=True):
        ports.append(f".{name}(sector[{at} +: {part.shape[1]}])")
        at += part.shape[1]
    n_out = expected.shape[1] * network.output.bits
    (folder / "testbench.v").write_text(
        f"""`timescale 1 ns / 1 ps

// A sector of sectors.hex goes in at every {options.interval} edges, after every seventh sector later;
// in between there is another one at the inputs, which must not matter.
module testbench;
    localparam N = {s};
    localparam INTERVAL = {options.interval};
    localparam LATENCY = {latency};
    reg clk = 0;
    reg first = 0;
    reg [{at - 1}:0] sectors [0:N-1];
    reg [{n_out - 1}:0] expected [0:N-1];
    reg [{at - 1}:0] sector;
    wire [{n_out - 1}:0] result;
    wire done;
    integer cycle, sent, found, mismatches, next;

    smartpix chip (.clk(clk), .first(first), {", ".join(ports)}, .done(done), .logits(result));

    initial begin
        $readmemh("sectors.hex", sectors);
        $readmemh("expected.hex", expected);
        mismatches = 0;
        found = 0;
        sent = 0;
        next = 2 * LATENCY;
        // The pulses of an earlier sector, of which there is none, leave first.
        for (cycle = 0; found < N && cycle < 4 * LATENCY + N * (INTERVAL + 3); cycle = cycle + 1) begin
            first = cycle >= next && sent < N;
            sector = sectors[first ? sent : (sent + 1) % N];
            if (first) begin
                sent = sent + 1;
                next = cycle + INTERVAL + (sent % 7 == 0 ? 1 + sent % 3 : 0);
            end
            #1 clk = 1;
            #1 clk = 0;
            if (done === 1'b1 && cycle >= 2 * LATENCY) begin
                if (result !== expected[found]) begin
                    if (mismatches < 10) $display("sector %0d: %h, expected %h", found, result, expected[found]);
                    mismatches = mismatches + 1;
                end
                found = found + 1;
            end
        end
        if (found == N) $display("sectors %0d mismatches %0d", N, mismatches);
        $finish;
    end
endmodule
""",
        encoding="utf-8",
    )
