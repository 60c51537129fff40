"""``smartpix new-detector``: from a table of modules to estimates and tracks, with a report."""

from __future__ import annotations

import argparse
from typing import Any

from tracking.cli.flags import option_flags
from tracking.cli.options import option_values
from tracking.cli.output import json_flag, log, print_json
from tracking.cli.parser import named_path
from tracking.cli.results import result_folder
from tracking.cli.streams import show
from tracking.guide.options import QUICK, GuideOptions
from tracking.options import from_mapping

__all__ = ["add_new_detector"]

REPORT = "report.md"


def add_new_detector(commands: Any) -> None:
    """Add ``new-detector`` to the commands."""
    parser = commands.add_parser("new-detector", help="from a table of modules to estimates and tracks", description=(
        "The documented sequence for a detector of one's own in one command: the layout is checked and drawn, "
        "estimates are trained for its sensors, events are simulated, the estimates' pulls are checked, a graph "
        "network is trained, and the chain is run. Writes report.md with each number, what it should be, what to do "
        "next, and all commands. What was done before with the same options is not done again."
    ))  # fmt: skip
    parser.add_argument(
        "detector", metavar="NAME|FILE", help="as of smartpix detector: a name, or a file .toml, .xml or .csv"
    )
    parser.add_argument(
        "-o", "--output", type=named_path, required=True, metavar="DIR", help="folder for all that is made"
    )
    parser.add_argument("--quick", action="store_true", help=(
        f"a first look in a few minutes: {QUICK.crossings} crossings, {QUICK.events} events, "
        f"{QUICK.epochs} and {QUICK.graph_epochs} epochs; flags win over it"
    ))  # fmt: skip
    option_flags(
        parser, GuideOptions(), "particles", "pileup", "gun", "beam", "events", "crossings", "estimates", "epochs",
        "graph_epochs", "field", "seed",
    )  # fmt: skip
    parser.add_argument("--plan", action="store_true", help="print the commands, and run none")
    json_flag(parser)
    parser.set_defaults(command_function=_new_detector)


def _new_detector(options: argparse.Namespace) -> None:
    asked = from_mapping(QUICK if options.quick else GuideOptions(), option_values(options), "new-detector")
    from smartpix.calibration import fingerprint
    from smartpix.files import replace_when_done
    from smartpix.layouts.named import named_detector
    from tracking.guide.plan import decided, planned
    from tracking.guide.report import as_mappings, findings, report_text
    from tracking.sequence import run_steps

    made = named_detector(options.detector)
    chosen, why = decided(made.detector, asked)
    steps = planned(made, options.output, chosen)
    commands = [step.command for step in steps]
    if options.plan:
        if options.json:
            print_json({"commands": commands})
        else:
            show("\n".join(line for step in steps for line in (f"# {step.why}", step.command)))
        return
    folder = result_folder(options.output)
    log(f"particles: {chosen.particles} ({why})")
    # The commands name a file: with other modules, material or field in it, all is done again.
    about = f"{fingerprint(made.detector)} {made.material} {made.field}"
    results = run_steps(steps, folder, about, log)
    found = findings(results, chosen)
    with replace_when_done(folder / REPORT) as beside:
        beside.write_text(report_text(made.name, steps, results, chosen), encoding="utf-8")
    wrong = [f for f in found if not f.good]
    if options.json:
        names = ("reduction", "edge_efficiency", "track_efficiency", "fake_rate", "n_findable", "n_events")
        print_json({
            "detector": made.name, "particles": chosen.particles, "commands": commands,
            "findings": as_mappings(found), "good": not wrong, "report": str(folder / REPORT),
            **{name: results["tracks"][name] for name in names},
        })  # fmt: skip
        return
    lines = [
        f"{f.what:44s} {'-' if f.value is None else f'{f.value:.4g}':>8s}  {f.next or 'good'}" for f in found
    ]
    show(
        "\n".join(
            [*lines, f"{len(found) - len(wrong)} of {len(found)} are as they should be; {folder / REPORT}"]
        )
    )
