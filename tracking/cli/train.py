"""``smartpix train``: the estimates' networks and the cluster-shape estimates; the graph network in
:mod:`tracking.cli.train_gnn`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from smartpix.files import check_writable
from smartpix.networks.weights import weights_path
from smartpix.simulate.dataset_options import DatasetOptions, sensor_of_type
from smartpix.simulate.options import ReadoutOptions
from smartpix.train.options import TrainMdnOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path, subcommands
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_gnn import add_train_gnn
from tracking.options import from_mapping

__all__ = ["UNREAD", "add_train", "check_kept", "data_flags", "sensor_flag", "weights_flags"]

UNREAD = ReadoutOptions(noise=0.0, threshold=0.0, adc_bits=0)
"""Readout of data sets, whose charges are true ones, where only some of it is asked for."""


def add_train(commands: Any) -> None:
    """Add ``train`` to the commands."""
    train = commands.add_parser("train", help="train the networks")
    kinds = subcommands(train, "what", "WHAT")
    _add_train_mdn(kinds)
    shape = kinds.add_parser(
        "shape",
        help="the cluster-shape estimates",
        description="Train the cluster-shape estimates on simulated event files of one sensor.",
    )
    shape.add_argument("files", nargs="+", type=named_path, metavar="FILE", help="event files (ROOT)")
    shape.add_argument("-o", "--output", type=named_path, required=True, metavar="W.safetensors")
    json_flag(shape)
    shape.set_defaults(command_function=_train_shape)
    add_train_gnn(kinds)


def _add_train_mdn(kinds: Any) -> None:
    mdn = kinds.add_parser("mdn", help="the estimates' network", description=(
        "Train the mixture density network on simulated clusters, calibrate it on held-out ones, and save it. "
        "The same command takes up an interrupted training again."
    ))  # fmt: skip
    weights_flags(mdn)
    data_flags(mdn)
    defaults = TrainMdnOptions()
    network = mdn.add_argument_group("network")
    option_flags(
        network, defaults.network, "hidden", "filters", "batch_norm", section="network.", kind="--network"
    )
    network.add_argument(
        "--from", dest="start", metavar="WEIGHTS", help="start from these weights, by name or path"
    )
    readout = mdn.add_argument_group(
        "readout of data sets", "Without these flags, charges are the true ones."
    )
    option_flags(
        readout, UNREAD, "noise", "threshold", "threshold_dispersion", "adc_max", section="readout.",
        adc_bits="--bits",
    )  # fmt: skip
    training = mdn.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "batch_size", "learning_rate", "schedule", "patience", "augment",
        seed="--train-seed",
    )  # fmt: skip
    threads_flag(training)
    set_flag(mdn, TrainMdnOptions(), "validation_share=0.1")
    json_flag(mdn)
    mdn.set_defaults(command_function=_train_mdn)


def weights_flags(parser: argparse.ArgumentParser) -> None:
    """Add what every training of an estimates' network takes: files, output and region."""
    parser.add_argument("files", nargs="+", type=named_path, metavar="FILE", help=(
        "event files (ROOT), or data sets in the public layout (parquet, files or folders)"
    ))  # fmt: skip
    parser.add_argument("-o", "--output", type=named_path, required=True, metavar="W.safetensors")
    parser.add_argument(
        "--region", choices=("barrel", "endcap"), required=True, help="where the clusters are"
    )


def data_flags(parser: Any) -> None:
    """Add ``--slices`` and ``--type``, of data sets."""
    parser.add_argument("--slices", type=int, nargs="+", metavar="S", help=(
        "slices that the network sees (default: the first and the last, 0 and 19 of data sets)"
    ))  # fmt: skip
    parser.add_argument("--type", type=int, metavar="1..7", help="sensor of data sets whose files do not say")


def check_kept(output: Path, *weights: str | None) -> None:
    """Check that a training does not replace the weights that it is made from, by name or path; None: there
    are none.

    Raises:
        InputError: it would.
    """
    check_writable(output, [weights_path(name) for name in weights if name is not None])


def sensor_flag(number: int | None) -> dict[str, float] | None:
    """What ``--type`` says of the sensor, in the field of the data sets."""
    return None if number is None else DatasetOptions(sensor=sensor_of_type(number)).described()


def _train_mdn(options: argparse.Namespace) -> None:
    values = option_values(options)
    # Not part of the training's options: it makes the samples, before.
    readout = values.pop("readout", None)
    training = from_mapping(TrainMdnOptions(), values, "--set")
    if readout is not None:
        readout = from_mapping(UNREAD, readout, "--set")
    check_kept(options.output, options.start)
    from smartpix.samples import Reading
    from smartpix.train.loop import train_mdn

    set_threads(options.threads)
    result = train_mdn(
        options.files, options.region, options.output, training, log,
        reading=Reading(options.slices, readout, sensor_flag(options.type)), start=options.start,
    )  # fmt: skip
    print_result(options, result)


def _train_shape(options: argparse.Namespace) -> None:
    from smartpix.estimate.shape import TrainShapeOptions, train_shape

    print_result(options, train_shape(options.files, options.output, TrainShapeOptions()))
