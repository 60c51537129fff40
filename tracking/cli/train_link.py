"""``smartpix train link``: the learned code of clusters on the link."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from smartpix.train.link_options import TrainLinkOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, files_flags
from tracking.options import from_mapping

__all__ = ["add_train_link"]


def add_train_link(kinds: Any) -> None:
    """Add ``link`` to the kinds of training."""
    link = kinds.add_parser("link", help="the learned code of clusters on the link", description=(
        "Train an encoder in whole numbers, which the chip would have, with a decoder for the host: a cluster becomes a "
        "few numbers of a few bits each, and charge again."
    ))  # fmt: skip
    files_flags(link, EVENT_FILES)
    defaults = TrainLinkOptions()
    network = link.add_argument_group("network")
    option_flags(
        network, defaults.network, "latent", "bits", "filters", "weight_bits", "result_bits", "hidden", section="network.",
    )  # fmt: skip
    training = link.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "clusters", "batch_size", "learning_rate", "physics", "rate", seed="--train-seed",
    )  # fmt: skip
    threads_flag(training)
    set_flag(link, defaults, "validation_share=0.1")
    json_flag(link)
    link.set_defaults(command_function=_train_link)


def _train_link(options: argparse.Namespace) -> None:
    training: TrainLinkOptions = from_mapping(TrainLinkOptions(), option_values(options), "--set")
    check_output(options.output)
    from smartpix.train.link import train_link

    set_threads(options.threads)
    print_result(options, train_link(options.files, options.output, training, log))
