"""``smartpix export calibrator``: the estimates as one ONNX graph, and errors by the shape of clusters."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import InputError
from tracking.cli.flags import option_flags
from tracking.cli.options import chain_flags, chain_options, option_values
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path
from tracking.options import RunOptions, from_mapping

__all__ = ["add_export_calibrator"]

LAYOUTS = ("full", "acts")
EXAMPLES = """\
examples:
  smartpix export calibrator -o estimates.onnx --check F.root
  smartpix export calibrator --file F.root --table errors.csv
"""
SECTION = "table"


def add_export_calibrator(commands: Any) -> None:
    """Add ``export calibrator`` to the commands."""
    from smartpix.export.table_options import ErrorTableOptions

    calibrator = commands.add_parser(
        "export calibrator", help="the estimates as one ONNX graph, and tables of errors", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write position, direction and covariance of clusters as one ONNX graph: the networks, what the\n"
        "host computes after them, the calibration, and the detector's modules. And a table of errors of\n"
        "measured positions by the shape of clusters.",
    )  # fmt: skip
    calibrator.add_argument("-o", "--output", type=named_path, metavar="F.onnx", help="the graph")
    calibrator.add_argument(
        "--layout", choices=LAYOUTS, default=LAYOUTS[0],
        help="full, or acts: the rows of numbers of ACTS's NeuralCalibrator, for networks of one slice "
        "(default: %(default)s)",
    )  # fmt: skip
    calibrator.add_argument(
        "--file", type=named_path, metavar="F.root",
        help="event file of the detector, and of the table (default: the embedded sample)",
    )  # fmt: skip
    calibrator.add_argument(
        "--check", type=named_path, metavar="F.root",
        help="compare the graph in onnxruntime with our estimates of 10,000 clusters of this file",
    )  # fmt: skip
    calibrator.add_argument(
        "--table",
        type=named_path,
        metavar="F.json|F.csv",
        help="write a table of errors by the shape of clusters",
    )
    option_flags(
        calibrator, ErrorTableOptions(), "source", "charges", "least", section=f"{SECTION}.", columns="--columns",
        rows="--rows",
    )  # fmt: skip
    chain_flags(calibrator)
    json_flag(calibrator)
    calibrator.set_defaults(command_function=_export_calibrator)


def _export_calibrator(options: argparse.Namespace) -> None:
    from smartpix.export.table_options import ErrorTableOptions

    if options.output is None and options.table is None:
        raise InputError(
            "export calibrator: there is nothing to write; give -o F.onnx, --table F.csv, or both"
        )
    if options.output is not None and options.output.suffix != ".onnx":
        # Not over an event file that stands in the wrong place.
        raise InputError(f"{options.output}: a graph is written as ONNX; end its name in .onnx")
    if options.check is not None and (options.output is None or options.layout != LAYOUTS[0]):
        raise InputError("--check: compares the full graph of -o; give that, or leave --check out")
    given = getattr(options, "flag_values", {})
    of_table = {name: value for name, value in given.items() if name.startswith(f"{SECTION}.")}
    options.flag_values = {name: value for name, value in given.items() if name not in of_table}
    run: RunOptions = chain_options(options)
    table: ErrorTableOptions = from_mapping(
        ErrorTableOptions(),
        option_values(argparse.Namespace(flag_values=of_table)).get(SECTION, {}),
        "export calibrator",
    )
    from smartpix.calibration import fingerprint, read_calibration
    from smartpix.estimate.choose import choose_estimator
    from smartpix.export.calibrator import export_calibrator
    from smartpix.export.calibrator_acts import export_acts_calibrator
    from smartpix.export.calibrator_check import compare_calibrator
    from smartpix.export.error_table import write_error_table
    from smartpix.io.events import open_events
    from smartpix.shipped import data_path

    file = options.file or data_path("sample.root")
    header = open_events(file).header
    if options.check is not None and fingerprint(open_events(options.check).header.detector) != fingerprint(
        header.detector
    ):
        raise InputError(
            f"--check {options.check}: has another detector than {file}, whose modules are in the graph; give a file "
            "of the same detector, or this one with --file too"
        )
    if run.calibration:
        header = header.calibrated(read_calibration(run.calibration, header.detector))
    estimator = choose_estimator(header, run.estimates, run.weights(), run.link_bits, run.conditions)
    result: dict[str, Any] = {}
    if options.output is not None:
        export = export_calibrator if options.layout == LAYOUTS[0] else export_acts_calibrator
        result |= export(estimator, header, options.output)
    if options.check is not None:
        result["check"] = compare_calibrator(options.output, options.check, estimator, header)
    if options.table is not None:
        result["table"] = write_error_table(options.table, [file], header, estimator, table)
    print_result(options, result)
