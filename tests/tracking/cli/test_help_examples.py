"""The examples in each ``--help`` are commands that there are, with flags that they have."""

import argparse
import shlex

import pytest

from tracking.cli.help_examples import EXAMPLES
from tracking.cli.main import main, parser
from tracking.cli.parser import parse


def leaves(whole, command=""):
    below = [action for action in whole._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield command
    for action in below:
        for name, inner in action.choices.items():
            yield from leaves(inner, f"{command} {name}".strip())


def test_every_command_has_examples():
    assert set(EXAMPLES) == set(leaves(parser()))


@pytest.mark.parametrize("command", EXAMPLES)
def test_examples_parse(command):
    assert 1 <= len(EXAMPLES[command]) <= 3
    for line in EXAMPLES[command]:
        # What a shell does first.
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        assert words[: 1 + len(command.split())] == ["smartpix", *command.split()]
        options, wrong = parse(parser(), words[1:])
        assert wrong is None
        assert callable(options.command_function)


def test_help_ends_with_them(capsys):
    with pytest.raises(SystemExit):
        main(["train", "gnn", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == ["examples:", *(f"  {line}" for line in EXAMPLES["train gnn"])]
    # Prose is wrapped all the same.
    assert max(map(len, lines[:-3])) < 100
