"""``smartpix completion``: scripts that complete commands, flags and values in a shell.

They are made from the parser and hold all words, so that the tabulator key never starts Python.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tracking.cli.streams import show

__all__ = ["SHELLS", "Words", "add_completion", "script", "words_of"]

SAFE = re.compile(r"[\w.,:=/+-]+")
"""Words that need no quotes in any shell."""


@dataclass(frozen=True)
class Words:
    """What may follow a command.

    Attributes:
        command: the words that lead to it, "" for smartpix itself.
        commands: commands below it, with what each is for.
        flags: every flag with its help and the words that it takes; no words: a switch (None), or a value
            that a shell cannot know, often a file.
    """

    command: str
    commands: dict[str, str]
    flags: dict[str, tuple[str, tuple[str, ...] | None]]


def add_completion(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add ``completion`` to the commands of a parser."""
    completion = commands.add_parser("completion", help="a script that completes commands in a shell",
    description=(
        "Print a script for the shell. bash: eval \"$(smartpix completion bash)\" in ~/.bashrc. "
        "zsh: eval \"$(smartpix completion zsh)\" in ~/.zshrc, after compinit. "
        "fish: smartpix completion fish > ~/.config/fish/completions/smartpix.fish."
    ))  # fmt: skip
    completion.add_argument("shell", choices=tuple(SHELLS), help="the shell")
    completion.set_defaults(command_function=lambda options: show(script(parser, options.shell)))


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for one of :data:`SHELLS`."""
    return SHELLS[shell](list(words_of(parser)))


def words_of(parser: argparse.ArgumentParser, command: str = "") -> Iterator[Words]:
    """Words of a parser and of all commands below it."""
    commands: dict[str, str] = {}
    flags: dict[str, tuple[str, tuple[str, ...] | None]] = {}
    below = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            # Commands of two words are told where their first word stands.
            commands |= {c.dest: c.help or "" for c in action._choices_actions if " " not in c.dest}
            below = [(f"{command} {name}".strip(), inner) for name, inner in action.choices.items()]
            continue
        choices = getattr(action, "values", None) or action.choices or ()
        values = None if action.nargs == 0 else tuple(word for word in choices if SAFE.fullmatch(word))
        if action.option_strings:
            flags |= dict.fromkeys(action.option_strings, (action.help or "", values))
        elif values:
            # Words that stand alone, as the shell's own name here.
            commands |= dict.fromkeys(values, "")
    yield Words(command, commands, flags)
    for name, inner in below:
        yield from words_of(inner, name)


def _cases(all_words: list[Words]) -> tuple[str, str]:
    """What bash and zsh share: the words that lead to a command, and the lines that set ``found`` to what
    follows a command or a flag of it.
    """
    paths = " | ".join(f'"{words.command}"' for words in all_words if words.command)
    after = "\n".join(
        f'        "{words.command}") found="{" ".join([*words.commands, *words.flags])}" ;;'
        for words in all_words
    )
    values = "\n".join(
        f'        "{words.command} {flag}") found="{" ".join(choices)}" ;;'
        for words in all_words
        for flag, (_, choices) in words.flags.items()
        if choices is not None
    )
    found = f"""\
    case "$command" in
{after}
    esac
    case "$command $before" in
{values}
    esac"""
    return paths, found


def _bash(all_words: list[Words]) -> str:
    paths, found = _cases(all_words)
    return f"""\
# Completion of smartpix for bash.
_smartpix() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="" next k found
    # Bash takes the = of --flag=value for a word.
    if [ "$word" = "=" ]; then
        word=""
    elif [ "$before" = "=" ]; then
        before="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for ((k = 1; k < COMP_CWORD; k++)); do
        next="${{command:+$command }}${{COMP_WORDS[k]}}"
        case "$next" in
            {paths}) command="$next" ;;
        esac
    done
{found}
    COMPREPLY=($(compgen -W "$found" -- "$word"))
    # A key that waits for its value.
    case "${{COMPREPLY[*]}}" in
        *=) compopt -o nospace 2> /dev/null ;;
    esac
}}
complete -o default -F _smartpix smartpix"""


def _zsh(all_words: list[Words]) -> str:
    paths, found = _cases(all_words)
    return f"""\
#compdef smartpix
# Completion of smartpix for zsh.
_smartpix() {{
    local before="${{words[CURRENT-1]}}" command="" next k found
    for ((k = 2; k < CURRENT; k++)); do
        next="${{command:+$command }}${{words[k]}}"
        case "$next" in
            {paths}) command="$next" ;;
        esac
    done
{found}
    compadd -- ${{=found}} || _files
}}
compdef _smartpix smartpix"""


def _fish(all_words: list[Words]) -> str:
    lines = ["# Completion of smartpix for fish."]
    for words in all_words:
        path = words.command.split()
        seen = [f"__fish_seen_subcommand_from {word}" for word in path]
        unseen = [f"not __fish_seen_subcommand_from {' '.join(words.commands)}"] if words.commands else []
        where = f"-n '{'; and '.join(seen + unseen)}' " if seen or unseen else ""
        for name, help_text in words.commands.items():
            lines.append(f"complete -c smartpix {where}-f -a {name} -d {_quoted(help_text)}")
        where = f"-n '{'; and '.join(seen)}' " if seen else "-n __fish_use_subcommand "
        for flag, (help_text, choices) in words.flags.items():
            name = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            takes = "" if choices is None else f" -x -a '{' '.join(choices)}'" if choices else " -r"
            lines.append(f"complete -c smartpix {where}{name}{takes} -d {_quoted(help_text)}")
    return "\n".join(lines)


def _quoted(help_text: str) -> str:
    """The first words of a help text, as one word of fish."""
    short = re.split(r"[.:;(]", help_text.replace("%%", "%"))[0].strip()
    return "'" + short.replace("\\", "").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[list[Words]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""What makes the script, by shell."""
