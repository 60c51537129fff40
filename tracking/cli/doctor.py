"""``smartpix doctor``: is the installation sound."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from smartpix.schema import InputError
from tracking.cli.output import json_flag, log, print_json
from tracking.cli.streams import show

__all__ = ["add_doctor", "findings_table"]


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
    from tracking.cli.examine import examine

    log("testing the kernels")
    findings = examine()
    if options.json:
        print_json(findings)
    else:
        show(findings_table(findings))
    if findings["problems"]:
        raise InputError("doctor: " + "; ".join(findings["problems"]))


def findings_table(findings: Mapping[str, Any]) -> str:
    """Findings as lines for people."""
    lines = [f"{name:18s} {found or 'MISSING'}" for name, found in findings["versions"].items()]
    if "threads" in findings:
        t = findings["threads"]
        set_by = ", ".join(f"{name}={value}" for name, value in t["environment"].items())
        threads = f"Numba {t['numba']}, torch {t['torch']}" + (f" ({set_by})" if set_by else "")
        lines += ["", f"{'cores':18s} {t['cores']}, {t['affinity']} of them for this process"]
        lines.append(f"{'threads':18s} {threads}")
    lines += [
        f"{name:18s} {c['folder']}{'' if c['writable'] else '  NOT WRITABLE'}"
        for name, c in findings.get("caches", {}).items()
    ]
    lines.append("")
    for extra, found in findings["optional"].items():
        there = ", ".join(f"{name} {v}" for name, v in found.items() if v)
        lacking = ", ".join(name for name, v in found.items() if not v)
        lines.append(
            f"{'[' + extra + ']':18s} "
            f"{there}{'; ' if there and lacking else ''}{'without ' + lacking if lacking else ''}"
        )
    lines += [f"{tool:18s} {where or 'not found'}" for tool, where in findings["tools"].items()]
    n_good = sum(state == "ok" for state in findings["data"].values())
    lines += [
        "",
        f"{'data and weights':18s} {n_good} of {len(findings['data'])} files are what they should be",
    ]
    if "self_test" in findings:
        s = findings["self_test"]
        n_passed, n_checks = sum(s["checks"].values()), len(s["checks"])
        lines.append(
            f"{'self-test':18s} {n_passed} of {n_checks} passed: {s['n_found']} of {s['n_findable']} findable "
            f"particles found, "
            f"{s['ms']:.0f} ms for the event, {s['seconds_to_load']:.1f} s to load the kernels"
        )
    return "\n".join(lines)
