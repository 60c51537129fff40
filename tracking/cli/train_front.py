"""``smartpix train front``: the ECAL talk's networks, for the question one particle or more in a cluster."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from smartpix.train.front_options import TrainFrontOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, check_kept, files_flags, region_flag
from tracking.options import from_mapping

__all__ = ["add_train_front"]


def add_train_front(kinds: Any) -> None:
    """Add ``front`` to the kinds of training."""
    front = kinds.add_parser("front", help="networks on images: one particle or more in a cluster", description=(
        "Train one of the ECAL talk's networks to tell clusters of one particle from those of more, on simulated "
        "event files (smartpix simulate crossings --together 1 2 3)."
    ))  # fmt: skip
    files_flags(front, EVENT_FILES)
    region_flag(front)
    defaults = TrainFrontOptions()
    network = front.add_argument_group("network")
    option_flags(network, defaults.network, "hidden", "w0", section="network.", network="--network")
    network.add_argument("--from", dest="start", metavar="WEIGHTS", help="go on from these weights, by path")
    training = front.add_argument_group("training")
    option_flags(training, defaults, "epochs", "batch_size", "learning_rate", "shift", seed="--train-seed")
    threads_flag(training)
    set_flag(front, defaults, "weight_decay=1e-4")
    json_flag(front)
    front.set_defaults(command_function=_train_front)


def _train_front(options: argparse.Namespace) -> None:
    training: TrainFrontOptions = from_mapping(TrainFrontOptions(), option_values(options), "--set")
    check_output(options.output)
    check_kept(options.output, options.start)
    from smartpix.train.front_files import train_front_on_files

    set_threads(options.threads)
    result = train_front_on_files(
        options.files, options.region, options.output, training, log, start=options.start
    )
    print_result(options, result)
