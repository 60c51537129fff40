"""``smartpix calibrate``: trained estimates made right for the conditions of one's own clusters."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.cli.flags import option_flags
from tracking.cli.options import option_values
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path
from tracking.cli.train import UNREAD, sensor_flag
from tracking.options import from_mapping

__all__ = ["add_calibrate"]


def add_calibrate(commands: Any) -> None:
    """Add ``calibrate`` to the commands."""
    calibrate = commands.add_parser("calibrate", help="the estimates' covariance, in your conditions",
    description=(
        "Calibrate trained estimates on clusters with truth: their pulls become of unit width in the conditions "
        "of these clusters. Half of the clusters calibrates, the other half is the test. The network stays as it "
        "is."
    ))  # fmt: skip
    calibrate.add_argument("weights", metavar="WEIGHTS", help="by name or path, of either kind of network")
    calibrate.add_argument("files", nargs="+", type=named_path, metavar="FILE", help=(
        "event files (ROOT), or data sets in the public layout (parquet, files or folders)"
    ))  # fmt: skip
    calibrate.add_argument("-o", "--output", type=named_path, required=True, metavar="W.safetensors")
    data = calibrate.add_argument_group(
        "readout of data sets", "Without these flags, charges are the true ones."
    )
    data.add_argument("--type", type=int, metavar="1..7", help="sensor of data sets whose files do not say")
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
    from smartpix.samples import Reading
    from smartpix.train.calibrate import recalibrate

    result = recalibrate(
        options.weights, options.files, options.output, Reading(None, readout, sensor_flag(options.type))
    )
    log(f"calibrated on {result['n_calibration']} clusters, tested on {result['n']}")
    print_result(options, result)
