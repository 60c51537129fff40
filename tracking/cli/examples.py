"""``smartpix examples``: notebooks and programs to start from, listed and copied."""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, nearest, quoted
from smartpix.shipped import example_files
from smartpix.text import read_text
from tracking.cli.output import json_flag, print_result
from tracking.cli.parser import named_path

__all__ = ["about", "add_examples", "copy_examples"]

IMPORT = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)


def add_examples(commands: Any) -> None:
    """Add ``examples`` to the commands."""
    parser = commands.add_parser("examples", help="notebooks and programs to start from", description=(
        "List the examples that came with smartpix, or copy some into a folder. An example that needs another one "
        "brings it along. Files that are there already are never overwritten without --force."
    ))  # fmt: skip
    names: Any = parser.add_argument(
        "names", nargs="*", metavar="NAME", help="examples to copy, with or without ending; default: list all"
    )
    names.values = tuple(example_files())
    parser.add_argument(
        "-o", "--output", type=named_path, default=Path(), metavar="FOLDER",
        help="folder to copy into, made if it is not there (default: the current one)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="overwrite files that are there already")
    json_flag(parser)
    parser.set_defaults(command_function=_examples)


def _examples(options: argparse.Namespace) -> None:
    files = example_files()
    if options.names:
        copied = copy_examples(options.names, options.output, options.force)
        print_result(options, {"copied": [str(path) for path in copied]})
    else:
        print_result(options, {name: about(path) for name, path in files.items()})


def about(path: Path) -> str:
    """What an example is, in one line: its title, the first line of its docstring, or of its comment."""
    text = read_text(path)
    if path.suffix == ".ipynb":
        first = "".join(json.loads(text)["cells"][0]["source"])
        return first.splitlines()[0].lstrip("# ")
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
    return text.splitlines()[0].lstrip("# ")


def copy_examples(names: Sequence[str], folder: str | Path, force: bool = False) -> list[Path]:
    """Copy examples, and those that they import, into a folder.

    Args:
        names: with or without ending; folder: made if it is not there; force: overwrite.

    Returns:
        The files that were written.

    Raises:
        InputError: an unknown name, a folder that cannot be made or written, or a file that is there already.
    """
    from smartpix.files import check_writable, replace_when_done

    folder, files = Path(folder), example_files()
    chosen = _with_needed([_named(name, files) for name in names], files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); give another folder with -o"
        ) from error
    for name in chosen:
        if (folder / name).exists() and not force:
            raise InputError(f"{folder / name}: is there already; give another folder with -o, or --force")
        check_writable(folder / name)
    for name in chosen:
        with replace_when_done(folder / name) as beside:
            beside.write_bytes(files[name].read_bytes())
    return [folder / name for name in chosen]


def _named(name: str, files: Mapping[str, Path]) -> str:
    found = [file for file in files if name in (file, file.rpartition(".")[0])]
    if len(found) != 1:
        raise InputError(
            f"{quoted(name)}: no such example.{nearest(name, files)} `smartpix examples` lists them"
        )
    return found[0]


def _with_needed(names: Sequence[str], files: Mapping[str, Path]) -> list[str]:
    """The names, and those of the programs that they import, each once."""
    chosen: list[str] = []
    left = list(names)
    while left:
        name = left.pop(0)
        if name in chosen:
            continue
        chosen.append(name)
        if name.endswith(".py"):
            left += [
                f"{other}.py" for other in IMPORT.findall(read_text(files[name])) if f"{other}.py" in files
            ]
    return chosen
