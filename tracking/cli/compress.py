"""``smartpix compress``: networks small enough for the chip."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smartpix.chip.options import PRICED, CompressOptions, QuantizedOptions
from smartpix.schema import InputError
from smartpix.simulate.options import ReadoutOptions
from smartpix.train.options import TrainCountOptions, TrainMdnOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.threads import set_threads, threads_flag
from tracking.cli.train import told
from tracking.cli.train_flags import check_kept, data_flags, sensor_flag, weights_flags
from tracking.options import from_mapping

if TYPE_CHECKING:
    from smartpix.train.start import Start

__all__ = ["TRAINING", "add_compress"]

TRAINING = TrainMdnOptions(QuantizedOptions(), epochs=40)
"""Shorter than for networks of floating point: most start from one that is trained already."""
COUNTING = TrainCountOptions(QuantizedOptions(), epochs=40)
LEARNED = ("estimates", "count")
"""What a network may learn."""


def add_compress(commands: Any) -> None:
    """Add ``compress`` to the commands."""
    compress = commands.add_parser("compress", help="networks as the chip computes them, and smaller ones",
    description=(
        "Train a network with rounding, from nothing, from a float network or from a quantised one. Zeros by "
        "penalty or by constraint, learned bits and a teacher make it smaller. The result is calibrated and "
        "tested as the bit-exact network of whole numbers. The same command takes up an interrupted training "
        "again."
    ))  # fmt: skip
    weights_flags(compress)
    compress.add_argument("--from", dest="start", metavar="WEIGHTS", help=(
        "start from these, by name or path: quantised ones, whose widths and bits are then the defaults, or "
        "float ones"
    ))  # fmt: skip
    compress.add_argument(
        "--learn", choices=LEARNED, default=LEARNED[0],
        help="position and direction of a particle, or how many particles made a cluster (default: estimates)",
    )  # fmt: skip
    network = compress.add_argument_group("network")
    option_flags(
        network, TRAINING.network, "filters", "hidden", "conv_bits", "dense_bits", "last_bits",
        "activation_bits", "activation", "output_bits", "learn_bits", section="network.", kind="--network",
    )  # fmt: skip
    data = compress.add_argument_group("data")
    option_flags(
        data, TRAINING.network, "data_bits", "threshold", "adc_max", "learn_edges", section="network."
    )
    option_flags(data, ReadoutOptions(), "noise", section="readout.")
    data_flags(data)
    smaller = compress.add_argument_group("making it smaller")
    option_flags(
        smaller, TRAINING.compress, "method", "target", "scope", "surrogate", "strength", "damping", "rate",
        "approach", "keep_zeros", section="compress.",
    )  # fmt: skip
    smaller.add_argument(
        "--shrink",
        action="store_true",
        help="first take dead units and filters out of the weights started from",
    )
    smaller.add_argument(
        "--teacher", metavar="WEIGHTS", help="a float network to learn means and covariances from"
    )
    option_flags(smaller, TRAINING, "lesson")
    training = compress.add_argument_group("training")
    option_flags(
        training, TRAINING, "epochs", "free", "batch_size", "learning_rate", "augment", seed="--train-seed"
    )
    threads_flag(training)
    set_flag(compress, TRAINING, "validation_share=0.1")
    json_flag(compress)
    compress.set_defaults(command_function=_compress)


def _compress(options: argparse.Namespace) -> None:
    values = option_values(options)
    _check_used(values, options)
    check_kept(options.output, options.start, options.teacher)
    from smartpix.estimate.descriptions import load_network_weights
    from smartpix.merged.descriptions import load_count_weights
    from smartpix.samples import Reading
    from smartpix.train.count import train_count
    from smartpix.train.loop import train_mdn
    from smartpix.train.start import start_from

    set_threads(options.threads)
    counting = options.learn == "count"
    load = load_count_weights if counting else load_network_weights
    start = None if options.start is None else start_from(options.start, options.shrink, load)
    if options.shrink and (start is None or start.network is None):
        raise InputError(
            "compress: --shrink takes dead units out of quantised weights; give some with --from"
        )
    noise = values.pop("readout", {})
    network = _network(values, start)
    if start is not None and start.network is not None:
        # Quantised weights have been rounded before.
        values.setdefault("free", 0.0)
    training = from_mapping(replace(COUNTING if counting else TRAINING, network=network), values, "--set")
    reading = Reading(options.slices, _readout(options, network, noise), sensor_flag(options.type))
    train, more = (train_count, {}) if counting else (train_mdn, {"teacher": options.teacher})
    result = train(
        options.files, options.region, options.output, training, log, reading=reading, start=start, **more
    )
    _warn(training.compress, result)
    print_result(options, told(options, result))


def _network(values: dict[str, Any], start: Start | None) -> QuantizedOptions:
    """The network that is asked for: what is not given is as in the weights started from."""
    changes = values.pop("network", {})
    base = {} if start is None else dict(start.options)
    if {"data_bits", "threshold", "adc_max"} & set(changes):
        base.pop("edges", None)
    if values.get("compress", {}).get("method") in PRICED:
        changes["learn_bits"] = True
    # The options fill these in by the kind, which may be another.
    blank = {"edges": (), "filters": (0, 0), "hidden": (0, 0)}
    given = blank | base | changes
    bits = given.get("data_bits", QuantizedOptions.data_bits)
    # Edges of one's own may do without negative levels at any number of bits.
    if changes.get("learn_edges") and bits != 2 and not (given["edges"] and min(given["edges"]) > 0):
        raise InputError(
            f"compress: --learn-edges is for an ADC without negative levels, --data-bits 2 or positive edges "
            f"to begin with (--set network.edges), and it has {bits} bits"
        )
    network: QuantizedOptions = from_mapping(QuantizedOptions(), given, "--set")
    return network


def _readout(
    options: argparse.Namespace, network: QuantizedOptions, noise: dict[str, Any]
) -> ReadoutOptions | None:
    """Front-end of data sets; event files are read out already."""
    from smartpix.chip.quantize import SMALLEST_EDGE
    from smartpix.io.parquet import is_cluster_file

    if all(is_cluster_file(file) for file in options.files):
        # The network's own ADC digitises. Below its lowest edge, or as far down as that may go, nothing is
        # read out.
        lowest = SMALLEST_EDGE if network.learn_edges else min(e for e in network.edges if e > 0)
        readout: ReadoutOptions = from_mapping(ReadoutOptions(threshold=lowest, adc_bits=0), noise, "--set")
        return readout
    if noise:
        raise InputError(f"{options.files[0]}: event files are read out already; leave out --noise")
    return None


def _warn(compress: CompressOptions, result: Mapping[str, Any]) -> None:
    """Say that a constraint missed its target."""
    if compress.method not in CONSTRAINTS:
        return
    share = result["zeros"]["all"]
    if abs(share - compress.target) > MISSED:
        log(
            f"warning: {share:.3f} of the weights are zero, the target was {compress.target:g}: the "
            f"multipliers climb with every step, so give more epochs or clusters, or a larger --rate or "
            f"--damping"
        )


MISSED = 0.01
"""Distance from the target of a constraint that is worth a warning."""
CONSTRAINTS = ("bdmm", "mdmm")
USED = {
    "target": CONSTRAINTS, "scope": CONSTRAINTS, "surrogate": CONSTRAINTS, "rate": CONSTRAINTS,
    "approach": CONSTRAINTS, "damping": ("mdmm",), "strength": ("l1", "l2", *PRICED),
}  # fmt: skip
"""Methods that an option is for."""


def _check_used(values: Mapping[str, Any], options: argparse.Namespace) -> None:
    compress = values.get("compress", {})
    method = compress.get("method", CompressOptions.method)
    for name, methods in USED.items():
        if name in compress and method not in methods:
            raise InputError(
                f"compress: --{name} is for --method {' or '.join(methods)}, and the method is {method}"
            )
    if options.teacher is not None and options.learn != "estimates":
        raise InputError(
            "compress: --teacher gives estimates, which --learn count does not learn; leave it out"
        )
    if "lesson" in values and options.teacher is None:
        raise InputError("compress: --lesson is the share of a teacher's; give one with --teacher")
