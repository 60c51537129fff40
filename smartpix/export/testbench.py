"""Test benches of exported Verilog: clusters go in, and what comes out is compared with the plain
reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, Ints, evaluate
from smartpix.export.logic import port_bits
from smartpix.export.verilog import hex_lines

if TYPE_CHECKING:
    from smartpix.export.reload import Design

__all__ = ["write_bench", "write_reload_bench"]


def write_bench(
    codes: npt.NDArray[Any], expected: Ints, bits: tuple[int, int], latency: int, folder: Path
) -> None:
    """Write the bench of a design with constant weights.

    Args:
        codes: (N, ...) of clusters, numbers as they are in the port; expected: (N, O) their results.
        bits: of a code and of a result in the ports.
        latency: edges of the clock from codes to results.
        folder: that it is written to.
    """
    _write(codes, expected, bits, latency, folder, ("", "", ""))


def write_reload_bench(
    design: Design, networks: Sequence[FixedNetwork], folder: Path, codes: npt.NDArray[Any]
) -> None:
    """Write the bench of a reloadable design: it loads one network after the other, each for all clusters.

    Raises:
        InputError: a network that the design cannot hold.
    """
    from smartpix.export.reload import load_words

    words = [word for network in networks for word in load_words(design, network)]
    digits = -(-design.load_bits // 4)
    (folder / "weights.hex").write_text("".join(f"{word:0{digits}x}\n" for word in words), encoding="utf-8")
    top, n = design.load_bits - 1, design.load_cycles
    declared = f"""
    localparam WORDS = {n};
    reg load = 0;
    reg [{top}:0] word;
    reg [{top}:0] words [0:{len(words) - 1}];"""
    loading = """
            load = 1;
            for (i = 0; i < WORDS; i = i + 1) begin
                word = words[k * WORDS + i];
                #1 clk = 1;
                #1 clk = 0;
            end
            load = 0;"""
    _write(
        codes, np.concatenate([evaluate(each, codes) for each in networks]), port_bits(networks[0]), design.latency,
        folder, (declared, loading, '\n        $readmemh("weights.hex", words);'),
    )  # fmt: skip


def _write(
    codes: npt.NDArray[Any],
    expected: Ints,
    bits: tuple[int, int],
    latency: int,
    folder: Path,
    more: tuple[str, str, str],
) -> None:
    """Write a bench; ``expected`` has the results of all clusters for each load of weights, one after the
    other.
    """
    in_bits, out_bits = bits
    flat = codes.reshape(len(codes), -1).astype(np.int64)
    (folder / "codes.hex").write_text(hex_lines(flat, in_bits), encoding="utf-8")
    (folder / "expected.hex").write_text(hex_lines(expected, out_bits), encoding="utf-8")
    n_in, n_out = codes[0].size * in_bits, expected.shape[1] * out_bits
    declared, loading, read = more
    ports = ".clk(clk), .load(load), .word(word)" if declared else ".clk(clk)"
    (folder / "testbench.v").write_text(
        f"""`timescale 1 ns / 1 ps

// A cluster of codes.hex goes in at every edge; its results are compared with those of expected.hex when they are due.
module testbench;
    localparam N = {len(codes)};
    localparam LOADS = {len(expected) // len(codes)};
    localparam LATENCY = {latency};
    reg clk = 0;
    reg [{n_in - 1}:0] codes [0:N-1];
    reg [{n_out - 1}:0] expected [0:N*LOADS-1];
    reg [{n_in - 1}:0] code;
    wire [{n_out - 1}:0] result;
    integer i, k, mismatches;{declared}

    smartpix chip ({ports}, .codes(code), .results(result));

    initial begin
        $readmemh("codes.hex", codes);
        $readmemh("expected.hex", expected);{read}
        mismatches = 0;
        for (k = 0; k < LOADS; k = k + 1) begin{loading}
            for (i = 0; i < N + LATENCY; i = i + 1) begin
                code = codes[i < N ? i : N - 1];
                #1 clk = 1;
                #1 clk = 0;
                if (i >= LATENCY && result !== expected[k * N + i - LATENCY]) begin
                    if (mismatches < 10) $display("load %0d, cluster %0d: %h, expected %h", k, i - LATENCY, result, expected[k * N + i - LATENCY]);
                    mismatches = mismatches + 1;
                end
            end
        end
        $display("clusters %0d mismatches %0d", N * LOADS, mismatches);
        $finish;
    end
endmodule
""",
        encoding="utf-8",
    )
