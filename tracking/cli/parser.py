"""Parsing of command lines whose errors name what was probably meant."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from smartpix.schema import nearest
from tracking.cli.help_examples import EXAMPLES

__all__ = ["Parser", "named_path", "parse", "subcommands"]

HEADING = "examples:"

FLAG_ALIKE = 0.65
"""Similarity of flags that is worth a hint; all have their dashes in common."""


def named_path(text: str) -> Path:
    """A path, as the type of an argument.

    Raises:
        argparse.ArgumentTypeError: the name is empty, which pathlib takes for the current folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "the name is empty (a variable of the shell that is not set?); give a name"
        )
    return Path(text)


class Help(argparse.HelpFormatter):
    """Wraps what is prose, and leaves examples in their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(HEADING) else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser that names the nearest command, choice or flag, and whose help ends with the command's
    examples.
    """

    _words: Sequence[str] = ()

    def __init__(self, *names: Any, **settings: Any) -> None:
        super().__init__(*names, **{"formatter_class": Help, **settings})

    def format_help(self) -> str:
        """As argparse does, with the examples of :data:`tracking.cli.help_examples.EXAMPLES`."""
        command = self.prog.partition(" ")[2]
        if self.epilog is None and command in EXAMPLES:
            self.epilog = "\n  ".join([HEADING, *EXAMPLES[command]])
        return super().format_help()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; keeps the words for :meth:`error`."""
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print usage, message and hint to stderr and leave with code 2."""
        hint = ""
        if found := re.search(r"invalid choice: '?([^']*?)'? \(choose from (.*)\)", message):
            # For Pythons that put quotes around the choices and those that do not.
            hint = nearest(found[1], re.findall(r"[\w./-]+", found[2]))
        elif "are required" in message:
            hint = next((h for word in self._words if (h := self.meant(word))), "")
        super().error(message + hint)

    def meant(self, word: str) -> str:
        """Hint to the nearest flag of a word that looks like one and is none, or ""."""
        word = word.partition("=")[0]
        flags = [flag for action in self._actions for flag in action.option_strings]
        if not word.startswith("--") or any(flag.startswith(word) for flag in flags):
            return ""
        hint = nearest(word, flags, least=FLAG_ALIKE)
        return f". '{word}' is unknown.{hint}" if hint else ""


def subcommands(parser: argparse.ArgumentParser, title: str, metavar: str) -> Any:
    """Commands of a parser; without one of them it prints its help."""
    parser.set_defaults(command_function=lambda options: parser.print_help())
    return parser.add_subparsers(title=title, metavar=metavar)


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> tuple[argparse.Namespace, str | None]:
    """Options of a command line, and what is wrong with it where a word is left over."""
    words = _joined(parser, sys.argv[1:] if arguments is None else list(arguments))
    options, unknown = parser.parse_known_args(words)
    if not unknown:
        return options, None
    command = _named(parser, words)
    flags = [flag for action in command._actions for flag in action.option_strings]
    hint = nearest(unknown[0].partition("=")[0], flags, least=FLAG_ALIKE)
    return options, f"unknown argument '{unknown[0]}'.{hint} `{command.prog} --help` lists them"


def _joined(parser: argparse.ArgumentParser, words: Sequence[str]) -> Sequence[str]:
    """The words, the first two as one where that is a command: ``export graphs`` beside ``export
    WEIGHTS``.
    """
    two = " ".join(words[:2])
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and " " in two and two in action.choices:
            return [two, *words[2:]]
    return words


def _named(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """Parser of the command that the words name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for k, word in enumerate(words):
                if word in action.choices:
                    return _named(action.choices[word], words[k + 1 :])
    return parser
