"""Tests that are left out where something is missing: what may be missing, what the session says of it, and
that CI allows none.

A test asks with ``@needs("verilator", "../shared/data/tcad_50x13")``, a fixture with ``require(...)``: names
of
:data:`tests.programs.PROGRAMS`, or paths below the folder that may lie beside the clone. Any other skip is a
    failure.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers import REPOSITORY
from tests.programs import PROGRAMS, is_there

SHARED = "../shared"
"""Data of others, which may not be in the repository; each test of them has a counterpart that needs none."""

MODULES = ("acts", "acts.examples.uproot", "chromo", "da4ml", "distributed", "hatchling", "hls4ml", "mkdocs",
"mkdocstrings", "onnx",
           "onnxruntime", "selenium.webdriver")  # fmt: skip
"""Of the extras, for ``pytest.importorskip``; `make test` installs all of them."""


def _takes_any_name() -> bool:
    """Whether the file system of temporary files takes names that are not UTF-8."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            (Path(folder) / os.fsdecode(b"\xff\xe9")).mkdir()
        except OSError:
            return False
    return True


OF_THE_SYSTEM = {
    "linux": lambda: sys.platform == "linux",
    "glibc": lambda: platform.libc_ver()[0] == "glibc",
    "/dev/full": Path("/dev/full").exists,
    "names of any bytes": _takes_any_name,
}
"""What no command brings; usual Linux systems have all of it."""


def needs(*names: str) -> pytest.MarkDecorator:
    """Mark of a test that is left out where one of ``names`` is missing."""
    return pytest.mark.needs(*names)


def require(*names: str) -> None:
    """Leave the test out where one of ``names`` is missing."""
    __tracebackhide__ = True
    lacking = [name for name in names if not _is_there(name)]
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}")


def _is_there(name: str) -> bool:
    if name.startswith(f"{SHARED}/"):
        return (REPOSITORY / name).exists()
    return OF_THE_SYSTEM[name]() if name in OF_THE_SYSTEM else is_there(name)


def missing_of(reason: str) -> list[str]:
    """What a skipped test lacks: programs, ``../shared``, or modules; empty for a reason that nobody here
    gives.
    """
    module = re.match(r"could not import '([\w.]+)'", reason)
    if module:
        return [f"module {module[1]}"] if module[1] in MODULES else []
    if not reason.startswith("needs "):
        return []
    names = [
        SHARED if name.startswith(f"{SHARED}/") else name
        for name in reason.removeprefix("needs ").split(", ")
    ]
    return names if set(names) <= {*PROGRAMS, *OF_THE_SYSTEM, SHARED} else []


def refusal(reason: str) -> str:
    """Why a test must not be left out for this reason; empty if it may."""
    names = missing_of(reason)
    if not names:
        return f"'{reason}' is no reason to skip a test: use tests.left_out.needs, or add what it needs there"
    if os.environ.get("CI") and (names != [SHARED] or (REPOSITORY / SHARED).is_dir()):
        return f"CI leaves no test out, and this one {reason}; `make tools` installs programs"
    return ""


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _refuse(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        why = refusal(_reason(report))
        if why:
            report.outcome, report.longrepr = "failed", why
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.addinivalue_line(
        "markers", "needs(*names): left out where one of the programs or folders is missing"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        require(*mark.args)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    return _refuse((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector):
    return _refuse((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    """After everything else but the line that counts the tests."""
    result = yield
    left_out = [missing_of(_reason(report)) for report in terminalreporter.stats.get("skipped", [])]
    if left_out:
        for line in closing_lines(left_out):
            terminalreporter.write_line(line)
    return result


def closing_lines(left_out: list[list[str]]) -> list[str]:
    """What was left out, from what each test or file of tests lacks, and how to get it."""
    counts = Counter(name for names in left_out for name in names)
    lines = [f"left out: {len(left_out)} test{'s' * (len(left_out) > 1)}, for want of:"]
    lines += [
        f"  {name} ({n})" for name, n in sorted(counts.items(), key=lambda item: (item[0] == SHARED, item[0]))
    ]
    if any(name in PROGRAMS for name in counts):
        lines.append(
            "make tools installs the programs (with apt); then make test again leaves none of these out"
        )
    if any(name.startswith("module ") for name in counts):
        lines.append("make test installs the modules")
    if SHARED in counts:
        lines.append(f"{SHARED}: data of others, not part of the repository; nothing else depends on it")
    return lines
