"""Write docs/options.md from the dataclasses of options: python docs/make_options.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import wrap

from tracking.cli.flags import marked, shown
from tracking.cli.main import parser
from tracking.cli.option_tables import command_options, described, sections
from tracking.options import RunOptions

INTRODUCTION = """\
# Options

<!-- Made by docs/make_options.py from the dataclasses: edit there. -->

Every option has one default, which the commands' `--help`, this page and the classes in Python share.

- `smartpix run --options FILE.toml` reads a file with one section for each stage.
- `--set section.key=value` sets any option of a command. It wins over the file.
- Common options have a flag. A flag wins over the file, too.
- A flag and `--set` for the same option are an error that names both. Of a flag, or a `--set`, that
  is repeated, the last one counts.
- An unknown key is an error that names the nearest one.

```toml
estimates = "auto"

[cone]
quantile = 0.99
min_pt = 0.3  # softer tracks too
```
"""


def items(options: object, above: str = "") -> list[str]:
    """A list of a dataclass's own options: name, default and meaning."""
    lines = []
    for option in described(options, above):
        value = option.default
        default = shown(value) if isinstance(value, tuple) and len(value) > 6 else repr(value)
        allowed = f" ({option.range})" if option.least is not None else ""
        lines.append(f"- `{option.name}`, default `{default}`{allowed}: {marked(option.meaning)}.")
    return [*lines, ""]


def section(name: str, options: object, level: str) -> list[str]:
    """A dataclass below its title, and the sections in it."""
    text = [
        part
        for part in (type(options).__doc__ or "").partition("Attributes:")[0].split("\n\n")
        if part.strip()
    ]
    paragraphs = [marked(" ".join(part.split())) for part in text]
    return [f"{level} {name}", "", *(line for part in paragraphs for line in (part, "")), *items(options)]


def options() -> str:
    """The whole page."""
    lines = [INTRODUCTION, "## Options of a run", ""]
    lines += section("Top level", RunOptions(), "###")
    for name, value in sections(RunOptions()).items():
        lines += section(f"[{name}]", value, "###")
        for below, more in sections(value).items():
            lines += items(more, f"{below}.")
    run = {type(value) for _, value in sections(RunOptions()).items()}
    lines += ["## Options of other commands", ""]
    before: dict[str, object] = {}
    for command, defaults in command_options(parser()).items():
        if isinstance(defaults, RunOptions):
            continue
        if (same := next((name for name, listed in before.items() if listed == defaults), None)) is not None:
            lines += [f"### `smartpix {command}`", "", f"As of `smartpix {same}`.", ""]
            continue
        before[command] = defaults
        lines += section(f"`smartpix {command}`", defaults, "###")
        for name, value in sections(defaults).items():
            if type(value) in run:
                lines += [f"`{name}.*`: as [{name}] of a run.", ""]
            else:
                lines += items(value, f"{name}.")
                for below, more in sections(value).items():
                    lines += items(more, f"{name}.{below}.")
    return wrap("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    Path(__file__).with_name("options.md").write_text(options(), encoding="utf-8")
