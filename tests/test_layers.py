"""Which package may import which, and what importing the light ones may not pull in."""

import ast
import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY

FORBIDDEN = {"smartpix": {"seeding", "tracking"}, "seeding": {"tracking"}, "tracking": set()}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(path.relative_to(REPOSITORY).parts) - 1, (
                f"{path} imports from beyond its package"
            )
            if node.level == 0:
                yield node.module


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_downwards_only(package):
    files = sorted((REPOSITORY / package).rglob("*.py"))
    assert len(files) > 3
    wrong = [
        (str(path.relative_to(REPOSITORY)), name)
        for path in files
        for name in imported(path)
        if name.split(".")[0] in FORBIDDEN[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("statement", ["import smartpix, seeding", "import seeding.edges"])
def test_light_imports_stay_light(statement):
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    modules = set(out.stdout.split())
    assert "seeding" in modules
    assert modules & {"torch", "matplotlib", "acts", "hls4ml"} == set()


def test_options_are_read_without_what_takes_seconds_to_import():
    """The command line makes its flags from them, so that a mistake is told at once."""
    paths = sorted(path for package in FORBIDDEN for path in (REPOSITORY / package).rglob("*options.py"))
    assert len(paths) > 8
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in paths]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numba", "scipy", "sklearn", "awkward", "uproot", "pyarrow", "matplotlib"}
    assert set(out.stdout.split()) & heavy == set()
