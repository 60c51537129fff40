"""``smartpix convert``: foreign formats to event files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path

__all__ = ["add_convert"]


def add_convert(commands: Any) -> None:
    """Add ``convert`` to the commands."""
    convert = commands.add_parser("convert", help="other formats to event files", description=(
        "Convert TrackML events (CSV), ACTS events (CSV or ROOT) or an event file (to the other container), "
        "say what was found. "
        "Pixel hits alone are taken. Ids stay, so that `smartpix run --join` brings the results back onto "
        "the files. Files of single clusters (PixelAV's text, smart-pixel TFRecords) become a table of parquet."
    ))  # fmt: skip
    convert.add_argument("input", nargs="+", metavar="[FORMAT] INPUT", help=(
        "a folder or a zip archive of events, one event by the beginning of its tables' names, or a ROOT "
        "file. The command finds out the format (trackml, acts-csv, acts-root, edm4hep, colliderml, allpix, timepix, "
        "smartpix; of single clusters pixelav, tfrecord) if it is not given"
    ))  # fmt: skip
    convert.add_argument("-o", "--output", type=named_path, required=True, metavar="F.root")
    convert.add_argument("--detector", type=named_path, metavar="FILE", help=(
        "module table (CSV); for ACTS also its geometric digitisation (JSON), which says the pixels of the "
        "modules in the folder's detectors.csv"
    ))  # fmt: skip
    convert.add_argument(
        "--field",
        type=float,
        metavar="T",
        help="solenoid field in T; ACTS's files do not hold it (TrackML: 2)",
    )
    convert.add_argument("--electrons", type=float, metavar="E", help=(
        "charge in e of a cell of value 1 (default: 73000, for values that are path lengths in mm); give 1 "
        "if values are charges in e"
    ))  # fmt: skip
    convert.add_argument("--volumes", choices=("pixels", "all"), default="pixels", help=(
        "all: hits of strips too, without pixels, as far as the detector table has their modules (default: "
        "pixels)"
    ))  # fmt: skip
    convert.add_argument("--format", choices=("ttree", "rntuple"), help=(
        "container of the events (default: ttree; for an event file, the one that it does not have)"
    ))  # fmt: skip
    json_flag(convert)
    convert.set_defaults(command_function=_convert)


def _convert(options: argparse.Namespace) -> None:
    from smartpix.convert.cluster_files import CLUSTER_FORMATS, cluster_format, convert_clusters
    from smartpix.convert.formats import ConvertOptions, convert, detect, format_names
    from smartpix.schema import InputError

    *kind, path = options.input
    source = cluster_format(Path(path))
    if source is not None and kind in ([], [source]):
        log(f"found {path}: {CLUSTER_FORMATS[source]}")
        made = convert_clusters(Path(path), source, options.output)
        print_result(options, {"file": str(options.output), **made})
        return
    formats = format_names()
    # A format has neither dot nor slash; a folder may be called as one that is mistyped.
    if len(kind) > 1 or any(k not in formats and ("." in k or "/" in k or Path(k).exists()) for k in kind):
        n_inputs = len(kind) + (kind[0] not in formats)
        raise InputError(
            f"convert: takes one input, after its format or without, and these are {n_inputs} "
            f"({', '.join(options.input)}); convert "
            "each to an output of its own, or give one folder that holds all events. `smartpix run` takes "
            "several event files"
        )
    found = detect(path, kind[0] if kind else None)
    log(f"found {found}")
    how = ConvertOptions(
        options.detector, options.field, options.electrons, options.format, volumes=options.volumes
    )
    done = convert(found, options.output, how)
    _warn(done)
    print_result(options, {"file": str(options.output), **done})


def _warn(done: dict[str, Any]) -> None:
    """Say what of the tables found no partner, and that there is nothing to reconstruct."""
    what = {
        "n_cells_unused": "cells of no hit", "n_truth_unused": "truth rows of no hit",
        "n_hits_without_truth": "hits without truth",
    }  # fmt: skip
    unmatched = [f"{done[name]} {words}" for name, words in what.items() if done[name]]
    if unmatched:
        log(
            f"warning: {', '.join(unmatched)}; this is right where rows were filtered on purpose, else the "
            f"tables are damaged or "
            "not of the same events"
        )
    if not done["cells"]:
        log(
            "warning: the events come without cells, so that their hits have no pixels and no directions; "
            "smartpix run takes them with --set graph=window --set gnn=gnn-window"
        )
    if done["n_hits"] == 0:
        log(f"warning: none of the {done['n_events']} events has a hit in the volumes of the detector table")
