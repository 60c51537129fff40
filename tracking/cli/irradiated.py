"""Flags for irradiated sensors, and what follows from them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from smartpix.schema import InputError, check
from smartpix.simulate.radiation import INNERMOST, MOST_FLUENCE, fluence_of_luminosity, operating_bias
from tracking.cli.flags import option_flags
from tracking.cli.output import log

__all__ = ["fluence_flags", "irradiated"]


def fluence_flags(parser: argparse.ArgumentParser, defaults: Any, section: str = "") -> None:
    """Add ``--fluence`` of options that have a ``fluence``, and ``--luminosity``."""
    option_flags(parser, defaults, "fluence", section=section)
    parser.add_argument("--luminosity", type=float, metavar="FB-1", help=(
        "instead of --fluence: that of the innermost layer after so many fb-1, "
        f"{INNERMOST:.3g} neq/cm2 for each (2e16 after 3,000)"
    ))  # fmt: skip


def irradiated(options: argparse.Namespace, values: Mapping[str, Any], bias: float) -> dict[str, Any]:
    """Values of the options that hold bias and fluence, completed.

    ``--luminosity`` becomes a fluence. Where a fluence is given and no bias, the bias is raised as with the
    years of running (:func:`smartpix.simulate.radiation.operating_bias`), and the log says so.

    Args:
        values: those that were given.
        bias: V without fluence.

    Raises:
        InputError: fluence and luminosity are both given, or the luminosity is out of range.
    """
    values = dict(values)
    if options.luminosity is not None:
        if "fluence" in values:
            raise InputError("simulate: --fluence and --luminosity say the same; give one of them")
        most = MOST_FLUENCE / INNERMOST
        good = 0 <= options.luminosity <= most
        check("simulate", "luminosity", options.luminosity, good, f"from 0 to {most:g} fb-1")
        values["fluence"] = fluence_of_luminosity(options.luminosity)
    fluence = values.get("fluence", 0.0)
    # What is no number, or out of range, the options themselves refuse.
    if isinstance(fluence, (int, float)) and 0 < fluence <= MOST_FLUENCE and "bias" not in values:
        values["bias"] = round(bias * operating_bias(fluence) / operating_bias(0.0), 1)
        log(f"a bias of {values['bias']:g} V for {fluence:g} neq/cm2; --bias sets another")
    return values
