"""``smartpix study systematics``: what is lost where something is wrong by a little, and regained by
calibration.
"""

from __future__ import annotations

import argparse
from typing import Any

from tracking.bench.systematics_effects import EFFECTS, chosen_effects
from tracking.bench.systematics_options import SystematicsOptions
from tracking.calibration.options import CalibrateOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values
from tracking.cli.output import log
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.inputs import expand
from tracking.options import from_mapping

__all__ = ["add_study_systematics"]

SECTION = "calibrate."


def add_study_systematics(kinds: Any) -> None:
    """Add ``systematics`` to the kinds of studies."""
    study = kinds.add_parser("systematics", help="what is lost where something is wrong by a little", description=(
        "The chain where modules, Lorentz angle, charges, readout, field or pile-up are not what it takes them to be: "
        "edges, reduction, tracks, fakes and pulls, before and after a calibration from tracks (smartpix calibrate "
        "--from-tracks). The first events are calibrated on, and those after them judged. Events that are simulated "
        "are kept in the folder of -o (needs smartpix[acts]). Writes systematics.json and a figure."
    ))  # fmt: skip
    study.add_argument("files", nargs="*", type=named_path, metavar="FILE", help=(
        "simulated event files in place of the nominal events; for effects without a simulation of their own"
    ))  # fmt: skip
    study.add_argument("--effects", nargs="+", default=[], metavar="NAME[=SIZE,...]", help=(
        f"effects that are measured, of {', '.join(EFFECTS)}, with their sizes (default: all; with files, all that "
        "need no simulation)"
    ))  # fmt: skip
    study.add_argument(
        "--acts", action="store_true", help="also ACTS at its balanced point (needs smartpix[acts])"
    )
    option_flags(study, SystematicsOptions(), "pileup", "calibrate_events", "events", "seed")
    option_flags(
        study, CalibrateOptions(), "passes", "min_pt", "layer_shift", "layer_rotation", section=SECTION
    )
    study.set_defaults(command_function=_study_systematics)


def _study_systematics(options: argparse.Namespace) -> None:
    values = option_values(options)
    calibrate = from_mapping(CalibrateOptions(), values.pop(SECTION.rstrip("."), {}), "calibrate")
    chosen = from_mapping(SystematicsOptions(), values, "systematics")
    effects = chosen_effects(options.effects, simulated=not options.files)
    files = expand(options.files) if options.files else []
    folder = result_folder(options.output)
    from tracking.bench.systematics import systematics_study
    from tracking.bench.systematics_plots import plot_systematics
    from tracking.bench.systematics_table import systematics_table

    path = folder / "systematics.json"
    result = systematics_study(
        effects,
        chosen,
        folder / "events",
        files,
        calibrate,
        log,
        lambda so_far: write_json(path, dict(so_far)),
        options.acts,
    )
    write_json(path, result)
    plot_systematics(folder / f"systematics.{options.figures}", result)
    print_or_show(options, result, f"{systematics_table(result)}\nwritten to {folder}")
