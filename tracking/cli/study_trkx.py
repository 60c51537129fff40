"""``smartpix study trkx``: what each idea of HEP.TrkX is worth."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.bench.trkx_options import PARTS, TrkxStudyOptions
from tracking.cli.flags import option_flags
from tracking.cli.options import option_values
from tracking.cli.output import log
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.options import from_mapping

__all__ = ["add_study_trkx"]


def add_study_trkx(kinds: Any) -> None:
    """Add ``trkx`` to the kinds of studies."""
    trkx = kinds.add_parser("trkx", help="what each idea of HEP.TrkX is worth", description=(
        "The networks of HEP.TrkX on fresh toys, beside what was published and beside a straight line that is "
        "followed; captions with their covariances; what filters look for; the finders of the RAMP challenge; and the "
        "learned cone beside the Kalman filter's on pile-up 200. Networks without weights are listed, with the command "
        "that trains them. Writes trkx.json and figures."
    ))  # fmt: skip
    trkx.add_argument(
        "files", nargs="*", type=named_path, metavar="FILE",
        help="events for the learned cone (default: simulated ones, which needs smartpix[acts])",
    )  # fmt: skip
    trkx.add_argument("--parts", type=_names, default=PARTS, metavar="A,B", help=(
        f"parts of the study that are measured, with commas between: some of {', '.join(PARTS)} (default: all)"
    ))  # fmt: skip
    trkx.add_argument("--weights", type=named_path, metavar="FOLDER", help=(
        "folder of weights that smartpix train trkx made, of networks that are measured besides those that ship"
    ))  # fmt: skip
    trkx.add_argument("--trained", type=named_path, metavar="FOLDER", help=(
        "folder of results that smartpix train trkx --json printed, for networks whose weights are not at hand"
    ))  # fmt: skip
    trkx.add_argument("--keep", action="store_true", help=(
        "keep the results of parts that are left out now, from trkx.json of an earlier study in the folder of -o"
    ))  # fmt: skip
    option_flags(
        trkx, TrkxStudyOptions(), "events", "caption_events", "ramp_events", "pileup_events", "steps", "seed"
    )
    trkx.set_defaults(command_function=_study_trkx)


def _names(text: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(part.strip() for part in text.split(","))


def _study_trkx(options: argparse.Namespace) -> None:
    values = option_values(options) | {"parts": options.parts}
    study: TrkxStudyOptions = from_mapping(TrkxStudyOptions(), values, "options")
    folder = result_folder(options.output)
    from tracking.bench.trkx import earlier_study, trkx_study, with_parts_of
    from tracking.bench.trkx_plots import plot_trkx
    from tracking.bench.trkx_table import trkx_table
    from tracking.cli.threads import set_threads

    set_threads(1)
    earlier = earlier_study(folder / "trkx.json") if options.keep else None
    result, filters = trkx_study(study, options.weights, options.trained, options.files, log)
    if earlier is not None:
        result = with_parts_of(result, earlier)
    write_json(folder / "trkx.json", result)
    plot_trkx(folder, result, filters)
    print_or_show(options, result, f"{trkx_table(result)}\nwritten to {folder}")
