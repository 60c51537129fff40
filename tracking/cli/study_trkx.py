"""``smartpix study trkx``: what each idea of HEP.TrkX is worth."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.files import check_writable
from smartpix.schema import InputError
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


def _check_parts(options: argparse.Namespace, parts: tuple[str, ...]) -> None:
    """Check that what is given is for a part that is measured.

    Raises:
        InputError: it is for another one.
    """
    for part, given in (
        ("next-layer", {"FILE": options.files}), ("models", {"--weights": options.weights, "--trained": options.trained}),
    ):  # fmt: skip
        for flag, value in given.items():
            if value and part not in parts:
                raise InputError(
                    f"study trkx: {flag} is for the part {part}, which --parts leaves out; add {part} to --parts, or "
                    f"leave {flag} out"
                )


def _study_trkx(options: argparse.Namespace) -> None:
    values = option_values(options) | {"parts": options.parts}
    study: TrkxStudyOptions = from_mapping(TrkxStudyOptions(), values, "options")
    _check_parts(options, study.parts)
    folder = result_folder(options.output)
    check_writable(folder / "trkx.json")
    from tracking.bench.trkx import earlier_study, trkx_study, with_parts_of
    from tracking.bench.trkx_earlier import check_kept
    from tracking.bench.trkx_plots import plot_trkx
    from tracking.bench.trkx_table import trkx_table
    from tracking.cli.threads import set_threads

    set_threads(1)
    earlier = earlier_study(folder / "trkx.json") if options.keep else None
    if earlier is not None:
        check_kept(folder / "trkx.json", earlier, study.parts)
    result, filters = trkx_study(study, options.weights, options.trained, options.files, log)
    if earlier is not None:
        result = with_parts_of(result, earlier)
    write_json(folder / "trkx.json", result)
    plot_trkx(folder, result, filters, options.figures)
    print_or_show(options, result, f"{trkx_table(result)}\nwritten to {folder}")
