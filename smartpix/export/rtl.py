"""A network of whole numbers as pipelined Verilog, simulated against the plain reference and measured without
vendor tools.

The folder has:

- ``smartpix.v``: the top module, with evenly spaced numbers in its ports;
- ``network*.v``: the stages between registers;
- ``shift_adder.v``, ``mux.v``, ``negative.v``: da4ml's modules (LGPL-3.0);
- ``testbench.v`` with ``codes.hex`` and ``expected.hex``, and ``weights.hex`` of a reloadable design, which
  has no other modules;
- the logs of the tools and ``report.json``.

A cluster goes in at every edge of the clock.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, Ints, evaluate
from smartpix.export import synthesis
from smartpix.export.logic import code_range, estimate_luts, port_bits, trace
from smartpix.export.reload import Design, random_weights, refit, reloadable
from smartpix.export.testbench import write_bench, write_reload_bench
from smartpix.export.verilog import pipelined, simulate, spaced_ports, write_da4ml, write_pipeline
from smartpix.files import replace_folder_when_done
from smartpix.schema import InputError, check, check_ranges, check_types, ranged

__all__ = ["RtlOptions", "estimate_luts", "measure", "simulate", "trace", "write_rtl", "write_wiring"]

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
        narrow_functions: yosys does not use the multiplexers behind look-up tables, which make a design
            faster and, where it has many narrow adders, larger.
        liberty: library of cells; Debian's qflow-tech-osu018 has the default one, of 180 nm.
        reloadable: weights in registers that a port loads, with multipliers, in place of constants.
        load_bits: bits that the port takes at an edge of the clock.
    """

    clock_ns: float = 5.0
    adders_per_stage: int = 0
    simulate: bool = True
    fpga: bool = True
    cells: bool = True
    family: str = "xcup"
    narrow_functions: bool = False
    liberty: str = synthesis.LIBERTY
    reloadable: bool = False
    load_bits: int = ranged(32, 1, 1024)

    def __post_init__(self) -> None:
        check_types("rtl", self)
        check_ranges("rtl", self)
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
    reload: Sequence[FixedNetwork] = (),
) -> dict[str, Any]:
    """Write the Verilog of a network, simulate it on codes (N, S, R, C), and measure its size and speed.

    Args:
        network: what to write.
        folder: replaced if it is empty or an earlier one of these.
        codes: the clusters of the test bench.
        options: what is measured.
        report: told what comes next.
        reload: other weights that a reloadable design is loaded with in its simulation, one after the
            other; none: random ones. Each is compared with ``evaluate`` on all codes.

    Returns:
        What is in ``report.json``. None stands for what was not asked for or whose tool is ``missing``:
        ``rtl_mismatches`` of ``n_clusters``; ``luts``, ``ffs``, ``carry`` of the programmable logic;
        ``cells``, ``cell_area_mm2`` (180 nm), ``cell_area_mm2_28nm``, ``longest_path_ns``, ``slack_ns``,
        ``meets_clock``, ``fmax_mhz`` of the standard cells; ``latency_cycles`` from the edge that takes a
        cluster in to the edge that gives its result, ``latency_ns``, ``ii_cycles``, ``clock_ns``;
        ``da4ml_luts`` and ``register_bits`` before synthesis; of a reloadable one ``weight_bits``,
        ``load_cycles``, ``multipliers``, ``loads`` that were simulated, and no ``da4ml_luts``; ``versions``,
        ``assumptions``, ``missing`` as text.

    Raises:
        InputError: codes of another shape or beyond the range of the edges, a network without work to do, or
            another folder.
        InputError: the simulation differs from the reference, or a tool failed.
    """
    options = options or RtlOptions()
    _check_codes(network, codes)
    with replace_folder_when_done(folder) as new:
        report(f"tracing the {network.kind} network")
        made = (_loaded if options.reloadable else _wired)(network, new, codes, options, reload)
        return measure(new, {"kind": network.kind, **made}, len(codes), options, report)


def write_wiring(
    logic: Any,
    folder: Path,
    codes: npt.NDArray[Any],
    expected: Ints,
    bits: tuple[int, int],
    fraction: int,
    depth: int,
) -> dict[str, Any]:
    """Write logic with its weights in the wiring, as a pipeline with a test bench.

    Args:
        logic: da4ml's ``CombLogic`` from codes to results.
        folder: that it is written to.
        codes: (N, ...) of the clusters of the test bench; expected: (N, O) their results, whole numbers.
        bits: of a code and of a result in the ports.
        fraction: the unit of a result is 2 to the power of minus this.
        depth: adders one after the other between two registers.

    Returns:
        ``latency_cycles``, and ``da4ml_luts`` and ``register_bits`` before synthesis.
    """
    pipe = pipelined(logic, depth)
    write_pipeline(pipe, "network", folder)
    write_da4ml(folder)
    (folder / "smartpix.v").write_text(_top(pipe, bits, fraction), encoding="utf-8")
    latency = len(pipe.solutions)
    write_bench(codes, expected, bits, latency, folder)
    return {"latency_cycles": latency, "da4ml_luts": round(pipe.cost), "register_bits": int(pipe.reg_bits)}


def measure(
    folder: Path,
    made: Mapping[str, Any],
    n_clusters: int,
    options: RtlOptions,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Simulate a design that takes a cluster at every edge, measure it, and write ``report.json``.

    Args:
        folder: with the Verilog and a test bench of ``n_clusters``.
        made: facts of the design: ``latency_cycles`` and more.
        options: what is measured.
        report: told what comes next.

    Returns:
        As :func:`write_rtl`.

    Raises:
        InputError: the simulation differs from the reference, or a tool failed.
    """
    facts: dict[str, Any] = {
        "options": asdict(options),
        "rtl_mismatches": None,
        "n_clusters": n_clusters,
        **dict.fromkeys(synthesis.FPGA + synthesis.CELLS + synthesis.TIMING),
        "ii_cycles": 1,
        "latency_ns": made["latency_cycles"] * options.clock_ns,
        "clock_ns": options.clock_ns,
        **made,
        "versions": {} if options.reloadable else {"da4ml": version("da4ml")},
        "assumptions": [],
        "missing": {},
    }
    if options.simulate and synthesis.present(facts, "verilator"):
        report(f"verilator: {n_clusters} clusters")
        facts["rtl_mismatches"] = simulate(folder)
        if facts["rtl_mismatches"]:
            raise InputError(
                f"{facts['rtl_mismatches']} of {n_clusters} clusters (of each load) give other numbers in the simulated "
                f"Verilog than in the "
                "reference; please report this network"
            )
    if options.fpga and synthesis.present(facts, "yosys"):
        report("yosys: look-up tables, this takes minutes")
        facts |= synthesis.fpga(folder, options.family, options.narrow_functions)
        facts["assumptions"].append(synthesis.fpga_assumption(options.family, options.narrow_functions))
    # All that is missing is named at once, also what would only come after something that is missing.
    timed = options.cells and synthesis.present(facts, "sta")
    if options.cells and synthesis.present(facts, "yosys", options.liberty):
        report("yosys: standard cells, this takes minutes")
        facts |= synthesis.cells(folder, options.liberty, options.clock_ns)
        facts["assumptions"] += synthesis.CELL_ASSUMPTIONS
        if timed:
            report("opensta: longest path")
            facts |= synthesis.timing(folder, options.liberty, options.clock_ns)
            facts["assumptions"].append(synthesis.TIMING_ASSUMPTION)
    (folder / "report.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
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


def _wired(
    network: FixedNetwork,
    folder: Path,
    codes: npt.NDArray[Any],
    options: RtlOptions,
    reload: Sequence[FixedNetwork],
) -> dict[str, Any]:
    """Write the network with its weights in the wiring; the facts of it."""
    if reload:
        raise InputError(
            "rtl: there are weights to reload and the design has none in registers; set reloadable"
        )
    logic, expected = trace(network, options.depth), evaluate(network, codes)
    fraction = network.outputs["dense3"].fraction
    return write_wiring(logic, folder, codes, expected, port_bits(network), fraction, options.depth)


def _loaded(
    network: FixedNetwork,
    folder: Path,
    codes: npt.NDArray[Any],
    options: RtlOptions,
    reload: Sequence[FixedNetwork],
) -> dict[str, Any]:
    """Write the network with its weights in registers; the facts of it."""
    design: Design = reloadable(network, options.depth, options.load_bits)
    (folder / "smartpix.v").write_text(design.text, encoding="utf-8")
    # Without others, a draw: more of its bits differ than of weights that were trained again.
    others = [refit(other, network) for other in reload] or [random_weights(network)]
    write_reload_bench(design, [network, *others], folder, codes)
    return {
        "latency_cycles": design.latency,
        "da4ml_luts": None,
        "register_bits": design.register_bits,
        "weight_bits": design.weight_bits,
        "load_cycles": design.load_cycles,
        "multipliers": design.multipliers,
        "loads": 1 + len(others),
    }


def _top(pipe: Any, bits: tuple[int, int], fraction: int) -> str:
    """Module whose ports hold all numbers in the same width, the first one lowest."""
    in_bits, out_bits = bits
    n_codes, n_outputs = len(pipe.inp_qint), len(pipe.out_qint)
    body = spaced_ports(pipe, "network", [in_bits] * n_codes, [out_bits] * n_outputs, ("codes", "results"))
    return f"""`timescale 1 ns / 1 ps

// Codes in two's complement, {in_bits} bits each, in the order (slice, row, column), the first lowest.
// Results in two's complement, {out_bits} bits each, in units of 2^-{fraction},
// {len(pipe.solutions)} edges of the clock after the one that takes the codes in.
module smartpix (
    input clk,
    input [{n_codes * in_bits - 1}:0] codes,
    output [{n_outputs * out_bits - 1}:0] results
);
{body}endmodule
"""
