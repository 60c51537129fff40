"""``smartpix train``: the estimates' networks, the cluster-shape estimates, the graph network."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from smartpix.files import check_writable
from smartpix.networks.weights import check_output, weights_path
from smartpix.schema import InputError, check
from tracking.cli.options import set_option
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path, subcommands

__all__ = ["add_train", "check_kept", "sensor_flag", "set_threads"]


def add_train(commands: Any) -> None:
    """Add ``train`` to the commands."""
    train = commands.add_parser("train", help="train the networks")
    kinds = subcommands(train, "what", "WHAT")
    mdn = kinds.add_parser("mdn", help="the estimates' network", description=(
        "Train the mixture density network on simulated event files, calibrate it on held-out clusters, and "
        "save it. "
        "An interrupted training is taken up again by the same command."
    ))  # fmt: skip
    mdn.add_argument("files", nargs="+", type=named_path, metavar="FILE", help=(
        "event files (ROOT), or data sets in the public layout (parquet, files or folders)"
    ))  # fmt: skip
    mdn.add_argument("--region", choices=("barrel", "endcap"), required=True)
    mdn.add_argument("--network", default="columns", metavar="KIND", help=(
        "columns (2,178 parameters), conv (the talk's 2,029) or mlp (2,219, on projections); default: "
        "%(default)s"
    ))  # fmt: skip
    mdn.add_argument(
        "--hidden", type=int, default=0, metavar="N", help="width of the dense layers; 0: the network's own"
    )
    mdn.add_argument(
        "--filters", type=int, default=4, metavar="N", help="of the column network (default: %(default)s)"
    )
    mdn.add_argument("--batch-norm", action="store_true", help="normalise over the batch in training")
    mdn.add_argument(
        "--slices",
        type=int,
        nargs="+",
        metavar="S",
        help="default: the first and the last, 0 and 19 of data sets",
    )
    mdn.add_argument(
        "--noise", type=float, metavar="E", help="noise added to data sets; without these flags, none is"
    )
    mdn.add_argument("--threshold", type=float, metavar="E", help="threshold applied to data sets")
    mdn.add_argument("--threshold-dispersion", type=float, metavar="E", help="its spread from pixel to pixel")
    mdn.add_argument(
        "--bits", type=int, metavar="N", help="bits of the input of data sets: 0 (float), 2 to 8"
    )
    mdn.add_argument("--adc-max", type=float, metavar="E", help="where the ADC saturates (default: 16000)")
    mdn.add_argument("--type", type=int, metavar="1..7", help="sensor of data sets whose files do not say")
    mdn.add_argument("--epochs", type=int, default=60, help="(default: %(default)s)")
    mdn.add_argument("--batch-size", type=int, default=512, help="(default: %(default)s)")
    mdn.add_argument("--learning-rate", type=float, default=5e-3, help="(default: %(default)s)")
    mdn.add_argument(
        "--schedule", default="cosine", help="of the learning rate: cosine or constant (default: %(default)s)"
    )
    mdn.add_argument(
        "--patience", type=int, default=0, metavar="N", help="stop after N epochs without progress; 0: never"
    )
    mdn.add_argument("--augment", nargs="*", default=["mirror-x"], metavar="HOW", help=(
        "mirror-x, mirror-y (end-caps only) and shift; default: mirror-x"
    ))  # fmt: skip
    mdn.add_argument(
        "--from", dest="start", metavar="WEIGHTS", help="start from these weights, by name or path"
    )
    mdn.add_argument(
        "--train-seed", type=int, default=1, help="of the weights and the order (default: %(default)s)"
    )
    shape = kinds.add_parser(
        "shape",
        help="the cluster-shape estimates",
        description="Train the cluster-shape estimates on simulated event files of one sensor.",
    )
    shape.add_argument("files", nargs="+", type=named_path, metavar="FILE")
    gnn = kinds.add_parser("gnn", help="the graph network", description=(
        "Train the interaction network on simulated event files, at any mix of pile-up. "
            "An interrupted training is taken up again by the same command."
    ))  # fmt: skip
    gnn.add_argument("files", nargs="*", type=named_path, metavar="FILE")
    gnn.add_argument("--pileup", type=int, nargs="+", default=[], metavar="P", help=(
        "train on events that are simulated now, so many for each pile-up (needs ACTS); no FILE then"
    ))  # fmt: skip
    gnn.add_argument(
        "--events", type=int, default=20, metavar="N", help="of each --pileup (default: %(default)s)"
    )
    gnn.add_argument("--seed", type=int, default=1, help="of these events (default: %(default)s)")
    gnn.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=(
        "any option of tracking.finders.gnn.train.TrainGnnOptions, e.g. degrade.noise=0.05 or "
        "cone.quantile=0.999; wins over the flags"
    ))  # fmt: skip
    gnn.add_argument("--epochs", type=int, default=30, help="(default: %(default)s)")
    gnn.add_argument(
        "--screen-epochs", type=int, default=10, help="of the screen, before (default: %(default)s)"
    )
    gnn.add_argument("--hidden", type=int, default=16, help="width of the layers (default: %(default)s)")
    gnn.add_argument("--passes", type=int, default=2, help="message passes (default: %(default)s)")
    gnn.add_argument(
        "--graph",
        default="cone",
        metavar="HOW",
        help="of the edges in the cone (default), or of all in the window",
    )
    gnn.add_argument(
        "--estimates", default="auto", metavar="KIND", help="auto, mdn or shape (default: %(default)s)"
    )
    gnn.add_argument(
        "--mdn-barrel", default="mdn-barrel", metavar="WEIGHTS", help="of the estimates, by name or path"
    )
    gnn.add_argument("--mdn-endcap", default="mdn-endcap", metavar="WEIGHTS", help="likewise")
    gnn.add_argument(
        "--shape", default="auto", metavar="WEIGHTS", help="likewise, of the cluster-shape estimates"
    )
    gnn.add_argument(
        "--keep",
        type=float,
        default=0.9995,
        help="share of true edges the screen keeps (default: %(default)s)",
    )
    gnn.add_argument("--patience", type=int, default=10, help=(
        "stop when the held-out loss has not improved for so many epochs (default: %(default)s)"
    ))  # fmt: skip
    gnn.add_argument("--learning-rate", type=float, default=5e-3, help="(default: %(default)s)")
    gnn.add_argument(
        "--train-seed", type=int, default=1, help="of the weights and the order (default: %(default)s)"
    )
    for parser, function in ((mdn, _train_mdn), (shape, _train_shape), (gnn, _train_gnn)):
        parser.add_argument("-o", "--output", type=named_path, required=True, metavar="W.safetensors")
        if parser is not shape:
            parser.add_argument("--threads", type=int, default=1, help=(
                "of torch (default: %(default)s); the weights depend on their number in the last digits, "
                "since sums are taken in "
                "another order, and say it"
            ))  # fmt: skip
        json_flag(parser)
        parser.set_defaults(command_function=function)


def check_kept(output: Path, *weights: str | None) -> None:
    """Check that a training does not replace the weights that it is made from, by name or path; None: there
    are none.

    Raises:
        InputError: it would.
    """
    check_writable(output, [weights_path(name) for name in weights if name is not None])


def set_threads(threads: int) -> None:
    """Set the number of threads torch uses."""
    import torch

    check("train", "threads", threads, threads >= 1, "at least 1")
    torch.set_num_threads(threads)


def sensor_flag(number: int | None) -> dict[str, float] | None:
    """What ``--type`` says of the sensor, in the field of the data sets."""
    from smartpix.simulate.dataset_options import DatasetOptions, sensor_of_type

    return None if number is None else DatasetOptions(sensor=sensor_of_type(number)).described()


def _train_mdn(options: argparse.Namespace) -> None:
    from smartpix.networks.modules import NetworkOptions
    from smartpix.simulate.readout import ReadoutOptions
    from smartpix.train.loop import TrainMdnOptions, train_mdn

    check_kept(options.output, options.start)
    set_threads(options.threads)
    training = TrainMdnOptions(
        NetworkOptions(options.network, hidden=options.hidden, filters=options.filters,
        batch_norm=options.batch_norm),
        options.epochs, options.batch_size, options.learning_rate, options.schedule, options.patience,
        tuple(options.augment),
        options.train_seed,
    )  # fmt: skip
    asked = {
        "noise": options.noise, "threshold": options.threshold,
        "threshold_dispersion": options.threshold_dispersion,
        "adc_bits": options.bits, "adc_max": options.adc_max,
    }  # fmt: skip
    given = {k: v for k, v in asked.items() if v is not None}
    readout = ReadoutOptions(**({"noise": 0.0, "threshold": 0.0, "adc_bits": 0} | given)) if given else None
    result = train_mdn(
        options.files, options.region, options.output, training, log,
        slices=options.slices, readout=readout, start=options.start,
        sensor=sensor_flag(options.type),
    )  # fmt: skip
    print_result(options, result)


def _train_shape(options: argparse.Namespace) -> None:
    from smartpix.estimate.shape import TrainShapeOptions, train_shape

    print_result(options, train_shape(options.files, options.output, TrainShapeOptions()))


def _train_gnn(options: argparse.Namespace) -> None:
    from tracking.finders.gnn.train import TrainGnnOptions, train_gnn
    from tracking.options import from_mapping

    if bool(options.files) == bool(options.pileup):
        raise InputError("train gnn: give event files, or --pileup to train on events that are simulated now")
    set_threads(options.threads)
    training = TrainGnnOptions(
        options.epochs, options.screen_epochs, options.learning_rate, options.hidden, options.passes,
        keep=options.keep,
        patience=options.patience, seed=options.train_seed, graph=options.graph, estimates=options.estimates,
        mdn_barrel=options.mdn_barrel, mdn_endcap=options.mdn_endcap, shape=options.shape,
    )  # fmt: skip
    values: dict[str, Any] = {}
    for assignment in options.set:
        set_option(values, assignment)
    training = from_mapping(training, values, "--set")
    check_output(options.output)
    # Beside the output, so that an interrupted training finds the same events again.
    folder = options.output.with_suffix(".events")
    files = options.files or _simulated(options, folder)
    print_result(options, train_gnn(files, options.output, training, log))
    if options.pileup:
        for path in files:
            path.unlink(missing_ok=True)
        # Not if there is anything else in them.
        with suppress(OSError):
            files[0].parent.rmdir()
            folder.rmdir()


def _simulated(options: argparse.Namespace, folder: Path) -> list[Path]:
    """Files of events of every pile-up; those that are there are taken.

    Raises:
        InputError: too few events or collisions, no ACTS, or another file where one of these belongs.
    """
    from smartpix.simulate.events import need_extras
    from smartpix.simulate.generate import GenerateOptions
    from tracking.bench.seeding_sample import is_simulated, simulated

    check("train gnn", "events", options.events, options.events >= 3, "at least 3")
    for pileup in options.pileup:
        check("train gnn", "pileup", pileup, pileup >= 1, "at least 1")
        # What is missing is said before what is begun.
        need_extras(GenerateOptions(pileup))
    told = folder / f"{options.events}-{options.seed}"
    told.mkdir(parents=True, exist_ok=True)
    files = []
    for pileup in options.pileup:
        path = told / f"pileup-{pileup}-0.root"
        if not path.exists():
            log(f"simulating {options.events} events of pile-up {pileup}")
            simulated(pileup, options.events, options.seed + pileup, told)
        elif not is_simulated(path, pileup, options.events, options.seed + pileup):
            raise InputError(
                f"{path}: is not what an interrupted training left, {options.events} events of pile-up "
                f"{pileup} simulated with "
                f"the seed {options.seed + pileup}; move it away, as files of this name are deleted after "
                f"the training"
            )
        files.append(path)
    return files
