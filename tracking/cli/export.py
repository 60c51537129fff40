"""``smartpix export``: a quantised network as a project for the chip's tools, proven equal bit for bit."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from smartpix.export.hls import BACKENDS, HlsOptions
from smartpix.export.rtl import RtlOptions
from smartpix.schema import InputError, check
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path
from tracking.finders.trigger.logic.options import LogicOptions
from tracking.options import from_mapping

__all__ = ["add_export"]

LOADED = ("reloadable", "load_bits", "narrow_functions")
"""Options of the Verilog that have flags of their own."""


def add_export(commands: Any) -> None:
    """Add ``export`` to the commands."""
    export = commands.add_parser("export", help="a quantised network as C++ and Verilog, proven bit for bit",
    description=(
        "Write a quantised network as an hls4ml project with a test bench of real clusters, compile its C "
        "simulation and compare "
        "every output: a mismatch is an error. With --rtl also as Verilog, simulated and synthesised with "
        "open tools. A graph "
        "network is written as TorchScript or ONNX: -o gnn.pt or -o gnn.onnx; the trigger's interaction network in "
        "whole numbers as a project for each of its perceptrons, and with --rtl as Verilog of a whole sector. Of a code of "
        "the link (smartpix train link), the encoder is written as Verilog: --rtl. The name gbts-table instead of "
        "weights makes a table for the cluster width cuts of ACTS's GBTS, from the estimates of event files."
    ))  # fmt: skip
    weights: Any = export.add_argument(
        "weights",
        metavar="WEIGHTS",
        help="quantised ones (see compress and train gnn) or the graph network's: by name, or a path; or "
        "gbts-table; graphs and calibrator are commands of their own, with a --help each",
    )
    # For shells, which complete them.
    weights.values = ("gbts-table", "graphs", "calibrator")
    export.add_argument(
        "-o", "--output", type=named_path, required=True, metavar="OUT", help="a folder; or a .pt or .onnx"
    )
    option_flags(export, HlsOptions(), "backend", "io", "strategy", "reuse", "part", clock_period="--clock")
    export.add_argument(
        "--clusters",
        type=int,
        default=2000,
        metavar="N",
        help="in the test bench; sectors of the trigger's network (default: %(default)s)",
    )
    export.add_argument(
        "--file",
        type=named_path,
        metavar="F.parquet",
        help="take them from this data set, not from a simulation; for the trigger's network, codes of the link and "
        "gbts-table: event files (ROOT)",
    )
    export.add_argument(
        "--coverage", type=float, default=0.99, metavar="C",
        help="of gbts-table: share of slopes within the bounds of a width (default: %(default)s)",
    )  # fmt: skip
    export.add_argument(
        "--seed", type=int, default=1, help="of the simulated clusters (default: %(default)s)"
    )
    export.add_argument(
        "--rtl", action="store_true", help="Verilog as well: verilator, yosys, opensta (takes minutes)"
    )
    export.add_argument("--no-synthesis", action="store_true", help="with --rtl: simulate only")
    option_flags(export, LogicOptions(), "interval")
    option_flags(export, RtlOptions(), *LOADED)
    export.add_argument(
        "--reload", action="append", default=[], metavar="WEIGHTS",
        help="with --reloadable: load these next in the simulation, as often as given; none: random ones",
    )  # fmt: skip
    set_flag(export, HlsOptions(), "reuse=2")
    json_flag(export)
    export.set_defaults(command_function=_export)


def _export(options: argparse.Namespace) -> None:
    from smartpix.export.clusters import bench_codes, finish_words, load_fixed
    from tracking.finders.gnn.export import FORMATS, export_network

    if options.weights == "gbts-table":
        from tracking.acts.widths import TauTableOptions, export_tau_table

        if options.file is None:
            raise InputError("export gbts-table: give the event file to make it of, with --file")
        made = export_tau_table([options.file], options.output, TauTableOptions(options.coverage))
        print_result(options, made)
        return
    if options.output.suffix in FORMATS:
        print_result(options, export_network(options.weights, options.output))
        return
    from smartpix.export.hls import write_project
    from smartpix.export.rtl import write_rtl
    from smartpix.files import replace_folder_when_done
    from smartpix.link.learned import ARCHITECTURE as LINK
    from smartpix.networks.weights import describe_weights
    from tracking.finders.gnn import network as gnn
    from tracking.finders.trigger import network as trigger
    from tracking.finders.trigger import whole

    check("export", "clusters", options.clusters, options.clusters >= 1, "at least 1")
    values = option_values(options)
    interval = values.pop("interval", LogicOptions.interval)
    # The backend's first one: not all have the default.
    values.setdefault("strategy", BACKENDS.get(values.get("backend", HlsOptions.backend), ("latency",))[0])
    loaded = {name: values.pop(name) for name in LOADED if name in values}
    hls: HlsOptions = from_mapping(HlsOptions(), values, "--set")
    port: RtlOptions = from_mapping(RtlOptions(), loaded, "--set")
    if (port.reloadable and not options.rtl) or (options.reload and not port.reloadable):
        raise InputError(
            "export: --reloadable is for the Verilog of --rtl, and --reload for --reloadable; give both"
        )
    synthesis = not options.no_synthesis
    rtl = replace(port, clock_ns=hls.clock_period, fpga=synthesis, cells=synthesis)
    architecture = str(describe_weights(options.weights).get("architecture"))
    if architecture in (trigger.ARCHITECTURE, whole.ARCHITECTURE):
        if port.reloadable:
            raise InputError(
                f"{options.weights}: the trigger's weights are in the wiring; leave out --reloadable"
            )
        logic = LogicOptions(
            interval=interval,
            clock_ns=hls.clock_period,
            fpga=synthesis,
            narrow_functions=port.narrow_functions,
        )
        print_result(options, _export_trigger(options, hls, logic if options.rtl else None))
        return
    if options.rtl and architecture == gnn.ARCHITECTURE:
        raise InputError(
            f"{options.weights}: this graph network is too large for logic; give the trigger's weights in whole "
            f"numbers (smartpix train gnn --network interaction --bits 8), or -o gnn.pt or gnn.onnx without --rtl"
        )
    check("export", "interval", interval, interval == 1, "1, unless the weights are the trigger's")
    if architecture == LINK:
        print_result(options, _export_link(options, rtl))
        return
    network, description = load_fixed(options.weights)
    reload = [load_fixed(name)[0] for name in options.reload]
    with replace_folder_when_done(options.output) as new:
        log(f"{options.clusters} clusters for the test bench")
        codes = bench_codes(network, description, options.clusters, options.file, options.seed)
        log(f"hls4ml: {hls.backend}, {hls.io}, {hls.strategy}; C simulation")
        result = {
            "weights": str(options.weights),
            **write_project(network, new / "hls", codes, hls, finish_words(description)),
        }
        if options.rtl:
            result["rtl"] = write_rtl(network, new / "rtl", codes, rtl, log, reload)
        (new / "report.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_result(options, result)


def _export_link(options: argparse.Namespace, rtl: RtlOptions) -> dict[str, Any]:
    from smartpix.export.link import export_encoder
    from smartpix.link.learned import load_link

    if not options.rtl:
        raise InputError(f"{options.weights}: the encoder of a code is written as Verilog alone; give --rtl")
    # Before an event is simulated for it.
    load_link(options.weights)
    with tempfile.TemporaryDirectory() as folder:
        file = _events(options, Path(folder))
        return export_encoder(options.weights, options.output, file, options.clusters, rtl, log)


def _events(options: argparse.Namespace, folder: Path) -> Path:
    """The event file that was given, or a simulated one."""
    from tracking.bench.events import simulated

    if options.file is not None:
        return Path(options.file)
    log("an event of pile-up 200 for the test bench")
    return simulated(200, 1, options.seed, folder)


def _export_trigger(
    options: argparse.Namespace, hls: HlsOptions, logic: LogicOptions | None
) -> dict[str, Any]:
    from tracking.finders.trigger.logic import export_trigger, sector_logic, whole_network

    # Before an event is simulated for them.
    whole_network(options.weights)
    if logic is not None:
        sector_logic(options.weights, logic)
    with tempfile.TemporaryDirectory() as folder:
        file = _events(options, Path(folder))
        return export_trigger(options.weights, options.output, file, options.clusters, hls, logic, log)
