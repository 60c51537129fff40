"""The command ``smartpix``: argument parsing and what each command prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from smartpix.files import refused
from smartpix.schema import InputError, check
from tracking.cli.compress import add_compress
from tracking.cli.convert import add_convert
from tracking.cli.display import add_display
from tracking.cli.doctor import add_doctor
from tracking.cli.export import add_export
from tracking.cli.measure import add_bench, add_study
from tracking.cli.options import chain_flags, chain_options
from tracking.cli.output import json_flag, log, logged, print_json, print_result
from tracking.cli.parser import Parser, named_path, parse, subcommands
from tracking.cli.simulate import add_simulate
from tracking.cli.streams import ReaderGoneError, results_alone, streams
from tracking.cli.train import add_train
from tracking.inputs import check_folder, check_some, expand
from tracking.runs.outputs import EXTRA

__all__ = ["main"]

DESCRIPTION = """\
Pixel clusters in, tracks out, through calibrated cones: a network reads direction and covariance from each
cluster, the search looks only inside the cone they open, a graph network builds the tracks.
"""

EXAMPLES = """\
examples:
  smartpix run                                   the embedded sample, through the whole chain
  smartpix run F.root -o out --set cone.quantile=0.99
  smartpix display F.root --event 3 -o event.html
  smartpix simulate events --pileup 200 --events 3 --seed 1 -o pu200.root
  smartpix simulate clusters --dataset 2s -n 100000 --seed 1 -o 2s.parquet
  smartpix convert FOLDER -o events.root && smartpix run events.root --join FOLDER
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 bad input (the last line on stderr), 2 wrong
    usage.
    """
    with streams(), logged():
        options, wrong = parse(_parser(), arguments)
        if wrong:
            log(f"smartpix: {wrong}")
            return 2
        command: Callable[[argparse.Namespace], None] = options.command_function
        try:
            with results_alone() if getattr(options, "json", False) else nullcontext():
                command(options)
        except InputError as error:
            log(f"smartpix: {error}")
            return 1
        except ReaderGoneError:
            return 1
        except OSError as error:
            # Of files that are not results: caches, temporary ones.
            if (reason := refused(error)) is None:
                raise
            log(f"smartpix: {error.filename or 'a file'}: cannot be written: {reason}")
            return 1
        except KeyboardInterrupt:
            log("smartpix: interrupted")
            return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = Parser("smartpix", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"smartpix {version('smartpix')}")
    commands = subcommands(parser, "commands", "COMMAND")

    run = commands.add_parser("run", help="clusters to tracks: the whole chain", description=(
        "Run the whole chain on event files; without files, on the embedded sample. Writes tracks.root, "
        "summary.json and figures."
    ))  # fmt: skip
    run.add_argument("files", nargs="*", type=named_path, metavar="FILE", help=(
        "event files (ROOT), or patterns in quotes ('pu200-*.root'); default: the embedded sample"
    ))  # fmt: skip
    run.add_argument(
        "-o",
        "--output",
        type=named_path,
        default=Path("smartpix-out"),
        help="folder for the results (default: %(default)s)",
    )
    chain_flags(run)
    run.add_argument(
        "--write",
        action="append",
        default=[],
        choices=EXTRA,
        help="one more file of results; may be repeated",
    )
    run.add_argument("--join", type=named_path, metavar="ORIGINAL", help=(
        "what the files were converted from: also write track number and score for every hit of it, in its "
        "order"
    ))  # fmt: skip
    run.add_argument("--no-figures", action="store_true", help="write no figures")
    run.add_argument("--dask", metavar="ADDRESS|local", help=(
        "run on the workers of this dask scheduler (tcp://HOST:8786), or on processes of this machine; see "
        "docs/scaling.md"
    ))  # fmt: skip
    run.add_argument(
        "--workers", type=int, metavar="N", help="processes of --dask local (default: one per core)"
    )
    run.add_argument(
        "--events-per-unit", type=int, default=10, metavar="N",
        help="events that are run, sent and kept together (default: %(default)s)",
    )  # fmt: skip
    json_flag(run)
    run.set_defaults(command_function=_run)

    info = commands.add_parser("info", help="what a file holds", description=(
        "Show what an event file (ROOT), clusters in the layout of the public data sets (parquet, a file or "
        "a folder) or weights "
        "(safetensors) hold."
    ))  # fmt: skip
    info.add_argument(
        "file",
        type=named_path,
        nargs="?",
        metavar="FILE",
        help="or weights by name; default: the embedded sample",
    )
    json_flag(info)
    info.set_defaults(command_function=_info)

    add_display(commands)
    add_doctor(commands)
    add_simulate(commands)
    add_train(commands)
    add_compress(commands)
    add_export(commands)
    add_bench(commands)
    add_study(commands)

    add_convert(commands)

    detector = commands.add_parser("detector", help="make the generic detector's module table", description=(
        "Write the pixel modules of ACTS's generic (TrackML) detector with a given sensor on them (needs "
        "pyacts)."
    ))  # fmt: skip
    detector.add_argument(
        "--pitch-u", type=float, default=0.0125, metavar="MM", help="pitch along r-phi (default: %(default)s)"
    )
    detector.add_argument(
        "--pitch-v", type=float, default=0.05, metavar="MM", help="pitch along z or r (default: %(default)s)"
    )
    detector.add_argument(
        "--thickness", type=float, default=0.1, metavar="MM", help="of the sensor (default: %(default)s)"
    )
    detector.add_argument(
        "--endcap-thickness", type=float, metavar="MM", help="of the sensors on the disks, if they differ"
    )
    detector.add_argument("-o", "--output", type=named_path, required=True, metavar="F.csv[.gz]")
    json_flag(detector)
    detector.set_defaults(command_function=_detector)
    return parser


def _run(options: argparse.Namespace) -> None:
    from smartpix.shipped import data_path

    # What is known to be wrong is said before the seconds that the imports take.
    if options.workers is not None and options.dask != "local":
        raise InputError("--workers: are those of `--dask local`; leave it out, or add that")
    check("run", "events_per_unit", options.events_per_unit, options.events_per_unit >= 1, "at least 1")
    files = expand(options.files or [data_path("sample.root")])
    check_some(files)
    check_folder(options.output)
    run_options = chain_options(options)
    from tracking.cli.summary import print_summary
    from tracking.runs.driver import run
    from tracking.runs.workers import connect

    with connect(options.dask, options.workers) if options.dask else nullcontext() as client:
        if options.write:
            run_options = replace(run_options, write=tuple(options.write))
        summary = run(
            files, options.output, run_options, client, not options.no_figures, options.events_per_unit,
            options.join,
        )  # fmt: skip
    if options.json:
        print_json(summary)
    else:
        print_summary(summary, options.output)
    if failed := summary["failed"]:
        raise InputError(
            f"{len(failed)} of {len(failed) + len(summary['files'])} files are left out: "
            f"{', '.join(failed)}; the reasons are in "
            f"{options.output / 'summary.json'}. The same command does only these when they are repaired"
        )


def _info(options: argparse.Namespace) -> None:
    from smartpix.describe import describe_file
    from smartpix.shipped import data_path

    print_result(options, describe_file(options.file or data_path("sample.root")))


def _detector(options: argparse.Namespace) -> None:
    from smartpix.geometry import write_detector
    from smartpix.simulate.transport import generic_detector

    detector = generic_detector(options.pitch_u, options.pitch_v, options.thickness, options.endcap_thickness)
    write_detector(detector, options.output)
    print_result(
        options, {"file": str(options.output), "n_modules": len(detector), "n_layers": len(detector.layers)}
    )
