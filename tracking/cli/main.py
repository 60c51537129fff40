"""The command ``smartpix``: argument parsing and what each command prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from importlib.metadata import version
from typing import Any

from smartpix.files import refused
from smartpix.schema import InputError
from tracking.citations import lines
from tracking.cli.beamspot import add_beamspot
from tracking.cli.bench import add_bench
from tracking.cli.calibrate import add_calibrate
from tracking.cli.compare import add_compare
from tracking.cli.completion import add_completion
from tracking.cli.compress import add_compress
from tracking.cli.convert import add_convert
from tracking.cli.detector import add_detector
from tracking.cli.display import add_display
from tracking.cli.doctor import add_doctor
from tracking.cli.examples import add_examples
from tracking.cli.export import add_export
from tracking.cli.export_calibrator import add_export_calibrator
from tracking.cli.export_graphs import add_export_graphs
from tracking.cli.info import add_info
from tracking.cli.new_detector import add_new_detector
from tracking.cli.option_list import add_options
from tracking.cli.output import log, logged
from tracking.cli.parser import Parser, parse, subcommands
from tracking.cli.run import add_run
from tracking.cli.simulate import add_simulate
from tracking.cli.streams import ReaderGoneError, results_alone, show, streams
from tracking.cli.study import add_study
from tracking.cli.train import add_train

__all__ = ["main", "parser"]

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
        options, wrong = parse(parser(), arguments)
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


class _Cite(argparse.Action):
    """Print the references, as ``--version`` prints the version."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, nargs=0)

    def __call__(self, parser: argparse.ArgumentParser, *others: object) -> None:
        with suppress(ReaderGoneError):
            show("\n".join(lines()))
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The command line with all commands."""
    formatter = argparse.RawDescriptionHelpFormatter
    smartpix = Parser("smartpix", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=formatter)
    smartpix.add_argument("--version", action="version", version=f"smartpix {version('smartpix')}")
    smartpix.add_argument("--cite", action=_Cite, help="print what to cite, and exit")
    commands = subcommands(smartpix, "commands", "COMMAND")

    add_run(commands)
    add_compare(commands)
    add_options(commands, smartpix)
    add_info(commands)
    add_display(commands)
    add_beamspot(commands)
    add_doctor(commands)
    add_simulate(commands)
    add_train(commands)
    add_calibrate(commands)
    add_compress(commands)
    add_export(commands)
    add_export_graphs(commands)
    add_export_calibrator(commands)
    add_bench(commands)
    add_study(commands)

    add_convert(commands)

    add_detector(commands)
    add_new_detector(commands)
    add_examples(commands)
    add_completion(commands, smartpix)
    return smartpix
