"""``smartpix study``; what HEP.TrkX is worth in :mod:`tracking.cli.study_trkx`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tracking.cli.output import json_flag, log, print_json, print_result
from tracking.cli.parser import named_path, subcommands
from tracking.cli.results import print_or_show, result_folder, write_json
from tracking.cli.streams import show
from tracking.cli.study_smart_pixels import add_study_smart_pixels
from tracking.cli.study_systematics import add_study_systematics
from tracking.cli.study_trkx import add_study_trkx
from tracking.cli.threads import set_threads
from tracking.show.formats import figure_format_flag, sample_words

__all__ = ["add_study"]


PULLS = {"mdn_barrel": "mdn-barrel", "mdn_endcap": "mdn-endcap", "shape": "shape-50x12.5x100"}
"""Weights that ``study pull`` judges."""


def add_study(commands: Any) -> None:
    """Add ``study`` to the commands."""
    study = commands.add_parser("study", help="what each choice buys, with figures", description=(
        "Studies of sensor, readout, networks and finders. Each writes STUDY.json and figures into a folder."
    ))  # fmt: skip
    kinds = subcommands(study, "studies", "STUDY")
    for name, help_text in (
        ("slices", "which two of the 20 slices, and how many"),
        ("geometry", "all seven geometries, 100 against 150 um"),
        ("levers", "everything that decides the resolution: slices, noise, threshold, bits, sensor, network"),
    ):
        lever = kinds.add_parser(name, help=help_text, description=(
            f"Train networks to learn {help_text}: one for each setting around the base of 50 x 12.5 x 100 "
            f"um, slices 0 and 19, "
            "noise 50 e, threshold 300 e, float input, all on data of their own and equally long."
        ))  # fmt: skip
        lever.add_argument("--dataset", default="2s", metavar="2s|3s|4s", help="(default: %(default)s)")
        lever.add_argument(
            "--clusters",
            type=int,
            default=120_000,
            metavar="N",
            help="for each sensor (default: %(default)s)",
        )
        lever.add_argument("--epochs", type=int, default=25, help="of each training (default: %(default)s)")
        lever.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
        lever.set_defaults(command_function=_study_levers, study=name)
    pull = kinds.add_parser("pull",
    help="residuals and pulls of the networks, cluster-shape estimates beside them", description=(
        "Residuals and pulls of the networks on simulated events, with the cluster-shape estimates as a "
        "cross-check; the shipped ones, or others for another sensor."
    ))  # fmt: skip
    pull.add_argument(
        "files", nargs="*", type=named_path, metavar="FILE", help="default: the embedded sample"
    )
    for name, flag in (("mdn_barrel", "--mdn-barrel"), ("mdn_endcap", "--mdn-endcap"), ("shape", "--shape")):
        pull.add_argument(
            flag,
            default=PULLS[name],
            metavar="WEIGHTS",
            dest=name,
            help="by name or path (default: %(default)s)",
        )
    pull.add_argument(
        "--only", choices=("mdn", "shape"), help="judge these alone; of the others no weights are needed"
    )
    pull.set_defaults(command_function=_study_pull)
    angle = kinds.add_parser("angle-pt", help="what one layer's beta tells about pT", description=(
        "The bend measured by one layer's beta against the charge over the transverse momentum, on data set "
        "2s."
    ))  # fmt: skip
    angle.add_argument(
        "--variant",
        default="columns-2t-chip",
        metavar="V",
        help="network of `bench mdn` (default: %(default)s)",
    )
    angle.add_argument("--clusters", type=int, default=50_000, metavar="N", help="(default: %(default)s)")
    angle.set_defaults(command_function=_study_angle_pt)
    front = kinds.add_parser("front", help="resolution against size of quantised networks", description=(
        "Half widths, zeros and look-up tables of networks made by `compress`, on clusters none was trained "
        "on; figures of the "
        "front, of the zeros and multipliers against the epoch, and of the weights."
    ))  # fmt: skip
    front.add_argument("weights", nargs="+", metavar="WEIGHTS", help="shipped ones by name, or paths")
    front.add_argument(
        "--base", default="fixed-2s-talk", metavar="WEIGHTS", help="compared with (default: %(default)s)"
    )
    front.add_argument("--clusters", type=int, default=50_000, metavar="N", help="(default: %(default)s)")
    front.set_defaults(command_function=_study_front)
    add_study_trkx(kinds)
    add_study_systematics(kinds)
    add_study_smart_pixels(kinds)
    for parser in kinds.choices.values():
        parser.add_argument(
            "-o",
            "--output",
            type=named_path,
            default=Path("smartpix-study"),
            help="folder for the results (default: %(default)s)",
        )
        figure_format_flag(parser)
        json_flag(parser)


def _study_levers(options: argparse.Namespace) -> None:
    from tracking.bench.lever_plots import plot_levers, plot_targets
    from tracking.bench.levers import LEVERS, StudyOptions, lever_study

    set_threads(options.threads)
    levers = {
        "slices": ["which two slices", "number of slices"], "geometry": ["geometry", "thickness [um]"],
        "levers": list(LEVERS),
    }[options.study]  # fmt: skip
    folder = result_folder(options.output)
    result = lever_study(levers, StudyOptions(options.clusters, options.epochs, dataset=options.dataset), log)
    plot_levers(folder / f"{options.study}.{options.figures}", result)
    if options.study != "levers":
        plot_targets(
            folder / f"{options.study}-targets.{options.figures}",
            result,
            levers[-1] if options.study == "slices" else levers[0],
        )
    _study_done(options, folder / f"{options.study}.json", result)


def _study_pull(options: argparse.Namespace) -> None:
    from smartpix.shipped import data_path
    from tracking.bench.lever_plots import plot_pulls
    from tracking.bench.levers import pull_study

    folder = result_folder(options.output)
    result = pull_study(
        options.files or [data_path("sample.root")],
        None if options.only == "shape" else (options.mdn_barrel, options.mdn_endcap),
        None if options.only == "mdn" else options.shape,
    )
    sample = sample_words(options.files or [data_path("sample.root")])
    # Not the names of a run's figures, which are of other estimates.
    plot_pulls(folder / f"estimate-residuals.{options.figures}", result, False, sample)
    plot_pulls(folder / f"estimate-pulls.{options.figures}", result, True, sample)
    _study_done(options, folder / "pull.json", {k: v for k, v in result.items() if k != "arrays"})


def _study_angle_pt(options: argparse.Namespace) -> None:
    from tracking.bench.lever_plots import plot_angle_pt
    from tracking.bench.levers import angle_pt_study

    folder = result_folder(options.output)
    result = angle_pt_study(options.variant, options.clusters)
    plot_angle_pt(folder / f"angle-pt.{options.figures}", result)
    _study_done(options, folder / "angle-pt.json", {k: v for k, v in result.items() if k != "arrays"})


def _study_front(options: argparse.Namespace) -> None:
    from tracking.bench.front import front_study, front_table
    from tracking.bench.front_plots import plot_front, plot_history, plot_weights

    folder = result_folder(options.output)
    result = front_study(options.weights, options.base, options.clusters, log)
    write_json(folder / "front.json", result)
    plot_front(folder / f"front.{options.figures}", result)
    for name, network in result["networks"].items():
        if network["method"] in ("bdmm", "mdmm"):
            plot_history(folder / f"history-{name}.{options.figures}", result, name)
            plot_weights(folder / f"weights-{name}.{options.figures}", result, (result["base"], name))
    print_or_show(options, result, f"{front_table(result)}\nwritten to {folder}")


def _study_done(options: argparse.Namespace, path: Path, result: dict[str, Any]) -> None:
    """Write a study's results and print them."""
    write_json(path, result)
    if options.json:
        print_json(result)
        return
    if "levers" not in result:
        print_result(options, result)
    lines = []
    for lever, settings in result.get("levers", {}).items():
        lines.append(f"{lever:24s}   x [um]   y [um]  cot alpha  cot beta   cot alpha, |cot alpha| < 2")
        for label, r in settings.items():
            widths, central = r["half_width_68"], r["half_width_68_central"]
            lines.append(
                f"  {label:22s}{widths['x_um']:9.2f}{widths['y_um']:9.2f}{widths['cot_alpha']:11.3f}"
                f"{widths['cot_beta']:10.4f}{central['cot_alpha']:12.3f}"
            )
    show("\n".join([*lines, f"written to {path.parent}"]))
