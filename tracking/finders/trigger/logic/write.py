"""The interaction network as Verilog, simulated against the whole numbers and measured without vendor tools.

The folder has:

- ``smartpix.v``: the top module, a whole sector in and its logits out;
- ``r1.v``, ``o.v``, ``r2.v``: the perceptrons with evenly spaced ports, ``*_logic*.v``: their stages;
- ``gather_*.v``, ``decode.v``, ``node_sum.v``, ``delay.v``: what is between them;
- ``shift_adder.v``, ``mux.v``, ``negative.v``: da4ml's modules (LGPL-3.0);
- ``testbench.v`` with ``sectors.hex`` and ``expected.hex``;
- the logs of the tools and ``report.json``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartpix.export import synthesis
from smartpix.export.verilog import simulate, write_da4ml
from smartpix.files import replace_folder_when_done
from smartpix.schema import InputError
from tracking.finders.trigger.logic.blocks import DELAY, decode, gather, node_sum
from tracking.finders.trigger.logic.options import LogicOptions
from tracking.finders.trigger.logic.perceptrons import sum_bits, trace, write_perceptron
from tracking.finders.trigger.logic.testbench import write_testbench
from tracking.finders.trigger.logic.top import schedule, top
from tracking.finders.trigger.shape import MLPS, N_EFFECT
from tracking.finders.trigger.whole import FixedInteraction, Graphs

__all__ = ["write_logic"]

log = logging.getLogger(__name__)

FEW = 8
"""Copies up to which verilator is faster with the whole design at once than block by block."""


def write_logic(
    network: FixedInteraction,
    folder: str | Path,
    graphs: Graphs,
    options: LogicOptions | None = None,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Write the Verilog of a network for sectors of a size, simulate it on sectors, and measure it.

    Args:
        network: what to write.
        folder: replaced if it is empty or an earlier one of these.
        graphs: sectors of the options' size.
        options: size of a sector, and what is measured.
        report: told what comes next.

    Returns:
        What is in ``report.json``. None stands for what was not asked for or whose tool is ``missing``:
        ``rtl_mismatches`` of ``n_sectors``; ``luts``, ``ffs``, ``carry`` of the programmable logic, and
        ``modules`` with those of each part and how often it occurs; ``latency_cycles`` from the edge that
        takes a sector in to the edge that gives its logits, ``latency_ns``, ``ii_cycles``, ``clock_ns``;
        ``da4ml_luts`` of the perceptrons before synthesis; ``versions``, ``assumptions``, ``missing`` as
        text.

    Raises:
        InputError: sectors of another size, a perceptron without work to do, or another folder.
        InputError: the simulation differs from the reference, or a tool failed.
    """
    options = options or LogicOptions()
    nodes, valid = graphs[0], graphs[4]
    if len(valid) == 0 or nodes.shape[1] != options.nodes or valid.shape[1] != options.edges:
        raise InputError(
            f"logic: needs sectors of {options.nodes} nodes and {options.edges} edges, these are "
            f"{nodes.shape[1]} and {valid.shape[1]} in {len(valid)} sectors; pad them to the options' size"
        )
    with replace_folder_when_done(folder) as new:
        report("tracing the three perceptrons")
        made = {mlp: trace(network, mlp, options.edges, options.depth) for mlp in MLPS}
        for perceptron in made.values():
            write_perceptron(perceptron, new)
        write_da4ml(new)
        n, index, shape = options.nodes, options.index_bits, network.shape
        total = sum_bits(network, options.edges)
        texts = {
            "delay": DELAY,
            "gather_nodes": gather("gather_nodes", n, shape.node_features * network.data.bits, index),
            "gather_effects": gather("gather_effects", n, N_EFFECT * network.effect.bits, index),
            "decode": decode(n, index),
            "node_sum": node_sum(options.edge_copies, network.message.bits, total),
            "smartpix": top(network, options, made),
        }
        for name, text in texts.items():
            (new / f"{name}.v").write_text(text, encoding="utf-8")
        latency = schedule(options, made).latency
        write_testbench(network, options, new, graphs, latency)
        copies = {"r1": options.edge_copies, "o": options.node_copies, "r2": options.edge_copies}
        facts: dict[str, Any] = {
            "options": asdict(options),
            "parameters": network.parameters,
            "rtl_mismatches": None,
            "n_sectors": len(valid),
            **dict.fromkeys(synthesis.FPGA),
            "modules": None,
            "latency_cycles": latency,
            "ii_cycles": options.interval,
            "latency_ns": latency * options.clock_ns,
            "clock_ns": options.clock_ns,
            "da4ml_luts": round(sum(p.pipe.cost * copies[mlp] for mlp, p in made.items())),
            "versions": {"da4ml": version("da4ml")},
            "assumptions": [],
            "missing": {},
        }
        if options.simulate and synthesis.present(facts, "verilator"):
            report(f"verilator: {len(valid)} sectors")
            facts["rtl_mismatches"] = simulate(new, blocks=options.edge_copies > FEW)
            if facts["rtl_mismatches"]:
                raise InputError(
                    f"{facts['rtl_mismatches']} of {len(valid)} sectors give other logits in the simulated "
                    f"Verilog than in whole numbers; please report this network"
                )
        if options.fpga and synthesis.present(facts, "yosys"):
            report("yosys: look-up tables, this takes minutes")
            facts |= synthesis.fpga(new, options.family, options.narrow_functions)
            facts["assumptions"].append(synthesis.fpga_assumption(options.family, options.narrow_functions))
        (new / "report.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts
