"""``smartpix study smart-pixels``: what slices, pitch, thickness, bits and link buy in tracks."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.bench.smart_pixels_options import QUICK, SmartPixelsOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values
from tracking.cli.output import log
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.options import from_mapping

__all__ = ["add_study_smart_pixels"]


def add_study_smart_pixels(kinds: Any) -> None:
    """Add ``smart-pixels`` to the kinds of studies."""
    study = kinds.add_parser("smart-pixels", help="what slices, pitch, thickness, bits and link buy in tracks", description=(
        "Smart pixels for trackers, from sensors to tracks. Each sensor and readout has events with the same particles, "
        "estimates trained for it, and a run of the chain; the link carries the estimates in fewer and fewer bits. Needs "
        "smartpix[acts]. Writes smart-pixels.json and two figures; all that is made is kept in the folder of -o, and "
        "what was made with the same options is not made again."
    ))  # fmt: skip
    study.add_argument("--quick", action="store_true", help=(
        f"a first look: {QUICK.events} events of pile-up {QUICK.pileup}, and {QUICK.epochs} epochs; flags win over it"
    ))  # fmt: skip
    option_flags(study, SmartPixelsOptions(), "pileup", "events", "crossings", "estimates", "epochs", "seed")
    study.set_defaults(command_function=_study_smart_pixels)


def _study_smart_pixels(options: argparse.Namespace) -> None:
    chosen = from_mapping(
        QUICK if options.quick else SmartPixelsOptions(), option_values(options), "smart-pixels"
    )
    from smartpix.simulate.events import need_extras
    from smartpix.simulate.options import GenerateOptions
    from tracking.bench.smart_pixels import smart_pixels_study
    from tracking.bench.smart_pixels_plots import plot_bits, plot_levers
    from tracking.bench.smart_pixels_table import smart_pixels_table

    need_extras(GenerateOptions())
    folder = result_folder(options.output)
    result = smart_pixels_study(folder, chosen, log)
    write_json(folder / "smart-pixels.json", result)
    plot_levers(folder / f"smart-pixels-levers.{options.figures}", result)
    plot_bits(folder / f"smart-pixels-bits.{options.figures}", result)
    print_or_show(options, result, f"{smart_pixels_table(result)}\nwritten to {folder}")
