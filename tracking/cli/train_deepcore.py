"""``smartpix train deepcore``: DeepCore, which finds seeds in the cores of jets."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, files_flags
from tracking.finders.deepcore.options import TrainDeepCoreOptions
from tracking.options import from_mapping

__all__ = ["add_train_deepcore"]


def add_train_deepcore(kinds: Any) -> None:
    """Add ``deepcore`` to the kinds of training."""
    deepcore = kinds.add_parser("deepcore", help="DeepCore, which finds seeds in jets", description=(
        "Train CMS's DeepCore on simulated event files with jets (smartpix simulate events --jets N --jet-pt "
        "LOW HIGH). The same command takes up an interrupted training again."
    ))  # fmt: skip
    files_flags(deepcore, EVENT_FILES)
    defaults = TrainDeepCoreOptions()
    maps = deepcore.add_argument_group("maps")
    option_flags(maps, defaults.maps, "cell_x", "cell_y", "layers", section="maps.")
    training = deepcore.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "batch_size", "learning_rate", "smear_axis", seed="--train-seed"
    )
    threads_flag(training)
    set_flag(deepcore, defaults, "targets.near=radius or jets.min_pt=200")
    json_flag(deepcore)
    deepcore.set_defaults(command_function=_train_deepcore)


def _train_deepcore(options: argparse.Namespace) -> None:
    training: TrainDeepCoreOptions = from_mapping(TrainDeepCoreOptions(), option_values(options), "--set")
    check_output(options.output)
    from tracking.finders.deepcore.train import train_deepcore

    set_threads(options.threads)
    print_result(options, train_deepcore(options.files, options.output, training, log))
