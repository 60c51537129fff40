"""``smartpix train ramp``: the learned finders of the RAMP tracking challenge."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import output_flag
from tracking.finders.trkx.ramp.options import TrainRampOptions
from tracking.options import from_mapping

__all__ = ["add_train_ramp"]


def add_train_ramp(kinds: Any) -> None:
    """Add ``ramp`` to the kinds of training."""
    ramp = kinds.add_parser("ramp", help="finders of the RAMP tracking challenge", description=(
        "Train a finder of the RAMP tracking challenge of 2017 on events of its toy detector, which are made "
        "as they are needed. The same command takes up an interrupted training again."
    ))  # fmt: skip
    output_flag(ramp)
    defaults = TrainRampOptions()
    option_flags(
        ramp, defaults, "finder", "epochs", "events", "batch_size", "learning_rate", "hidden", "passes",
        "tracks", seed="--train-seed",
    )  # fmt: skip
    threads_flag(ramp)
    set_flag(ramp, defaults, "events=1000")
    json_flag(ramp)
    ramp.set_defaults(command_function=_train_ramp)


def _train_ramp(options: argparse.Namespace) -> None:
    training: TrainRampOptions = from_mapping(TrainRampOptions(), option_values(options), "--set")
    check_output(options.output)
    from tracking.finders.trkx.ramp.train import train_ramp

    set_threads(options.threads)
    print_result(options, train_ramp(options.output, training, log))
