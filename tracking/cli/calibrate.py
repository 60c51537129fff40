"""``smartpix calibrate``: trained estimates made right for the conditions of one's own clusters."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import InputError
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.train import UNREAD, told
from tracking.cli.train_flags import files_flags, sensor_flag, type_flag
from tracking.options import from_mapping

__all__ = ["add_calibrate"]


def add_calibrate(commands: Any) -> None:
    """Add ``calibrate`` to the commands."""
    calibrate = commands.add_parser("calibrate", help="the estimates' covariance, in your conditions",
    description=(
        "Calibrate trained estimates on clusters with truth: their pulls become of unit width in the conditions "
        "of these clusters. Half of the clusters calibrates, the other half is the test. The network stays as it "
        "is. Calibrate networks that count on groups of crossings in equal shares, as they are trained (smartpix "
        "simulate crossings --together 1 2 3): the chain has its own prior."
    ))  # fmt: skip
    calibrate.add_argument("weights", metavar="WEIGHTS", help=(
        "by name or path, of smartpix train mdn, count or mixture, or of smartpix compress"
    ))  # fmt: skip
    files_flags(calibrate)
    data = calibrate.add_argument_group(
        "readout of data sets", "Without these flags, charges are the true ones."
    )
    type_flag(data)
    option_flags(
        data, UNREAD, "noise", "threshold", "threshold_dispersion", "adc_max", section="readout.",
        adc_bits="--bits",
    )  # fmt: skip
    json_flag(calibrate)
    calibrate.set_defaults(command_function=_calibrate)


def _calibrate(options: argparse.Namespace) -> None:
    readout = option_values(options).pop("readout", None)
    if readout is not None:
        readout = from_mapping(UNREAD, readout, "--set")
    from smartpix.estimate.descriptions import SORTS
    from smartpix.estimate.mixture import MIXTURE, SET
    from smartpix.merged.descriptions import COUNT, COUNT_ON_CHIP
    from smartpix.networks.weights import describe_weights
    from smartpix.samples import Reading
    from smartpix.train.calibrate import recalibrate
    from smartpix.train.components import recalibrate_mixture
    from smartpix.train.count import recalibrate_count

    sort = str(describe_weights(options.weights).get("architecture")).split("-")[0]
    of_sort = {COUNT: recalibrate_count, COUNT_ON_CHIP: recalibrate_count}
    of_sort |= {SET: recalibrate_mixture, MIXTURE: recalibrate_mixture} | dict.fromkeys(SORTS, recalibrate)
    if sort not in of_sort:
        raise InputError(
            f"{options.weights}: holds weights of '{sort}', which have nothing to calibrate; give those of "
            "smartpix train mdn, count or mixture, or of smartpix compress"
        )
    result = of_sort[sort](
        options.weights, options.files, options.output, Reading(None, readout, sensor_flag(options.type))
    )
    log(f"calibrated on {result['n_calibration']} clusters, tested on {result['n']}")
    print_result(options, told(options, result))
