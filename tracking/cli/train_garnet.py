"""``smartpix train garnet``: GarNet as on an FPGA, which tells whether a sector holds a stiff track."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, files_flags
from tracking.finders.garnet.options import TrainGarnetOptions
from tracking.options import from_mapping

__all__ = ["add_train_garnet"]


def add_train_garnet(kinds: Any) -> None:
    """Add ``garnet`` to the kinds of training."""
    garnet = kinds.add_parser("garnet", help="GarNet, which looks for stiff tracks in sectors", description=(
        "Train GarNet on sectors of simulated event files, in floating point and then with ternary weights as on "
        "a chip, and compare both. The same command takes up an interrupted training again."
    ))  # fmt: skip
    files_flags(garnet, EVENT_FILES)
    defaults = TrainGarnetOptions()
    sectors = garnet.add_argument_group("sectors")
    option_flags(
        sectors, defaults.sectors, "azimuths", "pseudorapidities", "min_pt", "rotations", section="sectors."
    )
    training = garnet.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "fixed_epochs", "batch_size", "learning_rate", seed="--train-seed"
    )
    threads_flag(training)
    set_flag(garnet, defaults, "network.vertices=64 or sectors.max_eta=2")
    json_flag(garnet)
    garnet.set_defaults(command_function=_train_garnet)


def _train_garnet(options: argparse.Namespace) -> None:
    training: TrainGarnetOptions = from_mapping(TrainGarnetOptions(), option_values(options), "--set")
    check_output(options.output)
    from tracking.finders.garnet.train import train_garnet

    set_threads(options.threads)
    print_result(options, train_garnet(options.files, options.output, training, log))
