"""The README's commands exist and its Python runs."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from tracking.cli.main import parser
from tracking.cli.parser import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for page in (ROOT / "README.md", ROOT / "data" / "README.md", *(ROOT / "docs").glob("*.md"))
        for kind, text in re.findall(r"```(\w+)\n(.*?)```", page.read_text(), flags=re.DOTALL)
        if kind == "sh"
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("smartpix ")
    }
)


def test_the_readme_has_commands_and_python():
    assert len(COMMANDS) >= 30
    assert [kind for kind, _ in BLOCKS].count("python") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command):
    _, wrong = parse(parser(), shlex.split(command)[1:])
    assert wrong is None


def test_the_two_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_python_example_is_short_and_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("from ", "import "))]
    assert len(lines) <= 10
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    assert out.getvalue().count("edges in cones") == 2
    assert (tmp_path / "smartpix-out" / "tracks.root").is_file()


def test_files_the_readme_links_to_exist():
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert (ROOT / target).exists(), target
