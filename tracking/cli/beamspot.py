"""``smartpix beamspot``: the luminous region, from the tracks of a file's events."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.cli.flags import option_flags
from tracking.cli.options import chain_flags, chain_options
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path
from tracking.fit.options import BeamOptions
from tracking.inputs import check_there

__all__ = ["add_beamspot"]


def add_beamspot(commands: Any) -> None:
    """Add ``beamspot`` to the commands."""
    beamspot = commands.add_parser("beamspot", help="where collisions happen, from tracks", description=(
        "Find position, slopes and widths of the luminous region from the tracks of a file's first events, "
        "with errors. The search begins about the beam of the file's header, or that of the options, and "
        "finds beams within some mm of it."
    ))  # fmt: skip
    beamspot.add_argument(
        "path",
        nargs="?",
        type=named_path,
        metavar="FILE",
        help="event file (ROOT); default: the embedded sample",
    )
    option_flags(beamspot, BeamOptions(), "events", section="beam.")
    chain_flags(beamspot)
    json_flag(beamspot)
    beamspot.set_defaults(command_function=_beamspot)


def _beamspot(options: argparse.Namespace) -> None:
    from smartpix.shipped import data_path

    file, chosen = options.path or data_path("sample.root"), chain_options(options)
    check_there([file])
    from smartpix.io.events import open_events
    from tracking.beam_spot import beam_spot_of_file
    from tracking.chain import Chain

    chain = Chain.for_header(open_events(file).header, chosen)
    print_result(options, beam_spot_of_file(file, chain, chosen.beam.events).summary())
