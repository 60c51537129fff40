"""``smartpix train trkx``: the networks of HEP.TrkX, on toys."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.networks.weights import check_output
from smartpix.schema import InputError
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_flags import output_flag
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.options import KINDS
from tracking.finders.trkx.training_options import TrainTrkxOptions, published_options
from tracking.options import from_mapping

__all__ = ["add_train_trkx"]


def add_train_trkx(kinds: Any) -> None:
    """Add ``trkx`` to the kinds of training."""
    models = "; ".join(f"{name}: {model.about} ({model.parameters:,})" for name, model in MODELS.items())
    trkx = kinds.add_parser("trkx", help="the networks of HEP.TrkX", description=(
        "Train one of HEP.TrkX's networks on toys that are made as it goes (smartpix simulate toys shows them). "
        "The same command takes up an interrupted training again. "
        f"The models, with their numbers of parameters: {models}."
    ))  # fmt: skip
    output_flag(trkx)
    defaults = TrainTrkxOptions()
    what = trkx.add_argument_group("what is trained")
    what.add_argument(
        "--model", choices=tuple(MODELS), required=True, help="name of the network, one of those above"
    )
    what.add_argument(
        "--toy", choices=tuple(KINDS), help="kind of the toys (default: those that it was published on)"
    )
    option_flags(what, defaults, "width", start="--from")
    training = trkx.add_argument_group("training")
    option_flags(
        training, defaults, "samples", "batch_size", "learning_rate", "schedule", "precision", "evaluations",
        seed="--train-seed",
    )  # fmt: skip
    threads_flag(training)
    set_flag(trkx, defaults, "toy.noise=0.1")
    json_flag(trkx)
    trkx.set_defaults(command_function=_train_trkx)


def _train_trkx(options: argparse.Namespace) -> None:
    published = published_options(options.model, options.toy or "")
    values = option_values(options)
    toy = values.get("toy")
    for option, flag, wrong in (
        ("model", "--model", "model" in values), ("toy.kind", "--toy", isinstance(toy, dict) and "kind" in toy),
    ):  # fmt: skip
        # Each brings options of its own, which would stay those of another one.
        if wrong:
            raise InputError(
                f"train trkx: {option} must be given by {flag}, which brings its options, and not by --set"
            )
    training: TrainTrkxOptions = from_mapping(published, values, "--set")
    check_output(options.output)
    from tracking.finders.trkx.train import train_trkx

    set_threads(options.threads)
    print_result(options, train_trkx(options.output, training, log))
