"""``smartpix train gnn``: the graph network."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from smartpix.networks.weights import check_output
from smartpix.schema import InputError, check
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, files_flags
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.finders.trigger.options import TrainTriggerOptions
from tracking.inputs import check_there
from tracking.options import from_mapping

__all__ = ["add_train_gnn"]


def add_train_gnn(kinds: Any) -> None:
    """Add ``gnn`` to the kinds of training."""
    gnn = kinds.add_parser("gnn", help="the graph network", description=(
        "Train the interaction network on simulated event files, at any mix of pile-up. "
        "With --network interaction it is the small one for logic (arXiv 2112.02048), on sectors. "
        "The same command takes up an interrupted training again."
    ))  # fmt: skip
    files_flags(gnn, EVENT_FILES, "*")
    data = gnn.add_argument_group("events that are simulated now")
    data.add_argument("--pileup", type=int, nargs="+", default=[], metavar="P", help=(
        "simulate and train on --events for each of these pile-ups (needs ACTS); give no FILE then"
    ))  # fmt: skip
    data.add_argument(
        "--events", type=int, default=20, metavar="N", help="events of each --pileup (default: %(default)s)"
    )
    data.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of these events (default: %(default)s)"
    )
    defaults = TrainGnnOptions()
    network = gnn.add_argument_group("graph and network")
    network.add_argument("--network", choices=("full", "interaction"), default="full", help=(
        "the whole event's network, or the trigger's for sectors, which takes --hidden, --epochs and "
        "--learning-rate of these flags (default: %(default)s)"
    ))  # fmt: skip
    option_flags(
        network,
        defaults,
        "hidden",
        "passes",
        "graph",
        "estimates",
        "mdn_barrel",
        "mdn_endcap",
        "shape",
        "keep",
    )
    training = gnn.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "screen_epochs", "patience", "learning_rate", seed="--train-seed"
    )
    trigger = gnn.add_argument_group("with --network interaction")
    option_flags(trigger, TrainTriggerOptions(), "bits", "start")
    option_flags(trigger, TrainTriggerOptions().graph, "features", section="graph.")
    option_flags(trigger, TrainTriggerOptions().sectors, "nodes", "edges", section="sectors.")
    threads_flag(training)
    set_flag(gnn, TrainGnnOptions(), "degrade.noise=0.05 or cone.quantile=0.999")
    json_flag(gnn)
    gnn.set_defaults(command_function=_train_gnn)


def _train_gnn(options: argparse.Namespace) -> None:
    if bool(options.files) == bool(options.pileup):
        raise InputError("train gnn: give event files, or --pileup to train on events that are simulated now")
    values = option_values(options)
    interaction = options.network == "interaction"
    training: Any = from_mapping(TrainTriggerOptions() if interaction else TrainGnnOptions(), values, "--set")
    check_output(options.output)
    check_there(options.files or [])
    train = _trigger_training() if interaction else _whole_training()
    set_threads(options.threads)
    # Beside the output, so that an interrupted training finds the same events again.
    folder = options.output.with_suffix(".events")
    files = options.files or _simulated(options, folder)
    print_result(options, train(files, options.output, training, log))
    if options.pileup:
        for path in files:
            path.unlink(missing_ok=True)
        # Not if there is anything else in them.
        with suppress(OSError):
            files[0].parent.rmdir()
            folder.rmdir()


# Torch is imported here, once the options are known to be good.
def _whole_training() -> Callable[..., dict[str, Any]]:
    from tracking.finders.gnn.train import train_gnn

    return train_gnn


def _trigger_training() -> Callable[..., dict[str, Any]]:
    from tracking.finders.trigger.train import train_trigger

    return train_trigger


def _simulated(options: argparse.Namespace, folder: Path) -> list[Path]:
    """Files of events of every pile-up; those that are there are taken.

    Raises:
        InputError: too few events or collisions, no ACTS, or another file where one of these belongs.
    """
    from smartpix.simulate.events import need_extras
    from smartpix.simulate.options import GenerateOptions
    from tracking.bench.events import is_simulated, simulated, simulated_path

    check("train gnn", "events", options.events, options.events >= 3, "at least 3")
    for pileup in options.pileup:
        check("train gnn", "pileup", pileup, pileup >= 1, "at least 1")
        # What is missing is said before what is begun.
        need_extras(GenerateOptions(pileup))
    left = folder / f"{options.events}-{options.seed}"
    left.mkdir(parents=True, exist_ok=True)
    files = []
    for pileup in options.pileup:
        path = simulated_path(left, pileup)
        if not path.exists():
            log(f"simulating {options.events} events of pile-up {pileup}")
            simulated(pileup, options.events, options.seed + pileup, left)
        elif not is_simulated(path, pileup, options.events, options.seed + pileup):
            raise InputError(
                f"{path}: is not what an interrupted training left, {options.events} events of pile-up "
                f"{pileup} simulated with "
                f"the seed {options.seed + pileup}; move it away, as files of this name are deleted after "
                f"the training"
            )
        files.append(path)
    return files
