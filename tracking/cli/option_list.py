"""``smartpix options``: what there is to set, and a file of it."""

from __future__ import annotations

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, nearest, quoted
from tracking.cli.flags import plain, shown
from tracking.cli.option_tables import Described, command_options, described, sections
from tracking.cli.options import chain_flags, chain_options
from tracking.cli.output import json_flag
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show
from tracking.options import RunOptions

__all__ = ["add_options", "options_toml", "toml_value"]

WIDTH = 100
"""Of the lines of a file, and of a table that is no terminal's."""


def add_options(commands: Any, whole: argparse.ArgumentParser) -> None:
    """Add ``options`` to the commands; ``whole`` is the parser of them all."""
    parser = commands.add_parser("options", help="everything that --set sets, with defaults and units", description=(
        "List the options that --set takes, with default, range and unit: those of a run, of one of its sections, or "
        "of another command. --write-options writes all options of a run with their values, which --options, --set "
        "and flags change, into a file that `smartpix run --options` reads."
    ))  # fmt: skip
    words: Any = parser.add_argument("section", nargs="*", metavar="SECTION", help=(
        "a section (cone), an option (cone.quantile), or a command (train gnn), also with one of its sections; "
        "default: all of a run"
    ))  # fmt: skip
    words.values = tuple(sections(RunOptions()))
    parser.add_argument("--write-options", type=named_path, metavar="F.toml", help="the file to write")
    chain_flags(parser)
    json_flag(parser)
    parser.set_defaults(command_function=lambda options: _options(options, whole))


def _options(options: argparse.Namespace, whole: argparse.ArgumentParser) -> None:
    values = chain_options(options)
    command, chosen = _chosen(options.section, command_options(whole))
    if options.write_options:
        if command != "run":
            raise InputError(f"--write-options: writes options of a run, and not of {command}; leave one out")
        _write(options.write_options, values)
    if command == "run":
        changed = {option.name: option.default for option in described(values, inner=True)}
    else:
        changed = {option.name: option.default for option in chosen}
    result: dict[str, Any] = {
        "command": command,
        "options": {option.name: _json(option, changed[option.name]) for option in chosen},
    }
    if options.write_options:
        result["written"] = str(options.write_options)
    text = "" if options.json else _table(command, chosen, changed)
    if options.write_options:
        # Whoever wants the file is not shown all that is in it.
        text = f"all options in {options.write_options}; smartpix run --options {options.write_options} reads them"
    print_or_show(options, result, text)


def _chosen(words: Sequence[str], commands: dict[str, Any]) -> tuple[str, list[Described]]:
    """The command that the words name, and the options of it that they name.

    Raises:
        InputError: there is no such command, section or option.
    """
    command, rest = "run", list(words)
    for n in range(len(words), 0, -1):
        if " ".join(words[:n]) in commands:
            command, rest = " ".join(words[:n]), list(words[n:])
            break
    every = list(described(commands[command], inner=True))
    if not rest:
        return command, every
    name = ".".join(rest)
    chosen = [option for option in every if f"{option.name}.".startswith(f"{name}.")]
    if not chosen:
        known = {name for option in every for name in (option.name, option.name.rpartition(".")[0])}
        hint = nearest(" ".join(words), [*commands, *filter(None, known)])
        raise InputError(
            f"{quoted(' '.join(words))}: no such section, option or command.{hint} There are the sections "
            f"{', '.join(sections(commands[command]))}"
        )
    return command, chosen


def _json(option: Described, value: Any) -> dict[str, Any]:
    return {
        "default": option.default, "value": value, "unit": option.unit,
        "range": None if option.least is None else [option.least, option.most],
        "values": list(option.values), "meaning": plain(option.meaning),
    }  # fmt: skip


def _table(command: str, chosen: Sequence[Described], values: dict[str, Any]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "option", "value", "range, unit", "meaning", title=f"smartpix {command} --set ...", show_lines=False
    )
    for option in chosen:
        value = values[option.name]
        text = toml_value(value) if isinstance(value, (bool, str)) or not shown(value) else shown(value)
        if value != option.default:
            text += f" (default {shown(option.default)})"
        table.add_row(option.name, Text(text), Text(option.range or option.unit), Text(plain(option.meaning)))
    console = Console(width=None if sys.stdout.isatty() else WIDTH + 20, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")


def _write(path: Path, options: RunOptions) -> None:
    from smartpix.files import replace_when_done, store_text

    # Somebody may have written it by hand, and nothing else has what it says.
    if path.exists():
        raise InputError(f"--write-options: {path}: is there already; give another name, or remove it")
    with replace_when_done(path) as beside:
        store_text(beside, options_toml(options))


def options_toml(options: RunOptions) -> str:
    """All options of a run as TOML, each below a comment with its meaning, range and default; read back, they
    are equal.
    """
    defaults = {option.name: option.default for option in described(RunOptions(), inner=True)}
    lines = [
        "# Options of `smartpix run`: smartpix run --options THIS_FILE.toml",
        *_section(options, "", defaults),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _section(options: Any, above: str, defaults: dict[str, Any]) -> Iterator[str]:
    for option in described(options, above):
        default = defaults[option.name]
        allowed = [option.range or option.unit] if option.range or option.unit else []
        if option.default != default:
            allowed.append(f"default {toml_value(default)}")
        text = plain(option.meaning) + (f" ({'; '.join(allowed)})" if allowed else "")
        yield ""
        yield from textwrap.wrap(
            text, WIDTH - 2, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
        )
        yield f"{option.name.rpartition('.')[2]} = {toml_value(option.default)}"
    for name, inner in sections(options).items():
        yield from ("", f"[{above}{name}]")
        yield from _section(inner, f"{above}{name}.", defaults)


def toml_value(value: Any) -> str:
    """A value as TOML writes it: a switch, a number, a text, or a list of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the one character that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return repr(value)
