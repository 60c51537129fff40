"""``smartpix train path``: the learned cone, which tells from a path's hits where the next module is
crossed.
"""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import EVENT_FILES, files_flags
from tracking.finders.trkx.path.options import TrainPathOptions
from tracking.options import from_mapping

__all__ = ["add_train_path"]


def add_train_path(kinds: Any) -> None:
    """Add ``path`` to the kinds of training."""
    path = kinds.add_parser("path", help="the learned cone of paths", description=(
        "Train a recurrent network on true paths of simulated event files. From the hits of a path it tells where "
        "the next module is crossed, with a covariance. Its gates are measured on other files. The same command "
        "takes up an interrupted training again."
    ))  # fmt: skip
    files_flags(path, EVENT_FILES)
    path.add_argument(
        "--gates", nargs="+", type=named_path, required=True, metavar="FILE",
        help="other simulated event files (ROOT), on which it is measured how wide cones must be",
    )  # fmt: skip
    defaults = TrainPathOptions()
    network = path.add_argument_group("network")
    option_flags(network, defaults, "hidden", "head")
    training = path.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "batch_size", "learning_rate", "min_pt", "max_pt", seed="--train-seed"
    )
    threads_flag(training)
    set_flag(path, defaults, "filter.curvature_pt=0.3 or weight_power=0")
    json_flag(path)
    path.set_defaults(command_function=_train_path)


def _train_path(options: argparse.Namespace) -> None:
    training: TrainPathOptions = from_mapping(TrainPathOptions(), option_values(options), "--set")
    check_output(options.output)
    from tracking.finders.trkx.path.train import train_path

    set_threads(options.threads)
    result = train_path(options.files, options.gates, options.output, training, log)
    print_result(options, result)
