"""``smartpix bench helix``: tracks of events that do not tell whose their hits are."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import ESTIMATES
from tracking.cli.output import json_flag
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show
from tracking.cli.threads import set_threads

__all__ = ["add_bench_helix"]


def add_bench_helix(kinds: Any) -> None:
    """Add ``helix`` to the benchmarks."""
    helix = kinds.add_parser("helix", help="tracks matched to particles by helix, where no hit says whose it is",
    description=(
        "Run the chain on the window's graph and match its tracks to the particles whose helices their hits lie on: "
        "efficiency, tracks without a particle, time. Where the files have truth, efficiency and fakes by truth stand "
        "beside, and how often both ways agree."
    ))  # fmt: skip
    helix.add_argument("files", nargs="+", type=named_path, metavar="FILE", help="event files with particles")
    helix.add_argument(
        "--events", type=int, default=4, metavar="N", help="most to use (default: %(default)s)"
    )
    helix.add_argument("--estimates", choices=ESTIMATES, default="positions", help=(
        "of the hits; positions: as if they had no pixels (default: %(default)s)"
    ))  # fmt: skip
    helix.add_argument("--tolerance", type=float, metavar="MM", help=(
        "of a hit from the helix, beside scattering"
    ))  # fmt: skip
    json_flag(helix)
    helix.set_defaults(command_function=_bench_helix)


def _bench_helix(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from tracking.bench.helix import BenchHelixOptions, bench_helix, helix_table
    from tracking.chain import WINDOW
    from tracking.fit.options import HelixMatchOptions

    match = (
        HelixMatchOptions() if options.tolerance is None else HelixMatchOptions(tolerance=options.tolerance)
    )
    chosen = BenchHelixOptions(options.events, match, replace(WINDOW, estimates=options.estimates))
    set_threads(1)
    result = bench_helix(options.files, chosen)
    print_or_show(options, result, helix_table(result))
