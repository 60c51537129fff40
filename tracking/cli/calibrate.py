"""``smartpix calibrate``: trained estimates made right for the conditions of one's own clusters, with truth
or from tracks alone.
"""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.files import check_writable
from smartpix.schema import InputError
from tracking.calibration.options import CalibrateOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import chain_flags, option_values, read_options
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.train import UNREAD, told
from tracking.cli.train_flags import files_flags, sensor_flag, type_flag
from tracking.inputs import check_one_usable, expand
from tracking.options import RunOptions, from_mapping

__all__ = ["add_calibrate"]

SECTION = "calibrate."


def add_calibrate(commands: Any) -> None:
    """Add ``calibrate`` to the commands."""
    calibrate = commands.add_parser("calibrate", help="estimates in your conditions, with truth or from tracks",
    description=(
        "Calibrate trained estimates on clusters with truth: their pulls become of unit width in the conditions "
        "of these clusters. Half of the clusters calibrates, the other half is the test. The network stays as it "
        "is. Calibrate networks that count on groups of crossings in equal shares, as they are trained (smartpix "
        "simulate crossings --together 1 2 3): the chain has its own prior."
    ))  # fmt: skip
    calibrate.add_argument("weights", metavar="WEIGHTS", help=(
        "by name or path, of smartpix train mdn, count or mixture, or of smartpix compress; with --from-tracks, the "
        "first event file"
    ))  # fmt: skip
    files_flags(calibrate, nargs="*")
    tracks = calibrate.add_argument_group("calibration from tracks")
    tracks.add_argument("--from-tracks", action="store_true", help=(
        "all arguments are event files; writes a calibration (JSON) that a run takes as its option 'calibration'"
    ))  # fmt: skip
    option_flags(tracks, CalibrateOptions(), "events", "passes", "min_pt", "keep_modules", section=SECTION)
    chain_flags(tracks)
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
    if options.from_tracks:
        _from_tracks(options)
        return
    values = option_values(options)
    if not options.files:
        raise InputError(
            "calibrate: expected WEIGHTS and event files or data sets, and got one argument; add files with truth, or "
            "--from-tracks"
        )
    readout = values.pop("readout", None)
    if values or options.options:
        raise InputError(
            "calibrate: options of the chain and of tracks are for --from-tracks; add it, or leave them out"
        )
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


def _from_tracks(options: argparse.Namespace) -> None:
    """Calibrate from the tracks of event files."""
    values = option_values(options, read_options(options.options) if options.options else {})
    if options.type is not None or "readout" in values:
        raise InputError(
            "calibrate: the readout of data sets is not for --from-tracks; leave --type and the like out"
        )
    check_writable(options.output)
    calibrate = from_mapping(CalibrateOptions(), values.pop(SECTION.rstrip("."), {}), "calibrate")
    run = from_mapping(RunOptions(), values, str(options.options or "options"))
    files = expand([options.weights, *options.files])
    check_one_usable(files)
    from smartpix.calibration import write_calibration
    from smartpix.io.events import open_events
    from tracking.calibration.find import calibration_of_files

    found = calibration_of_files(files, run, calibrate, log)
    write_calibration(options.output, found.calibration)
    print_result(
        options, {"file": str(options.output)} | found.summary(open_events(files[0]).header.detector)
    )
