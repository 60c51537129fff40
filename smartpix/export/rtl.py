"""A network of whole numbers as pipelined Verilog, simulated against the plain reference and measured without
vendor tools.

The folder has:

- ``smartpix.v``: the top module, with evenly spaced numbers in its ports;
- ``network*.v``: the stages between registers;
- ``shift_adder.v``, ``mux.v``, ``negative.v``: da4ml's modules (LGPL-3.0);
- ``testbench.v`` with ``codes.hex`` and ``expected.hex``;
- the logs of the tools and ``report.json``.

A cluster goes in at every edge of the clock.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, evaluate
from smartpix.export import synthesis
from smartpix.export.logic import code_range, estimate_luts, trace
from smartpix.export.verilog import hex_lines, pipelined, simulate, spaced_ports, write_da4ml, write_pipeline
from smartpix.files import replace_folder_when_done
from smartpix.schema import InputError, check, check_types

__all__ = ["RtlOptions", "estimate_luts", "simulate", "trace", "write_rtl"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RtlOptions:
    """What is made of the Verilog and measured.

    Attributes:
        clock_ns: period of the clock in ns; 5 (200 MHz) suits programmable logic, 25 is the LHC's.
        adders_per_stage: adders and multiplexers one after the other between two registers; 0 takes one
            for each ns of the clock.
        simulate: simulate with verilator.
        fpga: count look-up tables with yosys.
        cells: map to standard cells with yosys, and find the longest path with opensta.
        family: yosys' name of the programmable logic.
        liberty: library of cells; Debian's qflow-tech-osu018 has the default one, of 180 nm.
    """

    clock_ns: float = 5.0
    adders_per_stage: int = 0
    simulate: bool = True
    fpga: bool = True
    cells: bool = True
    family: str = "xcup"
    liberty: str = synthesis.LIBERTY

    def __post_init__(self) -> None:
        check_types("rtl", self)
        check("rtl", "clock_ns", self.clock_ns, self.clock_ns > 0, "positive")
        check("rtl", "adders_per_stage", self.adders_per_stage, self.adders_per_stage >= 0, "at least 0")

    @property
    def depth(self) -> int:
        """Adders per stage."""
        return self.adders_per_stage or max(1, int(self.clock_ns))


def write_rtl(
    network: FixedNetwork,
    folder: str | Path,
    codes: npt.NDArray[Any],
    options: RtlOptions | None = None,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Write the Verilog of a network, simulate it on codes (N, S, R, C), and measure its size and speed.

    Args:
        network: what to write.
        folder: replaced if it is empty or an earlier one of these.
        codes: the clusters of the test bench.
        options: what is measured.
        report: told what comes next.

    Returns:
        What is in ``report.json``. None stands for what was not asked for or whose tool is ``missing``:
        ``rtl_mismatches`` of ``n_clusters``; ``luts``, ``ffs``, ``carry`` of the programmable logic;
        ``cells``, ``cell_area_mm2`` (180 nm), ``cell_area_mm2_28nm``, ``longest_path_ns``, ``slack_ns``,
        ``meets_clock``, ``fmax_mhz`` of the standard cells; ``latency_cycles`` from the edge that takes a
        cluster in to the edge that gives its result, ``latency_ns``, ``ii_cycles``, ``clock_ns``;
        ``da4ml_luts`` and ``register_bits`` before synthesis; ``versions``, ``assumptions``, ``missing`` as
        text.

    Raises:
        InputError: codes of another shape or beyond the range of the edges, a network without work to do, or
            another folder.
        InputError: the simulation differs from the reference, or a tool failed.
    """
    options = options or RtlOptions()
    _check_codes(network, codes)
    with replace_folder_when_done(folder) as new:
        report(f"tracing the {network.kind} network")
        pipe = pipelined(trace(network, options.depth), options.depth)
        write_pipeline(pipe, "network", new)
        write_da4ml(new)
        (new / "smartpix.v").write_text(_top(network, pipe), encoding="utf-8")
        _write_bench(network, pipe, new, codes)
        stages = len(pipe.solutions)
        facts: dict[str, Any] = {
            "kind": network.kind,
            "options": asdict(options),
            "rtl_mismatches": None,
            "n_clusters": len(codes),
            **dict.fromkeys(synthesis.FPGA + synthesis.CELLS + synthesis.TIMING),
            "latency_cycles": stages,
            "ii_cycles": 1,
            "latency_ns": stages * options.clock_ns,
            "clock_ns": options.clock_ns,
            "da4ml_luts": round(pipe.cost),
            "register_bits": int(pipe.reg_bits),
            "versions": {"da4ml": version("da4ml")},
            "assumptions": [],
            "missing": {},
        }
        if options.simulate and _present(facts, "verilator"):
            report(f"verilator: {len(codes)} clusters")
            facts["rtl_mismatches"] = simulate(new)
            if facts["rtl_mismatches"]:
                raise InputError(
                    f"{facts['rtl_mismatches']} of {len(codes)} clusters give other numbers in the simulated "
                    f"Verilog than in the "
                    "reference; please report this network"
                )
        if options.fpga and _present(facts, "yosys"):
            report("yosys: look-up tables, this takes minutes")
            facts |= synthesis.fpga(new, options.family)
            facts["assumptions"].append(
                f"look-up tables: yosys synth_xilinx for {options.family}, before placement, no DSP, no BRAM"
            )
        # All that is missing is named at once, also what would only come after something that is missing.
        timed = options.cells and _present(facts, "sta")
        if options.cells and _present(facts, "yosys", options.liberty):
            report("yosys: standard cells, this takes minutes")
            facts |= synthesis.cells(new, options.liberty, options.clock_ns)
            facts["assumptions"] += synthesis.CELL_ASSUMPTIONS
            if timed:
                report("opensta: longest path")
                facts |= synthesis.timing(new, options.liberty, options.clock_ns)
                facts["assumptions"].append(synthesis.TIMING_ASSUMPTION)
        (new / "report.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def _check_codes(network: FixedNetwork, codes: npt.NDArray[Any]) -> None:
    if codes.shape[1:] != network.shape or len(codes) == 0:
        raise InputError(
            f"rtl: needs codes (N, slices, rows, columns) with {network.shape} at the end, these are "
            f"{codes.shape}"
        )
    low, high = code_range(network)
    if codes.min() < low or codes.max() > high:
        raise InputError(
            f"rtl: codes are {codes.min()} to {codes.max()} and the network's edges give {low} to {high}"
        )


def _present(facts: dict[str, Any], tool: str, file: str | None = None) -> bool:
    """Note the version of a tool that is there, or what to install."""
    fix = synthesis.missing(tool, file)
    if fix:
        facts["missing"] |= fix
    elif tool not in facts["versions"]:
        facts["versions"][tool] = synthesis.tool_version(tool)
    return not fix


def _top(network: FixedNetwork, pipe: Any) -> str:
    """Module whose ports hold all numbers in the same width, the first one lowest."""
    in_bits, out_bits = _port_bits(network)
    n_codes, n_outputs = len(pipe.inp_qint), len(pipe.out_qint)
    body = spaced_ports(pipe, "network", [in_bits] * n_codes, [out_bits] * n_outputs, ("codes", "results"))
    return f"""`timescale 1 ns / 1 ps

// Codes in two's complement, {in_bits} bits each, in the order (slice, row, column), the first lowest.
// Results in two's complement, {out_bits} bits each, in units of 2^-{network.outputs["dense3"].fraction},
// {len(pipe.solutions)} edges of the clock after the one that takes the codes in.
module smartpix (
    input clk,
    input [{n_codes * in_bits - 1}:0] codes,
    output [{n_outputs * out_bits - 1}:0] results
);
{body}endmodule
"""


def _port_bits(network: FixedNetwork) -> tuple[int, int]:
    """Bits of a code and of a result."""
    low, high = code_range(network)
    return max((-low - 1).bit_length() if low else 0, high.bit_length()) + (low < 0), network.outputs[
        "dense3"
    ].bits


def _write_bench(network: FixedNetwork, pipe: Any, folder: Path, codes: npt.NDArray[Any]) -> None:
    in_bits, out_bits = _port_bits(network)
    expected = evaluate(network, codes)
    (folder / "codes.hex").write_text(
        hex_lines(codes.reshape(len(codes), -1).astype(np.int64), in_bits), encoding="utf-8"
    )
    (folder / "expected.hex").write_text(hex_lines(expected, out_bits), encoding="utf-8")
    n_in, n_out = codes[0].size * in_bits, expected.shape[1] * out_bits
    (folder / "testbench.v").write_text(
        f"""`timescale 1 ns / 1 ps

// A cluster of codes.hex goes in at every edge; its results are compared with those of expected.hex when they are due.
module testbench;
    localparam N = {len(codes)};
    localparam LATENCY = {len(pipe.solutions)};
    reg clk = 0;
    reg [{n_in - 1}:0] codes [0:N-1];
    reg [{n_out - 1}:0] expected [0:N-1];
    reg [{n_in - 1}:0] code;
    wire [{n_out - 1}:0] result;
    integer i, mismatches;

    smartpix chip (.clk(clk), .codes(code), .results(result));

    initial begin
        $readmemh("codes.hex", codes);
        $readmemh("expected.hex", expected);
        mismatches = 0;
        for (i = 0; i < N + LATENCY; i = i + 1) begin
            code = codes[i < N ? i : N - 1];
            #1 clk = 1;
            #1 clk = 0;
            if (i >= LATENCY && result !== expected[i - LATENCY]) begin
                if (mismatches < 10) $display("cluster %0d: %h, expected %h", i - LATENCY, result, expected[i - LATENCY]);
                mismatches = mismatches + 1;
            end
        end
        $display("clusters %0d mismatches %0d", N, mismatches);
        $finish;
    end
endmodule
""",
        encoding="utf-8",
    )
