"""``smartpix compress``: networks small enough for the chip."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from smartpix.schema import InputError
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path
from tracking.cli.train import check_kept, sensor_flag, set_threads

__all__ = ["add_compress"]


def add_compress(commands: Any) -> None:
    """Add ``compress`` to the commands."""
    compress = commands.add_parser("compress", help="networks as the chip computes them, and smaller ones",
    description=(
        "Quantisation-aware training, from nothing, from a float network or from a quantised one; with zeros "
        "by penalty or by "
        "constraint, learned bits, a teacher; calibrated and tested as the bit-exact network of whole "
        "numbers. An interrupted "
        "training is taken up again by the same command."
    ))  # fmt: skip
    compress.add_argument("files", nargs="+", type=named_path, metavar="FILE", help=(
        "data sets (parquet) or event files (ROOT); of these the ADC must be the network's"
    ))  # fmt: skip
    compress.add_argument("-o", "--output", type=named_path, required=True, metavar="W.safetensors")
    compress.add_argument("--region", choices=("barrel", "endcap"), required=True)
    compress.add_argument("--from", dest="start", metavar="WEIGHTS", help=(
        "start from these, by name or path: quantised ones, whose widths and bits are then the defaults, or "
        "float ones"
    ))  # fmt: skip
    network = compress.add_argument_group("network")
    network.add_argument(
        "--network", dest="kind", metavar="KIND", help="conv (2,029 parameters, default), mlp or columns"
    )
    network.add_argument(
        "--filters", type=int, nargs=2, metavar="N", help="of conv's first and second layer; of columns and 0"
    )
    network.add_argument("--hidden", type=int, nargs=2, metavar="N", help="widths of the two dense layers")
    network.add_argument(
        "--conv-bits", type=int, metavar="N", help="of the convolutions' weights (default: 8)"
    )
    network.add_argument(
        "--dense-bits", type=int, metavar="N", help="of the hidden dense layers' weights (default: 4)"
    )
    network.add_argument(
        "--last-bits", type=int, metavar="N", help="of the last layer's weights (default: 8)"
    )
    network.add_argument("--activation-bits", type=int, metavar="N", help="between layers (default: 8)")
    network.add_argument("--activation", metavar="HOW", help="tanh (hard, default) or relu")
    network.add_argument("--output-bits", type=int, metavar="N", help="of the 14 outputs (default: 16)")
    network.add_argument(
        "--learn-bits", action="store_true", default=None, help="learn each weight's bits, up to those given"
    )
    data = compress.add_argument_group("data")
    data.add_argument("--data-bits", type=int, metavar="N", help="of the ADC (default: 4)")
    data.add_argument("--threshold", type=float, metavar="E", help="its lowest edge (default: 300 e)")
    data.add_argument("--adc-max", type=float, metavar="E", help="where it saturates (default: 16000 e)")
    data.add_argument("--learn-edges", action="store_true", default=None, help="learn its edges; with 2 bits")
    data.add_argument("--noise", type=float, metavar="E", help="added to data sets (default: 50)")
    data.add_argument(
        "--slices",
        type=int,
        nargs="+",
        metavar="S",
        help="default: the first and the last, 0 and 19 of data sets",
    )
    data.add_argument("--type", type=int, metavar="1..7", help="sensor of data sets whose files do not say")
    smaller = compress.add_argument_group("making it smaller")
    smaller.add_argument(
        "--method",
        metavar="HOW",
        help="l1, l2 (penalties), bdmm, mdmm (share of zeros), bits (default: none)",
    )
    smaller.add_argument(
        "--target", type=float, metavar="SHARE", help="of weights that are exactly zero (default: 0.67)"
    )
    smaller.add_argument(
        "--scope",
        metavar="WHERE",
        help="of the target: all layers together, global (default), or each, layer",
    )
    smaller.add_argument("--surrogate", metavar="HOW", help="count zeros by step (default) or smooth")
    smaller.add_argument(
        "--strength", type=float, metavar="X", help="of a penalty, or the price of bits (default: 0.001)"
    )
    smaller.add_argument("--damping", type=float, metavar="C", help="of mdmm (default: 800)")
    smaller.add_argument("--rate", type=float, metavar="X", help="of the multipliers' ascent (default: 0.4)")
    smaller.add_argument(
        "--approach", type=float, metavar="SHARE", help="of the epochs until the target holds (default: 0.4)"
    )
    smaller.add_argument(
        "--keep-zeros", action="store_true", default=None, help="zeros of the weights started from stay"
    )
    smaller.add_argument(
        "--shrink",
        action="store_true",
        help="first take dead units and filters out of the weights started from",
    )
    smaller.add_argument(
        "--teacher", metavar="WEIGHTS", help="a float network to learn means and covariances from"
    )
    smaller.add_argument("--lesson", type=float, metavar="SHARE", help="of the loss from it (default: 0.5)")
    training = compress.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=40, help="(default: %(default)s)")
    training.add_argument("--free", type=float, metavar="SHARE", help=(
        "of the epochs, without rounding yet (default: 0.3; from quantised weights: 0)"
    ))  # fmt: skip
    training.add_argument("--batch-size", type=int, default=512, help="(default: %(default)s)")
    training.add_argument("--learning-rate", type=float, default=5e-3, help="(default: %(default)s)")
    training.add_argument(
        "--augment",
        nargs="*",
        default=["mirror-x"],
        metavar="HOW",
        help="as of train mdn (default: mirror-x)",
    )
    training.add_argument(
        "--train-seed", type=int, default=1, help="of the weights and the order (default: %(default)s)"
    )
    training.add_argument("--threads", type=int, default=1, help=(
        "of torch (default: %(default)s); the weights depend on their number in the last digits, and say it"
    ))  # fmt: skip
    json_flag(compress)
    compress.set_defaults(command_function=_compress)


def _compress(options: argparse.Namespace) -> None:
    from smartpix.chip.compress import CompressOptions
    from smartpix.chip.quantize import SMALLEST_EDGE, QuantizedOptions
    from smartpix.export.clusters import NOISE
    from smartpix.io.parquet import is_cluster_file
    from smartpix.simulate.readout import ReadoutOptions
    from smartpix.train.loop import TrainMdnOptions, train_mdn
    from smartpix.train.start import start_from

    check_kept(options.output, options.start, options.teacher)
    set_threads(options.threads)
    start = None if options.start is None else start_from(options.start, options.shrink)
    if options.shrink and (start is None or start.network is None):
        raise InputError(
            "compress: --shrink takes dead units out of quantised weights; give some with --from"
        )
    asked = {f.name: getattr(options, f.name, None) for f in fields(QuantizedOptions)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in asked.items() if v is not None}
    known = {} if start is None else dict(start.options)
    if {"data_bits", "threshold", "adc_max"} & set(given):
        known.pop("edges", None)
    if options.method == "bits":
        given["learn_bits"] = True
    bits = (known | given).get("data_bits", QuantizedOptions().data_bits)
    if options.learn_edges and bits != 2:
        raise InputError(
            f"compress: --learn-edges is for an ADC without negative levels, --data-bits 2, and it has "
            f"{bits} bits"
        )
    network = QuantizedOptions(**(known | given))
    how = {
        f.name: getattr(options, f.name)
        for f in fields(CompressOptions)
        if getattr(options, f.name) is not None
    }
    _check_used(how, options)
    fresh = start is None or start.network is None
    training = TrainMdnOptions(
        network, options.epochs, options.batch_size, options.learning_rate, augment=tuple(options.augment),
        seed=options.train_seed, compress=CompressOptions(**how),
        lesson=0.5 if options.lesson is None else options.lesson,
        free=(0.3 if fresh else 0.0) if options.free is None else options.free,
    )  # fmt: skip
    readout = None
    if all(is_cluster_file(f) for f in options.files):
        # The network's own ADC digitises; below its lowest edge, or as far down as that may go, nothing is
        # read out.
        lowest = SMALLEST_EDGE if network.learn_edges else min(e for e in network.edges if e > 0)
        readout = ReadoutOptions(
            noise=NOISE if options.noise is None else options.noise, threshold=lowest, adc_bits=0
        )
    elif options.noise is not None:
        raise InputError(f"{options.files[0]}: event files are read out already; leave out --noise")
    result = train_mdn(
        options.files, options.region, options.output, training, log, slices=options.slices, readout=readout,
        start=start,
        sensor=sensor_flag(options.type), teacher=options.teacher,
    )  # fmt: skip
    share = result.get("zeros", {}).get("all")
    if how.get("method") in ("bdmm", "mdmm") and abs(share - training.compress.target) > MISSED:
        log(
            f"warning: {share:.3f} of the weights are zero, the target was {training.compress.target:g}: the "
            f"multipliers climb "
            "with every step, so give more epochs or clusters, or a larger --rate or --damping"
        )
    # What a reader of lines wants; the history by epoch is for programs.
    print_result(options, result if options.json else {k: v for k, v in result.items() if k != "by_epoch"})


MISSED = 0.01
"""Distance from the target of a constraint that is worth a warning."""
USED = {
    "target": ("bdmm", "mdmm"), "scope": ("bdmm", "mdmm"), "surrogate": ("bdmm", "mdmm"), "rate": ("bdmm",
    "mdmm"),
    "approach": ("bdmm", "mdmm"), "damping": ("mdmm",), "strength": ("l1", "l2", "bits"),
}  # fmt: skip
"""Methods that an option is for."""


def _check_used(how: Mapping[str, Any], options: argparse.Namespace) -> None:
    method = how.get("method", "none")
    for name, methods in USED.items():
        if name in how and method not in methods:
            raise InputError(
                f"compress: --{name} is for --method {' or '.join(methods)}, and the method is {method}"
            )
    if options.lesson is not None and options.teacher is None:
        raise InputError("compress: --lesson is the share of a teacher's; give one with --teacher")
