import argparse
import ast
import json
import logging
import subprocess
import sys

import pytest

from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tracking.cli.output import logged, print_result

RESULT = {
    "file": "a.root",
    "n": 3,
    "loss": 0.123456789,
    "part": {"x": 1.0, "deep": {"y": None}},
    "rows": [{"k": 1}],
    "list": [1, 2],
}


def test_json_is_one_object(capsys):
    print_result(argparse.Namespace(json=True), RESULT)
    assert json.loads(capsys.readouterr().out) == RESULT


def test_nested_keys_have_dots_and_columns_are_aligned(capsys):
    print_result(argparse.Namespace(json=False), RESULT)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["file", "a.root"], ["n", "3"], ["loss", "0.123457"], ["part.x", "1"], ["part.deep.y", "null"],
        ["rows[0].k", "1"],
        ["list", "[1,", "2]"],
    ]  # fmt: skip
    assert len({line.index(line.split(None, 1)[1]) for line in lines}) == 1


def test_on_a_screen_long_lists_and_long_tables_are_counted(capsys):
    rows = [{"a": k, "b": 2 * k} for k in range(150)]
    print_result(
        argparse.Namespace(json=False),
        {"first": 1, "many": list(range(41)), "few": [1, 2], "table": rows[:3]},
    )
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert dict(lines)["many"] == "(41 values; --json prints them)"
    assert dict(lines)["few"] == "[1, 2]"
    assert dict(lines)["table[2].b"] == "4"
    print_result(argparse.Namespace(json=False), {"first": 1, "table": rows})
    assert capsys.readouterr().out.split("\n") == ["first  1", "table  (150 rows; --json prints them)", ""]


def test_the_command_shows_progress_warnings_and_errors_of_the_libraries(capsys):
    loggers = [logging.getLogger(name) for name in ("smartpix.io", "seeding.edges", "tracking.chain")]
    with logged():
        for logger in loggers:
            logger.debug("nobody reads this")
            logger.info("%d units", 3)
        loggers[0].warning("cones are off")
        loggers[0].error("left out: a.root")
    assert capsys.readouterr() == ("", "3 units\n" * 3 + "warning: cones are off\nleft out: a.root\n")
    loggers[0].info("after the command")
    assert capsys.readouterr().err == ""


def test_a_level_that_the_caller_chose_stays(capsys):
    logger = logging.getLogger("tracking")
    logger.setLevel(logging.ERROR)
    try:
        with logged():
            logging.getLogger("tracking.chain").warning("not shown")
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(logging.NOTSET)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("cut", "lines"), [("", 0), ("cone=ConeOptions(min_pt=50.0)", 1)])
def test_a_library_user_sees_warnings_and_nothing_else(tmp_path, cut, lines):
    code = (
        "import sys; from seeding.cones import ConeOptions; from tracking import RunOptions, run\n"
        f"run(sys.argv[1], sys.argv[2], RunOptions({cut}), figures=False)"
    )
    command = [sys.executable, "-c", code, str(data_path("sample.root")), str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == ""
    assert done.stderr.count("\n") == lines
    assert ("nearly nothing is found" in done.stderr) == bool(lines)


def test_libraries_neither_print_nor_know_the_command():
    for package in ("smartpix", "seeding", "tracking"):
        for path in (REPOSITORY / package).rglob("*.py"):
            # The program itself is a door to its commands.
            if "cli" in path.parts or path.name == "__main__.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    assert not (node.module or "").startswith("tracking.cli"), path
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id != "print", path
