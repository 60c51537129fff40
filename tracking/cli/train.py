"""``smartpix train``: the networks on clusters and the cluster-shape estimates; the graph network in
:mod:`tracking.cli.train_gnn`, DeepCore in :mod:`tracking.cli.train_deepcore`, HEP.TrkX's networks in
:mod:`tracking.cli.train_trkx`, finders of the RAMP challenge in :mod:`tracking.cli.train_ramp`, the learned
cone of paths in :mod:`tracking.cli.train_path`, GravNet in :mod:`tracking.cli.train_gravnet`, GarNet in
:mod:`tracking.cli.train_garnet`, the code of the link in :mod:`tracking.cli.train_link`.
"""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import InputError
from smartpix.simulate.options import ReadoutOptions
from smartpix.train.options import TrainCountOptions, TrainingOptions, TrainMdnOptions, TrainMixtureOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import subcommands
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train_deepcore import add_train_deepcore
from tracking.cli.train_detector import check_source, crossings_of, detector_flags
from tracking.cli.train_flags import (
    EVENT_FILES,
    check_kept,
    data_flags,
    files_flags,
    sensor_flag,
    weights_flags,
)
from tracking.cli.train_front import add_train_front
from tracking.cli.train_garnet import add_train_garnet
from tracking.cli.train_gnn import add_train_gnn
from tracking.cli.train_gravnet import add_train_gravnet
from tracking.cli.train_link import add_train_link
from tracking.cli.train_path import add_train_path
from tracking.cli.train_ramp import add_train_ramp
from tracking.cli.train_trkx import add_train_trkx
from tracking.inputs import check_there
from tracking.options import from_mapping

__all__ = [
    "UNREAD", "add_train", "asked_for", "clusters_training", "told",
]  # fmt: skip

TABLES = ("by_epoch", "curves", "reliability")
"""Of the result of a training."""
UNREAD = ReadoutOptions(noise=0.0, threshold=0.0, adc_bits=0)
"""Readout of data sets, whose charges are true ones, where only some of it is asked for."""


def add_train(commands: Any) -> None:
    """Add ``train`` to the commands."""
    train = commands.add_parser("train", help="train the networks")
    kinds = subcommands(train, "what", "WHAT")
    _add_train_mdn(kinds)
    _add_train_mixture(kinds)
    _add_train_count(kinds)
    shape = kinds.add_parser(
        "shape",
        help="the cluster-shape estimates",
        description="Train the cluster-shape estimates on simulated event files of one sensor.",
    )
    files_flags(shape, EVENT_FILES, "*")
    detector_flags(shape)
    json_flag(shape)
    shape.set_defaults(command_function=_train_shape)
    add_train_front(kinds)
    add_train_gnn(kinds)
    add_train_gravnet(kinds)
    add_train_garnet(kinds)
    add_train_deepcore(kinds)
    add_train_trkx(kinds)
    add_train_ramp(kinds)
    add_train_path(kinds)
    add_train_link(kinds)


def _add_train_mdn(kinds: Any) -> None:
    mdn = kinds.add_parser("mdn", help="the estimates' network", description=(
        "Train the mixture density network on simulated clusters, calibrate it on held-out ones, and save it. "
        "The same command takes up an interrupted training again."
    ))  # fmt: skip
    clusters_training(mdn, TrainMdnOptions(), own=True)
    detector_flags(mdn)
    mdn.add_argument("--code", default="", metavar="WEIGHTS", help=(
        "a learned code of the link, by name or path, that the clusters of event files go through: the estimates are "
        "then for what the host decodes"
    ))  # fmt: skip
    mdn.set_defaults(command_function=_train_mdn)


def _add_train_count(kinds: Any) -> None:
    count = kinds.add_parser("count", help="the network that counts the particles of a cluster", description=(
        "Train a network that says how likely a cluster is of one, two, or three and more particles, on "
        "simulated groups of crossings (smartpix simulate crossings --together 1 2 3), calibrate it on "
        "held-out ones, and save it. "
        "The same command takes up an interrupted training again."
    ))  # fmt: skip
    clusters_training(count, TrainCountOptions())
    count.set_defaults(command_function=_train_count)


def clusters_training(parser: argparse.ArgumentParser, defaults: TrainingOptions, own: bool = False) -> None:
    """Add the flags of a training of a network of floating point on clusters; ``own``: of a detector, too."""
    weights_flags(parser, own)
    data_flags(parser)
    network = parser.add_argument_group("network")
    option_flags(
        network,
        defaults.network,
        "hidden",
        "filters",
        "activation",
        "batch_norm",
        section="network.",
        kind="--network",
    )
    network.add_argument(
        "--from", dest="start", metavar="WEIGHTS", help="start from these weights, by name or path"
    )
    readout = parser.add_argument_group(
        "readout of data sets", "Without these flags, charges are the true ones."
    )
    option_flags(
        readout, UNREAD, "noise", "threshold", "threshold_dispersion", "adc_max", section="readout.",
        adc_bits="--bits",
    )  # fmt: skip
    training = parser.add_argument_group("training")
    option_flags(
        training, defaults, "epochs", "batch_size", "learning_rate", "schedule", "patience", "augment",
        seed="--train-seed",
    )  # fmt: skip
    threads_flag(training)
    set_flag(parser, defaults, "validation_share=0.1")
    json_flag(parser)


def _add_train_mixture(kinds: Any) -> None:
    mixture = kinds.add_parser("mixture", help="networks of several components", description=(
        "Train a network that gives several estimates for one cluster, calibrate it on held-out clusters, and save "
        "it. With --particles, each is of one particle of a merged cluster. With --components, each is one "
        "possibility for the same particle, with a weight. The same command takes up an interrupted training again."
    ))  # fmt: skip
    weights_flags(mixture)
    what = mixture.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--particles",
        type=int,
        metavar="2|3",
        help="of clusters of so many particles; 3 stands for more, too",
    )
    what.add_argument("--components", type=int, metavar="2|3", help="of clusters of one particle")
    defaults = TrainMixtureOptions()
    mixture.add_argument(
        "--from", dest="start", metavar="WEIGHTS", help="start from these weights, by name or path"
    )
    option_flags(
        mixture, defaults.network, "hidden", "filters", "activation", "batch_norm", section="network.",
        kind="--network",
    )  # fmt: skip
    option_flags(
        mixture,
        defaults,
        "epochs",
        "batch_size",
        "learning_rate",
        "schedule",
        "augment",
        "order",
        seed="--train-seed",
    )
    threads_flag(mixture)
    set_flag(mixture, TrainMixtureOptions(), "validation_share=0.1")
    json_flag(mixture)
    mixture.set_defaults(command_function=_train_mixture)


def asked_for(options: argparse.Namespace, defaults: TrainingOptions) -> tuple[Any, dict[str, Any]]:
    """Options of a training that :func:`clusters_training` gave the flags of, and the other arguments of the
    function that trains.

    Raises:
        InputError: an option that cannot be, or an output that is the weights to start from.
    """
    values = option_values(options)
    # Not part of the training's options: it makes the samples, before.
    readout = values.pop("readout", None)
    training = from_mapping(defaults, values, "--set")
    if readout is not None:
        readout = from_mapping(UNREAD, readout, "--set")
    check_kept(options.output, options.start)
    check_there(options.files)
    from smartpix.samples import Reading

    set_threads(options.threads)
    reading = Reading(options.slices, readout, sensor_flag(options.type))
    return training, {"reading": reading, "start": options.start}


def _train_mdn(options: argparse.Namespace) -> None:
    check_source(options)
    if options.region is None and options.files:
        raise InputError("train mdn: give --region, barrel or endcap, of the clusters in the files")
    training, more = asked_for(options, TrainMdnOptions())
    more["code"] = options.code
    from smartpix.train.loop import train_mdn

    with crossings_of(options) as sample:
        if options.region is not None:
            print_result(
                options, train_mdn(sample.files, options.region, options.output, training, log, **more)
            )
            return
        # A network for each region that the detector has.
        result = {}
        for region in sample.regions:
            output = options.output.with_stem(f"{options.output.stem}-{region}")
            log(f"{region}: {output}")
            result[region] = train_mdn(sample.files, region, output, training, log, **more)
        print_result(options, result)


def _train_count(options: argparse.Namespace) -> None:
    training, more = asked_for(options, TrainCountOptions())
    from smartpix.train.count import train_count

    result = train_count(options.files, options.region, options.output, training, log, **more)
    print_result(options, told(options, result))


def told(options: argparse.Namespace, result: dict[str, Any]) -> dict[str, Any]:
    """What a reader of lines wants; tables are for programs."""
    return result if options.json else {k: v for k, v in result.items() if k not in TABLES}


def _train_mixture(options: argparse.Namespace) -> None:
    training = from_mapping(TrainMixtureOptions(), option_values(options), "--set")
    check_kept(options.output, options.start)
    check_there(options.files)
    from smartpix.estimate.mixture import MIXTURE, SET
    from smartpix.train.mixture import train_mixture

    set_threads(options.threads)
    sort, n = (SET, options.particles) if options.components is None else (MIXTURE, options.components)
    result = train_mixture(
        options.files, options.region, options.output, training, sort, n, log, start=options.start
    )
    print_result(options, result)


def _train_shape(options: argparse.Namespace) -> None:
    check_source(options)
    check_there(options.files)
    from smartpix.estimate.shape import TrainShapeOptions, train_shape

    with crossings_of(options) as sample:
        print_result(options, train_shape(sample.files, options.output, TrainShapeOptions()))
