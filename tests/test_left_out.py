"""Tests are left out for what is missing and for nothing else; the session says so, and CI allows none."""

import ast
import os
import re
import subprocess
import sys

import pytest

from smartpix.export import synthesis
from tests import programs
from tests.helpers import REPOSITORY, SHARED_DATA
from tests.left_out import MODULES, OF_THE_SYSTEM, SHARED, closing_lines, needs, refusal
from tests.programs import PROGRAMS, bare_path

TESTS = REPOSITORY / "tests"


def calls():
    """Name and texts given of every call in the tests, and the file with what it imports."""
    for path in TESTS.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            f"{n.module}.{a.name}" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield (
                    ast.unparse(node.func),
                    [a.value for a in node.args if isinstance(a, ast.Constant)],
                    path,
                    imported,
                )


def test_no_test_is_skipped_but_for_what_may_be_missing():
    asked = set()
    for name, texts, path, imported in calls():
        if f"tests.left_out.{name}" in imported and name in ("needs", "require"):
            asked |= set(texts)
        elif name == "pytest.importorskip":
            assert set(texts) <= set(MODULES), path
        elif path.name != "left_out.py":
            assert not re.fullmatch(r"(pytest\.)?(mark\.)?(skip|skipif|xfail|importorskip)", name), path
    folders = {name for name in asked if name.startswith(f"{SHARED}/data/")}
    assert asked - folders == {*PROGRAMS, *OF_THE_SYSTEM}
    assert {"trackml_event1", "tcad_50x13", "pixelav_raw"} <= {name.rpartition("/")[2] for name in folders}


def test_no_test_calls_a_program_that_a_bare_system_may_lack():
    """By name, where the call says it; `make bare` finds the rest. What has a path is on every Linux
    system.
    """
    called = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                path.name != "programs.py"
                and isinstance(node, ast.Call)
                and node.args
                and isinstance(node.args[0], ast.List)
            ):
                first = node.args[0].elts[:1]
                if ast.unparse(node.func).startswith("subprocess.") and isinstance(first[0], ast.Constant):
                    called.add(first[0].value)
    assert called == {"git", "make", "g++", "python3", "./bench", "/bin/bash"}


def test_the_product_names_the_same_packages():
    assert set(synthesis.DEBIAN_PACKAGES.values()) < set(PROGRAMS)
    for command, package in synthesis.DEBIAN_PACKAGES.items():
        assert PROGRAMS[package] == (command,)
    assert PROGRAMS["qflow-tech-osu018"] == (synthesis.LIBERTY,)


@pytest.mark.parametrize(
    ("reason", "anywhere", "in_ci"),
    [
        ("needs verilator, g++", True, False),
        ("could not import 'acts': No module named 'acts'", True, False),
        ("could not import 'numpy': No module named 'numpy'", False, False),
        ("needs frobnicator", False, False),
        ("too slow", False, False),
        ("needs glibc", True, False),
    ],
)
def test_reasons(monkeypatch, reason, anywhere, in_ci):
    monkeypatch.delenv("CI", raising=False)
    assert (refusal(reason) == "") == anywhere
    monkeypatch.setenv("CI", "true")
    assert (refusal(reason) == "") == in_ci


def test_ci_may_lack_the_shared_folder_but_not_a_part_of_it(monkeypatch, tmp_path):
    monkeypatch.setenv("CI", "true")
    (tmp_path / "clone").mkdir()
    monkeypatch.setattr("tests.left_out.REPOSITORY", tmp_path / "clone")
    assert refusal("needs ../shared/data/tcad_50x13") == ""
    assert "make tools" in refusal("needs ../shared/data/tcad_50x13, yosys")
    (tmp_path / "shared").mkdir()
    assert "CI leaves no test out" in refusal("needs ../shared/data/tcad_50x13")


def test_closing_lines():
    assert closing_lines([["yosys", "g++"], ["g++"], [SHARED]]) == [
        "left out: 3 tests, for want of:",
        "  g++ (2)",
        "  yosys (1)",
        "  ../shared (1)",
        "make tools installs the programs (with apt); then make test again leaves none of these out",
        "../shared: data of others, not part of the repository; nothing else depends on it",
    ]
    assert "make test installs the modules" in closing_lines([["module acts"]])


EXAMPLE = """
import pytest
from tests.left_out import needs, require

@pytest.fixture
def folder():
    require("../shared/data/no-such-folder")

@needs("verilator", "g++")
def test_tool():
    assert False

def test_folder(folder):
    assert False

def test_passes():
    pass
"""


def session(folder, example, environment, *options):
    """A session of the tests of one file with this project's rules: exit code, lines printed."""
    (folder / "conftest.py").write_text('pytest_plugins = ("tests.left_out",)\n')
    (folder / "test_example.py").write_text(example)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        *options,
        str(folder),
    ]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def bare(tmp_path):
    """An environment without any of the programs but g++, and a folder for tests."""
    (tmp_path / "tests").mkdir()
    return bare_path(tmp_path / "bare"), tmp_path / "tests"


@pytest.mark.parametrize("processes", [0, 1])
def test_the_last_lines_say_what_was_left_out(bare, processes):
    environment, folder = bare
    code, lines = session(folder, EXAMPLE, environment, f"--numprocesses={processes}")
    assert code == 0
    assert lines[-6:-1] == closing_lines([["verilator"], [SHARED]])
    assert lines[-1].startswith("1 passed, 2 skipped in ")


def test_ci_fails_where_a_program_is_missing(bare):
    environment, folder = bare
    code, lines = session(folder, EXAMPLE, environment | {"CI": "true"}, "--numprocesses=1")
    assert code == 1
    assert "CI leaves no test out, and this one needs verilator; `make tools` installs programs" in lines
    assert lines[-1].startswith(
        "1 passed, 2 errors" if SHARED_DATA.parent.is_dir() else "1 passed, 1 skipped, 1 error"
    )


def test_other_reasons_fail_anywhere(bare):
    environment, folder = bare
    example = "import pytest\n\ndef test_slow():\n    pytest.skip('too slow')\n"
    code, lines = session(folder, example, environment)
    assert (code, lines[-1].partition(" in ")[0]) == (1, "1 failed")
    code, lines = session(folder, "import pytest\npytest.importorskip('no_such_module')\n", environment)
    assert code == 2
    assert any("'could not import 'no_such_module'" in line for line in lines)


def test_without_the_programs_the_tests_that_use_them_pass_or_are_left_out(tmp_path):
    # Whatever this machine has. `make bare` does the same with all tests, in a fresh clone.
    files = (
        "smartpix/export/test_rtl.py",
        "tracking/show/test_display_browser.py",
        "tracking/cli/test_examine.py",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(TESTS / name) for name in files),
    ]
    environment = bare_path(tmp_path) | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    counts = dict(re.findall(r"^  ([\w+-]+) \((\d+)\)$", done.stdout, flags=re.MULTILINE))
    # The library of cells is a file, which no PATH hides.
    assert counts.keys() - {"qflow-tech-osu018"} == {
        "verilator",
        "yosys",
        "opensta",
        "chromium",
        "chromium-driver",
    }
    assert lines[-2].startswith("make tools installs the programs")
    assert re.match(r"\d+ passed, \d+ skipped in ", lines[-1])


def script(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def apt(monkeypatch, tmp_path):
    """A PATH with an apt-get that notes its calls and installs yosys alone; the folder of the programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    script(folder, "apt-get", f'echo "$DEBIAN_FRONTEND $@" >> {tmp_path}/calls; '
                              f'test $1 = update || {{ echo > {folder}/yosys; /bin/chmod +x {folder}/yosys; }}')  # fmt: skip
    script(folder, "verilator", "")
    (folder / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "PROGRAMS", {name: PROGRAMS[name] for name in ("verilator", "yosys")})
    return folder


def test_tools_installs_what_is_missing_as_root(apt, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert programs.install() == 0
    install = "noninteractive install --yes --no-install-recommends yosys"
    assert (tmp_path / "calls").read_text().splitlines() == ["noninteractive update", install]
    assert programs.install() == 0
    assert "all there: verilator, yosys" in capfd.readouterr().out
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


@pytest.mark.parametrize("sudo", [None, "exit 1", 'test $1 = -n && shift; exec "$@"'])
def test_tools_without_root(apt, monkeypatch, tmp_path, capfd, sudo):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    script(apt, "true", "")
    if sudo is not None:
        script(apt, "sudo", sudo)
    allowed = sudo is not None and "exec" in sudo
    assert programs.install() == (0 if allowed else 1)
    assert (tmp_path / "calls").exists() == allowed
    if not allowed:
        command = "sudo sh -c 'apt-get update; apt-get install --yes --no-install-recommends yosys'"
        assert capfd.readouterr().err == f"tools: needs root; call: {command}\n"


def test_tools_says_what_is_still_missing(apt, monkeypatch, capfd):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    script(apt, "apt-get", "exit 100")
    assert programs.install() == 1
    assert "apt-get ended with 100; still missing: yosys" in capfd.readouterr().err
    (apt / "apt-get").unlink()
    assert programs.install() == 1
    assert "apt-get is missing; install what Debian calls: yosys" in capfd.readouterr().err


@needs("g++")
def test_a_compiler_without_assembler_counts_as_missing(tmp_path, monkeypatch):
    environment = bare_path(tmp_path)
    monkeypatch.setenv("PATH", environment["PATH"])
    programs._compiles.cache_clear()
    assert programs.is_there("g++")
    (tmp_path / "programs" / "as").unlink()
    programs._compiles.cache_clear()
    assert not programs.is_there("g++")
    programs._compiles.cache_clear()
