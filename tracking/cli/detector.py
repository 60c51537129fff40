"""``smartpix detector``: makes, checks and draws a detector's modules."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from smartpix.layouts.options import Sensors
from smartpix.schema import InputError
from tracking.cli.flags import option_flags
from tracking.cli.output import json_flag, log, print_result
from tracking.cli.parser import named_path

if TYPE_CHECKING:
    from pathlib import Path

    from smartpix.layouts.named import NamedDetector

__all__ = ["NAMES", "add_detector"]

NAMES = ("generic", "barrel3", "itk", "muon-collider", "odd", "telescope")
"""A test compares them with the library's, whose import takes long."""
FEW = 10


def add_detector(commands: Any) -> None:
    """Add ``detector`` to the commands."""
    parser = commands.add_parser("detector", help="make, check and draw a detector's modules", description=(
        "Make the module table of a detector by its name, of a layout of one's own (TOML), or of the Open Data "
        "Detector's DD4hep files (XML); or look at a table. Prints its layers, which follows which, how many a "
        "track crosses, modules that run into one another, and its material. The generic one is ACTS's "
        "(TrackML's) and needs pyacts."
    ))  # fmt: skip
    name: Any = parser.add_argument(
        "name", nargs="?", default="generic", metavar="NAME|FILE",
        help=f"{', '.join(NAMES)}, or a file .toml, .xml, .csv[.gz] or .root (default: %(default)s)",
    )  # fmt: skip
    name.values = NAMES
    option_flags(parser, Sensors(), "pitch_u", "pitch_v", "thickness", "endcap_thickness", section="sensor.")
    parser.add_argument("-o", "--output", type=named_path, metavar="F.csv[.gz]", help="the table, written")
    parser.add_argument("--draw", type=named_path, metavar="F.png", help="figure in r-z and x-y")
    parser.add_argument("--material", type=named_path, metavar="F.toml", help=(
        "its material as options of the fit, for smartpix run --options"
    ))  # fmt: skip
    parser.add_argument("--no-checks", action="store_true", help="make and draw it only")
    json_flag(parser)
    parser.set_defaults(command_function=_detector)


def _detector(options: argparse.Namespace) -> None:
    from smartpix.files import check_writable
    from smartpix.geometry import write_detector
    from smartpix.layouts.named import named_detector

    for path in (options.output, options.draw, options.material):
        if path is not None:
            check_writable(path, [options.name])
    sensors = {name.partition(".")[2]: v for name, (_, v) in getattr(options, "flag_values", {}).items()}
    made = named_detector(options.name, sensors)
    detector = made.detector
    result: dict[str, Any] = {"name": made.name, "n_modules": len(detector), "n_layers": len(detector.layers)}
    if options.output is not None:
        write_detector(detector, options.output)
        result = {"file": str(options.output), **result}
    if options.draw is not None:
        from tracking.show.detector_figure import draw_detector

        draw_detector(detector, options.draw, f"{made.name}: {len(detector):,} modules")
        result["figure"] = str(options.draw)
    if options.material is not None:
        _write_material(options.material, made)
        result["fit_options"] = str(options.material)
    if made.missing:
        log(f"files that are included and not there: {', '.join(made.missing)}; nothing of them was needed")
    if made.field is not None:
        result["field"] = made.field
    if made.material is not None:
        result["material"] = dataclasses.asdict(made.material)
    if not options.no_checks:
        from smartpix.layouts.checks import check_layout

        report = check_layout(detector)
        result |= report.as_mapping() | {"n_colliding": len(report.colliding)}
        if report.colliding and not options.json:
            result["colliding"] = [list(pair) for pair in report.colliding[:FEW]]
            log(f"warning: {len(report.colliding)} pairs of modules run into one another")
    print_result(options, result if options.json else _for_people(result))


def _for_people(result: dict[str, Any]) -> dict[str, Any]:
    """The same with a line for each layer, and without the tables that are for programs."""
    tables = ("layers", "sensors", "follows", "eta", "crossed", "enough")
    shown = {name: value for name, value in result.items() if name not in tables}
    for sensor in result.get("sensors", ()):
        size = " x ".join(f"{1e3 * sensor[key]:g}" for key in ("pitch_v", "pitch_u", "thickness"))
        shown[f"sensor {size} um"] = f"{sensor['modules']} modules"
    for layer in result.get("layers", ()):
        (r_low, r_high), (z_low, z_high) = layer["r"], layer["z"]
        place = f"r {r_low:.1f} to {r_high:.1f} mm, z {z_low:.1f} to {z_high:.1f} mm"
        shown[f"layer {layer['name']}"] = f"{layer['modules']} modules, {place}"
    if pairs := result.get("follows"):
        shown["follows"] = ", ".join(f"{inner}-{outer}" for inner, outer in pairs)
    return shown


def _write_material(path: Path, made: NamedDetector) -> None:
    """Write the material as a file of options.

    Raises:
        InputError: nothing is known of it.
    """
    from smartpix.files import replace_when_done

    if made.material is None:
        raise InputError(
            f"{made.name}: a table of modules says nothing of its material; give a name or a layout, or leave "
            "--material out"
        )
    values = dataclasses.asdict(made.material)
    lines = [f"{name} = {list(v) if isinstance(v, tuple) else v}" for name, v in values.items() if v != ()]
    with replace_when_done(path) as beside:
        beside.write_text("\n".join(["[fit]", *lines]) + "\n", encoding="utf-8")
