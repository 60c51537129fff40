"""The command ``smartpix``: argument parsing and what each command prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from smartpix.schema import InputError
from tracking.cli_compress import add_compress
from tracking.cli_convert import add_convert
from tracking.cli_export import add_export
from tracking.cli_measure import add_bench, add_study
from tracking.cli_output import json_flag, print_result
from tracking.cli_simulate import add_simulate
from tracking.cli_train import add_train
from tracking.outputs import EXTRA

__all__ = ["main"]

DESCRIPTION = """\
Pixel clusters in, tracks out, through calibrated cones: a network reads direction and covariance from each
cluster, the search looks only inside the cone they open, a graph network builds the tracks.
"""

EXAMPLES = """\
examples:
  smartpix run                                   the embedded sample, through the whole chain
  smartpix run F.root -o out --set cone.quantile=0.99
  smartpix simulate events --pileup 200 --events 3 --seed 1 -o pu200.root
  smartpix simulate clusters --dataset 2s -n 100000 --seed 1 -o 2s.parquet
  smartpix convert FOLDER -o events.root && smartpix run events.root --join FOLDER
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 bad input (one line on stderr), 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command_function
    try:
        command(options)
    except InputError as error:
        print(f"smartpix: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("smartpix: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("smartpix", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"smartpix {version('smartpix')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="clusters to tracks: the whole chain", description=(
        "Run the whole chain on event files; without files, on the embedded sample. Writes tracks.root, summary.json and figures."
    ))  # fmt: skip
    run.add_argument("files", nargs="*", type=Path, metavar="FILE", help="event files (ROOT); default: the embedded sample")
    run.add_argument(
        "-o", "--output", type=Path, default=Path("smartpix-out"), help="folder for the results (default: %(default)s)"
    )
    run.add_argument("--options", type=Path, metavar="TOML", help="file of options, a section per stage; see docs/options.md")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one option, e.g. cone.quantile=0.99; wins over the file"
    )
    run.add_argument(
        "--estimates", choices=("auto", "mdn", "quantised", "shape"), help="where positions and directions come from"
    )
    run.add_argument(
        "--link-bits", type=int, metavar="N", help="bits of each output that the chip sends, with quantised estimates"
    )
    run.add_argument("--write", action="append", default=[], choices=EXTRA, help="one more file of results; may be repeated")
    run.add_argument("--join", type=Path, metavar="ORIGINAL", help=(
        "what the files were converted from: also write track number and score for every hit of it, in its order"
    ))  # fmt: skip
    run.add_argument("--no-figures", action="store_true", help="write no figures")
    json_flag(run)
    run.set_defaults(command_function=_run)

    info = commands.add_parser("info", help="what a file holds", description=(
        "Show what an event file (ROOT) or clusters in the layout of the public data sets (parquet, a file or a folder) hold."
    ))  # fmt: skip
    info.add_argument("file", type=Path, metavar="FILE")
    json_flag(info)
    info.set_defaults(command_function=_info)

    add_simulate(commands)
    add_train(commands)
    add_compress(commands)
    add_export(commands)
    add_bench(commands)
    add_study(commands)

    add_convert(commands)

    detector = commands.add_parser("detector", help="make the generic detector's module table", description=(
        "Write the pixel modules of ACTS's generic (TrackML) detector with a given sensor on them (needs pyacts)."
    ))  # fmt: skip
    detector.add_argument("--pitch-u", type=float, default=0.0125, metavar="MM", help="pitch along r-phi (default: %(default)s)")
    detector.add_argument("--pitch-v", type=float, default=0.05, metavar="MM", help="pitch along z or r (default: %(default)s)")
    detector.add_argument("--thickness", type=float, default=0.1, metavar="MM", help="of the sensor (default: %(default)s)")
    detector.add_argument("--endcap-thickness", type=float, metavar="MM", help="of the sensors on the disks, if they differ")
    detector.add_argument("-o", "--output", type=Path, required=True, metavar="F.csv[.gz]")
    json_flag(detector)
    detector.set_defaults(command_function=_detector)
    return parser


def _run(options: argparse.Namespace) -> None:
    from smartpix.weights import data_path
    from tracking.options import RunOptions, from_mapping, read_options, set_option
    from tracking.report import run

    values = read_options(options.options) if options.options else {}
    for assignment in options.set:
        set_option(values, assignment)
    if options.estimates:
        values["estimates"] = options.estimates
    if options.link_bits is not None:
        values["link_bits"] = options.link_bits
    run_options = from_mapping(RunOptions(), values, str(options.options or "options"))
    files = options.files or [data_path("sample.root")]
    run(files, options.output, run_options, not options.no_figures, options.json, options.write, options.join)


def _info(options: argparse.Namespace) -> None:
    from tracking.report import describe_file

    print_result(options, describe_file(options.file))


def _detector(options: argparse.Namespace) -> None:
    from smartpix.geometry import write_detector
    from smartpix.simulate.transport import generic_detector

    detector = generic_detector(options.pitch_u, options.pitch_v, options.thickness, options.endcap_thickness)
    write_detector(detector, options.output)
    print_result(options, {"file": str(options.output), "n_modules": len(detector), "n_layers": len(detector.layers)})
