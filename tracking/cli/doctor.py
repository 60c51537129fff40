"""``smartpix doctor``: is the installation sound."""

from __future__ import annotations

import argparse
from typing import Any

from smartpix.schema import InputError
from tracking.cli.output import json_flag, log, print_json
from tracking.cli.streams import show

__all__ = ["add_doctor"]


def add_doctor(commands: Any) -> None:
    """Add ``doctor`` to the commands."""
    doctor = commands.add_parser("doctor", help="versions, threads, caches, optional parts, and a self-test",
    description=(
        "Print what is installed and how it is set up, check the shipped data and weights against their "
        "sha256, and test the "
        "compiled kernels on one event. Exit code 1 if something is wrong, with what to do on stderr."
    ))  # fmt: skip
    json_flag(doctor)
    doctor.set_defaults(command_function=_doctor)


def _doctor(options: argparse.Namespace) -> None:
    from tracking.cli.examine import examine, table

    log("testing the kernels")
    told = examine()
    if options.json:
        print_json(told)
    else:
        show(table(told))
    if told["problems"]:
        raise InputError("doctor: " + "; ".join(told["problems"]))
