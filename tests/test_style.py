"""How large modules and functions may be, how long lines, and that public names are documented and typed."""

import ast
import statistics

import pytest

from tests.helpers import REPOSITORY

LONGEST_LINE = 110
LARGEST_FILE = 400
FILES = [
    path
    for package in ("smartpix", "seeding", "tracking")
    for path in sorted((REPOSITORY / package).rglob("*.py"))
]
SOURCE = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
TREES = {name: ast.parse(source) for name, source in SOURCE.items()}


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_compiled(function):
    return any("njit" in ast.unparse(decorator) for decorator in function.decorator_list)


def arguments(function):
    of = function.args
    return [*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))]


def test_modules_are_small():
    lines = {name: source.count("\n") for name, source in SOURCE.items()}
    assert len(lines) > 150
    assert statistics.median(lines.values()) <= 170
    assert {name: n for name, n in lines.items() if n > LARGEST_FILE} == {}


@pytest.mark.parametrize("folder", ["tests", "docs", "benchmarks", "examples"])
def test_files_beside_the_packages_are_small(folder):
    paths = list((REPOSITORY / folder).rglob("*.py"))
    lines = {
        str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8").count("\n") for path in paths
    }
    assert {name: n for name, n in lines.items() if n > LARGEST_FILE} == {}
    assert len(lines) > 3


def test_functions_are_short_but_for_compiled_loops():
    length = {
        f"{name}: {function.name}": function.end_lineno - function.lineno + 1
        for name, tree in TREES.items()
        for function in functions(tree)
        if not is_compiled(function)
    }
    assert len(length) > 1000
    assert {name: n for name, n in length.items() if n > 100} == {}


def test_lines_are_short():
    lines = [line for source in SOURCE.values() for line in source.splitlines()]
    long = [line for line in lines if len(line) > LONGEST_LINE]
    assert len(long) < 0.01 * len(lines)


def test_few_arguments_are_of_any_type():
    annotated = [
        ast.unparse(argument.annotation)
        for tree in TREES.values()
        for function in functions(tree)
        if not is_compiled(function)
        for argument in arguments(function)
        if argument.annotation is not None
    ]
    assert len(annotated) > 2000
    assert annotated.count("Any") < 0.08 * len(annotated)


def public(nodes):
    """Classes and functions for others to use, and the methods of such classes."""
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


@pytest.mark.parametrize("name", SOURCE)
def test_public_names_are_documented(name):
    tree = TREES[name]
    assert ast.get_docstring(tree)
    assert [node.name for node in public(tree.body) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("name", SOURCE)
def test_libraries_log_and_do_not_print(name):
    """Only the command line writes to the streams."""
    printing = [
        node
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Name) and node.id == "print" and isinstance(node.ctx, ast.Load)
    ]
    assert not printing or name.startswith("tracking/cli/")
