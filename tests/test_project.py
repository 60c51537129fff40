"""What the project's own files say of one another: lower bounds, hooks, make targets, the page's files in the
wheel.
"""

import ast
import re
import shutil
import subprocess
import tomllib

import pytest

from tests.helpers import REPOSITORY
from tests.programs import bare_path

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
TESTED = ("dev", "acts", "hls", "onnx", "dask")
"""Extras that `make lowest` installs."""


def lower_bounds():
    lines = PROJECT["dependencies"] + [
        line for extra in TESTED for line in PROJECT["optional-dependencies"][extra]
    ]
    return dict(re.fullmatch(r"([\w-]+)[>=]=([\d.]+)(?:,<[\d.]+)?", line).groups() for line in lines)


def pins(name):
    lines = (REPOSITORY / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_lowest_session_has_the_lower_bounds_of_the_project():
    assert pins("constraints-lowest.txt") == lower_bounds()


def test_usual_session_is_not_below_them():
    usual = {name.lower().replace("_", "-"): version for name, version in pins("constraints.txt").items()}
    for name, lowest in lower_bounds().items():
        if name in usual:
            assert [int(n) for n in usual[name].split(".")] >= [int(n) for n in lowest.split(".")], name


def test_what_make_calls_is_there():
    makefile = (REPOSITORY / "Makefile").read_text()
    extras = re.findall(r"'\.\[([\w,]+)\]'", makefile)
    assert set(extras[-1].split(",")) == set(TESTED)
    assert all(set(e.split(",")) <= set(PROJECT["optional-dependencies"]) for e in extras)
    contributing = (REPOSITORY / "CONTRIBUTING.md").read_text()
    for target in ("test", "tools", "bare", "hooks", "coverage", "lowest", "changelog", "release"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
        assert f"make {target}" in contributing, target


def test_hooks_need_no_network_and_run_what_make_lint_runs():
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system"}
    (lint,) = re.findall(
        r"^lint:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE
    )
    for command in re.findall(r"\$\(BIN\)/(ruff \w+|mypy)", lint):
        assert f"entry: .venv/bin/{command}" in hooks


def text_calls(source):
    """Lines of calls that read or write text, by whether they say its encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        # Of bare names only the built-in one: smartpix.files.write_text always writes UTF-8.
        name = (
            node.func.attr
            if isinstance(node.func, ast.Attribute)
            else {"open": "open"}.get(ast.unparse(node.func), "")
        )
        told = {k.arg: k.value for k in node.keywords}
        mode = told.get("mode", node.args[0] if node.args else None)
        text = {
            "read_text": len(node.args) == 0,
            "write_text": True,
            "open": mode is None or (isinstance(mode, ast.Constant) and re.fullmatch("[rwax][+t]?",
            str(mode.value))),
            "run": "text" in told, "Popen": "text" in told,
        }.get(name)  # fmt: skip
        if text:
            yield node.lineno, "encoding" in told


@pytest.mark.parametrize("folder", ["smartpix", "seeding", "tracking", "docs", "benchmarks", "examples"])
def test_text_is_utf_8_whatever_the_locale(folder):
    files = sorted((REPOSITORY / folder).rglob("*.py"))
    calls = [(path, *call) for path in files for call in text_calls(path.read_text(encoding="utf-8"))]
    assert [f"{path}:{line}" for path, line, told in calls if not told] == []
    known = (
        "p.open(); p.open('rb'); p.write_text(a); subprocess.run(c, text=True); p.read_text(encoding='utf-8')"
    )
    assert [told for _, told in text_calls(known)] == [False, False, False, True]


def test_ci_brings_the_programs_before_the_tests():
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    called = [line for line in lines if line.startswith("make ")]
    # The line with the counts of all tests comes last.
    assert called == ["make tools", "make bounds", "make test"]
    makefile = (REPOSITORY / "Makefile").read_text()
    assert all(re.search(rf"^{line.split()[1]}:", makefile, flags=re.MULTILINE) for line in called)
    assert lines.index("export CI=true") < lines.index("make tools")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            "ensurepip",
            "cannot make virtual environments (no venv or ensurepip); on Debian: apt install python3-venv",
        ),
        ("old", "smartpix needs Python 3.11 or newer; call: make PYTHON=python3.11 ..."),
        ("none", "'python3' was not found; on Debian: apt install python3-venv"),
    ],
)
def test_a_python_that_cannot_do_it_is_told_what_is_missing(tmp_path, broken, words):
    environment = bare_path(tmp_path)
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    python = tmp_path / "programs" / "python3"
    if broken == "ensurepip":
        # As on Debian without python3-venv.
        (tmp_path / "ensurepip.py").write_text("raise ImportError\n")
        environment["PYTHONPATH"] = str(tmp_path)
    elif broken == "old":
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 10, 9)\n")
        environment["PYTHONPATH"] = str(tmp_path)
    else:
        python.unlink()
    for target in ("demo", "test"):
        done = subprocess.run(["make", target], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 2
        first, *rest = done.stderr.splitlines()
        assert words in first
        assert len(rest) == 1
        assert not (tmp_path / ".venv").exists()


def test_an_environment_that_was_interrupted_is_completed(tmp_path):
    environment = bare_path(tmp_path)
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    # As python -m venv leaves it when it is killed before it has installed pip.
    subprocess.run(
        ["python3", "-m", "venv", "--without-pip", ".venv"], cwd=tmp_path, env=environment, check=True
    )
    for _ in range(2):
        done = subprocess.run(
            ["make", ".venv/bin/pip"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / ".venv" / "bin" / "pip").is_file()
    assert "is up to date" in done.stdout
