"""Size of the trigger's interaction network in logic against the cycles between two sectors.

    python benchmarks/trigger_logic.py WEIGHTS EVENTS.root [PART ...]

A part is an interval of so many cycles, which is simulated with verilator on 2,000 sectors of the events and counted
with yosys, or ``hls``: the perceptrons as hls4ml projects, by C simulation. Writes
benchmarks/results/trigger-logic.json, where other parts of the same weights stay, and docs/trigger-logic.png. The
interval of one cycle is what ``smartpix bench trigger`` measures, and is taken from its result.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from tracking.bench.trigger_plots import plot_logic
from tracking.finders.trigger.dataset import labelled_events, labelled_sectors
from tracking.finders.trigger.logic import LogicOptions, bench_graphs, write_logic, write_perceptrons
from tracking.finders.trigger.scores import load_trained
from tracking.finders.trigger.whole import FixedInteraction, Graphs

ROOT = Path(__file__).parents[1]
RESULT, BENCH = (
    ROOT / "benchmarks" / "results" / f"{name}.json" for name in ("trigger-logic", "bench-trigger")
)
FIGURE = ROOT / "docs" / "trigger-logic.png"
HLS, PARTS = "hls", ("hls", "2", "4", "7", "14")
N_SECTORS = 2000


def every_cycle(bits: int) -> dict[str, Any]:
    """The row of an interval of one cycle, as ``smartpix bench trigger`` found it."""
    bench = json.loads(BENCH.read_text(encoding="utf-8"))
    network, rate = bench["network"], bench["rate"]
    assert (network["bits"], network["ii_cycles"]) == (bits, 1), "bench-trigger.json is of another network"
    names = ("parameters", "luts", "ffs", "latency_cycles", "ii_cycles", "rtl_mismatches")
    clock_ns = rate["clock_ns"]
    return {name: network[name] for name in names} | {
        "n_sectors": network["n_rtl_sectors"],
        "clock_ns": clock_ns,
        "latency_ns": clock_ns * network["latency_cycles"],
    }


def simulated_perceptrons(network: FixedInteraction, graphs: Graphs) -> dict[str, Any]:
    """Inputs and mismatches of each perceptron's C simulation."""
    with tempfile.TemporaryDirectory() as folder:
        reports = write_perceptrons(network, Path(folder) / "hls", graphs)
    return {
        mlp: {name: report[name] for name in ("n_inputs", "csim_mismatches")}
        for mlp, report in reports.items()
    }


def main(weights: str, file: str, *parts: str) -> None:
    """Measure the parts, one after the other."""
    trained, name = load_trained(weights), Path(weights).stem
    network = trained.network
    assert isinstance(network, FixedInteraction), "give weights in whole numbers"
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    kept = kept if kept.get("weights") == name else {}
    result = {"weights": name, "bits": network.data.bits, HLS: kept.get(HLS), "rows": kept.get("rows", {})}
    result["rows"]["1"] = every_cycle(network.data.bits)
    events = labelled_events(file, trained.graph)
    batches = [labelled_sectors(event, trained.sectors)[1] for event in events]
    graphs = bench_graphs(network, batches, N_SECTORS)
    for part in parts or PARTS:
        if part == HLS:
            result[HLS] = simulated_perceptrons(network, graphs)
        else:
            size = LogicOptions(trained.sectors.nodes, trained.sectors.edges, int(part))
            with tempfile.TemporaryDirectory() as folder:
                result["rows"][part] = write_logic(network, Path(folder) / "rtl", graphs, size, print)
        result["rows"] = dict(sorted(result["rows"].items(), key=lambda row: int(row[0])))
        # What takes long is kept as it comes.
        with replace_when_done(RESULT) as beside:
            beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        plot_logic(FIGURE, result["rows"])


if __name__ == "__main__":
    main(*sys.argv[1:])
