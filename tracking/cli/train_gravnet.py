"""``smartpix train gravnet``: the network whose hits find their neighbours in a learned space."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, files_flags
from tracking.finders.gravnet.options import TrainGravnetOptions
from tracking.options import from_mapping

__all__ = ["add_train_gravnet"]


def add_train_gravnet(kinds: Any) -> None:
    """Add ``gravnet`` to the kinds of training."""
    gravnet = kinds.add_parser("gravnet", help="GravNet, which scores the graph's edges", description=(
        "Train GravNet on simulated event files: hits exchange messages with their nearest neighbours in a learned "
        "space, and edges are scored with what the hits then know, or hits gather about one of each particle. "
        "The same command takes up an interrupted training again."
    ))  # fmt: skip
    files_flags(gravnet, EVENT_FILES)
    defaults = TrainGravnetOptions()
    network = gravnet.add_argument_group("network")
    option_flags(
        network, defaults.network, "neighbours", "blocks", "k", "space", "features", "passed", "hidden",
        "coordinates", output="--answer", section="network.",
    )  # fmt: skip
    training = gravnet.add_argument_group("training")
    option_flags(training, defaults, "epochs", "pieces", "patience", "learning_rate", seed="--train-seed")
    threads_flag(training)
    set_flag(gravnet, defaults, "network.blocks=2 or degrade.noise=0.05")
    json_flag(gravnet)
    gravnet.set_defaults(command_function=_train_gravnet)


def _train_gravnet(options: argparse.Namespace) -> None:
    training: TrainGravnetOptions = from_mapping(TrainGravnetOptions(), option_values(options), "--set")
    check_output(options.output)
    from tracking.finders.gravnet.train import train_gravnet

    set_threads(options.threads)
    print_result(options, train_gravnet(options.files, options.output, training, log))
