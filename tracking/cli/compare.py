"""``smartpix compare``: which numbers of two or more runs differ."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tracking.cli.output import json_flag
from tracking.cli.parser import named_path
from tracking.cli.results import print_or_show
from tracking.show.numbers import shown

__all__ = ["add_compare", "comparison_text"]

WIDTH = 130
"""Of a table that is no terminal's."""


def add_compare(commands: Any) -> None:
    """Add ``compare`` to the commands."""
    compare = commands.add_parser("compare", help="which numbers of two runs differ, and by how much",
    description=(
        "Compare the first run with each of the others: every rate with its 68 % interval, the difference with its "
        "own, and whether it is significant. The same events are compared one by one, which finds small "
        "differences; other events are compared by their spread. Chances are corrected for the number of tests "
        "(Holm): where nothing differs, at most 5 % of the comparisons name a number."
    ))  # fmt: skip
    compare.add_argument(
        "runs", nargs="+", type=named_path, metavar="RUN",
        help="folders that `smartpix run -o` wrote, or their summary.json",
    )  # fmt: skip
    compare.add_argument(
        "-o", "--output", type=named_path, metavar="F.png|pdf|svg",
        help="also draw efficiency and fakes of all runs in one figure",
    )  # fmt: skip
    json_flag(compare)
    compare.set_defaults(command_function=_compare)


def _compare(options: argparse.Namespace) -> None:
    from tracking.runs.compare import compare_runs, read_run

    runs = [read_run(path) for path in options.runs]
    result = compare_runs(runs)
    if options.output:
        from tracking.runs.compare_figure import draw_comparison

        draw_comparison(options.output, runs)
        result["figure"] = str(options.output)
    text = "" if options.json else "\n\n".join(comparison_text(one) for one in result["comparisons"])
    if options.output:
        text += f"\nfigure in {options.output}"
    print_or_show(options, result, text)


def comparison_text(one: Mapping[str, Any]) -> str:
    """The table of two runs, and a sentence that names what is significant."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title = f"A = {one['a']}, B = {one['b']}"
    table = Table("number", "A", "B", "B - A", "chance", "", title=Text(title, "table.title"))
    for column in table.columns:
        column.no_wrap = True
        column.justify = "left" if column is table.columns[0] else "right"
    for name, number in one["numbers"].items():
        if name in one["same"] or (number["difference"] == 0 and number["p"] in (None, 1.0)):
            continue
        chance = "" if number["p"] is None else f"{number['p']:.2g}"
        table.add_row(
            name.replace("_", " "),
            shown(number["a"], number["interval_a"]),
            shown(number["b"], number["interval_b"]),
            shown(number["difference"], number["interval"], sign=True),
            chance,
            "differs" if number["significant"] else "",
        )
    console = Console(width=None if sys.stdout.isatty() else WIDTH, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join([captured.get().rstrip("\n"), *_sentences(one)])


def _sentences(one: Mapping[str, Any]) -> Iterator[str]:
    n = one["n_events"]
    yield (
        f"{n[0]} same events, compared one by one"
        if one["paired"]
        else f"{n[0]} and {n[1]} events, compared by their spread"
    )
    for name, (a, b) in one["options"].items():
        yield f"option {name}: {a} in A, {b} in B"
    if one["same"]:
        yield f"the same in every event: {_listed(one['same'])}"
    yield from (f"note: {line}" for line in one["warnings"])
    names = _listed(one["significant"])
    yield (
        f"significant (5 %, corrected for {one['n_tests']} tests): {names or 'none'}"
        if one["n_tests"]
        else "nothing differs"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)
