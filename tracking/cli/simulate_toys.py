"""``smartpix simulate toys``: the toy events of HEP.TrkX."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import check
from tracking.cli.flags import Option
from tracking.cli.options import option_values, set_flag
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path
from tracking.finders.trkx.options import KINDS, ToyOptions, toy_options
from tracking.options import from_mapping

__all__ = ["add_simulate_toys"]


def add_simulate_toys(kinds: Any) -> None:
    """Add ``toys`` to the kinds of simulation."""
    listed = "\n".join(f"  {kind:13s}  {holds}" for kind, holds in KINDS.items())
    toys = kinds.add_parser("toys", help="toy events of HEP.TrkX: straight tracks through planes of pixels",
    formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"kinds:\n{listed}", description=(
        "Simulate the toy events of HEP.TrkX 2017 (EPJ Web Conf. 150, 00003). --set changes a kind's options.\n"
        "The same seed, first event and file name give the same bytes. Trainings and studies make their toys\n"
        "themselves; a file is for your own code, which reads it with tracking.finders.trkx.read_toys."
    ))  # fmt: skip
    # Kept as the flags of options are, so that --set of another kind is refused.
    kind: Any = toys.add_argument(
        "--kind",
        action=Option,
        required=True,
        metavar="KIND",
        help="kind of the toys, one of those listed below",
    )
    kind.values = tuple(KINDS)
    toys.add_argument("--events", type=int, required=True, metavar="N", help="number of events")
    toys.add_argument("--seed", type=int, required=True, metavar="N", help="seed of all random numbers")
    toys.add_argument(
        "--first", type=int, default=0, metavar="N",
        help="number of the first event: parts of a set may be made one by one (default: %(default)s)",
    )  # fmt: skip
    toys.add_argument(
        "-o", "--output", type=named_path, required=True, metavar="F.npz|F.parquet",
        help="file that the events are written to; its ending says the format",
    )  # fmt: skip
    set_flag(toys, ToyOptions(), "background=8")
    json_flag(toys)
    toys.set_defaults(command_function=_simulate_toys)


def _simulate_toys(options: argparse.Namespace) -> None:
    values = option_values(options)
    made_with: ToyOptions = from_mapping(toy_options(values.pop("kind")), values, "--set")
    check("simulate toys", "--events", options.events, options.events > 0, "1 or more")
    from smartpix.files import check_writable
    from tracking.finders.trkx.toy_files import check_ending, write_toys
    from tracking.finders.trkx.toys import make_toys

    check_ending(options.output)
    check_writable(options.output)
    events = make_toys(made_with, options.events, options.seed, options.first)
    write_toys(options.output, events, made_with, options.seed, options.first)
    print_result(options, {
        "file": str(options.output), "kind": made_with.kind, "events": len(events), "seed": options.seed,
        "first": options.first, "mean_hits": int(events.images.sum(dtype="int64")) / len(events),
        "bytes": options.output.stat().st_size,
    })  # fmt: skip
